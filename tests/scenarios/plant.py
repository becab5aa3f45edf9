"""The portal's own server and worker as processes that a test kills, and a household that buys from them."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from joserfc.jwk import ECKey

from app.embedded.mailbox import Mailbox, receiving
from app.payments.gateway import Gateway
from app.services.quotes import QuoteSigner
from app.tenancy import Database
from tests.auth.serving import ScriptedIssuer, serving, sign
from tests.conftest import Urls, connecting
from tests.payments.sandbox import Sandbox
from tests.scenarios.portal import SECRET, Buying, Portal, free_port, new_buying, settings_for
from tests.scenarios.processes import Client, Process, ready

POOL = "SELECT 1 FROM credit_pools WHERE id = $1 FOR NO KEY UPDATE"  # outcomes wait for it, foreign keys do not


@dataclass
class Plant:
    """The processes of the module, and the issuer that makes their buyers known to them."""

    portal: Portal
    server: Process
    worker: Process
    issuer: ScriptedIssuer
    key: ECKey
    urls: Urls

    def client(self, buying: Buying) -> Client:
        subject, tenant = buying.household.people["olivia"].subject, str(buying.household.tenant_id)
        claims = self.issuer.claims(sub=subject, tenant_id=tenant, exp=int(time.time()) + 3600)
        return Client(f"http://127.0.0.1:{self.portal.settings.port}", sign(claims, self.key, "ES256"))

    @asynccontextmanager
    async def locked(self, statement: str, *values: Any) -> AsyncIterator[None]:
        """A lock that keeps whoever needs it waiting, for as long as the block lasts."""
        async with connecting(self.urls.superuser) as connection, connection.transaction():
            await connection.execute(statement, *values)
            yield


@asynccontextmanager
async def planted(
    urls: Urls, database: Database, inspector: asyncpg.Connection, sandbox_url: str, directory: Path
) -> AsyncIterator[Plant]:
    """Server and worker, ready to be started, with their mailbox and issuer."""
    issuer, key, mailbox = ScriptedIssuer(), ECKey.generate_key("P-256", auto_kid=True), Mailbox(directory / "mails")
    port, smtp = free_port(), free_port()
    async with serving(issuer.app) as issuer_url, AsyncExitStack() as mail:
        issuer.reset([key])
        await mail.enter_async_context(receiving(mailbox, smtp))
        settings = settings_for(
            urls,
            sandbox_url,
            smtp,
            data_dir=directory,
            port=port,
            oidc_issuer=issuer_url,
            allowed_hosts="127.0.0.1",
        )
        webhook_url = f"http://127.0.0.1:{port}/webhooks/stripe"
        portal = Portal(database, inspector, settings, mailbox, webhook_url, QuoteSigner(SECRET), mail)
        with ready("serve", settings, directory) as server, ready("worker", settings, directory) as worker:
            yield Plant(portal, server, worker, issuer, key, urls)


@asynccontextmanager
async def bought_before(plant: Plant, sandbox: Sandbox, gateway: Gateway) -> AsyncIterator[Buying]:
    """A household that has bought once before. Webhooks never come, unless a test wants them: the worker alone must do it."""
    plant.server.start()
    plant.worker.start()
    scenario = await new_buying(plant.portal, sandbox, gateway)
    await sandbox.webhooks(url=None)
    await scenario.buy()
    await scenario.worked()
    await sandbox.steer.delete("/requests")
    yield scenario
    await scenario.worked()
    await scenario.balanced()


async def waits_for_a_lock(buying: Buying) -> Any:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return await buying.portal.inspector.fetchval(waiting)


async def statuses(buying: Buying) -> list[str]:
    rows = await buying.rows("SELECT status FROM credit_purchases WHERE tenant_id = $1 ORDER BY created_at")
    return [row["status"] for row in rows]


async def revived(plant: Plant, buying: Buying) -> None:
    """kill -9 the worker and start another one, which takes up what the dead one held."""
    plant.worker.kill()
    held = await buying.portal.inspector.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'picked'")
    assert held >= 1
    await buying.portal.inspector.execute(
        "UPDATE pgqueuer SET heartbeat = heartbeat - interval '1 hour' WHERE status = 'picked'"
    )
    plant.worker.start()
