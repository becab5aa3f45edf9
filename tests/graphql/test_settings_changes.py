"""The settings that stand alone: changed by version, refused with nothing changed (section 43.3, rulings 14 and 16)."""

import json
from typing import Any

import asyncpg
import pytest

from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import SETTINGS
from tests.graphql.portal import Answer, Portal, member_id, node_id, pool_id
from tests.graphql.rows import audited, everything


async def change(portal: Portal, household: Household, name: str, patch: dict[str, Any], version: int = 1) -> Answer:
    return await portal.ask(household, name, SETTINGS, pool=pool_id(household), version=version, patch=patch)


EVERYTHING = {
    "notifications": {
        "lowBalanceThreshold": "2.5",
        "recipients": ["a@example.com"],
        "summary": "DAILY",
        "unusualUsageAlerts": False,
    },
    "accessControl": {"approvalRequiredAbove": "0.5", "blockedModels": ["gpt-5"], "allowedModels": []},
}
FAMILY = {"parentalControls": False, "contentFiltering": "STRICT"}


async def test_a_change_of_everything(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database)
    child = member_id(household, "rosa")
    answer = await change(portal, household, "adam", EVERYTHING | {"family": FAMILY | {"underageMemberIds": [child]}})
    shown = EVERYTHING | {"family": FAMILY | {"underageMembers": [{"id": child}]}}
    assert answer.data["poolSettingsUpdate"] == {"pool": {"version": 2, "settings": shown}, "userErrors": []}
    (event,) = await audited(rows, household)
    assert (event["action"], event["entity_id"]) == ("pool.settings_updated", household.pool_id)
    assert event["actor_user_id"] == household.people["adam"].user_id
    stored = json.loads(await rows.fetchval("SELECT settings FROM credit_pools WHERE id = $1", household.pool_id))
    assert json.loads(event["after"]) == stored
    assert stored["familySettings"]["underageMembers"] == [str(household.people["rosa"].user_id)]
    assert json.loads(event["before"])["notifications"]["usageSummaryFrequency"] == "weekly"


async def test_absent_fields_stay_and_null_takes_a_limit_away(portal: Portal, database: Database) -> None:
    household = await make_household(database)
    await change(
        portal, household, "olivia", {"accessControl": {"approvalRequiredAbove": 1, "allowedModels": ["gpt-5"]}}
    )
    answer = await change(portal, household, "olivia", {"accessControl": {"allowedModels": None}}, version=2)
    access = answer.data["poolSettingsUpdate"]["pool"]["settings"]["accessControl"]
    assert access == {"approvalRequiredAbove": "1", "blockedModels": [], "allowedModels": None}
    answer = await change(portal, household, "olivia", {"family": {"underageMemberIds": []}}, version=3)
    assert answer.data["poolSettingsUpdate"]["pool"]["version"] == 3, "nothing changed: no new version"


REFUSED = [
    ("mia", {}, "FORBIDDEN", None, "This needs the permission MODIFY_SETTINGS in this pool."),
    ("rosa", {"notifications": {"recipients": []}}, "FORBIDDEN", None, "This needs the permission MODIFY_SETTINGS"),
    ("adam", {"notifications": {"recipients": ["x"]}}, "INVALID", "patch.notifications.recipients",
     "'x' is not an e-mail address."),
    ("adam", {"notifications": {"lowBalanceThreshold": "-1"}}, "INVALID", "patch.notifications.lowBalanceThreshold",
     "lowBalanceThreshold must be from 0 to 1,000,000 credits; -1 is not."),
    ("adam", {"notifications": {"summary": None}}, "INVALID", "patch.notifications.summary",
     "summary can't be null: leave it out to keep it as it is."),
    ("adam", {"notifications": {"unusualUsageAlerts": None}}, "INVALID", "patch.notifications.unusualUsageAlerts",
     "unusualUsageAlerts can't be null"),
    ("adam", {"accessControl": {"approvalRequiredAbove": "NaN"}}, "INVALID", "patch.accessControl.approvalRequiredAbove",
     "approvalRequiredAbove must be from 0 to 1,000,000 credits; NaN is not."),
    ("adam", {"accessControl": {"blockedModels": ["a b"]}}, "INVALID", "patch.accessControl.blockedModels",
     "'a b' can't be a model id"),
    ("adam", {"accessControl": {"blockedModels": ["a"], "allowedModels": ["a"]}}, "INVALID",
     "patch.accessControl.allowedModels", "A model can't be allowed and blocked at once: a."),
    ("adam", {"family": {"underageMemberIds": None}}, "INVALID", "patch.family.underageMemberIds",
     "underageMemberIds can't be null"),
    ("adam", {"family": {"underageMemberIds": ["garbage"]}}, "INVALID", "patch.family.underageMemberIds",
     "An underage member must be a member of this pool."),
]  # fmt: skip


@pytest.mark.parametrize(("who", "patch", "code", "path", "says"), REFUSED)
async def test_changes_that_are_refused(
    portal: Portal,
    database: Database,
    rows: asyncpg.Connection,
    who: str,
    patch: dict[str, Any],
    code: str,
    path: str | None,
    says: str,
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    payload = (await change(portal, household, who, patch)).data["poolSettingsUpdate"]
    assert payload["pool"] is None
    (error,) = payload["userErrors"]
    assert (error["code"], error["message"][: len(says)]) == (code, says)
    assert error["path"] == (path.split(".") if path else None)
    assert await everything(rows, household) == before


async def test_underage_members_are_restricted_members_of_this_pool(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household, other = await make_household(database), await make_household(database)
    before = await everything(rows, household)
    cases = {
        member_id(household, "mia"): "Underage members have the role restricted; this one is member.",
        member_id(household, "olivia"): "Underage members have the role restricted; this one is owner.",
        member_id(other, "rosa"): "An underage member must be a member of this pool.",
        node_id("PoolMember", household.pool_id): "An underage member must be a member of this pool.",
        node_id("User", household.people["rosa"].user_id): "An underage member must be a member of this pool.",
    }
    for one, says in cases.items():
        ids = [member_id(household, "rosa"), one]
        answer = await change(portal, household, "adam", {"family": {"underageMemberIds": ids}})
        (error,) = answer.data["poolSettingsUpdate"]["userErrors"]
        assert error["message"].startswith(says)
    assert await everything(rows, household) == before


async def test_a_team_has_no_family_settings(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database, tier="TEAM")
    before = await everything(rows, household)
    answer = await change(portal, household, "olivia", {"family": {"parentalControls": False}})
    (error,) = answer.data["poolSettingsUpdate"]["userErrors"]
    assert error["code"] == "TIER_NOT_ELIGIBLE"
    assert error["message"] == "Family settings exist in a family's pool only; this pool is of another kind."
    assert await everything(rows, household) == before


@pytest.mark.parametrize("version", [0, 2, -1, 2**31 - 1])
async def test_a_change_to_another_version_is_stale(
    portal: Portal, database: Database, rows: asyncpg.Connection, version: int
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    patch = {"notifications": {"recipients": ["a@example.com"]}}
    answer = await change(portal, household, "olivia", patch, version)
    (error,) = answer.data["poolSettingsUpdate"]["userErrors"]
    assert error == {
        "code": "STALE_VERSION",
        "path": ["version"],
        "message": f"The settings were changed meanwhile: you sent version {version}, the current one is 1. "
        "Read them again and repeat your change.",
        "messageKey": "error.stale_version",
    }
    assert await everything(rows, household) == before
