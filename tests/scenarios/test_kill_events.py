"""kill -9 of the worker at every step of handling an event, and two workers at one event: credits come once, the event ends handled.

The event alone tells of the payment here: the job that follows the purchase is taken away.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.payments.gateway import Gateway
from app.services import receipts
from tests.payments.sandbox import Sandbox
from tests.scenarios.plant import POOL, Plant, bought_before, statuses, waits_for_a_lock
from tests.scenarios.portal import INTENTS, Buying, until
from tests.scenarios.processes import ready

INBOX = "LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE"  # nobody even reads it
EVENTS = "SELECT 1 FROM webhook_events FOR UPDATE"  # they can be read, not marked
JOBS = "SELECT 1 FROM pgqueuer WHERE status = 'picked' FOR UPDATE"
BOUGHT_ONCE = ["subscription_grant", "purchase", "bonus_grant"]
BOUGHT_TWICE = [*BOUGHT_ONCE, "purchase", "bonus_grant"]


@pytest.fixture
async def buying(plant: Plant, sandbox: Sandbox, gateway: Gateway) -> AsyncIterator[Buying]:
    async with bought_before(plant, sandbox, gateway) as scenario:
        yield scenario


@pytest.fixture
async def paid(plant: Plant, buying: Buying) -> str:
    """The event of a payment of which nothing else tells: stored by the server, while no worker runs. Its id."""
    await plant.client(buying).up()
    plant.worker.kill()
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    await buying.buy()
    await buying.portal.inspector.execute("DELETE FROM pgqueuer WHERE entrypoint = 'purchase.finish'")
    intent = (await buying.charges())[0]
    [event] = [one for one in await buying.sandbox.events(intent["id"]) if one["type"] == "payment_intent.succeeded"]
    assert await buying.webhook(event) == 200
    assert await statuses(buying) == ["completed", "processing"]
    await buying.sandbox.steer.delete("/requests")
    return str(event["id"])


async def kept(buying: Buying, event_id: str) -> asyncpg.Record:
    row = await buying.inbox(event_id)
    assert row is not None
    return row


async def asked_about_it(buying: Buying) -> Any:
    return [one for one in await buying.sandbox.requests() if one["path"].startswith(f"{INTENTS}/")]


async def dies(plant: Plant, buying: Buying) -> None:
    """kill -9, and no statement that the worker had sent already is done after its death."""
    plant.worker.kill()
    await buying.portal.inspector.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename IN ('portal_worker', 'portal_app')"
    )
    assert await buying.portal.inspector.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'picked'") >= 1


async def handled_once(plant: Plant, buying: Buying, event_id: str) -> None:
    """Another worker takes up what the dead one held, and ends it."""
    await buying.portal.inspector.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
    plant.worker.start()
    await buying.worked()
    row = await kept(buying, event_id)
    assert (row["processed_at"] is not None, row["error"], row["parked_at"]) == (True, None, None)
    assert await statuses(buying) == ["completed", "completed"]
    assert [entry[0] for entry in await buying.entries()] == BOUGHT_TWICE
    mails = await buying.rows("SELECT emailed_at FROM notifications WHERE tenant_id = $1 AND kind = $2", receipts.KIND)
    assert [one["emailed_at"] is not None for one in mails] == [True, True]


async def test_before_it_has_read_the_event(plant: Plant, buying: Buying, paid: str) -> None:
    async with plant.locked(INBOX):
        plant.worker.start()
        await until(lambda: waits_for_a_lock(buying), "the worker waits for the inbox")
        await dies(plant, buying)
    assert [entry[0] for entry in await buying.entries()] == BOUGHT_ONCE
    await handled_once(plant, buying, paid)


@pytest.mark.parametrize("fault", ["slow_before", "slow_after"])
async def test_while_it_asks_stripe(plant: Plant, buying: Buying, paid: str, fault: str) -> None:
    await buying.sandbox.fault(fault, path=f"{INTENTS}/", method="GET", seconds=5.0)
    plant.worker.start()
    await until(lambda: asked_about_it(buying), "the worker asks Stripe")
    await dies(plant, buying)
    assert [entry[0] for entry in await buying.entries()] == BOUGHT_ONCE
    (await buying.sandbox.steer.delete("/faults")).raise_for_status()
    await handled_once(plant, buying, paid)


async def test_after_the_credits_before_the_event_is_marked(plant: Plant, buying: Buying, paid: str) -> None:
    async with plant.locked(EVENTS):
        plant.worker.start()
        await until(lambda: credited_and_waiting(buying), "the credits are there, the event is not marked")
        await dies(plant, buying)
    assert (await kept(buying, paid))["processed_at"] is None
    await handled_once(plant, buying, paid)


async def credited_and_waiting(buying: Buying) -> Any:
    return await statuses(buying) == ["completed", "completed"] and await waits_for_a_lock(buying)


@asynccontextmanager
async def caught_at_its_job(plant: Plant, buying: Buying) -> AsyncIterator[None]:
    """The worker handles the event to the end, but cannot write what becomes of the job."""
    async with plant.locked(POOL, buying.household.pool_id):
        plant.worker.start()
        await until(lambda: waits_for_a_lock(buying), "the event waits for the pool")
        jobs = plant.locked(JOBS)
        await jobs.__aenter__()
    try:
        yield
    finally:
        await jobs.__aexit__(None, None, None)


async def test_after_the_event_is_marked_before_the_job_is(plant: Plant, buying: Buying, paid: str) -> None:
    async def marked() -> Any:
        return (await kept(buying, paid))["processed_at"] and await waits_for_a_lock(buying)

    async with caught_at_its_job(plant, buying):
        await until(marked, "the event is marked, its job is not")
        await dies(plant, buying)
    await handled_once(plant, buying, paid)


async def test_after_a_failure_is_kept_before_the_job_is_put_back(
    plant: Plant,
    buying: Buying,
    paid: str,
) -> None:
    async def failed() -> Any:
        return (await kept(buying, paid))["retry_count"] and await waits_for_a_lock(buying)

    change = (
        "UPDATE credit_purchases SET base_cents = base_cents + {0}, payment_amount_cents = payment_amount_cents + {0}"
        " WHERE tenant_id = $1 AND status <> 'completed'"
    )
    await buying.rows(change.format(1))
    async with caught_at_its_job(plant, buying):
        await until(failed, "the failure is kept, the job is not put back")
        await dies(plant, buying)
    assert (await kept(buying, paid))["error"].startswith("PaymentMismatch: ")
    assert [entry[0] for entry in await buying.entries()] == BOUGHT_ONCE
    await buying.rows(change.format(-1))
    await handled_once(plant, buying, paid)
    assert (await kept(buying, paid))["retry_count"] == 1


async def test_two_workers_at_one_event(plant: Plant, buying: Buying, paid: str, tmp_path: Path) -> None:
    """The first one's heartbeat is late, so another one takes the same job: both apply the payment at the same moment."""

    async def both_wait() -> bool:
        await buying.portal.inspector.execute(  # each time anew: the first worker's heart is still beating
            "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' WHERE status = 'picked'"
        )
        return bool(await waits_for_a_lock(buying) == 2)

    with ready("worker", plant.portal.settings, tmp_path) as other:
        async with plant.locked(POOL, buying.household.pool_id):
            plant.worker.start()
            await until(lambda: waits_for_a_lock(buying), "the first worker waits for the pool")
            other.start()
            await until(both_wait, "both wait for the pool")
        await buying.worked()
        await handled_once(plant, buying, paid)
    assert (await kept(buying, paid))["retry_count"] == 0
