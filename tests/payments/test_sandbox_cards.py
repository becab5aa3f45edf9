"""Cards in the sandbox: whose they are, how often they pay, which are refused, and what comes after a decline."""

import time

import pytest

from app.embedded.stripe import attempts, payment_intents
from app.embedded.stripe.calls import Call
from app.embedded.stripe.cards import CARDS, luhn
from app.embedded.stripe.parameters import decode
from app.embedded.stripe.state import State
from tests.payments.asking import CARD, PAY, new, post
from tests.payments.charging import RETURN_URL
from tests.payments.sandbox import (
    PUBLISHABLE_KEY,
    Sandbox,
)


async def test_the_page_creates_a_card_across_origins(sandbox: Sandbox) -> None:
    headers = {"Origin": "http://portal.example", "Access-Control-Request-Method": "POST"}
    preflight = await sandbox.raw.options("/v1/payment_methods", headers=headers)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    answer = await post(sandbox, "/v1/payment_methods", CARD, Authorization=f"Bearer {PUBLISHABLE_KEY}")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    refused = await post(
        sandbox, "/v1/payment_methods", CARD | {"card[cvc]": "1"}, Authorization=f"Bearer {PUBLISHABLE_KEY}"
    )
    assert refused.headers["access-control-allow-origin"] == "*", "the page must be able to read the refusal"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"card[number]": "4242424242424241"}, "incorrect_number"),
        ({"card[number]": "42"}, "incorrect_number"),
        ({"card[number]": "4242x"}, "incorrect_number"),
        ({"card[number]": "4539578763621486"}, "card_declined"),  # a right number of no test card
        ({"card[exp_month]": "13"}, "invalid_expiry_month"),
        ({"card[exp_month]": "0"}, "invalid_expiry_month"),
        ({"card[exp_year]": "2020"}, "invalid_expiry_year"),
        ({"card[cvc]": "12"}, "invalid_cvc"),
    ],
)
async def test_a_card_that_can_not_be_is_refused(sandbox: Sandbox, change: dict[str, str], code: str) -> None:
    answer = await post(sandbox, "/v1/payment_methods", CARD | change)
    assert answer.status_code == 402
    assert (answer.json()["error"]["type"], answer.json()["error"]["code"]) == ("card_error", code)


async def test_test_names_give_a_new_payment_method_each_time(sandbox: Sandbox) -> None:
    first = (await sandbox.raw.get("/v1/payment_methods/pm_card_visa")).json()
    second = (await sandbox.raw.get("/v1/payment_methods/pm_card_visa")).json()
    assert first["id"] != second["id"]
    assert first["card"]["last4"] == second["card"]["last4"] == "4242"


async def test_a_payment_method_of_another_customer_is_refused(sandbox: Sandbox) -> None:
    mine, other = [(await new(sandbox, "/v1/customers"))["id"] for _ in range(2)]
    card = (await new(sandbox, "/v1/payment_methods/pm_card_visa/attach", {"customer": other}))["id"]
    before = len(await sandbox.events())
    for change, words in (({"customer": mine}, "does not have a payment method"), ({}, "belongs to the Customer")):
        answer = await post(sandbox, "/v1/payment_intents", PAY | change | {"payment_method": card})
        assert answer.status_code == 400
        assert words in answer.json()["error"]["message"]
        assert answer.json()["error"]["param"] == "payment_method"
    assert len(await sandbox.events()) == before
    paid = await new(sandbox, "/v1/payment_intents", PAY | {"customer": other, "payment_method": card})
    assert paid["status"] == "succeeded"
    again = await new(sandbox, "/v1/payment_intents", PAY | {"customer": other, "payment_method": card})
    assert again["status"] == "succeeded", "an attached card can be used again"
    twice = await post(sandbox, f"/v1/payment_methods/{card}/attach", {"customer": mine})
    assert "already been attached" in twice.json()["error"]["message"]


async def test_an_unattached_payment_method_can_be_used_once(sandbox: Sandbox) -> None:
    card = await sandbox.card()
    assert (await new(sandbox, "/v1/payment_intents", PAY | {"payment_method": card}))["status"] == "succeeded"
    again = await post(sandbox, "/v1/payment_intents", PAY | {"payment_method": card})
    assert "may not be used again" in again.json()["error"]["message"]


async def test_a_card_set_up_for_later_is_attached_and_pays_without_the_customer(sandbox: Sandbox) -> None:
    customer = (await new(sandbox, "/v1/customers"))["id"]
    card = await sandbox.card("4000002500003155")
    form = PAY | {"customer": customer, "payment_method": card, "setup_future_usage": "off_session"}
    asked = await new(sandbox, "/v1/payment_intents", form)
    assert asked["status"] == "requires_action"
    await sandbox.authenticate(asked["next_action"]["redirect_to_url"]["url"])
    kept = (await sandbox.raw.get(f"/v1/customers/{customer}/payment_methods")).json()
    assert [method["id"] for method in kept["data"]] == [card]
    later = PAY | {"customer": customer, "payment_method": card, "off_session": "true"}
    assert (await new(sandbox, "/v1/payment_intents", later))["status"] == "succeeded"


async def test_a_decline_leaves_an_intent_that_another_card_can_pay(sandbox: Sandbox) -> None:
    declined = await post(sandbox, "/v1/payment_intents", PAY | {"payment_method": "pm_card_chargeDeclined"})
    error = declined.json()["error"]
    assert declined.status_code == 402
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", "card_declined", "generic_decline")
    intent = error["payment_intent"]
    assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["charge"] == error["charge"] == intent["latest_charge"]
    form = {"payment_method": "pm_card_visa", "return_url": RETURN_URL}
    paid = await new(sandbox, f"/v1/payment_intents/{intent['id']}/confirm", form)
    assert (paid["status"], paid["last_payment_error"]) == ("succeeded", None)
    again = await post(sandbox, f"/v1/payment_intents/{intent['id']}/confirm", form)
    assert again.json()["error"]["code"] == "payment_intent_unexpected_state"


async def test_left_alone_a_payment_in_processing_ends_by_itself() -> None:
    now = [time.time()]
    state = State(":memory:", clock=lambda: now[0])
    [create] = [op for op in payment_intents.OPERATIONS if (op.method, op.path) == ("POST", "/v1/payment_intents")]
    form = PAY | {"payment_method": "pm_card_sandboxProcessing"}
    call = Call(state, "http://sandbox.example", parameters=create.parameters.read(decode(form.items())))
    waiting = create.answer(call)
    assert waiting["status"] == "processing"
    now[0] += 9
    attempts.settle_due(call)
    assert (state.find("payment_intent", waiting["id"]) or {})["status"] == "processing"
    now[0] += 2
    attempts.settle_due(call)
    assert (state.find("payment_intent", waiting["id"]) or {})["status"] == "succeeded"
    state.close()


def test_every_test_card_has_a_right_check_digit() -> None:
    assert [card.number for card in CARDS if not luhn(card.number)] == []
    assert not luhn("4242424242424241")
