"""Notifications: what a person is told, on the page and by e-mail, once for each reason."""

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.tenancy import Transaction
from models.notifications import Notification


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
