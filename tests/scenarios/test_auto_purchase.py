"""Automatic purchases (ruling 23): each way that one begins, ends, or is refused, with the portal's own worker, webhook and mail."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.rules.auto_purchase import month_end
from app.rules.burn_order import Bucket
from app.services.catalogue import CatalogueCache
from app.services.grants import adjust, reset_month
from tests.scenarios.automatic import EVERYBODY, TRIES, Automatic
from tests.scenarios.portal import INTENTS, Buying


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
    await counted(automatic, 1)
    assert (await automatic.settings())["last_auto_purchase_at"] is not None
    assert await automatic.armed() == 5
    assert await automatic.told() == ["completed"]
    assert await automatic.notified() == {"completed": EVERYBODY}
    assert await automatic.asked() == 1
    (sent,) = [
        one for one in await automatic.buying.sandbox.requests() if (one["method"], one["path"]) == ("POST", INTENTS)
    ]
    assert dict(sent["items"])["off_session"] == "true"


async def test_a_charge_is_mailed_to_those_who_are_named(buying: Buying) -> None:
    automatic = await Automatic.of(buying, recipients=("books@example.com",))
    await automatic.spend("2")
    await buying.worked()
    mails = automatic.mails()
    assert sorted(mail["To"] for mail in mails) == ["books@example.com", "olivia@example.com"]
    told = next(mail for mail in mails if mail["To"] == "books@example.com")
    assert told["Subject"] == "10 credits bought automatically for Household"
    text = told.get_body(("plain",)).get_content()
    assert "The balance fell below 5 credits. Visa ending in 4242 was charged: 10 credits for 95.00 USD." in text


async def test_nobody_but_the_buyer_is_mailed_where_charges_need_no_mail(buying: Buying) -> None:
    automatic = await Automatic.of(buying, notify=False)
    await automatic.spend("2")
    await buying.worked()
    assert [mail["To"] for mail in automatic.mails()] == ["olivia@example.com"]  # the receipt
    assert await automatic.notified() == {"completed": EVERYBODY}


async def counted(automatic: Automatic, purchases: int) -> None:
    """The month's counters say what was bought: 10 credits for 95.00 each."""
    row = await automatic.settings()
    counters = ("auto_purchases_this_month", "auto_purchase_credits_this_month", "auto_purchase_spend_this_month")
    assert tuple(row[name] for name in counters) == (purchases, 10 * purchases, 9500 * purchases)


# What triggers.


async def test_a_hold_alone_triggers(automatic: Automatic) -> None:
    await automatic.hold("1.5")
    await automatic.buying.worked()
    assert await automatic.statuses() == ["completed"]


async def test_an_adjustment_triggers(automatic: Automatic) -> None:
    async with automatic.buying.portal.database.transaction(automatic.buying.household.worker) as tx:
        taken = automatic.buying.household.pool_id
        await adjust(tx, taken, Bucket.INCLUDED, Decimal("-1.5"), reason="mistaken grant", actor_user_id=None)
    await automatic.buying.worked()
    assert await automatic.statuses() == ["completed"]


async def test_what_expires_with_the_month_triggers(buying: Buying) -> None:
    automatic = await Automatic.of(buying, enabled=False)
    async with buying.portal.database.transaction(buying.household.worker) as tx:
        pool_id = buying.household.pool_id
        await adjust(tx, pool_id, Bucket.INCLUDED, Decimal(4), reason="a gift for the month", actor_user_id=None)
    await automatic.plan(enabled=True, threshold=Decimal(8))
    assert (await automatic.armed(), await automatic.jobs()) == (8, [])
    await automatic.set_row("credit_pools", monthly_resets_at=datetime.now(UTC) - timedelta(seconds=1))
    catalogue = await CatalogueCache(buying.portal.database).current()
    async with buying.portal.database.transaction(buying.household.worker) as tx:
        assert await reset_month(tx, buying.household.pool_id, catalogue, datetime.now(UTC)) > 0  # 10 go, 6 come
    await buying.worked()
    assert await automatic.statuses() == ["completed"]


