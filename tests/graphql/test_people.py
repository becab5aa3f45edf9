"""Who is let in: 401 for nobody, on queries and on mutations alike; what the key of a service may do."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.rules.permissions import Role
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import LIMITS, NODE, POOL, PURCHASE, QUOTE, SETTINGS
from tests.graphql.portal import Portal, member_id, node_id, pool_id
from tests.graphql.rows import add_api_key, add_entries, add_pool, everything

TIERS = "{ tiers { code } }"
REFUSED = {
    "errors": [
        {
            "message": "Sign in, or send a valid token in the Authorization header.",
            "extensions": {"code": "UNAUTHENTICATED"},
        }
    ]
}


def operations(household: Household) -> list[tuple[str, dict[str, Any]]]:
    """Every kind of operation, with arguments that would be right."""
    member = member_id(household, "mia")
    return [
        (TIERS, {}),
        ("{ viewer { user { id } } }", {}),
        ("{ addOns { code } creditBands { minCredits } }", {}),
        (POOL, {"id": pool_id(household)}),
        (NODE, {"id": pool_id(household)}),
        (NODE, {"id": "garbage"}),
        (QUOTE, {"pool": pool_id(household), "credits": "10"}),
        (LIMITS, {"id": member, "limits": {"dailyCredits": "1"}}),
        (SETTINGS, {"pool": pool_id(household), "version": 1, "patch": {}}),
        (PURCHASE, {"quote": "x", "method": "pm_x", "key": str(uuid4())}),
    ]


@pytest.mark.parametrize("claims", [{"sub": "nobody"}, {"tenant_id": str(uuid4())}])
async def test_unknown_people_are_nobody(
    portal: Portal, database: Database, rows: asyncpg.Connection, claims: dict[str, str]
) -> None:
    household = await make_household(database)
    before = await everything(rows, household)
    token = portal.token(household, "olivia", **claims)
    for query, variables in operations(household):
        answer = await portal.send(token, query, **variables)
        assert (answer.status, answer.body) == (401, REFUSED), query
    assert await everything(rows, household) == before


async def test_a_person_of_another_tenant_is_nobody_here(portal: Portal, database: Database) -> None:
    ours, theirs = await make_household(database), await make_household(database)
    token = portal.token(ours, "olivia", tenant_id=str(theirs.tenant_id))
    assert (await portal.send(token, TIERS)).status == 401


async def test_a_user_who_is_disabled_is_out_with_the_next_request(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household = await make_household(database)
    assert (await portal.ask(household, "adam", TIERS)).status == 200
    await rows.execute("UPDATE users SET disabled_at = now() WHERE id = $1", household.people["adam"].user_id)
    before = await everything(rows, household)
    for query, variables in operations(household):
        answer = await portal.ask(household, "adam", query, **variables)
        assert (answer.status, answer.body) == (401, REFUSED), query
    assert await everything(rows, household) == before
    await rows.execute("UPDATE users SET disabled_at = NULL WHERE id = $1", household.people["adam"].user_id)
    assert (await portal.ask(household, "adam", TIERS)).status == 200


async def test_a_user_without_any_pool_is_somebody(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    household = await make_household(database)
    await rows.execute("DELETE FROM credit_pool_members WHERE id = $1", household.people["mia"].member_id)
    viewer = (await portal.ask(household, "mia", "{ viewer { user { email } memberships { id } } }")).data["viewer"]
    assert viewer == {"user": {"email": "mia@example.com"}, "memberships": []}
    assert (await portal.ask(household, "mia", POOL, id=pool_id(household))).data == {"pool": None}


async def test_someone_invited_is_no_member_yet(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database)
    await rows.execute(
        "UPDATE credit_pool_members SET status = 'invited' WHERE id = $1", household.people["adam"].member_id
    )
    assert (await portal.ask(household, "adam", POOL, id=pool_id(household))).data == {"pool": None}


@pytest.mark.parametrize("bound", [False, True])
async def test_a_service_reads_the_pools_that_its_key_serves(portal: Portal, database: Database, bound: bool) -> None:
    household = await make_household(database)
    other = await add_pool(database, household, {"olivia": Role.OWNER})
    await add_entries(database, household, ("rosa", "-1"))
    key = await add_api_key(database, household, "pool:read", pool_id=household.pool_id if bound else None)
    pool = (await portal.send(key, POOL, id=pool_id(household))).data["pool"]
    assert pool["balance"]["total"] == "5.000000"
    assert pool["members"]["totalCount"] == 4
    assert all(member["usage"] is not None for member in pool["members"]["nodes"])
    assert not any(member["viewerCanUpdate"] for member in pool["members"]["nodes"])
    assert [entry["balanceAfter"] for entry in pool["transactions"]["nodes"]] == ["5.000000", "6.000000"]
    assert pool["viewerMembership"] is None
    elsewhere = (await portal.send(key, POOL, id=pool_id(other))).data["pool"]
    assert (elsewhere is None) is bound
    for person in household.people.values():
        assert (await portal.send(key, NODE, id=node_id("User", person.user_id))).data["node"] is not None


async def test_a_service_without_the_scope_reads_nothing_of_people(portal: Portal, database: Database) -> None:
    household = await make_household(database)
    await add_entries(database, household, ("rosa", "-1"))
    everyone = await add_api_key(database, household, "pool:read")
    entries = (await portal.send(everyone, POOL, id=pool_id(household))).data["pool"]["transactions"]["nodes"]
    for scopes in ([], ["usage:write"], ["usage:read", "credits:adjust"]):
        key = await add_api_key(database, household, *scopes)
        assert (await portal.send(key, POOL, id=pool_id(household))).data == {"pool": None}
        hidden = [
            pool_id(household),
            member_id(household, "mia"),
            node_id("User", household.people["mia"].user_id),
            *(entry["id"] for entry in entries),
        ]
        for one in hidden:
            assert (await portal.send(key, NODE, id=one)).data == {"node": None}


async def test_a_service_neither_buys_nor_changes(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database)
    key = await add_api_key(database, household, "pool:read", "usage:write", "usage:read", "credits:adjust")
    before = await everything(rows, household)
    quote = (await portal.send(key, QUOTE, pool=pool_id(household), credits="10")).data["creditQuote"]
    assert quote["quote"] is None
    assert quote["userErrors"][0]["message"] == "Only a person can buy credits; an API key can't."
    bought = await portal.send(key, PURCHASE, quote="x", method="pm_x", key=str(uuid4()))
    assert bought.data["creditsPurchase"]["userErrors"][0]["code"] == "FORBIDDEN"
    limits = await portal.send(key, LIMITS, id=member_id(household, "mia"), limits={"dailyCredits": "1"})
    assert limits.data["memberLimitsUpdate"]["userErrors"][0]["code"] == "NOT_FOUND"
    settings = await portal.send(
        key, SETTINGS, pool=pool_id(household), version=1, patch={"notifications": {"recipients": []}}
    )
    assert settings.data["poolSettingsUpdate"]["userErrors"][0]["code"] == "NOT_FOUND"
    viewer = await portal.send(key, "{ viewer { locale } }")
    assert viewer.messages == ["An API key is no person: `viewer` needs a user's token."]
    assert await everything(rows, household) == before


@pytest.mark.parametrize("change", ["revoked_at = now()", "expires_at = now()", "key_hash = '\\x00'"])
async def test_a_key_that_no_longer_holds_is_nobody(
    portal: Portal, database: Database, rows: asyncpg.Connection, change: str
) -> None:
    household = await make_household(database)
    key = await add_api_key(database, household, "pool:read")
    assert (await portal.send(key, TIERS)).status == 200
    await rows.execute(f"UPDATE api_keys SET {change} WHERE tenant_id = $1", household.tenant_id)
    answer = await portal.send(key, TIERS)
    assert (answer.status, answer.body) == (401, REFUSED)
