"""Signing in and out as a browser does it, against the embedded issuer, over real HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.auth.sessions import safe_return_path
from tests.auth.portal import NIA, ROSA, STRANGER, Portal, choose, running_portal, start
from tests.auth.serving import TENANT, new_browser

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
async def portal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Portal]:
    async with running_portal(tmp_path_factory.mktemp("keys")) as portal:
        yield portal


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with new_browser() as browser:
        yield browser


async def signed_in(portal: Portal, browser: httpx.AsyncClient) -> bool:
    return (await browser.get(f"{portal.url}/auth/session")).status_code == 200


async def test_the_whole_round_trip(portal: Portal, browser: httpx.AsyncClient) -> None:
    before = await browser.get(f"{portal.url}/auth/session")
    assert (before.status_code, before.json()) == (401, {"signedIn": False})

    answer = await portal.sign_in(browser, ROSA, "/purchases?tab=all")
    assert (answer.status_code, answer.headers["location"]) == (303, "/purchases?tab=all")
    assert "no-store" in answer.headers["cache-control"]

    session = await browser.get(f"{portal.url}/auth/session")
    body = session.json()
    assert session.status_code == 200
    assert "no-store" in session.headers["cache-control"]
    assert body["signedIn"] is True
    assert body["user"] == {"email": "owner@rivera.example", "displayName": "Rosa Rivera"}
    assert body["expiresAt"].endswith("Z")
    assert len(body["csrfToken"]) == 43
    read = await browser.get(f"{portal.url}/change")
    assert read.json() == {"kind": "UserPrincipal", "tenant": str(TENANT)}
    assert [name for name in browser.cookies if "sign_in" in name] == []  # the attempt is forgotten


async def test_pkce_and_the_cookies_flags(portal: Portal, browser: httpx.AsyncClient) -> None:
    answer = await browser.get(f"{portal.url}/auth/login")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert query["redirect_uri"] == [f"{portal.url}/auth/callback"]
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert "max-age=600" in flags
    assert "secure" not in flags  # http in development
    callback = await portal.sign_in(browser)
    flags = next(one for one in callback.headers.get_list("set-cookie") if one.startswith("portal_session=")).lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert "path=/" in flags
    assert "domain" not in flags


async def test_production_cookies_are_secure_and_bound_to_the_host(tmp_path: Path) -> None:
    production = {"env": "production", "public_url": "https://billing.example.com"}
    async with running_portal(tmp_path, **production) as portal, new_browser() as browser:
        portal.issuer.redirect_uris = ["https://billing.example.com/auth/callback"]
        answer = await browser.get(f"{portal.url}/auth/login")
        cookie = answer.headers["set-cookie"]
        parameters = {n: v[0] for n, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        assert parameters["redirect_uri"] == "https://billing.example.com/auth/callback"
        back = await choose(browser, portal.issuer.url, parameters, person=f"{ROSA.tenant_id}/{ROSA.subject}")
        sent = {"Cookie": cookie.partition(";")[0]}  # httpx keeps no Secure cookie of an http address
        callback = await browser.get(back.replace("https://billing.example.com", portal.url), headers=sent)
        assert callback.status_code == 303
        cookies = [cookie, *callback.headers.get_list("set-cookie")]
        assert len(cookies) == 3
        for one in cookies:
            assert one.startswith("__Host-portal_")
            flags = {flag.strip().lower() for flag in one.split(";")[1:]}
            assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags
            assert not any(flag.startswith("domain") for flag in flags)
        session = next(one for one in cookies if one.startswith("__Host-portal_session=")).partition(";")[0]
        plain = session.removeprefix("__Host-")
        assert (await browser.get(f"{portal.url}/auth/session", headers={"Cookie": plain})).status_code == 401
        assert (await browser.get(f"{portal.url}/auth/session", headers={"Cookie": session})).status_code == 200


def test_production_cookies_are_secure_whatever_the_address(portal: Portal) -> None:
    cookies = replace(portal.identity.cookies, production=True)
    assert cookies.origin.startswith("http://")
    assert cookies.secure


@pytest.mark.parametrize(
    "evil",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "https:evil.example",
        "javascript:alert(1)", "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/%0d\r\nX: y",
        "/a\\..\\b", "evil.example", "", "/\x00", "/\u2028", "/auth/login", "/auth/logout", "/" + "x" * 600, "///evil.example",
    ],
)  # fmt: skip
async def test_no_open_redirect(portal: Portal, browser: httpx.AsyncClient, evil: str) -> None:
    answer = await portal.sign_in(browser, ROSA, evil)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_paths_of_the_portal_are_kept() -> None:
    for path in ("/", "/purchases/1?tab=all&x=%2F%2Fevil.example#top", "/käufe", "/a//b"):
        assert safe_return_path(path) == path


async def test_several_tabs_sign_in_at_once(portal: Portal, browser: httpx.AsyncClient) -> None:
    first = await start(browser, portal.url, "/first")
    second = await start(browser, portal.url, "/second")
    person = f"{ROSA.tenant_id}/{ROSA.subject}"
    backs = [await choose(browser, portal.issuer.url, tab, person=person) for tab in (first, second)]
    answers = [await browser.get(back) for back in backs]
    assert [answer.headers["location"] for answer in answers] == ["/first", "/second"]


async def test_sign_ins_that_are_never_finished_do_not_pile_up(portal: Portal, browser: httpx.AsyncClient) -> None:
    for _ in range(20):
        parameters = await start(browser, portal.url)
    assert len([name for name in browser.cookies if "sign_in" in name]) == 5
    back = await choose(browser, portal.issuer.url, parameters, person=f"{ROSA.tenant_id}/{ROSA.subject}")
    assert (await browser.get(back)).status_code == 303


async def test_a_callback_that_this_browser_did_not_start(portal: Portal, browser: httpx.AsyncClient) -> None:
    parameters = await start(browser, portal.url)
    back = await choose(browser, portal.issuer.url, parameters, person=f"{NIA.tenant_id}/{NIA.subject}")
    async with new_browser() as victim:  # an attacker's callback, opened by somebody else
        answer = await victim.get(back, headers=HTML)
        assert answer.status_code == 400
        assert "has lapsed" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not await signed_in(portal, victim)
    other_state = back.replace(parameters["state"], "A" * 32)
    answer = await browser.get(other_state)
    assert (answer.status_code, answer.json()["error"]) == (400, "sign_in_not_started_here")
    assert (await browser.get(f"{portal.url}/auth/callback")).status_code == 400
    assert not await signed_in(portal, browser)


async def test_a_forged_sign_in_cookie(portal: Portal, browser: httpx.AsyncClient) -> None:
    parameters = await start(browser, portal.url)
    name = next(name for name in browser.cookies if "sign_in" in name)
    header, payload, signature = browser.cookies[name].split(".")
    back = await choose(browser, portal.issuer.url, parameters, person=f"{ROSA.tenant_id}/{ROSA.subject}")
    for forged in (f"{header}.{payload}.AAAA", "eyJhbGciOiJub25lIn0." + payload + ".", "nonsense", ""):
        async with new_browser(cookies={name: forged}) as forger:
            assert (await forger.get(back)).status_code == 400, forged
    assert (await browser.get(back)).status_code == 303
    assert signature


async def test_a_sign_in_lapses(portal: Portal, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = await start(browser, portal.url)
    back = await choose(browser, portal.issuer.url, parameters, person=f"{ROSA.tenant_id}/{ROSA.subject}")
    cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    later = time.time() + 601
    monkeypatch.setattr("app.auth.sessions.time.time", lambda: later)
    async with new_browser() as stubborn:  # one that keeps cookies for longer than it was told
        assert (await stubborn.get(back, headers=cookies)).json()["error"] == "sign_in_not_started_here"


async def test_cancelling(portal: Portal, browser: httpx.AsyncClient) -> None:
    back = await choose(browser, portal.issuer.url, await start(browser, portal.url), cancel="yes")
    answer = await browser.get(back, headers=HTML)
    assert answer.status_code == 403
    assert "You did not sign in" in answer.text
    assert 'href="/auth/login"' in answer.text
    assert not await signed_in(portal, browser)


async def test_the_issuers_errors_are_not_repeated_to_the_person(portal: Portal, browser: httpx.AsyncClient) -> None:
    state = (await start(browser, portal.url))["state"]
    error = {"state": state, "error": "<script>", "error_description": "<script>alert(1)</script>"}
    answer = await browser.get(f"{portal.url}/auth/callback", params=error, headers=HTML)
    assert answer.status_code == 502
    assert "script" not in answer.text


async def test_a_code_works_once_and_only_with_its_sign_in(portal: Portal, browser: httpx.AsyncClient) -> None:
    person = f"{ROSA.tenant_id}/{ROSA.subject}"
    first, second = await start(browser, portal.url), await start(browser, portal.url)
    code_of = {}
    for name, parameters in (("first", first), ("second", second)):
        back = await choose(browser, portal.issuer.url, parameters, person=person)
        code_of[name] = parse_qs(urlsplit(back).query)["code"][0]
    swapped = {"state": first["state"], "code": code_of["second"]}  # another PKCE verifier
    answer = await browser.get(f"{portal.url}/auth/callback", params=swapped)
    assert (answer.status_code, answer.json()["error"]) == (502, "issuer_refused")
    spent = {"state": second["state"], "code": code_of["second"]}
    assert (await browser.get(f"{portal.url}/auth/callback", params=spent)).status_code == 502
    mixed = {"state": first["state"], "code": code_of["first"], "iss": "https://evil.example"}
    assert (await browser.get(f"{portal.url}/auth/callback", params=mixed)).status_code == 400  # its sign-in is over
    assert not await signed_in(portal, browser)


async def test_another_issuers_answer_is_refused(portal: Portal, browser: httpx.AsyncClient) -> None:
    parameters = await start(browser, portal.url)
    back = await choose(browser, portal.issuer.url, parameters, person=f"{ROSA.tenant_id}/{ROSA.subject}")
    code = parse_qs(urlsplit(back).query)["code"][0]
    mixed = {"state": parameters["state"], "code": code, "iss": "https://evil.example"}
    answer = await browser.get(f"{portal.url}/auth/callback", params=mixed)
    assert (answer.status_code, answer.json()["error"]) == (502, "issuer_refused")
    assert code in portal.issuer._codes  # it was shown to nobody
    assert not await signed_in(portal, browser)


async def test_an_id_token_of_another_sign_in_is_refused(portal: Portal, browser: httpx.AsyncClient) -> None:
    parameters = await start(browser, portal.url)
    tampered = {**parameters, "nonce": "another"}
    back = await choose(browser, portal.issuer.url, tampered, person=f"{ROSA.tenant_id}/{ROSA.subject}")
    answer = await browser.get(back)
    assert (answer.status_code, answer.json()["error"]) == (403, "identity_not_accepted")
    assert not await signed_in(portal, browser)


async def test_somebody_without_an_account(portal: Portal, browser: httpx.AsyncClient) -> None:
    answer = await portal.sign_in(browser, STRANGER)
    assert (answer.status_code, answer.json()["error"]) == (403, "no_account")
    assert "portal_session" not in browser.cookies


async def test_a_token_too_large_for_a_cookie_says_so(portal: Portal, browser: httpx.AsyncClient) -> None:
    large = replace(ROSA, email="e" * 3500)
    parameters = await start(browser, portal.url)
    portal.issuer.people = [large]
    try:
        back = await choose(browser, portal.issuer.url, parameters, person=f"{ROSA.tenant_id}/{ROSA.subject}")
        answer = await browser.get(back)
    finally:
        portal.issuer.people = (ROSA, NIA, STRANGER)
    assert (answer.status_code, answer.json()["error"]) == (502, "token_too_large")
    assert "portal_session" not in browser.cookies


async def test_another_name_of_the_portal_leads_to_its_own(portal: Portal, browser: httpx.AsyncClient) -> None:
    local = portal.url.replace("127.0.0.1", "localhost")
    answer = await browser.get(f"{portal.url}/auth/login", headers={"Host": local.removeprefix("http://")})
    target = answer.headers["location"]
    assert target == f"{portal.url}/auth/login?return_to=%2F&here=1"
    again = await browser.get(target, headers={"Host": local.removeprefix("http://")})
    assert "/authorize?" in again.headers["location"]  # asked once, never in a loop


async def test_signing_out(portal: Portal, browser: httpx.AsyncClient) -> None:
    await portal.sign_in(browser)
    headers = await portal.csrf(browser)
    answer = await browser.post(f"{portal.url}/auth/logout", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["signedIn"] is False
    end = answer.json()["endSessionUrl"]
    assert end.startswith(f"{portal.issuer.url}/end-session?")
    assert not await signed_in(portal, browser)
    back = await browser.get(end)
    assert (back.status_code, back.headers["location"]) == (303, f"{portal.url}/")
    again = await browser.post(f"{portal.url}/auth/logout")
    assert again.json() == {"signedIn": False, "endSessionUrl": None}


async def test_another_site_cannot_sign_somebody_out(portal: Portal, browser: httpx.AsyncClient) -> None:
    await portal.sign_in(browser)
    answer = await browser.post(f"{portal.url}/auth/logout", headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()) == (403, {"error": "csrf"})
    assert "set-cookie" not in answer.headers
    assert await signed_in(portal, browser)
    assert (await browser.get(f"{portal.url}/auth/logout")).status_code == 405


async def test_an_issuer_that_is_away(tmp_path: Path, browser: httpx.AsyncClient) -> None:
    async with running_portal(tmp_path, oidc_issuer="http://127.0.0.1:9") as portal:
        answer = await browser.get(f"{portal.url}/auth/login", headers=HTML)
        assert answer.status_code == 503
        assert "The identity provider can" in answer.text
        cookie = f"portal_session={portal.issuer.mint('rosa', TENANT)}"
        session = await browser.get(f"{portal.url}/auth/session", headers={"Cookie": cookie})
        assert (session.status_code, session.json()) == (503, {"error": "temporarily_unavailable"})
        assert "set-cookie" not in session.headers  # the session may be good: it is kept


async def test_people_sign_in_at_the_same_time(portal: Portal) -> None:
    async def one(person: object) -> str:
        async with new_browser() as browser:
            await portal.sign_in(browser, person)  # type: ignore[arg-type]
            return str((await browser.get(f"{portal.url}/auth/session")).json()["user"]["email"])

    emails = await asyncio.gather(*(one(person) for person in [ROSA, NIA] * 5))
    assert emails == [ROSA.email, NIA.email] * 5
