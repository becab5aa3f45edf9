"""What became of a dispute, applied under the pool's and the purchase's lock (ruling 22). Its credits follow the money."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert, select, update

from app.payments.refunds import StripeDispute
from app.rules.disputes import advice, state
from app.rules.money import money_text
from app.services import reversals
from app.services.auto_purchase import outcomes as auto_purchases
from app.services.billing_events import note_step
from app.services.refund_notices import Notice, announce
from app.services.reversals import LockedPurchase
from app.tenancy import Transaction
from models.disputes import Dispute


async def versions(tx: Transaction, purchase_id: UUID) -> dict[str, int]:
    """Stripe's ids of the purchase's disputes, and how often each has changed here: to be read before Stripe is asked."""
    rows = await tx.rows(
        select(Dispute.stripe_dispute_id, Dispute.version).where(
            Dispute.tenant_id == tx.tenant_id, Dispute.purchase_id == purchase_id
        )
    )
    return {row.stripe_dispute_id: row.version for row in rows}


def is_stale(told: list[StripeDispute], seen: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """Whether one of them was changed since Stripe was asked: money goes both ways, so the older answer must not be the last."""
    return any(seen.get(one.id, 0) != now.get(one.id, 0) for one in told)


async def apply(tx: Transaction, purchase: LockedPurchase, told: StripeDispute, now: datetime) -> None:
    """Apply what Stripe says of one dispute of the purchase."""
    known = await tx.row(
        select(Dispute.__table__)
        .where(Dispute.tenant_id == tx.tenant_id, Dispute.stripe_dispute_id == told.id)
        .with_for_update()
    )
    values = {
        "stripe_status": told.status[:50],
        "reason": told.reason[:50],
        "amount_cents": told.amount_cents,
        "withdrawn_cents": told.withdrawn_cents,
        "currency": told.currency.upper(),
        "evidence_due_at": told.evidence_due_at,
    }
    if known is not None and all(getattr(known, name) == value for name, value in values.items()):
        return
    dispute_id = await _write(tx, purchase.row, told, known, values)
    if known is None:
        await auto_purchases.disputed(tx, purchase.pool, now)
    cause = reversals.Cause(
        dispute_id=dispute_id, taken="Disputed payment", returned="Dispute settled: credits given back"
    )
    taken = await reversals.settle(tx, purchase, cause)
    notice = _notice(dispute_id, told, known, credits_taken=f"{taken:f}")
    await announce(tx, purchase.row, notice, now)
    taken_back = told.withdrawn_cents - (known.withdrawn_cents if known is not None else 0)
    if taken_back > 0:
        reason = f"{money_text(taken_back, told.currency)}, taken back by the bank"
        await note_step(tx, purchase.row, "purchase.refunded", notice.data | {"reason": reason}, now)


async def _write(
    tx: Transaction, purchase: Row[Any], told: StripeDispute, known: Row[Any] | None, values: dict[str, Any]
) -> UUID:
    if known is not None:
        await tx.execute(
            update(Dispute)
            .where(Dispute.tenant_id == tx.tenant_id, Dispute.id == known.id)
            .values(**values, version=known.version + 1)
        )
        found: UUID = known.id
        return found
    dispute_id = uuid4()
    await tx.execute(
        insert(Dispute).values(
            tenant_id=tx.tenant_id,
            id=dispute_id,
            pool_id=purchase.pool_id,
            purchase_id=purchase.id,
            stripe_dispute_id=told.id,
            opened_at=told.opened_at,
            version=1,
            **values,
        )
    )
    return dispute_id


def _notice(dispute_id: UUID, told: StripeDispute, known: Row[Any] | None, *, credits_taken: str) -> Notice:
    """People hear of a dispute's opening, of its end, and of money that moves; of nothing else that banks write to each other."""
    current = state(told.status)
    before = state(known.stripe_status) if known is not None else None
    moved = told.withdrawn_cents - (known.withdrawn_cents if known is not None else 0)
    data = {
        "state": current,
        "reason": told.reason,
        "amount_cents": told.amount_cents,
        "withdrawn_cents": told.withdrawn_cents,
        "currency": told.currency.upper(),
        "credits": credits_taken,
    }
    subject = None
    if current is not before or moved:
        paid = money_text(told.amount_cents, told.currency)
        subject = f"Your payment of {paid} is disputed" if known is None else f"The dispute of {paid}: {current}"
    step = str(known.version + 1 if known is not None else 1)
    kind = "dispute.opened" if known is None else f"dispute.{current}"
    return Notice(kind, ("dispute", dispute_id), data, subject, (advice(current),) if subject else (), step)
