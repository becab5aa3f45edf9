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
from app.rules.errors import NotFound
from app.rules.purchases import CREDITED, PurchaseStatus, refund_status
from app.rules.refunds import CLAIMED, RETURNED, RefundStatus, Share, Sold, Taken, share, take_back
from app.services.ledger import Entry, EntryKind, LockedPool, lock_pool, post
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


@dataclass(frozen=True, slots=True)
class LockedPurchase:
    """A purchase's row and its pool, while both are locked by this transaction."""

    pool: LockedPool
    row: Row[Any]


async def lock_purchase(tx: Transaction, purchase_id: UUID) -> LockedPurchase:
    """Lock a purchase's pool, then the purchase itself: whoever changes what went back of it does so alone. Raises NotFound."""
    mine = (CreditPurchase.tenant_id == tx.tenant_id, CreditPurchase.id == purchase_id)
    pool_id = await tx.scalar(select(CreditPurchase.pool_id).where(*mine))
    if pool_id is None:
        raise NotFound("purchase", path=("id",))
    pool = await lock_pool(tx, pool_id)
    row = (await tx.execute(select(CreditPurchase.__table__).where(*mine).with_for_update())).one()
    return LockedPurchase(pool, row)


async def returned_cents(tx: Transaction, purchase: Row[Any]) -> int:
    """What of the payment is back with the customer or their bank, at most what was paid. Cents."""
    cents = await refund_cents(tx, purchase.id, RETURNED) + await disputed_cents(tx, purchase.id)
    paid: int = purchase.payment_amount_cents
    return min(cents, paid)


async def claimed_cents(tx: Transaction, purchase: Row[Any]) -> int:
    """What no further refund may give back: refunds decided, under way or done, and what banks hold. Cents."""
    return await refund_cents(tx, purchase.id, CLAIMED) + await disputed_cents(tx, purchase.id)


async def refund_cents(tx: Transaction, purchase_id: UUID, statuses: frozenset[RefundStatus]) -> int:
    """The purchase's refunds of these statuses in all. Cents."""
    cents: int = await tx.scalar(
        select(func.coalesce(func.sum(Refund.amount_cents), 0)).where(
            Refund.tenant_id == tx.tenant_id,
            Refund.purchase_id == purchase_id,
            Refund.status.in_([status.value for status in statuses]),
        )
    )
    return cents


async def disputed_cents(tx: Transaction, purchase_id: UUID) -> int:
    """What banks hold of the payment now. Cents."""
    held = func.coalesce(func.sum(Dispute.withdrawn_cents), 0)
    cents: int = await tx.scalar(
        select(held).where(Dispute.tenant_id == tx.tenant_id, Dispute.purchase_id == purchase_id)
    )
    return cents


async def settle(tx: Transaction, locked: LockedPurchase, cause: Cause) -> Decimal:
    """Bring the credits in line with the cents that have gone back.

    Returns the credits that were taken now (below zero: given back). A purchase without its credits has none to take.
    """
    pool, purchase = locked.pool, locked.row
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
        # Money that goes back is no reason to take more. The pool stays armed: what triggers next is a spend by its members.
        pool.auto_purchase_below = None
        taken = take_back(due, pool.remaining, pool.available)
        await _keep(tx, purchase, cause, due, taken, returned_cents=cents)
        await post(tx, pool, _entries(purchase, cause, taken), shortfall=taken.shortfall)
    return due.total


async def _taken_so_far(tx: Transaction, purchase_id: UUID) -> Share:
    row = (
        await tx.execute(
            select(
                func.coalesce(func.sum(CreditReversal.purchased_credits), 0).label("purchased"),
                func.coalesce(func.sum(CreditReversal.bonus_credits), 0).label("bonus"),
            ).where(CreditReversal.tenant_id == tx.tenant_id, CreditReversal.purchase_id == purchase_id)
        )
    ).one()
    return Share(Decimal(row.purchased), Decimal(row.bonus))


async def _keep(
    tx: Transaction, purchase: Row[Any], cause: Cause, due: Share, taken: Taken, *, returned_cents: int
) -> None:
    await tx.execute(
        insert(CreditReversal).values(
            tenant_id=tx.tenant_id,
            pool_id=purchase.pool_id,
            purchase_id=purchase.id,
            refund_id=cause.refund_id,
            dispute_id=cause.dispute_id,
            returned_cents=returned_cents,
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
            -amount,
            user_id=purchase.user_id,
            source_id=str(purchase.id),
            description=cause.taken if amount > 0 else cause.returned,
            payment_intent_id=purchase.stripe_payment_intent_id,
            payment_currency=purchase.payment_currency,
        )
        for bucket, amount in ((Bucket.PURCHASED, taken.purchased), (Bucket.BONUS, taken.bonus))
        if amount
    ]
