"""The endpoint itself: what it refuses and how it says so, and the inbox under many events at once."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe
import structlog
from starlette.applications import Starlette
from starlette.routing import Route

from app.payments.gateway import Gateway
from app.payments.outcomes import StripeEvent
from app.services.inbox import Inbox, NotStored
from app.webhooks import MAX_BODY_BYTES, StripeWebhook
from tests.auth.serving import new_browser, serving
from tests.conftest import Urls
from tests.payments.sandbox import WEBHOOK_SECRET
from tests.scenarios.portal import Buying

DIGITS = "4242424242424242"


def event(**changes: Any) -> dict[str, Any]:
    """An event that nobody handles, about a customer whose name must not get into any log."""
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "customer.updated",
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": {"id": "cus_1", "object": "customer", "name": "Olivia Secretive", "card": DIGITS}},
    } | changes


def sign(body: str, secret: str = WEBHOOK_SECRET, age: int = 0) -> dict[str, str]:
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, secret, int(time.time()) - age)}


def signed(text: str, **how: Any) -> tuple[bytes, dict[str, str]]:
    return text.encode(), sign(text, **how)


def deep() -> str:
    return json.dumps(event()).replace('"created"', '"deep": ' + "[" * 120 + "]" * 120 + ', "created"')


Sent = tuple[bytes, dict[str, str]]
REFUSED: dict[str, tuple[Callable[[], Sent], int, str]] = {
    "unsigned": (lambda: (json.dumps(event()).encode(), {}), 400, "There is no Stripe-Signature header."),
    "a header that is none": (
        lambda: (json.dumps(event()).encode(), {"Stripe-Signature": "please"}),
        400,
        "The Stripe-Signature header is not of the form t=...,v1=...",
    ),
    "signed by somebody else": (
        lambda: signed(json.dumps(event()), secret="whsec_somebody_elses"),
        400,
        "The signature does not fit this body and this endpoint's signing secret.",
    ),
    "signed too long ago": (
        lambda: signed(json.dumps(event()), age=301),
        400,
        "The signature is older than 300 seconds.",
    ),
    "cut off": (lambda: signed(json.dumps(event())[:-1]), 400, "The body is not JSON: "),
    "nested too deeply": (lambda: signed(deep()), 400, "The body is nested deeper than 100 levels."),
    "no event": (
        lambda: signed(json.dumps({"id": "cus_1", "object": "customer"})),
        400,
        "The body is no event of Stripe's: its data is no object.",
    ),
    "of live mode": (
        lambda: signed(json.dumps(event(livemode=True, id="evt_live"))),
        400,
        "This portal takes events of test mode; evt_live is of live mode.",
    ),
    "of a connected account": (
        lambda: signed(json.dumps(event(account="acct_other", id="evt_other"))),
        400,
        "This portal takes events of its own Stripe account; evt_other comes from a connected account.",
    ),
    "too large": (
        lambda: signed(json.dumps(event(padding="x" * MAX_BODY_BYTES))),
        413,
        "The body is larger than 262144 bytes (256 KiB).",
    ),
}


async def kept(buying: Buying) -> tuple[int, int]:
    """How many events the inbox has, and how many jobs were ever made for one."""
    row = await buying.portal.inspector.fetchrow(
        "SELECT (SELECT count(*) FROM webhook_events),"
        " (SELECT count(*) FROM pgqueuer_log WHERE entrypoint = 'stripe.event' AND status = 'queued')"
    )
    return row[0], row[1]


@pytest.mark.parametrize(("make", "status", "text"), REFUSED.values(), ids=list(REFUSED))
async def test_what_is_refused_is_refused_by_name_and_leaves_nothing(
    buying: Buying, make: Callable[[], Sent], status: int, text: str
) -> None:
    await buying.worked()
    before = await kept(buying)
    body, headers = make()
    with structlog.testing.capture_logs() as logged:
        answer = await buying.answer(body, headers)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(text)
    assert await kept(buying) == before
    [refusal] = [one for one in logged if one["event"] == "webhook.refused"]
    assert (refusal["log_level"], refusal["reason"]) == ("warning", answer.json()["error"])
    for secret in (WEBHOOK_SECRET, "Secretive", DIGITS, headers.get("Stripe-Signature", "none at all")[-64:]):
        assert secret not in str(logged) + answer.text


async def test_an_event_with_an_account_of_null_is_ours(buying: Buying) -> None:
    mine = event(account=None)
    assert await buying.webhook(mine) == 200
    assert await buying.inbox(mine["id"]) is not None


async def test_many_at_once_are_each_kept_once(buying: Buying) -> None:
    """Forty deliveries of one event among a hundred others, through one endpoint and past it by another process' inbox."""
    await buying.worked()
    before = await kept(buying)
    same, others = event(), [event() for _ in range(100)]
    bodies = [json.dumps(one) for one in [*[same] * 20, *others, *[same] * 20]]
    async with new_browser(limits=httpx.Limits(max_connections=32)) as browser:
        answers = await asyncio.gather(
            *(browser.post(buying.portal.webhook_url, content=body, headers=sign(body)) for body in bodies)
        )
    assert {answer.status_code for answer in answers} == {200}
    await buying.worked()
    after = await kept(buying)
    assert (after[0] - before[0], after[1] - before[1]) == (101, 101)
    for one in [same, *others]:
        row = await buying.inbox(one["id"])
        assert row is not None
        assert (row["processed_at"] is not None, row["retry_count"]) == (True, 0)
        assert json.loads(row["payload"]) == one


