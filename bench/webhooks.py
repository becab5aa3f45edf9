"""Webhooks: 1,000 events of paid purchases posted at once by 32 clients to `portal serve`, handled by `portal worker`.

The Stripe sandbox really has taken those payments; server, worker and sandbox are processes of their own, on a database made for the run.
At the end SQL and the ledger's audit say that every event was handled and every purchase credited once.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import psutil

from app.config import PREFIX
from app.embedded.stripe.webhooks import signature
from app.rules.catalogue import PRICE_BANDS
from app.rules.pricing import Band, price
from app.services.ledger_audit import audit
from app.tenancy import Database
from bench.figures import Figure, keep
from bench.load import Outcome, post, run
from bench.world import ENVIRONMENT, World, free_port
from migrations import migrate

EVENTS, CLIENTS, ROUNDS, BARE = 1000, 32, 3, 300
TIMES_A_BARE_INSERT = 20.0
PATIENCE_SECONDS = 120.0
DATABASE = "bench_webhooks"
TENANTS = range(10, 60)
KEY, SECRET = "sk_test_bench", "whsec_bench"
CREDITS = Decimal(4)
HERE = Path(__file__).parent
INSERT = "INSERT INTO webhook_events (id, event_type, payload, processed_at) VALUES ($1, 'bench.bare', $2, now())"


@dataclass(frozen=True, slots=True)
class Plant:
    """The running processes by name, and where they are reached."""

    port: int
    sandbox: str
    processes: dict[str, psutil.Process]

    def cpu_seconds(self) -> dict[str, float]:
        """The processor time that each has used, PostgreSQL's with all its backends."""
        return {name: sum(_used(one) for one in _family(process)) for name, process in self.processes.items()}


@dataclass(frozen=True, slots=True)
class Round:
    """What one thousand events came to."""

    posted: Outcome
    posting_ms: dict[str, float]  # processor time of each process while the events were posted, all of them together
    bare_ms: float
    handled_seconds: float  # from the first event stored to the last one handled
    cpu_ms: dict[str, float]  # of each process for an event: posting, handling and the mailing of its receipt


