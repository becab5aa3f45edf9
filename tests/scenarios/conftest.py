"""Scenarios: real database, real sandbox over HTTP, real worker and mail. After each, ledger and charges must agree."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.payments.gateway import Gateway
from app.tenancy import Database
from tests.conftest import Urls
from tests.payments.sandbox import Sandbox
from tests.scenarios.plant import Plant, planted
from tests.scenarios.portal import Buying, Portal, new_buying, running_portal


@pytest.fixture(scope="module")
async def portal(
    urls: Urls,
    database: Database,
    inspector: asyncpg.Connection,
    sandbox_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Portal]:
    """The module's portal: one worker, one mailbox, one webhook endpoint."""
    async with running_portal(urls, database, inspector, sandbox_url, tmp_path_factory.mktemp("portal")) as running:
        yield running


@pytest.fixture(scope="module")
async def plant(
    urls: Urls,
    database: Database,
    inspector: asyncpg.Connection,
    sandbox_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Plant]:
    """The module's server and worker as processes of their own, to be killed."""
    async with planted(urls, database, inspector, sandbox_url, tmp_path_factory.mktemp("plant")) as ready_to_start:
        yield ready_to_start


@pytest.fixture
async def buying(portal: Portal, sandbox: Sandbox, gateway: Gateway) -> AsyncIterator[Buying]:
    """A household about to buy; afterwards the books must balance."""
    scenario = await new_buying(portal, sandbox, gateway)
    yield scenario
    await scenario.worked()
    await scenario.balanced()
    await sandbox.webhooks(url=None, mode="hold")
