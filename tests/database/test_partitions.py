"""credit_usage by month: partitions made ahead by portal_worker, late rows taken along, nothing lost, nothing more allowed."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from uuid import uuid4

import asyncpg
import pytest

from app.tenancy import ActorKind, Scope
from models import tenant_tables
from tests.conftest import Urls, connecting
from tests.database.rows import fill, insert_row, new_row

USAGE = next(table for table in tenant_tables() if table.name == "credit_usage")
CREATE = "SELECT create_usage_partitions($1, $2)"


@pytest.fixture
async def worker(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    async with connecting(urls.worker) as connection:
        yield connection


async def test_months_are_made_ahead_once(worker: asyncpg.Connection, inspector: asyncpg.Connection) -> None:
    assert await worker.fetchval(CREATE, date(2031, 11, 30), date(2032, 2, 1)) == 4
    assert await worker.fetchval(CREATE, date(2031, 11, 30), date(2032, 2, 1)) == 0
    assert await worker.fetchval(CREATE, date(2032, 2, 29), date(2032, 3, 1)) == 1
    bounds = await inspector.fetch(
        """SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound, c.relrowsecurity AS secured
           FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND c.relname ~ '_203[12]_' ORDER BY 1"""
    )
    assert [(row["name"], row["bound"]) for row in bounds] == [
        (
            f"credit_usage_{first[:7].replace('-', '_')}",
            f"FOR VALUES FROM ('{first} 00:00:00+00') TO ('{last} 00:00:00+00')",
        )
        for first, last in (
            ("2031-11-01", "2031-12-01"),
            ("2031-12-01", "2032-01-01"),
            ("2032-01-01", "2032-02-01"),
            ("2032-02-01", "2032-03-01"),
            ("2032-03-01", "2032-04-01"),
        )
    ]
    assert all(row["secured"] for row in bounds)


async def test_a_month_takes_its_rows_from_the_default_partition(
    urls: Urls, worker: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    """Rows on both edges of the month, of two tenants; the neighbours' rows stay. Foreign keys hold in the new partition too."""
    edges = [
        datetime(2033, 4, 30, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2033, 5, 1, tzinfo=UTC),
        datetime(2033, 5, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2033, 6, 1, tzinfo=UTC),
    ]
    tenants = [(tenant, await fill(inspector, tenant)) for tenant in (uuid4(), uuid4())]
    for tenant, rows in tenants:
        for at in edges:
            await insert_row(inspector, USAGE, new_row(USAGE, tenant, rows) | {"created_at": at})
    where = """SELECT tableoid::regclass::text AS partition FROM credit_usage
               WHERE tenant_id = $1 AND created_at > '2033-01-01' ORDER BY created_at"""
    assert {row["partition"] for row in await inspector.fetch(where, tenants[0][0])} == {"credit_usage_default"}
    before = await inspector.fetch("SELECT u::text FROM credit_usage u ORDER BY 1")
    assert await worker.fetchval(CREATE, date(2033, 5, 9), date(2033, 5, 9)) == 1
    assert await inspector.fetch("SELECT u::text FROM credit_usage u ORDER BY 1") == before
    for tenant, rows in tenants:
        found = await inspector.fetch(where, tenant)
        assert [row["partition"] for row in found] == [
            "credit_usage_default",
            "credit_usage_2033_05",
            "credit_usage_2033_05",
            "credit_usage_default",
        ]
        stranger = new_row(USAGE, tenant, rows) | {"created_at": edges[1], "user_id": uuid4()}
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await insert_row(inspector, USAGE, stranger)
    async with connecting(urls.app) as app, app.transaction():
        await app.execute(Scope(tenants[0][0], ActorKind.WORKER).statements())
        assert await app.fetchval("SELECT count(*) FROM credit_usage WHERE created_at > '2033-01-01'") == len(edges)


async def test_a_month_does_not_depend_on_the_callers_time_zone(
    worker: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    await worker.execute("SET timezone = 'Pacific/Kiritimati'")
    assert await worker.fetchval(CREATE, date(2034, 3, 1), date(2034, 3, 31)) == 1
    bound = await inspector.fetchval(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'credit_usage_2034_03'"
    )
    assert bound == "FOR VALUES FROM ('2034-03-01 00:00:00+00') TO ('2034-04-01 00:00:00+00')"


async def test_only_the_worker_may_and_not_without_end(
    urls: Urls, worker: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'credit_usage'::regclass"
    before = await inspector.fetchval(count)
    async with connecting(urls.app) as app:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.fetchval(CREATE, date(2035, 1, 1), date(2035, 1, 1))
    with pytest.raises(asyncpg.RaiseError, match="at most three years"):
        await worker.fetchval(CREATE, date(2035, 1, 1), date(2045, 1, 1))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await worker.execute(
            "CREATE TABLE mine PARTITION OF credit_usage FOR VALUES FROM ('2035-01-01') TO ('2035-02-01')"
        )
    assert await inspector.fetchval(count) == before


async def test_this_month_and_the_next_exist_from_the_start(inspector: asyncpg.Connection) -> None:
    assert (
        await inspector.fetchval(
            """SELECT count(*) FROM generate_series(date_trunc('month', now(), 'UTC') - interval '3 months',
                                               date_trunc('month', now(), 'UTC') + interval '3 months', interval '1 month') AS month
           WHERE to_regclass('credit_usage_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM')) IS NULL"""
        )
        == 0
    )
