"""What a buyer is told of a purchase at every step (ruling 20): how it stands, why, and what to do next."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.rules.money import credits_text, money_text
from app.rules.purchases import ACTION_EXPIRES_AFTER, PurchaseStatus


class NextStep(StrEnum):
    """What the buyer can do now."""

    NONE = "none"
    WAIT = "wait"
    CONFIRM_WITH_BANK = "confirm_with_bank"
    TRY_ANOTHER_CARD = "try_another_card"
    BUY_AGAIN = "buy_again"


class Moment(StrEnum):
    """What can happen to a purchase; `purchase.<moment>` is its billing event."""

    STARTED = "started"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    COMPLETED = "completed"
    FAILED = "failed"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Progress:
    """`next_step_by`: when the step is no longer possible; None: no such end."""

    title: str
    explanation: str
    next_step: NextStep
    next_step_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """A purchase as far as the buyer's sentence needs it. Money in cents."""

    status: PurchaseStatus
    total_credits: Decimal
    total_cents: int
    refunded_cents: int
    currency: str
    failure_code: str | None
    failure_reason: str | None
    has_action_url: bool
    created_at: datetime


NEVER_CHARGED = "never_charged"
ABANDONED = "abandoned"
CANCELED = "canceled"
# What a buyer can do about a payment that failed, by Stripe's decline code or a code of ours; anything else gets the last one.
_ADVICE = {
    "insufficient_funds": "The card has insufficient funds. Use another card or a smaller quantity.",
    "expired_card": "The card has expired. Use another card.",
    "incorrect_cvc": "The security code is wrong. Check it and try again.",
    "incorrect_number": "The card number is wrong. Check it and try again.",
    "processing_error": "The bank could not process the payment just now. Try again in a few minutes.",
    "lost_card": "The bank declined the card. Use another card or ask your bank.",
    "stolen_card": "The bank declined the card. Use another card or ask your bank.",
    "payment_method_missing": "The card is no longer among the pool's payment methods. Use another card.",
    "authentication_required": "Your bank wants you to confirm the payment. Try again and complete its step.",
    "payment_intent_authentication_failure": "The confirmation with your bank was not completed. Try again, or use another card.",
    "resource_missing": "The card is no longer stored at Stripe. Use another card.",
    NEVER_CHARGED: "The payment never reached Stripe. Buy again.",
    ABANDONED: "The payment was not confirmed with your bank within a day. Buy again and complete the bank's step.",
    CANCELED: "The payment was canceled before it was confirmed. Buy again.",
}
_DEFAULT_ADVICE = "The bank declined the card. Use another card or ask your bank."
_THE_CARD_WAS_FINE = frozenset({NEVER_CHARGED, ABANDONED, CANCELED, "processing_error"})


def decline_advice(code: str, decline_code: str | None) -> str:
    """A sentence for the buyer: what is wrong and what to do. Never tells a thief more than 'declined'."""
    return _ADVICE.get(decline_code or "", _ADVICE.get(code, _DEFAULT_ADVICE))


def progress(purchase: Facts) -> Progress:
    """How a purchase stands, in a title and a sentence, and what its buyer can do next."""
    total = money_text(purchase.total_cents, purchase.currency)
    one = purchase.total_credits == 1
    quantity = f"{credits_text(purchase.total_credits)} credit{'' if one else 's'}"
    match purchase.status:
        case PurchaseStatus.PENDING | PurchaseStatus.PROCESSING:
            return Progress(
                "Your payment is on its way",
                f"{quantity} will be there as soon as Stripe confirms {total}. You may leave this page.",
                NextStep.WAIT,
            )
        case PurchaseStatus.REQUIRES_ACTION:
            return _action(purchase, total)
        case PurchaseStatus.COMPLETED:
            verb, them = ("is", "It is in the pool and never expires.") if one else ("are", _MANY)
            return Progress(f"{quantity} {verb} yours", f"Paid {total}. {them}", NextStep.NONE)
        case PurchaseStatus.FAILED:
            fine = purchase.failure_code in _THE_CARD_WAS_FINE
            return Progress(
                "The payment didn’t go through",
                f"{purchase.failure_reason or _DEFAULT_ADVICE} Nothing was charged.",
                NextStep.BUY_AGAIN if fine else NextStep.TRY_ANOTHER_CARD,
            )
        case PurchaseStatus.REFUNDED:
            text = f"{total} went back to your card; the credits were taken back."
            return Progress("This purchase was refunded", text, NextStep.NONE)
        case PurchaseStatus.PARTIALLY_REFUNDED:
            back = money_text(purchase.refunded_cents, purchase.currency)
            text = f"{back} of {total} went back to your card; the credits of that part were taken back."
            return Progress("Part of this purchase was refunded", text, NextStep.NONE)


_MANY = "They are in the pool and never expire."


def _action(purchase: Facts, total: str) -> Progress:
    """The bank's step: without its address there is nothing that the buyer can do here."""
    return Progress(
        "Your bank wants to hear from you",
        f"It asks you to confirm {total}. Nothing is charged before that, and without it the purchase ends after a day.",
        NextStep.CONFIRM_WITH_BANK if purchase.has_action_url else NextStep.WAIT,
        purchase.created_at + ACTION_EXPIRES_AFTER,
    )


def moment_text(moment: Moment) -> str:
    """A line of a purchase's timeline."""
    return {
        Moment.STARTED: "Payment started",
        Moment.PROCESSING: "Waiting for Stripe",
        Moment.REQUIRES_ACTION: "The bank asked for a confirmation",
        Moment.COMPLETED: "Paid, and the credits added",
        Moment.FAILED: "The payment failed",
        Moment.REFUNDED: "Money went back to the card",
    }[moment]


_BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express", "jcb": "JCB", "unionpay": "UnionPay"}


def card_text(method: str | None) -> str:
    """What is stored of a card ("visa 4242"), as a person reads it."""
    brand, _, last4 = (method or "card").partition(" ")
    return (
        f"{_BRANDS.get(brand, brand.replace('_', ' ').capitalize())} ending in {last4}"
        if last4
        else _BRANDS.get(brand, "Card")
    )
