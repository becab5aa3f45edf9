"""The catalogue, in code and in the tables, against sections 43.2 and 43.3; the columns against section 43.4.

specification.json holds the specification's own literals under its own names: nothing in it was made from the catalogue.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.rules.catalogue import ADD_ONS, MODEL_PRICES, PRICE_BANDS, TIERS
from app.rules.tiers import annual_savings, billed_quantity, can_upgrade, get_tier, included_credits

SPECIFICATION = json.loads((Path(__file__).parent / "specification.json").read_text(), parse_float=Decimal)
CODES = list(SPECIFICATION["tiers"])
OFF_WHEN_ABSENT = (  # the optional flags of TierFeatures
    "parentalControls",
    "familyAdminDashboard",
    "perMemberUsageLimits",
    "slaGuarantee",
    "customModelFineTuning",
    "dedicatedInfrastructure",
    "multiRegionDeployment",
    "onPremiseDeployment",
)


def _features(code: str) -> dict[str, Any]:
    absent: dict[str, Any] = dict.fromkeys(OFF_WHEN_ABSENT, False) | {"uptimeGuarantee": None}
    return {**absent, **SPECIFICATION["tiers"][code]["features"]}


def test_the_seven_tiers_in_order() -> None:
    assert list(TIERS) == CODES == ["FREE", "INDIVIDUAL", "FAMILY", "TEAM", "BUSINESS", "ENTERPRISE", "ENTERPRISE_PLUS"]


@pytest.mark.parametrize("code", CODES)
def test_a_tier_in_the_code(code: str) -> None:
    wanted, tier = SPECIFICATION["tiers"][code], TIERS[code]
    pricing, limits = wanted["pricing"], wanted["rateLimits"]
    assert (tier.id, tier.display_name, tier.description) == (code, wanted["displayName"], wanted["description"])
    assert tier.localization_key == wanted.get("localizationKey", f"billing.tiers.{code.lower()}")
    for ours, theirs in ((tier.pricing.monthly_cents, "monthly"), (tier.pricing.annual_cents, "annual")):
        assert ours == (None if pricing[theirs] is None else pricing[theirs] * 100)
    assert tier.pricing.per_user == pricing["perUser"]
    assert tier.pricing.min_users == pricing.get("minUsers")
    assert tier.pricing.max_users == pricing.get("maxUsers")
    assert tier.pricing.currency == pricing["currency"]
    assert tier.pricing.contact_sales == pricing.get("contactSales", False)
    assert tier.included_credits_per_user == wanted["includedCreditsPerUser"]
    assert tier.rate_limits.requests_per_minute == limits["requestsPerMinute"]
    assert tier.rate_limits.tokens_per_minute == limits["tokensPerMinute"]
    unlimited = limits["concurrentRequests"] == -1  # ruling 26
    assert tier.rate_limits.concurrent_requests == (None if unlimited else limits["concurrentRequests"])
    assert tier.features.as_json() == _features(code)
    assert list(tier.available_add_ons) == wanted["availableAddOns"]
    assert (tier.is_public, tier.sort_order, tier.badge) == (
        wanted["isPublic"],
        wanted["sortOrder"],
        wanted.get("badge"),
    )


@pytest.mark.parametrize("code", CODES)
async def test_a_tier_in_the_table(code: str, inspector: asyncpg.Connection) -> None:
    wanted = SPECIFICATION["tiers"][code]
    pricing, limits = wanted["pricing"], wanted["rateLimits"]
    row = await inspector.fetchrow("SELECT * FROM subscription_tiers WHERE id = $1", code)
    assert row is not None
    stored = dict(row)
    for column in ("created_at", "updated_at"):
        assert stored.pop(column) is not None
    assert json.loads(stored.pop("features")) == _features(code)
    assert stored == {
        "id": code,
        "display_name": wanted["displayName"],
        "description": wanted["description"],
        "localization_key": wanted.get("localizationKey", f"billing.tiers.{code.lower()}"),
        "price_monthly": pricing["monthly"],
        "price_annual": pricing["annual"],
        "price_per_user": pricing["perUser"],
        "contact_sales": pricing.get("contactSales", False),
        "min_users": pricing.get("minUsers"),
        "max_users": pricing.get("maxUsers"),
        "currency": pricing["currency"],
        "included_credits_per_user": wanted["includedCreditsPerUser"],
        "requests_per_minute": limits["requestsPerMinute"],
        "tokens_per_minute": limits["tokensPerMinute"],
        "concurrent_requests": None if limits["concurrentRequests"] == -1 else limits["concurrentRequests"],
        "available_add_ons": wanted["availableAddOns"],
        "is_active": True,
        "is_public": wanted["isPublic"],
        "sort_order": wanted["sortOrder"],
        "badge": wanted.get("badge"),
    }


async def test_the_price_bands_in_code_and_table(inspector: asyncpg.Connection) -> None:
    pricing = SPECIFICATION["creditPricing"]
    wanted = [
        (Decimal(band["minCredits"]), Decimal(band["discount"]), Decimal(band["bonus"]), pricing["basePrice"] * 100)
        for band in pricing["volumeDiscounts"]
    ]
    columns = "min_credits, discount_rate, bonus_rate, unit_price_cents"
    rows = await inspector.fetch(f"SELECT {columns} FROM credit_price_bands ORDER BY min_credits")
    assert [tuple(row) for row in rows] == wanted
    assert [
        (band.min_credits, band.discount_rate, band.bonus_rate, band.unit_price_cents) for band in PRICE_BANDS
    ] == wanted


async def test_the_add_ons_in_code_and_table(inspector: asyncpg.Connection) -> None:
    """Ruling 25. The tiers that offer an add-on say the same as the add-on."""
    wanted = {
        "COMPLIANCE_ADDON": (2500, None, True, ["TEAM", "BUSINESS", "ENTERPRISE"], ["ENTERPRISE_PLUS"]),
        "API_POWER_PACK": (1000, None, False, ["INDIVIDUAL", "FAMILY"], []),
        "PRIORITY_SUPPORT": (1500, None, True, ["TEAM", "BUSINESS"], []),
    }
    columns = "price_monthly_cents, price_annual_cents, price_per_user, available_for_tiers, included_in_tiers"
    rows = await inspector.fetch(f"SELECT id, {columns} FROM subscription_add_ons")
    assert {row["id"]: tuple(row)[1:] for row in rows} == wanted
    assert {
        code: (one.monthly_cents, one.annual_cents, one.per_user, list(one.available_for), list(one.included_in))
        for code, one in ADD_ONS.items()
    } == wanted
    for code, (*_, available_for, _included) in wanted.items():
        assert available_for == [tier for tier in CODES if code in SPECIFICATION["tiers"][tier]["availableAddOns"]]


async def test_the_model_prices_begin_at_the_specified_multiplier(inspector: asyncpg.Connection) -> None:
    rows = await inspector.fetch("SELECT * FROM model_prices")
    assert {row["model_id"] for row in rows} == {one.model_id for one in MODEL_PRICES}
    assert len(rows) >= 12
    assert {(row["credit_rate_multiplier"], row["cached_input_rate"]) for row in rows} == {(1, 1)}


@pytest.mark.parametrize("table", SPECIFICATION["columns"])
async def test_every_specified_column_exists(table: str, inspector: asyncpg.Connection) -> None:
    rows = await inspector.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1", table
    )
    assert set(SPECIFICATION["columns"][table]) - {row["column_name"] for row in rows} == set()


def test_upgrades_go_up() -> None:
    for lower, code in enumerate(CODES):
        for higher, other in enumerate(CODES):
            assert can_upgrade(get_tier(code).id, get_tier(other).id) is (higher > lower)


def test_a_year_saves_two_months() -> None:
    savings = {
        code: annual_savings(tier.pricing.monthly_cents, tier.pricing.annual_cents) for code, tier in TIERS.items()
    }
    assert savings == {
        "FREE": 0,
        "INDIVIDUAL": 58_00,
        "FAMILY": 98_00,
        "TEAM": 50_00,
        "BUSINESS": 90_00,
        "ENTERPRISE": 0,
        "ENTERPRISE_PLUS": 0,
    }


@pytest.mark.parametrize(
    ("code", "seats", "quantity", "included"),
    [
        ("FREE", 1, 1, "0.5"),
        ("INDIVIDUAL", 1, 1, "3"),
        ("FAMILY", 5, 1, "6"),  # a month for the household, however many they are (ruling 7)
        ("TEAM", 12, 12, "36"),
        ("BUSINESS", 150, 150, "750"),
        ("ENTERPRISE", 50, 50, "500"),
        ("ENTERPRISE_PLUS", 100, 100, "1500"),
    ],
)
def test_how_much_is_included(code: str, seats: int, quantity: int, included: str) -> None:
    assert billed_quantity(TIERS[code], seats) == quantity
    assert included_credits(TIERS[code], seats) == Decimal(included)
