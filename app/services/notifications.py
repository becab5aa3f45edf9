"""Notifications: what a person is told, on the page and by e-mail, once for each reason."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.tenancy import Transaction
from models.notifications import Notification

_MANAGERS = """
    INSERT INTO notifications (tenant_id, user_id, pool_id, kind, parameters, dedupe_key)
    SELECT $1, people.user_id, $2, $4, $5, $6
      FROM (SELECT user_id FROM credit_pool_members
             WHERE tenant_id = $1 AND pool_id = $2 AND status = 'active' AND role IN ('owner', 'admin')
             UNION SELECT $3::uuid) people
     ORDER BY people.user_id
        ON CONFLICT (tenant_id, user_id, dedupe_key) DO NOTHING"""


async def notify(
    tx: Transaction, *, user_id: UUID, pool_id: UUID | None, kind: str, parameters: dict[str, Any], dedupe_key: str
) -> None:
    """Tell a user, in the transaction that makes it true. The same `dedupe_key` is told once."""
    await tx.execute(
        insert(Notification)
        .values(
            tenant_id=tx.tenant_id,
            user_id=user_id,
            pool_id=pool_id,
            kind=kind,
            parameters=parameters,
            dedupe_key=dedupe_key,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "user_id", "dedupe_key"])
    )


async def notify_managers(
    tx: Transaction, *, pool_id: UUID, also: UUID, kind: str, parameters: dict[str, Any], dedupe_key: str
) -> None:
    """Tell the pool's owner and admins, and one person besides, whether or not the actor may see who they are."""
    async with tx.as_worker() as connection:
        await connection.execute(_MANAGERS, tx.tenant_id, pool_id, also, kind, json.dumps(parameters), dedupe_key)
