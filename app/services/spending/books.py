"""What a flush reads and writes, set-based: the number of statements does not grow with the calls that go together.

The lock comes first and alone; what later statements read is what the last holder of the lock has committed.
"""

import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from app.auth.actor import ServicePrincipal
from app.rules.auto_purchase import crossed
from app.rules.errors import NotFound
from app.rules.pool_settings import Family, PoolSettings
from app.services.auto_purchase.trigger import trigger

WRITE_SCOPE = "usage:write"  # of app/auth/api_keys.py
MAX_OVERDUE = 500  # holds that one flush expires besides its own work; the next takes the next

_POOL = """
    SELECT p.id, p.balance_available AS available, p.balance_reserved AS reserved,
           p.monthly_included_total AS included_total, p.monthly_included_used AS included_used,
           p.bonus_total, p.bonus_remaining, p.purchased_total, p.purchased_remaining,
           p.shortfall_credits AS shortfall, p.ledger_sequence AS sequence, p.time_zone, p.pool_type, p.settings,
           p.held_count, p.traffic_day, p.requests_today, p.traffic_minute, p.requests_this_minute, p.tokens_this_minute,
           p.auto_purchase_below, s.status AS subscription_status, s.past_due_since, s.tier_id
      FROM credit_pools p
      LEFT JOIN subscriptions s ON s.tenant_id = p.tenant_id AND s.credit_pool_id = p.id
                               AND s.status NOT IN ('canceled', 'incomplete_expired')
     WHERE p.tenant_id = $1 AND p.id = $2"""
# Not FOR UPDATE: whoever merely refers to the pool (foreign keys) need not wait, nor come to a deadlock.
_LOCK = "SELECT FROM credit_pools WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE"
_KEYS = """
    SELECT id, key_hash, pool_id
      FROM api_keys
     WHERE tenant_id = $1 AND id = ANY($2) AND $3 = ANY(scopes)
       AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"""
_HOLD_READ = """id, pool_id, user_id, request_id, request_hash, amount, settled_amount, settlement_hash, status, model_id, provider_id,
           request_type, expires_at"""
_RESERVATIONS = f"""
    SELECT {_HOLD_READ} FROM credit_reservations WHERE tenant_id = $1 AND (request_id = ANY($3) OR id = ANY($3))
     UNION
    (SELECT {_HOLD_READ} FROM credit_reservations
      WHERE tenant_id = $1 AND pool_id = $2 AND status = 'held' AND expires_at <= $4
      ORDER BY expires_at LIMIT {MAX_OVERDUE})"""  # noqa: S608  constants
_FIND = f"""
    SELECT {_HOLD_READ} FROM credit_reservations WHERE tenant_id = $1 AND (request_id = $2 OR id = $2)
     ORDER BY id = $2 DESC LIMIT 1"""  # noqa: S608  constants
_SETTINGS = "SELECT settings, pool_type FROM credit_pools WHERE tenant_id = $1 AND id = $2"
_MEMBERS = """
    SELECT m.user_id, m.status, u.disabled_at, m.daily_credit_limit, m.monthly_credit_limit, m.max_cost_per_request,
           m.usage_on, m.usage_today, m.usage_this_week, m.usage_this_month, m.usage_all_time, m.held_credits
      FROM credit_pool_members m
      JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
     WHERE m.tenant_id = $1 AND m.pool_id = $2 AND m.user_id = ANY($3)
     ORDER BY m.user_id"""
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

_HOLD = """
    INSERT INTO credit_reservations (tenant_id, pool_id, id, user_id, request_id, request_hash, amount, model_id, provider_id,
                                     request_type, approval_request_id, expires_at)
    SELECT $1, $2, * FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::bytea[], $7::numeric[], $8::text[], $9::text[], $10::text[],
                                 $11::uuid[], $12::timestamptz[])"""
_CLOSE = """
    UPDATE credit_reservations r
       SET status = c.status, settled_amount = c.settled, settlement_hash = c.hash, settled_at = $7
      FROM unnest($2::uuid[], $3::text[], $4::numeric[], $5::bytea[]) AS c(id, status, settled, hash)
     WHERE r.tenant_id = $1 AND r.pool_id = $6 AND r.id = c.id"""
