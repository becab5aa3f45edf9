"""Webhooks: before, after, twice, out of order, forged, foreign. Credits come once, and what is wrong stays visible."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import stripe

from app.payments.gateway import Gateway
from app.services.inbox import PARKED_AFTER
from app.services.stripe_events.handler import NotAnswered, Services
from app.services.stripe_events.registry import handle
from app.webhooks import MAX_BODY_BYTES
from tests.payments.sandbox import WEBHOOK_SECRET
from tests.scenarios.portal import INTENTS, Buying, until

BOUGHT = ["subscription_grant", "purchase", "bonus_grant"]


def event(kind: str = "payment_intent.succeeded", *, livemode: bool = False, **about: Any) -> dict[str, Any]:
    """An event of our own making, in Stripe's shape."""
    thing = {"id": f"pi_{uuid4().hex}", "object": "payment_intent", "metadata": {}} | about
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": kind,
        "livemode": livemode,
        "created": int(time.time()),
        "data": {"object": thing},
    }


async def kinds(buying: Buying) -> list[str]:
    return [entry[0] for entry in await buying.entries()]


async def foreign_payment(buying: Buying, purchase_id: UUID | None, amount: int = 42_500) -> str:
    """A payment at Stripe that the portal did not start: another program's, or one with a purchase's name on it."""
    names = {"tenant_id": buying.household.tenant_id, "purchase_id": purchase_id} if purchase_id else {}
    form = {
        "amount": str(amount),
        "currency": "usd",
        "confirm": "true",
        "payment_method": await buying.sandbox.card(),
        "return_url": "http://portal.example/",
    }
    answer = await buying.sandbox.raw.post(
        INTENTS, data=form | {f"metadata[{name}]": str(value) for name, value in names.items()}
    )
    return str(answer.raise_for_status().json()["id"])


async def test_before_the_api_answers(buying: Buying) -> None:
    await buying.sandbox.fault("slow_after", path=INTENTS, seconds=1.5)
    buyer = asyncio.create_task(buying.buy())
    await until(buying.charges, "the charge")
    await buying.sandbox.deliver()
    await buying.worked()
    assert await kinds(buying) == BOUGHT
    assert not buyer.done()
    purchase_id = await buyer
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT


async def test_twice_and_backwards_after_the_answer(buying: Buying) -> None:
    purchase_id = await buying.buy()
    first = await buying.purchase(purchase_id)
    await buying.sandbox.webhooks(copies=2, order="reversed")
    delivered = await buying.sandbox.deliver()
    assert len(delivered) >= 6
    assert {one["status"] for one in delivered} == {200}
    await buying.worked()
    assert await kinds(buying) == BOUGHT
    assert await buying.purchase(purchase_id) == first
    for one in delivered:
        kept = await buying.inbox(one["event"])
        assert kept is not None
        assert kept["processed_at"] is not None


async def test_backwards_when_only_webhooks_tell(buying: Buying) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    await buying.sandbox.webhooks(copies=2, order="reversed")
    await buying.sandbox.deliver()
    await buying.worked()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT


