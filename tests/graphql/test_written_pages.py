"""Pages that PostgreSQL writes say what the rules and Strawberry say of the same rows, whatever stands in them.

A document is executed by graphql-core the first time, on objects; from the second time on its pages are read with the pool, as JSON.
PORTAL_TEST_SEED repeats the rows of a seed that was printed.
"""

import json
import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.rules.permissions import Permission, Role
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.portal import Portal, pool_id
from tests.graphql.rows import add_entries, add_members

MEMBERS, ENTRIES = 40, 40
DOCUMENT = """query Q($id: ID!, $first: Int!) { pool(id: $id) {
  members(first: $first) {
    nodes {
      __typename key: id role status permissions joinedAt lastActiveAt viewerCanUpdate user { id email displayName again: email }
      limits { __typename dailyCredits monthlyCredits maxCreditsPerRequest }
      usage { today thisWeek thisMonth allTime remainingToday remainingThisMonth }
    }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
  transactions(first: $first) {
    nodes {
      id sequence kind bucket amount balanceAfter user { __typename id email displayName } modelId inputTokens outputTokens
      description createdAt
    }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
} }"""
PEOPLE = {"olivia": Role.OWNER, "adam": Role.ADMIN, "mia": Role.MEMBER, "rosa": Role.RESTRICTED}
WORDS = [
    "",
    "Ada",
    'say "hi"',
    "back\\slash",
    "line\nbreak\r\t\b\f",
    "\x01\x1f\x7f",
    "ünï 😀 \u2028",
    "</script>",
    "a,\n{}",
    "null",
]
ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu"]


class Chance:
    """Random values of columns."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.one_of = self._random.choice

    def credits(self) -> str:
        return self.one_of(["0", "0.000001", "1", f"{self._random.random() * 1000:.6f}"])

    def maybe(self, value: Any) -> Any:
        return self.one_of([None, value])

    def moment(self) -> datetime:
        at = datetime.now(UTC) - timedelta(seconds=self._random.randrange(40 * 86400))
        return at.replace(microsecond=self.one_of([0, 1, 120_000, 123_456, 999_999]))

    def day(self) -> Any:
        """A day on which usage was written: around today in any zone, or in an earlier week, month or year."""
        return datetime.now(UTC).date() - timedelta(
            days=self.one_of([-1, 0, 0, 0, 1, 2, 6, 7, 8, 27, 31, 62, 365, 366])
        )

    def flags(self) -> str:
        return json.dumps(
            {one.value: self.one_of([True, False]) for one in Permission if self.one_of([True, True, False])}
        )


async def fill(database: Database, superuser: asyncpg.Connection, seed: int) -> Household:
    """A pool whose members and entries hold anything that their columns allow."""
    chance = Chance(seed)
    household = await make_household(database, people=PEOPLE, time_zone=chance.one_of(ZONES))
    await add_members(database, household, MEMBERS - len(PEOPLE))
    everybody = [*household.people, None]
    await add_entries(database, household, *[(chance.one_of(everybody), "0.5") for _ in range(ENTRIES)])
    known = {one.user_id for one in household.people.values()}
    for row in await superuser.fetch(
        "SELECT id, user_id FROM credit_pool_members WHERE pool_id = $1", household.pool_id
    ):
        await superuser.execute(
            """UPDATE credit_pool_members
                  SET usage_on = $2, usage_today = $3::numeric, usage_this_week = $4::numeric, usage_this_month = $5::numeric,
                      usage_all_time = $6::numeric, held_credits = $7::numeric, daily_credit_limit = $8::numeric,
                      monthly_credit_limit = $9::numeric, max_cost_per_request = $10::numeric, last_usage_at = $11, joined_at = $12
                WHERE id = $1""",
            *(row["id"], chance.maybe(chance.day()), *(chance.credits() for _ in range(5))),
            *(chance.maybe(chance.credits()) for _ in range(3)),
            *(chance.maybe(chance.moment()) for _ in range(2)),
        )  # fmt: skip
        if row["user_id"] not in known:
            role, status = chance.one_of(["admin", "member", "restricted"]), chance.one_of(["active", "suspended"])
            change = "UPDATE credit_pool_members SET role = $2, status = $3, permissions = $4 WHERE id = $1"
            await superuser.execute(change, row["id"], role, status, chance.flags())
        await superuser.execute(
            "UPDATE users SET display_name = $2 WHERE id = $1", row["user_id"], chance.one_of(WORDS)
        )
    for row in await superuser.fetch("SELECT id FROM credit_transactions WHERE pool_id = $1", household.pool_id):
        await superuser.execute(
            """UPDATE credit_transactions SET model_id = $2, description = $3, input_tokens = $4, output_tokens = $5, created_at = $6
                WHERE id = $1""",
            *(row["id"], chance.maybe(chance.one_of(WORDS)), chance.maybe(chance.one_of(WORDS))),
            *(chance.maybe(chance.one_of([0, 1, 2**31 - 1])) for _ in range(2)),
            chance.moment(),
        )
    return household


def was_written(portal: Portal) -> bool:
    """Whether the last operation's pages came as JSON."""
    return any("string_agg(to_json" in statement for statement in portal.statements)


