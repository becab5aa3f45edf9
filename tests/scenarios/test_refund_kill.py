"""kill -9 between any two steps of a refund or a dispute: money goes back once, its credits with it, or neither does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.auth.api_keys import generate
from app.payments.gateway import Gateway
from app.rules.node_ids import node_id
from tests.payments.sandbox import Sandbox
from tests.scenarios.plant import POOL, Plant, revived, waits_for_a_lock
from tests.scenarios.portal import new_buying, until
from tests.scenarios.processes import unanswered
from tests.scenarios.refunding import PAID, REFUNDS, Refunds

REFUND = """
mutation Refund($id: ID!, $key: UUID!) {
  purchaseRefund(id: $id, reason: "killed", idempotencyKey: $key) { refund { id status amount { amount } } userErrors { code message } }
}
"""
WHOLE = [("purchased", "-50"), ("bonus", "-7.5")]
BACK = [("purchased", "50"), ("bonus", "7.5")]


@dataclass
class Operator:
    """A program with an API key: it sends its order, and sends it again when no answer came."""

    url: str
    api_key: str
    order: dict[str, str]

    async def refund(self) -> dict[str, Any]:
        """The payload of purchaseRefund. Raises httpx.TransportError when the answer never comes."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with httpx.AsyncClient(timeout=30, trust_env=False, verify=False) as http:
            body = {"query": REFUND, "variables": self.order}
            found = (await http.post(f"{self.url}/graphql", json=body, headers=headers)).json()
        assert "errors" not in found, found
        payload: dict[str, Any] = found["data"]["purchaseRefund"]
        return payload


@pytest.fixture
async def refunds(plant: Plant, sandbox: Sandbox, gateway: Gateway) -> AsyncIterator[Refunds]:
    """A paid purchase. Webhooks never come, unless a test wants them: the worker alone must do it."""
    plant.server.start()
    plant.worker.start()
    buying = await new_buying(plant.portal, sandbox, gateway)
    await sandbox.webhooks(url=None)
    purchase_id = await buying.buy()
    await buying.worked()
    await sandbox.steer.delete("/requests")
    await sandbox.steer.delete("/deliver")
    payment = (await buying.purchase(purchase_id))["stripe_payment_intent_id"]
    yield Refunds(buying, purchase_id, payment)
    await buying.worked()
    await buying.balanced()


async def operator_of(plant: Plant, refunds: Refunds) -> Operator:
    key = generate(refunds.tenant_id)
    await plant.portal.inspector.execute(
        "INSERT INTO api_keys (tenant_id, id, name, key_hash, prefix, scopes) VALUES ($1, $2, 'operator', $3, $4, $5)",
        refunds.tenant_id, key.key_id, key.secret_hash, key.prefix, ["refunds:write"],
    )  # fmt: skip
    client = plant.client(refunds.buying)
    await client.up()
    order = {"id": node_id("CreditPurchase", refunds.purchase_id), "key": str(uuid4())}
    return Operator(client.url, key.text, order)


async def statuses(refunds: Refunds) -> list[str]:
    rows = await refunds.buying.rows("SELECT status FROM refunds WHERE tenant_id = $1 ORDER BY created_at")
    return [row["status"] for row in rows]


async def killed(plant: Plant, attempt: asyncio.Task[dict[str, Any]]) -> None:
    plant.server.kill()
    await unanswered(attempt)


async def ends(refunds: Refunds) -> None:
    """Time passes until the refund has succeeded: money and credits went once."""

    async def so_far() -> bool:
        await refunds.buying.hurry()
        return await statuses(refunds) == ["succeeded"]

    await until(so_far, "the refund succeeds")
    await refunds.buying.worked()
    assert await refunds.purchase() == ("refunded", PAID)
    assert await refunds.refund_entries() == WHOLE
    assert [one["amount"] for one in await refunds.at_stripe()] == [PAID]


