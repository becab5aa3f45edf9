"""The sandbox itself, asked by hand: Stripe's refusals, shapes and ids; what it remembers and what it must not."""

import contextlib
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe
from starlette.applications import Starlette
from starlette.routing import Mount

from app.embedded.stripe import create_app
from app.embedded.stripe.cards import CARDS
from app.embedded.stripe.state import State
from app.payments.gateway import Gateway
from app.payments.outcomes import RequiresAction, Succeeded
from tests.payments import stripe_shapes
from tests.payments.asking import CARD, PAY, SAVE, new, post
from tests.payments.charging import charge
from tests.payments.sandbox import (
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Sandbox,
    connected,
    on_loopback,
    serving,
)


@pytest.mark.parametrize(
    ("change", "code", "param", "message"),
    [
        ({"foo": "1"}, "parameter_unknown", "foo", "Received unknown parameter: foo"),
        ({"foo": "1", "bar": "2"}, "parameter_unknown", "foo", "Received unknown parameters: foo, bar"),
        (
            {"automatic_payment_methods[x]": "1"},
            "parameter_unknown",
            "automatic_payment_methods[x]",
            "Received unknown parameter: automatic_payment_methods[x]",
        ),
        ({"payment_method_types[0]": "card"}, "parameter_unknown", "payment_method_types", None),
        ({"amount": "950.00"}, "parameter_invalid_integer", "amount", "Invalid integer: 950.00"),
        ({"amount": "NaN"}, "parameter_invalid_integer", "amount", "Invalid integer: NaN"),
        ({"amount": "0"}, "parameter_invalid_integer", "amount", "greater than or equal to 1"),
        ({"amount": "-5"}, "parameter_invalid_integer", "amount", "greater than or equal to 1"),
        ({"amount": "49"}, "amount_too_small", "amount", "Amount must be at least $0.50 usd"),
        ({"amount": "100000000"}, "amount_too_large", "amount", "no more than $999,999.99"),
        ({"currency": "xyz"}, None, "currency", "Invalid currency: xyz"),
        ({"currency": ""}, "parameter_invalid_empty", "currency", "You passed an empty string for 'currency'"),
        ({"confirm": "yes"}, None, "confirm", "Invalid boolean: yes"),
        ({"return_url": "javascript:alert(1)"}, "url_invalid", "return_url", "Not a valid URL"),
        ({"expand[0]": "nonsense"}, None, "expand", "This property cannot be expanded (nonsense)."),
        ({"confirm": "false"}, None, "return_url", "also passing `confirm`=true"),
        ({"customer": "cus_absent"}, "resource_missing", "customer", "No such customer: 'cus_absent'"),
        ({"payment_method": "pm_absent"}, "resource_missing", "payment_method", "No such PaymentMethod"),
        ({"metadata[k]": "v" * 501}, None, "metadata[k]", "500 characters"),
    ],
)
async def test_a_wrong_request_is_refused_as_stripe_does(
    sandbox: Sandbox, change: dict[str, str], code: str | None, param: str, message: str | None
) -> None:
    before = len(await sandbox.events())
    answer = await post(sandbox, "/v1/payment_intents", PAY | change)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", code, param)
    assert message is None or message in error["message"]
    assert len(await sandbox.events()) == before


async def test_missing_parameters_are_named(sandbox: Sandbox) -> None:
    error = (await post(sandbox, "/v1/payment_intents", {"currency": "usd"})).json()["error"]
    assert (error["message"], error["code"], error["param"]) == (
        "Missing required param: amount.",
        "parameter_missing",
        "amount",
    )


async def test_without_a_return_url_redirects_must_be_ruled_out(sandbox: Sandbox) -> None:
    form = {name: value for name, value in PAY.items() if name != "return_url"}
    refused = await post(sandbox, "/v1/payment_intents", form)
    assert refused.json()["error"]["param"] == "return_url"
    assert (await new(sandbox, "/v1/payment_intents", form | {"automatic_payment_methods[allow_redirects]": "never"}))[
        "status"
    ] == "succeeded"


