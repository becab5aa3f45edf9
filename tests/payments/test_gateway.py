"""Payments through the gateway, over HTTP, with Stripe's own library."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.payments.gateway import Gateway
from app.payments.outcomes import (
    Canceled,
    Declined,
    GatewayError,
    Processing,
    RequiresAction,
    Succeeded,
)
from tests.payments.charging import RETURN_URL, charge, customer_of
from tests.payments.sandbox import Sandbox


async def test_a_good_card_is_charged_once_and_has_a_receipt(gateway: Gateway, sandbox: Sandbox) -> None:
    outcome = await charge(gateway, payment_method_id=await sandbox.card())
    assert isinstance(outcome, Succeeded)
    assert (outcome.amount_cents, outcome.currency) == (9500, "usd")
    assert outcome.charge_id is not None
    assert outcome.charge_id.startswith("ch_3")
    assert outcome.payment_intent_id.startswith("pi_3")
    assert await gateway.payment(outcome.payment_intent_id) == outcome
    assert outcome.receipt_url is not None
    async with httpx.AsyncClient(trust_env=False) as browser:
        receipt = await browser.get(outcome.receipt_url)
        guessed = await browser.get(outcome.receipt_url[:-1] + ("a" if outcome.receipt_url[-1] != "a" else "b"))
    assert receipt.status_code == 200
    assert all(words in receipt.text for words in ("$95.00 USD", "10 credits", "Visa ending in 4242"))
    assert guessed.status_code == 404


@pytest.mark.parametrize(
    ("name", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_radarBlock", "card_declined", "fraudulent"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
async def test_a_declined_card_says_why_and_takes_nothing(
    gateway: Gateway, sandbox: Sandbox, name: str, code: str, decline_code: str
) -> None:
    outcome = await charge(gateway, payment_method_id=name)
    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.decline_code) == (code, decline_code)
    assert outcome.message
    assert outcome.payment_intent_id is not None
    assert await gateway.payment(outcome.payment_intent_id) == outcome
    events = await sandbox.events(outcome.payment_intent_id)
    assert [event["type"] for event in events] == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]
    assert events[-1]["data"]["object"]["amount_received"] == 0


async def test_3d_secure_completed_ends_in_the_money(gateway: Gateway, sandbox: Sandbox) -> None:
    asked = await charge(gateway, payment_method_id=await sandbox.card("4000002760003184"))
    assert isinstance(asked, RequiresAction)
    assert asked.redirect_url is not None
    assert await gateway.payment(asked.payment_intent_id) == asked
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(asked.redirect_url)
    assert all(words in page.text for words in ("Complete", "Fail", "$95.00 USD"))
    back = await sandbox.authenticate(asked.redirect_url)
    assert str(back).startswith(RETURN_URL)
    assert back.params["payment_intent"] == asked.payment_intent_id
    assert back.params["payment_intent_client_secret"] == asked.client_secret
    assert back.params["redirect_status"] == "succeeded"
    assert isinstance(await gateway.payment(asked.payment_intent_id), Succeeded)
    again = await sandbox.authenticate(asked.redirect_url, "fail")
    assert again.params["redirect_status"] == "succeeded", "a step that has ended can't end another way"


async def test_3d_secure_failed_takes_nothing(gateway: Gateway, sandbox: Sandbox) -> None:
    asked = await charge(gateway, payment_method_id="pm_card_threeDSecure2Required")
    assert isinstance(asked, RequiresAction)
    assert asked.redirect_url is not None
    back = await sandbox.authenticate(asked.redirect_url, "fail")
    assert back.params["redirect_status"] == "failed"
    outcome = await gateway.payment(asked.payment_intent_id)
    assert isinstance(outcome, Declined)
    assert outcome.code == "payment_intent_authentication_failure"


async def test_3d_secure_passed_and_then_declined(gateway: Gateway, sandbox: Sandbox) -> None:
    asked = await charge(gateway, payment_method_id="pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    assert isinstance(asked, RequiresAction)
    assert asked.redirect_url is not None
    await sandbox.authenticate(asked.redirect_url)
    outcome = await gateway.payment(asked.payment_intent_id)
    assert isinstance(outcome, Declined)
    assert outcome.decline_code == "insufficient_funds"


async def test_the_3d_secure_page_needs_the_client_secret(gateway: Gateway) -> None:
    asked = await charge(gateway, payment_method_id="pm_card_authenticationRequired")
    assert isinstance(asked, RequiresAction)
    assert asked.redirect_url is not None
    forged = str(httpx.URL(asked.redirect_url).copy_set_param("client_secret", "guessed"))
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(forged)).status_code == 404
        posted = await browser.post(forged, data={"client_secret": "guessed", "outcome": "complete"})
    assert posted.status_code == 404
    assert await gateway.payment(asked.payment_intent_id) == asked


async def test_off_session_authentication_is_a_decline_of_its_own(gateway: Gateway) -> None:
    outcome = await charge(
        gateway, payment_method_id="pm_card_authenticationRequired", return_url=None, off_session=True
    )
    assert isinstance(outcome, Declined)
    assert outcome.code == "authentication_required"


async def test_off_session_ignores_a_return_url(gateway: Gateway) -> None:
    assert isinstance(await charge(gateway, off_session=True), Succeeded)


async def test_a_payment_in_processing_ends_either_way(gateway: Gateway, sandbox: Sandbox) -> None:
    for succeeded, end in ((True, Succeeded), (False, Declined)):
        waiting = await charge(gateway, payment_method_id=await sandbox.card("4000000000070005"))
        assert isinstance(waiting, Processing)
        await sandbox.settle(waiting.payment_intent_id, succeeded=succeeded)
        assert isinstance(await gateway.payment(waiting.payment_intent_id), end)


@pytest.mark.parametrize("amount", [0, -1, 9.5, "950", True])
async def test_an_amount_that_is_none_is_not_even_sent(gateway: Gateway, sandbox: Sandbox, amount: Any) -> None:
    customer_id = await customer_of(gateway)
    before = len(await sandbox.requests())
    with pytest.raises(GatewayError, match="positive whole number of cents"):
        await charge(gateway, amount_cents=amount, customer_id=customer_id)
    assert len(await sandbox.requests()) == before


async def test_an_amount_below_stripe_s_minimum_is_refused_by_name(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    before = len(await sandbox.events())
    with pytest.raises(GatewayError) as refused:
        await charge(gateway, amount_cents=49, customer_id=customer_id)
    assert (refused.value.param, refused.value.code) == ("amount", "amount_too_small")
    assert len(await sandbox.events()) == before


@pytest.mark.parametrize(("param", "value"), [("customer_id", "cus_absent"), ("payment_method_id", "pm_absent")])
async def test_ids_that_do_not_exist_are_refused_by_name(
    gateway: Gateway, sandbox: Sandbox, param: str, value: str
) -> None:
    with pytest.raises(GatewayError) as refused:
        await charge(gateway, **{param: value})
    assert refused.value.code == "resource_missing"
    assert refused.value.param == param.removesuffix("_id")


async def test_one_customer_a_pool(gateway: Gateway, sandbox: Sandbox) -> None:
    tenant_id, pool_id = uuid4(), uuid4()
    first = await gateway.ensure_customer(tenant_id=tenant_id, pool_id=pool_id, email="a@example.com", name="A")
    again = await gateway.ensure_customer(tenant_id=tenant_id, pool_id=pool_id, email="a@example.com", name="A")
    other = await gateway.ensure_customer(tenant_id=tenant_id, pool_id=uuid4(), email="a@example.com", name="A")
    assert first == again != other
    kept = (await sandbox.raw.get(f"/v1/customers/{first}")).json()
    assert kept["metadata"] == {"tenant_id": str(tenant_id), "pool_id": str(pool_id)}


async def test_a_payment_method_shows_no_more_than_may_be_seen(gateway: Gateway, sandbox: Sandbox) -> None:
    found = await gateway.payment_method(await sandbox.card("5555555555554444"))
    assert found is not None
    assert (found.brand, found.last4, found.exp_month, found.customer_id) == ("mastercard", "4444", 12, None)
    assert await gateway.payment_method("pm_absent") is None
    assert await gateway.payment_method("../customers") is None
    assert await gateway.payment_method("") is None


async def test_a_payment_is_found_by_its_purchase(gateway: Gateway) -> None:
    purchase_id = uuid4()
    assert await gateway.find_payment(purchase_id) is None
    made = await charge(gateway, metadata={"purchase_id": str(purchase_id)})
    assert await gateway.find_payment(purchase_id) == made


async def test_a_payment_is_given_up_unless_it_has_ended(gateway: Gateway) -> None:
    asked = await charge(gateway, payment_method_id="pm_card_authenticationRequired")
    assert isinstance(asked, RequiresAction)
    assert isinstance(await gateway.cancel(asked.payment_intent_id), Canceled)
    taken = await charge(gateway)
    assert isinstance(taken, Succeeded)
    assert await gateway.cancel(taken.payment_intent_id) == taken
