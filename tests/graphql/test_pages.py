"""Relay connections with keyset cursors: all pages are the whole list, whatever is added in between."""

import base64
import json
from typing import Any

import pytest

from app.rules.permissions import Role
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import MEMBERS, PURCHASES, TRANSACTIONS
from tests.graphql.portal import Answer, Portal, pool_id
from tests.graphql.rows import add_entries, add_members, add_pool, add_purchases

DOCUMENTS = {"members": MEMBERS, "transactions": TRANSACTIONS, "purchases": PURCHASES}
ROWS = 23


async def filled(database: Database) -> Household:
    """A pool with 23 members, ledger entries and purchases."""
    household = await make_household(database)
    await add_members(database, household, ROWS - 4)
    await add_entries(database, household, *[("mia", "-0.01")] * (ROWS - 1))
    await add_purchases(database, household, "mia", ROWS)
    return household


async def add_one(database: Database, household: Household, connection: str) -> None:
    match connection:
        case "members":
            await add_members(database, household, 1)
        case "transactions":
            await add_entries(database, household, ("mia", "-0.01"))
        case _:
            await add_purchases(database, household, "mia", 1)


async def read_page(
    portal: Portal, household: Household, connection: str, first: int, after: str | None = None
) -> dict[str, Any]:
    answer = await portal.ask(
        household, "olivia", DOCUMENTS[connection], id=pool_id(household), first=first, after=after
    )
    page: dict[str, Any] = answer.data["pool"]["page"]
    return page


async def refused(portal: Portal, household: Household, connection: str, first: int, after: str | None) -> Answer:
    document = DOCUMENTS[connection]
    return await portal.ask(household, "olivia", document, id=pool_id(household), first=first, after=after)


@pytest.mark.parametrize("connection", DOCUMENTS)
@pytest.mark.parametrize("size", [1, 7, ROWS - 1, ROWS, ROWS + 1])
async def test_all_pages_are_the_whole_list(portal: Portal, database: Database, connection: str, size: int) -> None:
    household = await filled(database)
    whole = await read_page(portal, household, connection, 100)
    assert len(whole["nodes"]) == ROWS
    assert whole["pageInfo"]["hasNextPage"] is False
    walked: list[dict[str, Any]] = []
    after = None
    while True:
        page = await read_page(portal, household, connection, size, after)
        info, cursors = page["pageInfo"], [edge["cursor"] for edge in page["edges"]]
        assert [edge["node"]["id"] for edge in page["edges"]] == [node["id"] for node in page["nodes"]]
        assert (info["startCursor"], info["endCursor"]) == (cursors[0], cursors[-1])
        assert info["hasPreviousPage"] is (after is not None)
        walked += page["nodes"]
        after = info["endCursor"]
        if not info["hasNextPage"]:
            break
        assert len(page["nodes"]) == size
    assert walked == whole["nodes"]


async def test_the_order(portal: Portal, database: Database) -> None:
    household = await filled(database)
    entries = (await read_page(portal, household, "transactions", 100))["nodes"]
    assert [int(entry["sequence"]) for entry in entries] == list(range(ROWS, 0, -1))
    purchases = (await read_page(portal, household, "purchases", 100))["nodes"]
    assert [one["createdAt"] for one in purchases] == sorted((one["createdAt"] for one in purchases), reverse=True)
    members = (await read_page(portal, household, "members", 100))["nodes"]
    assert {member["user"]["email"] for member in members[:4]} == {
        f"{name}@example.com" for name in ("olivia", "adam", "mia", "rosa")
    }


@pytest.mark.parametrize("connection", DOCUMENTS)
async def test_rows_that_come_between_pages_hide_none(portal: Portal, database: Database, connection: str) -> None:
    household = await filled(database)
    before = [node["id"] for node in (await read_page(portal, household, connection, 100))["nodes"]]
    walked, after, more = [], None, True
    while more:
        page = await read_page(portal, household, connection, 5, after)
        walked += [node["id"] for node in page["nodes"]]
        more, after = page["pageInfo"]["hasNextPage"] and len(walked) < 60, page["pageInfo"]["endCursor"]
        if len(walked) <= ROWS:
            await add_one(database, household, connection)
    assert [one for one in walked if one in before] == before
    assert len(walked) == len(set(walked))


