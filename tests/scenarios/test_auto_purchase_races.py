"""Many at once: one crossing is one automatic purchase and one charge (ruling 23)."""

import asyncio
from decimal import Decimal

import pytest

from tests.conftest import Urls
from tests.scenarios.automatic import Automatic
from tests.scenarios.portal import INTENTS, Buying
from tests.spending.test_concurrency import spend_together
from tests.spending.till import Till


async def test_64_spends_in_four_processes_cross_and_one_is_bought(buying: Buying, urls: Urls) -> None:
    automatic = await Automatic.of(buying)
    till = Till(buying.portal.database, automatic.spending, buying.portal.inspector, buying.household)
    await till.set_subscription(tier_id="ENTERPRISE_PLUS")  # no cap on requests in the way
    answers = await spend_together(till, urls, spends=64, credits="0.05")
    assert sum(count for answer, count in answers.items() if answer.startswith("settled ")) == 64
    await buying.worked()
    assert await automatic.statuses() == ["completed"]
    assert await automatic.asked() == 1
    assert [charge["amount_received"] for charge in await buying.charges()] == [9500]
    assert await till.balances() == (Decimal("13.3"), 0, 0)  # 6 + 10.5 - 64 x 0.05
    assert await automatic.told() == ["completed"]


@pytest.mark.parametrize("fault", [None, "slow_after", "lose_answer"])
async def test_many_workers_at_one_decision_buy_once(buying: Buying, fault: str | None) -> None:
    automatic = await Automatic.of(buying)
    async with automatic.worker_waits():
        await automatic.spend("2")
        if fault:
            await buying.sandbox.fault(fault, path=INTENTS, seconds=0.3, times=1)
        ids = (buying.household.tenant_id, buying.household.pool_id)
        deciding = [automatic.purchasing.run(*ids) for _ in range(8)]
        sweeping = [automatic.purchasing.sweep([buying.household.tenant_id]) for _ in range(4)]
        await asyncio.gather(*deciding, *sweeping)
    await buying.time_passes()
    assert await automatic.statuses() == ["completed"]
    assert len(await buying.charges()) == 1
    assert (await automatic.settings())["auto_purchases_this_month"] == 1
