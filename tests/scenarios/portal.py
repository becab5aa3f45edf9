"""The portal around one purchase, as scenarios see it: database, sandbox, webhook endpoint, worker and mailbox, all real."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.auth.actor import utc_now
from app.config import Settings
from app.embedded.mailbox import Mailbox, receiving
from app.jobs.worker import work
from app.payments.gateway import Gateway
from app.rules.catalogue import PRICE_BANDS
from app.rules.pricing import Band, price
from app.services.inbox import Inbox
from app.services.ledger_audit import audit
from app.services.purchases import PurchaseCommand, Purchasing
from app.services.quotes import QuoteSigner
from app.tenancy import Database
from app.webhooks import StripeWebhook
from tests.auth.serving import new_browser, serving
from tests.conftest import Urls
from tests.factories import Household, make_household
from tests.payments.sandbox import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, Sandbox

SECRET = "a-secret-key-that-only-the-tests-know"
PUBLIC_URL = "http://portal.example"
BANDS = [Band(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents) for one in PRICE_BANDS]
PATIENCE_SECONDS = 20.0
START_SECONDS = 90.0  # of a process, on a machine that has much else to do
INTENTS = "/v1/payment_intents"  # where money is taken


async def until(true: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition; what it came to. Fails, naming it, when patience ends."""
    deadline = time.monotonic() + seconds
    while not (found := await true()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(urls: Urls, sandbox_url: str, smtp_port: int, **values: Any) -> Settings:
    """Settings of a portal on this database, this sandbox and this mailbox."""
    return Settings(
        database_url=urls.owner,
        database_app_url=urls.app,
        database_worker_url=urls.worker,
        secret_key=SECRET,
        public_url=PUBLIC_URL,
        stripe_api_key=SECRET_KEY,
        stripe_api_base=sandbox_url,
        stripe_publishable_key=PUBLISHABLE_KEY,
        stripe_webhook_secret=WEBHOOK_SECRET,
        smtp_url=f"smtp://127.0.0.1:{smtp_port}",
        **values,
    )


@dataclass
class Portal:
    """What a module's scenarios share. Tests keep apart by tenant."""

    database: Database
    inspector: asyncpg.Connection
    settings: Settings
    mailbox: Mailbox
    webhook_url: str
    signer: QuoteSigner
    mail: AsyncExitStack  # closing it stops the mail server

    @asynccontextmanager
    async def without_mail(self) -> AsyncIterator[None]:
        """The mail server is down for as long as the block lasts."""
        await self.mail.aclose()
        try:
            yield
        finally:
            await self.mail.enter_async_context(receiving(self.mailbox, mail_port(self.settings)))


def mail_port(settings: Settings) -> int:
    return int(settings.smtp_url.rpartition(":")[2])


@asynccontextmanager
async def running_portal(
    urls: Urls, database: Database, inspector: asyncpg.Connection, sandbox_url: str, directory: Path
) -> AsyncIterator[Portal]:
    """Webhook endpoint, mailbox and worker of one database, for as long as the context is open."""
    port = free_port()
    settings = settings_for(urls, sandbox_url, port, data_dir=directory)
    mailbox, inbox, stopping = Mailbox(directory / "mails"), Inbox(urls.worker), asyncio.Event()
    gateway = Gateway(api_key=SECRET_KEY, webhook_secret=WEBHOOK_SECRET, api_base=sandbox_url)
    take = StripeWebhook(gateway, inbox, livemode=False)
    async with AsyncExitStack() as mail, serving(lambda _: _endpoints(take)) as url:
        await mail.enter_async_context(receiving(mailbox, port))
        worker = asyncio.create_task(work(settings, stopping))
        try:
            signer = QuoteSigner(SECRET)
            yield Portal(database, inspector, settings, mailbox, f"{url}/webhooks/stripe", signer, mail)
        finally:
            stopping.set()
            await worker
            await asyncio.gather(inbox.close(), gateway.close())


def _endpoints(take: StripeWebhook) -> Starlette:
    async def ignore(_: Request) -> Response:
        return Response()

    return Starlette(
        routes=[Route("/webhooks/stripe", take, methods=["POST"]), Route("/ignore", ignore, methods=["POST"])]
    )


@dataclass
class Buying:
    """One scenario: a household with no customer at Stripe yet, its owner Olivia, and everything that can happen to a purchase."""

    portal: Portal
    sandbox: Sandbox
    gateway: Gateway
    household: Household
    unbalanced: bool = False  # a scenario in which Stripe took what was not asked for

    @property
    def purchasing(self) -> Purchasing:
        return Purchasing(self.portal.database, self.gateway, self.portal.signer, PUBLIC_URL)

    def quote(self, credits_amount: str = "50", buyer: str = "olivia") -> str:
        """A fresh quote's token."""
        priced = price(Decimal(credits_amount), BANDS)
        person = self.household.people[buyer]
        ids = (self.household.tenant_id, self.household.pool_id, person.user_id)
        return self.portal.signer.issue(*ids, priced, utc_now())[1]

    async def command(self, card: str = "4242424242424242", credits_amount: str = "50") -> PurchaseCommand:
        return PurchaseCommand(self.quote(credits_amount), await self.sandbox.card(card), uuid4())

    async def buy(self, command: PurchaseCommand | None = None, buyer: str = "olivia") -> UUID:
        """Buy 50 credits with a good card, or as the command says."""
        return await self.purchasing.buy(self.household.principal(buyer), command or await self.command())

    async def started(self, card: str = "4242424242424242") -> UUID:
        """A purchase whose first call to Stripe met a server error: open, nothing charged, nothing known."""
        await self.sandbox.fault("server_error", path=INTENTS)
        purchase_id = await self.buy(await self.command(card))
        assert (await self.purchase(purchase_id))["status"] == "processing"
        return purchase_id

    async def purchase(self, purchase_id: UUID) -> asyncpg.Record:
        rows = await self.rows("SELECT * FROM credit_purchases WHERE id = $2", purchase_id)
        assert len(rows) == 1
        return rows[0]

    async def pool(self) -> asyncpg.Record:
        return (await self.rows("SELECT * FROM credit_pools WHERE id = $2", self.household.pool_id))[0]

    async def entries(self) -> list[tuple[str, str, str, int, str]]:
        """The ledger in its order: kind, bucket, amount, sequence, balance after."""
        rows = await self.rows(
            "SELECT transaction_type, source_type, amount, sequence, balance_after"
            " FROM credit_transactions WHERE tenant_id = $1 ORDER BY sequence"
        )
        return [(row[0], row[1], f"{row[2].normalize():f}", row[3], f"{row[4].normalize():f}") for row in rows]

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Look past row level security; $1 is the household's tenant where the statement names one."""
        if "$1" not in statement and "$2" in statement:
            statement = statement.replace("WHERE", "WHERE tenant_id = $1 AND", 1)
        found: list[asyncpg.Record] = await self.portal.inspector.fetch(
            statement, *([self.household.tenant_id] if "$1" in statement else []), *values
        )
        return found

    async def charges(self) -> list[dict[str, Any]]:
        """What Stripe knows of this pool's payments, the newest first."""
        customer = (await self.pool())["stripe_customer_id"]
        if customer is None:
            return []
        answer = await self.sandbox.raw.get(INTENTS, params={"customer": customer, "limit": "100"})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return found

    async def webhook(
        self, event: dict[str, Any], *, secret: str = WEBHOOK_SECRET, age: int = 0, **headers: str
    ) -> int:
        """Send one event to the portal as Stripe signs it; the status of the answer."""
        body = json.dumps(event)
        signature = stripe.WebhookSignature.generate_signature_header(body, secret, int(time.time()) - age)
        return await self.post(body.encode(), {"Stripe-Signature": signature} | headers)

    async def post(self, body: bytes, headers: dict[str, str]) -> int:
        return (await self.answer(body, headers)).status_code

    async def answer(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """What the portal's webhook endpoint answers to these bytes."""
        async with new_browser() as browser:
            return await browser.post(self.portal.webhook_url, content=body, headers=headers)

    async def inbox(self, event_id: str) -> asyncpg.Record | None:
        rows = await self.rows("SELECT * FROM webhook_events WHERE id = $$" + event_id + "$$")
        return rows[0] if rows else None

    async def time_passes(self) -> None:
        """What the queue holds for later is due now, and done."""
        await self.hurry()
        await self.worked()

    async def hurry(self) -> None:
        """What the queue holds for later is due now."""
        await self.portal.inspector.execute(
            "UPDATE pgqueuer SET execute_after = now() - interval '1 second' WHERE status = 'queued';"
            "SELECT pg_notify('ch_pgqueuer', json_build_object('type', 'table_changed_event', 'channel', 'ch_pgqueuer',"
            " 'operation', 'update', 'sent_at', now(), 'table', 'pgqueuer')::text)"
        )

    async def aged(self, purchase_id: UUID, age: str) -> None:
        """The purchase was made that long ago."""
        await self.portal.inspector.execute(
            f"UPDATE credit_purchases SET created_at = now() - interval '{age}' WHERE id = $1", purchase_id
        )

    async def worked(self) -> None:
        """Wait until the worker has done all that is due."""
        await until(self._nothing_due, "the queue is worked off")

    async def _nothing_due(self) -> bool:
        due = "SELECT count(*) FROM pgqueuer WHERE status = 'picked' OR (status = 'queued' AND execute_after <= now())"
        return not await self.portal.inspector.fetchval(due)

    async def balanced(self) -> None:
        """The ledger proves itself, credits came once, and Stripe took exactly what the completed purchases cost."""
        faults = [fault async for fault in audit(self.portal.database, self.household.tenant_id)]
        assert faults == []
        if not self.unbalanced:
            completed = await self.rows(
                "SELECT stripe_payment_intent_id, payment_amount_cents FROM credit_purchases"
                " WHERE tenant_id = $1 AND status IN ('completed', 'refunded', 'partially_refunded')"
            )
            taken = {one["id"]: one["amount_received"] for one in await self.charges() if one["amount_received"]}
            assert taken == {row[0]: row[1] for row in completed}
            await self._refunds_agree()

    async def _refunds_agree(self) -> None:
        """What is refunded here is refunded at Stripe, to the cent."""
        rows = await self.rows(
            "SELECT c.stripe_payment_intent_id, sum(r.amount_cents) FROM refunds r"
            " JOIN credit_purchases c ON c.tenant_id = r.tenant_id AND c.id = r.purchase_id"
            " WHERE r.tenant_id = $1 AND r.status IN ('processing', 'succeeded') GROUP BY 1"
        )
        at_stripe: dict[str, int] = {}
        for charge in await self.charges():
            answer = await self.sandbox.raw.get("/v1/refunds", params={"payment_intent": charge["id"], "limit": "100"})
            for refund in answer.raise_for_status().json()["data"]:
                if refund["status"] in {"pending", "succeeded"}:
                    at_stripe[charge["id"]] = at_stripe.get(charge["id"], 0) + refund["amount"]
        assert {row[0]: row[1] for row in rows} == at_stripe


async def new_buying(portal: Portal, sandbox: Sandbox, gateway: Gateway) -> Buying:
    """A household that has 6 included credits and no customer at Stripe; events of earlier scenarios are out of the way."""
    await sandbox.webhooks(url=portal.webhook_url.replace("/webhooks/stripe", "/ignore"))
    await sandbox.deliver()
    await sandbox.webhooks(url=portal.webhook_url)
    household = await make_household(portal.database, stripe_customer_id=None)
    return Buying(portal, sandbox, gateway, household)
