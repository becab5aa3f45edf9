"""Idempotency keys of money mutations: the same key and body give the same answer again, another body is refused (ruling 11)."""

import hashlib
import json
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.rules.errors import IdempotencyMismatch
from app.tenancy import Transaction
from models.idempotency import IdempotencyKey


def request_hash(operation: str, body: dict[str, Any]) -> bytes:
    """What makes two requests the same: the operation and its arguments, in a fixed order."""
    return hashlib.sha256(json.dumps([operation, body], sort_keys=True, default=str).encode()).digest()


async def find(tx: Transaction, key: UUID, digest: bytes) -> UUID | None:
    """What an earlier request with this key made, or None. Raises IdempotencyMismatch if that was another request."""
    row = await tx.row(
        select(IdempotencyKey.request_hash, IdempotencyKey.resource_id).where(
            IdempotencyKey.tenant_id == tx.tenant_id, IdempotencyKey.key == key
        )
    )
    if row is None:
        return None
    if bytes(row.request_hash) != digest:
        raise IdempotencyMismatch
    found: UUID = row.resource_id
    return found


async def claim(tx: Transaction, key: UUID, operation: str, digest: bytes, resource_id: UUID) -> UUID:
    """Take the key for `resource_id`, or learn whose it is: of several at once, one wins and the others wait for its commit."""
    taken = await tx.scalar(
        insert(IdempotencyKey)
        .values(tenant_id=tx.tenant_id, key=key, operation=operation, request_hash=digest, resource_id=resource_id)
        .on_conflict_do_nothing(index_elements=["tenant_id", "key"])
        .returning(IdempotencyKey.resource_id)
    )
    if taken is not None:
        return resource_id
    found = await find(tx, key, digest)
    if found is None:  # claimed by a transaction that this one cannot see: only possible above READ COMMITTED
        raise RuntimeError("an idempotency key is taken but not visible")
    return found
