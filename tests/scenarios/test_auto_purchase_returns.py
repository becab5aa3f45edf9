"""Money that goes back is no reason to take more (rulings 22 and 23): refunds and disputes of any purchase, then all that could buy."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.rules.burn_order import Bucket
from app.services.catalogue import CatalogueCache
from app.services.grants import adjust, reset_month
from app.services.spending.commands import Release
from tests.scenarios.automatic import EVERYBODY, TRIES, Automatic
from tests.scenarios.portal import INTENTS, Buying
from tests.scenarios.refunding import bought


async def everything_but_a_spend(automatic: Automatic) -> None:
    """Whatever looks at a pool or moves its credits without anybody using some; nothing may be bought by it."""
    buying = automatic.buying
    household, database = buying.household, buying.portal.database
    assert await automatic.purchasing.sweep([household.tenant_id]) == 0
    await automatic.purchasing.run(household.tenant_id, household.pool_id)  # a job that comes late
    async with database.transaction(household.worker) as tx:
        await adjust(tx, household.pool_id, Bucket.INCLUDED, Decimal("0.5"), reason="a gift", actor_user_id=None)
    await automatic.plan(recipients=("books@example.com",))
    await automatic.set_row("credit_pools", monthly_resets_at=datetime.now(UTC) - timedelta(seconds=1))
    catalogue = await CatalogueCache(database).current()
    async with database.transaction(household.worker) as tx:
        assert await reset_month(tx, household.pool_id, catalogue, datetime.now(UTC)) > 0
    await buying.worked()
    assert await automatic.purchasing.sweep([household.tenant_id]) == 0
    await buying.time_passes()
    assert (await automatic.asked(), await automatic.purchases(), await automatic.jobs()) == (0, [], [])
    assert len(await buying.charges()) == 1
    await buying.balanced()


@pytest.mark.parametrize(("spent", "available", "owed"), [("5", "1", "0"), ("58", "0", "52")])
async def test_a_refund_is_not_charged_anew(buying: Buying, spent: str, available: str, owed: str) -> None:
    automatic = await Automatic.of(buying)
    refunds = await bought(buying)  # 63.5 are available with the included ones
    await automatic.spend(spent)
    await refunds.refund()
    pool = await buying.pool()
    assert (pool["balance_available"], pool["shortfall_credits"]) == (Decimal(available), Decimal(owed))
    await everything_but_a_spend(automatic)
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"], await automatic.armed()) == (True, None, 5)
    # Bought by hand and spent, it is a reason again.
    await buying.buy()
    await buying.worked()
    assert await automatic.purchases() == []
    await automatic.empty()
    await buying.worked()
    assert await automatic.statuses() == ["completed"]


async def test_a_hold_that_comes_back_after_a_refund_is_no_spend(buying: Buying) -> None:
    automatic = await Automatic.of(buying)
    refunds = await bought(buying)
    await automatic.spend("56.5")
    released, used = await automatic.hold("1"), await automatic.hold("1")
    await refunds.refund()
    await automatic.submit(Release(released.id))
    await buying.worked()
    pool = await buying.pool()
    assert (pool["balance_available"], pool["shortfall_credits"], await automatic.purchases()) == (
        0,
        Decimal("51.5"),
        [],
    )
    await automatic.settle(used, "1")
    await buying.worked()
    assert set(await automatic.statuses()) == {"completed"}


@pytest.mark.parametrize(("spent", "owed"), [("5", "0"), ("58", "52")])
async def test_a_dispute_of_a_purchase_by_hand_pauses(buying: Buying, spent: str, owed: str) -> None:
    automatic = await Automatic.of(buying)
    refunds = await bought(buying)
    await automatic.spend(spent)
    await buying.sandbox.dispute(refunds.payment)
    await refunds.events()
    assert (await buying.pool())["shortfall_credits"] == Decimal(owed)
    await everything_but_a_spend(automatic)
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"], await automatic.armed()) == (True, "disputed", None)
    assert await automatic.told() == ["paused"]
    assert await automatic.notified() == {"paused": EVERYBODY}
    await buying.buy()
    await automatic.empty()
    await buying.time_passes()
    assert await automatic.purchases() == []
    await automatic.plan(enabled=True)  # a person resumes it
    await buying.worked()
    assert await automatic.statuses() == ["completed"]


async def test_a_decline_after_a_dispute_leaves_it_paused(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_chargeCustomerFail")
    refunds = await bought(buying)
    await buying.sandbox.fault("server_error", path=INTENTS, times=TRIES)
    await automatic.empty()
    await buying.worked()
    assert await automatic.statuses() == ["processing"]
    await buying.sandbox.dispute(refunds.payment)
    await refunds.events()
    await buying.time_passes()
    assert await automatic.statuses() == ["failed"]
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"], row["retry_after"], row["consecutive_failures"]) == (
        True,
        "disputed",
        None,
        0,
    )
    assert (await automatic.told(), await automatic.jobs()) == (["paused", "paused"], [])
