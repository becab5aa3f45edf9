"""What a purchase's refunds and disputes take out of the pool, and give back to it: the ledger's part of both (ruling 22).

The credits follow the cents: `settle` compares what has been taken so far with the share of all cents that have gone back by now, and posts
the difference. So refunds and disputes may come, grow, fail and end in any order and any number of times: the same rows give the same
credits, and together they never take more than the purchase brought.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update

from app.rules.burn_order import Bucket
from app.rules.purchases import CREDITED, PurchaseStatus, refund_status
from app.rules.refunds import RETURNED, Share, Sold, Taken, share, take_back
from app.services.ledger import Entry, EntryKind, LockedPool, post
from app.tenancy import Transaction
from models.disputes import Dispute
from models.purchases import CreditPurchase
from models.refunds import Refund
from models.reversals import CreditReversal


@dataclass(frozen=True, slots=True)
class Cause:
    """Which refund or dispute has changed, and the words for the ledger: when credits leave, when they come back."""

    refund_id: UUID | None = None
    dispute_id: UUID | None = None
    taken: str = "Refund of a purchase"
    returned: str = "Refund that did not reach the card: credits given back"


async def returned_cents(tx: Transaction, purchase: Row[Any]) -> int:
    """What of the payment is back with the customer or their bank, at most what was paid. Cents."""
    refunded = await tx.scalar(
        select(func.coalesce(func.sum(Refund.amount_cents), 0)).where(
            Refund.tenant_id == tx.tenant_id,
            Refund.purchase_id == purchase.id,
            Refund.status.in_([status.value for status in RETURNED]),
        )
    )
    disputed = await disputed_cents(tx, purchase.id)
    return min(refunded + disputed, purchase.payment_amount_cents)


async def disputed_cents(tx: Transaction, purchase_id: UUID) -> int:
    """What banks hold of the payment now. Cents."""
    held = func.coalesce(func.sum(Dispute.withdrawn_cents), 0)
    return int(
        await tx.scalar(select(held).where(Dispute.tenant_id == tx.tenant_id, Dispute.purchase_id == purchase_id))
    )


async def settle(tx: Transaction, pool: LockedPool, purchase: Row[Any], cause: Cause) -> Decimal:
    """Bring the credits in line with the cents that have gone back. The pool and the purchase are locked by this transaction.

    Returns the credits that were taken now (below zero: given back). A purchase without its credits has none to take.
    """
    if PurchaseStatus(purchase.status) not in CREDITED:
        return Decimal(0)
    cents = await returned_cents(tx, purchase)
    sold = Sold(purchase.credits_amount, purchase.bonus_credits, purchase.payment_amount_cents)
    due = share(sold, cents) - await _taken_so_far(tx, purchase.id)
    await tx.execute(
        update(CreditPurchase)
        .where(CreditPurchase.tenant_id == tx.tenant_id, CreditPurchase.id == purchase.id)
        .values(refunded_cents=cents, status=refund_status(purchase.payment_amount_cents, cents).value)
    )
    if due.purchased or due.bonus:
        taken = take_back(due, pool.remaining, pool.available)
        await _keep(tx, purchase, cause, cents, due, taken)
        await post(tx, pool, _entries(purchase, cause, taken), shortfall=taken.shortfall)
    return due.total


async def _taken_so_far(tx: Transaction, purchase_id: UUID) -> Share:
    row = (
        await tx.execute(
            select(
                func.coalesce(func.sum(CreditReversal.purchased_credits), 0),
                func.coalesce(func.sum(CreditReversal.bonus_credits), 0),
            ).where(CreditReversal.tenant_id == tx.tenant_id, CreditReversal.purchase_id == purchase_id)
        )
    ).one()
    return Share(Decimal(row[0]), Decimal(row[1]))


async def _keep(tx: Transaction, purchase: Row[Any], cause: Cause, cents: int, due: Share, taken: Taken) -> None:
    await tx.execute(
        insert(CreditReversal).values(
            tenant_id=tx.tenant_id,
            pool_id=purchase.pool_id,
            purchase_id=purchase.id,
            refund_id=cause.refund_id,
            dispute_id=cause.dispute_id,
            returned_cents=cents,
            purchased_credits=due.purchased,
            bonus_credits=due.bonus,
            from_purchased=taken.purchased,
            from_bonus=taken.bonus,
            shortfall_credits=taken.shortfall,
        )
    )


def _entries(purchase: Row[Any], cause: Cause, taken: Taken) -> list[Entry]:
    """One entry a bucket that gives or gets."""
    return [
        Entry(
            EntryKind.REFUND,
            bucket,
            -credits,
            user_id=purchase.user_id,
            source_id=str(purchase.id),
            description=cause.taken if credits > 0 else cause.returned,
            payment_intent_id=purchase.stripe_payment_intent_id,
            payment_currency=purchase.payment_currency,
        )
        for bucket, credits in ((Bucket.PURCHASED, taken.purchased), (Bucket.BONUS, taken.bonus))
        if credits
    ]
