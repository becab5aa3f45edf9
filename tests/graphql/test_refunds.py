"""Refunds and disputes over the API: who may ask, give and decide, what is shown, and that a refusal changes nothing (ruling 22)."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.rules.permissions import Role
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import MONEY_BACK, NODE, PURCHASE, QUOTE
from tests.graphql.portal import Portal, node_id, pool_id
from tests.graphql.rows import add_api_key, add_pool, add_purchases, everything
from tests.payments.sandbox import Sandbox

REQUEST = """
mutation Request($id: ID!, $reason: String!, $key: UUID!) {
  purchaseRefundRequest(id: $id, reason: $reason, idempotencyKey: $key) {
    purchase { id status viewerCanRequestRefund refundRequest { id status reason explanation amount { amount currency } } }
    userErrors { code path message messageKey } } }
"""
REFUND = """
mutation Refund($id: ID!, $cents: Int, $reason: String!, $key: UUID!) {
  purchaseRefund(id: $id, amountCents: $cents, reason: $reason, idempotencyKey: $key) {
    refund { id status origin amount { amount } creditsTaken explanation purchase { id } } userErrors { code path message messageKey } } }
"""
APPROVE = """
mutation Approve($id: ID!, $cents: Int) { refundApprove(id: $id, amountCents: $cents) {
  refund { id status amount { amount } creditsTaken } userErrors { code path message } } }
"""
REJECT = """
mutation Reject($id: ID!, $reason: String!) { refundReject(id: $id, reason: $reason) {
  refund { id status explanation } userErrors { code path message } } }
"""


@dataclass
class Shop:
    """A household whose owner has bought 10 credits (and 0.5 on top) for 95 dollars, and an operator's key."""

    portal: Portal
    household: Household
    purchase: str
    key: str

    async def request(self, name: str = "olivia", **given: Any) -> dict[str, Any]:
        variables = {"id": self.purchase, "reason": "bought twice", "key": str(uuid4())} | given
        answer = await self.portal.ask(self.household, name, REQUEST, **variables)
        payload: dict[str, Any] = answer.data["purchaseRefundRequest"]
        return payload

    async def refund(self, cents: int | None = None, *, by: str | None = None, **given: Any) -> dict[str, Any]:
        variables = {"id": self.purchase, "reason": "half", "key": str(uuid4()), "cents": cents} | given
        payload: dict[str, Any] = (await self.portal.send(by or self.key, REFUND, **variables)).data["purchaseRefund"]
        return payload

    async def shown(self, name: str = "olivia") -> dict[str, Any]:
        answer = await self.portal.ask(self.household, name, MONEY_BACK, id=pool_id(self.household))
        (found,) = [one for one in answer.data["pool"]["purchases"]["nodes"] if one["id"] == self.purchase]
        return dict(found)


async def shop_of(portal: Portal, database: Database, sandbox: Sandbox, card: str = "4242424242424242") -> Shop:
    household = await make_household(database, stripe_customer_id=None)
    quoted = await portal.ask(household, "olivia", QUOTE, pool=pool_id(household), credits="10")
    quote, method = quoted.data["creditQuote"]["quote"]["id"], await sandbox.card(card)
    bought = await portal.ask(household, "olivia", PURCHASE, quote=quote, method=method, key=str(uuid4()))
    purchase = bought.data["creditsPurchase"]["purchase"]
    assert purchase["status"] == "COMPLETED"
    return Shop(portal, household, purchase["id"], await add_api_key(database, household, "refunds:write", "pool:read"))


@pytest.fixture
async def shop(portal: Portal, database: Database, sandbox: Sandbox) -> Shop:
    return await shop_of(portal, database, sandbox)


