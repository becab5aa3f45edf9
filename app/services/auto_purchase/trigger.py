"""The trigger: part of the very transaction that leaves a pool with too little, whatever takes the credits."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from app.services.queue import Job, enqueue_on

_DISARM = "UPDATE credit_pools SET auto_purchase_below = NULL WHERE tenant_id = $1 AND id = $2"


async def trigger(
    connection: asyncpg.Connection, tenant_id: UUID, pool_id: UUID, *, after: timedelta | None = None
) -> None:
    """Enqueue the decision, and disarm the pool until it was made: one job a crossing, however many debits follow.

    The caller holds the pool's lock. Called on a crossing only: a debit that leaves enough pays nothing for this.
    """
    await connection.execute(_DISARM, tenant_id, pool_id)
    payload = {"tenant_id": str(tenant_id), "pool_id": str(pool_id)}
    await enqueue_on(connection, Job.AUTO_PURCHASE, payload, after=after)
