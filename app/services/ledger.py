"""The ledger: the one place that writes credit entries and the balances that follow from them (rulings 6, 8, 9 and 10).

Every writer locks the pool's row first (`lock_pool`), so entries of one pool are in one order; `post` writes all entries of a change in one
statement and the balances in another. The database's CHECKs hold the same invariants.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import case, insert, select, update

from app.rules.auto_purchase import crossed
from app.rules.burn_order import Bucket, burn
from app.rules.errors import InsufficientLedger, NotFound
from app.rules.money import round_credits
from app.services.auto_purchase.trigger import trigger
from app.services.identifiers import new_id
from app.tenancy import Transaction
from models.pools import CreditPool
from models.transactions import CreditTransaction


class EntryKind(StrEnum):
    """The nine kinds of entries of section 43.3."""

    PURCHASE = "purchase"
    SUBSCRIPTION_GRANT = "subscription_grant"
    BONUS_GRANT = "bonus_grant"
    CONSUMPTION = "consumption"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"
    TRANSFER_IN = "transfer_in"
    TRANSFER_OUT = "transfer_out"
    EXPIRATION = "expiration"


SHORTFALL_PAID = (
    "Usage beyond the balance, paid by these credits"  # by these words the audit knows them: they never change
)

# Only what is bought or given adds to a bucket's lifetime total; a refund's return or an adjustment moves what is left.
_ADDS_TO_TOTAL = {EntryKind.PURCHASE, EntryKind.BONUS_GRANT, EntryKind.SUBSCRIPTION_GRANT, EntryKind.TRANSFER_IN}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry to be written: a signed amount of credits in one bucket, and where it came from."""

    kind: EntryKind
    bucket: Bucket
    amount: Decimal
    user_id: UUID | None = None
    source_id: str | None = None
    description: str | None = None
    model_id: str | None = None
    request_id: UUID | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    payment_intent_id: str | None = None
    payment_amount_cents: int | None = None
    payment_currency: str | None = None


@dataclass(slots=True)
class LockedPool:
    """A pool's balances while its row is locked by this transaction. Credits."""

    id: UUID
    available: Decimal
    reserved: Decimal
    included_total: Decimal
    included_used: Decimal
    bonus_total: Decimal
    bonus_remaining: Decimal
    purchased_total: Decimal
    purchased_remaining: Decimal
    shortfall: Decimal
    sequence: int
    armed: bool  # no automatic purchase is due, open or waited for: the next spend may be a reason for one
    auto_purchase_below: Decimal | None  # the level that a debit falls below; None: below it already, or not armed

    @property
    def balance(self) -> Decimal:
        """Available and reserved: what the entries add up to."""
        return self.available + self.reserved

    @property
    def remaining(self) -> dict[Bucket, Decimal]:
        return {
            Bucket.INCLUDED: self.included_total - self.included_used,
            Bucket.BONUS: self.bonus_remaining,
            Bucket.PURCHASED: self.purchased_remaining,
        }


async def lock_pool(tx: Transaction, pool_id: UUID) -> LockedPool:
    """Lock the pool's row until the transaction ends. Locks are taken in one order: pool, then member, then the rest."""
    row = await tx.row(
        select(
            CreditPool.id,
            CreditPool.balance_available.label("available"),
            CreditPool.balance_reserved.label("reserved"),
            CreditPool.monthly_included_total.label("included_total"),
            CreditPool.monthly_included_used.label("included_used"),
            CreditPool.bonus_total,
            CreditPool.bonus_remaining,
            CreditPool.purchased_total,
            CreditPool.purchased_remaining,
            CreditPool.shortfall_credits.label("shortfall"),
            CreditPool.ledger_sequence.label("sequence"),
            CreditPool.auto_purchase_below.is_not(None).label("armed"),
            # Armed and below it already: money went back. That is no reason to take more; the next spend of a member may be one.
            case(
                (CreditPool.balance_available >= CreditPool.auto_purchase_below, CreditPool.auto_purchase_below)
            ).label("auto_purchase_below"),
        )
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
        .with_for_update(key_share=True)  # FOR NO KEY UPDATE: foreign keys to the pool need not wait
    )
    if row is None:
        raise NotFound("pool")
    return LockedPool(**row._asdict())


