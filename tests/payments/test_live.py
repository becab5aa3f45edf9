"""The same payments in the sandbox and, when STRIPE_API_KEY=sk_test_... is set, in Stripe's own test mode.

`make test-stripe-live` runs the second half alone. What passes here in both is what the sandbox may be trusted with.
"""

import os
import subprocess
import sys
from pathlib import Path
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
from tests.payments.somewhere import (
    UNSET,
    NotOfTestMode,
    Somewhere,
    key_of_test_mode,
    key_or_skip,
)

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def gateway(somewhere: Somewhere) -> Gateway:
    """The gateway to where the scenario runs."""
    return somewhere.gateway


async def test_paid(gateway: Gateway) -> None:
    outcome = await charge(gateway)
    assert isinstance(outcome, Succeeded)
    assert (outcome.amount_cents, outcome.currency) == (9500, "usd")
    assert outcome.charge_id
    assert outcome.receipt_url
    assert await gateway.payment(outcome.payment_intent_id) == outcome
    assert await gateway.cancel(outcome.payment_intent_id) == outcome


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
async def test_declined(gateway: Gateway, name: str, code: str, decline_code: str | None) -> None:
    outcome = await charge(gateway, payment_method_id=name)
    assert isinstance(outcome, Declined)
    assert outcome.code == code
    assert decline_code is None or outcome.decline_code == decline_code
    assert outcome.payment_intent_id is not None
    again = await gateway.payment(outcome.payment_intent_id)
    assert isinstance(again, Declined)
    assert (again.code, again.decline_code) == (outcome.code, outcome.decline_code)


async def test_3d_secure_asks_the_customer(gateway: Gateway) -> None:
    outcome = await charge(gateway, payment_method_id="pm_card_authenticationRequired")
    assert isinstance(outcome, RequiresAction)
    assert outcome.redirect_url
    assert outcome.redirect_url.startswith("http")
    assert isinstance(await gateway.payment(outcome.payment_intent_id), RequiresAction)
    assert isinstance(await gateway.cancel(outcome.payment_intent_id), Canceled)


