"""The Stripe inbox: every event once, by Stripe's own id (ruling 21). As portal_worker: it knows no tenant and sees no tenant's row."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import orjson
import structlog

from app.payments.outcomes import StripeEvent
from app.services.queue import Job

log = structlog.get_logger("inbox")

PARKED_AFTER = 10  # tries
# Events in one transaction. More would spare little, and make turns of those who wait: all of them read while the database has nothing to
# do, then all of them stored while this process has nothing to do. By these, one group is stored while the next is read.
MAX_TOGETHER = 16
AT_ONCE = 2  # groups being stored; the second one only when a whole group waits behind the first
# Faults of the connection or of the database itself: Stripe sends the event again.
LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that are not handled: waiting for their first try, failing (to be tried again), parked; age of the oldest unparked."""

    waiting: int
    failing: int
    parked: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event that is still to be handled, as Stripe sent it."""

    payload: dict[str, Any]
    failed_before: bool

    @property
    def type(self) -> str:
        """Stripe's name of what has happened."""
        return str(self.payload["type"])


# Events and their jobs. The jobs are written as pgqueuer writes them (its schema: migrations/versions/sql_0001/07_queue.sql). Its own call
# would make of this one message a transaction of four.
_STORE = """
WITH new AS (
    INSERT INTO webhook_events (id, event_type, livemode, payload)
    SELECT id, type, livemode, payload::jsonb
    FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[]) AS t (id, type, livemode, payload)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), jobs AS (
    INSERT INTO pgqueuer (priority, entrypoint, payload, headers, status)
    SELECT 0, $5, convert_to(json_build_object('event_id', id)::text, 'UTF8'), '{}', 'queued' FROM new
    RETURNING id
), logged AS (
    INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint) SELECT id, 'queued', 0, $5 FROM jobs
)
SELECT id FROM new
"""


async def _leave(_: asyncpg.Connection) -> None:
    """Nothing is set on these connections that the next statement would meet: asyncpg's own reset would be a message more for each."""


class NotStored(Exception):
    """The event could not be stored. If it was after all, storing it again does no harm."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: StripeEvent
    new: "asyncio.Future[bool]"

    def fail(self, error: NotStored) -> None:
        if not self.new.done():
            self.new.set_exception(error)
            self.new.exception()  # a caller that was cancelled does not fetch it; that is no fault


class Inbox:
    """The inbox of one process; its few connections are opened when first needed."""

    def __init__(self, url: str, size: int = 4) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._size = size
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._storing: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def store(self, event: StripeEvent) -> bool:
        """Keep an event and enqueue its handling, both or neither; False if it was here before. Raises NotStored.

        Events that arrive while others are being committed go together in the next transaction: many at once cost few commits.
        """
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if not self._storing or (len(self._waiting) >= MAX_TOGETHER and len(self._storing) < AT_ONCE):
            self._storing.add(asyncio.create_task(self._store_waiting()))
        return await waiting.new

    async def _store_waiting(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
                await self._store_together(together)
        finally:  # in the very turn that found nobody waiting: who comes in the next one finds nobody storing
            self._storing.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _store_together(self, together: list[_Waiting]) -> None:
        """Answer each that is waiting: whether its event is new, or NotStored."""
        try:
            new = await self._insert({waiting.event.id: waiting.event for waiting in together})
        except Exception as error:  # noqa: BLE001  whatever it is, everybody gets an answer
            log.warning("inbox.not_stored", events=len(together), error=repr(error))
            lost = isinstance(error, LOST)
            # A fault that is in one event must not cost the others; the database's own strikes all of them.
            for waiting in together:
                if lost or len(together) == 1:
                    waiting.fail(NotStored())
                else:
                    await self._store_together([waiting])
            return
        for waiting in together:
            if not waiting.new.done():
                waiting.new.set_result(waiting.event.id in new)
                new.discard(waiting.event.id)

    async def _insert(self, events: dict[str, StripeEvent]) -> set[str]:
        """All of them in one statement, which is one transaction; the ids of those that are new."""
        # In the order of their ids: two processes that store the same events wait for each other, never in a circle.
        ordered = [events[event_id] for event_id in sorted(events)]
        async with self._connection() as connection:
            rows = await connection.fetch(
                _STORE,
                [event.id for event in ordered],
                [event.type[:100] for event in ordered],
                [event.livemode for event in ordered],
                [event.text for event in ordered],
                Job.HANDLE_STRIPE_EVENT.value,
            )
            return {row["id"] for row in rows}

    async def open_event(self, event_id: str) -> OpenEvent | None:
        """The event as Stripe sent it, unless it has been handled or parked."""
        async with self._connection() as connection:
            row = await connection.fetchrow(
                "SELECT payload, error IS NOT NULL AS failed_before FROM webhook_events"
                " WHERE id = $1 AND processed_at IS NULL AND parked_at IS NULL",
                event_id,
            )
            return None if row is None else OpenEvent(orjson.loads(row["payload"]), row["failed_before"])

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

    async def backlog(self) -> Backlog:
        """How many events are not handled yet; by the partial indexes, however many there have been."""
        async with self._connection() as connection:
            [row] = await connection.fetch(
                "SELECT count(*) FILTER (WHERE error IS NULL) AS waiting, count(error) AS failing,"
                " coalesce(extract(epoch FROM now() - min(received_at)), 0)::float AS oldest_seconds,"
                " (SELECT count(*) FROM webhook_events WHERE parked_at IS NOT NULL) AS parked"
                " FROM webhook_events WHERE processed_at IS NULL AND parked_at IS NULL"
            )
            return Backlog(**row)

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
                self._pool = await asyncpg.create_pool(
                    self._url, min_size=0, max_size=self._size, timeout=10, command_timeout=30, reset=_leave
                )
            pool = self._pool
        async with pool.acquire(timeout=10) as connection:
            yield cast("asyncpg.Connection", connection)  # the pool's proxy stands for the connection itself
