"""What a flush reads, set-based: one statement, however many calls go together, and one more where approvals or a cap on models count.

The pool's row is locked first, and read as the last holder of the lock has left it. The rest is read as it stood when the statement began;
if the pool has changed since (another process held the lock), the statement runs once more: then the lock is ours, and it sees all that
was committed with that row. Whatever changes a pool's holds changes the pool's row too.
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from app.auth.actor import ServicePrincipal, utc_now
from app.rules.pool_settings import Family, PoolSettings
from app.services.spending.books import ApprovalBook, Books, HoldBook, MemberBook, PoolBook

WRITE_SCOPE = "usage:write"  # of app/auth/api_keys.py
MAX_OVERDUE = 500  # holds that one flush expires besides its own work; the next takes the next

_HOLD_READ = """id, pool_id, user_id, request_id, request_hash, amount, settled_amount, settlement_hash, status, model_id, provider_id,
           request_type, expires_at"""  # in the order of HoldBook's fields
# The pool's columns are in the order of PoolBook's fields. Rows besides are arrays of records: one answer for all of them, with the fields
# of each in the order of its book's. The pool's lock comes before the members': they are read for each row of `pool`.
_STATE = f"""
    WITH pool AS MATERIALIZED (
        SELECT id, balance_available, balance_reserved, monthly_included_total, monthly_included_used, bonus_total, bonus_remaining,
               purchased_total, purchased_remaining, shortfall_credits, ledger_sequence, time_zone, pool_type, settings, held_count,
               traffic_day, requests_today, traffic_minute, requests_this_minute, tokens_this_minute, auto_purchase_below,
               xmin AS version
          FROM credit_pools
         WHERE tenant_id = $1 AND id = $2 {{lock_pool}}),
    held AS MATERIALIZED (
        SELECT {_HOLD_READ} FROM credit_reservations WHERE tenant_id = $1 AND request_id = ANY($3)
        {{by_reference}}
         UNION ALL
       (SELECT {_HOLD_READ} FROM credit_reservations
         WHERE tenant_id = $1 AND pool_id = $2 AND status = 'held' AND expires_at <= $4
         ORDER BY expires_at LIMIT {MAX_OVERDUE}))
    SELECT pool.*,
           (SELECT xmin FROM credit_pools WHERE tenant_id = $1 AND id = $2) <> pool.version AS has_changed,
           (SELECT ROW(status, past_due_since, tier_id) FROM subscriptions
             WHERE tenant_id = $1 AND credit_pool_id = $2 AND status NOT IN ('canceled', 'incomplete_expired')) AS subscription,
           ARRAY(SELECT ROW({_HOLD_READ}) FROM held) AS holds,
           ARRAY(SELECT ROW(m.user_id, m.status, u.disabled_at, m.daily_credit_limit, m.monthly_credit_limit, m.max_cost_per_request,
                            m.usage_on, m.usage_today, m.usage_this_week, m.usage_this_month, m.usage_all_time, m.held_credits)
                   FROM credit_pool_members m
                   JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
                  WHERE m.tenant_id = $1 AND m.pool_id = pool.id
                    AND m.user_id = ANY($5 || ARRAY(SELECT user_id FROM held WHERE pool_id = $2))
                  ORDER BY m.user_id {{lock_members}}) AS members,
           ARRAY(SELECT ROW(id, key_hash, pool_id) FROM api_keys
                  WHERE tenant_id = $1 AND id = ANY($6) AND $7 = ANY(scopes)
                    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS keys
      FROM (VALUES (true)) AS always LEFT JOIN pool ON true"""  # noqa: S608  constants
_BY_REFERENCE = f"UNION ALL SELECT {_HOLD_READ} FROM credit_reservations WHERE tenant_id = $1 AND id = ANY($8)"  # noqa: S608  constants
# Not FOR UPDATE: whoever merely refers to the pool (foreign keys) need not wait, nor come to a deadlock.
_LOCKS = {"lock_pool": "FOR NO KEY UPDATE", "lock_members": "FOR UPDATE OF m"}
_NO_LOCKS = dict.fromkeys(_LOCKS, "")
_STATE_TO_CHANGE = {
    with_references: _STATE.format(**_LOCKS, by_reference=_BY_REFERENCE if with_references else "")
    for with_references in (False, True)
}
_STATE_TO_LOOK_AT = _STATE.format(**_NO_LOCKS, by_reference="")
_POOL_FIELDS = 21
_FIND = f"""
    SELECT {_HOLD_READ} FROM credit_reservations WHERE tenant_id = $1 AND (request_id = $2 OR id = $2)
     ORDER BY id = $2 DESC LIMIT 1"""  # noqa: S608  constants
_SETTINGS = "SELECT settings, pool_type FROM credit_pools WHERE tenant_id = $1 AND id = $2"
_APPROVALS = """
    SELECT id, user_id, approved_amount, model_id
      FROM approval_requests
     WHERE tenant_id = $1 AND pool_id = $2 AND user_id = ANY($3) AND status = 'approved' AND expires_at > $4
     ORDER BY approved_amount, created_at"""
# The rollups are by the hour; a month begins in the middle of one where the zone is half an hour off.
_MODELS = """
    SELECT model_id FROM usage_rollups WHERE tenant_id = $1 AND pool_id = $2 AND hour >= $3
    UNION
    SELECT model_id FROM credit_usage
     WHERE tenant_id = $1 AND pool_id = $2 AND created_at >= $3 AND created_at < date_trunc('hour', $3, 'UTC') + interval '1 hour'
    UNION
    SELECT model_id FROM credit_reservations WHERE tenant_id = $1 AND pool_id = $2 AND status = 'held'"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a flush's commands speak of. `references`: of settling and releasing, either a reservation's id or its request_id."""

    users: Collection[UUID] = ()
    request_ids: Collection[UUID] = ()
    references: Collection[UUID] = ()
    keys: Collection[ServicePrincipal] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What there is of that beside the pool itself. `keys`: those that may write usage now, with the only pool that each serves."""

    subscription: tuple[str, datetime | None, str] | None
    holds: list[HoldBook]
    members: dict[UUID, MemberBook]
    keys: dict[ServicePrincipal, UUID | None]

    def books(self, pool: PoolBook, now: datetime) -> Books:
        """The books of the pool."""
        if self.subscription is not None:
            pool.subscription_status, pool.past_due_since, pool.tier_id = self.subscription
        return Books(pool, self.members, self.holds, approvals=[], models_this_month=set(), now=now)


async def lock(
    connection: asyncpg.Connection, tenant_id: UUID, pool_id: UUID, asked: Asked
) -> tuple[PoolBook | None, State]:
    """Lock the pool and its members whom the commands concern, and read what they speak of, with the pool's overdue holds.

    No pool: this tenant has none of that id.
    """
    statement = _STATE_TO_CHANGE[bool(asked.references)]
    row = await _read(connection, statement, tenant_id, pool_id, asked)
    if row["has_changed"]:
        row = await _read(connection, statement, tenant_id, pool_id, asked)
    return _books(row, asked)


async def look(
    connection: asyncpg.Connection, tenant_id: UUID, pool_id: UUID, asked: Asked
) -> tuple[PoolBook | None, State]:
    """The same as it stands, without a lock; of commands without references."""
    return _books(await _read(connection, _STATE_TO_LOOK_AT, tenant_id, pool_id, asked), asked)


async def _read(
    connection: asyncpg.Connection, statement: str, tenant_id: UUID, pool_id: UUID, asked: Asked
) -> asyncpg.Record:
    references = (asked.references,) if asked.references else ()
    row = await connection.fetchrow(
        statement,
        tenant_id, pool_id, [*asked.request_ids, *asked.references], utc_now(), asked.users,
        [key.key_id for key in asked.keys], WRITE_SCOPE, *references,
    )  # fmt: skip
    assert row is not None  # noqa: S101  one row, whatever there is
    return row


def _books(row: asyncpg.Record, asked: Asked) -> tuple[PoolBook | None, State]:
    holds = {hold[0]: HoldBook(*hold) for hold in row["holds"]}  # an overdue one may be asked for too
    stored = {key_id: (key_hash, only_pool) for key_id, key_hash, only_pool in row["keys"]}
    return None if row["id"] is None else PoolBook(*row[:_POOL_FIELDS]), State(
        subscription=row["subscription"],
        holds=list(holds.values()),
        members={member[0]: MemberBook(*member) for member in row["members"]},
        keys={
            key: stored[key.key_id][1]
            for key in asked.keys
            if key.key_id in stored and hmac.compare_digest(stored[key.key_id][0], key.secret_hash)
        },
    )


async def read_approvals(
    connection: asyncpg.Connection, tenant_id: UUID, books: Books, users: Collection[UUID]
) -> None:
    """Add the approvals that these users may use: only pools with a threshold ask for them."""
    rows = await connection.fetch(_APPROVALS, tenant_id, books.pool.id, users, books.now)
    books.approvals = [ApprovalBook(**row) for row in rows]


async def read_models(connection: asyncpg.Connection, tenant_id: UUID, books: Books, month_start: datetime) -> None:
    """Add the models of the month: only tiers with a cap on them ask."""
    rows = await connection.fetch(_MODELS, tenant_id, books.pool.id, month_start)
    books.models_this_month = {row["model_id"] for row in rows}


async def find(
    connection: asyncpg.Connection, tenant_id: UUID, reference: UUID
) -> tuple[HoldBook, Family | None] | None:
    """A reservation by its request_id or its id, as far as the transaction sees it, and what its family has to be filtered."""
    hold = await connection.fetchrow(_FIND, tenant_id, reference)
    if hold is None:
        return None
    pool = await connection.fetchrow(_SETTINGS, tenant_id, hold["pool_id"])
    family = PoolSettings.load(pool["settings"], pool["pool_type"]).family if pool else None
    return HoldBook(**hold), family
