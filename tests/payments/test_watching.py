"""The watch over requests can fail a run: whoever sends something wrong, from whichever process, and whatever is forgotten meanwhile."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.embedded.stripe.faults import Journal
from tests.payments import watching
from tests.payments.sandbox import SECRET_KEY, connected, serving

PROJECT = Path(__file__).resolve().parents[2]

# A server of its own: a process with the portal's gateway, in which a request has one parameter that Stripe does not publish.
SERVER = """
import asyncio, sys, uuid
from app.payments.gateway import Gateway
from app.payments.transport import Transport

send = Transport.request_async

async def wrong(self, method, url, headers, post_data=None, **options):
    return await send(self, method, url, headers, f"{post_data}&tax_exemption=none" if post_data else None, **options)

Transport.request_async = wrong

async def main():
    gateway = Gateway(api_key="sk_test_of_the_tests", webhook_secret="unused", api_base=sys.argv[1])
    try:
        await gateway.ensure_customer(tenant_id=uuid.uuid4(), pool_id=uuid.uuid4(), email="a@example.com", name="A")
    except Exception as error:
        print(type(error).__name__, error)
    await gateway.close()

asyncio.run(main())
"""
# A run of its own with the fixtures of every run. Its first test passes: nothing in it looks at what the server got for an answer.
RUN = """
import subprocess, sys
from tests.payments.sandbox import sandbox_url
from tests.payments.watching import _requests_are_as_stripe_publishes

def test_a_server_that_nobody_asks_how_it_went(sandbox_url):
    subprocess.run([sys.executable, {server!r}, sandbox_url], check=True, timeout=60)

def test_that_sends_nothing():
    pass
"""


def run_of(tmp_path: Path, server: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "server.py").write_text(server)
    (tmp_path / "test_run.py").write_text(RUN.format(server=str(tmp_path / "server.py")))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        PROJECT / "pyproject.toml",
        tmp_path,
    ]
    environment = {"PYTHONPATH": str(PROJECT), "HOME": str(tmp_path)}
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_wrong_parameter_that_a_servers_process_sends_fails_the_run(tmp_path: Path) -> None:
    done = run_of(tmp_path, SERVER)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "POST /v1/customers: tax_exemption: unknown" in done.stdout
    assert "2 passed, 1 error" in done.stdout


def test_the_same_server_without_it_passes(tmp_path: Path) -> None:
    done = run_of(tmp_path, SERVER.replace("&tax_exemption=none", ""))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_sandbox_of_a_tests_own_is_looked_at_before_it_ends(forgotten: bool) -> None:
    async def wrong() -> None:
        async with connected(url) as sandbox:
            del sandbox.raw.headers[watching.DELIBERATELY_WRONG]
            await sandbox.raw.post("/v1/customers", data={"foo": "1"})
            if forgotten:
                await sandbox.steer.delete("/requests")
                assert await sandbox.requests() == []

    with serving() as url:
        with pytest.raises(AssertionError, match="POST /v1/customers: foo: unknown"):
            await wrong()
        assert not watching.is_watched(url)


def test_a_journal_says_what_it_had_no_room_for() -> None:
    journal = Journal(length=2)
    for number in range(5):
        journal.note("GET", f"/v1/customers/cus_{number}", [], {})
    kept, lost = journal.take()
    assert ([seen.path[-1] for seen in kept], lost) == (["3", "4"], 3)
    assert journal.take() == ([], 0)


def test_a_journal_that_was_too_short_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal.__init__, "__defaults__", (1,))
    with serving() as url:
        watching.watch(url, SECRET_KEY)
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {SECRET_KEY}"}, trust_env=False) as raw:
            for _ in range(3):
                raw.get("/v1/customers/cus_absent")
        with pytest.raises(AssertionError, match="The journal was too short: 2 requests were never looked at"):
            watching.unwatch(url)
