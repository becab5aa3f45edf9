"""The real application for the tests of the API: real HTTP requests, real tokens, the module's database as portal_app."""

import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from joserfc.jwk import RSAKey
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool
from starlette.applications import Starlette

from app.services.quotes import QuoteSigner
from tests.auth.serving import ScriptedIssuer, sign
from tests.factories import Household

SECRET = "a-secret-key-of-the-tests-0123456789abcdef"


@dataclass
class Answer:
    """One answer of /graphql."""

    status: int
    body: dict[str, Any]
    request_id: str

    @property
    def data(self) -> dict[str, Any]:
        """The data of an answer without errors."""
        assert "errors" not in self.body, self.body["errors"]
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def messages(self) -> list[str]:
        return [error["message"] for error in self.body["errors"]]


@dataclass
class Portal:
    """The application under test. `statements` lists whatever its connections sent to PostgreSQL, BEGIN and COMMIT too."""

    app: Starlette
    client: httpx.AsyncClient
    issuer: ScriptedIssuer
    key: RSAKey
    signer: QuoteSigner
    statements: list[str] = field(default_factory=list, repr=False)

    def token(self, household: Household, name: str, **claims: Any) -> str:
        """A person's access token, as the issuer mints it."""
        person = household.people[name]
        given = {"sub": person.subject, "tenant_id": str(household.tenant_id)} | claims
        return sign(self.issuer.claims(**given), self.key, "RS256", typ="at+jwt")

    async def send(self, token: str, query: str, **variables: Any) -> Answer:
        """One operation with a token or an API key."""
        answer = await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {token}", "Accept": "application/graphql-response+json"},
        )
        return Answer(answer.status_code, answer.json(), answer.headers["x-request-id"])

    async def ask(self, household: Household, name: str, query: str, **variables: Any) -> Answer:
        """One operation as a person of a household."""
        return await self.send(self.token(household, name), query, **variables)

    async def count(self, household: Household, name: str, query: str, **variables: Any) -> list[str]:
        """The statements of one operation, once everything that is remembered is warm."""
        (await self.ask(household, name, query, **variables)).data  # noqa: B018  it must have no errors
        self.statements.clear()
        (await self.ask(household, name, query, **variables)).data  # noqa: B018
        return list(self.statements)


@contextlib.contextmanager
def listening(statements: list[str]) -> Iterator[None]:
    """Every statement of every connection that a pool opens from now on: SQLAlchemy's, and what goes past it to asyncpg."""

    def connected(connection: Any, _: Any) -> None:
        driver: asyncpg.Connection = connection.driver_connection
        driver.add_query_logger(lambda logged: statements.append(logged.query))

    def executing(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Pool, "connect", connected)
    event.listen(Engine, "before_cursor_execute", executing)
    try:
        yield
    finally:
        event.remove(Pool, "connect", connected)
        event.remove(Engine, "before_cursor_execute", executing)


@contextlib.asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application in this very process, started and stopped as a server does."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", trust_env=False) as client,
    ):
        yield client


def node_id(kind: str, key: UUID | str) -> str:
    """An opaque id, written out independently of the schema's own function."""
    return base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode().rstrip("=")


def pool_id(household: Household) -> str:
    return node_id("CreditPool", household.pool_id)


def member_id(household: Household, name: str) -> str:
    return node_id("PoolMember", household.people[name].member_id)
