"""`portal up` as a whole: it serves, stops, is killed, starts again with its data; and the commands that look at it."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.payments import watching
from tests.platform.portals import Portal, gone, three_free_ports

VIEWER = "{ viewer { user { email } } }"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal that was started once, with demo data; each test leaves it running."""
    made = Portal(tmp_path_factory.mktemp("portal") / "data")
    try:
        made.up()
        yield made
    finally:
        made.clean_up()


def query(portal: Portal, token: str, document: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{portal.url}/graphql", json={"query": document}, headers=headers, trust_env=False)


async def users(portal: Portal) -> int:
    connection = await asyncpg.connect(portal.postgres.dsn("postgres"))
    try:
        return int(await connection.fetchval("SELECT count(*) FROM users"))
    finally:
        await connection.close()


def test_prints_where_things_are_and_whom_to_sign_in_as(portal: Portal) -> None:
    said = portal.output.read_text()
    for expected in (
        portal.url,
        f"http://127.0.0.1:{portal.port + 1}/mailbox/",
        "owner@rivera.example",
        "nia@new.example",
    ):
        assert expected in said


def test_a_token_of_the_command_line_asks_the_api(portal: Portal) -> None:
    done = portal.run("token", "--user", "owner@rivera.example")
    assert done.returncode == 0, done.stderr
    answer = query(portal, done.stdout.strip(), VIEWER)
    assert answer.json() == {"data": {"viewer": {"user": {"email": "owner@rivera.example"}}}}
    assert query(portal, done.stdout.strip()[:-3] + "abc", VIEWER).status_code == 401


def test_a_token_for_a_stranger_is_refused_in_one_line(portal: Portal) -> None:
    done = portal.run("token", "--user", "mallory@evil.example")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("portal: no demo person is mallory@evil.example; there are ")
    assert done.stderr.count("\n") == 1


def test_doctor_finds_nothing_wrong(portal: Portal) -> None:
    done = portal.run("doctor")
    wrong = [line for line in done.stdout.splitlines() if line.startswith("wrong") and " page " not in line]
    assert wrong == []  # the page alone may not be built where the tests run
    subjects = ("owner role", "app role", "worker role", "migrations", "jobs", "sign-in", "Stripe", "mail", "portal")
    for subject in subjects:
        assert f"good  {subject} " in done.stdout


async def test_doctor_names_what_waits_for_an_operator(portal: Portal) -> None:
    connection = await asyncpg.connect(portal.postgres.dsn("postgres"))
    try:
        await connection.execute(
            "INSERT INTO webhook_events (id, event_type, livemode, payload, error, parked_at)"
            " VALUES ('evt_parked', 'payment_intent.succeeded', false, '{}', 'PaymentMismatch', now())"
        )
        done = portal.run("doctor")
    finally:
        await connection.execute("DELETE FROM webhook_events WHERE id = 'evt_parked'")
        await connection.close()
    assert done.returncode == 1
    assert "wrong jobs         1 Stripe events parked" in done.stdout


@pytest.mark.parametrize(
    ("role", "name"), [("owner", "portal_owner"), ("app", "portal_app"), ("worker", "portal_worker")]
)
async def test_db_url_is_one_that_libpq_reads(portal: Portal, role: str, name: str) -> None:
    url = portal.run("db-url", "--role", role).stdout.strip()
    psql = await asyncio.create_subprocess_exec(
        portal.postgres.program("psql"), url, "-tAc", "SELECT current_user", stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await psql.communicate()
    assert answer.decode().strip() == name


async def test_api_key_create_keeps_only_a_hash(portal: Portal) -> None:
    connection = await asyncpg.connect(portal.postgres.dsn("postgres"))
    try:
        tenant = str(await connection.fetchval("SELECT id FROM tenants ORDER BY name LIMIT 1"))
        done = portal.run("api-key", "create", "--tenant", tenant, "--name", "gateway", "--scope", "usage:write")
        assert done.returncode == 0, done.stderr
        text = done.stdout.strip()
        row = await connection.fetchrow("SELECT * FROM api_keys WHERE name = 'gateway'")
    finally:
        await connection.close()
    assert row is not None
    assert (str(row["tenant_id"]), row["scopes"], row["pool_id"]) == (tenant, ["usage:write"], None)
    assert text.startswith(row["prefix"])
    assert text not in str(dict(row))
    assert len(row["key_hash"]) == 32


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tenant", "7", "--scope", "usage:write"], "portal: --tenant 7 is no id: expected a UUID\n"),
        (["--tenant", "00000000-0000-0000-0000-000000000007", "--scope", "usage:write"], "portal: there is no tenant "),
        (
            ["--tenant", "00000000-0000-0000-0000-000000000007", "--scope", "root"],
            "portal: no such scope: root; there are ",
        ),
    ],
)
async def test_api_key_create_refuses_and_writes_nothing(portal: Portal, arguments: list[str], expected: str) -> None:
    connection = await asyncpg.connect(portal.postgres.dsn("postgres"))
    try:
        before = await connection.fetchval("SELECT count(*) FROM api_keys")
        done = portal.run("api-key", "create", "--name", "x", *arguments)
        assert await connection.fetchval("SELECT count(*) FROM api_keys") == before
    finally:
        await connection.close()
    assert done.returncode == 1
    assert done.stderr.startswith(expected)


