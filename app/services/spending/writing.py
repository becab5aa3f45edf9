"""What a flush writes, set-based: the number of statements does not grow with the calls that go together."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg

from app.rules.auto_purchase import crossed
from app.services.auto_purchase.trigger import trigger
from app.services.spending.books import Books
from app.tenancy import Read

_UNNEST = re.compile(r"unnest\(([^)]*)\)")
_HOLD = """
    INSERT INTO credit_reservations (tenant_id, pool_id, id, user_id, request_id, request_hash, amount, model_id, provider_id,
                                     request_type, approval_request_id, expires_at)
    SELECT $1, $2, * FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::bytea[], $7::numeric[], $8::text[], $9::text[], $10::text[],
                                 $11::uuid[], $12::timestamptz[]) AS hold"""
_ENTRIES = """
    INSERT INTO credit_transactions (tenant_id, pool_id, transaction_type, id, sequence, user_id, amount, balance_after, source_type,
                                     model_id, request_id, input_tokens, output_tokens, description)
    SELECT $1, $2, 'consumption', * FROM unnest($3::uuid[], $4::bigint[], $5::uuid[], $6::numeric[], $7::numeric[], $8::text[],
                                                $9::text[], $10::uuid[], $11::int[], $12::int[], $13::text[]) AS entry"""
_USAGE = """
    INSERT INTO credit_usage (tenant_id, pool_id, created_at, user_id, transaction_id, request_id, request_type, model_id, provider_id,
                              input_tokens, output_tokens, cached_tokens, credits_consumed, credit_rate_multiplier,
                              credits_from_included, credits_from_bonus, credits_from_purchased, shortfall_credits, latency_ms)
    SELECT $1, $2, $3, * FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::int[], $11::int[],
                                     $12::int[], $13::numeric[], $14::numeric[], $15::numeric[], $16::numeric[], $17::numeric[],
                                     $18::numeric[], $19::int[]) AS used"""
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

# What is updated goes together: one statement with the pool's row at its end. Which parts it has differs, so parameters have names.
_CLOSE = """
    UPDATE credit_reservations r
       SET status = c.status, settled_amount = c.settled, settlement_hash = c.hash, settled_at = :now
      FROM unnest(:closed_ids::uuid[], :closed_statuses::text[], :closed_settled::numeric[], :closed_hashes::bytea[])
           AS c(id, status, settled, hash)
     WHERE r.tenant_id = :tenant AND r.pool_id = :pool AND r.id = c.id"""
_MEMBERS = """
    UPDATE credit_pool_members m
       SET usage_on = w.usage_on, usage_today = w.today, usage_this_week = w.week, usage_this_month = w.month,
           usage_all_time = w.ever, held_credits = w.held, last_usage_at = coalesce(w.used_at, m.last_usage_at), updated_at = now()
      FROM unnest(:users::uuid[], :usage_on::date[], :today::numeric[], :week::numeric[], :month::numeric[], :ever::numeric[],
                  :held::numeric[], :used_at::timestamptz[])
           AS w(user_id, usage_on, today, week, month, ever, held, used_at)
     WHERE m.tenant_id = :tenant AND m.pool_id = :pool AND m.user_id = w.user_id"""
_APPROVALS = "UPDATE approval_requests SET status = 'used' WHERE tenant_id = :tenant AND pool_id = :pool AND id = ANY(:approvals)"
_POOL = """
    UPDATE credit_pools
       SET balance_available = :available, balance_reserved = :reserved, monthly_included_used = :included_used,
           bonus_remaining = :bonus_remaining, purchased_remaining = :purchased_remaining, shortfall_credits = :shortfall,
           ledger_sequence = :sequence, held_count = :held_count, traffic_day = :traffic_day, requests_today = :requests_today,
           traffic_minute = :traffic_minute, requests_this_minute = :requests_this_minute,
           tokens_this_minute = :tokens_this_minute, updated_at = now()
     WHERE tenant_id = :tenant AND id = :pool"""

# The columns of each, in the order of its statement's parameters.
_hold = attrgetter(
    "id", "user_id", "request_id", "request_hash", "amount", "model_id", "provider_id", "request_type", "approval_request_id", "expires_at"
)  # fmt: skip
_closed = attrgetter("id", "status", "settled_amount", "settlement_hash")
_member = attrgetter(
    "user_id", "usage_on", "usage_today", "usage_this_week", "usage_this_month", "usage_all_time", "held_credits", "used_at"
)  # fmt: skip
_POOL_FIELDS = (
    "available", "reserved", "included_used", "bonus_remaining", "purchased_remaining", "shortfall", "sequence", "held_count",
    "traffic_day", "requests_today", "traffic_minute", "requests_this_minute", "tokens_this_minute",
)  # fmt: skip
_pool = attrgetter(*_POOL_FIELDS)
_CLOSED_PARAMETERS = ("closed_ids", "closed_statuses", "closed_settled", "closed_hashes")
_MEMBER_PARAMETERS = ("users", "usage_on", "today", "week", "month", "ever", "held", "used_at")


async def write(connection: asyncpg.Connection, tenant_id: UUID, books: Books) -> None:
    """Write all that the decisions have made of the books."""
    pool = books.pool
    if books.opened:
        holds = [_hold(hold) for hold in books.opened]
        await connection.execute(_of(_HOLD, len(holds)), tenant_id, pool.id, *_columns(holds))
    if books.entries:
        await connection.execute(_of(_ENTRIES, len(books.entries)), tenant_id, pool.id, *_columns(books.entries))
    if books.usage:
        await _write_usage(connection, tenant_id, books)
    await _update(connection, tenant_id, books)
    # What comes back (a release, an expired hold) is no spend: with too little all the same, money went back (app/services/reversals.py).
    if (books.opened or books.usage) and crossed(pool.available, pool.auto_purchase_below):
        await trigger(connection, tenant_id, pool.id)


def _columns(rows: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
    """What stands for the rows in a statement: arrays, a column each, or the values of the only row."""
    return rows[0] if len(rows) == 1 else zip(*rows, strict=True)


def _of(statement: str, rows: int) -> str:
    """The statement for so many rows. An idle pool's calls come one by one, and arrays of one cost more than what they hold."""
    return _of_one(statement) if rows == 1 else statement


