"""Limits and permissions of members (ruling 14): what a change writes, and that a refusal writes nothing."""

import json
from typing import Any

import asyncpg
import pytest

from app.tenancy import Database
from tests.factories import make_household
from tests.graphql.documents import LIMITS, PERMISSIONS
from tests.graphql.portal import Portal, member_id
from tests.graphql.rows import audited, everything

LIMIT_COLUMNS = (
    "SELECT daily_credit_limit, monthly_credit_limit, max_cost_per_request FROM credit_pool_members WHERE id = $1"
)
ALL = [
    "PURCHASE_CREDITS",
    "VIEW_POOL_BALANCE",
    "VIEW_OTHER_USAGE",
    "INVITE_MEMBERS",
    "REMOVE_MEMBERS",
    "MODIFY_SETTINGS",
]


@pytest.mark.parametrize(("who", "whom"), [("olivia", "olivia"), ("olivia", "adam"), ("adam", "mia"), ("adam", "rosa")])
async def test_limits_are_set_kept_and_lifted(
    portal: Portal, database: Database, rows: asyncpg.Connection, who: str, whom: str
) -> None:
    household = await make_household(database)
    limits = {"dailyCredits": "1.5", "monthlyCredits": 20, "maxCreditsPerRequest": "0.000001"}
    answer = await portal.ask(household, who, LIMITS, id=member_id(household, whom), limits=limits)
    assert answer.data["memberLimitsUpdate"] == {
        "member": {
            "id": member_id(household, whom),
            "limits": {"dailyCredits": "1.500000", "monthlyCredits": "20.000000", "maxCreditsPerRequest": "0.000001"},
            "usage": {"remainingToday": "1.500000", "remainingThisMonth": "20.000000"},
        },
        "userErrors": [],
    }
    (event,) = await audited(rows, household)
    assert (event["action"], event["entity_type"]) == ("member.limits_updated", "credit_pool_member")
    assert event["entity_id"] == household.people[whom].member_id
    assert event["actor_user_id"] == household.people[who].user_id
    assert event["pool_id"] == household.pool_id
    assert event["correlation_id"] == answer.request_id
    assert json.loads(event["before"]) == dict.fromkeys(
        ["daily_credit_limit", "monthly_credit_limit", "max_cost_per_request"]
    )
    assert json.loads(event["after"]) == {
        "daily_credit_limit": "1.5",
        "monthly_credit_limit": "20",
        "max_cost_per_request": "0.000001",
    }
    answer = await portal.ask(household, who, LIMITS, id=member_id(household, whom), limits={"monthlyCredits": None})
    kept = {"dailyCredits": "1.500000", "monthlyCredits": None, "maxCreditsPerRequest": "0.000001"}
    assert answer.data["memberLimitsUpdate"]["member"]["limits"] == kept
    lifted = {"dailyCredits": None, "maxCreditsPerRequest": None}
    answer = await portal.ask(household, who, LIMITS, id=member_id(household, whom), limits=lifted)
    assert set(answer.data["memberLimitsUpdate"]["member"]["limits"].values()) == {None}
    stored = await rows.fetchrow(LIMIT_COLUMNS, household.people[whom].member_id)
    assert stored is not None
    assert set(stored.values()) == {None}


