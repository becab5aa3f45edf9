"""Every figure of one operation is from the same instant (architecture, "How one request flows")."""

from typing import Any

import pytest

from app.tenancy import Database, Read, Transaction
from graphql_schema import statements
from tests.factories import make_household
from tests.graphql.documents import POOL
from tests.graphql.portal import Portal, pool_id
from tests.graphql.rows import add_entries


async def test_a_commit_in_the_middle_of_an_operation_is_not_seen(
    portal: Portal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    household = await make_household(database)
    read = Transaction.read
    committed: list[bool] = []

    async def interrupted(tx: Transaction, statement: Read, **parameters: Any) -> Any:
        if statement is statements.TRANSACTION_PAGES and not committed:
            committed.append(True)
            await add_entries(database, household, ("mia", "-1"))  # after the balance was read, before the ledger is
        return await read(tx, statement, **parameters)

    monkeypatch.setattr(Transaction, "read", interrupted)
    pool = (await portal.ask(household, "olivia", POOL, id=pool_id(household))).data["pool"]
    assert committed
    assert pool["balance"]["total"] == "6.000000"
    assert [entry["balanceAfter"] for entry in pool["transactions"]["nodes"]] == ["6.000000"]
    later = (await portal.ask(household, "olivia", POOL, id=pool_id(household))).data["pool"]
    assert later["balance"]["total"] == later["transactions"]["nodes"][0]["balanceAfter"] == "5.000000"
    assert len(later["transactions"]["nodes"]) == 2


async def test_a_query_cannot_write(portal: Portal, database: Database) -> None:
    """All reading is READ ONLY in the database's own words, whatever a resolver does."""
    household = await make_household(database)
    begins = [
        one for one in await portal.count(household, "olivia", POOL, id=pool_id(household)) if one.startswith("BEGIN")
    ]
    assert [one.split(";")[0] for one in begins] == ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"]
