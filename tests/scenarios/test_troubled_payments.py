"""Payments when network, Stripe, database or buyer misbehave: one charge, one credit, or none of either."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import SQLAlchemyError

from app.rules.errors import IdempotencyMismatch, PaymentsUnavailable, QuoteUsed
from app.services.purchases import PurchaseCommand
from app.tenancy import CONNECTION_ERRORS
from tests.payments.sandbox import Sandbox
from tests.scenarios.portal import INTENTS, Buying, until

BOUGHT = ["subscription_grant", "purchase", "bonus_grant"]


async def kinds(buying: Buying) -> list[str]:
    return [entry[0] for entry in await buying.entries()]


async def asked_to_charge(sandbox: Sandbox) -> int:
    return len([one for one in await sandbox.requests() if (one["method"], one["path"]) == ("POST", INTENTS)])


async def test_a_lost_answer_is_asked_for_again_and_charged_once(buying: Buying) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    unknown = await buying.purchase(purchase_id)
    assert (unknown["status"], await kinds(buying)) == ("processing", ["subscription_grant"])
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT
    assert await asked_to_charge(buying.sandbox) == 2
    assert len(await buying.charges()) == 1


async def test_a_lost_decline_is_a_decline(buying: Buying) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy(await buying.command("4000000000009995"))
    await buying.time_passes()
    failed = await buying.purchase(purchase_id)
    assert (failed["status"], failed["failure_code"]) == ("failed", "insufficient_funds")
    assert await kinds(buying) == ["subscription_grant"]


@pytest.mark.parametrize("fault", ["server_error", "lose_answer"])
async def test_one_bad_answer_goes_unnoticed(buying: Buying, fault: str) -> None:
    patient = buying.sandbox.gateway(max_network_retries=2)
    buying.gateway = patient
    await buying.sandbox.fault(fault, path=INTENTS)
    purchase_id = await buying.buy()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert len(await buying.charges()) == 1
    await patient.close()


@pytest.mark.parametrize("fault", ["slow_before", "slow_after"])
async def test_no_answer_in_time(buying: Buying, fault: str) -> None:
    hasty = buying.sandbox.gateway(timeout_seconds=0.4)
    buying.gateway = hasty
    command = await buying.command()
    await buying.buy(await buying.command("4000000000000002"))  # makes the customer, so that only the charge is slow
    await buying.sandbox.fault(fault, path=INTENTS, seconds=1.0)
    purchase_id = await buying.buy(command)
    assert (await buying.purchase(purchase_id))["status"] == "processing"
    await buying.time_passes()  # perhaps while Stripe is still at it: then the key is in use
    await asyncio.sleep(1.0)
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await kinds(buying) == BOUGHT
    assert sum(one["status"] == "succeeded" for one in await buying.charges()) == 1
    await hasty.close()


async def test_a_busy_stripe_is_asked_again(buying: Buying) -> None:
    await buying.sandbox.fault("rate_limit", path=INTENTS)
    purchase_id = await buying.buy()
    assert (await buying.purchase(purchase_id))["status"] == "processing"
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "completed"


async def test_stripe_down_for_minutes_and_back(buying: Buying) -> None:
    await buying.sandbox.fault("server_error", path=INTENTS, times=1000)
    purchase_id = await buying.buy()
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "processing"
    assert await buying.charges() == []
    waiting = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'purchase.finish' AND status = 'queued'"
    assert await buying.portal.inspector.fetchval(waiting) >= 1
    (await buying.sandbox.steer.delete("/faults")).raise_for_status()
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert len(await buying.charges()) == 1


async def test_an_open_purchase_is_looked_at_soon_and_then_ever_more_rarely(buying: Buying) -> None:
    await buying.sandbox.fault("server_error", path=INTENTS, times=1000)
    purchase_id = await buying.buy()
    assert 0 < await follow_up_in(buying, purchase_id) <= 20
    await buying.time_passes()
    assert 15 < await follow_up_in(buying, purchase_id) <= 25
    for age, least, most in (("10 minutes", 590, 610), ("50 minutes", 2990, 3010), ("9 hours", 3590, 3600)):
        await buying.aged(purchase_id, age)
        await buying.time_passes()
        assert least < await follow_up_in(buying, purchase_id) <= most
    (await buying.sandbox.steer.delete("/faults")).raise_for_status()
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "completed"


async def follow_up_in(buying: Buying, purchase_id: UUID) -> float:
    """Seconds until the purchase is looked at again."""
    seconds = await buying.portal.inspector.fetchval(
        "SELECT extract(epoch FROM execute_after - now()) FROM pgqueuer"
        " WHERE status = 'queued' AND entrypoint = 'purchase.finish' AND convert_from(payload, 'UTF8') LIKE $1",
        f"%{purchase_id}%",
    )
    return float(seconds)


async def test_stripe_down_from_the_start_writes_nothing(buying: Buying) -> None:
    command = await buying.command()
    await buying.sandbox.fault("server_error", path="/v1/payment_methods", method="GET")
    with pytest.raises(PaymentsUnavailable, match="Nothing was charged"):
        await buying.buy(command)
    assert await buying.rows("SELECT 1 FROM credit_purchases WHERE tenant_id = $1") == []
    assert await buying.rows("SELECT 1 FROM idempotency_keys WHERE tenant_id = $1") == []
    assert (await buying.purchase(await buying.buy(command)))["status"] == "completed"


async def test_the_same_key_twenty_times_at_once(buying: Buying) -> None:
    command = await buying.command()
    ids = await asyncio.gather(*(buying.buy(command) for _ in range(20)))
    assert len(set(ids)) == 1
    assert (await buying.purchase(ids[0]))["status"] == "completed"
    assert await asked_to_charge(buying.sandbox) == 1
    assert await kinds(buying) == BOUGHT
    assert await buying.buy(command) == ids[0]
    assert await asked_to_charge(buying.sandbox) == 1


async def test_the_same_quote_under_two_keys_at_once(buying: Buying) -> None:
    one = await buying.command()
    other = PurchaseCommand(one.quote_token, await buying.sandbox.card(), uuid4())
    outcomes = await asyncio.gather(buying.buy(one), buying.buy(other), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [type(refusal) for refusal in refused] == [QuoteUsed]
    assert await kinds(buying) == BOUGHT
    assert len(await buying.rows("SELECT 1 FROM idempotency_keys WHERE tenant_id = $1")) == 1
    assert await asked_to_charge(buying.sandbox) == 1


async def test_a_used_quote_buys_nothing_later_either(buying: Buying) -> None:
    command = await buying.command()
    await buying.buy(command)
    with pytest.raises(QuoteUsed):
        await buying.buy(PurchaseCommand(command.quote_token, await buying.sandbox.card(), uuid4()))
    assert await kinds(buying) == BOUGHT


async def test_the_same_key_with_another_body(buying: Buying) -> None:
    command = await buying.command()
    await buying.buy(command)
    for quote, card in (
        (buying.quote(), command.payment_method_id),
        (command.quote_token, await buying.sandbox.card("5555555555554444")),
    ):
        with pytest.raises(IdempotencyMismatch):
            await buying.buy(PurchaseCommand(quote, card, command.idempotency_key))
    assert await kinds(buying) == BOUGHT
    assert await asked_to_charge(buying.sandbox) == 1


async def test_ten_purchases_of_one_pool_at_once(buying: Buying) -> None:
    await buying.buy()
    commands = [await buying.command(credits_amount="10") for _ in range(10)]
    await asyncio.gather(*(buying.buy(command) for command in commands))
    assert len(await buying.entries()) == 3 + 20
    assert len(await buying.charges()) == 11


async def test_an_old_purchase_is_looked_up_and_completed_never_charged_again(buying: Buying) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    await buying.aged(purchase_id, "23 hours 1 minute")
    await buying.sandbox.steer.delete("/requests")
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    assert await asked_to_charge(buying.sandbox) == 0
    assert await kinds(buying) == BOUGHT


async def test_an_old_purchase_that_was_never_charged_fails(buying: Buying) -> None:
    purchase_id = await buying.started()
    await buying.aged(purchase_id, "23 hours 1 minute")
    await buying.sandbox.steer.delete("/requests")
    await buying.time_passes()
    failed = await buying.purchase(purchase_id)
    assert (failed["status"], failed["failure_code"]) == ("failed", "never_charged")
    assert await asked_to_charge(buying.sandbox) == 0
    assert await buying.charges() == []


async def test_a_wrong_api_key_fails_nobodys_purchase(buying: Buying) -> None:
    """An operator's slip must not call a payment failed that an earlier attempt may have made."""
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    right, wrong = buying.gateway, buying.sandbox.gateway()
    wrong._api_key = "sk_test_wrong"
    buying.gateway = wrong
    await buying.purchasing.finish(buying.household.tenant_id, purchase_id)
    assert (await buying.purchase(purchase_id))["status"] == "processing"
    buying.gateway = right
    await buying.purchasing.finish(buying.household.tenant_id, purchase_id)
    assert (await buying.purchase(purchase_id))["status"] == "completed"
    await wrong.close()