async def repeats(plant: Plant, operator: Operator, refunds: Refunds) -> None:
    """The operator sends the same order again, twice: it is the one refund."""
    await plant.client(refunds.buying).up()
    answers = [await operator.refund() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["userErrors"] == []
    assert answers[0]["refund"]["status"] == "SUCCEEDED"
    await ends(refunds)


async def asked(refunds: Refunds) -> Any:
    return await refunds.asked()


async def made(refunds: Refunds) -> Any:
    return await refunds.at_stripe()


Moment = Callable[[Refunds], Awaitable[Any]]
SLOW = {"path": REFUNDS, "seconds": 1.0}
STEPS: dict[str, tuple[dict[str, Any], Moment, bool]] = {  # the fault, the moment, whether the money has gone by then
    "committed, Stripe has done nothing": ({"kind": "server_error", "path": REFUNDS, "times": 100}, asked, False),
    "committed, Stripe does it afterwards": ({"kind": "slow_before", **SLOW}, asked, False),
    "given back, the answer is on its way": ({"kind": "slow_after", **SLOW}, made, True),
}


async def test_the_server_is_killed_before_the_refund_is_written(plant: Plant, refunds: Refunds) -> None:
    operator = await operator_of(plant, refunds)
    async with plant.locked(POOL, refunds.buying.household.pool_id):
        attempt = asyncio.create_task(operator.refund())
        await until(lambda: waits_for_a_lock(refunds.buying), "the order waits for the pool")
        await killed(plant, attempt)
    assert await statuses(refunds) == []
    plant.server.start()
    await repeats(plant, operator, refunds)


@pytest.mark.parametrize(("fault", "moment", "gone"), STEPS.values(), ids=list(STEPS))
async def test_the_server_is_killed_around_the_call_to_stripe(
    plant: Plant, refunds: Refunds, fault: dict[str, Any], moment: Moment, *, gone: bool
) -> None:
    operator = await operator_of(plant, refunds)
    await refunds.buying.sandbox.fault(**fault)
    attempt = asyncio.create_task(operator.refund())
    await until(lambda: moment(refunds), "the moment to kill")
    await killed(plant, attempt)
    assert (await statuses(refunds), bool(await refunds.at_stripe())) == (["pending"], gone)
    assert await refunds.refund_entries() == []
    (await refunds.buying.sandbox.steer.delete("/faults")).raise_for_status()
    plant.server.start()
    await ends(refunds)
    await repeats(plant, operator, refunds)


async def test_the_server_is_killed_while_it_applies_the_outcome(plant: Plant, refunds: Refunds) -> None:
    operator = await operator_of(plant, refunds)
    await refunds.buying.sandbox.fault("slow_after", **SLOW)
    attempt = asyncio.create_task(operator.refund())
    await until(refunds.at_stripe, "the refund at Stripe")
    async with plant.locked(POOL, refunds.buying.household.pool_id):
        await until(lambda: waits_for_a_lock(refunds.buying), "the outcome waits for the pool")
        await killed(plant, attempt)
    assert await statuses(refunds) == ["pending"]
    plant.server.start()
    await ends(refunds)
    await repeats(plant, operator, refunds)


async def test_the_server_is_killed_as_soon_as_the_outcome_is_committed(plant: Plant, refunds: Refunds) -> None:
    """Whether or not the answer was out: nothing tells the operator, nor changes what the same order gives."""
    operator = await operator_of(plant, refunds)
    attempt = asyncio.create_task(operator.refund())

    async def committed() -> bool:
        return await statuses(refunds) == ["succeeded"]

    await until(committed, "the credits are gone")
    plant.server.kill()
    await asyncio.gather(attempt, return_exceptions=True)
    plant.server.start()
    await ends(refunds)
    await repeats(plant, operator, refunds)


async def started(refunds: Refunds) -> UUID:
    """A refund whose first call to Stripe met a server error: the worker has it to do."""
    await refunds.buying.sandbox.fault("server_error", path=REFUNDS)
    refund_id = await refunds.refund()
    assert await statuses(refunds) == ["pending"]
    await refunds.buying.sandbox.steer.delete("/requests")
    return refund_id


@pytest.mark.parametrize(("kind", "moment"), [("slow_before", asked), ("slow_after", made)])
async def test_the_worker_is_killed_around_the_call_to_stripe(
    plant: Plant, refunds: Refunds, kind: str, moment: Moment
) -> None:
    await started(refunds)
    await refunds.buying.sandbox.fault(kind, **SLOW)
    await refunds.buying.hurry()
    await until(lambda: moment(refunds), "the moment to kill")
    await revived(plant, refunds.buying)
    await ends(refunds)


async def test_the_worker_is_killed_while_it_applies_the_outcome(plant: Plant, refunds: Refunds) -> None:
    await started(refunds)
    async with plant.locked(POOL, refunds.buying.household.pool_id):
        await refunds.buying.hurry()
        await until(lambda: waits_for_a_lock(refunds.buying), "the outcome waits for the pool")
        await revived(plant, refunds.buying)
    await ends(refunds)


async def handled_by_a_worker_that_dies(plant: Plant, refunds: Refunds) -> None:
    """All waiting events reach the server; the worker is killed over them, and another takes them up."""
    await plant.client(refunds.buying).up()
    async with plant.locked(POOL, refunds.buying.household.pool_id):
        await refunds.buying.sandbox.webhooks(url=plant.portal.webhook_url)
        delivered = await refunds.buying.sandbox.deliver()
        assert {one["status"] for one in delivered} == {200}
        await until(lambda: waits_for_a_lock(refunds.buying), "the event waits for the pool")
        await revived(plant, refunds.buying)
    await refunds.buying.worked()
    for one in delivered:
        kept = await refunds.buying.inbox(one["event"])
        assert kept is not None
        assert kept["processed_at"] is not None


async def test_the_worker_is_killed_while_it_handles_a_refund_of_the_dashboard(plant: Plant, refunds: Refunds) -> None:
    form = {"payment_intent": refunds.payment}
    (await refunds.buying.sandbox.raw.post(REFUNDS, data=form)).raise_for_status()
    await handled_by_a_worker_that_dies(plant, refunds)
    await ends(refunds)


async def test_the_worker_is_killed_while_it_handles_a_dispute_and_its_end(plant: Plant, refunds: Refunds) -> None:
    dispute = await refunds.buying.sandbox.dispute(refunds.payment)
    await handled_by_a_worker_that_dies(plant, refunds)
    assert (await refunds.purchase(), await refunds.refund_entries()) == (("refunded", PAID), WHOLE)
    await refunds.buying.sandbox.webhooks(url=None)
    await refunds.buying.sandbox.decide(dispute, "won")
    await handled_by_a_worker_that_dies(plant, refunds)
    assert (await refunds.purchase(), await refunds.refund_entries()) == (("completed", 0), [*WHOLE, *BACK])
