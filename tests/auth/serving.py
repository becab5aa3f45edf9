"""Real HTTP for the identity tests: an application behind uvicorn on a free port, and an issuer that can be told to misbehave."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

TENANT = UUID("6f9c2a52-94e7-4df4-9bb9-0f4a5a4f3a01")
AUDIENCE = "billing-portal"

Key = RSAKey | ECKey | OKPKey | OctKey


def new_browser(**options: Any) -> httpx.AsyncClient:
    """A client with a cookie jar of its own. Without TLS: reading the machine's certificates takes longer than a test."""
    return httpx.AsyncClient(trust_env=False, verify=False, **options)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # Ctrl-C is for pytest


@asynccontextmanager
async def serving(make_app: Callable[[str], ASGIApp]) -> AsyncIterator[str]:
    """Serve an application on a free port of the loopback; gives its address, which the application gets too."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(make_app(url), log_level="error", ws="none", lifespan="off")
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield url
        finally:
            server.should_exit = True
            await task


class _AnyAlgorithm(JWSRegistry):
    """Signs with whatever it is told: an attacker has no allow-list."""

    max_header_length = 64 * 1024
    max_payload_length = 1024 * 1024

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def sign(claims: dict[str, Any], key: Key, alg: str, **header: Any) -> str:
    """A token exactly as asked for, however wrong."""
    registry = _AnyAlgorithm(strict_check_header=False)
    return jwt.encode({"alg": alg, "kid": key.kid, **header}, claims, key, registry=registry)


class ScriptedIssuer:
    """An issuer whose keys, endpoints and health the test decides. It counts how often its keys are fetched."""

    def __init__(self) -> None:
        self.url = ""
        self.reset([])

    def reset(self, keys: list[Key]) -> None:
        """As good as new, with these keys."""
        self.keys = keys
        self.extra_keys: list[Any] = []
        self.fetches = 0
        self.down = False
        self.delay = 0.0
        self.discovery: dict[str, Any] = {}

    def app(self, url: str) -> Starlette:
        self.url = url
        routes = [Route("/.well-known/openid-configuration", self._discovery), Route("/jwks", self._jwks)]
        return Starlette(routes=routes)

    async def _discovery(self, _: Request) -> Response:
        if self.down:
            return Response(status_code=503)
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }
        return JSONResponse({**document, **self.discovery})

    async def _jwks(self, _: Request) -> Response:
        self.fetches += 1
        await asyncio.sleep(self.delay)
        return JSONResponse({"keys": [*(key.as_dict(private=False) for key in self.keys), *self.extra_keys]})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims, with changes; None takes a claim away."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "owner",
            "tenant_id": str(TENANT),
            "iat": now,
            "exp": now + 300,
        }
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}
