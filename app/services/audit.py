"""The audit trail: who did what to which thing, written in the transaction that did it."""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert

from app.tenancy import Transaction
from models.audit import AuditEvent


async def record(
    tx: Transaction,
    *,
    action: str,
    pool_id: UUID | None,
    actor_user_id: UUID | None,
    entity: tuple[str, UUID],
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Append one event. `entity` is the kind and id of the thing; before and after hold the changed values as JSON."""
    await tx.execute(
        insert(AuditEvent).values(
            tenant_id=tx.tenant_id,
            pool_id=pool_id,
            actor_kind=tx.scope.kind.value,
            actor_user_id=actor_user_id,
            action=action,
            entity_type=entity[0],
            entity_id=entity[1],
            before=before,
            after=after,
            correlation_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    )
