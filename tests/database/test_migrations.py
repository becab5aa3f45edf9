"""Migrations: from empty to the newest and back, as whoever owns the database, on a cluster where others use the same roles."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from pgqueuer.adapters.persistence.schema_ddl import render_install
from pgqueuer.domain.settings import DBSettings
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.embedded.postgres import EmbeddedPostgres
from migrations import downgrade, is_current, migrate, scram_verifier
from migrations.policies import Access, Sight, statements
from tests.conftest import Urls, connecting
from tests.database.test_tables import GLOBAL, TENANT

PROJECT = Path(__file__).resolve().parents[2]
_numbers = count(1)
Url = Callable[[str], str]


@pytest.fixture
async def empty(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Url]:
    """An empty database of portal_owner; its URL by role. The template uses the roles, so they stay whatever goes down here."""
    assert template
    name = f"empty{next(_numbers)}"
    async with connecting(postgres.url("postgres", "postgres")) as superuser:
        await superuser.execute(f"CREATE DATABASE {name} OWNER portal_owner")
        yield lambda role: postgres.url(role, name)
        await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def _objects(url: str) -> set[str]:
    """What there is in the schema: tables, types, functions, sequences."""
    async with connecting(url) as connection:
        rows = await connection.fetch(
            """SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
               UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
               UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"""
        )
    return {row["relname"] for row in rows}


async def _current(url: str) -> bool:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await is_current(connection)
    finally:
        await engine.dispose()


@pytest.mark.parametrize("role", ["portal_owner", "postgres"])
async def test_up_and_down_and_up_again(empty: Url, role: str) -> None:
    """As the owner (CREATEROLE, no superuser) and as a superuser."""
    url = empty(role)
    assert not await _current(url)
    await migrate(url)
    assert await _current(url)
    made = await _objects(url)
    assert made > GLOBAL | set(TENANT)
    await migrate(url)  # again is a no-op
    assert await _objects(url) == made
    await downgrade(url)
    assert {
        name for name in await _objects(url) if not name.startswith(("alembic_version", "_alembic_version"))
    } == set()
    assert not await _current(url)
    await migrate(url)
    assert await _objects(url) == made


async def test_every_role_of_the_portal_may_ask_whether_it_is_current(empty: Url) -> None:
    await migrate(empty("portal_owner"))
    for role in ("portal_app", "portal_worker", "portal_owner"):
        assert await _current(empty(role))


async def test_going_down_leaves_the_roles_to_the_databases_that_use_them(empty: Url, urls: Urls) -> None:
    await migrate(empty("portal_owner"))
    await downgrade(empty("portal_owner"))
    async with connecting(urls.app) as other:
        assert await other.fetchval("SELECT count(*) FROM subscription_tiers") == 7


async def test_two_at_once_wait_for_each_other(empty: Url) -> None:
    await asyncio.gather(*(migrate(empty("portal_owner")) for _ in range(3)))
    assert await _current(empty("portal_owner"))


async def test_a_failed_migration_leaves_nothing(empty: Url) -> None:
    async with connecting(empty("portal_owner")) as owner:
        await owner.execute("CREATE TABLE idempotency_keys (mine int)")
    with pytest.raises(DBAPIError, match="idempotency_keys"):
        await migrate(empty("portal_owner"))
    assert "credit_pools" not in await _objects(empty("portal_owner"))
    assert not await _current(empty("portal_owner"))


async def test_a_role_that_steps_over_the_wall_is_refused(empty: Url) -> None:
    async with connecting(empty("postgres")) as superuser:
        await superuser.execute("ALTER ROLE portal_app BYPASSRLS")
        try:
            with pytest.raises(DBAPIError, match="row level security would not hold"):
                await migrate(empty("portal_owner"))
        finally:
            await superuser.execute("ALTER ROLE portal_app NOBYPASSRLS")
    assert "credit_pools" not in await _objects(empty("portal_owner"))


APP_URL = "postgresql+asyncpg://portal_app:s%40crét@db/portal"
STORED = "SELECT rolpassword FROM pg_authid WHERE rolname = $1"


async def test_passwords_of_the_urls_become_those_of_the_roles(empty: Url) -> None:
    async with connecting(empty("postgres")) as superuser:
        worker_url = "postgresql+asyncpg://portal_worker@db/portal"
        await migrate(empty("portal_owner"), app_url=APP_URL, worker_url=worker_url)
        try:
            verifier = await superuser.fetchval(STORED, "portal_app")
            salt = base64.b64decode(verifier.split("$")[1].split(":")[1])
            assert verifier == scram_verifier("s@crét", salt)
            assert await superuser.fetchval(STORED, "portal_worker") is None
        finally:
            await superuser.execute("ALTER ROLE portal_app PASSWORD NULL")


async def test_a_role_that_an_administrator_made_keeps_its_password(empty: Url) -> None:
    async with connecting(empty("postgres")) as superuser:
        await superuser.execute("REVOKE portal_app FROM portal_owner CASCADE")
        try:
            await migrate(empty("portal_owner"), app_url=APP_URL)
            assert await superuser.fetchval(STORED, "portal_app") is None
            assert await _current(empty("portal_app"))
        finally:
            await superuser.execute("GRANT portal_app TO portal_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")


async def test_the_verifier_is_what_postgresql_makes_itself(postgres: EmbeddedPostgres) -> None:
    async with connecting(postgres.url("postgres", "postgres")) as superuser:
        await superuser.execute("CREATE ROLE reference PASSWORD 's@crét'")
        reference = await superuser.fetchval(STORED, "reference")
        await superuser.execute("DROP ROLE reference")
    iterations, salt = reference.split("$")[1].split(":")
    assert scram_verifier("s@crét", base64.b64decode(salt), int(iterations)) == reference


async def test_the_models_say_what_the_migrations_made(urls: Urls) -> None:
    """`alembic check` from anywhere: the models ask for no change."""
    check = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "alembic", "-c", str(PROJECT / "alembic.ini"), "check"],
        cwd="/",
        env={**os.environ, "PORTAL_DATABASE_URL": urls.owner},
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr
    assert "No new upgrade operations detected" in check.stdout


@pytest.mark.parametrize("sight", Sight)
async def test_the_form_for_citus_has_no_sub_selects_and_lets_the_same_through(
    sight: Sight, new_database: Callable[[], Awaitable[Urls]]
) -> None:
    """Citus refuses sub-selects in policies; its bare form is accepted by PostgreSQL too and reads the same settings."""
    access = Access("credit_pool_members", sight, ("select", "insert", "update", "delete"))
    plain, citus = (list(statements(access, citus=form)) for form in (False, True))
    assert not any("SELECT " in one.replace("FOR SELECT", "") for one in citus if "CREATE POLICY" in one)
    bare = [one.replace("(SELECT ", "(") for one in plain]
    assert bare == citus
    async with connecting((await new_database()).owner) as owner:
        for verb in access.verbs:
            await owner.execute(f"DROP POLICY credit_pool_members_{verb} ON credit_pool_members")
        for statement in citus:
            await owner.execute(statement)


async def test_the_planner_finds_entries_by_their_key_before_any_statistics(
    new_database: Callable[[], Awaitable[Urls]],
) -> None:
    """What credit_usage's foreign key asks for each row; by another index it would read all of a tenant's entries."""
    async with connecting((await new_database()).superuser) as connection:
        plan = await connection.fetch(
            f"EXPLAIN SELECT 1 FROM ONLY credit_transactions WHERE tenant_id = '{uuid4()}' AND id = '{uuid4()}' FOR KEY SHARE"
        )
    assert any("pk_credit_transactions" in row[0] for row in plan)


async def test_a_database_without_migrations_is_not_current(empty: Url) -> None:
    assert not await _current(empty("postgres"))
    with pytest.raises(asyncpg.UndefinedTableError):
        async with connecting(empty("postgres")) as connection:
            await connection.execute("SELECT * FROM alembic_version")


def test_the_queue_is_what_the_installed_pgqueuer_would_install() -> None:
    """A newer pgqueuer with another schema fails here: it needs a migration of its own first."""
    script = (PROJECT / "migrations" / "versions" / "sql_0001" / "07_queue.sql").read_text(encoding="utf-8")
    _header, installed = render_install(DBSettings()).split("\n\n", 1)
    assert installed in script
