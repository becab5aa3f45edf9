"""Answers that are lost, repeated, late or refused: what the gateway makes of them."""

import pytest

from app.payments.gateway import Gateway
from app.payments.outcomes import (
    Declined,
    GatewayUnavailable,
    IdempotencyMismatch,
    Succeeded,
    Unknown,
)
from tests.payments.charging import charge, customer_of, one_purchase
from tests.payments.sandbox import Sandbox


async def test_the_same_key_gives_the_same_payment(gateway: Gateway, sandbox: Sandbox) -> None:
    same = one_purchase(await customer_of(gateway))
    first = await charge(gateway, **same)
    assert isinstance(first, Succeeded)
    assert await charge(gateway, **same) == first
    charges = [event for event in await sandbox.events(first.payment_intent_id) if event["type"] == "charge.succeeded"]
    assert len(charges) == 1


async def test_a_decline_is_replayed_too(gateway: Gateway, sandbox: Sandbox) -> None:
    same = one_purchase(await customer_of(gateway)) | {"payment_method_id": "pm_card_chargeDeclined"}
    first = await charge(gateway, **same)
    before = len(await sandbox.events())
    assert isinstance(first, Declined)
    assert await charge(gateway, **same) == first
    assert len(await sandbox.events()) == before


async def test_the_same_key_with_other_values_is_refused(gateway: Gateway, sandbox: Sandbox) -> None:
    same = one_purchase(await customer_of(gateway))
    first = await charge(gateway, **same)
    before = len(await sandbox.events())
    with pytest.raises(IdempotencyMismatch):
        await charge(gateway, **same, amount_cents=9501)
    assert isinstance(first, Succeeded)
    assert await gateway.payment(first.payment_intent_id) == first
    assert len(await sandbox.events()) == before


async def test_a_lost_answer_is_unknown_and_the_same_key_finds_the_payment(gateway: Gateway, sandbox: Sandbox) -> None:
    same = one_purchase(await customer_of(gateway))
    await sandbox.fault("lose_answer", path="/v1/payment_intents")
    lost = await charge(gateway, **same)
    assert isinstance(lost, Unknown)
    taken = [event for event in await sandbox.events() if event["type"] == "payment_intent.succeeded"][-1]
    found = await charge(gateway, **same)
    assert isinstance(found, Succeeded)
    assert found.payment_intent_id == taken["data"]["object"]["id"]


async def test_a_lost_answer_is_found_by_the_library_s_own_retry(sandbox: Sandbox) -> None:
    gateway = sandbox.gateway(max_network_retries=2)
    customer_id = await customer_of(gateway)
    await sandbox.fault("lose_answer", path="/v1/payment_intents")
    outcome = await charge(gateway, customer_id=customer_id)
    await gateway.close()
    assert isinstance(outcome, Succeeded)
    keys = {sent["headers"]["idempotency-key"] for sent in await sandbox.requests() if "intents" in sent["path"]}
    assert len(keys) == 1


@pytest.mark.parametrize(("fault", "status"), [("server_error", "500"), ("rate_limit", "429")])
async def test_a_busy_stripe_is_unknown(gateway: Gateway, sandbox: Sandbox, fault: str, status: str) -> None:
    customer_id = await customer_of(gateway)
    await sandbox.fault(fault)
    outcome = await charge(gateway, customer_id=customer_id)
    assert isinstance(outcome, Unknown)
    assert status in outcome.reason
    assert isinstance(await charge(gateway, customer_id=customer_id), Succeeded)


async def test_a_timeout_is_unknown_and_the_key_in_use_is_too(sandbox: Sandbox) -> None:
    gateway = sandbox.gateway(timeout_seconds=0.5)
    same = one_purchase(await customer_of(gateway))
    await sandbox.fault("slow_before", path="/v1/payment_intents", seconds=1.5)
    assert isinstance(await charge(gateway, **same), Unknown)
    in_use = await charge(gateway, **same)
    assert isinstance(in_use, Unknown)
    assert "409" in in_use.reason
    await gateway.close()
    patient = sandbox.gateway(max_network_retries=4)
    outcome = await charge(patient, **same)
    await patient.close()
    assert isinstance(outcome, Succeeded)
    charges = [
        event for event in await sandbox.events(outcome.payment_intent_id) if event["type"] == "charge.succeeded"
    ]
    assert len(charges) == 1


async def test_nobody_there_is_unknown_for_a_payment_and_unavailable_for_the_rest() -> None:
    gateway = Gateway(api_key="sk_test_x", webhook_secret="w", api_base="http://127.0.0.1:9", max_network_retries=0)
    assert isinstance(await charge(gateway, customer_id="cus_1"), Unknown)
    assert await gateway.payment("pi_1") == Unknown("no answer from Stripe (ConnectError)", "pi_1")
    with pytest.raises(GatewayUnavailable):
        await customer_of(gateway)
    assert not (await gateway.reachable()).reachable
    await gateway.close()


async def test_a_wrong_key_is_named_but_not_shown(sandbox: Sandbox) -> None:
    gateway = Gateway(api_key="sk_test_wrong_secret", webhook_secret="w", api_base=sandbox.url)
    with pytest.raises(GatewayUnavailable, match="does not accept the API key") as refused:
        await charge(gateway, customer_id="cus_1")
    assert "wrong_secret" not in str(refused.value)
    assert not (await gateway.reachable()).reachable
    await gateway.close()


async def test_reachable(gateway: Gateway, sandbox: Sandbox) -> None:
    assert (await gateway.reachable()).reachable


async def test_the_machine_s_proxy_is_not_asked_for_loopback(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    gateway = sandbox.gateway()
    assert (await gateway.reachable()).reachable
    await gateway.close()
