"""kill -9 between any two steps of saving and of removing a card: it is there and the default, or it is gone; nothing is half."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from app.payments.gateway import Gateway
from tests.factories import make_household
from tests.graphql.portal import node_id, pool_id
from tests.graphql.purse import CARDS, FINISH, NO_CARD, REMOVE, SETUP
from tests.payments.sandbox import Sandbox
from tests.scenarios.plant import POOL, Plant, revived, waits_for_a_lock
from tests.scenarios.portal import Buying, new_buying, until
from tests.scenarios.processes import Client, unanswered

Cards = list[tuple[str, bool]]


@dataclass
class Saver:
    """A household without a customer at Stripe, that saves and removes cards. Webhooks come when a test wants them."""

    plant: Plant
    buying: Buying
    client: Client

    async def begin(self) -> dict[str, Any]:
        begun = await self.client.ask(SETUP, pool=pool_id(self.buying.household))
        assert begun["userErrors"] == []
        return begun

    async def finish(self, setup: str) -> None:
        finished = await self.client.ask(FINISH, id=setup)
        assert (finished["userErrors"], finished["setup"]["status"]) == ([], "SUCCEEDED")

    async def confirmed(self) -> tuple[str, str]:
        """A setup that the page has confirmed, and its card: Stripe keeps it, nobody has said so here."""
        begun, card = await self.begin(), await self.buying.sandbox.card()
        (await self.buying.sandbox.save(begun["clientSecret"], card)).raise_for_status()
        return begun["setup"]["id"], card

    async def cards(self) -> Cards:
        """The cards as the page shows them."""
        pool = await self.client.ask(CARDS, id=pool_id(self.buying.household))
        return [(one["id"], one["isDefault"]) for one in pool["paymentMethods"]]

    async def customer(self) -> str | None:
        found: str | None = await self.plant.portal.inspector.fetchval(
            "SELECT stripe_customer_id FROM credit_pools WHERE id = $1", self.buying.household.pool_id
        )
        return found

    async def kept(self) -> Cards:
        """The cards as Stripe has them."""
        found = await self.buying.gateway.payment_methods(str(await self.customer()))
        return [(node_id("PaymentMethod", one.id), one.is_default) for one in found]

    async def customers(self) -> list[str]:
        """Those that Stripe has of the pool."""
        about = [
            one["data"]["object"] for one in await self.buying.sandbox.events() if one["type"] == "customer.created"
        ]
        mine = str(self.buying.household.pool_id)
        return [one["id"] for one in about if one["metadata"].get("pool_id") == mine]

    async def setups(self) -> Any:
        created = [one for one in await self.buying.sandbox.events() if one["type"] == "setup_intent.created"]
        return [one for one in created if one["data"]["object"]["customer"] == await self.customer()]

    async def noted(self) -> int:
        rows = await self.buying.rows(
            "SELECT 1 FROM audit_events WHERE tenant_id = $1 AND action = 'payment_method.removed'"
        )
        return len(rows)

    async def killed(self, attempt: asyncio.Task[Any]) -> None:
        """kill -9 the server and the worker; Stripe is well again."""
        self.plant.server.kill()
        self.plant.worker.kill()
        await unanswered(attempt)
        await self.buying.sandbox.calm()

    async def back(self) -> None:
        self.plant.server.start()
        self.plant.worker.start()
        await self.client.up()


@pytest.fixture
async def saver(plant: Plant, sandbox: Sandbox, gateway: Gateway) -> Saver:
    plant.server.start()
    plant.worker.start()
    await new_buying(plant.portal, sandbox, gateway)  # events of earlier scenarios are out of the way
    household = await make_household(plant.portal.database, tier="FREE", stripe_customer_id=None)
    buying = Buying(plant.portal, sandbox, gateway, household)
    client = plant.client(buying)
    await client.up()
    for forgotten in ("/deliver", "/requests"):
        (await sandbox.steer.delete(forgotten)).raise_for_status()
    return Saver(plant, buying, client)


Moment = Callable[[Saver], Awaitable[Any]]


def asked(method: str, path: str) -> Moment:
    async def moment(saver: Saver) -> bool:
        sent = await saver.buying.sandbox.requests()
        return any(one["method"] == method and one["path"].startswith(path) for one in sent)

    return moment


async def default_chosen(saver: Saver) -> bool:
    return any(is_default for _, is_default in await saver.kept())


async def one_left(saver: Saver) -> bool:
    return len(await saver.kept()) == 1


def slow(when: str, method: str, path: str) -> dict[str, Any]:
    return {"kind": f"slow_{when}", "method": method, "path": path, "seconds": 1.0}


CUSTOMERS, SETUPS, METHODS = "/v1/customers", "/v1/setup_intents", "/v1/payment_methods/"
BEGINNING = {
    "Stripe makes the customer afterwards": (slow("before", "POST", CUSTOMERS), asked("POST", CUSTOMERS)),
    "the customer is made and not kept": (slow("after", "POST", CUSTOMERS), Saver.customers),
    "Stripe begins the setup afterwards": (slow("before", "POST", SETUPS), asked("POST", SETUPS)),
    "the setup's answer is on its way": (slow("after", "POST", SETUPS), Saver.setups),
}


@pytest.mark.parametrize(("fault", "moment"), BEGINNING.values(), ids=list(BEGINNING))
async def test_killed_while_the_saving_begins(saver: Saver, fault: dict[str, Any], moment: Moment) -> None:
    await saver.buying.sandbox.fault(**fault)
    attempt = asyncio.create_task(saver.begin())
    await until(lambda: moment(saver), "the moment to kill")
    await saver.killed(attempt)
    await saver.back()
    assert await saver.cards() == []
    setup, card = await saver.confirmed()
    await saver.finish(setup)
    assert await saver.cards() == await saver.kept() == [(node_id("PaymentMethod", card), True)]
    assert await saver.customers() == [await saver.customer()], "one customer, however often it is begun"


FINISHING = {
    "Stripe is asked how it stands": (slow("before", "GET", SETUPS), asked("GET", SETUPS)),
    "Stripe makes it the default afterwards": (slow("before", "POST", CUSTOMERS), asked("POST", f"{CUSTOMERS}/")),
    "it is the default, the answer is on its way": (slow("after", "POST", CUSTOMERS), default_chosen),
}


@pytest.mark.parametrize("speaks", ["the page", "the webhook"])
@pytest.mark.parametrize(("fault", "moment"), FINISHING.values(), ids=list(FINISHING))
async def test_killed_after_stripe_has_saved_it(
    saver: Saver, fault: dict[str, Any], moment: Moment, speaks: str
) -> None:
    setup, card = await saver.confirmed()
    saved = [(node_id("PaymentMethod", card), True)]
    await saver.buying.sandbox.fault(**fault)
    attempt = asyncio.create_task(saver.finish(setup))
    await until(lambda: moment(saver), "the moment to kill")
    await saver.killed(attempt)
    await saver.back()
    if speaks == "the page":
        await saver.finish(setup)
    else:
        await saver.buying.sandbox.deliver()
        await until(lambda: default_chosen(saver), "the worker makes it the default")
    for _ in range(2):
        assert await saver.cards() == await saver.kept() == saved
        await saver.finish(setup)


WORKING = {
    "Stripe does it afterwards": FINISHING["Stripe makes it the default afterwards"],
    "the answer is on its way": FINISHING["it is the default, the answer is on its way"],
}


@pytest.mark.parametrize(("fault", "moment"), WORKING.values(), ids=list(WORKING))
async def test_the_worker_is_killed_while_it_makes_the_card_the_default(
    saver: Saver, fault: dict[str, Any], moment: Moment
) -> None:
    _, card = await saver.confirmed()
    await saver.buying.sandbox.fault(**fault)
    delivered = await saver.buying.sandbox.deliver()
    assert {one["status"] for one in delivered} == {200}
    await until(lambda: moment(saver), "the moment to kill")
    await revived(saver.plant, saver.buying)
    await until(lambda: default_chosen(saver), "the worker makes it the default")
    await saver.buying.worked()
    assert await saver.cards() == await saver.kept() == [(node_id("PaymentMethod", card), True)]
    for one in delivered:
        kept = await saver.buying.inbox(one["event"])
        assert kept is None or kept["processed_at"] is not None


@dataclass(frozen=True)
class Removal:
    """Where a removal is caught: what Stripe does then, how the moment is recognised, what has happened by then and after."""

    fault: dict[str, Any] | None  # None: it waits for the pool's lock
    moment: Moment
    noted: int
    removed: bool  # without anybody's asking again


DETACHING = asked("POST", METHODS)
REMOVING = {
    "the card is asked for": Removal(slow("before", "GET", METHODS), asked("GET", METHODS), 0, False),
    "not noted yet": Removal(None, lambda saver: waits_for_a_lock(saver.buying), 0, False),
    "noted, Stripe does nothing": Removal({"kind": "server_error", "path": METHODS, "times": 100}, DETACHING, 1, False),
    "noted, Stripe does it afterwards": Removal(slow("before", "POST", METHODS), DETACHING, 1, True),
    "removed, the answer is on its way": Removal(slow("after", "POST", METHODS), one_left, 1, True),
}


@pytest.mark.parametrize("step", REMOVING.values(), ids=list(REMOVING))
async def test_killed_while_a_card_is_removed(saver: Saver, step: Removal) -> None:
    (setup, first), (_, second) = await saver.confirmed(), await saver.confirmed()
    await saver.finish(setup)
    gone, stays = node_id("PaymentMethod", first), node_id("PaymentMethod", second)
    both, left = [(stays, False), (gone, True)], [(stays, False)]
    assert await saver.kept() == both
    await saver.buying.sandbox.steer.delete("/requests")
    if step.fault:
        await saver.buying.sandbox.fault(**step.fault)
    async with AsyncExitStack() as locks:
        if step.fault is None:
            await locks.enter_async_context(saver.plant.locked(POOL, saver.buying.household.pool_id))
        attempt = asyncio.create_task(saver.client.ask(REMOVE, id=gone))
        await until(lambda: step.moment(saver), "the moment to kill")
        await saver.killed(attempt)
    await saver.back()
    if step.removed:
        await until(lambda: one_left(saver), "Stripe has removed it")
    assert await saver.cards() == await saver.kept() == (left if step.removed else both)
    assert await saver.noted() == step.noted, "whatever Stripe has done has a name"
    again = await saver.client.ask(REMOVE, id=gone)
    assert again["userErrors"] == ([NO_CARD] if step.removed else [])
    assert await saver.cards() == await saver.kept() == left