_ENTRIES = """
    INSERT INTO credit_transactions (tenant_id, pool_id, transaction_type, id, sequence, user_id, amount, balance_after, source_type,
                                     model_id, request_id, input_tokens, output_tokens, description)
    SELECT $1, $2, 'consumption', * FROM unnest($3::uuid[], $4::bigint[], $5::uuid[], $6::numeric[], $7::numeric[], $8::text[],
                                                $9::text[], $10::uuid[], $11::int[], $12::int[], $13::text[])"""
_USAGE = """
    INSERT INTO credit_usage (tenant_id, pool_id, created_at, user_id, transaction_id, request_id, request_type, model_id, provider_id,
                              input_tokens, output_tokens, cached_tokens, credits_consumed, credit_rate_multiplier,
                              credits_from_included, credits_from_bonus, credits_from_purchased, shortfall_credits, latency_ms)
    SELECT $1, $2, $3, * FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::int[], $11::int[],
                                     $12::int[], $13::numeric[], $14::numeric[], $15::numeric[], $16::numeric[], $17::numeric[],
                                     $18::numeric[], $19::int[])"""
_ROLLUPS = """
    INSERT INTO usage_rollups AS r (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type, requests, input_tokens,
                                    output_tokens, cached_tokens, credits, from_included, from_bonus, from_purchased, shortfall_credits,
                                    latency_ms_total)
    SELECT $1, $2, $3, user_id, model_id, provider_id, request_type, count(*), sum(i), sum(o), sum(c), sum(credits), sum(fi), sum(fb),
           sum(fp), sum(short), sum(coalesce(latency, 0))
      FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::numeric[],
                  $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[], $16::int[])
           AS u(user_id, request_type, model_id, provider_id, i, o, c, credits, fi, fb, fp, short, latency)
     GROUP BY user_id, model_id, provider_id, request_type
     ORDER BY user_id, model_id, provider_id, request_type
        ON CONFLICT (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type) DO UPDATE
       SET requests = r.requests + excluded.requests, input_tokens = r.input_tokens + excluded.input_tokens,
           output_tokens = r.output_tokens + excluded.output_tokens, cached_tokens = r.cached_tokens + excluded.cached_tokens,
           credits = r.credits + excluded.credits, from_included = r.from_included + excluded.from_included,
           from_bonus = r.from_bonus + excluded.from_bonus, from_purchased = r.from_purchased + excluded.from_purchased,
           shortfall_credits = r.shortfall_credits + excluded.shortfall_credits,
           latency_ms_total = r.latency_ms_total + excluded.latency_ms_total"""
_MEMBER_WRITE = """
    UPDATE credit_pool_members m
       SET usage_on = w.usage_on, usage_today = w.today, usage_this_week = w.week, usage_this_month = w.month,
           usage_all_time = w.ever, held_credits = w.held, last_usage_at = coalesce(w.used_at, m.last_usage_at), updated_at = now()
      FROM unnest($3::uuid[], $4::date[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[], $9::numeric[], $10::timestamptz[])
           AS w(user_id, usage_on, today, week, month, ever, held, used_at)
     WHERE m.tenant_id = $1 AND m.pool_id = $2 AND m.user_id = w.user_id"""
_POOL_WRITE = """
    UPDATE credit_pools
       SET balance_available = $3, balance_reserved = $4, monthly_included_used = $5, bonus_remaining = $6, purchased_remaining = $7,
           shortfall_credits = $8, ledger_sequence = $9, held_count = $10, traffic_day = $11, requests_today = $12,
           traffic_minute = $13, requests_this_minute = $14, tokens_this_minute = $15, updated_at = now()
     WHERE tenant_id = $1 AND id = $2"""
_USE_APPROVALS = "UPDATE approval_requests SET status = 'used' WHERE tenant_id = $1 AND pool_id = $2 AND id = ANY($3)"