@cache
def _of_one(statement: str) -> str:
    return _UNNEST.sub(lambda found: f"(VALUES ({found[1].replace('[]', '')}))", statement)


async def _write_usage(connection: asyncpg.Connection, tenant_id: UUID, books: Books) -> None:
    """The usage rows, and in the same transaction their sums of the hour: analytics are never stale."""
    usage, rows = list(_columns(books.usage)), len(books.usage)
    await connection.execute(_of(_USAGE, rows), tenant_id, books.pool.id, books.now, *usage)
    (users, _, _, types, models, providers, read_, written, cached, consumed, _, *split, latency) = usage
    hour = books.now.replace(minute=0, second=0, microsecond=0)
    sums = (users, types, models, providers, read_, written, cached, consumed, *split, latency)
    await connection.execute(_of(_ROLLUPS, rows), tenant_id, books.pool.id, hour, *sums)


async def _update(connection: asyncpg.Connection, tenant_id: UUID, books: Books) -> None:
    """The rows that stood before. Holds that this very flush has opened are inserted by now."""
    closed = [_closed(hold) for hold in books.closed.values()]
    members = [_member(member) for member in books.members.values() if member.changed]
    statement = _update_of(min(len(closed), 2), min(len(members), 2), approvals=bool(books.used_approvals))
    values = dict(zip(_POOL_FIELDS, _pool(books.pool), strict=True))
    values |= {"tenant": tenant_id, "pool": books.pool.id, "now": books.now, "approvals": books.used_approvals}
    if closed:
        values |= zip(_CLOSED_PARAMETERS, _columns(closed), strict=True)
    if members:
        values |= zip(_MEMBER_PARAMETERS, _columns(members), strict=True)
    await connection.execute(statement.sql, *[values[name] for name in statement.names])


@cache
def _update_of(closed: int, members: int, *, approvals: bool) -> Read:
    """For none, one or more of each."""
    parts = {
        "closed": closed and _of(_CLOSE, closed),
        "members": members and _of(_MEMBERS, members),
        "approvals": approvals and _APPROVALS,
    }
    first = ", ".join(f"{name} AS ({part})" for name, part in parts.items() if part)
    return Read(f"WITH {first} {_POOL}" if first else _POOL)
