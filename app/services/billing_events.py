"""What happened in a pool, and the steps of a purchase's timeline: rows of billing_events (section 43.4) that the portal itself writes."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert

from app.tenancy import Transaction
from models.billing_events import BillingEvent


async def note(
    tx: Transaction, kind: str, data: dict[str, Any], at: datetime, *, pool_id: UUID, **about: UUID | None
) -> UUID:
    """Write one in the transaction that makes it true; its id. `data` is JSON, `about` its user_id and purchase_id where it has any."""
    event_id = uuid4()
    await tx.execute(
        insert(BillingEvent).values(
            tenant_id=tx.tenant_id,
            id=event_id,
            event_type=kind,
            pool_id=pool_id,
            data=data,
            processed=True,
            processed_at=at,
            **about,
        )
    )
    return event_id


async def note_step(tx: Transaction, purchase: Row[Any], kind: str, data: dict[str, Any], at: datetime) -> None:
    """A step of the purchase's timeline."""
    await note(tx, kind, data, at, pool_id=purchase.pool_id, user_id=purchase.user_id, purchase_id=purchase.id)
