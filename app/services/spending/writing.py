"""What a flush writes, set-based and in one statement, however many calls go together."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
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
# Each part stands in one statement with the pool's row at its end. Which parts there are differs, so parameters have names.
_OPENED = """
    INSERT INTO credit_reservations (tenant_id, pool_id, id, user_id, request_id, request_hash, amount, model_id, provider_id,
                                     request_type, approval_request_id, expires_at)
    SELECT :tenant, :pool, *
      FROM unnest(:hold_id::uuid[], :hold_user::uuid[], :hold_request::uuid[], :hold_hash::bytea[], :hold_amount::numeric[],
                  :hold_model::text[], :hold_provider::text[], :hold_type::text[], :hold_approval::uuid[], :hold_until::timestamptz[])
           AS hold"""
_ENTRIES = """
    INSERT INTO credit_transactions (tenant_id, pool_id, transaction_type, id, sequence, user_id, amount, balance_after, source_type,
                                     model_id, request_id, input_tokens, output_tokens, description)
    SELECT :tenant, :pool, 'consumption', *
      FROM unnest(:entry_id::uuid[], :entry_sequence::bigint[], :entry_user::uuid[], :entry_amount::numeric[], :entry_balance::numeric[],
                  :entry_source::text[], :entry_model::text[], :entry_request::uuid[], :entry_input::int[], :entry_output::int[],
                  :entry_description::text[])
           AS entry"""
_USAGE = """
    INSERT INTO credit_usage (tenant_id, pool_id, created_at, user_id, transaction_id, request_id, request_type, model_id, provider_id,
                              input_tokens, output_tokens, cached_tokens, credits_consumed, credit_rate_multiplier,
                              credits_from_included, credits_from_bonus, credits_from_purchased, shortfall_credits, latency_ms)
    SELECT :tenant, :pool, :now, *
      FROM unnest(:used_user::uuid[], :used_entry::uuid[], :used_request::uuid[], :used_type::text[], :used_model::text[],
                  :used_provider::text[], :used_input::int[], :used_output::int[], :used_cached::int[], :used_credits::numeric[],
                  :used_rate::numeric[], :used_included::numeric[], :used_bonus::numeric[], :used_purchased::numeric[],
                  :used_shortfall::numeric[], :used_latency::int[])
           AS used
    RETURNING *"""
# The sums of the hour, in the same transaction: analytics are never stale.
_ROLLUPS = """
    INSERT INTO usage_rollups AS r (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type, requests, input_tokens,
                                    output_tokens, cached_tokens, credits, from_included, from_bonus, from_purchased, shortfall_credits,
                                    latency_ms_total)
    SELECT :tenant, :pool, :hour::timestamptz, user_id, model_id, provider_id, request_type, count(*), sum(input_tokens),
           sum(output_tokens), sum(cached_tokens), sum(credits_consumed), sum(credits_from_included), sum(credits_from_bonus),
           sum(credits_from_purchased), sum(shortfall_credits), sum(coalesce(latency_ms, 0))
      FROM usage
     GROUP BY user_id, model_id, provider_id, request_type
     ORDER BY user_id, model_id, provider_id, request_type
        ON CONFLICT (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type) DO UPDATE
       SET requests = r.requests + excluded.requests, input_tokens = r.input_tokens + excluded.input_tokens,
           output_tokens = r.output_tokens + excluded.output_tokens, cached_tokens = r.cached_tokens + excluded.cached_tokens,
           credits = r.credits + excluded.credits, from_included = r.from_included + excluded.from_included,
           from_bonus = r.from_bonus + excluded.from_bonus, from_purchased = r.from_purchased + excluded.from_purchased,
           shortfall_credits = r.shortfall_credits + excluded.shortfall_credits,
           latency_ms_total = r.latency_ms_total + excluded.latency_ms_total"""
_CLOSED = """
    UPDATE credit_reservations r
       SET status = c.status, settled_amount = c.settled, settlement_hash = c.hash, settled_at = :now
      FROM unnest(:closed_id::uuid[], :closed_status::text[], :closed_settled::numeric[], :closed_hash::bytea[])
           AS c(id, status, settled, hash)
     WHERE r.tenant_id = :tenant AND r.pool_id = :pool AND r.id = c.id"""
_MEMBERS = """
    UPDATE credit_pool_members m
       SET usage_on = w.usage_on, usage_today = w.today, usage_this_week = w.week, usage_this_month = w.month,
           usage_all_time = w.ever, held_credits = w.held, last_usage_at = coalesce(w.used_at, m.last_usage_at), updated_at = now()
      FROM unnest(:member_user::uuid[], :member_usage_on::date[], :member_today::numeric[], :member_week::numeric[],
                  :member_month::numeric[], :member_ever::numeric[], :member_held::numeric[], :member_used_at::timestamptz[])
           AS w(user_id, usage_on, today, week, month, ever, held, used_at)
     WHERE m.tenant_id = :tenant AND m.pool_id = :pool AND m.user_id = w.user_id"""
_APPROVALS = "UPDATE approval_requests SET status = 'used' WHERE tenant_id = :tenant AND pool_id = :pool AND id = ANY(:approvals)"
_POOL = """
    UPDATE credit_pools
       SET balance_available = :available::numeric, balance_reserved = :reserved::numeric, monthly_included_used = :included_used::numeric,
           bonus_remaining = :bonus_remaining::numeric, purchased_remaining = :purchased_remaining::numeric,
           shortfall_credits = :shortfall::numeric,
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
_PARTS = {"opened": _OPENED, "entries": _ENTRIES, "usage": _USAGE, "closed": _CLOSED, "members": _MEMBERS}
_PARAMETERS = {name: tuple(re.findall(r":(\w+)::\w+\[\]", part)) for name, part in _PARTS.items()}
# Amounts go as text: asyncpg takes five times as long, a microsecond, to bring one into PostgreSQL's own form.
_AMOUNTS = frozenset(re.findall(r":(\w+)::numeric", "".join([*_PARTS.values(), _POOL])))


