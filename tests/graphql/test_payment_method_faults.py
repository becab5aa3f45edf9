"""Cards when Stripe is busy, down, silent, or its answer is lost: said clearly, and the rest of the pool is still there."""

import asyncio
from typing import Any

import pytest

from app.payments.gateway import Gateway
from app.tenancy import Database
from tests.conftest import Urls, connecting
from tests.graphql.portal import Answer, Portal, pool_id
from tests.graphql.purse import CARDS, DEFAULT, FINISH, REMOVE, SETUP, Purse, new_purse
from tests.payments.sandbox import Sandbox
from tests.scenarios.portal import until


@pytest.fixture
async def purse(portal: Portal, database: Database, sandbox: Sandbox, gateway: Gateway) -> Purse:
    return await new_purse(portal, database, sandbox, gateway)


AUTO_PURCHASE = """
mutation Auto($id: ID!, $card: ID!) { poolSettingsUpdate(poolId: $id, version: 1, patch: {autoPurchase: {paymentMethodId: $card}}) {
  pool { id } userErrors { code message } } }
"""
UNAVAILABLE = {
    "code": "PAYMENTS_UNAVAILABLE",
    "path": None,
    "message": "Stripe can't be reached just now. Look at the cards again in a few minutes, then repeat this.",
    "messageKey": "error.payments_unavailable",
}


def partial(answer: Answer) -> tuple[Any, list[str], list[str]]:
    """The pool of a partial answer, and its errors' codes and messages."""
    codes = [error["extensions"]["code"] for error in answer.body["errors"]]
    return answer.body["data"]["pool"], codes, answer.messages


@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "lose_answer", "refuse"])
async def test_the_rest_of_the_pool_is_there_when_stripe_is_not(purse: Purse, kind: str) -> None:
    await purse.saved()
    await purse.sandbox.fault(kind, path="/v1/customers", method="GET", times=3)  # the library asks three times
    answer = await purse.portal.ask(purse.household, "olivia", CARDS, id=pool_id(purse.household))
    pool, codes, messages = partial(answer)
    assert (pool["name"], pool["paymentMethods"]) == ("Household", None)
    assert codes == ["PAYMENTS_UNAVAILABLE"]
    assert messages == ["The cards can't be shown: Stripe can't be reached just now. Try again in a few minutes."]
    await purse.sandbox.calm()
    assert len(await purse.cards() or []) == 1


async def test_a_stripe_that_hangs_is_not_waited_for_again_at_once(purse: Purse) -> None:
    await purse.saved()
    await purse.sandbox.fault("slow_before", path="/v1/customers", method="GET", seconds=6)
    codes = []
    for _ in range(2):
        answer = await purse.portal.ask(purse.household, "olivia", CARDS, id=pool_id(purse.household))
        codes += partial(answer)[1]
    assert codes == ["PAYMENTS_UNAVAILABLE"] * 2
    asked = [one for one in await purse.sandbox.requests() if one["path"].startswith("/v1/customers/")]
    assert len(asked) == 1, "the second answer did not ask"

    async def back() -> bool:
        answer = await purse.portal.ask(purse.household, "olivia", CARDS, id=pool_id(purse.household))
        return "errors" not in answer.body

    await until(back, "the cards are shown again")


@pytest.mark.parametrize("kind", ["server_error", "rate_limit"])
async def test_changes_say_when_stripe_is_not_there(purse: Purse, kind: str) -> None:
    first, card = await purse.saved(), await purse.saved()
    for path, document, given in (
        ("/v1/setup_intents", SETUP, {"pool": pool_id(purse.household)}),
        (f"/v1/customers/{purse.customer_id}", DEFAULT, {"id": card}),
        ("/v1/payment_methods", REMOVE, {"id": card}),
    ):
        await purse.sandbox.fault(kind, path=path, times=3)
        payload = await purse.ask(document, **given)
        assert payload["userErrors"] == [UNAVAILABLE], document
        await purse.sandbox.calm()
    cards = await purse.cards()
    assert cards is not None
    assert [(one["id"], one["isDefault"]) for one in cards] == [(card, False), (first, False)]


async def test_changes_say_when_stripe_refuses(purse: Purse) -> None:
    first, card = await purse.saved(), await purse.saved()
    begun = await purse.ask(SETUP, pool=pool_id(purse.household))
    await purse.sandbox.save(begun["clientSecret"], await purse.sandbox.card())
    saved, before = await purse.cards(), await purse.kept()
    for method, path, document, given in (
        ("GET", "/v1/payment_methods", AUTO_PURCHASE, {"id": pool_id(purse.household), "card": first}),
        ("GET", "/v1/payment_methods", DEFAULT, {"id": card}),
        ("GET", "/v1/payment_methods", REMOVE, {"id": card}),
        ("POST", "/v1/payment_methods", REMOVE, {"id": card}),
        ("GET", "/v1/setup_intents", FINISH, {"id": begun["setup"]["id"]}),
        ("POST", "/v1/customers/", FINISH, {"id": begun["setup"]["id"]}),
    ):
        await purse.sandbox.fault("refuse", path=path, method=method)
        (error,) = (await purse.ask(document, **given))["userErrors"]
        assert error["code"] == "PAYMENTS_UNAVAILABLE", (method, path)
        if document is not AUTO_PURCHASE:
            assert error["message"] == "Stripe refuses this. Look at the cards again; ask support if it stays so."
        assert (await purse.cards(), await purse.kept()) == (saved, before), "nothing has changed"


async def test_a_removal_does_not_wait_for_what_only_names_the_pool(purse: Purse, urls: Urls) -> None:
    """A new entry's foreign key locks the pool FOR KEY SHARE, for as long as its transaction takes."""
    card = await purse.saved()
    async with connecting(urls.superuser) as other, other.transaction(), asyncio.timeout(20):
        await other.execute("SELECT 1 FROM credit_pools WHERE id = $1 FOR KEY SHARE", purse.household.pool_id)
        payload = await purse.ask(REMOVE, id=card)
    assert (payload["userErrors"], await purse.kept()) == ([], [])


async def test_a_lost_answer_to_a_removal_is_looked_up(purse: Purse) -> None:
    card = await purse.saved()
    await purse.sandbox.fault("lose_answer", path="/v1/payment_methods", times=3)
    payload = await purse.ask(REMOVE, id=card)
    assert (payload["userErrors"], payload["pool"]["paymentMethods"]) == ([], [])