async def test_switching_on_with_too_little_buys_at_once(buying: Buying) -> None:
    automatic = await Automatic.of(buying, threshold=Decimal("6.000001"))
    await buying.worked()
    assert await automatic.statuses() == ["completed"]


async def test_a_pool_that_owes_buys_until_it_has_enough_within_the_cap(automatic: Automatic) -> None:
    hold = await automatic.hold("6")
    await automatic.buying.worked()
    assert await automatic.statuses() == ["completed"]  # 10.5 available
    await automatic.settle(hold, "40")  # 23.5 more than there is
    await automatic.buying.worked()
    assert await automatic.statuses() == ["completed"] * 4
    pool = await automatic.buying.pool()
    assert (pool["shortfall_credits"], pool["balance_available"]) == (0, 8)
    await counted(automatic, 4)


async def test_off_is_off(buying: Buying) -> None:
    automatic = await Automatic.of(buying, enabled=False)
    await automatic.spend("6")
    await automatic.purchasing.sweep([buying.household.tenant_id])
    await buying.worked()
    assert (await automatic.statuses(), await automatic.armed(), await automatic.jobs()) == ([], None, [])


async def test_switched_off_in_between_nothing_is_bought(automatic: Automatic) -> None:
    async with automatic.worker_waits():
        await automatic.spend("2")
        assert len(await automatic.jobs()) == 1
        await automatic.plan(enabled=False)
    await automatic.buying.worked()
    assert await automatic.statuses() == []
    assert await automatic.asked() == 0


# The caps.


@pytest.mark.parametrize(
    ("caps", "bought"),
    [
        ({"cap_credits": Decimal(20)}, 2),
        ({"cap_credits": Decimal("19.99")}, 1),
        ({"cap_credits": None, "cap_cents": 19_000}, 2),
        ({"cap_credits": None, "cap_cents": 18_999}, 1),
        ({"cap_credits": Decimal(100), "cap_cents": 9_500}, 1),
    ],
)
async def test_the_caps_hold_to_the_cent_and_are_told_once_a_month(
    buying: Buying, caps: dict[str, Any], bought: int
) -> None:
    automatic = await Automatic.of(buying, **caps)
    for _ in range(bought):
        await automatic.empty()
        await buying.worked()
    await counted(automatic, bought)
    for _ in range(2):
        await automatic.empty()
        await automatic.purchasing.sweep([buying.household.tenant_id])
        await automatic.purchasing.run(buying.household.tenant_id, buying.household.pool_id)
        await buying.worked()
    assert await automatic.statuses() == ["completed"] * bought
    assert await automatic.told() == ["completed"] * bought + ["cap_reached"]
    assert (await automatic.notified())["cap_reached"] == EVERYBODY
    assert await automatic.armed() is None
    assert await automatic.asked() == bought


async def test_the_next_month_in_the_pools_zone_buys_again(buying: Buying) -> None:
    await buying.portal.inspector.execute(
        "UPDATE credit_pools SET time_zone = 'Pacific/Kiritimati' WHERE id = $1", buying.household.pool_id
    )
    automatic = await Automatic.of(buying, cap_credits=Decimal(10))
    await automatic.empty()
    await buying.worked()
    await automatic.empty()
    await buying.worked()
    assert await automatic.told() == ["completed", "cap_reached"]
    row = await automatic.settings()
    assert row["month_reset_at"] == month_end(datetime.now(UTC), "Pacific/Kiritimati")
    await automatic.purchasing.sweep([buying.household.tenant_id])
    assert await automatic.statuses() == ["completed"]
    await automatic.set_row("auto_purchase_settings", month_reset_at=datetime.now(UTC) - timedelta(seconds=1))
    assert await automatic.purchasing.sweep([buying.household.tenant_id]) == 1
    await buying.worked()
    assert await automatic.statuses() == ["completed"] * 2
    await counted(automatic, 1)
    assert (await automatic.settings())["month_reset_at"] > datetime.now(UTC)


