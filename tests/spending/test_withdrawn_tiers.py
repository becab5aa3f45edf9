"""A tier that is no longer on offer (`is_active` is false): the pools that are on it spend, are limited and are granted as before."""

from collections.abc import AsyncIterator
from decimal import Decimal

import asyncpg
import pytest

from app.rules.consumption import Figures, RequestType
from app.rules.errors import ErrorCode
from app.services.catalogue import CatalogueCache
from app.services.spending.service import Spending
from app.tenancy import Database
from tests.factories import make_household
from tests.spending.test_months_and_moves import at, due, reset
from tests.spending.till import Till

D = Decimal


@pytest.fixture
async def till(database: Database, inspector: asyncpg.Connection) -> AsyncIterator[Till]:
    """A pool on TEAM, seen by a process that started after TEAM was withdrawn."""
    await inspector.execute("UPDATE subscription_tiers SET is_active = (id <> 'TEAM')")
    household = await make_household(database, tier="TEAM", included=D(5))
    yield Till(database, Spending(database, CatalogueCache(database)), inspector, household)
    await inspector.execute("UPDATE subscription_tiers SET is_active = true")


async def test_it_is_not_on_offer(till: Till) -> None:
    catalogue = await CatalogueCache(till.database).current()
    offered = [tier.id for tier in catalogue.offered]
    assert offered == ["FREE", "INDIVIDUAL", "FAMILY", "BUSINESS", "ENTERPRISE", "ENTERPRISE_PLUS"]


async def test_its_pools_spend(till: Till) -> None:
    held = await till.reserve(2)
    await till.settle(held.id, "1.5")
    await till.release((await till.reserve(1)).id)
    assert await till.balances() == (D("3.5"), 0, 0)


async def test_its_limits_hold(till: Till) -> None:
    caps = till.spending._caps_of
    await till.release((await till.reserve(1)).id)
    most = caps("TEAM").tokens_per_request
    assert most is not None
    too_many = Figures(input_tokens=D(most + 1), output_tokens=D(0))
    refused = await till.refusal(till.reserving(request_type=RequestType.TEXT, figures=too_many))
    assert refused.code is ErrorCode.TOKENS_PER_REQUEST


async def test_its_month_begins(till: Till) -> None:
    await due(till, at(1, 15), at(2, 15), seat_count=3)
    assert await reset(till, at(2, 15)) == 1
    each = (await CatalogueCache(till.database).current()).tier("TEAM").included_credits_per_user
    assert each > 0
    assert await till.buckets() == (3 * each, 0, 0)
