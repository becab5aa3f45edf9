"""One transaction an operation, and as many statements for one row as for fifty."""

from collections.abc import Mapping

import asyncpg
import pytest

from app.rules.permissions import Role
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import MEMBERS, MEMBERSHIPS, POOL, PURCHASES, TRANSACTIONS
from tests.graphql.portal import Portal, pool_id
from tests.graphql.rows import add_entries, add_members, add_pool, add_purchases

OWNER_ONLY = {"olivia": Role.OWNER}
# BEGIN with the settings, who acts, COMMIT: what every operation of a person costs whose pools are as they were the last time.
FRAME = 3


def check_frame(statements: list[str], *, own: int) -> None:
    """One transaction around `own` statements."""
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL app.current_tenant_id"
    assert [one.startswith(begin) for one in statements if "BEGIN" in one] == [True]
    assert statements.count("COMMIT") == 1
    assert len(statements) == FRAME + own, statements


async def filled(database: Database, rows_each: int, people: Mapping[str, Role] = OWNER_ONLY) -> Household:
    """A pool with so many members, ledger entries and purchases."""
    household = await make_household(database, people=people)  # one grant
    await add_members(database, household, rows_each - 1)
    await add_entries(database, household, *[("olivia", "-0.01")] * (rows_each - 1))
    await add_purchases(database, household, "olivia", rows_each)
    return household


@pytest.mark.parametrize(("document", "own"), [(MEMBERS, 3), (TRANSACTIONS, 2), (PURCHASES, 5)])
async def test_a_connection_costs_the_same_for_one_row_and_for_fifty(
    portal: Portal, database: Database, document: str, own: int
) -> None:
    counts = []
    for rows_each in (1, 50):
        household = await filled(database, rows_each)
        answer = await portal.ask(household, "olivia", document, id=pool_id(household), first=100)
        page = answer.data["pool"]["page"]
        assert len(page["nodes"]) == len(page["edges"]) == rows_each
        assert page.get("totalCount", rows_each) == rows_each
        statements = await portal.count(household, "olivia", document, id=pool_id(household), first=100)
        check_frame(statements, own=own)  # the pool, its page, the count of members, the purchases' timelines
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_a_viewer_of_fifty_pools_costs_what_a_viewer_of_one_does(portal: Portal, database: Database) -> None:
    counts = []
    for pools in (1, 50):
        household = await filled(database, 2)
        for _ in range(pools - 1):
            other = await add_pool(database, household, OWNER_ONLY, tier="FAMILY")
            await add_entries(database, other, ("olivia", "3"))
            await add_purchases(database, other, "olivia", 2)
        answer = await portal.ask(household, "olivia", MEMBERSHIPS)
        memberships = answer.data["viewer"]["memberships"]
        assert len(memberships) == pools
        assert len({membership["pool"]["id"] for membership in memberships}) == pools
        assert all(membership["pool"]["purchases"]["nodes"] for membership in memberships)
        assert all(membership["pool"]["transactions"]["nodes"] for membership in memberships)
        counts.append(len(await portal.count(household, "olivia", MEMBERSHIPS)))
    assert counts[0] == counts[1]
    assert counts[0] <= FRAME + 8


async def test_a_family_costs_the_same_for_one_child_and_for_fifty(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    counts = []
    for children in (1, 50):
        household = await filled(database, children + 1)
        await rows.execute(
            """UPDATE credit_pools SET settings = jsonb_build_object('familySettings', jsonb_build_object(
                 'underageMembers', (SELECT jsonb_agg(user_id) FROM credit_pool_members
                                      WHERE pool_id = $1 AND role = 'restricted'))) WHERE id = $1""",
            household.pool_id,
        )
        pool = (await portal.ask(household, "olivia", POOL, id=pool_id(household))).data["pool"]
        assert len(pool["settings"]["family"]["underageMembers"]) == children
        statements = await portal.count(household, "olivia", POOL, id=pool_id(household))
        check_frame(
            statements, own=6
        )  # the pool and its pages come with who acts; automatic purchases have one of their own
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_the_catalogue_costs_no_statement_of_its_own(portal: Portal, database: Database) -> None:
    household = await make_household(database)
    document = "{ tiers { code addOns { included addOn { code } } } addOns { code } }"
    check_frame(await portal.count(household, "olivia", document), own=0)


async def test_all_prices_of_an_operation_share_one_reading_of_the_bands(portal: Portal, database: Database) -> None:
    household = await make_household(database)
    quotes = " ".join(
        f"q{number}: creditQuote(poolId: $id, credits: {number}) {{ quote {{ total {{ amount }} }} }}"
        for number in range(1, 6)
    )
    document = f"query Q($id: ID!) {{ creditBands {{ minCredits }} {quotes} }}"
    check_frame(await portal.count(household, "olivia", document, id=pool_id(household)), own=1)


async def test_aliases_of_one_thing_share_their_statements(portal: Portal, database: Database) -> None:
    household = await filled(database, 3)
    one = "{ name members(first: 5) { nodes { id } } transactions(first: 5) { nodes { id } } }"
    document = f"query Q($id: ID!) {{ a: pool(id: $id) {one} b: pool(id: $id) {one} c: pool(id: $id) {one} }}"
    check_frame(await portal.count(household, "olivia", document, id=pool_id(household)), own=3)


async def test_a_page_of_each_kind_in_one_document(portal: Portal, database: Database) -> None:
    """Two pages of one connection of one pool can't share a statement; everything else is read once."""
    household = await filled(database, 5)
    document = """query Q($id: ID!) { pool(id: $id) {
      a: members(first: 2) { nodes { id } } b: members(first: 3) { nodes { id } }
      c: transactions(first: 2) { nodes { id } } d: transactions(first: 2, after: null) { nodes { sequence } } } }"""
    answer = await portal.ask(household, "olivia", document, id=pool_id(household))
    pool = answer.data["pool"]
    assert pool["a"]["nodes"] == pool["b"]["nodes"][:2]
    assert len(pool["c"]["nodes"]) == len(pool["d"]["nodes"]) == 2
    check_frame(await portal.count(household, "olivia", document, id=pool_id(household)), own=4)