async def test_a_raised_cap_buys_at_once(buying: Buying) -> None:
    automatic = await Automatic.of(buying, cap_credits=Decimal(10))
    for _ in range(2):
        await automatic.empty()
        await buying.worked()
    assert await automatic.told() == ["completed", "cap_reached"]
    await automatic.plan(cap_credits=Decimal(20))
    await buying.worked()
    assert await automatic.told() == ["completed", "cap_reached", "completed"]


# Faults on the way.


@pytest.mark.parametrize(("kind", "times"), [("lose_answer", TRIES), ("server_error", TRIES), ("rate_limit", 1)])
async def test_an_answer_that_never_came_charges_once(automatic: Automatic, kind: str, times: int) -> None:
    await automatic.buying.sandbox.fault(kind, path=INTENTS, times=times)
    await automatic.spend("2")
    await automatic.buying.worked()
    assert await automatic.statuses() == ["processing"]
    assert await automatic.armed() is None
    # In flight: nobody begins another one.
    await automatic.spend("1")
    await automatic.purchasing.sweep([automatic.buying.household.tenant_id])
    await automatic.purchasing.run(automatic.buying.household.tenant_id, automatic.buying.household.pool_id)
    assert len(await automatic.purchases()) == 1
    await automatic.buying.time_passes()
    assert await automatic.statuses() == ["completed"]
    assert await automatic.told() == ["completed"]
    await counted(automatic, 1)


async def test_the_webhook_comes_first(automatic: Automatic) -> None:
    await automatic.buying.sandbox.fault("lose_answer", path=INTENTS, times=TRIES)
    await automatic.spend("2")
    await automatic.buying.worked()
    assert {one["status"] for one in await automatic.buying.sandbox.deliver()} == {200}
    await automatic.buying.worked()
    assert await automatic.statuses() == ["completed"]
    await automatic.buying.time_passes()
    await counted(automatic, 1)
    assert await automatic.told() == ["completed"]


async def test_a_failure_said_twice_counts_once(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_chargeCustomerFail")
    await automatic.spend("2")
    await buying.worked()
    await buying.sandbox.deliver()
    await buying.worked()
    assert (await automatic.settings())["consecutive_failures"] == 1
    assert await automatic.told() == ["declined"]


async def test_stripe_cannot_be_asked_about_the_card(automatic: Automatic) -> None:
    await automatic.buying.sandbox.fault("server_error", path="/v1/payment_methods/", method="GET", times=TRIES)
    await automatic.spend("2")
    await automatic.buying.worked()
    assert await automatic.statuses() == []
    assert (await automatic.settings())["enabled"]
    await automatic.buying.time_passes()
    assert await automatic.statuses() == ["completed"]
    assert await automatic.asked() == 1


async def test_a_job_that_was_lost_is_made_good_by_the_sweep(automatic: Automatic) -> None:
    async with automatic.worker_waits():
        await automatic.spend("2")
        await automatic.lose_jobs()
    assert await automatic.purchasing.sweep([automatic.buying.household.tenant_id]) == 1
    await automatic.buying.worked()
    assert await automatic.statuses() == ["completed"]
    assert await automatic.purchasing.sweep([automatic.buying.household.tenant_id]) == 0


async def test_the_price_is_that_of_the_moment_and_is_kept(automatic: Automatic) -> None:
    """A band of another price would be: the purchase stores unit price, rates and total of its own."""
    await automatic.plan(quantity=Decimal(25))
    await automatic.spend("2")
    await automatic.buying.worked()
    (purchase,) = await automatic.purchases()
    assert (purchase["unit_price_cents"], purchase["discount_rate"], purchase["bonus_rate"]) == (
        1000,
        Decimal("0.1"),
        Decimal("0.1"),
    )
    assert (purchase["payment_amount_cents"], purchase["total_credits"]) == (22_500, Decimal("27.5"))
