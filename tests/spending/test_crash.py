"""kill -9 of the serving process under load: every answered call is in the ledger, every unanswered one once or not at all.

PORTAL_TEST_CRASHES: how often (3; `make test-deep`: 20).
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.auth.api_keys import generate
from app.services.ledger_audit import audit
from tests.conftest import Urls
from tests.graphql.portal import node_id
from tests.platform.portals import three_free_ports
from tests.spending.conftest import NewTill
from tests.spending.till import Till

CRASHES = int(os.environ.get("PORTAL_TEST_CRASHES", "3"))
CLIENTS = 16
COST = Decimal("0.01")
_ANSWER = "{ answers { reservation { status amount settled } error { code message } } userErrors { message } }"
RESERVE = f"mutation ($items: [ReserveInput!]!) {{ creditsReserve(reservations: $items) {_ANSWER} }}"
SETTLE = f"mutation ($items: [SettleInput!]!) {{ creditsSettle(settlements: $items) {_ANSWER} }}"
ASK = "query ($id: UUID!) { reservation(requestId: $id) { status amount settled } }"


@dataclass
class Told:
    """What the clients sent and what they were told, by request_id."""

    sent: list[str] = field(default_factory=list)
    answered: dict[str, str] = field(default_factory=dict)  # the last status that was answered
    settling: set[str] = field(default_factory=set)


@dataclass
class Server:
    """A serving process of its own, as `portal serve` starts it."""

    urls: Urls
    data_dir: Path
    key: str
    port: int = field(default_factory=three_free_ports)

    def start(self) -> "subprocess.Popen[bytes]":
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path.cwd()),
            "PORTAL_PORT": str(self.port),
            "PORTAL_DATA_DIR": str(self.data_dir),
            "PORTAL_SECRET_KEY": "a-secret-key-of-the-tests-0123456789abcdef",
            "PORTAL_DATABASE_URL": self.urls.owner,
            "PORTAL_DATABASE_APP_URL": self.urls.app,
            "PORTAL_DATABASE_WORKER_URL": self.urls.worker,
            "PORTAL_OIDC_ISSUER": "http://127.0.0.1:9",
            "PORTAL_STRIPE_API_KEY": "sk_test_nobody",
            "PORTAL_STRIPE_API_BASE": "http://127.0.0.1:9",
            "PORTAL_STRIPE_WEBHOOK_SECRET": "whsec_nobody",
            "PORTAL_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
        }
        with (self.data_dir / "server.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "app.cli", "serve"], env=environment, stdout=log, stderr=log)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["subprocess.Popen[bytes]"]:
        """Up and ready; killed in the end, if it is not already."""
        process = self.start()
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                for _ in range(600):
                    assert process.poll() is None, (self.data_dir / "server.log").read_text()[-2000:]
                    try:
                        if (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200:
                            break
                    except httpx.HTTPError:
                        pass
                    await asyncio.sleep(0.1)
                else:
                    pytest.fail("the server did not get ready")
            yield process
        finally:
            process.kill()
            process.wait()

    async def ask(self, client: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
        answer = await client.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.key}"},
        )
        data: dict[str, Any] = answer.json()["data"]
        return data


async def load(server: Server, till: Till, told: Told) -> None:
    """One client: hold and settle, one after the other, until the server is gone."""
    item = {"poolId": node_id("CreditPool", till.pool_id), "userId": node_id("User", till.user()), "modelId": "gpt-x"}
    usage = {"characters": str(COST * 100_000)}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        try:
            while True:
                request_id = str(uuid4())
                told.sent.append(request_id)
                asked = item | {"requestId": request_id, "requestType": "speech", "usage": usage}
                (held,) = (await server.ask(client, RESERVE, items=[asked]))["creditsReserve"]["answers"]
                told.answered[request_id] = held["reservation"]["status"]
                told.settling.add(request_id)
                settlement = {"poolId": item["poolId"], "requestId": request_id, "usage": usage}
                (settled,) = (await server.ask(client, SETTLE, items=[settlement]))["creditsSettle"]["answers"]
                told.answered[request_id] = settled["reservation"]["status"]
        except httpx.HTTPError:
            return


async def proven(server: Server, till: Till, told: Told) -> None:
    """After the restart: what was answered is so, what was not is there once or not at all, and can be asked about."""
    assert [fault async for fault in audit(till.database, till.household.tenant_id)] == []
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        unanswered = [one for one in told.sent if told.answered.get(one) != "settled"]
        known = {one: (await server.ask(client, ASK, id=one))["reservation"] for one in unanswered}
    for request_id, found in known.items():
        status = found and found["status"]
        if request_id not in told.answered:  # the hold was not answered
            assert status in {None, "held"}
        else:  # the hold was answered, the settlement was not
            assert status in ({"held", "settled"} if request_id in told.settling else {"held"})
    rows = await till.inspector.fetch(
        "SELECT r.request_id::text, r.status, count(u.*) AS usages, coalesce(sum(u.credits_consumed), 0) AS consumed "
        "FROM credit_reservations r LEFT JOIN credit_usage u USING (tenant_id, request_id) WHERE r.tenant_id = $1 GROUP BY 1, 2",
        till.household.tenant_id,
    )
    booked = {row["request_id"]: row for row in rows}
    assert set(told.answered) <= set(booked) <= set(told.sent)
    for request_id, row in booked.items():
        assert (row["usages"], row["consumed"]) == ((1, COST) if row["status"] == "settled" else (0, 0))
        if told.answered.get(request_id) == "settled":
            assert row["status"] == "settled"


async def test_kill_9_under_load(new_till: NewTill, urls: Urls, tmp_path: Path) -> None:
    number = int(os.environ.get("PORTAL_TEST_SEED", time.time_ns() % 2**32))
    print(f"PORTAL_TEST_SEED={number} ({CRASHES} crashes)")  # noqa: T201
    chance, told = random.Random(number), Told()
    till = await new_till(purchased=Decimal(10_000))
    key = generate(till.household.tenant_id)
    await till.inspector.execute(
        "INSERT INTO api_keys (tenant_id, id, name, key_hash, prefix, scopes) VALUES ($1, $2, 'gateway', $3, $4, '{usage:write}')",
        till.household.tenant_id, key.key_id, key.secret_hash, key.prefix,
    )  # fmt: skip
    server = Server(urls, tmp_path, key.text)
    for _ in range(CRASHES):
        async with server.running() as process:
            await proven(server, till, told)
            before = len(told.answered)
            clients = [asyncio.create_task(load(server, till, told)) for _ in range(CLIENTS)]
            while len(told.answered) < before + CLIENTS:
                assert not any(client.done() for client in clients), [one.exception() for one in clients if one.done()]
                await asyncio.sleep(0.01)
            await asyncio.sleep(chance.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
            await asyncio.gather(*clients)
            assert process.wait() == -signal.SIGKILL
    async with server.running():
        await proven(server, till, told)
    if not told.answered:
        pytest.fail("nothing was answered")