@pytest.mark.parametrize("connection", DOCUMENTS)
async def test_the_bounds_of_a_page(portal: Portal, database: Database, connection: str) -> None:
    household = await filled(database)
    empty = await read_page(portal, household, connection, 0)
    assert (empty["nodes"], empty["edges"]) == ([], [])
    assert empty["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    assert len((await read_page(portal, household, connection, 100))["nodes"]) == ROWS
    for first in (-1, 101, 2**31 - 1):
        answer = await refused(portal, household, connection, first, None)
        assert answer.body.get("data", {"pool": None}) in (None, {"pool": None})
        assert all("100" in one or "smaller pages" in one for one in answer.messages), answer.messages


def encoded(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


UUID_TEXT = "00000000-0000-0000-0000-000000000001"
GARBAGE = [
    "",
    "garbage",
    "é",
    "====",
    encoded("no json"),
    encoded(5),
    encoded([]),
    encoded({}),
    encoded(None),
    encoded("[" * 100),
    "W" * 5000,
    *(
        encoded([connection, *key])
        for connection in DOCUMENTS
        for key in (
            [],
            [None],
            [5],
            ["x"],
            ["0"],
            ["-1"],
            [str(2**63)],
            ["9" * 100],
            ["1", "2", "3"],
            [5, 5],
            ["yesterday", UUID_TEXT],
            ["2026-01-01T00:00:00+00:00", "no uuid"],
            ["0001-01-01T00:00:00+23:59", UUID_TEXT],
            [None, None],
        )
    ),
]


@pytest.mark.parametrize("connection", DOCUMENTS)
async def test_garbage_is_no_cursor(portal: Portal, database: Database, connection: str) -> None:
    household = await make_household(database)
    for after in GARBAGE:
        answer = await refused(portal, household, connection, 5, after)
        assert answer.messages == ["`after` is not a cursor of this connection. Use an `endCursor` that it gave."], (
            after
        )
        assert answer.body["data"] == {"pool": None}


@pytest.mark.parametrize("connection", DOCUMENTS)
async def test_a_cursor_of_another_connection_is_none_of_this(
    portal: Portal, database: Database, connection: str
) -> None:
    household = await filled(database)
    for other in set(DOCUMENTS) - {connection}:
        cursor = (await read_page(portal, household, other, 3))["pageInfo"]["endCursor"]
        answer = await refused(portal, household, connection, 5, cursor)
        assert answer.messages == ["`after` is not a cursor of this connection. Use an `endCursor` that it gave."]


@pytest.mark.parametrize("connection", DOCUMENTS)
async def test_a_cursor_of_another_pool_shows_nothing_of_it(
    portal: Portal, database: Database, connection: str
) -> None:
    theirs, ours = await filled(database), await filled(database)
    cursor = (await read_page(portal, theirs, connection, 3))["pageInfo"]["endCursor"]
    page = await read_page(portal, ours, connection, 100, cursor)
    own = {node["id"] for node in (await read_page(portal, ours, connection, 100))["nodes"]}
    assert {node["id"] for node in page["nodes"]} <= own


async def test_pages_of_several_pools_in_one_document(portal: Portal, database: Database) -> None:
    household = await filled(database)
    other = await add_pool(database, household, {"olivia": Role.OWNER, "adam": Role.ADMIN})
    document = """query Q($a: ID!, $b: ID!, $after: String) {
      a: pool(id: $a) { transactions(first: 2, after: $after) { nodes { sequence } } members(first: 100) { totalCount } }
      b: pool(id: $b) { transactions(first: 2) { nodes { sequence } } members(first: 100) { totalCount } } }"""
    cursor = (await read_page(portal, household, "transactions", 4))["pageInfo"]["endCursor"]
    data = (await portal.ask(household, "olivia", document, a=pool_id(household), b=pool_id(other), after=cursor)).data
    assert [entry["sequence"] for entry in data["a"]["transactions"]["nodes"]] == ["19", "18"]
    assert data["b"]["transactions"]["nodes"] == []
    assert (data["a"]["members"]["totalCount"], data["b"]["members"]["totalCount"]) == (ROWS, 2)


AHEAD = """query Q($id: ID!, $first: Int!, $member: String, $entry: String) { pool(id: $id) {
  name
  members(first: $first, after: $member) { nodes { id user { email } usage { today } } pageInfo { hasNextPage hasPreviousPage endCursor } }
  transactions(first: $first, after: $entry) { nodes { sequence balanceAfter user { email } } pageInfo { startCursor endCursor } }
} }"""


@pytest.mark.parametrize("person", ["olivia", "mia", "rosa"])
async def test_a_page_read_with_its_pool_is_the_page_read_by_itself(
    portal: Portal, database: Database, person: str
) -> None:
    """A document is executed by graphql-core the first time, page by page; from then on its pages come with the pool."""
    household = await filled(database)
    await portal.ask(household, person, AHEAD, id=pool_id(household), first=1)
    found = (await portal.ask(household, person, AHEAD, id=pool_id(household), first=2)).data["pool"]
    after = [(None, None), (found["members"]["pageInfo"]["endCursor"], found["transactions"]["pageInfo"]["endCursor"])]
    asked: list[dict[str, Any]] = [
        {"id": pool_id(household), "first": first, "member": member, "entry": entry}
        for member, entry in [*after, ("nonsense", None), (None, "nonsense"), after[1][::-1]]
        for first in (0, 2, 100, 101, -1)
    ] + [{"id": pool_id(await make_household(database)), "first": 2}]
    for number, variables in enumerate(asked):
        alone = await portal.ask(household, person, f"{AHEAD} # {number}", **variables)
        portal.statements.clear()
        together = await portal.ask(household, person, AHEAD, **variables)
        assert together.body == alone.body, variables
        if "errors" not in alone.body:
            assert len(portal.statements) == 3, portal.statements  # BEGIN, who asks with the pool and its pages, COMMIT
