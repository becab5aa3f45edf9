"""The inbox as operators see it: which of Stripe's events wait, fail or are parked, and putting one back to be tried again."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg
import orjson

from app.services.queue import Job, enqueue_on

# Stripe's secrets for the browser: in fields of their own, and inside addresses.
_SECRET = re.compile(r"_secret_[A-Za-z0-9]+")
_STATE = """CASE WHEN processed_at IS NOT NULL THEN 'handled' WHEN parked_at IS NOT NULL THEN 'parked'
    WHEN error IS NOT NULL THEN 'failing' ELSE 'waiting' END"""
_COLUMNS = f"id, event_type, received_at, processed_at, retry_count, error, {_STATE} AS state"
_JOB_OF = "convert_from(payload, 'UTF8')::json ->> 'event_id'"


class State(StrEnum):
    """What has become of an event."""

    WAITING = "waiting"  # for its first try
    FAILING = "failing"  # the last try failed; it is tried again
    PARKED = "parked"  # it failed too often: only an operator has it tried again
    HANDLED = "handled"


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """One event of the inbox."""

    id: str
    type: str
    state: State
    received_at: datetime
    processed_at: datetime | None
    tries: int  # that failed
    error: str | None  # of the last of them


async def listed(
    connection: asyncpg.Connection, states: frozenset[State], event_type: str | None, limit: int
) -> list[KeptEvent]:
    """The newest events first: in one of these states (in any, if none is given), of this type or of those below it (`charge`)."""
    rows = await connection.fetch(
        f"SELECT * FROM (SELECT {_COLUMNS} FROM webhook_events) AS events"  # noqa: S608 - columns of ours
        " WHERE (cardinality($1::text[]) = 0 OR state = ANY ($1))"
        " AND ($2::text IS NULL OR event_type = $2 OR starts_with(event_type, $2 || '.'))"
        " ORDER BY received_at DESC, id LIMIT $3",
        [state.value for state in states],
        event_type,
        limit,
    )
    return [_kept(row) for row in rows]


async def found(connection: asyncpg.Connection, event_id: str) -> tuple[KeptEvent, dict[str, Any]] | None:
    """One event with its payload, the secrets in it masked; None if it never came."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS}, payload FROM webhook_events WHERE id = $1", event_id)  # noqa: S608
    if row is None:
        return None
    return _kept(row), orjson.loads(_SECRET.sub("_secret_***", row["payload"]))


async def parked(connection: asyncpg.Connection) -> list[str]:
    """The ids of all parked events, the oldest first."""
    rows = await connection.fetch("SELECT id FROM webhook_events WHERE parked_at IS NOT NULL ORDER BY received_at, id")
    return [row["id"] for row in rows]


async def put_back(connection: asyncpg.Connection, event_id: str) -> KeptEvent | None:
    """Have an event tried again now, with as many tries as a new one; how it stood before, None if it never came.

    One that has been handled is left alone. One that a worker is at keeps its job; any other job of it is replaced by a new one.
    """
    async with connection.transaction():
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM webhook_events WHERE id = $1 FOR UPDATE",  # noqa: S608 - columns of ours
            event_id,
        )
        if row is None:
            return None
        before = _kept(row)
        if before.state is State.HANDLED:
            return before
        await connection.execute("UPDATE webhook_events SET parked_at = NULL, retry_count = 0 WHERE id = $1", event_id)
        await connection.execute(
            f"DELETE FROM pgqueuer WHERE entrypoint = $1 AND status IN ('queued', 'failed') AND {_JOB_OF} = $2",  # noqa: S608
            Job.HANDLE_STRIPE_EVENT.value,
            event_id,
        )
        busy = await connection.fetchval(
            f"SELECT count(*) FROM pgqueuer WHERE entrypoint = $1 AND status = 'picked' AND {_JOB_OF} = $2",  # noqa: S608
            Job.HANDLE_STRIPE_EVENT.value,
            event_id,
        )
        if not busy:
            await enqueue_on(connection, Job.HANDLE_STRIPE_EVENT, {"event_id": event_id})
        return before


def _kept(row: asyncpg.Record) -> KeptEvent:
    return KeptEvent(
        id=row["id"],
        type=row["event_type"],
        state=State(row["state"]),
        received_at=row["received_at"],
        processed_at=row["processed_at"],
        tries=row["retry_count"],
        error=row["error"],
    )
