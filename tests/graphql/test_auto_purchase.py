"""The plan of automatic purchases through the API: who may change it to what; a refusal changes nothing (ruling 23)."""

from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.tenancy import Database
from tests.graphql.portal import Portal, pool_id
from tests.graphql.purse import Purse, new_purse
from tests.graphql.rows import audited, everything
from tests.payments.sandbox import Sandbox

SHOWN = """
  enabled state stop advice thresholdCredits purchaseCredits monthlyCapCredits monthlyCap { amount currency }
  creditsThisMonth spentThisMonth { amount currency } purchasesThisMonth lastPurchaseAt retryAfter
  notifyOnPurchase recipients viewerCanUpdate
"""
CHANGE = f"""
mutation Change($pool: ID!, $version: Int!, $patch: AutoPurchaseInput) {{
  poolSettingsUpdate(poolId: $pool, version: $version, patch: {{ autoPurchase: $patch }}) {{
    pool {{ version settings {{ autoPurchase {{ {SHOWN} paymentMethod {{ id last4 usedBy }} }} }} }}
    userErrors {{ code path message }} }} }}
"""
READ = (
    f"query Read($id: ID!) {{ pool(id: $id) {{ settings {{ autoPurchase {{ {SHOWN} paymentMethod {{ id }} }} }} }} }}"
)


@pytest.fixture
async def purse(portal: Portal, database: Database, sandbox: Sandbox, gateway: Any) -> Purse:
    return await new_purse(portal, database, sandbox, gateway)


async def change(purse: Purse, who: str, patch: dict[str, Any], version: int = 1) -> dict[str, Any]:
    answer = await purse.portal.ask(
        purse.household, who, CHANGE, pool=pool_id(purse.household), version=version, patch=patch
    )
    payload: dict[str, Any] = answer.data["poolSettingsUpdate"]
    return payload


def plan_with(card: str, **more: Any) -> dict[str, Any]:
    return {"enabled": True, "thresholdCredits": "2", "purchaseCredits": "10", "paymentMethodId": card} | more


async def test_it_is_off_by_default(purse: Purse) -> None:
    answer = await purse.portal.ask(purse.household, "olivia", READ, id=pool_id(purse.household))
    assert answer.data["pool"]["settings"]["autoPurchase"] == {
        "enabled": False,
        "state": "OFF",
        "stop": None,
        "advice": None,
        "thresholdCredits": "1",
        "purchaseCredits": "10",
        "monthlyCapCredits": None,
        "monthlyCap": None,
        "creditsThisMonth": "0.000000",
        "spentThisMonth": {"amount": "0.00", "currency": "USD"},
        "purchasesThisMonth": 0,
        "lastPurchaseAt": None,
        "retryAfter": None,
        "notifyOnPurchase": True,
        "recipients": [],
        "viewerCanUpdate": True,
        "paymentMethod": None,
    }


async def test_switched_on_with_a_card_and_a_cap(purse: Purse, rows: asyncpg.Connection) -> None:
    card = await purse.saved()
    done = await change(purse, "adam", plan_with(card, monthlyCap="250.00", recipients=["books@example.com"]))
    assert done["userErrors"] == []
    assert done["pool"]["version"] == 2
    shown = done["pool"]["settings"]["autoPurchase"]
    assert (shown["enabled"], shown["state"], shown["thresholdCredits"]) == (True, "ON", "2.000000")
    assert (shown["monthlyCap"], shown["monthlyCapCredits"]) == ({"amount": "250.00", "currency": "USD"}, None)
    assert shown["paymentMethod"] == {"id": card, "last4": "4242", "usedBy": ["AUTO_PURCHASE"]}
    (event,) = [one for one in await audited(rows, purse.household) if one["action"] == "auto_purchase.updated"]
    assert event["actor_user_id"] == purse.household.people["adam"].user_id
    below = await rows.fetchval("SELECT auto_purchase_below FROM credit_pools WHERE id = $1", purse.household.pool_id)
    assert below == Decimal(2)
    # Absent fields stay, null takes a cap away, and the same again is no new version.
    done = await change(purse, "adam", {"monthlyCapCredits": "40", "monthlyCap": None}, version=2)
    shown = done["pool"]["settings"]["autoPurchase"]
    assert (shown["monthlyCap"], shown["monthlyCapCredits"], shown["enabled"]) == (None, "40.000000", True)
    done = await change(purse, "adam", {"monthlyCapCredits": "40"}, version=3)
    assert done["pool"]["version"] == 3
    done = await change(purse, "adam", {"enabled": False}, version=3)
    assert done["pool"]["settings"]["autoPurchase"]["state"] == "OFF"
    below = await rows.fetchval("SELECT auto_purchase_below FROM credit_pools WHERE id = $1", purse.household.pool_id)
    assert below is None