@dataclass(slots=True)
class PoolBook:
    """The pool's row under its lock. Credits; traffic counters belong to `traffic_day` and `traffic_minute`."""

    id: UUID
    available: Decimal
    reserved: Decimal
    included_total: Decimal
    included_used: Decimal
    bonus_total: Decimal
    bonus_remaining: Decimal
    purchased_total: Decimal
    purchased_remaining: Decimal
    shortfall: Decimal
    sequence: int
    time_zone: str
    pool_type: str
    settings: dict[str, Any]
    held_count: int
    traffic_day: date | None
    requests_today: int
    traffic_minute: datetime | None
    requests_this_minute: int
    tokens_this_minute: int
    auto_purchase_below: Decimal | None
    subscription_status: str | None
    past_due_since: datetime | None
    tier_id: str | None


@dataclass(slots=True)
class MemberBook:
    """A membership under its lock. Credits; `used_at` once this flush has used some."""

    user_id: UUID
    status: str
    disabled_at: datetime | None
    daily_credit_limit: Decimal | None
    monthly_credit_limit: Decimal | None
    max_cost_per_request: Decimal | None
    usage_on: date | None
    usage_today: Decimal
    usage_this_week: Decimal
    usage_this_month: Decimal
    usage_all_time: Decimal
    held_credits: Decimal
    used_at: datetime | None = None
    changed: bool = False


@dataclass(slots=True)
class HoldBook:
    """A reservation's row; `approval_request_id` only of a new one."""

    id: UUID
    pool_id: UUID
    user_id: UUID
    request_id: UUID
    request_hash: bytes
    amount: Decimal
    settled_amount: Decimal | None
    settlement_hash: bytes | None
    status: str
    model_id: str
    provider_id: str
    request_type: str
    expires_at: datetime
    approval_request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ApprovalBook:
    id: UUID
    user_id: UUID
    approved_amount: Decimal
    model_id: str


@dataclass(slots=True)
class Books:
    """All that a flush has read, and the rows that it will write."""

    pool: PoolBook
    members: dict[UUID, MemberBook]
    holds: list[HoldBook]
    approvals: list[ApprovalBook]
    models_this_month: set[str]
    now: datetime
    opened: list[HoldBook] = field(default_factory=list)
    closed: dict[UUID, HoldBook] = field(default_factory=dict)
    entries: list[tuple[Any, ...]] = field(default_factory=list)  # see _ENTRIES, from id on
    usage: list[tuple[Any, ...]] = field(default_factory=list)  # see _USAGE, from user_id on
    used_approvals: list[UUID] = field(default_factory=list)


_HOLD_COLUMNS = (
    "id",
    "user_id",
    "request_id",
    "request_hash",
    "amount",
    "model_id",
    "provider_id",
    "request_type",
    "approval_request_id",
    "expires_at",
)
_CLOSE_COLUMNS = ("id", "status", "settled_amount", "settlement_hash")
_MEMBER_COLUMNS = (
    "user_id",
    "usage_on",
    "usage_today",
    "usage_this_week",
    "usage_this_month",
    "usage_all_time",
    "held_credits",
    "used_at",
)
_POOL_COLUMNS = (
    "available",
    "reserved",
    "included_used",
    "bonus_remaining",
    "purchased_remaining",
    "shortfall",
    "sequence",
    "held_count",
    "traffic_day",
    "requests_today",
    "traffic_minute",
    "requests_this_minute",
    "tokens_this_minute",
)


def _columns(rows: Sequence[object], names: tuple[str, ...]) -> list[list[Any]]:
    """Rows as arrays, a column each: what unnest takes."""
    return [[getattr(row, name) for row in rows] for name in names]


async def lock(connection: asyncpg.Connection, tenant_id: UUID, pool_id: UUID) -> bool:
    """Lock the pool's row; False: this tenant has no such pool."""
    return await connection.fetchrow(_LOCK, tenant_id, pool_id) is not None


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