async def check_alike(
    portal: Portal, household: Household, person: str, document: str, **variables: Any
) -> dict[str, Any]:
    """The first answer to a document, on objects; the second one is the same."""
    once = f"{document} # {random.random()}"
    portal.statements.clear()
    by_objects = await portal.ask(household, person, once, id=pool_id(household), **variables)
    assert not was_written(portal)
    portal.statements.clear()
    written = await portal.ask(household, person, once, id=pool_id(household), **variables)
    assert written.body == by_objects.body
    return written.data


@pytest.mark.parametrize("person", PEOPLE)
async def test_every_row_is_written_as_it_is_read(
    portal: Portal, database: Database, rows: asyncpg.Connection, person: str
) -> None:
    seed = int(os.environ.get("PORTAL_TEST_SEED", random.randrange(2**32)))
    print(f"PORTAL_TEST_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    household = await fill(database, rows, seed)
    for first in (0, 1, MEMBERS - 1, 100):
        data = await check_alike(portal, household, person, DOCUMENT, first=first)
        assert was_written(portal)
        assert len(data["pool"]["members"]["nodes"]) <= first
    if person == "olivia":
        assert len(data["pool"]["members"]["nodes"]) == MEMBERS
        assert len(data["pool"]["transactions"]["nodes"]) > ENTRIES


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("nodes { id }", True),
        ("nodes { id } pageInfo { endCursor } totalCount", True),
        ("totalCount", False),
        ("nodes { id } edges { cursor node { role } }", False),
        ("a: nodes { id } b: nodes { role }", False),
        ("nodes { id pool { name } }", False),
        (f"nodes {{ {'a' * 63}: id }}", True),
        (f"nodes {{ {'a' * 63}b: id {'a' * 63}c: role }}", False),  # PostgreSQL would call both the same
        ("nodes { from: id select: role user { order: id _1: email } }", True),  # words of SQL
        (
            "nodes { x: id r: role u: status user { x: email n: id } limits { d: dailyCredits } }",
            True,
        ),  # names in the SQL
    ],
)
async def test_what_is_written_and_what_is_left_to_the_loaders(
    portal: Portal, database: Database, asked: str, written: bool
) -> None:
    household = await make_household(database)
    document = f"query Q($id: ID!) {{ pool(id: $id) {{ members(first: 2) {{ {asked} }} }} }}"
    await check_alike(portal, household, "olivia", document)
    assert was_written(portal) is written


async def test_what_is_taken_away_is_gone_with_the_next_request(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    """Who acts is read in one message with the pool, for whoever acted last time: what was read for rights that are gone is not shown."""
    household = await make_household(database, people=PEOPLE)
    await add_entries(database, household, ("olivia", "-1"), ("adam", "-1"))
    adam, owner = household.people["adam"], household.people["olivia"]
    seen = await check_alike(portal, household, "adam", DOCUMENT, first=10)
    assert len(seen["pool"]["members"]["nodes"]) == len(PEOPLE)

    async def ask(document: str = DOCUMENT) -> Any:
        return (await portal.ask(household, "adam", document, id=pool_id(household), first=10)).data["pool"]

    await ask()  # by graphql-core; the document is written from now on
    await ask()
    change = "UPDATE credit_pool_members SET permissions = $2 WHERE id = $1"
    await rows.execute(change, adam.member_id, json.dumps({Permission.VIEW_POOL_BALANCE.value: True}))
    portal.statements.clear()
    found = await ask()
    assert was_written(portal)
    assert [one["user"]["email"] for one in found["members"]["nodes"]] == [adam.email]
    assert [one["user"]["email"] for one in found["transactions"]["nodes"]] == [adam.email]
    assert found == await ask(f"{DOCUMENT} # by graphql-core")
    await rows.execute(change, adam.member_id, "{}")
    assert [one["balanceAfter"] for one in (await ask())["transactions"]["nodes"]] == [None]
    await rows.execute("UPDATE credit_pool_members SET status = 'invited' WHERE id = $1", adam.member_id)
    assert await ask() is None
    await rows.execute("UPDATE users SET disabled_at = now() WHERE id = $1", adam.user_id)
    refused = await portal.ask(household, "adam", DOCUMENT, id=pool_id(household), first=10)
    assert (refused.status, "data" in refused.body) == (401, False)
    assert owner.email not in json.dumps(refused.body)