CARD = "the pool's card"
REFUSED = [
    ("mia", {"enabled": False}, "FORBIDDEN", None, "This needs the permission MODIFY_SETTINGS"),
    ("rosa", plan_with(CARD, monthlyCap="250"), "FORBIDDEN", None, "This needs the permission MODIFY_SETTINGS"),
    ("sam", plan_with(CARD, monthlyCap="250"), "FORBIDDEN", None, "This needs the permission PURCHASE_CREDITS"),
    ("sam", {"thresholdCredits": "2"}, "FORBIDDEN", None, "This needs the permission PURCHASE_CREDITS"),
    ("adam", {"enabled": True, "monthlyCap": "250"}, "INVALID", "paymentMethodId",
     "Automatic purchases need a payment method"),
    ("adam", plan_with(CARD), "INVALID", "monthlyCap", "Automatic purchases need a monthly cap"),
    ("adam", plan_with(CARD, monthlyCap="94.99"), "INVALID", "monthlyCap", "A monthly cap of 94.99 is below the price"),
    ("adam", plan_with(CARD, monthlyCapCredits="9"), "INVALID", "monthlyCapCredits", "A monthly cap of 9 credits is below"),
    ("adam", plan_with(CARD, monthlyCap="0"), "INVALID", "monthlyCap", "monthlyCap must be an amount from 0.01"),
    ("adam", plan_with(CARD, monthlyCap="250", thresholdCredits="0"), "INVALID", "thresholdCredits",
     "thresholdCredits must be above 0"),
    ("adam", plan_with(CARD, monthlyCap="250", purchaseCredits="0.5"), "INVALID", "purchaseCredits",
     "purchaseCredits must be from 1 to 10,000; 0.5 is not."),
    ("adam", plan_with(CARD, monthlyCap="250", purchaseCredits=None), "INVALID", "purchaseCredits",
     "purchaseCredits can't be null"),
    ("adam", {"recipients": ["x"]}, "INVALID", "recipients", "'x' is not an e-mail address."),
    ("adam", plan_with("pm_card_visa", monthlyCap="250"), "NOT_FOUND", "paymentMethodId", "There is no such payment method."),
    ("adam", plan_with("pm_1234", monthlyCap="250"), "NOT_FOUND", "paymentMethodId", "There is no such payment method."),
    ("adam", plan_with("../customers", monthlyCap="250"), "NOT_FOUND", "paymentMethodId",
     "There is no such payment method."),
    ("adam", plan_with("a stranger's", monthlyCap="250"), "NOT_FOUND", "paymentMethodId",
     "There is no such payment method."),
]  # fmt: skip


@pytest.mark.parametrize(("who", "patch", "code", "field", "says"), REFUSED)
async def test_what_is_refused_changes_nothing(
    purse: Purse,
    database: Database,
    sandbox: Sandbox,
    gateway: Any,
    rows: asyncpg.Connection,
    who: str,
    patch: dict[str, Any],
    code: str,
    field: str | None,
    says: str,
) -> None:
    if who == "sam":  # who may change settings, but not buy
        who = "mia"
        await rows.execute(
            "UPDATE credit_pool_members SET permissions = permissions || '{\"canModifySettings\": true}' WHERE id = $1",
            purse.household.people["mia"].member_id,
        )
    other = await new_purse(purse.portal, database, sandbox, gateway)
    cards = {CARD: await purse.saved(), "a stranger's": await other.saved()}
    given = {name: cards.get(value, value) if isinstance(value, str) else value for name, value in patch.items()}
    before = await everything(rows, purse.household, other.household)
    refused = await change(purse, who, given)
    assert refused["pool"] is None
    (error,) = refused["userErrors"]
    assert (error["code"], error["message"][: len(says)]) == (code, says)
    assert error["path"] == (["patch", "autoPurchase", field] if field else None)
    assert await everything(rows, purse.household, other.household) == before
