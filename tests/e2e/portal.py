"""The whole portal as `portal up` runs it, on free ports and with a data directory of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from app.config import PROJECT
from app.embedded.postgres import EmbeddedPostgres
from tests.payments.watching import unwatch, watch

_START_SECONDS = 120  # a cold start also makes the database and seeds 90 days of usage


@dataclass(frozen=True, slots=True)
class RunningPortal:
    """A running portal: where browsers reach it, and its database past row level security."""

    url: str
    data_dir: Path
    sandbox_url: str
    _process: subprocess.Popen[bytes]
    _postgres: EmbeddedPostgres

    async def rows(self, query: str, *values: object) -> list[asyncpg.Record]:
        """What is really there, as the database's superuser."""
        connection = await asyncpg.connect(self._postgres.dsn("postgres"))
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def books(self, owner_email: str) -> dict[str, Any]:
        """Balance, ledger length and purchases by status of the pool that this person owns."""
        [pool] = await self.rows(
            """
            SELECT p.tenant_id, p.id, p.balance_available AS available,
                   (SELECT count(*) FROM credit_transactions t WHERE (t.tenant_id, t.pool_id) = (p.tenant_id, p.id)) AS entries
            FROM credit_pools p JOIN users u ON (u.tenant_id, u.id) = (p.tenant_id, p.owner_user_id)
            WHERE u.email = $1
            """,
            owner_email,
        )
        purchases = await self.rows(
            "SELECT status, count(*) FROM credit_purchases WHERE (tenant_id, pool_id) = ($1, $2) GROUP BY status",
            pool["tenant_id"],
            pool["id"],
        )
        return {
            "available": pool["available"],
            "entries": pool["entries"],
            "completed": sum(row["count"] for row in purchases if row["status"] == "completed"),
            "failed": sum(row["count"] for row in purchases if row["status"] == "failed"),
        }

    def stop(self) -> None:
        """End every process and delete the data. AssertionError if Stripe's types hold against what was sent to the sandbox."""
        try:
            unwatch(self.sandbox_url)
        finally:
            self._end()

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._postgres.destroy()


def start_portal(data_dir: Path) -> RunningPortal:
    """Start `portal up` and wait until everything answers; AssertionError with its output otherwise."""
    page = PROJECT / "frontend" / "dist" / "index.html"
    assert page.is_file(), "the page is not built: run `make page`"
    port, services_port, smtp_port = _free_ports(3)
    version = os.environ.get("PORTAL_TEST_PG", "18")
    own = {
        "PORTAL_DATA_DIR": str(data_dir),
        "PORTAL_PORT": str(port),
        "PORTAL_SERVICES_PORT": str(services_port),
        "PORTAL_SMTP_PORT": str(smtp_port),
        "PORTAL_POSTGRES_VERSION": version,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    output = data_dir / "up.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up"], cwd=PROJECT, env=inherited | own, stdout=log, stderr=log
        )
    postgres = EmbeddedPostgres(data_dir, "16" if version == "16" else "18")
    services = f"http://127.0.0.1:{services_port}"
    portal = RunningPortal(f"http://127.0.0.1:{port}", data_dir, f"{services}/stripe", process, postgres)
    deadline = time.monotonic() + _START_SECONDS
    waiting_for = [f"{portal.url}/readyz", f"{services}/healthz"]
    while waiting_for:
        if process.poll() is not None or time.monotonic() > deadline:
            portal._end()
            raise AssertionError(f"the portal did not start:\n{output.read_text(errors='replace')}")
        waiting_for = [url for url in waiting_for if not _answers(url)]
        time.sleep(0.1)
    watch(portal.sandbox_url, "sk_test_sandbox")
    return portal


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        with closing(one):
            pass
    return ports