async def test_keys(sandbox: Sandbox) -> None:
    for header, path, status, words in [
        ("", "/v1/customers", 401, "You did not provide an API key"),
        ("Bearer sk_test_wrong_and_secret", "/v1/customers", 401, "Invalid API Key provided: sk_test_****cret"),
        (f"Bearer {PUBLISHABLE_KEY}", "/v1/customers", 401, "cannot be made with a publishable API key"),
        (f"Bearer {PUBLISHABLE_KEY}", "/v1/payment_intents", 401, "cannot be made with a publishable API key"),
        ("Basic " + b64encode(f"{SECRET_KEY}:".encode()).decode(), "/v1/customers", 200, None),
    ]:
        answer = await sandbox.raw.post(path, headers={"Authorization": header})
        assert answer.status_code == status
        assert words is None or words in answer.json()["error"]["message"]


async def test_a_deleted_customer_is_gone(sandbox: Sandbox) -> None:
    customer = (await new(sandbox, "/v1/customers", {"email": "a@example.com"}))["id"]
    card = (await new(sandbox, "/v1/payment_methods/pm_card_visa/attach", {"customer": customer}))["id"]
    gone = (await sandbox.raw.delete(f"/v1/customers/{customer}")).json()
    assert gone == {"id": customer, "object": "customer", "deleted": True}
    assert (await sandbox.raw.get(f"/v1/customers/{customer}")).json() == gone
    refused = await post(sandbox, "/v1/payment_intents", PAY | {"customer": customer, "payment_method": card})
    assert refused.json()["error"]["code"] == "resource_missing"
    used_up = await post(sandbox, "/v1/payment_intents", PAY | {"payment_method": card})
    assert "may not be used again" in used_up.json()["error"]["message"]


async def test_customers_are_changed_and_listed(sandbox: Sandbox) -> None:
    email = f"{uuid4()}@example.com"
    customer = await new(sandbox, "/v1/customers", {"email": email, "metadata[a]": "1", "metadata[b]": "2"})
    changed = await new(sandbox, f"/v1/customers/{customer['id']}", {"name": "N", "metadata[a]": ""})
    assert (changed["name"], changed["email"], changed["metadata"]) == ("N", email, {"b": "2"})
    page = (await sandbox.raw.get("/v1/customers", params={"email": email})).json()
    assert [entry["id"] for entry in page["data"]] == [customer["id"]]
    assert (await post(sandbox, "/v1/customers", {"email": "nobody"})).json()["error"]["code"] == "email_invalid"


async def test_lists_have_pages(sandbox: Sandbox) -> None:
    customer = (await new(sandbox, "/v1/customers"))["id"]
    made = [(await new(sandbox, "/v1/payment_intents", PAY | {"customer": customer}))["id"] for _ in range(3)]
    path, query = "/v1/payment_intents", {"customer": customer, "limit": "2", "expand[0]": "data.latest_charge"}
    first = (await sandbox.raw.get(path, params=query)).json()
    assert [entry["id"] for entry in first["data"]] == made[:0:-1]
    assert first["has_more"] is True
    assert first["data"][0]["latest_charge"]["paid"] is True
    rest = (await sandbox.raw.get(path, params=query | {"starting_after": made[1]})).json()
    assert ([entry["id"] for entry in rest["data"]], rest["has_more"]) == (made[:1], False)


async def test_a_list_of_a_time(sandbox: Sandbox) -> None:
    customer = (await new(sandbox, "/v1/customers"))["id"]
    made = await new(sandbox, "/v1/payment_intents", PAY | {"customer": customer})
    second = made["created"]
    for bounds, there in (
        ({"created": f"{second}"}, True),
        ({"created": f"{second + 1}"}, False),
        ({"created[gte]": f"{second}", "created[lt]": f"{second + 1}"}, True),
        ({"created[gt]": f"{second}"}, False),
        ({"created[lt]": f"{second}"}, False),
        ({"created[lte]": f"{second}"}, True),
    ):
        page = (await sandbox.raw.get("/v1/payment_intents", params={"customer": customer} | bounds)).json()
        assert [entry["id"] for entry in page["data"]] == ([made["id"]] if there else []), bounds
    for wrong in ({"created[since]": "1"}, {"created": "yesterday"}, {"created[gte]": "1.5"}, {"until": "1"}):
        refused = await sandbox.raw.get("/v1/payment_intents", params=wrong)
        assert refused.status_code == 400, wrong


async def test_subscriptions_are_listed(sandbox: Sandbox, gateway: Gateway) -> None:
    assert await gateway.subscription_statuses() == {}
    for wrong in ({"status": "asleep"}, {"created[since]": "1"}, {"name": "x"}):
        assert (await sandbox.raw.get("/v1/subscriptions", params=wrong)).status_code == 400, wrong


