"""The Stripe inbox: every event once, by Stripe's own id (ruling 21). As portal_worker: it knows no tenant and sees no tenant's row."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg

from app.payments.outcomes import StripeEvent
from app.services.queue import Job, enqueue_on

PARKED_AFTER = 10  # tries
_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event that is still to be handled, as Stripe sent it."""

    payload: dict[str, Any]
    failed_before: bool


class Inbox:
    """The inbox of one process; its few connections are opened when first needed."""

    def __init__(self, url: str, size: int = 4) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._size = size
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def store(self, event: StripeEvent) -> bool:
        """Keep an event and enqueue its handling, both or neither; False if it was here before."""
        async with self._connection() as connection, connection.transaction():
            new = await connection.fetchval(
                "INSERT INTO webhook_events (id, event_type, livemode, payload) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (id) DO NOTHING RETURNING true",
                event.id,
                event.type[:100],
                event.livemode,
                json.dumps(event.payload),
            )
            if new:
                await enqueue_on(connection, Job.HANDLE_STRIPE_EVENT, {"event_id": event.id})
            return bool(new)

    async def open_event(self, event_id: str) -> OpenEvent | None:
        """The event as Stripe sent it, unless it has been handled or parked."""
        async with self._connection() as connection:
            row = await connection.fetchrow(
                "SELECT payload, error IS NOT NULL AS failed_before FROM webhook_events"
                " WHERE id = $1 AND processed_at IS NULL AND parked_at IS NULL",
                event_id,
            )
            return None if row is None else OpenEvent(json.loads(row["payload"]), row["failed_before"])

    async def done(self, event_id: str) -> None:
        """Mark an event handled."""
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE webhook_events SET processed_at = now(), error = NULL WHERE id = $1", event_id
            )

    async def failed(self, event_id: str, error: str) -> timedelta | None:
        """Keep the error; when to try again, or None: the event is parked for an operator."""
        async with self._connection() as connection:
            tries = await connection.fetchval(
                "UPDATE webhook_events SET retry_count = retry_count + 1, error = $2,"
                " parked_at = CASE WHEN retry_count + 1 >= $3 THEN now() END WHERE id = $1 RETURNING retry_count",
                event_id,
                error[:2000],
                PARKED_AFTER,
            )
        return None if tries >= PARKED_AFTER else min(_FIRST_RETRY * 2 ** (tries - 1), _LONGEST_RETRY)

    async def tenants(self) -> list[UUID]:
        """Every tenant's id: scheduled jobs visit them one by one."""
        async with self._connection() as connection:
            return [row["id"] for row in await connection.fetch("SELECT id FROM tenants ORDER BY id")]

    async def create_partitions(self) -> int:
        """Make the usage partitions of this month and the next three; how many were missing."""
        async with self._connection() as connection:
            made: int = await connection.fetchval(
                "SELECT create_usage_partitions(now()::date, (now() + interval '3 months')::date)"
            )
            return made

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._opening:  # several events at once make one pool
            if self._pool is None:
                self._pool = await asyncpg.create_pool(self._url, min_size=0, max_size=self._size, timeout=10)
            pool = self._pool
        async with pool.acquire(timeout=10) as connection:
            yield cast("asyncpg.Connection", connection)  # the pool's proxy stands for the connection itself
