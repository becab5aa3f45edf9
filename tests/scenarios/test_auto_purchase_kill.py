"""kill -9 of the worker at every step of an automatic purchase: one crossing is one purchase and one charge (rulings 20 and 23)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from app.embedded.mailbox import Mailbox, receiving
from app.payments.gateway import Gateway
from app.services.quotes import QuoteSigner
from app.tenancy import Database
from tests.conftest import Urls, connecting
from tests.payments.sandbox import Sandbox
from tests.scenarios.automatic import Automatic
from tests.scenarios.portal import SECRET, Buying, Portal, free_port, new_buying, settings_for, until
from tests.scenarios.processes import Process, ready
from tests.scenarios.test_kill import POOL, SLOW, asked_for_the_card, asked_to_charge, waits_for_a_lock


@pytest.fixture(scope="module")
async def plant(
    urls: Urls,
    database: Database,
    inspector: asyncpg.Connection,
    sandbox_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Portal, Process]]:
    """A worker of its own process, to be killed, without a webhook to help it."""
    directory, smtp = tmp_path_factory.mktemp("plant"), free_port()
    mailbox = Mailbox(directory / "mails")
    async with AsyncExitStack() as mail:
        await mail.enter_async_context(receiving(mailbox, smtp))
        settings = settings_for(urls, sandbox_url, smtp, data_dir=directory)
        nowhere = f"http://127.0.0.1:{free_port()}/webhooks/stripe"
        with ready("worker", settings, directory) as worker:
            yield Portal(database, inspector, settings, mailbox, nowhere, QuoteSigner(SECRET), mail), worker


@pytest.fixture
async def alone(plant: tuple[Portal, Process], sandbox: Sandbox, gateway: Gateway) -> AsyncIterator[Buying]:
    portal, worker = plant
    worker.start()
    scenario = await new_buying(portal, sandbox, gateway)
    await sandbox.webhooks(url=None)
    yield scenario
    await scenario.worked()
    await scenario.balanced()
    worker.kill()


async def charged(buying: Buying) -> Any:
    return await buying.charges()


Moment = Callable[[Buying], Awaitable[Any]]
CARD = {"path": "/v1/payment_methods/", "method": "GET", "seconds": 1.0}
STEPS: dict[str, tuple[dict[str, Any], Moment, str, str]] = {
    "asking about the card": ({"kind": "slow_before", **CARD}, asked_for_the_card, "pm_card_visa", "completed"),
    "committed, Stripe does it afterwards": (
        {"kind": "slow_before", **SLOW},
        asked_to_charge,
        "pm_card_visa",
        "completed",
    ),
    "charged, the answer is on its way": ({"kind": "slow_after", **SLOW}, charged, "pm_card_visa", "completed"),
    "declined, the answer is on its way": (
        {"kind": "slow_after", **SLOW},
        charged,
        "pm_card_chargeCustomerFail",
        "failed",
    ),
}


@pytest.mark.parametrize(("fault", "moment", "card", "ends"), STEPS.values(), ids=list(STEPS))
async def test_the_worker_is_killed_at_a_call_to_stripe(
    plant: tuple[Portal, Process], alone: Buying, fault: dict[str, Any], moment: Moment, card: str, ends: str
) -> None:
    automatic = await Automatic.of(alone, card=card)
    await alone.sandbox.steer.delete("/requests")
    await alone.sandbox.fault(**fault)
    await automatic.spend("2")
    await until(lambda: moment(alone), "the moment to kill")
    await revived(plant, alone)
    await once(automatic, ends)


async def test_the_worker_is_killed_while_it_decides(plant: tuple[Portal, Process], alone: Buying, urls: Urls) -> None:
    automatic = await Automatic.of(alone)
    async with automatic.worker_waits():
        await automatic.spend("2")
    async with connecting(urls.superuser) as other, other.transaction():
        await other.execute(POOL, alone.household.pool_id)
        await alone.hurry()
        await until(lambda: waits_for_a_lock(alone), "the decision waits for the pool")
        await revived(plant, alone)
    await once(automatic, "completed")


async def test_the_worker_is_killed_while_it_applies_the_outcome(
    plant: tuple[Portal, Process], alone: Buying, urls: Urls
) -> None:
    automatic = await Automatic.of(alone)
    await alone.sandbox.fault(kind="slow_after", **SLOW)
    await automatic.spend("2")
    await until(lambda: charged(alone), "the charge")
    async with connecting(urls.superuser) as other, other.transaction():
        await other.execute(POOL, alone.household.pool_id)
        await until(lambda: waits_for_a_lock(alone), "the outcome waits for the pool")
        await revived(plant, alone)
    await once(automatic, "completed")


async def revived(plant: tuple[Portal, Process], buying: Buying) -> None:
    """kill -9 the worker and start another one, which takes up what the dead one held."""
    _, worker = plant
    worker.kill()
    held = await buying.portal.inspector.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'picked'")
    assert held >= 1
    await buying.portal.inspector.execute(
        "UPDATE pgqueuer SET heartbeat = heartbeat - interval '1 hour' WHERE status = 'picked'"
    )
    worker.start()


async def once(automatic: Automatic, ends: str) -> None:
    """In the end there is one purchase, told once, and one charge at most."""

    async def ended() -> bool:
        await automatic.buying.hurry()
        return await automatic.statuses() == [ends]

    await until(ended, f"one purchase {ends}")
    await automatic.buying.worked()
    assert len(await automatic.buying.charges()) == 1
    assert await automatic.told() == ["completed" if ends == "completed" else "declined"]
    row = await automatic.settings()
    assert (row["auto_purchases_this_month"], row["consecutive_failures"]) == (
        (1, 0) if ends == "completed" else (0, 1)
    )
