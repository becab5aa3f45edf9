"""Cards through the gateway, over HTTP, with Stripe's own library: set up, listed, made the default, taken away."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from app.payments.gateway import Gateway
from app.payments.outcomes import Declined, GatewayError, GatewayUnavailable, Setup, SetupStatus, Succeeded
from tests.payments.asking import SAVE, new, post
from tests.payments.charging import charge, customer_of
from tests.payments.sandbox import Sandbox

THREE_D_SECURE, ONCE_SET_UP = "4000002760003184", "4000002500003155"


async def begun(gateway: Gateway, customer_id: str) -> Setup:
    return await gateway.start_setup(tenant_id=uuid4(), pool_id=uuid4(), customer_id=customer_id)


async def found(gateway: Gateway, setup: Setup) -> Setup:
    now = await gateway.setup(setup.id)
    assert now is not None
    return now


async def test_a_card_is_saved_and_charged_later(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    setup = await begun(gateway, customer_id)
    assert (setup.status, setup.customer_id, setup.payment_method_id) == (
        SetupStatus.REQUIRES_PAYMENT_METHOD,
        customer_id,
        None,
    )
    card = await sandbox.card()
    assert (await sandbox.save(setup.client_secret, card)).status_code == 200
    done = await found(gateway, setup)
    assert (done.status, done.payment_method_id) == (SetupStatus.SUCCEEDED, card)
    [listed] = await gateway.payment_methods(customer_id)
    assert (listed.id, listed.customer_id, listed.brand, listed.last4) == (card, customer_id, "visa", "4242")
    assert await gateway.payment_method(card) == listed
    outcome = await charge(gateway, customer_id=customer_id, payment_method_id=card, off_session=True)
    assert isinstance(outcome, Succeeded)
    types = [event["type"] for event in await sandbox.events()]
    assert {"setup_intent.created", "payment_method.attached", "setup_intent.succeeded"} <= set(types)


async def test_3d_secure_saves_the_card_once_passed(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    setup = await begun(gateway, customer_id)
    card = await sandbox.card(ONCE_SET_UP)
    await sandbox.save(setup.client_secret, card, "http://portal.example/payment?pool=7")
    asked = await found(gateway, setup)
    assert asked.status is SetupStatus.REQUIRES_ACTION
    assert asked.redirect_url is not None
    assert await gateway.payment_methods(customer_id) == []
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(asked.redirect_url)
        guessed = await browser.get(str(httpx.URL(asked.redirect_url).copy_set_param("client_secret", "guessed")))
    assert "Visa ending in 3155" in page.text
    assert guessed.status_code == 404
    back = await sandbox.authenticate(asked.redirect_url)
    assert dict(back.params) == {
        "pool": "7",
        "setup_intent": setup.id,
        "setup_intent_client_secret": setup.client_secret,
        "redirect_status": "succeeded",
    }
    assert (await found(gateway, setup)).status is SetupStatus.SUCCEEDED
    assert [one.id for one in await gateway.payment_methods(customer_id)] == [card]
    outcome = await charge(gateway, customer_id=customer_id, payment_method_id=card, off_session=True)
    assert isinstance(outcome, Succeeded), "the bank was asked when it was set up"


async def test_3d_secure_failed_saves_nothing_and_another_card_can(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    setup = await begun(gateway, customer_id)
    await sandbox.save(setup.client_secret, await sandbox.card(THREE_D_SECURE))
    asked = await found(gateway, setup)
    assert asked.redirect_url is not None
    await sandbox.authenticate(asked.redirect_url, "fail")
    failed = await found(gateway, setup)
    assert (failed.status, failed.code) == (
        SetupStatus.REQUIRES_PAYMENT_METHOD,
        "setup_intent_authentication_failure",
    )
    assert await gateway.payment_methods(customer_id) == []
    await sandbox.save(setup.client_secret, await sandbox.card())
    assert (await found(gateway, setup)).status is SetupStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("number", "decline_code"),
    [("4000000000000002", "generic_decline"), ("4000000000009995", "insufficient_funds")],
)
async def test_a_declined_card_is_not_saved(gateway: Gateway, sandbox: Sandbox, number: str, decline_code: str) -> None:
    customer_id = await customer_of(gateway)
    setup, card = await begun(gateway, customer_id), await sandbox.card(number)
    refused = await sandbox.save(setup.client_secret, card)
    assert (refused.status_code, refused.json()["error"]["decline_code"]) == (402, decline_code)
    failed = await found(gateway, setup)
    assert (failed.status, failed.decline_code) == (SetupStatus.REQUIRES_PAYMENT_METHOD, decline_code)
    attached = await post(sandbox, f"/v1/payment_methods/{card}/attach", {"customer": customer_id})
    assert attached.status_code == 402
    assert await gateway.payment_methods(customer_id) == []


async def test_a_card_may_be_saved_that_is_declined_only_when_charged(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    card = await sandbox.saved_card(customer_id, "4000000000000341")
    outcome = await charge(gateway, customer_id=customer_id, payment_method_id=card, off_session=True)
    assert isinstance(outcome, Declined)


async def test_one_default_until_it_goes(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    first, second = [await sandbox.saved_card(customer_id) for _ in range(2)]

    async def defaults() -> dict[str, bool]:
        return {one.id: one.is_default for one in await gateway.payment_methods(customer_id)}

    assert await defaults() == {second: False, first: False}
    await gateway.make_default(customer_id, first)
    assert await defaults() == {second: False, first: True}
    await gateway.make_default(customer_id, second)
    assert await defaults() == {second: True, first: False}
    await gateway.detach(second)
    assert await defaults() == {first: False}
    customer = (await sandbox.raw.get(f"/v1/customers/{customer_id}")).json()
    assert customer["invoice_settings"]["default_payment_method"] is None
    await gateway.detach(second)  # again: it is nobody's, and stays so
    await gateway.detach("pm_absent")
    gone = await gateway.payment_method(second)
    assert gone is not None
    assert gone.customer_id is None


async def test_another_customers_card_becomes_nobodys_default(gateway: Gateway, sandbox: Sandbox) -> None:
    mine, theirs = await customer_of(gateway), await customer_of(gateway)
    card, free = await sandbox.saved_card(theirs), await sandbox.card()
    before = len(await sandbox.events())
    for wrong in (card, free, "pm_absent"):
        with pytest.raises(GatewayError) as refused:
            await gateway.make_default(mine, wrong)
        assert (refused.value.code, refused.value.param) == (
            "resource_missing",
            "invoice_settings[default_payment_method]",
        )
    assert len(await sandbox.events()) == before


async def test_what_is_not_there_is_none(gateway: Gateway, sandbox: Sandbox) -> None:
    for wrong in ("seti_absent", "", "../customers", "x" * 300):
        assert await gateway.setup(wrong) is None
        assert await gateway.payment_method(wrong) is None
        assert await gateway.payment_methods(wrong) == []
    customer_id = await customer_of(gateway)
    card = await sandbox.saved_card(customer_id)
    (await sandbox.raw.delete(f"/v1/customers/{customer_id}")).raise_for_status()
    assert await gateway.payment_methods(customer_id) == []
    assert (await gateway.payment_method(card)) is not None


async def test_a_page_needs_the_client_secret(gateway: Gateway, sandbox: Sandbox) -> None:
    setup = await begun(gateway, await customer_of(gateway))
    card = await sandbox.card()
    guessed = await sandbox.save(f"{setup.id}_secret_guessed", card)
    assert (guessed.status_code, guessed.json()["error"]["code"]) == (404, "resource_missing")
    assert (await found(gateway, setup)).status is SetupStatus.REQUIRES_PAYMENT_METHOD
    forbidden = await sandbox.from_page("/v1/setup_intents", {})
    assert forbidden.json()["error"]["code"] == "secret_key_required"


async def test_another_customers_card_is_not_set_up(gateway: Gateway, sandbox: Sandbox) -> None:
    setup = await begun(gateway, await customer_of(gateway))
    theirs = await sandbox.saved_card(await customer_of(gateway))
    refused = await sandbox.save(setup.client_secret, theirs)
    assert refused.status_code == 400
    assert "does not have a payment method" in refused.json()["error"]["message"]
    assert (await found(gateway, setup)).status is SetupStatus.REQUIRES_PAYMENT_METHOD


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"foo": "1"}, "parameter_unknown", "foo"),
        ({"payment_method_types[0]": "card"}, "parameter_unknown", "payment_method_types"),
        ({"usage": "sometimes"}, None, "usage"),
        ({"customer": "cus_absent"}, "resource_missing", "customer"),
        ({"payment_method": "pm_absent"}, "resource_missing", "payment_method"),
        ({"confirm": "false"}, None, "return_url"),
    ],
)
async def test_a_wrong_setup_is_refused_as_stripe_does(
    sandbox: Sandbox, change: dict[str, str], code: str | None, param: str
) -> None:
    before = len(await sandbox.events())
    answer = await post(sandbox, "/v1/setup_intents", SAVE | change)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error["param"]) == (400, code, param)
    assert len(await sandbox.events()) == before


async def test_a_setup_ends_once(sandbox: Sandbox) -> None:
    done = await new(sandbox, "/v1/setup_intents", SAVE)
    again = await post(sandbox, f"/v1/setup_intents/{done['id']}/confirm", {"payment_method": "pm_card_visa"})
    assert again.json()["error"]["code"] == "setup_intent_unexpected_state"
    late = await post(sandbox, f"/v1/setup_intents/{done['id']}/cancel", {})
    assert late.json()["error"]["code"] == "setup_intent_unexpected_state"
    asked = await new(sandbox, "/v1/setup_intents", SAVE | {"payment_method": "pm_card_authenticationRequired"})
    assert (await new(sandbox, f"/v1/setup_intents/{asked['id']}/cancel"))["status"] == "canceled"


async def test_the_same_key_is_one_setup(sandbox: Sandbox) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first, again = (
        await post(sandbox, "/v1/setup_intents", SAVE, **key),
        await post(sandbox, "/v1/setup_intents", SAVE, **key),
    )
    assert first.json() == again.json()
    refused = SAVE | {"payment_method": "pm_card_chargeDeclined"}
    declined = [await post(sandbox, "/v1/setup_intents", refused, **{"Idempotency-Key": "d" + key["Idempotency-Key"]})]
    declined.append(
        await post(sandbox, "/v1/setup_intents", refused, **{"Idempotency-Key": "d" + key["Idempotency-Key"]})
    )
    assert [one.status_code for one in declined] == [402, 402]
    assert declined[0].json() == declined[1].json()


async def test_nobody_knows_is_said_so(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    card = await sandbox.saved_card(customer_id)
    for fault in ("server_error", "rate_limit", "lose_answer"):
        await sandbox.fault(fault, path="/v1/setup_intents")
        with pytest.raises(GatewayUnavailable):
            await begun(gateway, customer_id)
        await sandbox.fault(fault, path="/v1/customers", method="GET")
        with pytest.raises(GatewayUnavailable):
            await gateway.payment_methods(customer_id)
    await sandbox.fault("lose_answer", path=f"/v1/payment_methods/{card}/detach")
    await gateway.detach(card)  # the answer was lost, the card is found to be gone
    assert await gateway.payment_methods(customer_id) == []


async def test_ten_at_once_leave_one_default(gateway: Gateway, sandbox: Sandbox) -> None:
    customer_id = await customer_of(gateway)
    cards = [await sandbox.saved_card(customer_id) for _ in range(3)]
    await asyncio.gather(*(gateway.make_default(customer_id, card) for card in cards * 3))
    assert [one.is_default for one in await gateway.payment_methods(customer_id)].count(True) == 1
