"""Automatic purchases (ruling 23): each way that one begins and ends, against the sandbox, with the portal's own worker."""

import pytest

from tests.scenarios.automatic import Automatic
from tests.scenarios.portal import Buying

EVERYBODY = ["adam@example.com", "olivia@example.com"]


@pytest.fixture
async def automatic(buying: Buying) -> Automatic:
    return await Automatic.of(buying)


async def test_falling_below_the_threshold_buys_once(automatic: Automatic) -> None:
    await automatic.spend("1")  # 5 are left: not below
    await automatic.buying.worked()
    assert await automatic.statuses() == []
    assert await automatic.armed() == 5
    await automatic.spend("0.000001")
    await automatic.buying.worked()
    (purchase,) = await automatic.purchases()
    assert purchase["status"] == "completed"
    assert (purchase["credits_amount"], purchase["bonus_credits"]) == (10, 0.5)
    assert (purchase["payment_amount_cents"], purchase["stripe_payment_method_id"]) == (9500, automatic.card)
    assert (purchase["user_id"], purchase["auto_purchase_trigger"], purchase["payment_method"]) == (
        automatic.buying.household.people["olivia"].user_id,
        "threshold",
        "visa 4242",
    )
    settings = await automatic.settings()
    assert settings["auto_purchases_this_month"] == 1
    assert (settings["auto_purchase_credits_this_month"], settings["auto_purchase_spend_this_month"]) == (10, 9500)
    assert settings["last_auto_purchase_at"] is not None
    assert await automatic.armed() == 5
    assert await automatic.told() == ["completed"]
    assert await automatic.notified() == {"completed": EVERYBODY}
    assert await automatic.asked() == 1