async def test_a_late_word_of_the_bank_step_does_not_reopen_what_is_paid(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000000000003220"))
    await buying.sandbox.authenticate((await buying.purchase(purchase_id))["next_action_url"])
    await buying.sandbox.webhooks(order="reversed")  # succeeded comes before requires_action
    await buying.sandbox.deliver()
    await buying.worked()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT


async def test_two_workers_on_one_event(buying: Buying, gateway: Gateway) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    await buying.buy()
    [intent] = await buying.charges()
    events = await buying.sandbox.events(intent["id"])
    [paid] = [one for one in events if one["type"] == "payment_intent.succeeded"]
    services = Services(gateway, buying.portal.database, buying.purchasing)
    await asyncio.gather(*(handle(paid, services) for _ in range(8)))
    assert await kinds(buying) == BOUGHT


async def test_what_stripe_did_not_sign_is_refused_and_not_kept(buying: Buying) -> None:
    forged = event()
    body = json.dumps(forged).encode()
    signature = stripe.WebhookSignature.generate_signature_header(body.decode(), WEBHOOK_SECRET)
    assert await buying.post(body, {}) == 400
    assert await buying.post(body, {"Stripe-Signature": "t=1,v1=00"}) == 400
    assert await buying.post(body.replace(b"succeeded", b"canceled_"), {"Stripe-Signature": signature}) == 400
    assert await buying.webhook(forged, secret="whsec_somebody_elses") == 400
    assert await buying.webhook(forged, age=301) == 400
    assert await buying.inbox(forged["id"]) is None
    assert await buying.webhook(forged, age=290) == 200
    await buying.worked()


async def test_events_of_the_other_mode_are_refused(buying: Buying) -> None:
    live = event(livemode=True)
    assert await buying.webhook(live) == 400
    assert await buying.inbox(live["id"]) is None


@pytest.mark.parametrize(("extra", "status"), [(-1, 200), (0, 200), (1, 413)])
async def test_a_body_may_have_256_kib(buying: Buying, extra: int, status: int) -> None:
    large = event("customer.updated", padding="")
    large["data"]["object"]["padding"] = "x" * (MAX_BODY_BYTES + extra - len(json.dumps(large)))
    assert len(json.dumps(large)) == MAX_BODY_BYTES + extra
    assert await buying.webhook(large) == status
    assert (await buying.inbox(large["id"]) is None) is (status == 413)


async def test_an_unknown_type_is_kept_and_done(buying: Buying) -> None:
    unknown = event("radar.something.new")
    assert await buying.webhook(unknown) == 200
    await buying.worked()
    kept = await buying.inbox(unknown["id"])
    assert kept is not None
    assert (kept["processed_at"] is not None, kept["error"], kept["retry_count"]) == (True, None, 0)


async def test_payments_of_others_change_nothing(buying: Buying) -> None:
    before = await buying.pool()
    await foreign_payment(buying, None)
    await foreign_payment(buying, uuid4())  # our tenant's name, a purchase that does not exist
    delivered = await buying.sandbox.deliver()
    assert {one["status"] for one in delivered} == {200}
    await buying.worked()
    for one in delivered:
        kept = await buying.inbox(one["event"])
        assert kept is not None
        assert (kept["processed_at"] is not None, kept["error"]) == (True, None)
    assert await buying.pool() == before


async def test_a_second_payment_for_a_paid_purchase_credits_nothing_and_stays_visible(buying: Buying) -> None:
    purchase_id = await buying.buy()
    await buying.sandbox.deliver()
    await buying.worked()
    buying.unbalanced = True
    intent = await foreign_payment(buying, purchase_id)
    delivered = await buying.sandbox.deliver()
    await buying.worked()
    assert await kinds(buying) == BOUGHT
    [paid] = [one["event"] for one in delivered if one["type"] == "payment_intent.succeeded"]
    kept = await buying.inbox(paid)
    assert kept is not None
    assert kept["processed_at"] is None
    assert kept["error"].startswith("PaymentMismatch")
    assert intent in kept["error"]


async def test_an_amount_that_does_not_fit_never_credits_and_ends_parked(buying: Buying) -> None:
    buying.unbalanced = True
    purchase_id = await buying.buy(await buying.command("4000000000003220"))
    waiting = await buying.purchase(purchase_id)
    await buying.portal.inspector.execute(
        "UPDATE credit_purchases SET base_cents = base_cents + 1, payment_amount_cents = payment_amount_cents + 1"
        " WHERE id = $1",
        purchase_id,
    )
    await buying.sandbox.authenticate(waiting["next_action_url"])
    delivered = await buying.sandbox.deliver()
    await buying.worked()
    [paid] = [one["event"] for one in delivered if one["type"] == "payment_intent.succeeded"]
    for tries in range(1, PARKED_AFTER + 1):
        kept = await buying.inbox(paid)
        assert kept is not None
        assert kept["error"] == f"PaymentMismatch: purchase {purchase_id} is 42501 USD, Stripe took 42500 usd"
        assert (kept["retry_count"], kept["parked_at"] is not None) == (tries, tries == PARKED_AFTER)
        [told] = await buying.rows("SELECT * FROM billing_events WHERE stripe_event_id = $2", paid)
        assert (told["error"], told["retry_count"], told["processed"]) == (kept["error"], tries, False)
        assert (told["purchase_id"], told["pool_id"]) == (purchase_id, buying.household.pool_id)
        await buying.time_passes()
    kept = await buying.inbox(paid)
    assert kept is not None
    assert (kept["retry_count"], kept["processed_at"]) == (PARKED_AFTER, None)
    assert await kinds(buying) == ["subscription_grant"]
    assert (await buying.pool())["balance_available"] == Decimal(6)
    await buying.portal.inspector.execute("DELETE FROM pgqueuer WHERE entrypoint = 'purchase.finish'")


async def test_an_event_about_a_payment_that_stripe_does_not_know_is_kept_with_its_error(buying: Buying) -> None:
    names = {"tenant_id": str(buying.household.tenant_id), "purchase_id": str(uuid4())}
    unknown = event(metadata=names)
    assert await buying.webhook(unknown) == 200
    await buying.worked()
    kept = await buying.inbox(unknown["id"])
    assert kept is not None
    assert (kept["processed_at"], kept["retry_count"]) == (None, 1)
    assert "No such payment_intent" in kept["error"]


async def test_a_success_that_comes_after_a_failure_still_credits(buying: Buying) -> None:
    purchase_id = await buying.started()
    await buying.aged(purchase_id, "23 hours 1 minute")
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["failure_code"] == "never_charged"
    buying.unbalanced = True  # the payment is not this customer's: the sandbox's list does not show it
    await foreign_payment(buying, purchase_id)
    await buying.sandbox.deliver()
    await buying.worked()
    late = await buying.purchase(purchase_id)
    assert (late["status"], late["failure_code"], late["failed_at"]) == ("completed", None, None)
    assert await kinds(buying) == BOUGHT


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "lose_answer"])
async def test_an_event_whose_payment_stripe_does_not_tell_is_tried_again_and_then_closed(
    buying: Buying, fault: str
) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    [intent] = await buying.charges()
    [paid] = [one for one in await buying.sandbox.events(intent["id"]) if one["type"] == "payment_intent.succeeded"]
    await buying.sandbox.fault(fault, path=f"{INTENTS}/", method="GET", times=1000)
    assert await buying.webhook(paid) == 200
    await buying.worked()
    kept, told = await trouble(buying, paid["id"])
    assert kept["error"].startswith("NotAnswered: ")
    assert (kept["retry_count"], kept["processed_at"]) == (1, None)
    assert (told["error"], told["retry_count"], told["processed"]) == (kept["error"], 1, False)
    assert await kinds(buying) == ["subscription_grant"]
    (await buying.sandbox.steer.delete("/faults")).raise_for_status()
    await buying.time_passes()
    kept, told = await trouble(buying, paid["id"])
    assert (kept["processed_at"] is not None, kept["error"]) == (True, None)
    assert (told["processed"], told["processed_at"] is not None, told["error"]) == (True, True, None)
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT


