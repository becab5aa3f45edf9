"""The life of a purchase (ruling 20): which status may follow which, and how long it is waited for."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from app.rules.node_ids import node_id


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

_FOLLOWING: dict[PurchaseStatus, frozenset[PurchaseStatus]] = {
    PurchaseStatus.PENDING: frozenset(
        {
            PurchaseStatus.PROCESSING,
            PurchaseStatus.REQUIRES_ACTION,
            PurchaseStatus.COMPLETED,
            PurchaseStatus.FAILED,
        }
    ),
    PurchaseStatus.PROCESSING: frozenset(
        {PurchaseStatus.REQUIRES_ACTION, PurchaseStatus.COMPLETED, PurchaseStatus.FAILED}
    ),
    PurchaseStatus.REQUIRES_ACTION: frozenset(
        {PurchaseStatus.PROCESSING, PurchaseStatus.COMPLETED, PurchaseStatus.FAILED}
    ),
    # Money that was taken after all brings its credits, whatever was believed before.
    PurchaseStatus.FAILED: frozenset({PurchaseStatus.COMPLETED}),
    PurchaseStatus.COMPLETED: frozenset({PurchaseStatus.PARTIALLY_REFUNDED, PurchaseStatus.REFUNDED}),
    # Back again: a refund that failed at the bank, a dispute that was won.
    PurchaseStatus.PARTIALLY_REFUNDED: frozenset({PurchaseStatus.REFUNDED, PurchaseStatus.COMPLETED}),
    PurchaseStatus.REFUNDED: frozenset({PurchaseStatus.PARTIALLY_REFUNDED, PurchaseStatus.COMPLETED}),
}


def may_become(status: PurchaseStatus, following: PurchaseStatus) -> bool:
    """Whether a purchase of this status may take that one. An open purchase may stay what it is and learn more (a new bank's page)."""
    return following in _FOLLOWING[status] or (following == status and status in OPEN)


def refund_status(paid_cents: int, returned_cents: int) -> PurchaseStatus:
    """What a paid purchase is once this much of it (refunds and lost disputes together) has gone back."""
    if returned_cents <= 0:
        return PurchaseStatus.COMPLETED
    return PurchaseStatus.REFUNDED if returned_cents >= paid_cents else PurchaseStatus.PARTIALLY_REFUNDED


FIRST_FOLLOW_UP = timedelta(seconds=20)  # longer than an answer of Stripe takes, shorter than a person's patience
LONGEST_FOLLOW_UP = timedelta(hours=1)
ACTION_EXPIRES_AFTER = timedelta(hours=24)  # an abandoned 3-D Secure step
KEY_LIVES = timedelta(
    hours=23
)  # Stripe forgets idempotency keys after about 24 hours: from then on look up, never charge again


def follow_up_delay(age: timedelta) -> timedelta:
    """When to look again at a purchase that is still open at this age: as long again as it has waited, within bounds."""
    return min(max(age, FIRST_FOLLOW_UP), LONGEST_FOLLOW_UP)


def purchase_page(public_url: str, purchase_id: UUID) -> str:
    """Where the page shows a purchase: for mails and for the way back from the bank."""
    return f"{public_url}/purchases/{node_id('CreditPurchase', purchase_id)}"