async def test_a_request_is_shown_and_decided(shop: Shop) -> None:
    before = await shop.shown()
    assert (before["viewerCanRequestRefund"], before["refundable"]["amount"], before["refunds"]) == (True, "95.00", [])
    key = str(uuid4())
    asked = await shop.request(key=key)
    assert asked["userErrors"] == []
    request = asked["purchase"]["refundRequest"]
    assert asked["purchase"]["viewerCanRequestRefund"] is False
    assert (request["status"], request["reason"], request["amount"]) == (
        "REQUESTED",
        "bought twice",
        {"amount": "95.00", "currency": "USD"},
    )
    assert "waiting for a decision" in request["explanation"]
    assert await shop.request(key=key) == asked, "the same command gives the same answer again"
    approved = (await shop.portal.send(shop.key, APPROVE, id=request["id"], cents=1900)).data["refundApprove"]
    assert approved == {
        "refund": {
            "id": request["id"],
            "status": "SUCCEEDED",
            "amount": {"amount": "19.00"},
            "creditsTaken": "2.100000",
        },
        "userErrors": [],
    }
    after = await shop.shown()
    assert (after["status"], after["refunded"]["amount"], after["refundable"]["amount"]) == (
        "PARTIALLY_REFUNDED",
        "19.00",
        "76.00",
    )
    assert after["viewerCanRequestRefund"]
    assert [one["kind"] for one in after["timeline"]] == ["STARTED", "COMPLETED", "REFUNDED"]
    assert after["timeline"][-1]["detail"] == "$19.00"


async def test_a_request_is_declined_with_a_reason(shop: Shop) -> None:
    request = (await shop.request())["purchase"]["refundRequest"]["id"]
    declined = (await shop.portal.send(shop.key, REJECT, id=request, reason="long used")).data["refundReject"]
    assert declined["refund"]["status"] == "REJECTED"
    assert "declined: long used." in declined["refund"]["explanation"]
    assert (await shop.shown())["refundRequest"] == {"id": request, "status": "REJECTED"}


async def test_an_operator_gives_back_without_being_asked(shop: Shop) -> None:
    key = str(uuid4())
    given = await shop.refund(4750, key=key)
    assert given["userErrors"] == []
    assert (given["refund"]["status"], given["refund"]["origin"], given["refund"]["amount"]["amount"]) == (
        "SUCCEEDED",
        "OPERATOR",
        "47.50",
    )
    assert given["refund"]["creditsTaken"] == "5.250000"
    assert given["refund"]["purchase"] == {"id": shop.purchase}
    assert await shop.refund(4750, key=key) == given
    assert (await shop.refund())["refund"]["amount"]["amount"] == "47.50"
    assert (await shop.shown())["status"] == "REFUNDED"


async def test_a_key_that_reads_nothing_still_gives_back(shop: Shop, database: Database) -> None:
    key = await add_api_key(database, shop.household, "refunds:write")
    given = await shop.refund(100, by=key)
    assert (given["refund"]["status"], given["refund"]["purchase"]) == ("SUCCEEDED", None)


async def test_what_stripe_refuses_is_an_error_with_the_refund(shop: Shop, sandbox: Sandbox) -> None:
    payment = (await sandbox.events())[-1]["data"]["object"]
    await sandbox.raw.post("/v1/refunds", data={"payment_intent": payment["id"]})
    refused = await shop.refund(100)
    assert refused["refund"]["status"] == "FAILED"
    assert refused["userErrors"][0]["code"] == "REFUND_NOT_POSSIBLE"
    assert "refunded already" in refused["userErrors"][0]["message"]


REFUSED = [
    ({"cents": 9501}, "REFUND_TOO_LARGE", ["amountCents"], "95.01 USD can't be refunded: 95.00 is left"),
    ({"cents": 0}, "INVALID", ["amountCents"], "at least 0.01 USD; 0.00 was asked for"),
    ({"cents": -100}, "INVALID", ["amountCents"], "at least 0.01 USD; -1.00 was asked for"),
    ({"reason": " "}, "INVALID", ["reason"], "Say why"),
    ({"reason": "x" * 501}, "INVALID", ["reason"], "Say why"),
    ({"id": node_id("CreditPurchase", uuid4())}, "NOT_FOUND", ["id"], "no such purchase"),
    ({"id": "nonsense"}, "NOT_FOUND", ["id"], "no such purchase"),
]


@pytest.mark.parametrize(("wrong", "code", "path", "words"), REFUSED)
async def test_refusals(
    shop: Shop, rows: asyncpg.Connection, wrong: dict[str, Any], code: str, path: list[str], words: str
) -> None:
    before = await everything(rows, shop.household)
    answers = [await shop.refund(**wrong)]
    if "cents" not in wrong:
        answers.append(await shop.request(**wrong))
    for answer in answers:
        (error,) = answer["userErrors"]
        assert (error["code"], error["path"]) == (code, path)
        assert words in error["message"]
    assert await everything(rows, shop.household) == before


