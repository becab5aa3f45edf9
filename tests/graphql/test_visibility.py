"""What each role is shown of a pool, of its people and of its ledger."""

from typing import Any

import asyncpg
import pytest

from app.rules.permissions import Permission
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import NODE, POOL
from tests.graphql.portal import Portal, member_id, node_id, pool_id
from tests.graphql.rows import add_entries, add_purchases

EVERYBODY = ["adam", "mia", "olivia", "rosa"]


async def used(database: Database) -> Household:
    """A family whose members have used credits, and where the owner, the member and the child have bought some."""
    household = await make_household(database)
    await add_entries(database, household, ("olivia", "-1"), ("mia", "-0.5"), ("rosa", "-0.25"), ("rosa", "-0.125"))
    for name in ("olivia", "mia", "rosa"):
        await add_purchases(database, household, name, 1)
    return household


async def pool_of(portal: Portal, household: Household, name: str) -> dict[str, Any]:
    pool: dict[str, Any] = (await portal.ask(household, name, POOL, id=pool_id(household))).data["pool"]
    return pool


def names(rows: list[dict[str, Any]], key: str = "user") -> list[str]:
    """Whose rows these are; "-" is nobody's."""
    return [one[key]["email"].partition("@")[0] if one[key] else "-" for one in rows]


@pytest.mark.parametrize("name", ["olivia", "adam"])
async def test_the_owner_and_an_admin_see_everything(portal: Portal, database: Database, name: str) -> None:
    household = await used(database)
    pool = await pool_of(portal, household, name)
    assert pool["balance"]["total"] == pool["balance"]["available"] == "4.125000"
    assert pool["settings"]["family"] is not None
    assert sorted(names(pool["members"]["nodes"])) == EVERYBODY
    assert pool["members"]["totalCount"] == 4
    assert all(member["usage"] for member in pool["members"]["nodes"])
    assert names(pool["transactions"]["nodes"]) == ["rosa", "rosa", "mia", "olivia", "-"]
    assert [entry["balanceAfter"] for entry in pool["transactions"]["nodes"]] == [
        "4.125000", "4.250000", "4.500000", "5.000000", "6.000000",
    ]  # fmt: skip
    assert names(pool["purchases"]["nodes"], "purchasedBy") == ["rosa", "mia", "olivia"]
    assert pool["subscription"]["seats"] == {"purchased": 4, "used": 4, "pending": 0}
    assert pool["viewerMembership"]["id"] == member_id(household, name)


async def test_a_restricted_child_sees_their_own(portal: Portal, database: Database) -> None:
    household = await used(database)
    pool = await pool_of(portal, household, "rosa")
    assert pool["name"] == "Household"
    assert (pool["balance"], pool["settings"]) == (None, None)
    assert names(pool["members"]["nodes"]) == ["rosa"]
    assert pool["members"]["totalCount"] == 1
    own = pool["members"]["nodes"][0]
    assert own["usage"]["allTime"] == "0.000000"
    assert own["viewerCanUpdate"] is False
    assert [(entry["amount"], entry["balanceAfter"]) for entry in pool["transactions"]["nodes"]] == [
        ("-0.125000", None),
        ("-0.250000", None),
    ]
    assert names(pool["transactions"]["nodes"]) == ["rosa", "rosa"]
    assert names(pool["purchases"]["nodes"], "purchasedBy") == ["rosa"]
    assert pool["subscription"]["seats"] is None


async def test_a_plain_member_sees_the_balance_and_their_own_entries(portal: Portal, database: Database) -> None:
    household = await used(database)
    pool = await pool_of(portal, household, "mia")
    assert pool["balance"]["total"] == "4.125000"
    assert pool["settings"] is not None
    assert names(pool["members"]["nodes"]) == ["mia"]
    assert [(entry["amount"], entry["balanceAfter"]) for entry in pool["transactions"]["nodes"]] == [
        ("-0.500000", "4.500000")
    ]
    assert names(pool["purchases"]["nodes"], "purchasedBy") == ["rosa", "mia", "olivia"]


