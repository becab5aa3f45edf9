"""The demo's past is exact: every balance follows from its ledger, every sum from its usage, and a seed can be cut off anywhere."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.embedded.demo import seed
from app.embedded.demo_history import add_months
from app.embedded.demo_people import PEOPLE
from app.embedded.demo_tenants import NIA, NORTHWIND, RIVERA, SAM, TENANTS
from app.payments.outcomes import Outcome, Succeeded
from app.rules.catalogue import TIERS
from app.rules.spending_limits import local_date, week_start
from app.services.ledger_audit import audit
from app.tenancy import Database
from tests.conftest import Urls, connecting

NOW = datetime(2026, 3, 31, 17, 30, tzinfo=UTC)


class Payments:
    """Stripe's part: says for whom payments were asked for, and what was paid; fails the call of a given number."""

    def __init__(self, fail_at: int = 0) -> None:
        self.asked: list[str] = []
        self.taken: dict[str, int] = {}
        self._fail_at = fail_at

    async def ensure_customer(self, *, tenant_id: UUID, pool_id: UUID, email: str, name: str) -> str:
        self.asked.append(email)
        if len(self.asked) == self._fail_at:
            raise ConnectionError("cut off")
        return f"cus_{tenant_id.hex[:8]}{pool_id.hex[:6]}"

    async def charge(self, **asked: Any) -> Outcome:
        self.taken[asked["metadata"]["purchase_id"]] = asked["amount_cents"]
        intent = f"pi_{asked['idempotency_key']}"
        return Succeeded(intent, f"ch_{intent}", "https://receipts.example", asked["amount_cents"], asked["currency"])


@pytest.fixture(scope="module")
async def seeded(database: Database) -> Payments:
    payments = Payments()
    await seed(database, payments, now=NOW)
    return payments


async def test_who_lives_there(seeded: Payments, inspector: asyncpg.Connection) -> None:
    people = await inspector.fetch(
        """SELECT t.name AS tenant, u.email, u.subject, m.role, p.pool_type, s.tier_id, s.stripe_customer_id IS NOT NULL AS pays
           FROM users u JOIN tenants t ON t.id = u.tenant_id
           JOIN credit_pool_members m ON (m.tenant_id, m.user_id) = (u.tenant_id, u.id)
           JOIN credit_pools p ON (p.tenant_id, p.id) = (m.tenant_id, m.pool_id)
           JOIN subscriptions s ON (s.tenant_id, s.credit_pool_id) = (p.tenant_id, p.id)"""
    )
    by_mail = {row["email"]: row for row in people}
    assert len(people) == len(PEOPLE) == 5 + 12 + 1 + 1
    assert {(row["subject"], row["email"], row["role"]) for row in people} == {
        (person.subject, person.email, person.role) for person in PEOPLE
    }
    for email, tenant, tier, pool, pays in (
        ("owner@rivera.example", "Rivera family", "FAMILY", "family", True),
        ("owner@northwind.example", "Northwind Labs", "TEAM", "team", True),
        ("sam@solo.example", "Sam Solo", "INDIVIDUAL", "individual", True),
        ("nia@new.example", "Nia New", "FREE", "individual", False),
    ):
        row = by_mail[email]
        assert (row["tenant"], row["tier_id"], row["pool_type"], row["pays"]) == (tenant, tier, pool, pays)
        assert row["role"] == "owner"
    roles = sorted(row["role"] for row in people if row["tenant"] == "Rivera family")
    assert roles == ["admin", "member", "owner", "restricted", "restricted"]
    assert seeded.asked == ["owner@rivera.example", "owner@northwind.example", "sam@solo.example"]


@pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.key)
@pytest.mark.usefixtures("seeded")
async def test_every_balance_follows_from_the_ledger(
    tenant: Any, database: Database, inspector: asyncpg.Connection
) -> None:
    """By the audit of operators, and once more here by hand: sequence, chain, buckets, balance."""
    assert [fault async for fault in audit(database, tenant.id)] == []
    pool = await inspector.fetchrow("SELECT * FROM credit_pools WHERE tenant_id = $1", tenant.id)
    assert pool is not None
    entries = await inspector.fetch(
        "SELECT * FROM credit_transactions WHERE tenant_id = $1 ORDER BY sequence", tenant.id
    )
    balance, buckets = Decimal(0), dict.fromkeys(("included", "bonus", "purchased"), Decimal(0))
    for number, entry in enumerate(entries, 1):
        assert entry["sequence"] == number
        balance += entry["amount"]
        buckets[entry["source_type"]] += entry["amount"]
        assert entry["balance_after"] == balance
        assert min(buckets.values()) >= 0
    assert pool["ledger_sequence"] == len(entries)
    assert balance == pool["balance_available"] + pool["balance_reserved"]
    assert buckets == {bucket: pool[f"{bucket}_remaining"] for bucket in buckets}
    assert [entry["created_at"] for entry in entries] == sorted(entry["created_at"] for entry in entries)
    assert entries[-1]["created_at"] <= NOW


@pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.key)
@pytest.mark.usefixtures("seeded")
async def test_included_credits_come_and_go_monthly(tenant: Any, inspector: asyncpg.Connection) -> None:
    """Ruling 6: at each anniversary the rest leaves and the new month comes, on annual plans too."""
    entries = await inspector.fetch(
        """SELECT transaction_type AS kind, amount, created_at FROM credit_transactions
           WHERE tenant_id = $1 AND transaction_type IN ('subscription_grant', 'expiration') ORDER BY sequence""",
        tenant.id,
    )
    grants = [entry for entry in entries if entry["kind"] == "subscription_grant"]
    start = grants[0]["created_at"]
    months = 0
    while add_months(start, months + 1) <= NOW:
        months += 1
    seats = len(tenant.members) if TIERS[tenant.tier].pricing.per_user else 1
    assert [entry["created_at"] for entry in grants] == [add_months(start, number) for number in range(months + 1)]
    assert {entry["amount"] for entry in grants} == {TIERS[tenant.tier].included_credits_per_user * seats}
    pool = await inspector.fetchrow("SELECT * FROM credit_pools WHERE tenant_id = $1", tenant.id)
    assert pool is not None
    assert pool["monthly_resets_at"] == add_months(start, months + 1) > NOW
    assert pool["monthly_included_total"] == grants[-1]["amount"]


@pytest.mark.usefixtures("seeded")
async def test_usage_ledger_and_rollups_say_the_same(inspector: asyncpg.Connection) -> None:
    """Request by request: the usage is the sum of its entries, bucket by bucket; hour by hour: the rollup is the sum of the usage."""
    apart = await inspector.fetchval(
        """SELECT count(*) FROM credit_usage u FULL JOIN (
               SELECT tenant_id, request_id, user_id, model_id, min(created_at) AS at,
                   -coalesce(sum(amount) FILTER (WHERE source_type = 'included'), 0) AS included,
                   -coalesce(sum(amount) FILTER (WHERE source_type = 'bonus'), 0) AS bonus,
                   -coalesce(sum(amount) FILTER (WHERE source_type = 'purchased'), 0) AS purchased
               FROM credit_transactions WHERE transaction_type = 'consumption' GROUP BY 1, 2, 3, 4) e
           USING (tenant_id, request_id, user_id, model_id)
           WHERE (u.credits_from_included, u.credits_from_bonus, u.credits_from_purchased, u.created_at)
               IS DISTINCT FROM (e.included, e.bonus, e.purchased, e.at)"""
    )
    assert apart == 0
    columns = "tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type"
    hour = "date_trunc('hour', created_at, 'UTC')"
    apart = await inspector.fetchval(
        f"""WITH computed AS (
               SELECT {columns.replace("hour", f"{hour} AS hour")}, count(*) AS requests, sum(input_tokens) AS input,
                   sum(output_tokens) AS output, sum(cached_tokens) AS cached, sum(credits_consumed) AS credits,
                   sum(credits_from_included) AS included, sum(credits_from_bonus) AS bonus,
                   sum(credits_from_purchased) AS purchased, sum(latency_ms) AS latency
               FROM credit_usage GROUP BY {columns.replace("hour", hour)})
           SELECT count(*) FROM usage_rollups r FULL JOIN computed c USING ({columns})
           WHERE (r.requests, r.input_tokens, r.output_tokens, r.cached_tokens, r.credits, r.from_included, r.from_bonus,
                  r.from_purchased, r.latency_ms_total)
               IS DISTINCT FROM (c.requests, c.input, c.output, c.cached, c.credits, c.included, c.bonus, c.purchased, c.latency)"""
    )
    assert apart == 0
    assert await inspector.fetchval("SELECT count(*) FROM credit_usage") > 5_000


