"""Credits that come and go without a purchase: the monthly grant and what expires of it, adjustments, transfers (rulings 6 to 9)."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select, update

from app.rules.billing_months import next_reset
from app.rules.burn_order import Bucket
from app.rules.errors import InsufficientLedger, Invalid
from app.rules.spending_limits import check_amount
from app.services.audit import record
from app.services.catalogue import Catalogue
from app.services.ledger import Entry, EntryKind, LockedPool, lock_pool, post, store
from app.tenancy import Transaction
from models.pools import CreditPool
from models.subscriptions import Subscription

GRANTED = ("active", "trialing", "past_due")  # a subscription that has ended brings nothing any more
TRANSFERABLE = (Bucket.PURCHASED, Bucket.BONUS)  # included credits are for this pool and this month


async def due_pools(tx: Transaction, now: datetime) -> list[UUID]:
    """The tenant's pools whose month has ended."""
    rows = await tx.rows(
        select(CreditPool.id)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.monthly_resets_at <= now)
        .order_by(CreditPool.id)
    )
    return [row.id for row in rows]


async def reset_month(tx: Transaction, pool_id: UUID, catalogue: Catalogue, now: datetime) -> int:
    """Bring the pool's month up to date: what is left expires, the new month's credits come; once for each period missed.

    Exactly once a pool and period: under the pool's lock the date has moved on, or it has not. Returns how many periods began.
    """
    pool = await lock_pool(tx, pool_id)
    row = await _plan(tx, pool_id)
    granted = _included(row, catalogue)
    resets_at: datetime | None = row.monthly_resets_at
    periods = 0
    while resets_at is not None and resets_at <= now:
        # A month counts its own use only.
        pool.included_total, pool.included_used = pool.remaining[Bucket.INCLUDED], Decimal(0)
        await post(tx, pool, _month_entries(pool, granted))
        resets_at = next_reset(row.anchor or resets_at, resets_at)
        periods += 1
    if periods:
        await store(tx, pool)  # a month without entries begins, too
        await tx.execute(
            update(CreditPool)
            .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
            .values(monthly_resets_at=resets_at)
        )
    return periods


async def adjust(
    tx: Transaction, pool_id: UUID, bucket: Bucket, amount: Decimal, *, reason: str, actor_user_id: UUID | None
) -> None:
    """Add or take credits by an operator's word. Raises Invalid or InsufficientLedger (what is held is not taken)."""
    check_amount(abs(amount), path=("amount",))
    if amount == 0:
        raise Invalid("amount must be other than 0.", path=("amount",), reason="credits")
    if not reason.strip():
        raise Invalid("reason must say why the balance is adjusted.", path=("reason",))
    pool = await lock_pool(tx, pool_id)
    await post(tx, pool, [Entry(EntryKind.ADJUSTMENT, bucket, amount, user_id=actor_user_id, description=reason)])
    await record(
        tx,
        action="pool.adjusted",
        pool_id=pool_id,
        actor_user_id=actor_user_id,
        entity=("credit_pool", pool_id),
        after={"bucket": bucket.value, "amount": f"{amount:f}", "reason": reason},
    )


async def transfer(
    tx: Transaction, source_id: UUID, target_id: UUID, amount: Decimal, *, actor_user_id: UUID | None
) -> None:
    """Move purchased, then bonus credits between two pools of the tenant: all entries or none. Raises Invalid or InsufficientLedger."""
    if source_id == target_id:
        raise Invalid("A transfer needs two different pools.", path=("toPoolId",))
    check_amount(amount, path=("amount",))
    if amount == 0:
        raise Invalid("amount must be above 0.", path=("amount",), reason="credits")
    locked = {pool_id: await lock_pool(tx, pool_id) for pool_id in sorted((source_id, target_id))}
    shares = _transfer_shares(locked[source_id], amount)
    for pool_id, kind, sign, other in (
        (source_id, EntryKind.TRANSFER_OUT, -1, target_id),
        (target_id, EntryKind.TRANSFER_IN, 1, source_id),
    ):
        entries = [
            Entry(kind, bucket, sign * share, user_id=actor_user_id, source_id=str(other))
            for bucket, share in shares.items()
        ]
        await post(tx, locked[pool_id], entries)
    await record(
        tx,
        action="pool.transferred",
        pool_id=source_id,
        actor_user_id=actor_user_id,
        entity=("credit_pool", target_id),
        after={"amount": f"{amount:f}"},
    )


def _transfer_shares(pool: LockedPool, amount: Decimal) -> dict[Bucket, Decimal]:
    left, shares = amount, {}
    for bucket in TRANSFERABLE:
        share = min(left, pool.remaining[bucket])
        if share > 0:
            shares[bucket] = share
            left -= share
    if left > 0:
        raise InsufficientLedger("purchased and bonus", amount - left, amount)
    return shares


async def _plan(tx: Transaction, pool_id: UUID) -> Row[Any]:
    return (
        await tx.execute(
            select(
                CreditPool.monthly_resets_at,
                Subscription.tier_id,
                Subscription.seat_count,
                Subscription.created_at.label("anchor"),
            )
            .outerjoin(
                Subscription,
                and_(
                    Subscription.tenant_id == CreditPool.tenant_id,
                    Subscription.credit_pool_id == CreditPool.id,
                    Subscription.status.in_(GRANTED),
                ),
            )
            .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
        )
    ).one()


def _included(plan: Row[Any], catalogue: Catalogue) -> Decimal:
    """Credits of one month: the tier's, times the seats where it is priced per user (ruling 7)."""
    if plan.tier_id is None:
        return Decimal(0)
    tier = catalogue.tier(plan.tier_id)
    return tier.included_credits_per_user * (plan.seat_count if tier.price_per_user else 1)


def _month_entries(pool: LockedPool, granted: Decimal) -> list[Entry]:
    """The unused rest leaves, the new month comes. What is held stays: the holds may still need it."""
    rest = min(pool.remaining[Bucket.INCLUDED], pool.available)
    entries = []
    if rest > 0:
        entries.append(
            Entry(EntryKind.EXPIRATION, Bucket.INCLUDED, -rest, description="Included credits of last month")
        )
    if granted > 0:
        entries.append(Entry(EntryKind.SUBSCRIPTION_GRANT, Bucket.INCLUDED, granted, description="Included credits"))
    return entries