async def trouble(buying: Buying, event_id: str) -> tuple[asyncpg.Record, asyncpg.Record]:
    """The event in the inbox, and as its tenant sees it."""
    kept = await buying.inbox(event_id)
    assert kept is not None
    [told] = await buying.rows("SELECT * FROM billing_events WHERE stripe_event_id = $2", event_id)
    return kept, told


async def test_an_event_that_comes_a_day_late_is_welcome_and_its_recording_is_not(buying: Buying) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    await buying.portal.inspector.execute("DELETE FROM pgqueuer WHERE entrypoint = 'purchase.finish'")
    await buying.aged(purchase_id, "25 hours")
    [intent] = await buying.charges()
    [paid] = [one for one in await buying.sandbox.events(intent["id"]) if one["type"] == "payment_intent.succeeded"]
    yesterdays = paid | {"created": paid["created"] - 86_400}
    assert await buying.webhook(yesterdays, age=86_400) == 400
    assert await buying.inbox(paid["id"]) is None
    assert (await buying.purchase(purchase_id))["status"] == "processing"
    assert await buying.webhook(yesterdays) == 200
    await buying.worked()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT
    assert await buying.webhook(yesterdays) == 200  # and once more, as Stripe may
    await buying.worked()
    assert await kinds(buying) == BOUGHT


@pytest.mark.parametrize("fault", ["slow_before", "slow_after"])
async def test_stripe_takes_too_long_to_tell_of_the_payment(buying: Buying, fault: str) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    [intent] = await buying.charges()
    [paid] = [one for one in await buying.sandbox.events(intent["id"]) if one["type"] == "payment_intent.succeeded"]
    hasty = buying.sandbox.gateway(timeout_seconds=0.3)
    services = Services(hasty, buying.portal.database, buying.purchasing)
    await buying.sandbox.fault(fault, path=f"{INTENTS}/", method="GET", seconds=1.0)
    with pytest.raises(NotAnswered, match="no answer from Stripe"):
        await handle(paid, services)
    [told] = await buying.rows("SELECT * FROM billing_events WHERE stripe_event_id = $2", paid["id"])
    assert (told["processed"], told["retry_count"]) == (False, 1)
    assert (await buying.purchase(purchase_id))["status"] == "processing"
    await handle(paid, services, failed_before=True)
    [told] = await buying.rows("SELECT * FROM billing_events WHERE stripe_event_id = $2", paid["id"])
    assert (told["processed"], told["error"]) == (True, None)
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT
    await hasty.close()
