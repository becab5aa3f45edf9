"""kill -9 between any two steps of a purchase: it ends completed once or failed, never charged without credits, never credited twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.payments.gateway import Gateway
from tests.payments.sandbox import Sandbox
from tests.scenarios.plant import POOL, Plant, bought_before, revived, statuses, waits_for_a_lock
from tests.scenarios.portal import INTENTS, Buying, until
from tests.scenarios.processes import Client, Process, environment, unanswered
from tests.scenarios.reconciling import Books

GOOD, POOR, NEEDS_3DS = "4242424242424242", "4000000000009995", "4000000000003220"


@pytest.fixture
async def buying(plant: Plant, sandbox: Sandbox, gateway: Gateway) -> AsyncIterator[Buying]:
    async with bought_before(plant, sandbox, gateway) as scenario:
        yield scenario


async def asked_to_charge(buying: Buying) -> Any:
    return [one for one in await buying.sandbox.requests() if (one["method"], one["path"]) == ("POST", INTENTS)]


async def asked_for_the_card(buying: Buying) -> Any:
    return [one for one in await buying.sandbox.requests() if one["path"].startswith("/v1/payment_methods/")]


async def taken(buying: Buying) -> Any:
    return len(await buying.charges()) == 2


async def committed(buying: Buying) -> Any:
    return await statuses(buying) == ["completed", "completed"] and await waits_for_a_lock(buying)


async def ends(buying: Buying, expected: list[str]) -> None:
    """Time passes until the purchases have ended so; a payment that Stripe is still at work on takes a little longer."""

    async def so_far() -> bool:
        await buying.hurry()
        return await statuses(buying) == expected

    await until(so_far, f"purchases {expected}")
    await buying.worked()
    assert await statuses(buying) == expected


Moment = Callable[[Buying], Awaitable[Any]]
MEMBERS = (
    "LOCK TABLE credit_pool_members IN ACCESS EXCLUSIVE MODE"  # applying an outcome does not need it, answering does
)


@dataclass(frozen=True)
class Step:
    """Where the purchase is caught: what Stripe does then, how the moment is recognised, what has happened by then."""

    fault: dict[str, Any] | None
    moment: Moment
    status: str | None  # of the purchase when the server dies; None: not written yet
    charged: bool
    card: str = GOOD
    ends: str = "completed"


SLOW = {"path": INTENTS, "seconds": 1.0}
SERVER_STEPS = {
    "before the pending purchase is committed": Step(
        {"kind": "slow_before", "path": "/v1/payment_methods/", "method": "GET", "seconds": 1.0},
        asked_for_the_card,
        None,
        False,
    ),
    "committed, Stripe has done nothing": Step(
        {"kind": "server_error", "path": INTENTS, "times": 100}, asked_to_charge, "pending", False
    ),
    "committed, Stripe does it afterwards": Step({"kind": "slow_before", **SLOW}, asked_to_charge, "pending", False),
    "charged, the answer is on its way": Step({"kind": "slow_after", **SLOW}, taken, "pending", True),
    "declined, the answer is on its way": Step(
        {"kind": "slow_after", **SLOW}, taken, "pending", False, card=POOR, ends="failed"
    ),
}


@pytest.mark.parametrize("step", SERVER_STEPS.values(), ids=list(SERVER_STEPS))
async def test_the_server_is_killed_around_the_call_to_stripe(plant: Plant, buying: Buying, step: Step) -> None:
    client, command = plant.client(buying), await buying.command(step.card)
    await client.up()
    if step.fault:
        await buying.sandbox.fault(**step.fault)
    attempt = asyncio.create_task(client.buy(command.quote_token, command.payment_method_id, command.idempotency_key))
    await until(lambda: step.moment(buying), "the moment to kill")
    await killed(plant, attempt)
    assert (await statuses(buying))[1:] == ([step.status] if step.status else [])
    assert sum(one["status"] == "succeeded" for one in await buying.charges()) == 1 + step.charged
    (await buying.sandbox.steer.delete("/faults")).raise_for_status()
    plant.server.start()
    if step.status:
        await ends(buying, ["completed", step.ends])
    await repeats(client, buying, command, step.ends)


async def test_the_server_is_killed_while_it_applies_the_outcome(plant: Plant, buying: Buying) -> None:
    client, command = plant.client(buying), await buying.command()
    await client.up()
    async with plant.locked(POOL, buying.household.pool_id):
        attempt = asyncio.create_task(
            client.buy(command.quote_token, command.payment_method_id, command.idempotency_key)
        )
        await until(lambda: waits_for_a_lock(buying), "the outcome waits for the pool")
        await killed(plant, attempt)
    plant.server.start()
    await ends(buying, ["completed", "completed"])
    await repeats(client, buying, command, "completed")


async def test_the_server_is_killed_after_the_commit_before_its_answer(plant: Plant, buying: Buying) -> None:
    client, command = plant.client(buying), await buying.command()
    await client.up()
    await buying.sandbox.fault("slow_after", path=INTENTS, seconds=1.0)
    attempt = asyncio.create_task(client.buy(command.quote_token, command.payment_method_id, command.idempotency_key))
    await until(lambda: taken(buying), "the charge")
    async with plant.locked(MEMBERS):
        await until(lambda: committed(buying), "the credits are there, the answer is not")
        await killed(plant, attempt)
    plant.server.start()
    await ends(buying, ["completed", "completed"])
    await repeats(client, buying, command, "completed")


async def killed(plant: Plant, attempt: asyncio.Task[dict[str, Any]]) -> None:
    plant.server.kill()
    await unanswered(attempt)


async def repeats(client: Client, buying: Buying, command: Any, status: str) -> None:
    """The client sends the same again, twice: it gets the one purchase, and Stripe is not asked for money any more."""
    await client.up()
    before = await statuses(buying)
    answers = [
        await client.buy(command.quote_token, command.payment_method_id, command.idempotency_key) for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["purchase"]["status"] == status.upper()
    assert [error["code"] for error in answers[0]["userErrors"]] == (["PAYMENT_DECLINED"] if status == "failed" else [])
    assert await statuses(buying) == ["completed", status]
    if before == ["completed", status]:
        assert len(await buying.charges()) == 2
    entries = [entry[0] for entry in await buying.entries()]
    assert entries == ["subscription_grant", *["purchase", "bonus_grant"] * (2 if status == "completed" else 1)]


WORKER_STEPS = {
    "Stripe does it afterwards": ({"kind": "slow_before", **SLOW}, asked_to_charge),
    "the answer is on its way": ({"kind": "slow_after", **SLOW}, taken),
}


@pytest.mark.parametrize(("fault", "moment"), WORKER_STEPS.values(), ids=list(WORKER_STEPS))
async def test_the_worker_is_killed_around_the_call_to_stripe(
    plant: Plant, buying: Buying, fault: dict[str, Any], moment: Moment
) -> None:
    await buying.started()
    await buying.sandbox.steer.delete("/requests")
    await buying.sandbox.fault(**fault)
    await buying.hurry()
    await until(lambda: moment(buying), "the moment to kill")
    await revived(plant, buying)
    await ends(buying, ["completed", "completed"])


async def test_the_worker_is_killed_while_it_applies_the_outcome(plant: Plant, buying: Buying) -> None:
    await buying.started()
    async with plant.locked(POOL, buying.household.pool_id):
        await buying.hurry()
        await until(lambda: waits_for_a_lock(buying), "the outcome waits for the pool")
        await revived(plant, buying)
    await ends(buying, ["completed", "completed"])


async def test_the_worker_is_killed_while_it_handles_an_event(plant: Plant, buying: Buying) -> None:
    await plant.client(buying).up()
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    await buying.buy()
    async with plant.locked(POOL, buying.household.pool_id):
        await buying.sandbox.webhooks(url=plant.portal.webhook_url)
        delivered = await buying.sandbox.deliver()
        assert {one["status"] for one in delivered} == {200}
        await until(lambda: waits_for_a_lock(buying), "the event waits for the pool")
        await revived(plant, buying)
    await buying.worked()
    assert await statuses(buying) == ["completed", "completed"]
    for one in delivered:
        kept = await buying.inbox(one["event"])
        assert kept is not None
        assert kept["processed_at"] is not None


async def asked_to_cancel(buying: Buying) -> Any:
    return [one for one in await buying.sandbox.requests() if one["path"].endswith("/cancel")]


async def given_up(buying: Buying) -> Any:
    return [one["cancellation_reason"] for one in await buying.charges() if one["status"] == "canceled"] == [
        "abandoned"
    ]


CANCELING = {"path": f"{INTENTS}/", "seconds": 1.0}
CANCEL_STEPS = {
    "Stripe does it afterwards": ({"kind": "slow_before", **CANCELING}, asked_to_cancel),
    "given up, the answer is on its way": ({"kind": "slow_after", **CANCELING}, given_up),
}


@pytest.mark.parametrize(("fault", "moment"), CANCEL_STEPS.values(), ids=list(CANCEL_STEPS))
async def test_the_worker_is_killed_while_it_gives_up_an_abandoned_payment(
    plant: Plant, buying: Buying, fault: dict[str, Any], moment: Moment
) -> None:
    await abandoned(buying)
    await buying.sandbox.fault(**fault)
    await buying.hurry()
    await until(lambda: moment(buying), "the moment to kill")
    await revived(plant, buying)
    await ends(buying, ["failed", "completed"])
    assert await given_up(buying)


async def test_the_worker_is_killed_while_it_applies_that_a_payment_was_given_up(plant: Plant, buying: Buying) -> None:
    await abandoned(buying)
    async with plant.locked(POOL, buying.household.pool_id):
        await buying.hurry()
        await until(lambda: waits_for_a_lock(buying), "the outcome waits for the pool")
        assert await given_up(buying)
        await revived(plant, buying)
    await ends(buying, ["failed", "completed"])


async def abandoned(buying: Buying) -> None:
    """A purchase whose buyer has left the bank's page a day ago."""
    purchase_id = await buying.buy(await buying.command(NEEDS_3DS))
    await buying.aged(purchase_id, "25 hours")
    await buying.sandbox.steer.delete("/requests")


async def test_reconciliation_is_killed_while_it_puts_right(plant: Plant, buying: Buying, tmp_path: Path) -> None:
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    await buying.buy()
    books = Books(buying)
    await books.nobody_else()
    command = f"reconcile --tenant {buying.household.tenant_id}"
    reconciling = Process(command, environment(plant.portal.settings), tmp_path / "reconcile.log")
    async with plant.locked(POOL, buying.household.pool_id):
        reconciling.start()
        await until(lambda: waits_for_a_lock(buying), "the outcome waits for the pool")
        reconciling.kill()
    assert await statuses(buying) == ["completed", "processing"]
    assert (await books.found()).explained
    assert (await books.run()).findings == ()
    assert await statuses(buying) == ["completed", "completed"]
