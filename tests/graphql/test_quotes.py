"""Quotes over the API (rulings 4 and 5): figures, refusals in words, and that asking writes nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.rules.permissions import Role
from app.tenancy import Database
from tests.factories import make_household
from tests.graphql.documents import QUOTE
from tests.graphql.portal import Portal, pool_id
from tests.graphql.rows import everything


async def test_a_quote_says_all_that_a_buyer_wants_to_know(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    asked = datetime.now(UTC)
    answer = await portal.ask(household, "adam", QUOTE, pool=pool_id(household), credits="10.01")
    payload = answer.data["creditQuote"]
    assert payload["userErrors"] == []
    quote = payload["quote"]
    expires = datetime.fromisoformat(quote.pop("expiresAt"))
    assert timedelta(minutes=14, seconds=58) < expires - asked <= timedelta(minutes=15, seconds=1)
    token = quote.pop("id")
    read = portal.signer.read(
        token, household.tenant_id, frozenset({household.pool_id}), household.people["adam"].user_id, asked
    )
    assert (read.price.total_cents, read.expires_at) == (9510, expires)
    assert quote == {
        "credits": "10.01",
        "base": {"amount": "100.10", "currency": "USD"},
        "discount": {"amount": "5.00"},
        "total": {"amount": "95.10", "currency": "USD"},
        "unitPrice": {"amount": "10.00"},
        "bonusCredits": "0.500500",
        "totalCredits": "10.510500",
        "band": {
            "minCredits": "10.000000",
            "discountRate": "0.0500",
            "bonusRate": "0.0500",
            "unitPrice": {"amount": "10.00"},
        },
        "nextBand": {"minCredits": "25.000000", "discountRate": "0.1000"},
        "betterQuantity": None,
    }
    assert await everything(rows, household) == before


async def test_the_edge_of_a_band_names_the_better_quantity(portal: Portal, database: Database) -> None:
    household = await make_household(database)

    async def better(credits: Any) -> Any:
        answer = await portal.ask(household, "olivia", QUOTE, pool=pool_id(household), credits=credits)
        return answer.data["creditQuote"]["quote"]["betterQuantity"]

    found = await better("9.99")
    assert (Decimal(found["credits"]), Decimal(found["totalCredits"])) == (Decimal(10), Decimal("10.5"))
    assert found["total"] == {"amount": "95.00"}
    assert await better(9.49) is None
    assert await better(10) is None


REFUSED = [
    ("0", "credits must be from 1 to 10,000; 0 is not."),
    (0, "credits must be from 1 to 10,000; 0 is not."),
    ("-5", "credits must be from 1 to 10,000; -5 is not."),
    (-0.5, "credits must be from 1 to 10,000; -0.5 is not."),
    ("0.001", "credits must be from 1 to 10,000; 0.001 is not."),
    ("1e9", "credits must be from 1 to 10,000; 1000000000 is not."),
    (1e9, "credits must be from 1 to 10,000; 1000000000.0 is not."),
    ("1E+999999", "credits must be from 1 to 10,000; 1E+999999 is not."),
    ("NaN", "credits must be a number from 1 to 10,000, not NaN."),
    ("-Infinity", "credits must be a number from 1 to 10,000, not -Infinity."),
    ("10.001", "credits come in steps of 0.01; 10.001 has more places."),
    (10.005, "credits come in steps of 0.01; 10.005 has more places."),
]


@pytest.mark.parametrize(("credits", "says"), REFUSED)
async def test_quantities_that_are_refused(
    portal: Portal, database: Database, rows: asyncpg.Connection, credits: Any, says: str
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    answer = await portal.ask(household, "olivia", QUOTE, pool=pool_id(household), credits=credits)
    payload = answer.data["creditQuote"]
    assert payload["quote"] is None
    (error,) = payload["userErrors"]
    assert (error["code"], error["path"], error["message"]) == ("INVALID", ["credits"], says)
    assert error["messageKey"] in {"error.invalid.quantity", "error.invalid.quantity_step"}
    assert await everything(rows, household) == before


@pytest.mark.parametrize("credits", ["ten", "", "1,5", "0x10", True, None, [1], {"amount": 1}])
async def test_what_is_no_number_is_refused_before_it_runs(portal: Portal, database: Database, credits: Any) -> None:
    household = await make_household(database)
    answer = await portal.ask(household, "olivia", QUOTE, pool=pool_id(household), credits=credits)
    assert answer.status == 400
    assert "data" not in answer.body
    assert "$credits" in answer.messages[0]


@pytest.mark.parametrize("name", ["mia", "rosa"])
async def test_a_quote_needs_the_permission_to_buy(portal: Portal, database: Database, name: str) -> None:
    household = await make_household(database)
    answer = await portal.ask(household, name, QUOTE, pool=pool_id(household), credits="10")
    (error,) = answer.data["creditQuote"]["userErrors"]
    assert (error["code"], error["message"]) == (
        "FORBIDDEN",
        "This needs the permission PURCHASE_CREDITS in this pool. Its owner or an admin can grant it.",
    )


async def test_a_suspended_owner_is_told_why(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database, people={"olivia": Role.OWNER})
    await rows.execute("UPDATE credit_pool_members SET status = 'suspended' WHERE pool_id = $1", household.pool_id)
    answer = await portal.ask(household, "olivia", QUOTE, pool=pool_id(household), credits="10")
    (error,) = answer.data["creditQuote"]["userErrors"]
    assert error["message"].startswith("Your membership of this pool is suspended.")
