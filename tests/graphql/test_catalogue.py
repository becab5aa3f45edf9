"""Tiers, add-ons and price bands as the API shows them, against the specification's own literals (sections 43.2 and 43.3)."""

from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.tenancy import Database
from tests.database.test_specification import CODES, OFF_WHEN_ABSENT, SPECIFICATION
from tests.factories import make_household
from tests.graphql.documents import NODE
from tests.graphql.portal import Portal, pool_id

FLAGS = sorted({*SPECIFICATION["tiers"]["ENTERPRISE_PLUS"]["features"], *OFF_WHEN_ABSENT, "uptimeGuarantee"})
TIERS = """{ tiers { code displayName description localizationKey badge sortOrder includedCreditsPerUser
  pricing { monthly { amount currency } annual { amount currency } annualSavings { amount currency }
    perUser minUsers maxUsers contactSales }
  rateLimits { requestsPerMinute tokensPerMinute concurrentRequests }
  features { %s } addOns { included addOn { code } } } }""" % " ".join(FLAGS)  # noqa: UP031
# Ruling 25 and section 43.1, written out.
ADD_ONS_OF = {
    "FREE": {},
    "INDIVIDUAL": {"API_POWER_PACK": False},
    "FAMILY": {"API_POWER_PACK": False},
    "TEAM": {"COMPLIANCE_ADDON": False, "PRIORITY_SUPPORT": False},
    "BUSINESS": {"COMPLIANCE_ADDON": False, "PRIORITY_SUPPORT": False},
    "ENTERPRISE": {"COMPLIANCE_ADDON": False},
    "ENTERPRISE_PLUS": {"COMPLIANCE_ADDON": True},
}


def money(amount: Any) -> dict[str, str] | None:
    return None if amount is None else {"amount": f"{Decimal(amount):.2f}", "currency": "USD"}


async def test_the_tiers_are_the_specifications(portal: Portal, database: Database) -> None:
    household = await make_household(database)
    shown = (await portal.ask(household, "rosa", TIERS)).data["tiers"]
    assert [tier["code"] for tier in shown] == CODES
    for tier in shown:
        wanted = SPECIFICATION["tiers"][tier["code"]]
        pricing, limits = wanted["pricing"], wanted["rateLimits"]
        savings = pricing["monthly"] * 12 - pricing["annual"] if pricing["monthly"] else None
        assert tier["pricing"] == {
            "monthly": money(pricing["monthly"]),
            "annual": money(pricing["annual"]),
            "annualSavings": money(savings),
            "perUser": pricing["perUser"],
            "minUsers": pricing.get("minUsers"),
            "maxUsers": pricing.get("maxUsers"),
            "contactSales": pricing.get("contactSales", False),
        }
        concurrent = limits["concurrentRequests"]
        assert tier["rateLimits"] == limits | {"concurrentRequests": None if concurrent == -1 else concurrent}
        absent = dict.fromkeys(OFF_WHEN_ABSENT, False) | {"uptimeGuarantee": None}
        assert tier["features"] == absent | wanted["features"]
        assert Decimal(tier["includedCreditsPerUser"]) == Decimal(str(wanted["includedCreditsPerUser"]))
        assert (tier["displayName"], tier["description"]) == (wanted["displayName"], wanted["description"])
        assert tier["localizationKey"] == f"billing.tiers.{tier['code'].lower()}"
        assert (tier["badge"], tier["sortOrder"]) == (wanted.get("badge"), wanted["sortOrder"])
        assert {one["addOn"]["code"]: one["included"] for one in tier["addOns"]} == ADD_ONS_OF[tier["code"]]


async def test_a_tier_that_is_no_longer_on_offer_stays_where_it_was_sold(
    other_portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household = await make_household(database, tier="TEAM")
    await rows.execute("UPDATE subscription_tiers SET is_active = false WHERE id = 'TEAM'")
    try:
        offered = (await other_portal.ask(household, "olivia", "{ tiers { code } }")).data["tiers"]
        assert [one["code"] for one in offered] == [code for code in CODES if code != "TEAM"]
        document = (
            "query Q($id: ID!) { pool(id: $id) { subscription { tier { id code rateLimits { tokensPerMinute } } } } }"
        )
        asked = await other_portal.ask(household, "olivia", document, id=pool_id(household))
        tier = asked.data["pool"]["subscription"]["tier"]
        assert tier["code"] == "TEAM"
        assert tier["rateLimits"]["tokensPerMinute"] == SPECIFICATION["tiers"]["TEAM"]["rateLimits"]["tokensPerMinute"]
        again = await other_portal.ask(household, "olivia", NODE, id=tier["id"])
        assert again.data["node"] == {"__typename": "Tier", "id": tier["id"]}
    finally:
        await rows.execute("UPDATE subscription_tiers SET is_active = true")


async def test_the_add_ons(portal: Portal, database: Database) -> None:
    household = await make_household(database)
    document = "{ addOns { code monthly { amount currency } annual { amount } perUser } }"
    assert (await portal.ask(household, "rosa", document)).data["addOns"] == [
        {"code": "API_POWER_PACK", "monthly": money(10), "annual": None, "perUser": False},
        {"code": "COMPLIANCE_ADDON", "monthly": money(25), "annual": None, "perUser": True},
        {"code": "PRIORITY_SUPPORT", "monthly": money(15), "annual": None, "perUser": True},
    ]


async def test_the_price_bands(portal: Portal, database: Database) -> None:
    household = await make_household(database)
    document = "{ creditBands { minCredits discountRate bonusRate unitPrice { amount currency } } }"
    bands = (await portal.ask(household, "rosa", document)).data["creditBands"]
    shown = [
        tuple(f"{Decimal(one[name]).normalize():f}" for name in ("minCredits", "discountRate", "bonusRate"))
        for one in bands
    ]
    assert shown == [
        ("1", "0", "0"),
        ("5", "0", "0"),
        ("10", "0.05", "0.05"),
        ("25", "0.1", "0.1"),
        ("50", "0.15", "0.15"),
        ("100", "0.2", "0.2"),
    ]
    assert all(one["unitPrice"] == money(10) for one in bands)


@pytest.mark.parametrize(("name", "role"), [("olivia", "OWNER"), ("rosa", "RESTRICTED")])
async def test_the_viewer(portal: Portal, database: Database, name: str, role: str) -> None:
    household = await make_household(database)
    document = "{ viewer { user { email displayName } tenant { name } locale timeZone memberships { role status } } }"
    assert (await portal.ask(household, name, document)).data["viewer"] == {
        "user": {"email": f"{name}@example.com", "displayName": name.capitalize()},
        "tenant": {"name": "Household"},
        "locale": "en",
        "timeZone": "UTC",
        "memberships": [{"role": role, "status": "ACTIVE"}],
    }
