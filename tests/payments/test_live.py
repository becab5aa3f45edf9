"""The same payments in the sandbox and, when STRIPE_API_KEY=sk_test_... is set, in Stripe's own test mode.

`make test-stripe-live` runs the second half alone. What passes here in both is what the sandbox may be trusted with.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from app.payments.gateway import Gateway
from app.payments.outcomes import (
    Canceled,
    Declined,
    GatewayError,
    IdempotencyMismatch,
    RequiresAction,
    SetupStatus,
    Succeeded,
)
from tests.payments.charging import RETURN_URL, charge, customer_of
from tests.payments.sandbox import Sandbox

LIVE = pytest.param("stripe", marks=pytest.mark.stripe_live)


@pytest.fixture(params=["sandbox", LIVE])
async def somewhere(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway to the sandbox, and one to Stripe's test mode."""
    if request.param == "sandbox":
        gateway = sandbox.gateway()
    else:
        key = os.environ.get("STRIPE_API_KEY", "")
        if not key.startswith("sk_test_"):
            pytest.skip("STRIPE_API_KEY=sk_test_... is not set: not tried against Stripe's test mode")
        gateway = Gateway(api_key=key, webhook_secret="unused", timeout_seconds=30)
    yield gateway
    await gateway.close()


async def test_paid(somewhere: Gateway) -> None:
    outcome = await charge(somewhere)
    assert isinstance(outcome, Succeeded)
    assert (outcome.amount_cents, outcome.currency) == (9500, "usd")
    assert outcome.charge_id
    assert outcome.receipt_url
    assert await somewhere.payment(outcome.payment_intent_id) == outcome
    assert await somewhere.cancel(outcome.payment_intent_id) == outcome


@pytest.mark.parametrize(
    ("name", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_declined(somewhere: Gateway, name: str, code: str, decline_code: str | None) -> None:
    outcome = await charge(somewhere, payment_method_id=name)
    assert isinstance(outcome, Declined)
    assert outcome.code == code
    assert decline_code is None or outcome.decline_code == decline_code
    assert outcome.payment_intent_id is not None
    again = await somewhere.payment(outcome.payment_intent_id)
    assert isinstance(again, Declined)
    assert (again.code, again.decline_code) == (outcome.code, outcome.decline_code)


async def test_3d_secure_asks_the_customer(somewhere: Gateway) -> None:
    outcome = await charge(somewhere, payment_method_id="pm_card_authenticationRequired")
    assert isinstance(outcome, RequiresAction)
    assert outcome.redirect_url
    assert outcome.redirect_url.startswith("http")
    assert isinstance(await somewhere.payment(outcome.payment_intent_id), RequiresAction)
    assert isinstance(await somewhere.cancel(outcome.payment_intent_id), Canceled)


async def test_off_session_3d_secure_is_a_decline(somewhere: Gateway) -> None:
    outcome = await charge(
        somewhere, payment_method_id="pm_card_authenticationRequired", return_url=None, off_session=True
    )
    assert isinstance(outcome, Declined)
    assert outcome.code == "authentication_required"


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
async def test_the_same_key_gives_the_same_payment(somewhere: Gateway, card: str) -> None:
    key, customer_id, metadata = str(uuid4()), await customer_of(somewhere), {"purchase_id": str(uuid4())}

    async def once(amount_cents: int) -> Succeeded | Declined:
        outcome = await charge(
            somewhere,
            amount_cents=amount_cents,
            payment_method_id=card,
            idempotency_key=key,
            customer_id=customer_id,
            metadata=metadata,
        )
        assert isinstance(outcome, Succeeded | Declined)
        return outcome

    first = await once(9500)
    assert (await once(9500)).payment_intent_id == first.payment_intent_id
    with pytest.raises(IdempotencyMismatch):
        await once(9501)


async def test_refused_parameters_are_named(somewhere: Gateway) -> None:
    with pytest.raises(GatewayError) as too_small:
        await charge(somewhere, amount_cents=1)
    assert (too_small.value.param, too_small.value.code) == ("amount", "amount_too_small")
    with pytest.raises(GatewayError) as absent:
        await charge(somewhere, payment_method_id=f"pm_{uuid4().hex}")
    assert (absent.value.param, absent.value.code) == ("payment_method", "resource_missing")


async def test_a_customer_and_a_card(somewhere: Gateway) -> None:
    tenant_id, pool_id = uuid4(), uuid4()
    made = [
        await somewhere.ensure_customer(tenant_id=tenant_id, pool_id=pool_id, email="a@example.com", name="A")
        for _ in range(2)
    ]
    assert made[0] == made[1]
    card = await somewhere.payment_method("pm_card_mastercard")
    assert card is not None
    assert (card.brand, card.last4, card.customer_id) == ("mastercard", "4444", None)
    assert await somewhere.payment_method(f"pm_{uuid4().hex}") is None
    assert (await somewhere.reachable()).reachable


async def test_a_card_is_saved_made_the_default_and_taken_away(somewhere: Gateway) -> None:
    customer_id = await customer_of(somewhere)
    setup = await somewhere.start_setup(tenant_id=uuid4(), pool_id=uuid4(), customer_id=customer_id)
    assert setup.status is SetupStatus.REQUIRES_PAYMENT_METHOD
    # As a page would; the library is asked past the gateway, which never confirms.
    form: Any = {"payment_method": "pm_card_visa", "return_url": RETURN_URL}
    await somewhere._v1().setup_intents.confirm_async(setup.id, form)
    done = await somewhere.setup(setup.id)
    assert done is not None
    assert done.status is SetupStatus.SUCCEEDED
    [card] = await somewhere.payment_methods(customer_id)
    assert (card.id, card.customer_id, card.is_default) == (done.payment_method_id, customer_id, False)
    await somewhere.make_default(customer_id, card.id)
    assert [one.is_default for one in await somewhere.payment_methods(customer_id)] == [True]
    await somewhere.detach(card.id)
    await somewhere.detach(card.id)
    assert await somewhere.payment_methods(customer_id) == []


async def test_a_payment_is_found_by_its_purchase(somewhere: Gateway) -> None:
    purchase_id = uuid4()
    made = await charge(somewhere, metadata={"purchase_id": str(purchase_id)})
    for _ in range(30):  # Stripe's search lags by up to a minute
        found = await somewhere.find_payment(purchase_id)
        if found is not None:
            break
        await asyncio.sleep(3)
    assert found == made