async def test_a_change_to_what_is_there_already_is_no_event(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household = await make_household(database)
    for limit in ("5", "5.000", 5):
        answer = await portal.ask(
            household, "olivia", LIMITS, id=member_id(household, "mia"), limits={"dailyCredits": limit}
        )
        assert answer.data["memberLimitsUpdate"]["userErrors"] == []
    for _ in range(2):
        answer = await portal.ask(
            household, "olivia", PERMISSIONS, id=member_id(household, "mia"), permissions=["VIEW_POOL_BALANCE"]
        )
        assert answer.data["memberPermissionsUpdate"]["member"]["permissions"] == ["VIEW_POOL_BALANCE"]
    assert len(await audited(rows, household)) == 1


REFUSED_LIMITS = [
    ("mia", "rosa", {"dailyCredits": "1"}, "NOT_FOUND", "There is no such member."),  # mia does not see her
    ("mia", "mia", {"dailyCredits": None}, "FORBIDDEN", "This needs the permission MODIFY_SETTINGS"),
    ("adam", "adam", {}, "FORBIDDEN", "As admin you can't change yourself. Someone of a higher role can."),
    ("adam", "olivia", {}, "FORBIDDEN", "As admin you can't change a member with the role owner."),
    (
        "olivia",
        "mia",
        {"dailyCredits": "-1"},
        "INVALID",
        "dailyCredits must be from 0 to 1,000,000 credits; -1 is not.",
    ),
    ("olivia", "mia", {"monthlyCredits": "1000001"}, "INVALID", "monthlyCredits must be from 0 to 1,000,000 credits"),
    ("olivia", "mia", {"maxCreditsPerRequest": "NaN"}, "INVALID", "maxCreditsPerRequest must be from 0 to 1,000,000"),
    ("olivia", "mia", {"dailyCredits": "Infinity"}, "INVALID", "dailyCredits must be from 0 to 1,000,000 credits"),
    ("olivia", "mia", {"dailyCredits": "1E-7"}, "INVALID", "dailyCredits has at most 6 decimal places; 0.0000001 has"),
    (
        "olivia",
        "mia",
        {"dailyCredits": "2", "monthlyCredits": "1"},
        "INVALID",
        "A daily limit of 2 is above the monthly",
    ),
]


@pytest.mark.parametrize(("who", "whom", "limits", "code", "says"), REFUSED_LIMITS)
async def test_limits_that_are_refused(
    portal: Portal,
    database: Database,
    rows: asyncpg.Connection,
    who: str,
    whom: str,
    limits: dict[str, Any],
    code: str,
    says: str,
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    answer = await portal.ask(household, who, LIMITS, id=member_id(household, whom), limits=limits)
    payload = answer.data["memberLimitsUpdate"]
    assert payload["member"] is None
    (error,) = payload["userErrors"]
    assert (error["code"], error["message"][: len(says)]) == (code, says)
    assert await everything(rows, household) == before


@pytest.mark.parametrize(
    ("who", "whom", "wanted"),
    [("olivia", "adam", []), ("olivia", "rosa", ALL), ("adam", "mia", ["MODIFY_SETTINGS"]), ("adam", "rosa", ALL[:2])],
)
async def test_permissions_are_set_as_a_whole(
    portal: Portal, database: Database, rows: asyncpg.Connection, who: str, whom: str, wanted: list[str]
) -> None:
    household = await make_household(database)
    answer = await portal.ask(household, who, PERMISSIONS, id=member_id(household, whom), permissions=wanted)
    assert answer.data["memberPermissionsUpdate"] == {
        "member": {"id": member_id(household, whom), "permissions": wanted},
        "userErrors": [],
    }
    stored = json.loads(
        await rows.fetchval(
            "SELECT permissions FROM credit_pool_members WHERE id = $1", household.people[whom].member_id
        )
    )
    assert sum(stored.values()) == len(wanted)
    assert len(stored) == 6
    (event,) = await audited(rows, household)
    assert event["action"] == "member.permissions_updated"
    assert json.loads(event["after"]) == {"permissions": stored}


REFUSED_PERMISSIONS = [
    ("mia", "rosa", [], "NOT_FOUND", "There is no such member."),  # mia does not see her
    ("mia", "mia", [], "FORBIDDEN", "This needs the permission MODIFY_SETTINGS in this pool."),
    ("rosa", "rosa", ALL, "FORBIDDEN", "This needs the permission MODIFY_SETTINGS in this pool."),
    ("adam", "adam", [], "FORBIDDEN", "As admin you can't change yourself."),
    ("adam", "olivia", ALL, "FORBIDDEN", "As admin you can't change a member with the role owner."),
    ("olivia", "olivia", [], "INVALID", "The owner always has all six permissions; they can't be taken."),
]


@pytest.mark.parametrize(("who", "whom", "wanted", "code", "says"), REFUSED_PERMISSIONS)
async def test_permissions_that_are_refused(
    portal: Portal,
    database: Database,
    rows: asyncpg.Connection,
    who: str,
    whom: str,
    wanted: list[str],
    code: str,
    says: str,
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    answer = await portal.ask(household, who, PERMISSIONS, id=member_id(household, whom), permissions=wanted)
    (error,) = answer.data["memberPermissionsUpdate"]["userErrors"]
    assert (error["code"], error["message"][: len(says)]) == (code, says)
    assert await everything(rows, household) == before


async def test_nobody_grants_what_they_lack_nor_changes_while_suspended(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household = await make_household(database)
    adam = household.people["adam"].member_id
    await rows.execute(
        """UPDATE credit_pool_members SET permissions = '{"canModifySettings": true}' WHERE id = $1""", adam
    )
    before = await everything(rows, household)
    answer = await portal.ask(household, "adam", PERMISSIONS, id=member_id(household, "rosa"), permissions=ALL)
    (error,) = answer.data["memberPermissionsUpdate"]["userErrors"]
    assert error["message"] == (
        "You can't grant what you don't have yourself: "
        "INVITE_MEMBERS, PURCHASE_CREDITS, REMOVE_MEMBERS, VIEW_OTHER_USAGE, VIEW_POOL_BALANCE."
    )
    assert await everything(rows, household) == before
    await rows.execute("UPDATE credit_pool_members SET status = 'suspended' WHERE id = $1", adam)
    before = await everything(rows, household)
    for document, more in ((PERMISSIONS, {"permissions": []}), (LIMITS, {"limits": {}})):
        answer = await portal.ask(household, "adam", document, id=member_id(household, "adam"), **more)
        (error,) = next(iter(answer.data.values()))["userErrors"]
        assert error["message"].startswith("Your membership of this pool is suspended.")
    assert await everything(rows, household) == before


@pytest.mark.parametrize(
    "limits", [{"dailyCredits": "five"}, {"dailyCredits": True}, {"weekly": "1"}, {"dailyCredits": []}]
)
async def test_values_of_another_type_never_reach_the_service(
    portal: Portal, database: Database, rows: asyncpg.Connection, limits: dict[str, Any]
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    answer = await portal.ask(household, "olivia", LIMITS, id=member_id(household, "mia"), limits=limits)
    assert answer.status == 400
    assert "data" not in answer.body
    assert "$limits" in answer.messages[0]
    assert await everything(rows, household) == before
