"""Refunds and disputes at Stripe's door: the gateway against the sandbox, and the sandbox against what Stripe publishes."""

from typing import Any
from uuid import uuid4

import pytest
import stripe

from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayError, GatewayUnavailable, IdempotencyMismatch
from app.payments.refunds import StripeRefund, dispute_of, refund_of
from app.rules.refunds import RefundStatus
from tests.payments import stripe_shapes
from tests.payments.asking import PAY, new, post
from tests.payments.sandbox import Sandbox

REFUNDS = "/v1/refunds"


async def paid(sandbox: Sandbox, card: str = "pm_card_visa") -> str:
    """A payment of PAY's amount ($95); its id."""
    return str((await new(sandbox, "/v1/payment_intents", PAY | {"payment_method": card}))["id"])


async def back(gateway: Gateway, payment: str, cents: int = 9500, key: str | None = None, **more: Any) -> StripeRefund:
    names = {"metadata": {"refund_id": "one"}, "wanted_by_customer": True} | more
    return await gateway.refund(
        payment_intent_id=payment, amount_cents=cents, idempotency_key=key or f"refund-{uuid4()}", **names
    )


async def kinds(sandbox: Sandbox, payment: str) -> list[str]:
    return [event["type"] for event in await sandbox.events(payment)][3:]  # after created, charge.succeeded, succeeded


async def charge_of(sandbox: Sandbox, payment: str) -> dict[str, Any]:
    answer = await sandbox.raw.get(f"/v1/payment_intents/{payment}", params={"expand[0]": "latest_charge"})
    charge: dict[str, Any] = answer.json()["latest_charge"]
    return charge


async def test_a_refund_in_parts(sandbox: Sandbox, gateway: Gateway) -> None:
    payment = await paid(sandbox)
    first = await back(gateway, payment, 4000)
    assert (first.status, first.amount_cents, first.currency, first.failure_code) == (
        RefundStatus.SUCCEEDED,
        4000,
        "usd",
        None,
    )
    assert first.metadata == {"refund_id": "one"}
    charge = await charge_of(sandbox, payment)
    assert (charge["amount_refunded"], charge["refunded"]) == (4000, False)
    second = await back(gateway, payment, 5500)
    charge = await charge_of(sandbox, payment)
    assert (charge["amount_refunded"], charge["refunded"]) == (9500, True)
    assert await gateway.refunds(payment) == [second, first]
    assert await kinds(sandbox, payment) == ["refund.created", "charge.refunded"] * 2


async def test_all_refunds_are_read_however_many(sandbox: Sandbox, gateway: Gateway) -> None:
    payment = await paid(sandbox)
    for number in range(101):
        await new(sandbox, REFUNDS, {"payment_intent": payment, "amount": "1", "metadata[n]": str(number)})
    assert [one.metadata["n"] for one in await gateway.refunds(payment)] == [str(100 - n) for n in range(101)]


async def test_the_same_key_refunds_once(sandbox: Sandbox, gateway: Gateway) -> None:
    payment = await paid(sandbox)
    first = await back(gateway, payment, 4000, "the-key")
    assert await back(gateway, payment, 4000, "the-key") == first
    with pytest.raises(IdempotencyMismatch):
        await back(gateway, payment, 4001, "the-key")
    assert len(await gateway.refunds(payment)) == 1


@pytest.mark.parametrize(
    ("already", "asked", "code", "words"),
    [
        (0, 9501, None, "Refund amount ($95.01) is greater than unrefunded amount on charge ($95.00)"),
        (9000, 501, None, "Refund amount ($5.01) is greater than unrefunded amount on charge ($5.00)"),
        (9500, 1, "charge_already_refunded", "has already been refunded"),
    ],
)
async def test_an_over_refund_is_refused_as_stripe_does(
    sandbox: Sandbox, gateway: Gateway, already: int, asked: int, code: str | None, words: str
) -> None:
    payment = await paid(sandbox)
    if already:
        await back(gateway, payment, already)
    with pytest.raises(GatewayError) as refused:
        await back(gateway, payment, asked)
    assert refused.value.code == code
    assert words in refused.value.message
    assert sum(one.amount_cents for one in await gateway.refunds(payment)) == already


