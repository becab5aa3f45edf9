"""Refused automatic purchases (ruling 23): backed off, paused or switched off, each recorded, told and mailed with what to do."""

from datetime import UTC, datetime, timedelta

import pytest

from app.rules.auto_purchase import BACKOFF
from tests.scenarios.automatic import EVERYBODY, TRIES, Automatic
from tests.scenarios.portal import INTENTS, Buying

SLACK = timedelta(minutes=2)


@pytest.fixture
async def automatic(buying: Buying) -> Automatic:
    return await Automatic.of(buying)


async def test_declines_back_off_then_switch_off_and_a_new_card_resumes(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_chargeCustomerFail")
    await automatic.spend("2")
    for number, wait in enumerate(BACKOFF, start=1):
        await buying.worked()
        assert await automatic.statuses() == ["failed"] * number
        row = await automatic.settings()
        assert abs(row["retry_after"] - datetime.now(UTC) - wait) < SLACK
        assert abs((await automatic.jobs())[-1] - row["retry_after"]) < SLACK
        assert (row["consecutive_failures"], await automatic.armed()) == (number, None)
        # Before its time nothing is tried, whoever asks.
        await automatic.spend("0.1")
        await automatic.purchasing.sweep([buying.household.tenant_id])
        await automatic.purchasing.run(buying.household.tenant_id, buying.household.pool_id)
        assert len(await automatic.purchases()) == number
        await automatic.set_row("auto_purchase_settings", retry_after=datetime.now(UTC) - timedelta(seconds=1))
        await buying.hurry()
    await buying.worked()
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"], row["retry_after"]) == (False, "declined", None)
    assert await automatic.told() == ["declined"] * 3 + ["switched_off"]
    assert await automatic.notified() == {"declined": EVERYBODY * 3, "switched_off": EVERYBODY}
    await automatic.purchasing.sweep([buying.household.tenant_id])
    assert await automatic.statuses() == ["failed"] * 4
    automatic.card = await automatic.attached("pm_card_visa")
    await automatic.plan(enabled=True, payment_method_id=automatic.card)
    await buying.worked()
    assert await automatic.statuses() == ["failed"] * 4 + ["completed"]
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"], row["consecutive_failures"]) == (True, None, 0)


async def test_a_decline_is_mailed_with_what_to_do(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_chargeCustomerFail", notify=False)
    await automatic.spend("2")
    await buying.worked()
    mails = automatic.mails()
    assert sorted(mail["To"] for mail in mails) == EVERYBODY
    assert {mail["Subject"] for mail in mails} == {"An automatic purchase for Household was declined"}
    text = mails[0].get_body(("plain",)).get_content()
    assert "Visa ending in 0341 could not be charged: 10 credits for 95.00 USD." in text
    assert "The bank declined the card. Use another card or ask your bank." in text
    assert "It will be tried again at" in text


async def test_enough_again_when_the_wait_ends_buys_nothing(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_chargeCustomerFail")
    await automatic.spend("2")
    await buying.worked()
    await buying.buy()  # by hand, with another card
    await automatic.set_row("auto_purchase_settings", retry_after=datetime.now(UTC) - timedelta(seconds=1))
    await buying.time_passes()
    assert await automatic.statuses() == ["failed"]
    row = await automatic.settings()
    assert (row["retry_after"], row["consecutive_failures"], await automatic.armed()) == (None, 1, 5)


async def test_a_bank_that_wants_its_customer_pauses_at_once(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_authenticationRequired")
    await automatic.spend("2")
    await buying.worked()
    (purchase,) = await automatic.purchases()
    assert (purchase["status"], purchase["failure_code"]) == ("failed", "authentication_required")
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"], row["retry_after"]) == (True, "authentication_required", None)
    assert await automatic.told() == ["paused"]
    assert await automatic.notified() == {"paused": EVERYBODY}
    mail = automatic.mails()[0]
    assert mail["Subject"] == "Automatic purchases for Household are paused"
    assert "Buy credits once and complete the bank's step" in mail.get_body(("plain",)).get_content()
    await automatic.spend("1")
    await automatic.purchasing.sweep([buying.household.tenant_id])
    await buying.time_passes()
    assert await automatic.asked() == 1
    automatic.card = await automatic.attached("pm_card_visa")
    await automatic.plan(payment_method_id=automatic.card)  # another card resumes
    await buying.worked()
    assert await automatic.told() == ["paused", "completed"]


async def test_a_detached_card_switches_off_before_anything_is_asked_of_it(automatic: Automatic) -> None:
    await automatic.detach()
    await automatic.spend("2")
    await automatic.buying.worked()
    assert (await automatic.statuses(), await automatic.asked()) == ([], 0)
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"]) == (False, "payment_method_missing")
    assert await automatic.told() == ["switched_off"]
    assert await automatic.notified() == {"switched_off": EVERYBODY}


async def test_a_card_detached_before_the_charge_switches_off(automatic: Automatic) -> None:
    await automatic.buying.sandbox.fault("server_error", path=INTENTS, times=TRIES)
    await automatic.spend("2")
    await automatic.buying.worked()
    assert await automatic.statuses() == ["processing"]
    await automatic.detach()
    await automatic.buying.time_passes()
    assert await automatic.statuses() == ["failed"]
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"]) == (False, "payment_method_missing")
    assert await automatic.told() == ["switched_off"]


async def test_the_end_of_a_replaced_cards_purchase_says_nothing_about_the_new_card(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_chargeCustomerFail")
    await buying.sandbox.fault("server_error", path=INTENTS, times=TRIES)
    await automatic.spend("2")
    await buying.worked()
    automatic.card = await automatic.attached("pm_card_visa")
    await automatic.plan(payment_method_id=automatic.card)
    await buying.time_passes()
    await buying.worked()
    assert await automatic.statuses() == ["failed", "completed"]
    assert await automatic.told() == ["declined", "completed"]
    assert (await automatic.settings())["consecutive_failures"] == 0


async def test_a_disputed_automatic_purchase_is_not_bought_anew(buying: Buying) -> None:
    automatic = await Automatic.of(buying, card="pm_card_createDispute")
    await automatic.spend("2")
    await buying.worked()
    assert {one["status"] for one in await buying.sandbox.deliver()} == {200}
    await buying.worked()
    assert await automatic.statuses() == ["refunded"]
    row = await automatic.settings()
    assert (row["enabled"], row["stopped_reason"]) == (True, "disputed")
    assert await automatic.told() == ["completed", "paused"]
    await automatic.spend("1")
    await automatic.purchasing.sweep([buying.household.tenant_id])
    await buying.time_passes()
    assert await automatic.asked() == 1
    automatic.card = await automatic.attached("pm_card_visa")
    await automatic.plan(enabled=True, payment_method_id=automatic.card)
    await buying.worked()
    assert await automatic.statuses() == ["refunded", "completed"]