async def test_a_suspended_admin_sees_no_more_than_a_child(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household = await used(database)
    await rows.execute(
        "UPDATE credit_pool_members SET status = 'suspended' WHERE id = $1", household.people["adam"].member_id
    )
    pool = await pool_of(portal, household, "adam")
    assert (pool["balance"], pool["settings"]) == (None, None)
    assert names(pool["members"]["nodes"]) == ["adam"]
    assert pool["members"]["nodes"][0]["status"] == "SUSPENDED"
    assert (pool["transactions"]["nodes"], pool["purchases"]["nodes"]) == ([], [])
    assert pool["subscription"]["seats"] is None
    document = "query Q($id: ID!) { pool(id: $id) { " + " ".join(
        f"{one.name}: viewerCan(permission: {one.name})" for one in Permission
    ) + " } }"  # fmt: skip
    assert set((await portal.ask(household, "adam", document, id=pool_id(household))).data["pool"].values()) == {False}


# Each permission alone, given to a restricted member: what it opens. (balance, settings, members, others' usage and entries)
OPENS = {
    Permission.PURCHASE_CREDITS: (False, False, False, False),
    Permission.VIEW_POOL_BALANCE: (True, True, False, False),
    Permission.VIEW_OTHER_USAGE: (False, False, True, True),
    Permission.INVITE_MEMBERS: (False, False, True, False),
    Permission.REMOVE_MEMBERS: (False, False, True, False),
    Permission.MODIFY_SETTINGS: (False, True, True, False),
}


@pytest.mark.parametrize("permission", Permission)
async def test_what_each_permission_opens(
    portal: Portal, database: Database, rows: asyncpg.Connection, permission: Permission
) -> None:
    household = await used(database)
    await rows.execute(
        "UPDATE credit_pool_members SET permissions = jsonb_build_object($2::text, true) WHERE id = $1",
        household.people["rosa"].member_id,
        permission.value,
    )
    pool = await pool_of(portal, household, "rosa")
    balance, settings, members, usage = OPENS[permission]
    assert (pool["balance"] is not None, pool["settings"] is not None) == (balance, settings)
    assert sorted(names(pool["members"]["nodes"])) == (EVERYBODY if members else ["rosa"])
    assert pool["members"]["totalCount"] == (4 if members else 1)
    seen = {member["user"]["email"][:4] for member in pool["members"]["nodes"] if member["usage"]}
    assert seen == ({"adam", "mia@", "oliv", "rosa"} if usage else {"rosa"})
    assert len(pool["transactions"]["nodes"]) == (5 if usage else 2)
    assert {entry["balanceAfter"] is not None for entry in pool["transactions"]["nodes"]} == {balance}
    assert len(pool["purchases"]["nodes"]) == (3 if balance else 1)
    assert (pool["subscription"]["seats"] is not None) is members
    hidden = [
        node_id("PoolMember", household.people["olivia"].member_id),
        node_id("User", household.people["mia"].user_id),
    ]
    for one in hidden:
        node = (await portal.ask(household, "rosa", NODE, id=one)).data["node"]
        assert (node is not None) is members


async def test_nodes_are_shown_as_their_lists_show_them(portal: Portal, database: Database) -> None:
    household = await used(database)
    everything = await pool_of(portal, household, "olivia")
    seen_by = {name: await pool_of(portal, household, name) for name in ("olivia", "adam", "mia", "rosa")}
    for name, pool in seen_by.items():
        for connection in ("members", "transactions", "purchases"):
            shown = {one["id"] for one in pool[connection]["nodes"]}
            for one in everything[connection]["nodes"]:
                found = (await portal.ask(household, name, NODE, id=one["id"])).data["node"]
                assert (found is not None) is (one["id"] in shown), (name, connection)


async def test_the_figures_of_a_member(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database, time_zone="Pacific/Kiritimati")
    await rows.execute(
        """UPDATE credit_pool_members SET daily_credit_limit = 2, monthly_credit_limit = 10, max_cost_per_request = 0.5,
             usage_today = 1, usage_this_week = 3, usage_this_month = 4, usage_all_time = 50, held_credits = 0.75,
             usage_on = (now() AT TIME ZONE 'Pacific/Kiritimati')::date WHERE id = $1""",
        household.people["mia"].member_id,
    )

    async def figures() -> dict[str, Any]:
        members = (await pool_of(portal, household, "olivia"))["members"]["nodes"]
        return next(member for member in members if member["user"]["email"] == "mia@example.com")

    mia = await figures()
    assert mia["limits"] == {
        "dailyCredits": "2.000000",
        "monthlyCredits": "10.000000",
        "maxCreditsPerRequest": "0.500000",
    }
    assert mia["usage"] == {
        "today": "1.000000",
        "thisWeek": "3.000000",
        "thisMonth": "4.000000",
        "allTime": "50.000000",
        "remainingToday": "0.250000",
        "remainingThisMonth": "5.250000",
    }
    await rows.execute(
        "UPDATE credit_pool_members SET usage_on = usage_on - 40 WHERE id = $1", household.people["mia"].member_id
    )
    assert (await figures())["usage"] == {
        "today": "0.000000",
        "thisWeek": "0.000000",
        "thisMonth": "0.000000",
        "allTime": "50.000000",
        "remainingToday": "1.250000",
        "remainingThisMonth": "9.250000",
    }
