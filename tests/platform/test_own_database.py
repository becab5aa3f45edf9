"""A database of one's own instead of the embedded one: PORTAL_DATABASE_URL alone is enough, and each refusal is one line."""

import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.commands import connection
from app.commands.connection import connect
from app.commands.failures import CommandError
from app.embedded.postgres import EmbeddedPostgres
from tests.platform.portals import Portal, gone


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL 16 that the portal knows nothing of but its URL."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("own") / "data", "16", tcp_port=0, tuning="test")
    try:
        yield server.start()
    finally:
        server.destroy()


@pytest.fixture
async def own_url(own_server: EmbeddedPostgres) -> str:
    """An empty database, as a role that owns it and may make roles; by TCP."""
    admin = await asyncpg.connect(own_server.dsn("postgres", "postgres"))
    try:
        await admin.execute("DROP DATABASE IF EXISTS mine WITH (FORCE)")
        for role in ("portal_app", "portal_worker", "me"):
            await admin.execute(f"DROP ROLE IF EXISTS {role}")
        await admin.execute("CREATE ROLE me LOGIN CREATEROLE")
        await admin.execute("CREATE DATABASE mine OWNER me")
    finally:
        await admin.close()
    return f"postgresql://me@127.0.0.1:{own_server.port}/mine"


async def passwords(server: EmbeddedPostgres) -> dict[str, str]:
    admin = await asyncpg.connect(server.dsn("postgres", "postgres"))
    try:
        rows = await admin.fetch("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'portal\\_%'")
        return {row["rolname"]: row["rolpassword"] or "" for row in rows}
    finally:
        await admin.close()


async def test_migrate_and_serve_on_it(own_server: EmbeddedPostgres, own_url: str, tmp_path: Path) -> None:
    portal = Portal(tmp_path / "data", settings={"PORTAL_DATABASE_URL": own_url})
    done = portal.run("migrate")
    assert done.returncode == 0, done.stderr
    kept = await passwords(own_server)
    assert kept["portal_app"].startswith("SCRAM-SHA-256$")
    assert kept["portal_worker"].startswith("SCRAM-SHA-256$")
    portal.start("serve", "--workers", "2")
    try:
        portal.wait_until_alive()
        family = portal.family()
        assert (
            sum("multiprocessing" in " ".join(one.cmdline()) and "spawn" in " ".join(one.cmdline()) for one in family)
            == 2
        )
        portal.end(signal.SIGKILL)
        assert gone(family)  # serving processes end with the one that started them
    finally:
        portal.clean_up()
    assert not portal.postgres.home.exists()


async def test_reset_does_not_touch_it(own_url: str, tmp_path: Path) -> None:
    portal = Portal(tmp_path / "data", settings={"PORTAL_DATABASE_URL": own_url})
    assert portal.run("migrate").returncode == 0
    done = portal.run("reset")
    assert done.returncode == 1
    assert done.stderr.startswith("portal: reset does not touch a database of your own")
    mine = await asyncpg.connect(own_url)
    try:
        assert await mine.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await mine.close()


async def test_a_role_that_may_not_make_roles_is_told_so_and_nothing_changes(
    own_server: EmbeddedPostgres, own_url: str, tmp_path: Path
) -> None:
    admin = await asyncpg.connect(own_server.dsn("postgres", "mine"))
    try:
        await admin.execute("ALTER ROLE me NOCREATEROLE")
        done = Portal(tmp_path / "data", settings={"PORTAL_DATABASE_URL": own_url}).run("migrate")
        assert done.returncode == 1
        assert done.stderr.startswith("portal: PORTAL_DATABASE_URL: the migration failed and changed nothing: ")
        assert done.stderr.count("\n") == 1
        assert await admin.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await admin.close()


async def test_an_older_postgres_is_refused_in_one_line(
    own_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "OLDEST_POSTGRES", 17)
    with pytest.raises(CommandError) as caught:
        await connect(own_server.dsn("postgres"))
    assert str(caught.value).endswith("is PostgreSQL 16; the portal needs 17 or newer")
    assert str(caught.value).startswith("PORTAL_DATABASE_URL: postgresql://postgres@/portal?")