async def test_what_else_is_refused(sandbox: Sandbox, gateway: Gateway) -> None:
    payment = await paid(sandbox)
    open_payment = await paid(sandbox, "pm_card_authenticationRequired")
    for form, status, words in (
        ({"payment_intent": open_payment}, 400, "does not have a successful charge to refund"),
        ({"payment_intent": "pi_absent"}, 404, "No such payment_intent: 'pi_absent'"),
        ({"charge": "ch_absent"}, 404, "No such charge: 'ch_absent'"),
        ({}, 400, "payment_intent or charge"),
        ({"payment_intent": payment, "amount": "0"}, 400, "greater than or equal to 1"),
        ({"payment_intent": payment, "amount": "-5"}, 400, "greater than or equal to 1"),
        ({"payment_intent": payment, "reason": "because"}, 400, "Invalid reason"),
        ({"payment_intent": payment, "cents": "5"}, 400, "Received unknown parameter: cents"),
    ):
        answer = await post(sandbox, REFUNDS, form)
        assert answer.status_code == status, form
        assert words in answer.json()["error"]["message"]
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(GatewayError, match="positive whole number"):
            await back(gateway, payment, wrong)  # type: ignore[arg-type]
    assert await gateway.refunds(payment) == []


async def test_a_lost_answer_is_unknown_and_the_key_finds_it(sandbox: Sandbox, gateway: Gateway) -> None:
    payment = await paid(sandbox)
    await sandbox.fault("lose_answer", path=REFUNDS)
    with pytest.raises(GatewayUnavailable):
        await back(gateway, payment, 4000, "lost")
    assert (await back(gateway, payment, 4000, "lost")).status is RefundStatus.SUCCEEDED
    assert len(await gateway.refunds(payment)) == 1


async def test_pending_and_failing_cards(sandbox: Sandbox, gateway: Gateway) -> None:
    slow, failing = await paid(sandbox, "pm_card_pendingRefund"), await paid(sandbox, "pm_card_refundFail")
    pending = await back(gateway, slow)
    assert pending.status is RefundStatus.PROCESSING
    await sandbox.end_refund(pending.id)
    assert [one.status for one in await gateway.refunds(slow)] == [RefundStatus.SUCCEEDED]
    assert await kinds(sandbox, slow) == [
        "refund.created",
        "charge.refunded",
        "refund.updated",
        "charge.refund.updated",
    ]
    done = await back(gateway, failing)
    assert done.status is RefundStatus.SUCCEEDED
    await sandbox.end_refund(done.id, succeeded=False, failure_reason="expired_or_canceled_card")
    (failed,) = await gateway.refunds(failing)
    assert (failed.status, failed.failure_code) == (RefundStatus.FAILED, "expired_or_canceled_card")
    charge = await charge_of(sandbox, failing)
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    assert "refund.failed" in await kinds(sandbox, failing)
    with pytest.raises(AssertionError, match="has ended: failed"):
        await sandbox.end_refund(done.id)


async def test_a_dispute_from_opening_to_winning(sandbox: Sandbox, gateway: Gateway) -> None:
    payment = await paid(sandbox, "pm_card_createDispute")
    (opened,) = await gateway.disputes(payment)
    assert (opened.status, opened.reason, opened.amount_cents, opened.withdrawn_cents) == (
        "needs_response",
        "fraudulent",
        9500,
        9500,
    )
    assert opened.evidence_due_at is not None
    assert opened.evidence_due_at > opened.opened_at
    assert (await charge_of(sandbox, payment))["disputed"]
    with pytest.raises(GatewayError, match="charged back") as refused:
        await back(gateway, payment)
    assert refused.value.code == "charge_disputed"
    await sandbox.decide(opened.id, "under_review")
    assert (await gateway.disputes(payment))[0].withdrawn_cents == 9500
    await sandbox.decide(opened.id, "won", moved=0)
    assert (await gateway.disputes(payment))[0].withdrawn_cents == 0, "won; the money follows"
    await sandbox.decide(opened.id, moved=9500)
    (won,) = await gateway.disputes(payment)
    assert (won.status, won.withdrawn_cents) == ("won", 0)
    assert await kinds(sandbox, payment) == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
    ]


