"""Buying over the API (rulings 11 and 20): one purchase a quote and a key, and every bad input refused with nothing changed."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.payments.gateway import Gateway
from app.rules.permissions import Role
from app.rules.pricing import Band, price
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import POOL, PURCHASE, QUOTE
from tests.graphql.portal import Portal, pool_id
from tests.graphql.rows import add_pool, everything
from tests.payments.sandbox import Sandbox

PRICE = price(Decimal("10.00"), [Band(Decimal(1), Decimal("0.05"), Decimal("0.05"), 1000)])
DECLINED, NEEDS_3DS = "4000000000000002", "4000000000003220"


@dataclass
class Shop:
    """A household without a customer at Stripe yet, and its way of buying."""

    portal: Portal
    household: Household

    async def quote(self, name: str = "olivia", credits: str = "10") -> str:
        answer = await self.portal.ask(self.household, name, QUOTE, pool=pool_id(self.household), credits=credits)
        token: str = answer.data["creditQuote"]["quote"]["id"]
        return token

    def forged(self, name: str = "olivia", *, pool: UUID | None = None, minutes: int = 0, **whose: UUID) -> str:
        """A quote as the portal would have signed it: for another pool, user or tenant, or so many minutes ago."""
        mine = {"tenant": self.household.tenant_id, "user": self.household.people[name].user_id} | whose
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        return self.portal.signer.issue(mine["tenant"], pool or self.household.pool_id, mine["user"], PRICE, at)[1]

    async def buy(self, quote: str, method: str, key: UUID | None = None, name: str = "olivia") -> dict[str, Any]:
        answer = await self.portal.ask(
            self.household, name, PURCHASE, quote=quote, method=method, key=str(key or uuid4())
        )
        payload: dict[str, Any] = answer.data["creditsPurchase"]
        return payload

    async def balance(self) -> Decimal:
        answer = await self.portal.ask(self.household, "olivia", POOL, id=pool_id(self.household))
        return Decimal(answer.data["pool"]["balance"]["total"])


@pytest.fixture
async def shop(portal: Portal, database: Database, sandbox: Sandbox) -> Shop:
    return Shop(portal, await make_household(database, stripe_customer_id=None))


async def test_a_purchase_brings_its_credits_once(shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection) -> None:
    quote, card, key = await shop.quote(), await sandbox.card(), uuid4()
    bought = await shop.buy(quote, card, key)
    assert bought["userErrors"] == []
    assert bought["purchase"]["status"] == "COMPLETED"
    assert bought["purchase"]["total"] == {"amount": "95.00"}
    assert Decimal(bought["purchase"]["totalCredits"]) == Decimal("10.5")
    assert bought["purchase"]["receiptUrl"].startswith("http")
    assert await shop.balance() == Decimal("16.5")
    after = await everything(rows, shop.household)
    assert await shop.buy(quote, card, key) == bought, "the same command gives the same answer again"
    assert await everything(rows, shop.household) == after
    paid = [one for one in await sandbox.requests() if one["path"] == "/v1/payment_intents"]
    assert len(paid) == 1


async def test_ten_at_once_with_one_key_are_one_purchase(shop: Shop, sandbox: Sandbox) -> None:
    quote, card, key = await shop.quote(), await sandbox.card(), uuid4()
    answers = await asyncio.gather(*(shop.buy(quote, card, key) for _ in range(10)))
    assert {answer["purchase"]["id"] for answer in answers} == {answers[0]["purchase"]["id"]}
    assert await shop.balance() == Decimal("16.5")


async def test_ten_at_once_with_one_quote_are_one_purchase(shop: Shop, sandbox: Sandbox) -> None:
    quote, card = await shop.quote(), await sandbox.card()
    answers = await asyncio.gather(*(shop.buy(quote, card) for _ in range(10)))
    codes = [error["code"] for answer in answers for error in answer["userErrors"]]
    assert codes == ["QUOTE_USED"] * 9
    assert await shop.balance() == Decimal("16.5")


async def refused(shop: Shop, rows: asyncpg.Connection, **arguments: Any) -> dict[str, Any]:
    """The one error of a purchase that changes nothing, neither here nor at Stripe."""
    before = await everything(rows, shop.household)
    payload = await shop.buy(**arguments)
    assert payload["purchase"] is None
    (error,) = payload["userErrors"]
    assert await everything(rows, shop.household) == before
    found: dict[str, Any] = error
    return found


NO_QUOTE = {
    "code": "NOT_FOUND",
    "path": ["quoteId"],
    "message": "There is no such quote.",
    "messageKey": "error.not_found",
}


async def test_a_quote_that_is_not_ones_own_does_not_exist(
    shop: Shop, sandbox: Sandbox, database: Database, rows: asyncpg.Connection
) -> None:
    stranger = await make_household(database)
    neighbours = await add_pool(database, shop.household, {"mia": Role.OWNER})
    card = await sandbox.card()
    others = {
        "another user's": await shop.quote("adam"),
        "another pool's": shop.forged(pool=neighbours.pool_id),
        "another tenant's": shop.forged(tenant=stranger.tenant_id),
        "a stranger's": shop.forged(
            pool=stranger.pool_id, tenant=stranger.tenant_id, user=stranger.people["olivia"].user_id
        ),
        "an old one of another pool": shop.forged(pool=neighbours.pool_id, minutes=60),
        "changed": (await shop.quote())[:-6] + "AAAAAA",
        "garbage": "garbage",
        "nothing": "",
        "a node's id": pool_id(shop.household),
        "long": "x" * 5000,
    }
    for what, quote in others.items():
        assert await refused(shop, rows, quote=quote, method=card) == NO_QUOTE, what


async def test_an_expired_quote_says_when(shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection) -> None:
    error = await refused(shop, rows, quote=shop.forged(minutes=15), method=await sandbox.card())
    assert (error["code"], error["path"]) == ("QUOTE_EXPIRED", ["quoteId"])
    assert error["message"].startswith("The quote expired at 20")
    assert error["message"].endswith(" UTC. Ask for a new one; nothing was charged.")


async def test_a_used_quote_says_so(shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection) -> None:
    quote, card = await shop.quote(), await sandbox.card()
    assert (await shop.buy(quote, card))["userErrors"] == []
    assert await refused(shop, rows, quote=quote, method=await sandbox.card()) == {
        "code": "QUOTE_USED",
        "path": ["quoteId"],
        "message": "This quote was already used for a purchase. Ask for a new one; nothing more was charged.",
        "messageKey": "error.quote_used",
    }
    assert await shop.balance() == Decimal("16.5")


async def test_a_key_with_another_body_is_refused_by_name(
    shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection
) -> None:
    quote, card, key = await shop.quote(), await sandbox.card(), uuid4()
    await shop.buy(quote, card, key)
    for other in ({"quote": await shop.quote(), "method": card}, {"quote": quote, "method": await sandbox.card()}):
        assert await refused(shop, rows, **other, key=key) == {
            "code": "IDEMPOTENCY_MISMATCH",
            "path": ["idempotencyKey"],
            "message": "This idempotency key was already used with other arguments. "
            "Repeat the first arguments to get the first answer again, or send a new key.",
            "messageKey": "error.idempotency_mismatch",
        }


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_foreign_payment_method_does_not_exist(
    shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection, gateway: Gateway, is_first: bool
) -> None:
    if not is_first:  # the first purchase makes the pool's customer
        await shop.buy(await shop.quote(), await sandbox.card())
    stranger = await gateway.ensure_customer(tenant_id=uuid4(), pool_id=uuid4(), email="s@example.com", name="Stranger")
    theirs = await sandbox.card()
    attached = await sandbox.raw.post(f"/v1/payment_methods/{theirs}/attach", data={"customer": stranger})
    assert attached.status_code == 200, attached.text
    for method in (theirs, "pm_does_not_exist", "garbage", "", "../customers", "pm_" + "x" * 5000, "é"):
        assert await refused(shop, rows, quote=await shop.quote(), method=method) == {
            "code": "NOT_FOUND",
            "path": ["paymentMethodId"],
            "message": "There is no such payment method.",
            "messageKey": "error.not_found",
        }, method


@pytest.mark.parametrize("name", ["mia", "rosa"])
async def test_a_permission_taken_after_the_quote_counts(
    shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection, name: str
) -> None:
    error = await refused(shop, rows, quote=shop.forged(name), method=await sandbox.card(), name=name)
    assert (error["code"], error["message"]) == (
        "FORBIDDEN",
        "This needs the permission PURCHASE_CREDITS in this pool. Its owner or an admin can grant it.",
    )


async def test_a_key_must_be_a_uuid(shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection) -> None:
    quote, card = await shop.quote(), await sandbox.card()
    before = await everything(rows, shop.household)
    answer = await shop.portal.ask(shop.household, "olivia", PURCHASE, quote=quote, method=card, key="my-key")
    assert answer.status == 400
    assert "$key" in answer.messages[0]
    assert await everything(rows, shop.household) == before


async def test_a_declined_card_is_told_and_charges_nothing(
    shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection
) -> None:
    bought = await shop.buy(await shop.quote(), await sandbox.card(DECLINED))
    assert bought["purchase"]["status"] == "FAILED"
    (error,) = bought["userErrors"]
    assert (error["code"], error["path"]) == ("PAYMENT_DECLINED", ["paymentMethodId"])
    assert error["message"] == "The bank declined the card. Use another card or ask your bank."
    assert await shop.balance() == 6
    entries = await rows.fetchval(
        "SELECT count(*) FROM credit_transactions WHERE tenant_id = $1", shop.household.tenant_id
    )
    assert entries == 1


async def test_a_card_that_wants_the_bank_gives_its_address(shop: Shop, sandbox: Sandbox) -> None:
    bought = await shop.buy(await shop.quote(), await sandbox.card(NEEDS_3DS))
    assert bought["userErrors"] == []
    assert bought["purchase"]["status"] == "REQUIRES_ACTION"
    assert bought["purchase"]["nextActionUrl"].startswith("http")
    assert await shop.balance() == 6


async def test_a_purchase_keeps_its_price_when_the_bands_change(
    shop: Shop, sandbox: Sandbox, rows: asyncpg.Connection
) -> None:
    quote = await shop.quote()
    try:
        await rows.execute("UPDATE credit_price_bands SET unit_price_cents = 5000")
        bought = await shop.buy(quote, await sandbox.card())
        await rows.execute("UPDATE credit_price_bands SET unit_price_cents = 7000, bonus_rate = 0")
        pool = (await shop.portal.ask(shop.household, "olivia", POOL, id=pool_id(shop.household))).data["pool"]
    finally:
        await rows.execute("UPDATE credit_price_bands SET unit_price_cents = 1000, bonus_rate = discount_rate")
    assert bought["purchase"]["total"] == pool["purchases"]["nodes"][0]["total"] == {"amount": "95.00"}
    assert Decimal(bought["purchase"]["totalCredits"]) == Decimal("10.5")
