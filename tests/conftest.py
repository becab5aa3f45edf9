"""Shared fixtures: one PostgreSQL for the session, migrated once into a template; a database of its own for each test module."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal, cast

import asyncpg
import pytest

from app.embedded.postgres import EmbeddedPostgres
from app.tenancy import Database
from migrations import migrate
from tests.payments.sandbox import gateway, sandbox, sandbox_handle, sandbox_url  # noqa: F401 - fixtures for every test
from tests.payments.watching import _requests_are_as_stripe_publishes  # noqa: F401 - around every test

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Urls:
    """SQLAlchemy's URLs of one database, by role. `superuser` is past row level security: for looking at what is really there."""

    owner: str
    app: str
    worker: str
    superuser: str


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server of PORTAL_TEST_PG (16 or 18), with its data in a directory of its own: test runs do not meet."""
    version = cast("Literal['16', '18']", os.environ.get("PORTAL_TEST_PG", "18"))
    with tempfile.TemporaryDirectory(prefix="portal-tests-") as directory:
        server = EmbeddedPostgres(Path(directory), version, tuning="test")
        try:
            yield server.start()
        finally:
            server.destroy()


@pytest.fixture(scope="session")
async def template(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database that nobody is connected to."""
    await migrate(postgres.url("portal_owner"))
    return "portal"


@pytest.fixture(scope="session")
async def new_database(postgres: EmbeddedPostgres, template: str) -> Callable[[], Awaitable[Urls]]:
    """Makes a migrated, empty database each time it is called."""

    async def make() -> Urls:
        name = f"t{next(_numbers)}"
        async with connecting(postgres.url("postgres", "postgres")) as connection:
            await connection.execute(f"CREATE DATABASE {name} OWNER portal_owner TEMPLATE {template}")
        roles = ("portal_owner", "portal_app", "portal_worker", "postgres")
        return Urls(*(postgres.url(role, name) for role in roles))

    return make


@pytest.fixture(scope="module")
async def urls(new_database: Callable[[], Awaitable[Urls]]) -> Urls:
    """The module's own database. Tests of a module keep apart by tenant."""
    return await new_database()


@pytest.fixture(scope="module")
async def database(urls: Urls) -> AsyncIterator[Database]:
    """The module's database as portal_app."""
    opened = Database(urls.app, pool_size=16)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def inspector(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to the module's database: sees every row of every tenant."""
    async with connecting(urls.superuser) as connection:
        yield connection


@asynccontextmanager
async def connecting(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection to one of `urls`, outside any pool and any scope."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()
