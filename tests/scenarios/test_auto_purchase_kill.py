"""kill -9 of the worker at every step of an automatic purchase: one crossing is one purchase and one charge (rulings 20 and 23)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from app.payments.gateway import Gateway
from tests.conftest import Urls, connecting
from tests.payments.sandbox import Sandbox
from tests.scenarios.automatic import Automatic
from tests.scenarios.plant import Plant, revived
from tests.scenarios.portal import Buying, new_buying, until
from tests.scenarios.test_kill import POOL, SLOW, asked_for_the_card, asked_to_charge, waits_for_a_lock


@pytest.fixture
async def alone(plant: Plant, sandbox: Sandbox, gateway: Gateway) -> AsyncIterator[Buying]:
    """A household and a worker to be killed, without a server or a webhook to help it."""
    plant.worker.start()
    scenario = await new_buying(plant.portal, sandbox, gateway)
    await sandbox.webhooks(url=None)
    yield scenario
    await scenario.worked()
    await scenario.balanced()
    plant.worker.kill()


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
    plant: Plant, alone: Buying, fault: dict[str, Any], moment: Moment, card: str, ends: str
) -> None:
    automatic = await Automatic.of(alone, card=card)
    await alone.sandbox.steer.delete("/requests")
    await alone.sandbox.fault(**fault)
    await automatic.spend("2")
    await until(lambda: moment(alone), "the moment to kill")
    await revived(plant, alone)
    await once(automatic, ends)


async def test_the_worker_is_killed_while_it_decides(plant: Plant, alone: Buying, urls: Urls) -> None:
    automatic = await Automatic.of(alone)
    async with automatic.worker_waits():
        await automatic.spend("2")
    async with connecting(urls.superuser) as other, other.transaction():
        await other.execute(POOL, alone.household.pool_id)
        await alone.hurry()
        await until(lambda: waits_for_a_lock(alone), "the decision waits for the pool")
        await revived(plant, alone)
    await once(automatic, "completed")


async def test_the_worker_is_killed_while_it_applies_the_outcome(plant: Plant, alone: Buying, urls: Urls) -> None:
    automatic = await Automatic.of(alone)
    await alone.sandbox.fault(kind="slow_after", **SLOW)
    await automatic.spend("2")
    await until(lambda: charged(alone), "the charge")
    async with connecting(urls.superuser) as other, other.transaction():
        await other.execute(POOL, alone.household.pool_id)
        await until(lambda: waits_for_a_lock(alone), "the outcome waits for the pool")
        await revived(plant, alone)
    await once(automatic, "completed")


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