async def test_lost_partly_returned_and_inquiries(sandbox: Sandbox, gateway: Gateway) -> None:
    payment = await paid(sandbox)
    dispute = await sandbox.dispute(payment, amount=5000, reason="duplicate")
    await sandbox.decide(dispute, "lost")
    assert (await gateway.disputes(payment))[0].withdrawn_cents == 5000
    await sandbox.decide(dispute, moved=2000)
    assert (await gateway.disputes(payment))[0].withdrawn_cents == 3000
    inquiry = await paid(sandbox, "pm_card_createDisputeInquiry")
    (asked,) = await gateway.disputes(inquiry)
    assert (asked.status, asked.withdrawn_cents) == ("warning_needs_response", 0)
    assert await kinds(sandbox, inquiry) == ["charge.dispute.created"]
    assert (await back(gateway, inquiry)).status is RefundStatus.SUCCEEDED
    for wrong, words in (({"status": "lucky"}, "Invalid status"), ({"dispute": "du_absent"}, "No such dispute")):
        answer = await sandbox.steer.post("/disputes/change", json={"dispute": dispute} | wrong)
        assert words in answer.json()["error"]
    answer = await sandbox.steer.post("/disputes", json={"payment_intent": payment, "amount": 9501})
    assert "does not fit" in answer.json()["error"]


async def test_whose_a_payment_is(sandbox: Sandbox, gateway: Gateway) -> None:
    made = await new(sandbox, "/v1/payment_intents", PAY | {"metadata[tenant_id]": "t"})
    assert await gateway.payment_metadata(made["id"]) == {"tenant_id": "t"}
    assert await gateway.payment_of_charge((await charge_of(sandbox, made["id"]))["id"]) == made["id"]
    with pytest.raises(GatewayError, match="No such payment_intent"):
        await gateway.payment_metadata("pi_absent")


async def test_they_are_in_the_shape_that_stripe_publishes(sandbox: Sandbox) -> None:
    payment = await paid(sandbox)
    expand = {"expand[0]": "charge", "expand[1]": "payment_intent"}
    part = {"payment_intent": payment, "amount": "100", "reason": "duplicate"}
    given = await new(sandbox, REFUNDS, part | expand)
    assert (given["charge"]["object"], given["payment_intent"]["object"]) == ("charge", "payment_intent")
    pending = await new(sandbox, REFUNDS, {"payment_intent": await paid(sandbox, "pm_card_pendingRefund")})
    failed = await new(sandbox, REFUNDS, {"payment_intent": payment, "amount": "100"})
    await sandbox.end_refund(failed["id"], succeeded=False)
    failed = (await sandbox.raw.get(f"{REFUNDS}/{failed['id']}")).json()
    dispute = (await sandbox.raw.get(f"/v1/disputes/{await sandbox.dispute(payment)}")).json()
    made = [
        *((one, stripe.Refund) for one in (given, pending, failed)),
        (dispute, stripe.Dispute),
        (await charge_of(sandbox, payment), stripe.Charge),
        *((event, stripe.Event) for event in await sandbox.events(payment)),
    ]
    assert [
        fault for thing, published in made for fault in stripe_shapes.faults(thing, published, published.__name__)
    ] == []


def test_words_of_tomorrow_are_read_carefully() -> None:
    refund = {"id": "re_1", "amount": 5, "currency": "usd", "status": "thinking"}
    assert refund_of(refund).status is RefundStatus.PROCESSING
    assert refund_of(refund | {"status": None}).status is RefundStatus.PROCESSING
    canceled = refund_of(refund | {"status": "canceled"})
    assert (canceled.status, canceled.failure_code) == (RefundStatus.FAILED, "merchant_request")
    dispute = {"id": "du_1", "status": "thinking", "reason": "general", "amount": 5, "currency": "usd", "created": 0}
    assert dispute_of(dispute).withdrawn_cents == 0
    euros = [{"amount": -10, "currency": "eur"}, {"amount": 5, "currency": "eur"}]
    assert dispute_of(dispute | {"balance_transactions": euros}).withdrawn_cents == 3
