"""Who waits for Stripe holds no connection that others need: more askers at once than the process has connections (four)."""

import asyncio

import asyncpg
import pytest

from app.payments.gateway import Gateway
from app.tenancy import Database
from tests.auth.serving import sign
from tests.graphql.documents import NODE
from tests.graphql.portal import Answer, Portal, node_id, pool_id
from tests.graphql.purse import CARDS, Purse, new_purse
from tests.payments.sandbox import Sandbox
from tests.scenarios.portal import until

VIEWER = "{ viewer { user { displayName } } }"
BOTH = "query Both($id: ID!) { node(id: $id) { id } again: node(id: $id) { id } viewer { user { displayName } } }"
TWICE = """
mutation Twice($id: ID!, $pool: ID!) {
  first: paymentMethodMakeDefault(id: $id) { pool { name } userErrors { code } }
  settings: poolSettingsUpdate(poolId: $pool, version: 0, patch: {}) { pool { name } userErrors { code } }
  second: paymentMethodMakeDefault(id: $id) { pool { name } userErrors { code } }
}
"""
WITH_AUTO_PURCHASE = """
query Cards($id: ID!) { pool(id: $id) { name paymentMethods { id } settings { autoPurchase { paymentMethod { id } } } } }
"""
OLIVIA = {"viewer": {"user": {"displayName": "Olivia"}}}
PAYERS = 8


@pytest.fixture
async def purse(other_portal: Portal, database: Database, sandbox: Sandbox, gateway: Gateway) -> Purse:
    return await new_purse(other_portal, database, sandbox, gateway)


async def asked_at_once(purse: Purse, document: str, times: int = PAYERS, **given: str) -> list[Answer]:
    asking = [purse.portal.ask(purse.household, "olivia", document, **given) for _ in range(times)]
    return await asyncio.gather(*asking)


async def asked_of_stripe(purse: Purse, path: str) -> int:
    return sum(one["path"].startswith(path) for one in await purse.sandbox.requests())


async def test_more_cards_than_connections_are_asked_for_at_once(purse: Purse) -> None:
    card = await purse.saved()
    await purse.sandbox.fault("slow_before", path="/v1/payment_methods", method="GET", times=PAYERS, seconds=0.1)
    *cards, innocent = await asyncio.gather(
        asked_at_once(purse, NODE, id=card), purse.portal.ask(purse.household, "olivia", VIEWER)
    )
    assert [one.data["node"]["id"] for one in cards[0]] == [card] * PAYERS
    assert innocent.data == OLIVIA


async def test_what_else_an_operation_asks_waits_with_its_card(purse: Purse) -> None:
    card = await purse.saved()
    answers = await asked_at_once(purse, BOTH, id=card)
    assert [one.data for one in answers] == [{"node": {"id": card}, "again": {"id": card}} | OLIVIA] * PAYERS


@pytest.mark.parametrize("kind", [None, "server_error"])
async def test_nobody_is_shown_no_card_whether_stripe_answers_or_not(purse: Purse, kind: str | None) -> None:
    if kind:
        await purse.sandbox.fault(kind, path="/v1/payment_methods", method="GET", times=3)
    portal = purse.portal
    claims = portal.issuer.claims(sub="nobody", tenant_id=str(purse.household.tenant_id))
    answer = await portal.send(sign(claims, portal.key, "RS256", typ="at+jwt"), NODE, id=await purse.saved())
    assert (answer.status, answer.body["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


async def test_several_mutations_in_one_document_hold_one_connection_at_a_time(purse: Purse) -> None:
    card, pool = await purse.saved(), {"name": "Household"}
    changed, stale = {"pool": pool, "userErrors": []}, {"pool": None, "userErrors": [{"code": "STALE_VERSION"}]}
    answers = await asked_at_once(purse, TWICE, id=card, pool=pool_id(purse.household))
    assert [one.data for one in answers] == [{"first": changed, "settings": stale, "second": changed}] * PAYERS
    cards = await purse.cards()
    assert cards is not None
    assert [one["isDefault"] for one in cards] == [True]


async def test_a_stripe_that_hangs_holds_up_the_cards_alone(purse: Purse) -> None:
    await purse.saved()
    await purse.sandbox.fault("slow_before", path="/v1/customers", method="GET", times=20, seconds=6)
    pages = [
        asyncio.create_task(purse.portal.ask(purse.household, "olivia", CARDS, id=pool_id(purse.household)))
        for _ in range(20)
    ]

    async def refused() -> bool:
        return sum(one.done() for one in pages) >= 18

    await until(refused, "all are answered but those who wait for Stripe with half of the connections")
    assert (await purse.portal.ask(purse.household, "olivia", VIEWER)).data == OLIVIA
    assert sum(one.done() for one in pages) == 18, "the overview is answered while they wait"
    for one in await asyncio.gather(*pages):
        assert (one.body["data"]["pool"]["name"], one.body["data"]["pool"]["paymentMethods"]) == ("Household", None)
        assert [error["extensions"]["code"] for error in one.body["errors"]] == ["PAYMENTS_UNAVAILABLE"]
    assert sum("too many people" in one.result().messages[0] for one in pages) == 18
    assert await asked_of_stripe(purse, "/v1/customers/") == 2


async def test_an_operation_asks_for_a_customers_cards_once(purse: Purse, rows: asyncpg.Connection) -> None:
    household, method = purse.household, await purse.sandbox.saved_card(purse.customer_id)
    await rows.execute(
        "INSERT INTO auto_purchase_settings (tenant_id, pool_id, stripe_payment_method_id) VALUES ($1, $2, $3)",
        household.tenant_id,
        household.pool_id,
        method,
    )
    card = node_id("PaymentMethod", method)
    answer = await purse.portal.ask(household, "olivia", WITH_AUTO_PURCHASE, id=pool_id(household))
    assert answer.data["pool"] == {
        "name": "Household",
        "paymentMethods": [{"id": card}],
        "settings": {"autoPurchase": {"paymentMethod": {"id": card}}},
    }
    assert await asked_of_stripe(purse, "/v1/customers/") == 1
