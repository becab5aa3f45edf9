"""Spending on the real database. Every test ends with the audit of the tenants that it made."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from app.services.catalogue import CatalogueCache
from app.services.ledger_audit import audit
from app.services.spending.service import Spending
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.spending.till import Till

NewTill = Callable[..., Awaitable[Till]]


@pytest.fixture(scope="module")
def spending(database: Database) -> Spending:
    """The service of one process."""
    return Spending(database, CatalogueCache(database))


@pytest.fixture
async def new_till(database: Database, spending: Spending, inspector: asyncpg.Connection) -> AsyncIterator[NewTill]:
    """Makes a household and its till; after the test the ledger of each is audited."""
    made: list[Household] = []

    async def make(**options: Any) -> Till:
        household = await make_household(database, **{"tier": "ENTERPRISE_PLUS", **options})
        made.append(household)
        return Till(database, spending, inspector, household)

    yield make
    for household in made:
        assert [fault async for fault in audit(database, household.tenant_id)] == []
