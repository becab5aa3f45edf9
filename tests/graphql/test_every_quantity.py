"""Any quantity under any bands, bought for real: the quote is exact, Stripe charges it, the ledger has its credits (rulings 2 and 4)."""

import os
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from app.rules.pricing import Band
from app.services import price_bands
from app.tenancy import Database
from tests.conftest import Urls, connecting
from tests.factories import Household, make_household
from tests.graphql.documents import PURCHASE, QUOTE
from tests.graphql.portal import Portal, pool_id
from tests.payments.sandbox import Sandbox
from tests.rules.bands import BANDS, quantities_of, valid_bands
from tests.rules.test_every_quantity import by_hand

D = Decimal
SEED = int(os.environ.get("PORTAL_TEST_SEED", random.SystemRandom().randrange(2**32)))
SOLD = """SELECT credits_amount, bonus_credits, total_credits, base_cents, discount_cents, payment_amount_cents,
    stripe_payment_intent_id AS intent, unit_price_cents, discount_rate, bonus_rate
    FROM credit_purchases WHERE tenant_id = $1 AND idempotency_key = $2"""
ENTERED = "SELECT transaction_type, source_type, amount FROM credit_transactions WHERE tenant_id = $1 AND sequence > $2 ORDER BY sequence"
LAST = "SELECT ledger_sequence FROM credit_pools WHERE id = $1"


@pytest.fixture(scope="module")
async def owner(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    async with connecting(urls.owner) as connection:
        yield connection


@pytest.fixture(scope="module")
async def household(database: Database) -> Household:
    return await make_household(database, stripe_customer_id=None)


@st.composite
def sales(draw: st.DrawFn) -> tuple[tuple[Band, ...], Decimal]:
    """Bands, and a quantity to buy under them."""
    bands = draw(st.just(tuple(BANDS)) | valid_bands())
    return bands, draw(quantities_of(bands))


@seed(SEED)
@settings(
    max_examples=int(os.environ.get("PORTAL_TEST_SALES", "30")),
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sale=sales())
async def test_what_is_quoted_is_charged_and_credited(
    other_portal: Portal,
    household: Household,
    sandbox: Sandbox,
    owner: asyncpg.Connection,
    rows: asyncpg.Connection,
    sale: tuple[tuple[Band, ...], Decimal],
) -> None:
    note(f"PORTAL_TEST_SEED={SEED}")
    bands, quantity = sale
    await price_bands.change(owner, lambda _: bands, "the test")
    asked = await other_portal.ask(household, "olivia", QUOTE, pool=pool_id(household), credits=f"{quantity:f}")
    quote = asked.data["creditQuote"]["quote"]
    base, total, bonus = by_hand(quantity, bands)
    assert [cents(quote[line]) for line in ("base", "discount", "total")] == [base, base - total, total]
    assert (D(quote["credits"]), D(quote["bonusCredits"])) == (quantity, bonus)
    assert D(quote["totalCredits"]) == quantity + D(quote["bonusCredits"])
    entries_before = await rows.fetchval(LAST, household.pool_id)
    key = await buy(other_portal, household, quote["id"], await sandbox.card())
    sold = await rows.fetchrow(SOLD, household.tenant_id, key)
    assert sold is not None
    assert (sold["base_cents"], sold["discount_cents"], sold["payment_amount_cents"]) == (base, base - total, total)
    assert (sold["credits_amount"], sold["bonus_credits"]) == (quantity, D(quote["bonusCredits"]))
    assert await charged(sandbox, sold["intent"]) == {"amount": total, "amount_received": total, "currency": "usd"}
    entries = await rows.fetch(ENTERED, household.tenant_id, entries_before)
    credited = [("purchase", "purchased", quantity), ("bonus_grant", "bonus", sold["bonus_credits"])]
    assert [tuple(entry) for entry in entries] == [entry for entry in credited if entry[2]]
    assert sum(entry["amount"] for entry in entries) == D(quote["totalCredits"]) == sold["total_credits"]


def cents(money: dict[str, str]) -> int:
    """The cents of an amount as the API writes it, exactly."""
    amount = D(money["amount"]) * 100
    assert amount == int(amount)
    return int(amount)


async def buy(portal: Portal, household: Household, quote: str, card: str) -> UUID:
    """A completed purchase; its key."""
    key = uuid4()
    bought = await portal.ask(household, "olivia", PURCHASE, quote=quote, method=card, key=str(key))
    payload = bought.data["creditsPurchase"]
    assert (payload["userErrors"], payload["purchase"]["status"]) == ([], "COMPLETED")
    return key


async def charged(sandbox: Sandbox, intent: str) -> dict[str, Any]:
    """What Stripe has taken."""
    found = (await sandbox.raw.get(f"/v1/payment_intents/{intent}")).raise_for_status().json()
    return {name: found[name] for name in ("amount", "amount_received", "currency")}
