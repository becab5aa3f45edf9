"""Refunds and what they take back: money in whole cents, credits in proportion, exact to the millionth (rulings 10 and 22)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from app.rules.burn_order import ZERO, Bucket
from app.rules.errors import Invalid, RefundTooLarge
from app.rules.money import round_credits, units

LONGEST_REASON = 500  # characters


class RefundStatus(StrEnum):
    """requested -> pending | rejected; pending (to be asked of Stripe) -> processing (Stripe has it) -> succeeded; each may still fail."""

    REQUESTED = "requested"
    REJECTED = "rejected"
    PENDING = "pending"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RefundOrigin(StrEnum):
    """Who wanted it: the buyer, an operator of the portal, or somebody at Stripe's own dashboard."""

    REQUEST = "request"
    OPERATOR = "operator"
    STRIPE = "stripe"


RETURNED = frozenset({RefundStatus.PROCESSING, RefundStatus.SUCCEEDED})  # the money has left: so do the credits
CLAIMED = RETURNED | {RefundStatus.PENDING}  # cents that no other refund may give back
UNFINISHED = frozenset({RefundStatus.PENDING, RefundStatus.PROCESSING})  # followed until they end
_ORDER = (RefundStatus.PENDING, RefundStatus.PROCESSING, RefundStatus.SUCCEEDED, RefundStatus.FAILED)


def advances(known: RefundStatus, told: RefundStatus, *, at_stripe: bool) -> bool:
    """Whether news from Stripe is newer than what is known: a refund only moves on, and a failure is its last word.

    `at_stripe`: Stripe's id of it is known. One that failed without it (never made, as far as anybody knew) may turn out to be there.
    """
    if known is RefundStatus.FAILED and not at_stripe:
        return told is not RefundStatus.FAILED
    return known in _ORDER and _ORDER.index(told) > _ORDER.index(known)


def check_reason(reason: str) -> str:
    """The reason without spaces around it. Raises Invalid when there is none, or more than 500 characters."""
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON or "\0" in text:
        raise Invalid(f"Say why, in 1 to {LONGEST_REASON} characters.", path=("reason",), reason="reason")
    return text


def check_amount(asked_cents: int | None, *, paid_cents: int, claimed_cents: int, currency: str = "USD") -> int:
    """The cents to give back: what was asked for, or (None) all that is left. Cumulative, never above what was paid.

    `claimed_cents`: given back, on its way back, or taken back by the bank in a dispute. Raises Invalid or RefundTooLarge.
    """
    left = max(paid_cents - claimed_cents, 0)
    if asked_cents is not None and asked_cents <= 0:
        raise Invalid(
            f"A refund is at least 0.01 {currency}; {units(asked_cents)} was asked for.",
            path=("amountCents",),
            reason="refund_amount",
        )
    if left == 0 or (asked_cents or 0) > left:
        raise RefundTooLarge(asked_cents, left, paid_cents, currency)
    return left if asked_cents is None else asked_cents


@dataclass(frozen=True, slots=True)
class Sold:
    """What a purchase sold: credits and bonus, for cents."""

    credits: Decimal
    bonus: Decimal
    paid_cents: int


@dataclass(frozen=True, slots=True)
class Share:
    """Credits of a purchase by bucket; below zero they go back to the pool."""

    purchased: Decimal
    bonus: Decimal

    def __sub__(self, other: "Share") -> "Share":
        return Share(self.purchased - other.purchased, self.bonus - other.bonus)

    @property
    def total(self) -> Decimal:
        return self.purchased + self.bonus


def share(sold: Sold, returned_cents: int) -> Share:
    """The credits that belong to the cents that have gone back in all, by refunds and disputes together.

    Of the cumulative sum, so that parts in any order add up exactly to the whole; never more than was sold, though the bank may dispute
    what was refunded already.
    """
    cents = min(max(returned_cents, 0), sold.paid_cents)
    return Share(
        round_credits(sold.credits * cents / sold.paid_cents), round_credits(sold.bonus * cents / sold.paid_cents)
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """What each bucket gives (below zero: gets), and what none could: the pool owes it."""

    purchased: Decimal
    bonus: Decimal
    shortfall: Decimal


def take_back(due: Share, remaining: Mapping[Bucket, Decimal], available: Decimal) -> Taken:
    """Take credits that are due out of the pool (ruling 22), or give them back where they are below zero.

    Which credits are spent? Those of a bucket are alike: nobody can say which of two purchases a credit came from, so a refunded credit
    counts as spent only when its bucket has none left to give: purchased ones are taken from the purchased bucket, bonus from the bonus
    bucket. What is held is promised to a request that may be under way: it is not there to be taken, whatever bucket it stands in, so no
    more than `available` leaves and what is reserved stays covered. What cannot be taken is spent: it becomes a shortfall (ruling 10),
    which the ledger pays at once out of whatever else is available (other credits of the pool, in burn order), and then out of the next
    credits that come, holds that are given back among them. So no balance goes below zero, and whoever owes has nothing available.

    What is given back (a refund that failed, a dispute that was won) comes as credits do: all of it, and a shortfall is paid by it first.
    """
    if due.total <= 0:
        return Taken(due.purchased, due.bonus, ZERO)
    purchased = min(due.purchased, remaining[Bucket.PURCHASED], available)
    bonus = min(due.bonus, remaining[Bucket.BONUS], available - purchased)
    return Taken(purchased, bonus, due.total - purchased - bonus)


_FAILURES = {
    "lost_or_stolen_card": "the card was reported lost or stolen",
    "expired_or_canceled_card": "the card has expired or was cancelled",
    "charge_for_pending_refund_disputed": "the payment was disputed at the bank meanwhile",
    "declined": "the bank declined it",
    "insufficient_funds": "the merchant's account did not cover it",
    "merchant_request": "it was called off",
    "charge_disputed": "the payment is disputed at the bank",
    "charge_already_refunded": "the payment was refunded already",
    "never_made": "it never reached the bank",
    "resource_missing": "Stripe does not know the payment",
}


def advice(status: RefundStatus, failure_code: str | None = None, note: str | None = None) -> str:
    """What the buyer should know of a refund, and what to do next."""
    match status:
        case RefundStatus.REQUESTED:
            return "Your request is waiting for a decision. You will get an e-mail; there is nothing you need to do."
        case RefundStatus.REJECTED:
            return f"Your request was declined: {note or 'no reason was given'}. Ask support if you disagree."
        case RefundStatus.PENDING:
            return "The refund is approved and being sent to your bank."
        case RefundStatus.PROCESSING:
            return "Your bank is working on the refund. That can take some days; there is nothing you need to do."
        case RefundStatus.SUCCEEDED:
            return "The money is on its way. Your card's statement shows it within 5 to 10 days."
        case RefundStatus.FAILED:
            why = _FAILURES.get(failure_code or "", "the bank did not take it")
            return f"The refund failed: {why}. No money came back to your card, and its credits stay in the pool. Ask support."
