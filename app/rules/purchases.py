"""The life of a purchase: pending -> processing | requires_action -> completed | failed (ruling 20), and how long it is waited for."""

from datetime import timedelta
from enum import StrEnum


class PurchaseStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    COMPLETED = "completed"
    FAILED = "failed"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"


OPEN = frozenset({PurchaseStatus.PENDING, PurchaseStatus.PROCESSING, PurchaseStatus.REQUIRES_ACTION})
CREDITED = frozenset({PurchaseStatus.COMPLETED, PurchaseStatus.REFUNDED, PurchaseStatus.PARTIALLY_REFUNDED})

FIRST_FOLLOW_UP = timedelta(seconds=20)  # longer than an answer of Stripe takes, shorter than a person's patience
LONGEST_FOLLOW_UP = timedelta(hours=1)
ACTION_EXPIRES_AFTER = timedelta(hours=24)  # an abandoned 3-D Secure step
KEY_LIVES = timedelta(
    hours=23
)  # Stripe forgets idempotency keys after about 24 hours: from then on look up, never charge again


def follow_up_delay(age: timedelta) -> timedelta:
    """When to look again at a purchase that is still open at this age: as long again as it has waited, within bounds."""
    return min(max(age, FIRST_FOLLOW_UP), LONGEST_FOLLOW_UP)


# What a buyer can do about a decline, by Stripe's decline code; anything else gets the last one.
_ADVICE = {
    "insufficient_funds": "The card has insufficient funds. Use another card or a smaller quantity.",
    "expired_card": "The card has expired. Use another card.",
    "incorrect_cvc": "The security code is wrong. Check it and try again.",
    "incorrect_number": "The card number is wrong. Check it and try again.",
    "processing_error": "The bank could not process the payment just now. Try again in a few minutes.",
    "lost_card": "The bank declined the card. Use another card or ask your bank.",
    "stolen_card": "The bank declined the card. Use another card or ask your bank.",
    "authentication_required": "Your bank wants you to confirm the payment. Try again and complete its step.",
    "setup_intent_authentication_failure": "The confirmation with your bank was not completed. Try again, or use another card.",
    "payment_intent_authentication_failure": "The confirmation with your bank was not completed. Try again, or use another card.",
}
_DEFAULT_ADVICE = "The bank declined the card. Use another card or ask your bank."


def decline_advice(code: str, decline_code: str | None) -> str:
    """A sentence for the buyer: what is wrong and what to do. Never tells a thief more than 'declined'."""
    return _ADVICE.get(decline_code or "", _ADVICE.get(code, _DEFAULT_ADVICE))
