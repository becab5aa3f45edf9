"""What is stored of a pool's automatic purchases: read and written under the pool's lock, which every decision takes first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from app.rules.auto_purchase import Plan, Standing, Stop, armed_below, crossed, roll_over
from app.rules.purchases import OPEN
from app.services.auto_purchase.trigger import trigger
from app.tenancy import Transaction
from models.auto_purchase import AutoPurchaseSettings
from models.pools import CreditPool
from models.purchases import CreditPurchase

_OPEN = [status.value for status in OPEN]


@dataclass(frozen=True, slots=True)
class Books:
    """One pool's plan and standing; `in_flight`: an automatic purchase of it is open."""

    pool_id: UUID
    time_zone: str
    plan: Plan
    standing: Standing
    in_flight: bool

    def at(self, now: datetime) -> "Books":
        """The same with the counters of the month that `now` falls in."""
        return replace(self, standing=roll_over(self.standing, now, self.time_zone))


def in_flight() -> ColumnElement[bool]:
    """Whether an automatic purchase of the selected pool is open (the unique index allows one)."""
    return exists().where(
        CreditPurchase.tenant_id == CreditPool.tenant_id,
        CreditPurchase.pool_id == CreditPool.id,
        CreditPurchase.is_auto_purchase,
        CreditPurchase.status.in_(_OPEN),
    )


async def read(tx: Transaction, pool_id: UUID) -> Books:
    """The pool's books; a pool that has never set anything has the defaults. The pool exists."""
    settings = AutoPurchaseSettings
    row = (
        await tx.execute(
            select(
                settings.__table__, CreditPool.id.label("pool"), CreditPool.time_zone, in_flight().label("in_flight")
            )
            .select_from(CreditPool)
            .outerjoin(settings, (settings.tenant_id == CreditPool.tenant_id) & (settings.pool_id == CreditPool.id))
            .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
        )
    ).one()
    return stored(row._asdict())


def stored(row: Mapping[str, Any]) -> Books:
    """The books out of a row: the pool as `pool`, its `time_zone`, `in_flight`, and the columns of auto_purchase_settings, or nulls."""
    known = row["pool_id"] is not None
    return Books(
        pool_id=row["pool"],
        time_zone=row["time_zone"],
        plan=_plan(row) if known else Plan(),
        standing=_standing(row) if known else Standing(),
        in_flight=row["in_flight"],
    )


def _plan(row: Mapping[str, Any]) -> Plan:
    """A row of auto_purchase_settings as people have set it."""
    return Plan(
        enabled=row["enabled"],
        threshold=row["threshold_credits"],
        quantity=row["purchase_credits"],
        cap_credits=row["max_monthly_auto_purchase"],
        cap_cents=row["max_monthly_auto_purchase_cents"],
        payment_method_id=row["stripe_payment_method_id"],
        notify=row["notify_on_auto_purchase"],
        recipients=tuple(row["notification_emails"] or ()),
    )


def _standing(row: Mapping[str, Any]) -> Standing:
    """What the same row says has come of it."""
    return Standing(
        purchases=row["auto_purchases_this_month"],
        credits=row["auto_purchase_credits_this_month"],
        cents=row["auto_purchase_spend_this_month"],
        month_ends_at=row["month_reset_at"],
        bought_at=row["last_auto_purchase_at"],
        failures=row["consecutive_failures"],
        retry_after=row["retry_after"],
        stop=None if row["stopped_reason"] is None else Stop(row["stopped_reason"]),
        stopped_at=row["stopped_at"],
        cap_reached_at=row["cap_reached_at"],
    )


async def write(tx: Transaction, books: Books, available: Decimal) -> None:
    """Store the books, and arm the pool by them: with less than the threshold available the next decision is due at once."""
    await keep(tx, books)
    below = armed_below(books.plan, books.standing, in_flight=books.in_flight)
    if crossed(available, below):
        async with tx.driver() as connection:
            await trigger(connection, tx.tenant_id, books.pool_id)
        return
    await tx.execute(
        update(CreditPool)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == books.pool_id)
        .values(auto_purchase_below=below)
    )


async def keep(tx: Transaction, books: Books) -> None:
    """Store the books; the pool stays armed, or not, as it was."""
    values = _columns(books.plan, books.standing)
    await tx.execute(
        insert(AutoPurchaseSettings)
        .values(tenant_id=tx.tenant_id, pool_id=books.pool_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "pool_id"], set_=values)
    )


def _columns(plan: Plan, standing: Standing) -> dict[str, Any]:
    return {
        "enabled": plan.enabled,
        "threshold_credits": plan.threshold,
        "purchase_credits": plan.quantity,
        "max_monthly_auto_purchase": plan.cap_credits,
        "max_monthly_auto_purchase_cents": plan.cap_cents,
        "stripe_payment_method_id": plan.payment_method_id,
        "notify_on_auto_purchase": plan.notify,
        "notification_emails": list(plan.recipients) or None,
        "auto_purchases_this_month": standing.purchases,
        "auto_purchase_credits_this_month": standing.credits,
        "auto_purchase_spend_this_month": standing.cents,
        "month_reset_at": standing.month_ends_at,
        "last_auto_purchase_at": standing.bought_at,
        "consecutive_failures": standing.failures,
        "retry_after": standing.retry_after,
        "stopped_reason": standing.stop,
        "stopped_at": standing.stopped_at,
        "cap_reached_at": standing.cap_reached_at,
    }
