"""What is somebody else's answers exactly as what does not exist (ruling 18): the same bytes, and nothing changes."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.rules.permissions import Role
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import LIMITS, NODE, PERMISSIONS, POOL, QUOTE, SETTINGS
from tests.graphql.portal import Portal, member_id, node_id, pool_id
from tests.graphql.rows import add_entries, add_pool, add_purchases, everything


@dataclass
class World:
    """Our household, another tenant's, and a pool of our tenant that our people do not belong to."""

    ours: Household
    theirs: Household
    neighbours: Household


async def world(database: Database) -> World:
    ours, theirs = await make_household(database), await make_household(database)
    neighbours = await add_pool(database, ours, {"mia": Role.OWNER})
    for one, name in ((theirs, "olivia"), (neighbours, "mia")):
        await add_entries(database, one, (name, "1"))
        await add_purchases(database, one, name, 1)
    return World(ours, theirs, neighbours)


def not_ours(kind: str, keys: list[Any]) -> list[str]:
    """Ids of things that adam of our household must not find: foreign, made up, malformed."""
    return [
        *(node_id(kind, key) for key in keys),
        node_id(kind, uuid4()),
        node_id(kind, uuid4()),
        node_id(kind, "no-uuid"),
        node_id("Nothing", uuid4()),
        node_id("Tier" if kind != "Tier" else "AddOn", keys[0]),
        kind,
        "",
        "é",
        "=",
        "A" * 5000,
    ]


CHANGES = [
    (LIMITS, "PoolMember", {"limits": {"dailyCredits": "1"}}, "id"),
    (PERMISSIONS, "PoolMember", {"permissions": []}, "id"),
    (SETTINGS, "CreditPool", {"version": 1, "patch": {"notifications": {"recipients": ["a@example.com"]}}}, "pool"),
    (QUOTE, "CreditPool", {"credits": "10"}, "pool"),
    (POOL, "CreditPool", {}, "id"),
]


@pytest.mark.parametrize(("document", "kind", "variables", "name"), CHANGES)
async def test_foreign_ids_answer_as_ids_that_do_not_exist(
    portal: Portal,
    database: Database,
    rows: asyncpg.Connection,
    document: str,
    kind: str,
    variables: dict[str, Any],
    name: str,
) -> None:
    here = await world(database)
    keys = (
        [here.theirs.pool_id, here.neighbours.pool_id]
        if kind == "CreditPool"
        else [here.theirs.people["mia"].member_id, here.neighbours.people["mia"].member_id]
    )
    before = await everything(rows, here.ours, here.theirs)
    answers = [
        await portal.ask(here.ours, "adam", document, **variables, **{name: one}) for one in not_ours(kind, keys)
    ]
    assert {answer.status for answer in answers} == {200}
    assert all(answer.body == answers[0].body for answer in answers), [answer.body for answer in answers]
    assert "errors" not in answers[0].body
    payload = next(iter(answers[0].body["data"].values()))
    if document is not POOL:
        (error,) = payload["userErrors"]
        assert error["code"] == "NOT_FOUND"
        assert error["message"] in {"There is no such member.", "There is no such pool."}
        assert error["path"] == ["id" if kind == "PoolMember" else "poolId"]
    else:
        assert payload is None
    assert await everything(rows, here.ours, here.theirs) == before


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("CreditPool", "credit_pools"),
        ("PoolMember", "credit_pool_members"),
        ("CreditTransaction", "credit_transactions"),
        ("CreditPurchase", "credit_purchases"),
        ("Subscription", "subscriptions"),
        ("User", "users"),
        ("Tenant", "tenants"),
    ],
)
async def test_no_node_of_others_is_found(
    portal: Portal, database: Database, rows: asyncpg.Connection, kind: str, table: str
) -> None:
    here = await world(database)
    tenant = "id" if kind == "Tenant" else "tenant_id"
    foreign = [
        row["id"] for row in await rows.fetch(f"SELECT id FROM {table} WHERE {tenant} = $1", here.theirs.tenant_id)
    ]
    assert foreign
    if kind not in {"User", "Tenant"}:
        column = {"credit_pools": "id", "subscriptions": "credit_pool_id"}.get(table, "pool_id")
        foreign += [
            row["id"]
            for row in await rows.fetch(f"SELECT id FROM {table} WHERE {column} = $1", here.neighbours.pool_id)
        ]
    for one in not_ours(kind, foreign):
        answer = await portal.ask(here.ours, "adam", NODE, id=one)
        assert (answer.status, answer.body) == (200, {"data": {"node": None}}), one


async def test_nodes_of_ones_own_are_found(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database)
    await add_purchases(database, household, "mia", 1)
    ids = [
        pool_id(household),
        *(member_id(household, name) for name in household.people),
        *(node_id("User", person.user_id) for person in household.people.values()),
        node_id("Tenant", household.tenant_id),
        node_id("Tier", "FREE"),
        node_id("AddOn", "COMPLIANCE_ADDON"),
    ]
    tables = {
        "CreditTransaction": "credit_transactions",
        "CreditPurchase": "credit_purchases",
        "Subscription": "subscriptions",
    }
    for kind, table in tables.items():
        found = await rows.fetch(f"SELECT id FROM {table} WHERE tenant_id = $1", household.tenant_id)
        ids += [node_id(kind, row["id"]) for row in found]
    assert len(ids) == 15
    for one in ids:
        node = (await portal.ask(household, "adam", NODE, id=one)).data["node"]
        assert node["id"] == one


async def test_an_ended_subscription_is_no_node(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    household = await make_household(database)
    key = await rows.fetchval(
        "UPDATE subscriptions SET status = 'canceled' WHERE tenant_id = $1 RETURNING id", household.tenant_id
    )
    assert (await portal.ask(household, "adam", NODE, id=node_id("Subscription", key))).data == {"node": None}
    assert (await portal.ask(household, "adam", POOL, id=pool_id(household))).data["pool"]["subscription"] is None
