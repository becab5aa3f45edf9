"""A little portal around the identity code: its routes, and one that counts what state-changing requests got through."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.auth import Identity, Unauthenticated, authenticate, refusal_response
from app.auth.actor import ServicePrincipal, UserPrincipal
from app.auth.sessions import Profile, session_routes
from app.config import Settings
from app.embedded.oidc import EmbeddedIssuer, Person, create_app
from tests.auth.serving import TENANT, serving

ROSA = Person("rosa", TENANT, "Rivera family", "owner@rivera.example", "Rosa Rivera", "Owner")
NIA = Person("nia", UUID(int=9), "Nia New", "nia@new.example", "Nia <b>New</b>", "Owner")
STRANGER = Person("stranger", TENANT, "Rivera family", "stranger@rivera.example", "Stan Stranger", "None")


@dataclass
class Portal:
    """The portal under test, its issuer, and what happened in it."""

    url: str
    identity: Identity
    issuer: EmbeddedIssuer
    changes: list[UserPrincipal | ServicePrincipal] = field(default_factory=list)

    async def change(self, request: Request) -> Response:
        """Stands for POST /graphql."""
        try:
            principal = await authenticate(request, self.identity)
        except Unauthenticated as refusal:
            return refusal_response(refusal)
        if request.method == "POST":
            self.changes.append(principal)
        return JSONResponse({"kind": type(principal).__name__, "tenant": str(principal.tenant_id)})

    async def sign_in(self, browser: httpx.AsyncClient, person: Person = ROSA, return_to: str = "/") -> httpx.Response:
        """Go through the whole sign-in as a browser does; gives the callback's answer."""
        parameters = await start(browser, self.url, return_to)
        back = await choose(browser, self.issuer.url, parameters, person=f"{person.tenant_id}/{person.subject}")
        return await browser.get(back)

    async def csrf(self, browser: httpx.AsyncClient) -> dict[str, str]:
        """The headers that the page sends with each request."""
        answer = (await browser.get(f"{self.url}/auth/session")).json()
        return {"X-CSRF-Token": answer["csrfToken"], "Origin": self.url}


async def start(browser: httpx.AsyncClient, url: str, return_to: str = "/") -> dict[str, str]:
    """Begin a sign-in; gives the parameters that the issuer gets."""
    answer = await browser.get(f"{url}/auth/login", params={"return_to": return_to})
    assert answer.status_code == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def choose(browser: httpx.AsyncClient, issuer_url: str, parameters: dict[str, str], **choice: str) -> str:
    """Choose a person at the issuer; gives the address that it sends the browser to."""
    answer = await browser.post(f"{issuer_url}/authorize", data={**parameters, **choice})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def find_profile(principal: UserPrincipal) -> Profile:
    for person in (ROSA, NIA):
        if (person.subject, person.tenant_id) == (principal.subject, principal.tenant_id):
            return Profile(person.email, person.display_name)
    raise Unauthenticated("no such user")


@asynccontextmanager
async def running_portal(key_dir: Path, people: Any = (ROSA, NIA, STRANGER), **settings: Any) -> AsyncIterator[Portal]:
    """The portal and its embedded issuer, each on a port of its own."""
    apps: list[Starlette] = []

    def issuer_app(url: str) -> Starlette:
        apps.append(create_app(url, key_dir, people))
        return apps[0]

    portals: list[Portal] = []

    def portal_app(url: str) -> Starlette:
        host, port = url.removeprefix("http://").split(":")
        values = {"secret_key": "s" * 40, "public_url": "", "env": "development", **settings}
        config = Settings.model_construct(
            **{
                **Settings().model_dump(),
                "host": host,
                "port": int(port),
                "oidc_issuer": apps[0].state.issuer.url,
                **values,
            }
        )
        portal = Portal(url, Identity.of(config), apps[0].state.issuer)
        portals.append(portal)
        routes = session_routes(portal.identity, find_profile)
        return Starlette(routes=[*routes, Route("/change", portal.change, methods=["GET", "POST", "PUT", "DELETE"])])

    async with serving(issuer_app), serving(portal_app):
        yield portals[0]
    await portals[0].identity.close()
