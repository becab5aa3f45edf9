"""What a role may do at all, whatever the rows: the ledger only grows, the worker sees only the inbox and the queue."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from pgqueuer import AsyncpgDriver
from pgqueuer.queries import Queries

from app.embedded.postgres import EmbeddedPostgres
from app.tenancy import ActorKind, Database, Scope
from models import Base, tenant_tables
from tests.conftest import Urls, connecting
from tests.database.rows import fill, snapshot
from tests.database.test_tables import GLOBAL, granted
from tests.factories import make_household

APPEND_ONLY = ("credit_transactions", "credit_usage", "audit_events")
QUEUE = {"pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"}


@pytest.fixture
async def app(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    async with connecting(urls.app) as connection:
        yield connection


@pytest.fixture
async def worker(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    async with connecting(urls.worker) as connection:
        yield connection


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_the_ledger_only_grows(table: str, urls: Urls, inspector: asyncpg.Connection) -> None:
    tenant = uuid4()
    await fill(inspector, tenant)
    before = await snapshot(inspector, Base.metadata.tables[table], tenant)
    assert before
    async with connecting(urls.app) as connection:
        for statement in (
            f"UPDATE {table} SET created_at = now()",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            f"DROP TABLE {table}",
        ):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(Scope(tenant, ActorKind.WORKER).statements())
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
            await transaction.rollback()
    assert await snapshot(inspector, Base.metadata.tables[table], tenant) == before


async def test_nobody_who_serves_changes_the_catalogue(app: asyncpg.Connection, inspector: asyncpg.Connection) -> None:
    for table in ("subscription_tiers", "subscription_add_ons", "credit_price_bands", "model_prices"):
        before = await inspector.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")
        assert before
        assert await app.fetchval(f"SELECT count(*) FROM {table}") == len(before)
        for statement in (
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"UPDATE {table} SET created_at = now()",
            f"DELETE FROM {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(statement)
        assert await inspector.fetch(f"SELECT t::text FROM {table} t ORDER BY 1") == before


async def test_the_worker_sees_only_the_inbox_and_the_queue(inspector: asyncpg.Connection) -> None:
    tables = GLOBAL | {table.name for table in tenant_tables()}
    seen = {
        (table, verb)
        for table in tables
        for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")
        if await granted(inspector, "portal_worker", table, verb)
    }
    assert seen == {
        *((table, verb) for table in QUEUE for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")),
        *(("webhook_events", verb) for verb in ("SELECT", "INSERT", "UPDATE")),
        ("alembic_version", "SELECT"),
        ("tenants", "SELECT"),  # for whom the jobs of every tenant run; only their ids
    }
    assert not await inspector.fetchval("SELECT has_column_privilege('portal_worker', 'tenants', 'name', 'SELECT')")


async def test_the_worker_is_refused_a_tenants_row(
    database: Database, worker: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    household = await make_household(database)
    transaction = worker.transaction()
    await transaction.start()
    await worker.execute(Scope(household.tenant_id, ActorKind.WORKER).statements())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await worker.fetch("SELECT * FROM credit_pools")
    await transaction.rollback()
    for change in ("UPDATE credit_pools SET name = 'x'", "DELETE FROM webhook_events", "DELETE FROM credit_pools"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await worker.execute(change)
    assert await inspector.fetchval("SELECT name FROM credit_pools WHERE id = $1", household.pool_id) == "Household"


async def test_the_inbox_keeps_an_event_once(worker: asyncpg.Connection, app: asyncpg.Connection) -> None:
    insert = "INSERT INTO webhook_events (id, event_type) VALUES ($1, 'charge.succeeded') ON CONFLICT DO NOTHING"
    event = f"evt_{uuid4().hex}"
    assert await worker.execute(insert, event) == "INSERT 0 1"
    assert await worker.execute(insert, event) == "INSERT 0 0"
    for statement in (insert.replace("$1", "'evt_x'"), "SELECT * FROM webhook_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)


async def test_who_serves_enqueues_and_no_more(
    app: asyncpg.Connection, worker: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    (job,) = await Queries(AsyncpgDriver(app)).enqueue(["job"], [b"secret"], [0], dedupe_key=["once"])
    assert await Queries(AsyncpgDriver(app)).enqueue(
        ["job"], [b"again"], [0], dedupe_key=["once"], on_conflict="skip"
    ) == [None]
    for statement in (
        "SELECT payload FROM pgqueuer",
        "UPDATE pgqueuer SET priority = 9",
        "DELETE FROM pgqueuer",
        "SELECT * FROM pgqueuer_log",
        "SELECT * FROM pgqueuer_schedules",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
    assert [tuple(row) for row in await inspector.fetch("SELECT id, payload FROM pgqueuer")] == [(job, b"secret")]
    assert await worker.fetchval("SELECT payload FROM pgqueuer") == b"secret"


async def test_nobody_but_the_owner_creates_objects(postgres: EmbeddedPostgres, template: str) -> None:
    """On the migrated database itself: what is granted on a database does not go into its copies."""
    for role in ("portal_app", "portal_worker"):
        async with connecting(postgres.url(role, template)) as connection:
            for statement in (
                "CREATE TABLE mine (id int)",
                "CREATE TEMPORARY TABLE mine (id int)",
                "CREATE SCHEMA mine",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
