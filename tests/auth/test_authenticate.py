"""Who gets through `authenticate`: headers, cookies, CSRF. Each refusal is refused and nothing has changed."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import RSAKey
from starlette.requests import HTTPConnection

from app.auth import Unauthenticated, api_keys, authenticate
from app.auth.actor import ServicePrincipal, UserPrincipal
from app.auth.refusals import Reason
from tests.auth.portal import NIA, ROSA, Portal, running_portal
from tests.auth.serving import AUDIENCE, TENANT, new_browser, sign

CHALLENGE = 'Bearer realm="billing-portal", error="invalid_token"'


@pytest.fixture(scope="module")
async def portal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Portal]:
    async with running_portal(tmp_path_factory.mktemp("keys")) as portal:
        yield portal


@pytest.fixture
async def browser(portal: Portal) -> AsyncIterator[httpx.AsyncClient]:
    """Rosa's browser, signed in."""
    async with new_browser() as browser:
        await portal.sign_in(browser)
        portal.changes.clear()
        yield browser


@pytest.fixture
async def stranger(portal: Portal) -> AsyncIterator[httpx.AsyncClient]:
    async with new_browser() as stranger:
        portal.changes.clear()
        yield stranger


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons that reach the log, whatever logging is set up for."""
    reasons: list[str] = []

    class Log:
        def info(self, _event: str, *, reason: str, **_: Any) -> None:
            reasons.append(reason)

    monkeypatch.setattr("app.auth.authentication.log", Log())
    return reasons


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_bearer_token_needs_no_csrf(portal: Portal, stranger: httpx.AsyncClient) -> None:
    token = portal.issuer.mint(ROSA.subject, TENANT)
    for header in (f"Bearer {token}", f"bearer {token}", f"BEARER  {token}"):
        answer = await stranger.post(f"{portal.url}/change", headers={"Authorization": header})
        assert answer.json() == {"kind": "UserPrincipal", "tenant": str(TENANT)}
    assert len(portal.changes) == 3


async def test_an_api_key_names_its_tenant_and_row(portal: Portal, stranger: httpx.AsyncClient) -> None:
    key = api_keys.generate(TENANT)
    answer = await stranger.post(f"{portal.url}/change", headers=bearer(key.text))
    assert answer.json()["kind"] == "ServicePrincipal"
    assert portal.changes == [ServicePrincipal(TENANT, key.key_id, key.secret_hash)]


async def test_nobody(portal: Portal, stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post(f"{portal.url}/change")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="billing-portal"'  # RFC 6750 section 3: no error code
    assert not portal.changes


async def test_no_reason_leaks_to_the_client(
    portal: Portal, stranger: httpx.AsyncClient, other_rsa_key: RSAKey, logged: list[str]
) -> None:
    now = int(time.time())
    good = {"iss": portal.issuer.url, "aud": AUDIENCE, "sub": "rosa", "tenant_id": str(TENANT), "exp": now + 60}
    key = portal.issuer.keys.signing_key()
    evil = {
        Reason.EXPIRED: sign({**good, "exp": now - 3600}, key, "RS256"),
        Reason.NOT_YET_VALID: sign({**good, "nbf": now + 3600}, key, "RS256"),
        Reason.ISSUER: sign({**good, "iss": "https://evil.example"}, key, "RS256"),
        Reason.AUDIENCE: sign({**good, "aud": "other"}, key, "RS256"),
        Reason.TENANT_MISSING: sign({**good, "tenant_id": None}, key, "RS256"),
        Reason.TENANT_NOT_A_UUID: sign({**good, "tenant_id": "x"}, key, "RS256"),
        Reason.SIGNATURE: sign(good, other_rsa_key, "RS256", kid=key.kid),
        Reason.UNKNOWN_KEY: sign(good, other_rsa_key, "RS256"),
        Reason.ALGORITHM: "eyJhbGciOiJub25lIn0.e30.",
        Reason.TOKEN_MALFORMED: "nonsense",
        Reason.TOKEN_OVERSIZED: "x" * 9000,
        Reason.API_KEY_MALFORMED: "portal_nonsense",
    }
    answers = set()
    for reason, token in evil.items():
        answer = await stranger.post(f"{portal.url}/change", headers=bearer(token))
        headers = {name: value for name, value in answer.headers.items() if name not in {"date", "server"}}
        answers.add((answer.status_code, answer.text, tuple(sorted(headers.items()))))
        assert logged.pop() == reason.value
    assert len(answers) == 1
    status, text, sent = answers.pop()
    assert (status, text) == (401, '{"error":"invalid_token"}')
    assert ("www-authenticate", CHALLENGE) in sent
    assert not portal.changes


@pytest.mark.parametrize("header", ["Basic cm9zYTpyb3Nh", "Bearer", "Bearer x", "", "Token abc", "portal_x"])
async def test_other_schemes_are_refused(portal: Portal, stranger: httpx.AsyncClient, header: str) -> None:
    answer = await stranger.post(f"{portal.url}/change", headers={"Authorization": header})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, CHALLENGE)
    assert not portal.changes


async def test_two_authorization_headers_are_refused(portal: Portal, stranger: httpx.AsyncClient) -> None:
    token = portal.issuer.mint(ROSA.subject, TENANT)
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    answer = await stranger.post(f"{portal.url}/change", headers=twice)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
    assert not portal.changes


async def test_the_header_wins_over_the_cookie(portal: Portal, browser: httpx.AsyncClient) -> None:
    token = portal.issuer.mint(NIA.subject, NIA.tenant_id)
    answer = await browser.post(f"{portal.url}/change", headers=bearer(token))
    assert answer.json()["tenant"] == str(NIA.tenant_id)
    refused = await browser.get(f"{portal.url}/change", headers=bearer("nonsense"))  # no falling back to the cookie
    assert refused.status_code == 401


async def test_the_page_changes_things_with_its_csrf_token(portal: Portal, browser: httpx.AsyncClient) -> None:
    headers = await portal.csrf(browser)
    token = {"X-CSRF-Token": headers["X-CSRF-Token"]}
    for origin in (
        {"Origin": portal.url},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": portal.url, "Sec-Fetch-Site": "same-origin"},
    ):
        assert (await browser.post(f"{portal.url}/change", headers={**token, **origin})).status_code == 200
    assert [change.subject for change in portal.changes if isinstance(change, UserPrincipal)] == ["rosa"] * 3


OWN = "own"  # stands for the portal's own origin or Rosa's own CSRF token

FORGED: list[tuple[dict[str, str], Reason]] = [
    ({}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Origin": "https://evil.example"}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Origin": "null"}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Origin": ""}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Origin": "http://127.0.0.1:1"}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Origin": OWN, "Sec-Fetch-Site": "cross-site"}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Origin": OWN, "Sec-Fetch-Site": "same-site"}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Sec-Fetch-Site": "none"}, Reason.CROSS_ORIGIN),
    ({"X-CSRF-Token": OWN, "Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, Reason.CROSS_ORIGIN),
    ({"Origin": OWN}, Reason.CSRF_TOKEN_MISSING),
    ({"Origin": OWN, "X-CSRF-Token": ""}, Reason.CSRF_TOKEN_MISSING),
    ({"Origin": OWN, "X-CSRF-Token": "A" * 43}, Reason.CSRF_TOKEN_WRONG),
    ({"Origin": OWN, "X-CSRF-Token": "caf\u00e9"}, Reason.CSRF_TOKEN_WRONG),
]


@pytest.mark.parametrize(("headers", "reason"), FORGED, ids=repr)
async def test_what_another_site_could_send_is_refused(
    portal: Portal, browser: httpx.AsyncClient, headers: dict[str, str], reason: Reason,
    logged: list[str],
) -> None:  # fmt: skip
    own = await portal.csrf(browser)
    sent = {name: own[name] if value == OWN else value for name, value in headers.items()}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    for method in ("POST", "PUT", "DELETE"):
        answer = await browser.request(method, f"{portal.url}/change", headers=raw)
        assert (answer.status_code, answer.json()) == (403, {"error": "csrf"})
    assert not portal.changes
    assert logged == [reason.value] * 3


async def test_a_csrf_token_belongs_to_one_session(portal: Portal, browser: httpx.AsyncClient) -> None:
    theirs = await portal.csrf(browser)
    async with new_browser() as nia:
        await portal.sign_in(nia, NIA)
        assert (await nia.post(f"{portal.url}/change", headers=theirs)).status_code == 403
    await portal.sign_in(browser)  # the same person, a new session
    assert (await browser.post(f"{portal.url}/change", headers=theirs)).status_code == 403
    assert not portal.changes


async def test_a_lapsed_session_is_401_before_it_is_403(portal: Portal, stranger: httpx.AsyncClient) -> None:
    lapsed = portal.issuer.mint(ROSA.subject, TENANT, seconds=-3600)
    answer = await stranger.post(f"{portal.url}/change", headers={"Cookie": f"portal_session={lapsed}"})
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_token"})
    session = await stranger.get(f"{portal.url}/auth/session", headers={"Cookie": f"portal_session={lapsed}"})
    assert (session.status_code, session.json()) == (401, {"signedIn": False})
    assert "portal_session=" in session.headers["set-cookie"]  # cleared


async def test_an_api_key_is_no_session(portal: Portal, stranger: httpx.AsyncClient) -> None:
    key = api_keys.generate(TENANT).text
    answer = await stranger.get(f"{portal.url}/change", headers={"Cookie": f"portal_session={key}"})
    assert answer.status_code == 401


def socket_connection(portal: Portal, **headers: str) -> HTTPConnection:
    raw: Any = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "websocket", "path": "/graphql", "headers": raw})


async def test_a_websocket_with_the_cookie_comes_from_our_page(portal: Portal) -> None:
    token = portal.issuer.mint(ROSA.subject, TENANT)
    cookie = f"portal_session={token}"
    ours = socket_connection(portal, Cookie=cookie, Origin=portal.url)
    principal = await authenticate(ours, portal.identity)
    assert isinstance(principal, UserPrincipal)
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        with pytest.raises(Unauthenticated) as refusal:
            await authenticate(socket_connection(portal, Cookie=cookie, **headers), portal.identity)
        assert (refusal.value.reason, refusal.value.status) == (Reason.CROSS_ORIGIN, 403)
    with_header = socket_connection(portal, Authorization=f"Bearer {token}", Origin="https://elsewhere.example")
    assert await authenticate(with_header, portal.identity) == principal


async def test_another_name_in_development_only(portal: Portal, browser: httpx.AsyncClient) -> None:
    """A front-end server forwards with its own Host; in production only the configured origin counts."""
    headers = await portal.csrf(browser)
    forwarded = {**headers, "Origin": "http://localhost:5173", "Host": "localhost:5173"}
    cookie = {"Cookie": f"portal_session={browser.cookies['portal_session']}"}
    async with new_browser() as other:
        assert (await other.post(f"{portal.url}/change", headers={**forwarded, **cookie})).status_code == 200
    cookies = portal.identity.cookies.__class__(
        "https://billing.example.com", True, portal.identity.cookies.csrf_key, portal.identity.cookies.sign_in_key
    )
    session = str(uuid4())
    raw: Any = {
        "host": "localhost:5173",
        "origin": "http://localhost:5173",
        "x-csrf-token": cookies.csrf_token(session),
    }
    scope = {"type": "http", "method": "POST", "headers": [(n.encode(), v.encode()) for n, v in raw.items()]}
    with pytest.raises(Unauthenticated) as refusal:
        cookies.check_request_is_ours(HTTPConnection(scope), session)
    assert refusal.value.reason == Reason.CROSS_ORIGIN