async def good_keys(
    connection: asyncpg.Connection, tenant_id: UUID, keys: Collection[ServicePrincipal]
) -> dict[ServicePrincipal, UUID | None]:
    """Those of the presented API keys that may write usage now, with the only pool that each serves (None: all of the tenant)."""
    if not keys:
        return {}
    rows = await connection.fetch(_KEYS, tenant_id, list({key.key_id for key in keys}), WRITE_SCOPE)
    stored = {row["id"]: row for row in rows}
    return {
        key: stored[key.key_id]["pool_id"]
        for key in keys
        if key.key_id in stored and hmac.compare_digest(stored[key.key_id]["key_hash"], key.secret_hash)
    }


async def read(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    pool_id: UUID,
    *,
    users: Iterable[UUID],
    references: list[UUID],
    now: datetime,
    for_update: bool,
) -> Books:
    """Read what the commands speak of, once the pool is locked, with every hold of the pool that is overdue."""
    row = await connection.fetchrow(_POOL, tenant_id, pool_id)
    if row is None:
        raise NotFound("pool", path=("poolId",))
    pool = PoolBook(**row)
    found = await connection.fetch(_RESERVATIONS, tenant_id, pool_id, references, now)
    holds = [HoldBook(**hold) for hold in found]
    wanted = {*users, *(hold.user_id for hold in holds if hold.pool_id == pool_id)}
    lock_them = " FOR UPDATE OF m" if for_update else ""
    members = await connection.fetch(_MEMBERS + lock_them, tenant_id, pool_id, sorted(wanted))
    return Books(
        pool=pool,
        members={member["user_id"]: MemberBook(**member) for member in members},
        holds=holds,
        approvals=[],
        models_this_month=set(),
        now=now,
    )


async def read_approvals(connection: asyncpg.Connection, tenant_id: UUID, books: Books, users: list[UUID]) -> None:
    """Add the approvals that these users may use: only pools with a threshold ask for them."""
    rows = await connection.fetch(_APPROVALS, tenant_id, books.pool.id, users, books.now)
    books.approvals = [ApprovalBook(**row) for row in rows]


async def read_models(connection: asyncpg.Connection, tenant_id: UUID, books: Books, month_start: datetime) -> None:
    """Add the models of the month: only tiers with a cap on them ask."""
    rows = await connection.fetch(_MODELS, tenant_id, books.pool.id, month_start)
    books.models_this_month = {row["model_id"] for row in rows}


async def write(connection: asyncpg.Connection, tenant_id: UUID, books: Books) -> None:
    """Write all that the decisions have made of the books."""
    pool = books.pool
    if books.opened:
        await connection.execute(_HOLD, tenant_id, pool.id, *_columns(books.opened, _HOLD_COLUMNS))
    if books.closed:
        closed = _columns(list(books.closed.values()), _CLOSE_COLUMNS)
        await connection.execute(_CLOSE, tenant_id, *closed, pool.id, books.now)
    if books.used_approvals:
        await connection.execute(_USE_APPROVALS, tenant_id, pool.id, books.used_approvals)
    if books.entries:
        await connection.execute(_ENTRIES, tenant_id, pool.id, *map(list, zip(*books.entries, strict=True)))
    if books.usage:
        await _write_usage(connection, tenant_id, books)
    changed = [member for member in books.members.values() if member.changed]
    if changed:
        await connection.execute(_MEMBER_WRITE, tenant_id, pool.id, *_columns(changed, _MEMBER_COLUMNS))
    await connection.execute(_POOL_WRITE, tenant_id, pool.id, *(getattr(pool, name) for name in _POOL_COLUMNS))
    if crossed(pool.available, pool.auto_purchase_below):
        await trigger(connection, tenant_id, pool.id)


async def _write_usage(connection: asyncpg.Connection, tenant_id: UUID, books: Books) -> None:
    """The usage rows, and in the same transaction their sums of the hour: analytics are never stale."""
    usage = [list(column) for column in zip(*books.usage, strict=True)]
    await connection.execute(_USAGE, tenant_id, books.pool.id, books.now, *usage)
    (users, _, _, types, models, providers, read_, written, cached, consumed, _, *split, latency) = usage
    hour = books.now.replace(minute=0, second=0, microsecond=0)
    sums = (users, types, models, providers, read_, written, cached, consumed, *split, latency)
    await connection.execute(_ROLLUPS, tenant_id, books.pool.id, hour, *sums)
