"""Money that goes back, in the sandbox and in Stripe's own test mode: the same scenarios in both."""

from decimal import Decimal
from uuid import uuid4

import pytest

from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayError, IdempotencyMismatch, Succeeded
from app.payments.refunds import StripeDispute, StripeRefund
from app.rules.refunds import RefundStatus
from app.services.refund_orders import RefundCommand
from app.services.refunds import Refunding
from tests.payments.buyer import CREDITED, Buyer, NewBuyer
from tests.payments.charging import charge
from tests.payments.somewhere import Somewhere

D = Decimal


@pytest.fixture
def gateway(somewhere: Somewhere) -> Gateway:
    """The gateway to where the scenario runs."""
    return somewhere.gateway


async def paid(gateway: Gateway, card: str = "pm_card_visa") -> str:
    """A payment of $95.00; its id."""
    outcome = await charge(gateway, payment_method_id=card)
    assert isinstance(outcome, Succeeded)
    return outcome.payment_intent_id


async def give_back(gateway: Gateway, payment: str, cents: int, key: str | None = None) -> StripeRefund:
    return await gateway.refund(
        payment_intent_id=payment,
        amount_cents=cents,
        idempotency_key=key or str(uuid4()),
        metadata={"refund_id": "one"},
        wanted_by_customer=True,
    )


async def test_a_whole_refund(gateway: Gateway) -> None:
    payment = await paid(gateway)
    refund = await give_back(gateway, payment, 9500)
    assert (refund.status, refund.amount_cents, refund.currency) == (RefundStatus.SUCCEEDED, 9500, "usd")
    assert refund.metadata == {"refund_id": "one"}
    assert await gateway.refunds(payment) == [refund]
    with pytest.raises(GatewayError) as refused:
        await give_back(gateway, payment, 1)
    assert refused.value.code == "charge_already_refunded"


async def test_parts_and_no_more_than_was_paid(gateway: Gateway) -> None:
    payment = await paid(gateway)
    await give_back(gateway, payment, 4000)
    with pytest.raises(GatewayError, match=r"\$55\.01"):
        await give_back(gateway, payment, 5501)
    await give_back(gateway, payment, 5500)
    assert sorted(one.amount_cents for one in await gateway.refunds(payment)) == [4000, 5500]


async def test_the_same_key_refunds_once(gateway: Gateway) -> None:
    payment, key = await paid(gateway), str(uuid4())
    first = await give_back(gateway, payment, 4000, key)
    assert (await give_back(gateway, payment, 4000, key)).id == first.id
    with pytest.raises(IdempotencyMismatch):
        await give_back(gateway, payment, 4001, key)
    assert [one.amount_cents for one in await gateway.refunds(payment)] == [4000]


async def disputed(somewhere: Somewhere, payment: str) -> StripeDispute:
    """The payment's one dispute, once the bank has taken the money."""

    async def withdrawn() -> list[StripeDispute]:
        return [one for one in await somewhere.gateway.disputes(payment) if one.withdrawn_cents]

    [dispute] = await somewhere.seen(withdrawn)
    return dispute


async def test_a_disputed_payment(somewhere: Somewhere, gateway: Gateway) -> None:
    payment = await paid(gateway, "pm_card_createDispute")
    dispute = await disputed(somewhere, payment)
    assert (dispute.reason, dispute.status) == ("fraudulent", "needs_response")
    assert (dispute.amount_cents, dispute.withdrawn_cents, dispute.currency) == (9500, 9500, "usd")
    assert dispute.evidence_due_at is not None
    assert dispute.evidence_due_at > dispute.opened_at


def refunding(buyer: Buyer) -> Refunding:
    return Refunding(buyer.purchasing.database, buyer.somewhere.gateway, buyer.purchasing)


async def test_a_purchase_is_given_back_in_parts_and_its_credits_with_it(
    somewhere: Somewhere, new_buyer: NewBuyer
) -> None:
    buyer = await new_buyer(somewhere.gateway)
    purchase_id = await buyer.buy(buyer.command("pm_card_visa"))
    tenant_id = buyer.household.tenant_id
    first = RefundCommand(purchase_id, "bought too much", uuid4(), 1900)
    refund_id = await refunding(buyer).refund(tenant_id, first)
    assert await refunding(buyer).refund(tenant_id, first) == refund_id, "the same command again is the same refund"
    partly = await buyer.purchase(purchase_id)
    assert (partly["status"], partly["refunded_cents"]) == ("partially_refunded", 1900)
    taken = [("refund", "purchased", D(-2)), ("refund", "bonus", D("-0.1"))]
    assert sorted((await buyer.credited())[2:]) == sorted(taken)
    await refunding(buyer).refund(tenant_id, RefundCommand(purchase_id, "all of it", uuid4()))
    wholly = await buyer.purchase(purchase_id)
    assert (wholly["status"], wholly["refunded_cents"]) == ("refunded", 9500)
    entries = await buyer.credited()
    assert entries[:2] == CREDITED
    assert sum(entry[2] for entry in entries) == 0
    at_stripe = await somewhere.gateway.refunds(wholly["stripe_payment_intent_id"])
    assert sorted(one.amount_cents for one in at_stripe) == [1900, 7600]


async def test_a_disputed_purchase_loses_its_credits(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    buyer = await new_buyer(somewhere.gateway)
    purchase_id = await buyer.buy(buyer.command("pm_card_createDispute"))
    payment = (await buyer.purchase(purchase_id))["stripe_payment_intent_id"]
    await disputed(somewhere, payment)
    for _ in range(2):  # as two webhooks would have it
        await refunding(buyer).refresh(buyer.household.tenant_id, purchase_id, payment)
    entries = await buyer.credited()
    assert entries[:2] == CREDITED
    assert len(entries) == 4
    assert sum(entry[2] for entry in entries) == 0