def test_the_ledger_of_the_demo_is_sound(portal: Portal) -> None:
    done = portal.run("ledger", "audit")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_portal_on_the_same_data_is_refused(portal: Portal) -> None:
    other = Portal(portal.data_dir, port=three_free_ports())
    done = other.run("up")
    assert done.returncode == 1
    assert done.stderr.startswith(f"portal: the portal is already running with {portal.data_dir} (process ")
    assert done.stderr.count("\n") == 1
    assert portal.process is not None
    assert portal.process.poll() is None


def test_what_is_sent_to_its_sandbox_is_held_against_stripes_types(portal: Portal) -> None:
    headers = {"Authorization": "Bearer sk_test_sandbox"}
    assert httpx.post(
        f"{portal.sandbox_url}/v1/customers", data={"foo": "1"}, headers=headers, trust_env=False
    ).is_error
    watching.look(portal.sandbox_url)
    with pytest.raises(AssertionError, match="POST /v1/customers: foo: unknown"):
        watching.complain()


async def test_ctrl_c_leaves_no_process_and_the_second_start_has_the_data(portal: Portal) -> None:
    before = await users(portal)
    assert before > 15
    family = portal.family()
    assert len(family) > 5  # supervisor, server, services, worker, PostgreSQL and its own
    assert portal.end(signal.SIGINT) == 0
    assert gone(family)
    assert "Stopping" in portal.output.read_text()
    portal.up()
    assert await users(portal) == before


@pytest.mark.parametrize("victim", ["server", "postgres"])
def test_a_part_that_dies_is_reported_and_ends_the_whole(portal: Portal, victim: str) -> None:
    family = portal.family()
    position, wanted = (0, "/bin/postgres") if victim == "postgres" else (-1, "serve")
    dying = next(one for one in family[1:] if one.cmdline()[position].endswith(wanted))
    dying.kill()
    assert portal.process is not None
    assert portal.process.wait(30) == 1
    assert gone(family)
    said = portal.output.read_text()
    if victim == "postgres":
        assert "PostgreSQL ended by itself" in said
    else:
        assert f"portal: {victim} ended by itself with signal SIGKILL" in said
    portal.up()


async def test_killed_supervisor_takes_everything_along_and_the_next_start_has_the_data(portal: Portal) -> None:
    before = await users(portal)
    family = portal.family()
    portal.end(signal.SIGKILL)
    assert gone(family)
    portal.up()
    assert await users(portal) == before


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = Portal(tmp_path / "data", port=port).run("up")
    assert done.returncode == 1
    assert (
        done.stderr
        == f"portal: PORTAL_PORT={port} can't be used on 127.0.0.1: address already in use; set it to a free port\n"
    )


def test_an_unreachable_database_is_one_clear_line(tmp_path: Path) -> None:
    settings = {"PORTAL_DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/portal"}
    done = Portal(tmp_path / "data", settings=settings).run("up")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "portal: PORTAL_DATABASE_URL: no connection to postgresql://me:***@127.0.0.1:1/portal: "
    )
    assert done.stderr.count("\n") == 1


def test_doctor_says_what_is_wrong_and_ends_with_1(tmp_path: Path) -> None:
    done = Portal(tmp_path / "data").run("doctor")
    assert done.returncode == 1
    for subject in ("owner role", "sign-in", "Stripe", "mail", "portal"):
        assert f"wrong {subject} " in done.stdout


def test_reset_deletes_the_data(tmp_path: Path) -> None:
    portal = Portal(tmp_path / "data")
    portal.data_dir.mkdir()
    portal.postgres.start().stop()
    (portal.data_dir / "stripe.sqlite").write_text("x")
    assert portal.run("reset").returncode == 0
    assert not portal.data_dir.exists()
    assert not portal.postgres.home.exists()


@pytest.mark.parametrize("command", ["up", "seed", "reset", "services", "token --user owner@rivera.example"])
def test_development_commands_refuse_production(tmp_path: Path, command: str) -> None:
    from tests.platform.test_settings import PRODUCTION

    done = Portal(tmp_path / "data", settings=PRODUCTION).run(*command.split())
    assert done.returncode == 1
    assert "for development; PORTAL_ENV is production" in done.stderr
    assert done.stderr.count("\n") == 1


def test_wrong_settings_end_every_command_with_one_line(tmp_path: Path) -> None:
    for command in ("up", "serve", "db-url"):
        done = Portal(tmp_path / "data", settings={"PORTAL_ENV": "production"}).run(command)
        assert done.returncode == 1
        assert done.stderr.startswith("portal: PORTAL_SECRET_KEY is missing: expected ")
        assert done.stderr.count("\n") == 1


def test_an_unknown_variable_is_warned_about(tmp_path: Path) -> None:
    done = Portal(tmp_path / "data", settings={"PORTAL_PROT": "1"}).run("db-url")
    assert done.returncode == 0
    assert done.stderr == "portal: warning: PORTAL_PROT is no setting of the portal; the nearest is PORTAL_PORT\n"


def test_schema_prints_the_sdl(tmp_path: Path) -> None:
    done = Portal(tmp_path / "data").run("schema")
    assert done.returncode == 0
    assert "type Query {" in done.stdout


def test_the_newest_revision_is_the_one_that_alembic_finds() -> None:
    from alembic.script import ScriptDirectory

    from app.revision import newest_revision
    from migrations import configuration

    assert newest_revision() == ScriptDirectory.from_config(configuration()).get_current_head()
