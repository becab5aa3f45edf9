"""Webhooks: signed as Stripe signs, delivered again until they are taken, late, twice or out of order when asked."""

import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.payments.gateway import Gateway
from app.payments.outcomes import BadEvent, BadSignature, Succeeded, outcome_of
from tests.payments.charging import charge
from tests.payments.sandbox import Sandbox, on_loopback


class Receiver:
    """A portal's webhook endpoint that verifies with Stripe's library and answers what it is told to."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.url = ""
        self.statuses: list[int] = []
        self.taken: list[dict[str, Any]] = []
        self.bodies: list[tuple[bytes, str]] = []

    async def take(self, request: Request) -> Response:
        body, header = await request.body(), request.headers["stripe-signature"]
        stripe.WebhookSignature.verify_header(body, header, self.secret, 300)
        self.bodies.append((body, header))
        self.taken.append(json.loads(body))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def types(self) -> list[str]:
        return [event["type"] for event in self.taken]


@pytest.fixture
async def receiver(sandbox: Sandbox) -> AsyncIterator[Receiver]:
    receiver = Receiver(sandbox.webhook_secret)
    with on_loopback(Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])) as base:
        receiver.url = f"{base}/hook"
        await sandbox.webhooks(url=receiver.url)
        yield receiver
        await sandbox.webhooks(url=None, mode="hold")


async def paid(gateway: Gateway) -> Succeeded:
    outcome = await charge(gateway)
    assert isinstance(outcome, Succeeded)
    return outcome


async def test_events_are_withheld_until_they_are_delivered_by_hand(
    gateway: Gateway, sandbox: Sandbox, receiver: Receiver
) -> None:
    outcome = await paid(gateway)
    assert receiver.taken == []
    delivered = await sandbox.deliver()
    assert {answer["status"] for answer in delivered} == {200}
    assert receiver.types() == [
        "customer.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]
    event = gateway.parse_event(*receiver.bodies[-1])
    assert (event.type, event.object_type, event.object_id) == (
        "payment_intent.succeeded",
        "payment_intent",
        outcome.payment_intent_id,
    )
    assert event.livemode is False
    assert event.id.startswith("evt_")
    read = outcome_of(event.payload["data"]["object"])
    assert isinstance(read, Succeeded)
    assert (read.charge_id, read.receipt_url) == (outcome.charge_id, None)
    assert await sandbox.deliver() == []


async def test_an_event_that_was_not_taken_comes_again(gateway: Gateway, sandbox: Sandbox, receiver: Receiver) -> None:
    await paid(gateway)
    receiver.statuses = [500, 200, 200, 404]
    first = await sandbox.deliver()
    assert [answer["status"] for answer in first] == [500, 200, 200, 404]
    again = await sandbox.deliver()
    assert [answer["event"] for answer in again] == [first[0]["event"], first[3]["event"]]


async def test_an_event_to_nobody_comes_again(gateway: Gateway, sandbox: Sandbox, receiver: Receiver) -> None:
    await paid(gateway)
    await sandbox.webhooks(url="http://127.0.0.1:9/hook")
    assert {answer["status"] for answer in await sandbox.deliver()} == {None}
    await sandbox.webhooks(url=receiver.url)
    assert {answer["status"] for answer in await sandbox.deliver()} == {200}


async def test_events_come_twice_and_backwards_when_asked(
    gateway: Gateway, sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.webhooks(copies=2, order="reversed")
    await paid(gateway)
    await sandbox.deliver()
    assert receiver.types()[:4] == ["payment_intent.succeeded"] * 2 + ["charge.succeeded"] * 2
    assert receiver.taken[0]["id"] == receiver.taken[1]["id"]


async def test_events_can_come_before_the_answer(gateway: Gateway, sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.webhooks(mode="auto")
    await sandbox.fault("slow_after", path="/v1/payment_intents", seconds=1.0)
    # The webhook loop is woken when the work is done; the answer follows a second later.
    await paid(gateway)
    answered = time.time()
    assert "payment_intent.succeeded" in receiver.types()
    signed = int(receiver.bodies[-1][1].split(",")[0].removeprefix("t="))
    assert signed <= answered


def signed(body: bytes, secret: str, timestamp: int | None = None) -> str:
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp))


EVENT = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "created": 1,
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
    }
).encode()


def test_a_right_signature_is_taken(gateway: Gateway, sandbox: Sandbox) -> None:
    event = gateway.parse_event(EVENT, signed(EVENT, sandbox.webhook_secret, int(time.time()) - 290))
    assert (event.id, event.object_id, event.payload["created"]) == ("evt_1", "pi_1", 1)


def test_a_wrong_signature_is_refused(gateway: Gateway, sandbox: Sandbox) -> None:
    secret = sandbox.webhook_secret
    right = signed(EVENT, secret)
    unfit = "does not fit this body and this endpoint's signing secret"
    cases = {
        "another secret": (EVENT, signed(EVENT, "whsec_other"), unfit),
        "another body": (EVENT.replace(b"evt_1", b"evt_2"), right, unfit),
        "too old": (EVENT, signed(EVENT, secret, int(time.time()) - 301), "older than 300 seconds"),
        "a moved time": (EVENT, right.replace("t=1", "t=2", 1), unfit),
        "another scheme": (EVENT, right.replace("v1=", "v0="), "no signature of the scheme v1"),
        "no header": (EVENT, "", "There is no Stripe-Signature header"),
        "nonsense": (EVENT, "nonsense", "is not of the form t=...,v1=..."),
        "no hexadecimal": (EVENT, right.partition("v1=")[0] + "v1=\u00e9", unfit),
    }
    for name, (body, header, reason) in cases.items():
        with pytest.raises(BadSignature) as refused:
            gateway.parse_event(body, header)
        assert reason in refused.value.reason, name
        assert secret not in str(refused.value), name


def test_every_header_is_judged_as_by_stripes_own_library(gateway: Gateway, sandbox: Sandbox) -> None:
    secret, now = sandbox.webhook_secret, int(time.time())
    right = signed(EVENT, secret, now).partition("v1=")[2]
    other = signed(EVENT, "whsec_other", now).partition("v1=")[2]
    headers = [
        f"t={now},v1={right}", f"v1={right},t={now}", f"t={now},v1={other},v1={right}", f"t={now},v0={other},v1={right}",
        f"t={now},v1={right},v1={other}", f"t={now},v1={right},x", f"t={now},v1={right},", f"t= {now} ,v1={right}",
        f"t={now},v1={other}", f"t={now},v1={right.upper()}", f"t={now},v1={right[:-1]}", f"t={now},v1=", f"t={now},v1",
        f"t={now}", f"t={now},v0={right}", f"t={now + 1},v1={right}", f"t=,v1={right}", f"t,v1={right}", f"v1={right}",
        f"t=x,v1={right}", f"t={now}, v1={right}", f"T={now},V1={right}", f"t=x,t={now},v1={right}", f"t={now},t=x,v1={right}",
        f"t={now};v1={right}", "t=,v1=", ",", "=", " ", signed(EVENT, secret, now - 400), signed(EVENT, secret, now - 200),
        signed(EVENT, secret, now + 400), signed(EVENT, secret, -1),
    ]  # fmt: skip
    judged = []
    for header in headers:
        try:
            gateway.parse_event(EVENT, header)
            ours = True
        except BadSignature:
            ours = False
        try:
            stripe.WebhookSignature.verify_header(EVENT, header, secret, 300)
            theirs = True
        except stripe.SignatureVerificationError:
            theirs = False
        judged.append((header, ours, theirs))
    assert [one for one in judged if one[1] is not one[2]] == []
    assert 8 < sum(ours for _, ours, _ in judged) < len(headers) - 8  # of either kind enough


def changed(**values: Any) -> bytes:
    return json.dumps({key: value for key, value in (json.loads(EVENT) | values).items() if value is not None}).encode()


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    """The event with so many levels of objects and lists, itself included."""
    deep = opening * (levels - 1) + closing * (levels - 1)
    return EVENT.replace(b'"created": 1', b'"created": 1, "deep": ' + deep.encode())


NO_EVENTS = {
    "not JSON": (b"{", "The body is not JSON: "),
    "nothing": (b"", "The body is not JSON: "),
    "not UTF-8": (b"\xff", "The body is not UTF-8."),
    "infinite": (EVENT.replace(b'"created": 1', b'"created": Infinity'), "The body is not JSON: "),
    "half a character": (EVENT.replace(b'"evt_1"', b'"\\ud800"'), "The body is not JSON: "),
    "an object without anything": (b"{}", "its data is no object"),
    "a list": (b"[]", "it is no object"),
    "no data": (changed(data=None), "its data is no object"),
    "about nothing": (changed(data={"object": "pi_1"}), "its data.object is no object"),
    "no id": (changed(id=None), "it has no id"),
    "an id that is none": (changed(id="evt 1; DROP"), "it has no id"),
    "a long id": (changed(id="evt_" + "1" * 97), "it has no id"),
    "a number for a type": (changed(type=1), "its type is missing or wrong"),
    "no mode": (changed(livemode="false"), "its livemode is missing or wrong"),
    "deep": (nested(101), "The body is nested deeper than 100 levels."),
    "deep objects": (nested(101, '{"a":', "}").replace(b'{"a":}', b"{}"), "The body is nested deeper than 100 levels."),
    "very deep": (nested(100_000), "The body is not JSON: "),
}


@pytest.mark.parametrize(("body", "reason"), NO_EVENTS.values(), ids=list(NO_EVENTS))
def test_what_is_no_event_is_refused_though_it_is_signed(
    gateway: Gateway, sandbox: Sandbox, body: bytes, reason: str
) -> None:
    moment = int(time.time())
    right = hmac.new(sandbox.webhook_secret.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()
    with pytest.raises(BadEvent) as refused:
        gateway.parse_event(body, f"t={moment},v1={right}")
    assert reason in refused.value.reason
    assert len(refused.value.reason) < 200


def test_what_is_as_deep_as_it_may_be_is_taken(gateway: Gateway, sandbox: Sandbox) -> None:
    for body in (nested(100), EVENT.replace(b'"created": 1', b'"created": 1, "wide": [' + b"[]," * 500 + b"[]]")):
        assert gateway.parse_event(body, signed(body, sandbox.webhook_secret)).id == "evt_1"


def test_a_character_that_the_database_cannot_keep_costs_no_event(gateway: Gateway, sandbox: Sandbox) -> None:
    body = EVENT.replace(b'"created": 1', rb'"created": 1, "name": "a\u0000b", "path": "c:\\u0000"')
    event = gateway.parse_event(body, signed(body, sandbox.webhook_secret))
    assert (event.payload["name"], event.payload["path"]) == ("a\ufffdb", "c:\\u0000")
    assert json.loads(event.text) == event.payload


def test_without_a_secret_nothing_is_taken(sandbox: Sandbox) -> None:
    gateway = Gateway(api_key="sk_test_x", webhook_secret="")
    with pytest.raises(BadSignature, match="No webhook secret is set"):
        gateway.parse_event(EVENT, signed(EVENT, ""))
