"""The application as it is served: its real parts put together, over HTTP, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from joserfc.jwk import ECKey

from app.config import Settings
from app.main import create_app
from app.tenancy import Database
from graphql_schema.node import to_id
from tests.auth.serving import ScriptedIssuer, sign
from tests.auth.serving import serving as serving_issuer
from tests.conftest import Urls
from tests.edge.conftest import Served, serving
from tests.factories import Household, make_household

KEY = ECKey.generate_key("P-256", auto_kid=True)


@pytest.fixture(scope="module")
async def issuer() -> AsyncIterator[ScriptedIssuer]:
    scripted = ScriptedIssuer()
    scripted.reset([KEY])
    async with serving_issuer(scripted.app):
        yield scripted


def settings_of(urls: Urls, issuer_url: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "secret_key": "a key for tests, of enough characters",
        "database_app_url": urls.app,
        "database_worker_url": urls.worker,
        "database_pool_size": 4,
        "oidc_issuer": issuer_url,
        "stripe_api_key": "sk_test_x",
        "stripe_api_base": "http://127.0.0.1:9/stripe",
        "stripe_publishable_key": "pk_test_x",
        "stripe_webhook_secret": "whsec_x",
    }
    return Settings(**(values | changes))


@pytest.fixture(scope="module")
async def portal(urls: Urls, issuer: ScriptedIssuer) -> AsyncIterator[Served]:
    settings = settings_of(urls, issuer.url)
    server = serving(create_app(settings), settings, lifespan="on")
    served = await asyncio.to_thread(server.__enter__)  # the issuer lives in this loop: it must not be blocked
    yield served
    await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.fixture(scope="module")
async def household(database: Database) -> Household:
    return await make_household(database)


async def ask(portal: Served, token: str | None, query: str, **variables: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"query": query, "variables": variables}
    return await asyncio.to_thread(portal.client.post, "/graphql", json=body, headers=headers)


async def get(portal: Served, path: str, **headers: str) -> httpx.Response:
    return await asyncio.to_thread(portal.client.get, path, headers=headers)


def token_of(issuer: ScriptedIssuer, household: Household, name: str) -> str:
    claims = issuer.claims(sub=household.people[name].subject, tenant_id=str(household.tenant_id))
    return sign(claims, KEY, "ES256")


async def test_a_person_sees_their_pool(portal: Served, issuer: ScriptedIssuer, household: Household) -> None:
    query = "query ($id: ID!) { viewer { user { email } } pool(id: $id) { name balance { available } } tiers { code } }"
    response = await ask(
        portal, token_of(issuer, household, "olivia"), query, id=to_id("CreditPool", household.pool_id)
    )
    assert response.status_code == 200
    data = response.json()["data"]
    assert data["viewer"]["user"]["email"] == "olivia@example.com"
    assert float(data["pool"]["balance"]["available"]) == 6
    assert len(data["tiers"]) == 7


@pytest.mark.parametrize("changes", [{"sub": "nobody"}, {"tenant_id": str(uuid4())}])
async def test_a_good_token_of_nobody_here_is_401(
    portal: Served, issuer: ScriptedIssuer, household: Household, changes: dict[str, str]
) -> None:
    claims = issuer.claims(tenant_id=str(household.tenant_id)) | changes
    response = await ask(portal, sign(claims, KEY, "ES256"), "{ viewer { user { email } } }")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json() == {
        "errors": [
            {
                "message": "Sign in, or send a valid token in the Authorization header.",
                "extensions": {"code": "UNAUTHENTICATED"},
            }
        ]
    }


@pytest.mark.parametrize("token", [None, "nonsense", "portal_x_y"])
async def test_strangers_are_401(portal: Served, token: str | None) -> None:
    response = await ask(portal, token, "{ tiers { code } }")
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_a_cookie_without_its_csrf_token_is_403_and_changes_nothing(
    portal: Served,
    issuer: ScriptedIssuer,
    household: Household,
    inspector: "asyncpg.Connection[Any]",
) -> None:
    mutation = (
        "mutation ($id: ID!) { memberLimitsUpdate(id: $id, limits: { dailyCredits: 1 }) { userErrors { code } } }"
    )
    member = to_id("PoolMember", household.people["mia"].member_id)
    rows = "SELECT * FROM credit_pool_members WHERE tenant_id = $1 ORDER BY id"
    before = await inspector.fetch(rows, household.tenant_id)
    response = await asyncio.to_thread(
        portal.client.post,
        "/graphql",
        json={"query": mutation, "variables": {"id": member}},
        headers={"Cookie": f"portal_session={token_of(issuer, household, 'olivia')}", "Origin": "https://evil.example"},
    )
    assert response.status_code == 403
    assert response.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN"}
    assert await inspector.fetch(rows, household.tenant_id) == before


async def test_it_is_alive_ready_and_configured(portal: Served) -> None:
    assert (await get(portal, "/healthz")).text == "alive"
    ready = await get(portal, "/readyz", Host="10.0.0.1")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "missing": []})
    config = await get(portal, "/app-config")
    assert config.json() == {
        "stripe": {"publishableKey": "pk_test_x", "apiBase": "http://127.0.0.1:9/stripe"},
        "env": "development",
    }
    assert (await get(portal, "/auth/session")).status_code == 401


async def test_events_that_stripe_did_not_sign_are_refused(
    portal: Served, inspector: "asyncpg.Connection[Any]"
) -> None:
    response = await asyncio.to_thread(portal.client.post, "/webhooks/stripe", content=b'{"id": "evt_1"}')
    assert response.status_code == 400
    assert (response.headers["x-content-type-options"], len(response.headers["x-request-id"])) == ("nosniff", 32)
    stranger = {"Host": "evil.example"}
    response = await asyncio.to_thread(portal.client.post, "/webhooks/stripe", content=b"{}", headers=stranger)
    assert response.status_code == 421
    assert await inspector.fetchval("SELECT count(*) FROM webhook_events") == 0


async def test_readiness_names_what_is_missing(urls: Urls, issuer: ScriptedIssuer) -> None:
    empty = urls.app.replace(f"/{urls.app.partition('@/')[2].partition('?')[0]}", "/postgres")
    for database_url, missing in ((empty, "migrations"), ("postgresql://portal_app@127.0.0.1:9/portal", "database")):
        settings = settings_of(urls, issuer.url, database_app_url=database_url)
        app = create_app(settings)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8000")
        async with app.router.lifespan_context(app), client:
            response = await client.get("/readyz")
            assert response.status_code == 503
            (named,) = response.json()["missing"]
            assert named.startswith(f"{missing}:")
            assert (await client.get("/healthz")).status_code == 200