async def test_the_page_before(sandbox: Sandbox) -> None:
    customer = (await new(sandbox, "/v1/customers"))["id"]
    made = [(await new(sandbox, "/v1/payment_intents", PAY | {"customer": customer}))["id"] for _ in range(4)]
    path, query = "/v1/payment_intents", {"customer": customer, "limit": "2"}
    page = (await sandbox.raw.get(path, params=query | {"ending_before": made[0]})).json()
    assert ([entry["id"] for entry in page["data"]], page["has_more"]) == ([made[2], made[1]], True)
    page = (await sandbox.raw.get(path, params=query | {"ending_before": made[2]})).json()
    assert ([entry["id"] for entry in page["data"]], page["has_more"]) == ([made[3]], False)
    both = await sandbox.raw.get(path, params=query | {"ending_before": made[0], "starting_after": made[3]})
    assert both.status_code == 400


async def test_one_key_for_two_endpoints_is_refused(sandbox: Sandbox) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = await post(sandbox, "/v1/customers", {}, **key)
    replayed = await post(sandbox, "/v1/customers", {}, **key)
    assert replayed.json() == first.json()
    assert replayed.headers["idempotent-replayed"] == "true"
    assert replayed.headers["original-request"] == first.headers["request-id"] != replayed.headers["request-id"]
    other = await post(sandbox, "/v1/payment_methods", CARD, **key)
    assert other.json()["error"]["type"] == "idempotency_error"
    assert "('/v1/payment_methods' vs '/v1/customers')" in other.json()["error"]["message"]


async def test_a_refused_request_leaves_its_key_free(sandbox: Sandbox) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    assert (await post(sandbox, "/v1/payment_intents", PAY | {"amount": "1"}, **key)).status_code == 400
    assert (await post(sandbox, "/v1/payment_intents", PAY, **key)).status_code == 200


def test_a_key_lives_a_day() -> None:
    now = [1_000_000.0]
    state = State(":memory:", clock=lambda: now[0])
    state.remember("k", "/v1/x", "f", status=200, body="{}", request_id="req_1")
    now[0] += 86_399
    assert state.remembered("k", 86_400) is not None
    now[0] += 2
    assert state.remembered("k", 86_400) is None
    state.close()


async def test_what_is_not_there_is_404(sandbox: Sandbox) -> None:
    for path, kind in (("payment_intents", "payment_intent"), ("payment_methods", "PaymentMethod")):
        answer = await sandbox.raw.get(f"/v1/{path}/absent")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"No such {kind}: 'absent'"
    unknown = await sandbox.raw.get("/v1/nothing")
    assert unknown.status_code == 404
    assert "Unrecognized request URL (GET: /v1/nothing)" in unknown.json()["error"]["message"]


async def test_another_version_of_the_api_is_refused(sandbox: Sandbox) -> None:
    answer = await sandbox.raw.get("/v1/customers", headers={"Stripe-Version": "2017-08-15"})
    assert answer.status_code == 400


async def test_objects_are_in_the_shape_that_stripe_publishes(sandbox: Sandbox) -> None:
    customer = await new(sandbox, "/v1/customers")
    expand = {"expand[0]": "latest_charge", "expand[1]": "payment_method"}
    paid = await new(sandbox, "/v1/payment_intents", PAY | expand | {"customer": customer["id"]})
    asked = await new(sandbox, "/v1/payment_intents", PAY | {"payment_method": "pm_card_authenticationRequired"})
    refused = await post(sandbox, "/v1/payment_intents", PAY | {"payment_method": "pm_card_radarBlock"})
    error = refused.json()["error"]
    saved = await new(sandbox, "/v1/setup_intents", SAVE)
    asked_to_save = await new(sandbox, "/v1/setup_intents", SAVE | {"payment_method": "pm_card_authenticationRequired"})
    unsaved = (await post(sandbox, "/v1/setup_intents", SAVE | {"payment_method": "pm_card_chargeDeclined"})).json()[
        "error"
    ]
    made: list[tuple[dict[str, Any], type]] = [
        (saved, stripe.SetupIntent),
        (asked_to_save, stripe.SetupIntent),
        (unsaved["setup_intent"], stripe.SetupIntent),
        (unsaved, stripe.ErrorObject),
        (customer, stripe.Customer),
        (paid, stripe.PaymentIntent),
        (paid["latest_charge"], stripe.Charge),
        (paid["payment_method"], stripe.PaymentMethod),
        (asked, stripe.PaymentIntent),
        (error["payment_intent"], stripe.PaymentIntent),
        (error, stripe.ErrorObject),
        *((event, stripe.Event) for event in await sandbox.events(paid["id"])),
    ]
    assert [
        fault for thing, published in made for fault in stripe_shapes.faults(thing, published, published.__name__)
    ] == []


