"""Stripe's events that failed, as rows of the tenant that they are about (section 43.4); the inbox itself knows no tenant."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.services.stripe_events.handler import Event, Subject
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.billing_events import BillingEvent
from models.pools import CreditPool
from models.purchases import CreditPurchase
from models.tenants import Tenant


async def note_failure(database: Database, subject: Subject, event: Event, error: str) -> None:
    """Keep what went wrong with an event: its row, with one more try if it failed before. A tenant that is not here has none."""
    async with database.transaction(Scope(subject.tenant_id, ActorKind.WORKER)) as tx:
        if await tx.scalar(select(Tenant.id).where(Tenant.id == tx.tenant_id)) is None:
            return
        about = event["data"]["object"]
        row = insert(BillingEvent).values(
            tenant_id=tx.tenant_id,
            id=uuid4(),
            event_type=event["type"][:50],
            stripe_event_id=event["id"],
            data={"object": about["object"], "id": about.get("id")},
            processed=False,
            error=error,
            retry_count=1,
            **await _here(tx, subject),
        )
        again = {"error": row.excluded.error, "retry_count": BillingEvent.retry_count + 1, "processed": False}
        await tx.execute(row.on_conflict_do_update(index_elements=["tenant_id", "stripe_event_id"], set_=again))


async def close(database: Database, subject: Subject, event: Event) -> None:
    """The event that failed before has been handled now."""
    async with database.transaction(Scope(subject.tenant_id, ActorKind.WORKER)) as tx:
        await tx.execute(
            update(BillingEvent)
            .where(BillingEvent.tenant_id == tx.tenant_id, BillingEvent.stripe_event_id == event["id"])
            .values(processed=True, processed_at=func.now(), error=None)
        )


async def _here(tx: Transaction, subject: Subject) -> dict[str, Any]:
    """Of the ids that stand on Stripe's object, those whose rows exist."""
    purchase = await tx.row(
        select(CreditPurchase.id, CreditPurchase.pool_id).where(
            CreditPurchase.tenant_id == tx.tenant_id, CreditPurchase.id == subject.purchase_id
        )
    )
    if purchase is not None:
        return {"purchase_id": purchase.id, "pool_id": purchase.pool_id}
    pool_id: UUID | None = await tx.scalar(
        select(CreditPool.id).where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == subject.pool_id)
    )
    return {"pool_id": pool_id}