async def test_processes_that_store_the_same_events_keep_each_once(
    buying: Buying, urls: Urls, gateway: Gateway
) -> None:
    bodies = [json.dumps(event()) for _ in range(60)]
    events = [gateway.parse_event(body.encode(), sign(body)["Stripe-Signature"]) for body in bodies]
    inboxes = [Inbox(urls.worker) for _ in range(4)]
    orders = [events, events[::-1], events[30:] + events[:30], events[::2] + events[1::2]]
    stored = await asyncio.gather(
        *(inbox.store(one) for inbox, order in zip(inboxes, orders, strict=True) for one in order)
    )
    assert sum(stored) == len(events)
    await asyncio.gather(*(inbox.close() for inbox in inboxes))


async def test_an_event_that_the_database_refuses_costs_no_other(urls: Urls, gateway: Gateway) -> None:
    inbox = Inbox(urls.worker)
    good = [json.dumps(event()) for _ in range(3)]
    events = [gateway.parse_event(body.encode(), sign(body)["Stripe-Signature"]) for body in good]
    bad = StripeEvent("evt_bad", "x", False, 1, None, "customer", "cus_1", {}, "no JSON")
    outcomes = await asyncio.gather(*(inbox.store(one) for one in [bad, *events, bad]), return_exceptions=True)
    assert [type(one) for one in outcomes] == [NotStored, bool, bool, bool, NotStored]
    assert await asyncio.gather(*(inbox.store(one) for one in events)) == [False] * 3
    await inbox.close()


async def test_an_event_that_comes_as_the_last_one_was_stored_is_stored_too(
    urls: Urls, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the very turn of the loop in which the answer about the first one is read."""
    bodies = [json.dumps(event()) for _ in range(2)]
    first, second = (gateway.parse_event(body.encode(), sign(body)["Stripe-Signature"]) for body in bodies)
    inbox = Inbox(urls.worker)
    insert, read = inbox._insert, asyncio.get_running_loop().create_future()
    inserted = asyncio.Event()

    async def insert_and_wait(events: dict[str, StripeEvent]) -> set[str]:
        new = await insert(events)
        inserted.set()
        await read
        return new

    monkeypatch.setattr(inbox, "_insert", insert_and_wait)
    storing = asyncio.create_task(inbox.store(first))
    await inserted.wait()
    read.set_result(None)
    late = asyncio.create_task(inbox.store(second))
    assert await asyncio.wait_for(asyncio.gather(storing, late), 10) == [True, True]
    await inbox.close()


async def test_without_a_database_stripe_is_asked_to_come_again(gateway: Gateway) -> None:
    inbox = Inbox("postgresql://portal_worker@127.0.0.1:9/nowhere")
    take = StripeWebhook(gateway, inbox, livemode=False)
    body = json.dumps(event(id="evt_early"))
    async with (
        serving(lambda _: Starlette(routes=[Route("/hook", take, methods=["POST"])])) as url,
        new_browser() as browser,
    ):
        answer = await browser.post(f"{url}/hook", content=body, headers=sign(body))
    assert answer.status_code == 503
    assert answer.json() == {"error": "evt_early could not be stored just now. Please send it again."}
    await inbox.close()


async def test_connections_that_the_database_has_closed_are_replaced(buying: Buying) -> None:
    assert await buying.webhook(event()) == 200
    await buying.portal.inspector.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = 'portal_worker' AND datname = current_database() AND query LIKE '%webhook_events%'"
    )
    late = event()
    statuses = [await buying.webhook(late) for _ in range(3)]
    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200
    assert await buying.inbox(late["id"]) is not None