async def write(connection: asyncpg.Connection, tenant_id: UUID, books: Books) -> None:
    """Write all that the decisions have made of the books."""
    pool = books.pool
    rows = _rows(books)
    if not books.closed.keys().isdisjoint(hold.id for hold in books.opened):
        # What a statement inserts it can't update: holds that this very flush has closed again are there before.
        await _execute(connection, tenant_id, books, {"opened": rows.pop("opened")})
    await _execute(connection, tenant_id, books, rows)
    # What comes back (a release, an expired hold) is no spend: with too little all the same, money went back (app/services/reversals.py).
    if (books.opened or books.usage) and crossed(pool.available, pool.auto_purchase_below):
        await trigger(connection, tenant_id, pool.id)


def _rows(books: Books) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each part that has any."""
    rows: dict[str, list[tuple[Any, ...]]] = {
        "opened": [_hold(hold) for hold in books.opened],
        "entries": books.entries,
        "usage": books.usage,
        "closed": [_closed(hold) for hold in books.closed.values()],
        "members": [_member(member) for member in books.members.values() if member.changed],
    }
    return {name: part for name, part in rows.items() if part}


async def _execute(
    connection: asyncpg.Connection, tenant_id: UUID, books: Books, rows: dict[str, list[tuple[Any, ...]]]
) -> None:
    now = books.now
    values: dict[str, Any] = {"tenant": tenant_id, "pool": books.pool.id, "approvals": books.used_approvals}
    values |= {"now": now, "hour": now.replace(minute=0, second=0, microsecond=0)}
    _take(values, _POOL_FIELDS, _pool(books.pool), _text)
    single = all(len(part) == 1 for part in rows.values())
    for name, part in rows.items():
        if single:
            _take(values, _PARAMETERS[name], part[0], _text)
        else:
            _take(values, _PARAMETERS[name], zip(*part, strict=True), _array_text)
    statement = _statement(tuple(rows), single=single, approvals=bool(books.used_approvals))
    await connection.execute(statement.sql, *[values[name] for name in statement.names])


def _take(
    values: dict[str, Any], names: Iterable[str], given: Iterable[Any], text: Callable[[Any], str | None]
) -> None:
    for name, value in zip(names, given, strict=True):
        values[name] = text(value) if name in _AMOUNTS else value


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _array_text(amounts: Iterable[Decimal | None]) -> str:
    return f"{{{','.join(['NULL' if one is None else str(one) for one in amounts])}}}"


@cache
def _statement(parts: tuple[str, ...], *, single: bool, approvals: bool) -> Read:
    """The statement that writes these parts and the pool's row: of one row each, or of many."""
    found = {name: _of_one(_PARTS[name]) if single else _PARTS[name] for name in parts}
    if "usage" in parts:
        found["rollups"] = _ROLLUPS
    if approvals:
        found["approvals"] = _APPROVALS
    first = ", ".join(f"{name} AS ({part})" for name, part in found.items())
    written = f"WITH {first} {_POOL}" if first else _POOL
    return Read(written.replace("::numeric", "::text::numeric"))


def _of_one(part: str) -> str:
    """The part for a single row. An idle pool's calls come one by one, and arrays of one cost more than what they hold."""
    return _UNNEST.sub(lambda found: f"(VALUES ({found[1].replace('[]', '')}))", part)