async def test_off_session_3d_secure_is_a_decline(gateway: Gateway) -> None:
    outcome = await charge(
        gateway, payment_method_id="pm_card_authenticationRequired", return_url=None, off_session=True
    )
    assert isinstance(outcome, Declined)
    assert outcome.code == "authentication_required"


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
async def test_the_same_key_gives_the_same_payment(gateway: Gateway, card: str) -> None:
    key, customer_id, metadata = str(uuid4()), await customer_of(gateway), {"purchase_id": str(uuid4())}

    async def once(amount_cents: int) -> Succeeded | Declined:
        outcome = await charge(
            gateway,
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


async def test_refused_parameters_are_named(gateway: Gateway) -> None:
    with pytest.raises(GatewayError) as too_small:
        await charge(gateway, amount_cents=1)
    assert (too_small.value.param, too_small.value.code) == ("amount", "amount_too_small")
    with pytest.raises(GatewayError) as absent:
        await charge(gateway, payment_method_id=f"pm_{uuid4().hex}")
    assert (absent.value.param, absent.value.code) == ("payment_method", "resource_missing")


async def test_a_customer_and_a_card(gateway: Gateway) -> None:
    tenant_id, pool_id = uuid4(), uuid4()
    made = [
        await gateway.ensure_customer(tenant_id=tenant_id, pool_id=pool_id, email="a@example.com", name="A")
        for _ in range(2)
    ]
    assert made[0] == made[1]
    card = await gateway.payment_method("pm_card_mastercard")
    assert card is not None
    assert (card.brand, card.last4, card.customer_id) == ("mastercard", "4444", None)
    assert await gateway.payment_method(f"pm_{uuid4().hex}") is None
    assert (await gateway.reachable()).reachable


async def test_a_card_is_saved_made_the_default_and_taken_away(gateway: Gateway) -> None:
    customer_id = await customer_of(gateway)
    setup = await gateway.start_setup(tenant_id=uuid4(), pool_id=uuid4(), customer_id=customer_id)
    assert setup.status is SetupStatus.REQUIRES_PAYMENT_METHOD
    # As a page would; the library is asked past the gateway, which never confirms.
    form: Any = {"payment_method": "pm_card_visa", "return_url": RETURN_URL}
    await gateway._v1().setup_intents.confirm_async(setup.id, form)
    done = await gateway.setup(setup.id)
    assert done is not None
    assert done.status is SetupStatus.SUCCEEDED
    [card] = await gateway.payment_methods(customer_id)
    assert (card.id, card.customer_id, card.is_default) == (done.payment_method_id, customer_id, False)
    await gateway.make_default(customer_id, card.id)
    assert [one.is_default for one in await gateway.payment_methods(customer_id)] == [True]
    await gateway.detach(card.id)
    await gateway.detach(card.id)
    assert await gateway.payment_methods(customer_id) == []


async def test_a_payment_is_found_by_its_purchase(somewhere: Somewhere, gateway: Gateway) -> None:
    purchase_id = uuid4()
    made = await charge(gateway, metadata={"purchase_id": str(purchase_id)})
    assert await somewhere.seen(lambda: gateway.find_payment(purchase_id)) == made


async def saving(somewhere: Somewhere, customer_id: str, card: str) -> tuple[str, dict[str, Any]]:
    """A card's setup, confirmed as the page would; its id, and what Stripe answered."""
    setup = await somewhere.gateway.start_setup(tenant_id=uuid4(), pool_id=uuid4(), customer_id=customer_id)
    assert (setup.status, setup.customer_id) == (SetupStatus.REQUIRES_PAYMENT_METHOD, customer_id)
    path = f"/v1/setup_intents/{setup.id}/confirm"
    return setup.id, await somewhere.by_hand(path, payment_method=card, return_url=RETURN_URL)


async def test_a_card_is_saved_preferred_charged_and_removed(somewhere: Somewhere, gateway: Gateway) -> None:
    customer_id = await customer_of(gateway)
    setup_id, answer = await saving(somewhere, customer_id, "pm_card_visa")
    assert answer["status"] == "succeeded", answer
    setup = await gateway.setup(setup_id)
    assert setup is not None
    assert (setup.status, setup.payment_method_id) == (SetupStatus.SUCCEEDED, answer["payment_method"])
    [card] = await gateway.payment_methods(customer_id)
    assert (card.id, card.customer_id, card.brand, card.last4) == (setup.payment_method_id, customer_id, "visa", "4242")
    assert not card.is_default
    await gateway.make_default(customer_id, card.id)
    [card] = await gateway.payment_methods(customer_id)
    assert card.is_default
    later = await charge(gateway, customer_id=customer_id, payment_method_id=card.id, return_url=None, off_session=True)
    assert isinstance(later, Succeeded)
    await gateway.detach(card.id)
    await gateway.detach(card.id)  # a second time is no failure
    assert await gateway.payment_methods(customer_id) == []
    with pytest.raises(GatewayError):
        await charge(gateway, customer_id=customer_id, payment_method_id=card.id)


async def test_a_card_that_wants_the_bank_is_saved_only_after_it(somewhere: Somewhere, gateway: Gateway) -> None:
    customer_id = await customer_of(gateway)
    setup_id, answer = await saving(somewhere, customer_id, "pm_card_authenticationRequired")
    assert answer["status"] == "requires_action", answer
    setup = await gateway.setup(setup_id)
    assert setup is not None
    assert setup.status is SetupStatus.REQUIRES_ACTION
    assert setup.redirect_url is not None
    assert setup.redirect_url.startswith("http")
    assert await gateway.payment_methods(customer_id) == []


async def test_a_declined_card_is_not_saved(somewhere: Somewhere, gateway: Gateway) -> None:
    customer_id = await customer_of(gateway)
    setup_id, answer = await saving(somewhere, customer_id, "pm_card_visa_chargeDeclined")
    assert answer["error"]["code"] == "card_declined", answer
    setup = await gateway.setup(setup_id)
    assert setup is not None
    assert (setup.status, setup.code) == (SetupStatus.REQUIRES_PAYMENT_METHOD, "card_declined")
    assert await gateway.payment_methods(customer_id) == []


async def test_a_strangers_card_is_refused(somewhere: Somewhere, gateway: Gateway) -> None:
    customer_id, stranger_id = await customer_of(gateway), await customer_of(gateway)
    _, answer = await saving(somewhere, customer_id, "pm_card_visa")
    with pytest.raises(GatewayError):
        await charge(gateway, customer_id=stranger_id, payment_method_id=answer["payment_method"])
    with pytest.raises(GatewayError):
        await gateway.make_default(stranger_id, answer["payment_method"])


@pytest.mark.parametrize("environment", [{}, {"STRIPE_API_KEY": ""}, {"STRIPE_API_KEY": " "}])
def test_without_a_key_there_is_nothing_to_try(environment: dict[str, str]) -> None:
    assert key_of_test_mode(environment) is None
    with pytest.raises(pytest.skip.Exception, match=r"STRIPE_API_KEY=sk_test_\.\.\. is not set"):
        key_or_skip(environment)


def test_a_key_of_test_mode_is_taken() -> None:
    assert key_or_skip({"STRIPE_API_KEY": "sk_test_51abc"}) == "sk_test_51abc"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("sk_live_51SECRET", "STRIPE_API_KEY is a live key (sk_live_...): these scenarios charge cards. Use sk_test_..."),
        ("rk_live_51SECRET", "STRIPE_API_KEY is a live key (rk_live_...): these scenarios charge cards. Use sk_test_..."),
        ("pk_test_51SECRET", "STRIPE_API_KEY is no secret key of Stripe's test mode: use sk_test_..."),
        ("rk_test_51SECRET", "STRIPE_API_KEY is no secret key of Stripe's test mode: use sk_test_..."),
        ("SECRET", "STRIPE_API_KEY is no secret key of Stripe's test mode: use sk_test_..."),
    ],
)  # fmt: skip
def test_any_other_key_is_refused_by_name(key: str, says: str) -> None:
    with pytest.raises(NotOfTestMode) as refused:
        key_of_test_mode({"STRIPE_API_KEY": key})
    assert str(refused.value) == says
    with pytest.raises(pytest.fail.Exception, match="STRIPE_API_KEY is"):
        key_or_skip({"STRIPE_API_KEY": key})


@pytest.mark.parametrize(("key", "status"), [("", 0), ("sk_live_51SECRET", 1)])
def test_the_command_says_that_it_skipped_and_refuses_a_live_key(key: str, status: int) -> None:
    """As `make test-stripe-live` runs it, on one scenario."""
    scenario = f"{Path(__file__).relative_to(PROJECT)}::test_refused_parameters_are_named"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "stripe_live", scenario]
    environment = {"PATH": os.environ["PATH"], "STRIPE_API_KEY": key}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert (UNSET if status == 0 else "STRIPE_API_KEY is a live key (sk_live_...)") in done.stdout
    assert "SECRET" not in done.stdout
