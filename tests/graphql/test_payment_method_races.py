"""A card is removed while automatic purchases begin to use it: one of both is refused, whichever comes first."""

import asyncio
from typing import Any

import asyncpg
import pytest

from app.payments.gateway import Gateway
from app.tenancy import Database
from tests.graphql.portal import Portal
from tests.graphql.purse import REMOVE, Purse, new_purse
from tests.graphql.rows import audited
from tests.graphql.test_auto_purchase import change, plan_with
from tests.payments.sandbox import Sandbox
from tests.scenarios.portal import until

CARD = "/v1/payment_methods/"


@pytest.fixture
async def purse(portal: Portal, database: Database, sandbox: Sandbox, gateway: Gateway) -> Purse:
    return await new_purse(portal, database, sandbox, gateway)


async def asking(purse: Purse, asks: Any) -> asyncio.Task[dict[str, Any]]:
    """A request that has asked Stripe about the card and waits for the answer."""
    await purse.sandbox.steer.delete("/requests")
    await purse.sandbox.fault("slow_after", method="GET", path=CARD, seconds=3.0)
    task: asyncio.Task[dict[str, Any]] = asyncio.create_task(asks)

    async def seen() -> bool:
        return any(one["path"].startswith(CARD) for one in await purse.sandbox.requests())

    await until(seen, "Stripe is asked about the card")
    return task


async def enabled(rows: asyncpg.Connection, purse: Purse) -> list[str]:
    found = await rows.fetch(
        "SELECT stripe_payment_method_id FROM auto_purchase_settings WHERE tenant_id = $1 AND enabled",
        purse.household.tenant_id,
    )
    return [row[0] for row in found]


async def test_a_card_that_is_removed_meanwhile_is_not_switched_on(purse: Purse, rows: asyncpg.Connection) -> None:
    card = await purse.saved()
    changing = await asking(purse, change(purse, "adam", plan_with(card, monthlyCap="250")))
    assert (await purse.ask(REMOVE, id=card))["userErrors"] == []
    assert not changing.done()
    refused = await changing
    assert [one["code"] for one in refused["userErrors"]] == ["STALE_VERSION"]
    assert (await enabled(rows, purse), await purse.kept()) == ([], [])
    # With the new version the refusal is the card's own.
    again = await change(purse, "adam", plan_with(card, monthlyCap="250"), version=2)
    assert [one["code"] for one in again["userErrors"]] == ["NOT_FOUND"]
    assert [event["action"] for event in await audited(rows, purse.household)] == ["payment_method.removed"]


async def test_a_card_that_is_switched_on_meanwhile_is_not_removed(purse: Purse, rows: asyncpg.Connection) -> None:
    card = await purse.saved()
    removing = await asking(purse, purse.ask(REMOVE, id=card))
    assert (await change(purse, "adam", plan_with(card, monthlyCap="250")))["userErrors"] == []
    assert not removing.done()
    refused = await removing
    assert [one["code"] for one in refused["userErrors"]] == ["PAYMENT_METHOD_IN_USE"]
    kept = await purse.kept()
    assert (await enabled(rows, purse), len(kept)) == (kept, 1)
    assert [event["action"] for event in await audited(rows, purse.household)] == ["auto_purchase.updated"]