async def test_whose_word_is_not_enough(shop: Shop, database: Database, rows: asyncpg.Connection) -> None:
    neighbours = await add_pool(database, shop.household, {"mia": Role.OWNER})
    stranger = await make_household(database)
    elsewhere = await add_api_key(database, shop.household, "refunds:write", pool_id=neighbours.pool_id)
    foreign = await add_api_key(database, stranger, "refunds:write")
    weak = await add_api_key(database, shop.household, "pool:read", "usage:write", "usage:read", "credits:adjust")
    request = (await shop.request())["purchase"]["refundRequest"]["id"]
    before = await everything(rows, shop.household, stranger)
    owner = shop.portal.token(shop.household, "olivia")
    for token, code in ((owner, "FORBIDDEN"), (weak, "FORBIDDEN"), (elsewhere, "NOT_FOUND"), (foreign, "NOT_FOUND")):
        payloads = (
            await shop.refund(100, by=token),
            (await shop.portal.send(token, APPROVE, id=request)).data["refundApprove"],
            (await shop.portal.send(token, REJECT, id=request, reason="no")).data["refundReject"],
        )
        for payload in payloads:
            assert payload["refund"] is None
            assert [error["code"] for error in payload["userErrors"]] == [code]
    for name, code in (("mia", "FORBIDDEN"), ("rosa", "NOT_FOUND")):
        assert [error["code"] for error in (await shop.request(name))["userErrors"]] == [code]
    by_key = (await shop.portal.send(shop.key, REQUEST, id=shop.purchase, reason="x", key=str(uuid4()))).data
    assert by_key["purchaseRefundRequest"]["userErrors"][0]["code"] == "FORBIDDEN"
    assert await everything(rows, shop.household, stranger) == before


async def test_only_a_completed_purchase(shop: Shop, database: Database) -> None:
    (pending,) = await add_purchases(database, shop.household, "olivia", 1)
    node = node_id("CreditPurchase", pending)
    for answer in (await shop.request(id=node), await shop.refund(id=node)):
        assert answer["userErrors"][0]["code"] == "REFUND_NOT_POSSIBLE"
        assert "this one is pending" in answer["userErrors"][0]["message"]


async def test_a_dispute_is_shown_with_its_reason_and_what_to_do(
    shop: Shop, database: Database, rows: asyncpg.Connection
) -> None:
    await rows.execute(
        "INSERT INTO disputes (tenant_id, pool_id, purchase_id, stripe_dispute_id, stripe_status, reason, amount_cents, withdrawn_cents,"
        " opened_at) SELECT tenant_id, pool_id, id, 'du_1', 'needs_response', 'product_not_received', 9500, 9000, now()"
        " FROM credit_purchases WHERE tenant_id = $1",
        shop.household.tenant_id,
    )
    shown = await shop.shown()
    (dispute,) = shown["disputes"]
    assert (dispute["state"], dispute["reason"], dispute["withdrawn"]["amount"]) == (
        "OPEN",
        "what was paid for did not come",
        "90.00",
    )
    assert "withdraw the dispute" in dispute["explanation"]
    assert shown["refundable"]["amount"] == "5.00"
    for name, sees in (("olivia", True), ("mia", True), ("rosa", False)):
        found = (await shop.portal.ask(shop.household, name, NODE, id=dispute["id"])).data["node"]
        assert (found is not None) is sees
    stranger = await make_household(database)
    assert (await shop.portal.ask(stranger, "olivia", NODE, id=dispute["id"])).data == {"node": None}


async def test_a_refund_is_found_by_its_id_by_those_who_see_its_purchase(shop: Shop, database: Database) -> None:
    refund = (await shop.refund(100))["refund"]["id"]
    stranger = await make_household(database)
    blind = await add_api_key(database, shop.household, "usage:write")
    for token, sees in (
        (shop.portal.token(shop.household, "mia"), True),
        (shop.key, True),
        (shop.portal.token(shop.household, "rosa"), False),
        (shop.portal.token(stranger, "olivia"), False),
        (blind, False),
    ):
        found = (await shop.portal.send(token, NODE, id=refund)).data["node"]
        assert found == ({"__typename": "Refund", "id": refund} if sees else None)
