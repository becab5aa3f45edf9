"""Comparing a purchase with what Stripe has of it (ruling 20): they agree, Stripe's word settles it, or nobody here can explain it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app.rules.money import money_text
from app.rules.purchases import ACTION_EXPIRES_AFTER, CREDITED, KEY_LIVES, OPEN, PurchaseStatus

DEFAULT_DAYS = 3
MOST_DAYS = 366


class Standing(StrEnum):
    """How far a payment is, in the terms that matter here."""

    PAID = "paid"
    OPEN = "open"  # it may still be paid
    DEAD = "dead"  # it never will be


@dataclass(frozen=True, slots=True)
class PurchaseSide:
    """A purchase as the portal has it. Amount in cents, `age` since it was begun."""

    status: PurchaseStatus
    payment_intent_id: str | None
    amount_cents: int
    currency: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class StripeSide:
    """A payment of that purchase as Stripe has it; `status` is Stripe's word, `amount_cents` what was or would be taken."""

    payment_intent_id: str
    standing: Standing
    status: str
    amount_cents: int
    currency: str


class Action(StrEnum):
    NOTHING = "nothing"
    APPLY = "apply"  # the payment's outcome, as its webhook would have
    DRIVE_ON = "drive_on"  # ask Stripe once more: what nobody takes any more ends by our hand


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do; `unexplained` says why nothing may be done by a machine."""

    action: Action = Action.NOTHING
    unexplained: str | None = None


_AGREES = Verdict()


def compare(purchase: PurchaseSide, payments: Sequence[StripeSide]) -> Verdict:
    """Hold a purchase against all payments that bear its name, the newest first."""
    if not payments:
        return _without_payment(purchase)
    if len(payments) > 1:
        names = ", ".join(f"{one.payment_intent_id} ({one.status})" for one in payments)
        return Verdict(unexplained=f"{len(payments)} payments for one purchase: {names}")
    [payment] = payments
    known = purchase.payment_intent_id
    if known is not None and known != payment.payment_intent_id:
        return Verdict(unexplained=f"the purchase knows the payment {known}, Stripe has {payment.payment_intent_id}")
    if (payment.amount_cents, payment.currency.upper()) != (purchase.amount_cents, purchase.currency.upper()):
        ours, theirs = (money_text(one.amount_cents, one.currency) for one in (purchase, payment))
        return Verdict(unexplained=f"the purchase is {ours}, the payment ({payment.status}) {theirs}")
    return _by_standing(purchase, payment)


def _by_standing(purchase: PurchaseSide, payment: StripeSide) -> Verdict:
    if payment.standing is Standing.PAID:
        return _AGREES if purchase.status in CREDITED else Verdict(Action.APPLY)
    if purchase.status in CREDITED:
        return Verdict(unexplained=f"the purchase is {purchase.status}, its payment {payment.status}")
    if payment.standing is Standing.DEAD:
        return Verdict(Action.APPLY) if purchase.status in OPEN else _AGREES
    if purchase.status not in OPEN:
        return Verdict(unexplained=f"the purchase has failed, its payment is {payment.status} and may still be paid")
    if purchase.payment_intent_id is None:
        return Verdict(Action.APPLY)  # the answer was lost: the buyer's next step is in it
    abandoned = payment.status != "processing" and purchase.age > ACTION_EXPIRES_AFTER
    return Verdict(Action.DRIVE_ON) if abandoned else _AGREES


def _without_payment(purchase: PurchaseSide) -> Verdict:
    if purchase.payment_intent_id is not None:
        return Verdict(unexplained=f"Stripe has no payment {purchase.payment_intent_id}")
    if purchase.status in CREDITED:
        return Verdict(unexplained=f"the purchase is {purchase.status} without any payment")
    if purchase.status in OPEN and purchase.age > KEY_LIVES:
        return Verdict(Action.DRIVE_ON)
    return _AGREES  # never charged and failed, or so young that its own job is at it


def compare_subscription(ours: str, theirs: str | None) -> str | None:
    """What nobody here can explain of a subscription's status and Stripe's word for it (None: Stripe has none); None: they agree."""
    if theirs is None:
        return "Stripe has no such subscription"
    return None if ours == theirs else f"the subscription is {ours}, at Stripe {theirs}"