def bench(world: World) -> list[Figure]:
    """The 99th percentile of the answers beside a bare INSERT, and how many events are handled a second."""
    with _database(world) as urls, _plant(world, urls) as plant:
        known = asyncio.run(_prepare(world, plant))
        rounds = [asyncio.run(_round(world, plant, urls, known)) for _ in range(ROUNDS)]
        asyncio.run(_prove(world, urls))
    middle = sorted(rounds, key=lambda one: one.posted.p99_ms / one.bare_ms)[ROUNDS // 2]
    p99, bare = middle.posted.p99_ms, middle.bare_ms
    rate = median(EVENTS / one.handled_seconds for one in rounds)
    costs = sorted(middle.cpu_ms.items(), key=lambda one: -one[1])[:3]
    figures = [
        Figure(
            "webhooks", f"{p99:.2f}ms", f"{bare:.2f}ms", TIMES_A_BARE_INSERT * bare / p99, 1,
            f"99th percentile of {EVENTS:,} events posted at once by {CLIENTS} clients to one serving process, a worker at work;"
            f" at most {TIMES_A_BARE_INSERT:g} times the median of a bare one-row INSERT and COMMIT by asyncpg",
            _posting(middle),
        ),
        Figure(
            "webhooks_handled", f"{rate:.0f}/s", "", 0, 0,
            "one worker; its largest costs, processor time for an event: "
            + ", ".join(f"{name} {cost:.1f} ms" for name, cost in costs),
        ),
    ]  # fmt: skip
    details = [
        {
            **{name: getattr(one.posted, name) for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")},
            "posted_per_second": one.posted.rate,
            "bare_insert_ms": one.bare_ms,
            "posting_cpu_ms": one.posting_ms,
            "handled_seconds": one.handled_seconds,
            "cpu_ms_per_event": one.cpu_ms,
        }
        for one in rounds
    ]
    keep("webhooks", figures, {"rounds": details})
    return figures


def _posting(one: Round) -> str:
    """The answers' spread, and the processor time of everybody while they were given."""
    posted, cpu = one.posted, one.posting_ms | {"load": one.posted.cpu_us * EVENTS / 1000}
    spread = f"p50 {posted.p50_ms:.1f} ms, p90 {posted.p90_ms:.1f} ms, max {posted.max_ms:.1f} ms, {posted.rate:.0f}/s"
    used = ", ".join(f"{name} {cost:.0f} ms" for name, cost in sorted(cpu.items(), key=lambda one: -one[1]))
    return f"{spread}; processor time for the {EVENTS:,} while they were posted: {used}"


async def _round(world: World, plant: Plant, urls: dict[str, str], known: list[dict[str, Any]]) -> Round:
    superuser = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    worker = await asyncpg.connect(urls["database_worker_url"].replace("+asyncpg", ""))
    try:
        events = await _paid(superuser, plant)
        bare_ms = await _bare_insert(worker, json.dumps(events[0]))
        ids = [event["id"] for event in events]
        used = plant.cpu_seconds()
        # Nothing else is to do meanwhile, in this process.
        warm_up = _requests(known * 5)  # answered, stored before: the worker has nothing to do for them
        posted = run(plant.port, _requests(events), connections=CLIENTS, total=EVENTS, warm_up=warm_up)
        posting_ms = {name: (now - used[name]) * 1000 for name, now in plant.cpu_seconds().items()}
        await _handled(superuser, ids)
        await _idle(superuser)
        cpu_ms = {name: (now - used[name]) / EVENTS * 1000 for name, now in plant.cpu_seconds().items()}
        seconds = await superuser.fetchval(
            "SELECT extract(epoch FROM max(processed_at) - min(received_at))::float FROM webhook_events WHERE id = ANY ($1)", ids
        )  # fmt: skip
    finally:
        await superuser.close()
        await worker.close()
    return Round(posted, posting_ms, bare_ms, seconds, cpu_ms)


async def _paid(superuser: asyncpg.Connection, plant: Plant) -> list[dict[str, Any]]:
    """So many purchases that wait for their payment, the payments at the sandbox, and its events about their success."""
    bands = [Band(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents) for one in PRICE_BANDS]
    sold = price(CREDITS, bands)
    purchases = [(TENANTS[number % len(TENANTS)], uuid4()) for number in range(EVENTS)]
    await superuser.executemany(
        "INSERT INTO credit_purchases (tenant_id, pool_id, user_id, id, idempotency_key, credits_amount, bonus_credits, total_credits,"
        " unit_price_cents, base_cents, discount_cents, discount_rate, bonus_rate, payment_amount_cents, status)"
        " VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'processing')",
        [
            (_id("7e", tenant), _id("b0", tenant), _id("a0", tenant), purchase_id, sold.credits, sold.bonus_credits,
             sold.total_credits, sold.band.unit_price_cents, sold.base_cents, sold.discount_cents, sold.band.discount_rate,
             sold.band.bonus_rate, sold.total_cents)
            for tenant, purchase_id in purchases
        ],
    )  # fmt: skip
    async with _stripe(plant) as http:
        for tenant, purchase_id in purchases:
            form = {
                "amount": sold.total_cents,
                "currency": "usd",
                "confirm": "true",
                "payment_method": "pm_card_visa",
                "return_url": "http://127.0.0.1/",
                "metadata[tenant_id]": str(_id("7e", tenant)),
                "metadata[pool_id]": str(_id("b0", tenant)),
                "metadata[purchase_id]": str(purchase_id),
            }
            (await http.post("/v1/payment_intents", data=form)).raise_for_status()
        events = (await http.get("/_control/events")).raise_for_status().json()
    paid = [event for event in events if event["type"] == "payment_intent.succeeded"]
    return paid[-EVENTS:]


async def _bare_insert(worker: asyncpg.Connection, payload: str) -> float:
    """Median milliseconds of one row and its commit, nothing else going on."""
    taken = []
    for _ in range(BARE):
        event_id = f"evt_bare_{uuid4().hex}"
        began = time.perf_counter()
        await worker.execute(INSERT, event_id, payload)
        taken.append((time.perf_counter() - began) * 1000)
    return median(taken)


async def _handled(superuser: asyncpg.Connection, ids: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := await superuser.fetchval(
        "SELECT count(*) FROM unnest($1::text[]) AS sent (id) LEFT JOIN webhook_events AS kept USING (id)"
        " WHERE kept.processed_at IS NULL", ids
    ):  # fmt: skip
        if time.monotonic() > deadline:
            raise RuntimeError(f"{left} of {len(ids)} events were not handled in {PATIENCE_SECONDS:.0f} s")
        await asyncio.sleep(0.2)


async def _idle(superuser: asyncpg.Connection) -> None:
    """Wait until the worker has nothing left to do: receipts are mailed after the last event was handled."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := await superuser.fetchval("SELECT count(*) FROM pgqueuer"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{left} jobs were not done in {PATIENCE_SECONDS:.0f} s")
        await asyncio.sleep(0.2)


async def _prove(world: World, urls: dict[str, str]) -> None:
    """RuntimeError unless every event was handled at the first try, and every purchase credited once."""
    superuser = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    database = Database(urls["database_app_url"], pool_size=1)
    try:
        failed = await superuser.fetchval(
            "SELECT count(*) FROM webhook_events WHERE processed_at IS NULL OR retry_count > 0"
        )
        credited = await superuser.fetchrow(
            "SELECT count(*), count(DISTINCT source_id), sum(amount) FROM credit_transactions WHERE transaction_type = 'purchase'"
        )
        completed = await superuser.fetchval("SELECT count(*) FROM credit_purchases WHERE status = 'completed'")
        total = EVENTS * ROUNDS
        if (failed, *credited, completed) != (0, total, total, total * CREDITS, total):
            raise RuntimeError(f"{total} events: {failed} failed, {completed} completed, {tuple(credited)} credited")
        for tenant in TENANTS:
            if faults := [fault async for fault in audit(database, _id("7e", tenant))]:
                raise RuntimeError(f"the ledger's audit: {faults[0]}")
    finally:
        await superuser.close()
        await database.close()


async def _prepare(world: World, plant: Plant) -> list[dict[str, Any]]:
    """The sandbox keeps its events to itself, this benchmark posts them; server and worker have begun their work. Events that are known."""
    async with _stripe(plant) as http:
        (await http.post("/_control/webhooks", json={"url": None, "mode": "hold"})).raise_for_status()
    first = [_unknown() for _ in range(64)]
    run(plant.port, _requests(first), connections=CLIENTS, total=len(first))
    superuser = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    try:
        await _handled(superuser, [event["id"] for event in first])
    finally:
        await superuser.close()
    return first


def _requests(events: list[dict[str, Any]]) -> list[bytes]:
    requests = []
    for event in events:
        body = json.dumps(event, indent=2)  # as Stripe and the sandbox write it
        headers = {"Stripe-Signature": signature(body, SECRET, int(time.time()))}
        requests.append(post("/webhooks/stripe", body.encode(), headers))
    return requests


def _unknown() -> dict[str, Any]:
    about = {"object": {"id": "x", "object": "x"}}
    event = {"object": "event", "type": "bench.warm_up", "livemode": False, "created": 1, "data": about}
    return {"id": f"evt_{uuid4().hex}", **event}


def _stripe(plant: Plant) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=plant.sandbox, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)


def _id(kind: str, tenant: int) -> UUID:
    """An id of webhooks.sql."""
    return UUID(f"{kind}000000-0000-4000-8000-0000000001{tenant}")


@contextmanager
def _database(world: World) -> Iterator[dict[str, str]]:
    asyncio.run(_superuser(world, "postgres", f"DROP DATABASE IF EXISTS {DATABASE}"))
    asyncio.run(_superuser(world, "postgres", f"CREATE DATABASE {DATABASE} OWNER portal_owner"))
    asyncio.run(migrate(world.postgres.url("portal_owner", DATABASE)))
    asyncio.run(_superuser(world, DATABASE, (HERE / "webhooks.sql").read_text(encoding="utf-8"), "ANALYZE"))
    roles = {"database_url": "portal_owner", "database_app_url": "portal_app", "database_worker_url": "portal_worker"}
    try:
        yield {name: world.postgres.url(role, DATABASE) for name, role in roles.items()}
    finally:
        asyncio.run(_superuser(world, "postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)"))


async def _superuser(world: World, database: str, *statements: str) -> None:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", database))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _plant(world: World, urls: dict[str, str]) -> Iterator[Plant]:
    """`portal services` (the sandbox and the mailbox), `portal serve` with one process, `portal worker`."""
    port, services, smtp = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as directory, ExitStack() as running:
        settings = {
            "data_dir": directory, "port": str(port), "services_port": str(services), "smtp_port": str(smtp),
            "stripe_api_base": f"http://127.0.0.1:{services}/stripe", "stripe_api_key": KEY,
            "stripe_publishable_key": "pk_test_bench", "stripe_webhook_secret": SECRET, **urls,
        }  # fmt: skip
        environment = ENVIRONMENT | {PREFIX + name.upper(): value for name, value in settings.items()}
        probes = {
            "services": f"http://127.0.0.1:{services}/healthz",
            "serve": f"http://127.0.0.1:{port}/readyz",
            "worker": f"http://127.0.0.1:{port}/readyz",  # it has none of its own
        }
        started = {
            name: running.enter_context(world.running([sys.executable, "-m", "app.cli", name], environment, probe))
            for name, probe in probes.items()
        }
        processes = {name: psutil.Process(process.pid) for name, process in started.items()}
        processes["postgres"] = psutil.Process(world.postgres.pid)
        yield Plant(port, settings["stripe_api_base"], processes)


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # its parent has it among its children's
    return times.user + times.system + times.children_user + times.children_system
