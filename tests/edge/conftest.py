"""Portals over real HTTP: the edge around the probe schema, in development and in production."""

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from app.auth.actor import Unauthenticated, UserPrincipal
from app.auth.refusals import Reason
from app.config import Settings
from app.edge import Edge
from app.page import Page, playground
from app.serving import BoundedProtocol, uvicorn_options
from graphql_schema.server import GraphQLEndpoint
from tests.edge.probe import schema, writes

PERSON = UserPrincipal(UUID(int=1), "someone", datetime.now(UTC) + timedelta(hours=1))
SIGNED_IN = {"Authorization": "Bearer good"}


async def _authenticate(request: Request) -> UserPrincipal:
    if request.headers.get("authorization") != "Bearer good":
        raise Unauthenticated(Reason.NO_CREDENTIALS)
    return PERSON


class _Context(dict[str, Any]):
    """What the probe's resolvers share; there is no transaction that could begin anew."""

    async def refresh(self) -> None:
        pass


@asynccontextmanager
async def _context(_request: Request, principal: Any) -> AsyncIterator[_Context]:
    yield _Context(principal=principal)


def edge_app(settings: Settings, dist: Path) -> Starlette:
    """The application's own parts around the probe schema."""
    endpoint = GraphQLEndpoint(
        schema,
        authenticate=_authenticate,
        context=_context,
        development=settings.env == "development",
        playground=lambda: playground(settings, dist),
    )

    async def broken(_: Request) -> None:
        raise RuntimeError("a fault outside of GraphQL")

    async def large(_: Request) -> Response:
        return Response(b" " * 64_000_000)

    async def caller(request: Request) -> Response:
        return PlainTextResponse(f"{request.client.host if request.client else None} {request.url.scheme}")

    async def broken_at_once(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("a fault outside of GraphQL")

    own = [Route("/graphql", endpoint), Mount("/", Page(settings, dist))]
    routes = [Route("/broken", broken), Route("/large", large), Route("/caller", caller), *own]
    edge = Middleware(Edge, settings, posts={"/graphql": endpoint, "/broken": broken_at_once})
    return Starlette(routes=routes, middleware=[edge])


class Served:
    """An application on a port of this machine."""

    def __init__(self, server: uvicorn.Server, headers: dict[str, str]) -> None:
        self.port = port = server.servers[0].sockets[0].getsockname()[1]
        self._server = server
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False)

    def ask(self, query: str | None = None, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """POST one operation as somebody who is signed in."""
        body = ({"query": query} if query is not None else {}) | more
        return self.client.post("/graphql", json=body, headers=SIGNED_IN | (headers or {}))

    def send(self, content: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST a body as it is."""
        return self.client.post(
            "/graphql", content=content, headers=SIGNED_IN | {"Content-Type": "application/json"} | (headers or {})
        )

    def clients(self) -> set[int]:
        """The ports of the clients whose connections the server holds."""
        held = list(self._server.server_state.connections)
        return {one.client[1] for one in held if isinstance(one, BoundedProtocol) and one.client}

    def raw(self, data: bytes, *, wait: float = 5.0, trickle: bytes = b"") -> tuple[bytes, float]:
        """Send bytes, then `trickle` one by one, and read to the end of the connection: (what came, after how many seconds)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            started = time.monotonic()
            connection.sendall(data)
            answer = b""
            for one in trickle:
                connection.settimeout(0.02)
                try:
                    connection.sendall(bytes([one]))
                    part = connection.recv(65536)
                except TimeoutError:
                    continue
                except OSError:
                    break
                answer += part
                if not part:
                    return answer, time.monotonic() - started
            connection.settimeout(wait)
            try:
                while part := connection.recv(65536):
                    answer += part
            except OSError:
                pass
            return answer, time.monotonic() - started


@contextmanager
def serving(
    app: Starlette, settings: Settings, headers: dict[str, str] | None = None, lifespan: str = "off"
) -> Iterator[Served]:
    """Serve an application as `portal serve` does, in a thread."""
    options = uvicorn_options(settings) | {"factory": False, "loop": "asyncio", "port": 0, "lifespan": lifespan}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "uvicorn did not start"
            time.sleep(0.01)
        served = Served(server, headers or {})
        with served.client:
            yield served
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built page, as Vite lays it out."""
    built = tmp_path_factory.mktemp("dist")
    (built / "assets").mkdir()
    (built / "index.html").write_text("<!doctype html><title>the page</title>")
    (built / "graphiql.html").write_text("<!doctype html><title>GraphiQL</title>")
    (built / "assets" / "index-abc123.js").write_text("export {}")
    (built / "favicon.svg").write_text("<svg/>")
    return built


@pytest.fixture(scope="session")
def development(dist: Path) -> Iterator[Served]:
    settings = Settings(env="development", stripe_api_base="http://127.0.0.1:8001/stripe")
    with serving(edge_app(settings, dist), settings) as served:
        yield served


@pytest.fixture(scope="session")
def production(dist: Path) -> Iterator[Served]:
    settings = Settings(env="production", public_url="https://portal.example")
    with serving(edge_app(settings, dist), settings, {"Host": "portal.example"}) as served:
        yield served


@pytest.fixture
def unchanged() -> Iterator[None]:
    """Nothing was written during the test."""
    before = list(writes)
    yield
    assert writes == before