async def test_a_mail_server_that_is_down_costs_no_receipt(buying: Buying) -> None:
    async with buying.portal.without_mail():
        purchase_id = await buying.buy()
        await buying.worked()
        told = await buying.rows("SELECT emailed_at FROM notifications WHERE tenant_id = $1")
        assert [one["emailed_at"] for one in told] == [None]
    await buying.time_passes()
    told = await buying.rows("SELECT emailed_at FROM notifications WHERE tenant_id = $1")
    assert told[0]["emailed_at"] is not None
    assert (await buying.purchase(purchase_id))["status"] == "completed"


async def test_the_worker_comes_back_after_the_database_went_away(buying: Buying) -> None:
    await buying.portal.inspector.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename IN ('portal_worker', 'portal_app') AND datname = current_database()"
    )
    purchase_id = await until(lambda: bought_at_last(buying), "the server's own connections are renewed")
    await until(lambda: mailed_at_last(buying), "the worker's own connections are renewed")
    assert (await buying.purchase(purchase_id))["status"] == "completed"


async def mailed_at_last(buying: Buying) -> bool:
    """Whether the receipt is out; what met a dead connection is tried again as time passes."""
    await buying.time_passes()
    told = await buying.rows("SELECT emailed_at FROM notifications WHERE tenant_id = $1")
    return told[0]["emailed_at"] is not None


async def bought_at_last(buying: Buying) -> UUID | None:
    """A purchase, or None while connections are found dead one by one: nothing was promised to the buyer then."""
    try:
        return await buying.buy()
    except (*CONNECTION_ERRORS, SQLAlchemyError):
        return None


async def test_a_confirmation_in_the_very_moment_of_giving_up_is_paid_and_credited(buying: Buying) -> None:
    """The day is over and Stripe is asked to cancel; the buyer confirms before it does: what was paid brings its credits."""
    purchase_id = await buying.buy(await buying.command("4000000000003220"))
    await buying.aged(purchase_id, "25 hours")
    bank = (await buying.purchase(purchase_id))["next_action_url"]
    await buying.sandbox.fault("slow_before", path=f"{INTENTS}/", seconds=1.0)

    async def canceling() -> bool:
        return any(one["path"].endswith("/cancel") for one in await buying.sandbox.requests())

    await buying.hurry()
    await until(canceling, "Stripe is asked to cancel")
    await buying.sandbox.authenticate(bank)
    await buying.worked()
    done = await buying.purchase(purchase_id)
    assert (done["status"], done["failure_code"]) == ("completed", None)
    assert await kinds(buying) == BOUGHT
