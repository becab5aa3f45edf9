"""Whole purchases, from the quote to the ledger, in the sandbox and in Stripe's own test mode: the same scenarios in both."""

import pytest

from app.payments.outcomes import Canceled
from tests.payments.buyer import CREDITED, Deaf, NewBuyer
from tests.payments.somewhere import Somewhere


async def test_a_purchase_is_charged_and_credited_once(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    buyer = await new_buyer(somewhere.gateway)
    command = buyer.command("pm_card_visa")
    purchase_id = await buyer.buy(command)
    bought = await buyer.purchase(purchase_id)
    assert (bought["status"], bought["payment_amount_cents"]) == ("completed", 9500)
    assert bought["stripe_charge_id"].startswith("ch_")
    assert bought["stripe_receipt_url"].startswith("http")
    assert await buyer.buy(command) == purchase_id, "the same command again is the same purchase"
    await buyer.purchasing.finish(buyer.household.tenant_id, purchase_id)
    assert (await buyer.credited(), await buyer.charged()) == (CREDITED, [9500])


@pytest.mark.parametrize("card", ["pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedExpiredCard"])
async def test_a_declined_purchase_is_explained_and_credits_nothing(
    somewhere: Somewhere, new_buyer: NewBuyer, card: str
) -> None:
    buyer = await new_buyer(somewhere.gateway)
    declined = await buyer.purchase(await buyer.buy(buyer.command(card)))
    assert declined["status"] == "failed"
    assert declined["failure_reason"].startswith("The card has ")
    assert (await buyer.credited(), await buyer.charged()) == ([], [])


async def test_a_purchase_that_the_bank_must_confirm_can_be_given_up(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    buyer = await new_buyer(somewhere.gateway)
    purchase_id = await buyer.buy(buyer.command("pm_card_authenticationRequired"))
    waiting = await buyer.purchase(purchase_id)
    assert waiting["status"] == "requires_action"
    assert waiting["next_action_url"].startswith("http")
    outcome = await somewhere.gateway.cancel(waiting["stripe_payment_intent_id"])
    assert isinstance(outcome, Canceled)
    await buyer.purchasing.apply(buyer.household.tenant_id, purchase_id, outcome)
    assert (await buyer.purchase(purchase_id))["status"] == "failed"
    assert (await buyer.credited(), await buyer.charged()) == ([], [])


async def test_a_lost_answer_is_asked_for_again_and_charges_once(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    deaf = somewhere.another(Deaf)
    try:
        buyer = await new_buyer(deaf)
        purchase_id = await buyer.buy(buyer.command("pm_card_visa"))
        assert (await buyer.purchase(purchase_id))["status"] == "processing"
        assert await buyer.credited() == []
        await buyer.purchasing.finish(buyer.household.tenant_id, purchase_id)
    finally:
        await deaf.close()
    assert (await buyer.purchase(purchase_id))["status"] == "completed"
    assert (await buyer.credited(), await buyer.charged()) == (CREDITED, [9500])


async def test_a_lost_answer_is_found_by_search_when_its_key_is_forgotten(
    somewhere: Somewhere, new_buyer: NewBuyer
) -> None:
    """A day later Stripe no longer knows the key: the payment is looked for, never made again."""
    deaf = somewhere.another(Deaf)
    try:
        buyer = await new_buyer(deaf)
        purchase_id = await buyer.buy(buyer.command("pm_card_visa"))
        assert await somewhere.seen(lambda: deaf.find_payment(purchase_id)), "Stripe's search lags"
        await buyer.inspector.execute(
            "UPDATE credit_purchases SET created_at = now() - interval '25 hours' WHERE id = $1", purchase_id
        )
        await buyer.purchasing.finish(buyer.household.tenant_id, purchase_id)
    finally:
        await deaf.close()
    assert (await buyer.purchase(purchase_id))["status"] == "completed"
    assert (await buyer.credited(), await buyer.charged()) == (CREDITED, [9500])