async def post(tx: Transaction, pool: LockedPool, entries: Sequence[Entry], *, shortfall: Decimal = Decimal(0)) -> None:
    """Write entries in order, each with its sequence and balance_after, and the balances. What is available pays a shortfall first.

    `shortfall`: credits that were due beyond what the entries could take (ruling 22); the pool owes them from now on.
    """
    rows = [_write(tx.tenant_id, pool, entry) for entry in entries]
    pool.shortfall += shortfall
    rows.extend(_write(tx.tenant_id, pool, entry) for entry in _pay_shortfall(pool))
    if rows:
        await tx.execute(insert(CreditTransaction), rows)
    if rows or shortfall:
        await store(tx, pool)


def _move(pool: LockedPool, entry: Entry) -> None:
    """Apply one entry to the balances. Raises InsufficientLedger rather than take a bucket below zero."""
    # The database would round each figure by itself and break the chain.
    if entry.amount != round_credits(entry.amount):
        raise ValueError(f"{entry.amount} credits: an entry is rounded to 6 places before it is posted")
    left = pool.remaining[entry.bucket] + entry.amount
    if left < 0 or pool.available + entry.amount < 0:
        raise InsufficientLedger(entry.bucket.value, pool.remaining[entry.bucket], -entry.amount)
    pool.available += entry.amount
    adds = entry.kind in _ADDS_TO_TOTAL
    match entry.bucket:
        case Bucket.INCLUDED if entry.kind is EntryKind.CONSUMPTION:
            pool.included_used -= entry.amount
        case Bucket.INCLUDED:
            pool.included_total += entry.amount
        case Bucket.BONUS:
            pool.bonus_remaining = left
            pool.bonus_total += entry.amount if adds else 0
        case Bucket.PURCHASED:
            pool.purchased_remaining = left
            pool.purchased_total += entry.amount if adds else 0
    pool.sequence += 1


def _write(tenant_id: UUID, pool: LockedPool, entry: Entry) -> dict[str, Any]:
    """Apply one entry to the balances; the row to insert."""
    _move(pool, entry)
    return {
        "tenant_id": tenant_id,
        "id": new_id(),
        "pool_id": pool.id,
        "user_id": entry.user_id,
        "sequence": pool.sequence,
        "transaction_type": entry.kind.value,
        "amount": entry.amount,
        "balance_after": pool.balance,
        "source_type": entry.bucket.value,
        "source_id": entry.source_id,
        "description": entry.description,
        "model_id": entry.model_id,
        "request_id": entry.request_id,
        "input_tokens": entry.input_tokens,
        "output_tokens": entry.output_tokens,
        "payment_intent_id": entry.payment_intent_id,
        "payment_amount_cents": entry.payment_amount_cents,
        "payment_currency": entry.payment_currency,
    }


def _pay_shortfall(pool: LockedPool) -> list[Entry]:
    """What was consumed beyond the balance is paid by the next credits (ruling 10), in burn order, out of what is not held."""
    owed = min(pool.shortfall, pool.available)
    if owed <= 0:
        return []
    taken, _ = burn(owed, pool.remaining)
    pool.shortfall -= owed
    return [Entry(EntryKind.CONSUMPTION, bucket, -share, description=SHORTFALL_PAID) for bucket, share in taken.items()]


async def store(tx: Transaction, pool: LockedPool) -> None:
    """Write the balances; `post` does it by itself. What crosses the threshold triggers an automatic purchase (ruling 23)."""
    await tx.execute(
        update(CreditPool)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool.id)
        .values(
            balance_available=pool.available,
            balance_reserved=pool.reserved,
            monthly_included_total=pool.included_total,
            monthly_included_used=pool.included_used,
            bonus_total=pool.bonus_total,
            bonus_remaining=pool.bonus_remaining,
            purchased_total=pool.purchased_total,
            purchased_remaining=pool.purchased_remaining,
            shortfall_credits=pool.shortfall,
            ledger_sequence=pool.sequence,
        )
    )
    if crossed(pool.available, pool.auto_purchase_below):
        pool.auto_purchase_below = None
        async with tx.driver() as connection:
            await trigger(connection, tx.tenant_id, pool.id)


async def mark_purchased(tx: Transaction, pool: LockedPool, at: datetime) -> None:
    """Remember when the pool last bought credits (section 43.4, last_purchase_at)."""
    await tx.execute(
        update(CreditPool)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool.id)
        .values(last_purchase_at=at)
    )