@pytest.mark.usefixtures("seeded")
async def test_members_counters_are_their_usage(inspector: asyncpg.Connection) -> None:
    """Ruling 13: today, this week (from Monday) and this month, in the pool's time zone; nobody has passed a limit."""
    members = await inspector.fetch(
        """SELECT m.*, p.time_zone FROM credit_pool_members m
           JOIN credit_pools p ON (p.tenant_id, p.id) = (m.tenant_id, m.pool_id)"""
    )
    for member in members:
        usage = await inspector.fetch(
            "SELECT credits_consumed AS cost, created_at FROM credit_usage WHERE tenant_id = $1 AND user_id = $2",
            member["tenant_id"],
            member["user_id"],
        )
        by_day: dict[Any, Decimal] = {}
        for row in usage:
            day = local_date(row["created_at"], member["time_zone"])
            by_day[day] = by_day.get(day, Decimal(0)) + row["cost"]
        on = member["usage_on"]
        week, month = week_start(on), on.replace(day=1)
        assert member["usage_all_time"] == sum(by_day.values())
        assert member["usage_today"] == by_day.get(on, 0)
        assert member["usage_this_week"] == sum(cost for day, cost in by_day.items() if day >= week)
        assert member["usage_this_month"] == sum(cost for day, cost in by_day.items() if day >= month)
        assert member["last_usage_at"] == max(row["created_at"] for row in usage)
        daily, per_request = member["daily_credit_limit"], member["max_cost_per_request"]
        assert daily is None or max(by_day.values()) <= daily
        assert per_request is None or max(row["cost"] for row in usage) <= per_request


@pytest.mark.usefixtures("seeded")
async def test_purchases_have_their_price_and_their_bonus(inspector: asyncpg.Connection) -> None:
    purchases = await inspector.fetch(
        "SELECT tenant_id, credits_amount, bonus_credits, payment_amount_cents FROM credit_purchases"
    )
    found = {(row["tenant_id"], *list(row)[1:]) for row in purchases}
    assert found == {
        (RIVERA.id, Decimal(10), Decimal("0.5"), 95_00),
        (NORTHWIND.id, Decimal(25), Decimal("2.5"), 225_00),
        (SAM.id, Decimal(5), Decimal(0), 50_00),
    }


async def test_every_purchase_is_paid_at_stripe(seeded: Payments, inspector: asyncpg.Connection) -> None:
    bought = await inspector.fetch("SELECT * FROM credit_purchases")
    assert {str(one["id"]): one["payment_amount_cents"] for one in bought} == seeded.taken
    assert all(
        one["stripe_payment_intent_id"] == f"pi_demo-{one['id']}-{one['payment_amount_cents']}" for one in bought
    )
    named = "SELECT source_id, payment_intent_id FROM credit_transactions WHERE payment_intent_id IS NOT NULL"
    entries = {row["source_id"]: row["payment_intent_id"] for row in await inspector.fetch(named)}
    assert entries == {str(one["id"]): one["stripe_payment_intent_id"] for one in bought}


@pytest.mark.usefixtures("seeded")
async def test_a_team_works_on_weekdays(inspector: asyncpg.Connection) -> None:
    days = await inspector.fetch(
        """SELECT extract(isodow FROM created_at AT TIME ZONE 'America/New_York')::int AS day, count(*) AS requests
           FROM credit_usage WHERE tenant_id = $1 GROUP BY 1""",
        NORTHWIND.id,
    )
    requests = {row["day"]: row["requests"] for row in days}
    assert min(requests[day] for day in range(1, 6)) > 4 * max(requests[6], requests[7])
    first = await inspector.fetchval("SELECT min(created_at) FROM credit_usage WHERE tenant_id = $1", NORTHWIND.id)
    assert first < NOW - timedelta(days=86)
    assert await inspector.fetchval("SELECT count(*) FROM credit_usage WHERE tenant_id = $1", NIA.id) < 20


async def test_a_seed_that_is_cut_off_goes_on(new_database: Callable[[], Awaitable[Urls]]) -> None:
    urls = await new_database()
    database = Database(urls.app, pool_size=1)
    with pytest.raises(ConnectionError):
        await seed(database, Payments(fail_at=2), now=NOW)
    async with connecting(urls.superuser) as inspector:
        assert await inspector.fetchval("SELECT array_agg(name) FROM tenants") == [RIVERA.name]
        counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM credit_transactions)"
        await inspector.execute("UPDATE credit_pools SET name = 'renamed'")
        payments = Payments()
        await seed(database, payments, now=NOW)
        assert payments.asked == ["owner@northwind.example", "sam@solo.example"]
        whole = await inspector.fetchrow(counts)
        await seed(database, payments, now=NOW + timedelta(days=3))
        assert await inspector.fetchrow(counts) == whole
        names = await inspector.fetch("SELECT name FROM credit_pools")
        assert "renamed" in {row["name"] for row in names}
    for tenant in TENANTS:
        assert [fault async for fault in audit(database, tenant.id)] == []
    await database.close()