async def test_the_check_of_shapes_can_fail(sandbox: Sandbox) -> None:
    paid = await new(sandbox, "/v1/payment_intents", PAY)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"amount": "9500"}, "amount: '9500' is no int"),
        ({"amount": True}, "amount: True is no int"),
        ({"status": "paid"}, "status: 'paid' is none of"),
        ({"status": None}, "status: must not be null"),
        ({"charges": []}, "charges: Stripe publishes no such field"),
        ({"automatic_payment_methods": {"enable": True}}, "automatic_payment_methods.enable: Stripe publishes no"),
        ({"automatic_payment_methods": {}}, "automatic_payment_methods.enabled: missing"),
        ({"payment_method_types": "card"}, "payment_method_types: a list is wanted"),
    ]
    for change, named in wrong:
        found = stripe_shapes.faults(paid | change, stripe.PaymentIntent, "intent")
        assert any(named in fault for fault in found), (named, found)


async def test_controls_need_the_secret_key_and_sense(sandbox: Sandbox) -> None:
    nobody = {"Authorization": "Bearer wrong"}
    assert (await sandbox.raw.get("/_control/requests", headers=nobody)).status_code == 401
    assert (await sandbox.raw.post("/_control/faults", json={"knd": "x"})).status_code == 400
    assert (await sandbox.raw.post("/_control/faults", content=b"{")).status_code == 400
    assert (await sandbox.raw.post("/_control/settle", json={"payment_intent": "pi_absent"})).status_code == 404


async def test_it_remembers_over_a_restart_and_keeps_no_card_number(tmp_path: Path) -> None:
    file = tmp_path / "stripe.sqlite"
    with serving(file) as url:
        async with connected(url) as first:
            gateway = first.gateway()
            same: dict[str, Any] = {"idempotency_key": str(uuid4()), "metadata": {}}
            same["customer_id"] = await gateway.ensure_customer(
                tenant_id=uuid4(), pool_id=uuid4(), email="a@example.com", name="A"
            )
            same["payment_method_id"] = await first.card()
            paid = await charge(gateway, **same)
            asked = await charge(gateway, payment_method_id=await first.card("4000002760003184"))
            events = await first.events()
            await gateway.close()
    with serving(file) as url:
        async with connected(url) as second:
            gateway = second.gateway()
            assert isinstance(paid, Succeeded)
            assert await charge(gateway, **same) == paid
            assert await second.events() == events
            assert isinstance(asked, RequiresAction)
            assert isinstance(await gateway.payment(asked.payment_intent_id), RequiresAction)
            await gateway.close()
    _assert_no_card_number_in(tmp_path)


def _assert_no_card_number_in(directory: Path) -> None:
    everything = b"".join(path.read_bytes() for path in directory.iterdir())
    assert b'"last4": "4242"' in everything, "the last four digits are kept"
    for card in CARDS:
        assert card.number.encode() not in everything
    with contextlib.closing(sqlite3.connect(directory / "stripe.sqlite")) as db:
        cards = db.execute("SELECT body, private FROM objects WHERE kind = 'payment_method'").fetchall()
    assert len(cards) == 2
    for body, private in cards:
        assert '"123"' not in body + private, "the security code is kept nowhere"


async def test_mounted_under_a_prefix_its_pages_are_found(tmp_path: Path) -> None:
    part = create_app(
        tmp_path / "s.sqlite", secret_key=SECRET_KEY, publishable_key=PUBLISHABLE_KEY, webhook_secret=WEBHOOK_SECRET
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with part.router.lifespan_context(part):
            yield

    whole = Starlette(routes=[Mount("/stripe", app=part)], lifespan=lifespan)
    with on_loopback(whole) as base:
        async with connected(f"{base}/stripe") as mounted:
            gateway = mounted.gateway()
            paid = await charge(gateway)
            assert isinstance(paid, Succeeded)
            asked = await charge(gateway, payment_method_id="pm_card_authenticationRequired")
            assert isinstance(asked, RequiresAction)
            assert str(asked.redirect_url).startswith(f"{base}/stripe/3d-secure/pi_3")
            await mounted.authenticate(str(asked.redirect_url))
            await gateway.close()
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert (await browser.get(str(paid.receipt_url))).status_code == 200
