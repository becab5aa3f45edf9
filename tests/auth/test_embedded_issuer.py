"""The development issuer keeps the rules of a real one."""

import asyncio
import base64
import hashlib
import json
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.auth.issuer import Issuer
from app.auth.tokens import TokenVerifier
from app.embedded.oidc import EmbeddedIssuer, Person, create_app, mint
from app.embedded.oidc_keys import SigningKeys
from tests.auth.conftest import Clock
from tests.auth.portal import NIA, ROSA
from tests.auth.serving import AUDIENCE, TENANT, serving

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = "http://127.0.0.1:8000/auth/callback"
GOOD = {
    "response_type": "code",
    "client_id": "billing-portal",
    "redirect_uri": CALLBACK,
    "scope": "openid email",
    "state": "st",
    "nonce": "no",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
WHO = {"person": f"{ROSA.tenant_id}/{ROSA.subject}"}


async def people() -> Sequence[Person]:
    return [NIA, ROSA]


@pytest.fixture(scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedIssuer]:
    issuers: list[EmbeddedIssuer] = []

    def make(url: str) -> Any:
        app = create_app(url, tmp_path_factory.mktemp("keys"), people)
        issuers.append(app.state.issuer)
        return app

    async with serving(make):
        yield issuers[0]


async def code_for(client: httpx.AsyncClient, issuer: EmbeddedIssuer, **changes: str) -> str:
    answer = await client.post(f"{issuer.url}/authorize", data={**GOOD, **WHO, **changes})
    assert answer.status_code == 303
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def exchange(client: httpx.AsyncClient, issuer: EmbeddedIssuer, own_code: str, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": own_code,
        "redirect_uri": CALLBACK,
        "client_id": "billing-portal",
        "code_verifier": VERIFIER,
    }
    return await client.post(f"{issuer.url}/token", data={**form, **changes})


async def test_discovery_names_real_endpoints(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    document = (await client.get(f"{embedded.url}/.well-known/openid-configuration")).json()
    assert document["issuer"] == embedded.url
    for name, address in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert (await client.get(address)).status_code != 404, name


async def test_the_page_shows_everybody_and_escapes_names(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{embedded.url}/authorize", params={**GOOD, "state": '"><script>'})
    assert answer.status_code == 200
    assert "script" not in answer.headers["content-security-policy"]
    for text in ("Rosa Rivera", "owner@rivera.example", "Owner", "Rivera family", "&lt;b&gt;New&lt;/b&gt;", "<h1>"):
        assert text in answer.text
    assert "<script" not in answer.text
    assert "<b>" not in answer.text
    css = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]


async def test_a_code_buys_tokens_once(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    code = await code_for(client, embedded)
    answer = await exchange(client, embedded, code)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    verifier = TokenVerifier(Issuer(embedded.url, client), AUDIENCE)
    principal = await verifier.verify(tokens["access_token"])
    assert (principal.subject, principal.tenant_id) == (ROSA.subject, TENANT)
    claims = (await verifier.genuine(tokens["id_token"], "billing-portal")).claims
    assert (claims["nonce"], claims["email"]) == ("no", ROSA.email)
    info = await client.get(f"{embedded.url}/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert info.json() == {"sub": "rosa", "tenant_id": str(TENANT), "email": ROSA.email, "name": ROSA.display_name}
    again = await exchange(client, embedded, code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


async def test_two_at_once_get_one_answer(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    code = await code_for(client, embedded)
    answers = await asyncio.gather(*(exchange(client, embedded, code) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": CHALLENGE},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": "http://127.0.0.1:8001/auth/callback"},
        {"client_id": "other"},
        {"code": "guessed"},
    ],
    ids=repr,
)
async def test_a_wrong_exchange_spends_the_code(
    embedded: EmbeddedIssuer, client: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    code = await code_for(client, embedded)
    assert (await exchange(client, embedded, code, **changes)).json() == {"error": "invalid_grant"}
    after = await exchange(client, embedded, code)
    assert after.status_code == (200 if "code" in changes else 400)


async def test_a_code_lapses(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    code = await code_for(client, embedded)
    clock = embedded.clock
    embedded.clock = Clock(clock() + 61)
    try:
        assert (await exchange(client, embedded, code)).json() == {"error": "invalid_grant"}
    finally:
        embedded.clock = clock


async def test_other_grants_are_refused(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    answer = await exchange(client, embedded, "x", grant_type="password")
    assert (answer.status_code, answer.json()) == (400, {"error": "unsupported_grant_type"})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
    ],
    ids=repr,
)
async def test_a_faulty_request_goes_back_with_its_error(
    embedded: EmbeddedIssuer, client: httpx.AsyncClient, changes: dict[str, str], error: str
) -> None:
    for method in ("GET", "POST"):
        given = {**GOOD, **WHO, **changes}
        sent: Any = {"params": given} if method == "GET" else {"data": given}
        answer = await client.request(method, f"{embedded.url}/authorize", **sent)
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert answer.headers["location"].startswith(f"{CALLBACK}?")
        assert (query["error"], query["state"], query["iss"]) == ([error], ["st"], [embedded.url])
        assert "code" not in query


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/auth/callback"},
        {"redirect_uri": "http://127.0.0.1@evil.example/auth/callback"},
        {"redirect_uri": "http://127.0.0.1:8000/elsewhere"},
        {"redirect_uri": "http://127.0.0.1:8000/auth/callback?x=1"},
        {"redirect_uri": "http://127.0.0.1:8000/auth/callback#x"},
        {"redirect_uri": "http://user@127.0.0.1/auth/callback"},
        {"redirect_uri": "http://[/auth/callback"},
        {"redirect_uri": ""},
        {"client_id": "other"},
        {"person": "nobody"},
    ],
    ids=repr,
)
async def test_nobody_is_sent_to_an_unknown_place(
    embedded: EmbeddedIssuer, client: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    answer = await client.post(f"{embedded.url}/authorize", data={**GOOD, **WHO, **changes})
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_registered_addresses_match_exactly(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    embedded.redirect_uris = ["http://127.0.0.1:4321/auth/callback"]
    try:
        assert (await client.get(f"{embedded.url}/authorize", params=GOOD)).status_code == 400
        exact = {**GOOD, "redirect_uri": "http://127.0.0.1:4321/auth/callback"}
        assert (await client.get(f"{embedded.url}/authorize", params=exact)).status_code == 200
    finally:
        embedded.redirect_uris = ()


async def test_the_end_of_a_session_leads_only_home(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    async def end(back: str) -> httpx.Response:
        return await client.get(f"{embedded.url}/end-session", params={"post_logout_redirect_uri": back})

    assert (await end("http://127.0.0.1:8000/")).headers["location"] == "http://127.0.0.1:8000/"
    for evil in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "http://[", ""):
        answer = await end(evil)
        assert (answer.status_code, "location" in answer.headers) == (200, False), evil


async def test_userinfo_refuses_bad_tokens(embedded: EmbeddedIssuer, client: httpx.AsyncClient) -> None:
    old = embedded.mint("rosa", TENANT, seconds=-1)
    for token in ("x", "nonsense", old, old[:-4] + "AAAA"):
        answer = await client.get(f"{embedded.url}/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


async def test_keys_rotate_and_retire(embedded: EmbeddedIssuer, client: httpx.AsyncClient, clock: Clock) -> None:
    verifier = TokenVerifier(Issuer(embedded.url, client, ttl=600, cooldown=10, clock=clock), AUDIENCE)
    old = embedded.mint("rosa", TENANT)
    await verifier.verify(old)
    embedded.keys.rotate()
    clock.now += 11
    await verifier.verify(embedded.mint("rosa", TENANT))
    await verifier.verify(old)
    embedded.keys.retire()
    clock.now += 600
    with pytest.raises(Exception, match="unknown_key"):
        await verifier.verify(old)
    await verifier.verify(embedded.mint("rosa", TENANT))


def test_keys_are_kept_and_private(tmp_path: Path) -> None:
    directory = tmp_path / "portal" / "oidc"
    first = SigningKeys(directory)
    kid = first.signing_key().kid
    file = directory / "oidc-keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert SigningKeys(directory).signing_key().kid == kid
    first.rotate()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [key["kid"] for key in SigningKeys(directory).public()["keys"]] == [first.signing_key().kid, kid]
    assert list(directory.iterdir()) == [file]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(json.dumps(first.public()["keys"][0]).split('"'))


def test_who_comes_second_uses_the_first_ones_key(tmp_path: Path) -> None:
    first, second = SigningKeys(tmp_path), SigningKeys(tmp_path)
    assert first.signing_key().kid == second.signing_key().kid
    late = SigningKeys(tmp_path)
    late._keys = [SigningKeys(tmp_path / "other").signing_key()]
    late._write(replace=False)  # as if both had found no file
    assert SigningKeys(tmp_path).signing_key().kid == first.signing_key().kid


async def test_a_token_from_the_command_line_is_the_issuers_own(tmp_path: Path, client: httpx.AsyncClient) -> None:
    async with serving(lambda url: create_app(url, tmp_path, [ROSA])) as url:
        token = mint(url, tmp_path, ROSA)
        principal = await TokenVerifier(Issuer(url, client), AUDIENCE).verify(token)
        assert (principal.subject, principal.tenant_id) == (ROSA.subject, ROSA.tenant_id)


async def test_an_empty_database_says_what_to_do(tmp_path: Path, client: httpx.AsyncClient) -> None:
    async with serving(lambda url: create_app(url, tmp_path, [])) as url:
        answer = await client.get(f"{url}/authorize", params=GOOD)
        assert "portal seed" in answer.text
