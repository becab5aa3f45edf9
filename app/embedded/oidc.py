"""A small OpenID issuer for development: choose a demo person, no password. It takes the real issuer's place, so that
there is one code path.

It speaks just what a client needs: discovery, authorization code with PKCE (S256 only), token, userinfo, keys, end of
session. It never runs in production: `portal up` starts it, and the settings refuse its address there.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.embedded.oidc_keys import SigningKeys
from app.embedded.oidc_page import PAGE_HEADERS, choose_page, message_page

TOKEN_SECONDS = 8 * 3600  # a working day: development has no refresh tokens
_CODE_SECONDS = 60
_MAX_CODES = 1000
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Person:
    """A demo person to sign in as."""

    subject: str
    tenant_id: UUID
    tenant_name: str
    email: str
    display_name: str
    role: str


People = Sequence[Person] | Callable[[], Awaitable[Sequence[Person]]]


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a code stands for until it is exchanged, once."""

    person: Person
    redirect_uri: str
    challenge: str
    nonce: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class _AuthorizeError(Exception):
    """A refusal of the authorize endpoint. `redirect` False: the client or its address is not to be trusted, so the
    page says it."""

    error: str
    description: str
    redirect: bool = True


@dataclass(slots=True)
class EmbeddedIssuer:
    """The issuer's state: keys on disk, codes in memory."""

    url: str
    keys: SigningKeys
    people: People
    client_id: str = "billing-portal"
    audience: str = "billing-portal"
    redirect_uris: Collection[str] = ()  # empty: any /auth/callback on this machine
    clock: Callable[[], float] = time.time
    _codes: dict[str, _Grant] = field(default_factory=dict)

    async def everybody(self) -> Sequence[Person]:
        return await self.people() if callable(self.people) else self.people

    def mint(
        self, subject: str, tenant_id: UUID, *, seconds: int = TOKEN_SECONDS, audience: str | None = None, **claims: Any
    ) -> str:
        """Sign an access token (RFC 9068) for a subject of a tenant; further claims as given (`email`, `name`)."""
        return self._signed("at+jwt", subject, tenant_id, seconds=seconds, audience=audience or self.audience, **claims)

    def _signed(
        self, kind: str, subject: str, tenant_id: UUID, *, audience: str, seconds: int = TOKEN_SECONDS, **claims: Any
    ) -> str:
        now = int(self.clock())
        key = self.keys.signing_key()
        payload = {
            "iss": self.url,
            "aud": audience,
            "sub": subject,
            "tenant_id": str(tenant_id),
            "client_id": self.client_id,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_urlsafe(12),
            **claims,
        }
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": kind}, payload, key)

    # --- endpoints ---

    async def discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "jwks_uri": f"{self.url}/jwks",
                "end_session_endpoint": f"{self.url}/end-session",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "email", "profile"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def jwks(self, _: Request) -> Response:
        return JSONResponse(self.keys.public(), headers={"Cache-Control": "max-age=60"})

    async def authorize(self, request: Request) -> Response:
        """GET shows the people; POST (the same parameters and `person`) sends the browser back with a code."""
        given: QueryParams | FormData = (
            request.query_params if request.method == "GET" else await request.form(max_fields=20)
        )
        parameters = {name: value for name, value in given.items() if isinstance(value, str)}
        try:
            self._check_authorize(parameters)
            if request.method == "GET":
                return HTMLResponse(choose_page(await self.everybody(), parameters), headers=PAGE_HEADERS)
            code = self._grant(await self._chosen(parameters), parameters)
        except _AuthorizeError as refusal:
            return self._authorize_refused(refusal, parameters)
        return self._back(parameters, code=code)

    def _check_authorize(self, given: dict[str, str]) -> None:
        if given.get("client_id") != self.client_id:
            raise _AuthorizeError("invalid_client", "Nobody registered this client_id.", redirect=False)
        if not self._registered(given.get("redirect_uri", "")):
            raise _AuthorizeError("invalid_request", "This redirect_uri is not registered.", redirect=False)
        if given.get("response_type") != "code":
            raise _AuthorizeError("unsupported_response_type", "Only response_type=code.")
        if given.get("code_challenge_method") != "S256" or len(given.get("code_challenge", "")) != 43:
            raise _AuthorizeError("invalid_request", "PKCE with S256 is required.")
        if "openid" not in given.get("scope", "").split():
            raise _AuthorizeError("invalid_scope", "The scope openid is required.")
        if given.get("prompt") == "none":
            raise _AuthorizeError("login_required", "Somebody has to choose.")

    def _registered(self, redirect_uri: str) -> bool:
        """An exact match; where nothing is registered, only the portal's callback on this very machine."""
        if self.redirect_uris:
            return redirect_uri in self.redirect_uris
        try:
            parts = urlsplit(redirect_uri)
        except ValueError:
            return False
        own_machine = parts.scheme == "http" and parts.hostname in _LOOPBACK and "@" not in parts.netloc
        return own_machine and parts.path == "/auth/callback" and not parts.query and "#" not in redirect_uri

    async def _chosen(self, given: dict[str, str]) -> Person:
        if "cancel" in given:
            raise _AuthorizeError("access_denied", "The sign-in was cancelled.")
        for person in await self.everybody():
            if given.get("person") == f"{person.tenant_id}/{person.subject}":
                return person
        raise _AuthorizeError("invalid_request", "No such person.", redirect=False)

    def _grant(self, person: Person, given: dict[str, str]) -> str:
        now = self.clock()
        for code in [code for code, grant in self._codes.items() if grant.expires_at <= now]:
            del self._codes[code]
        if len(self._codes) >= _MAX_CODES:
            self._codes.pop(next(iter(self._codes)))
        code = secrets.token_urlsafe(24)
        nonce, challenge = given.get("nonce", ""), given["code_challenge"]
        self._codes[code] = _Grant(person, given["redirect_uri"], challenge, nonce, now + _CODE_SECONDS)
        return code

    def _authorize_refused(self, refusal: _AuthorizeError, given: dict[str, str]) -> Response:
        if refusal.redirect:
            return self._back(given, error=refusal.error, error_description=refusal.description)
        page = message_page("This sign-in can't go on", refusal.description)
        return HTMLResponse(page, status_code=400, headers=PAGE_HEADERS)

    def _back(self, given: dict[str, str], **answer: str) -> Response:
        """To the client's redirect_uri, with `state` and `iss` (RFC 9207)."""
        state = {"state": given["state"]} if "state" in given else {}
        query = urlencode({**answer, **state, "iss": self.url})
        return RedirectResponse(
            f"{given['redirect_uri']}?{query}", status_code=303, headers={"Cache-Control": "no-store"}
        )

    async def token(self, request: Request) -> Response:
        """Exchange a code. A code is spent by the first attempt, whether or not it succeeds."""
        given = await request.form(max_fields=20)
        if given.get("grant_type") != "authorization_code":
            return _token_error("unsupported_grant_type")
        grant = self._codes.pop(str(given.get("code")), None)
        challenge = hashlib.sha256(str(given.get("code_verifier", "")).encode()).digest()
        expected = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        if (
            grant is None
            or grant.expires_at <= self.clock()
            or given.get("client_id") != self.client_id
            or given.get("redirect_uri") != grant.redirect_uri
            or not hmac.compare_digest(expected, grant.challenge)
        ):
            return _token_error("invalid_grant")
        person = grant.person
        about: Any = {"email": person.email, "name": person.display_name}
        access_token = self.mint(person.subject, person.tenant_id, **about)
        id_token = self._signed(
            "JWT", person.subject, person.tenant_id, audience=self.client_id, nonce=grant.nonce, **about
        )
        answer = {
            "access_token": access_token,
            "id_token": id_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
        }
        return JSONResponse({**answer, "scope": "openid email profile"}, headers={"Cache-Control": "no-store"})

    async def userinfo(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            keys = KeySet.import_key_set(self.keys.public())
            claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
        except (JoseError, ValueError, RecursionError):
            claims = {}
        if claims.get("exp", 0) <= self.clock():
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return JSONResponse({"error": "invalid_token"}, status_code=401, headers=challenge)
        return JSONResponse({name: claims[name] for name in ("sub", "tenant_id", "email", "name") if name in claims})

    async def end_session(self, request: Request) -> Response:
        """This issuer keeps no session of its own: send the browser back, if it came from a client that we know."""
        back = request.query_params.get("post_logout_redirect_uri", "")
        try:
            parts = urlsplit(back)
            known = self._registered(urlunsplit((parts.scheme, parts.netloc, "/auth/callback", "", "")))
        except ValueError:
            known = False
        if known:
            return RedirectResponse(back, status_code=303)
        return HTMLResponse(message_page("You are signed out", "You can close this page."), headers=PAGE_HEADERS)

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/jwks", self.jwks),
            Route("/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/userinfo", self.userinfo),
            Route("/end-session", self.end_session),
        ]


def _token_error(error: str) -> Response:
    return JSONResponse({"error": error}, status_code=400, headers={"Cache-Control": "no-store"})


def create_app(
    issuer_url: str,
    key_dir: Path,
    people: People,
    *,
    client_id: str = "billing-portal",
    audience: str = "billing-portal",
    redirect_uris: Collection[str] = (),
) -> Starlette:
    """The issuer as an application, to be mounted where `issuer_url` points (without a trailing slash).
    `app.state.issuer` is its EmbeddedIssuer."""
    keys = SigningKeys(key_dir)
    keys.signing_key()  # made now rather than at the first sign-in
    issuer = EmbeddedIssuer(issuer_url, keys, people, client_id, audience, redirect_uris)
    app = Starlette(routes=issuer.routes())
    app.state.issuer = issuer
    return app


def mint(
    issuer_url: str, key_dir: Path, person: Person, *, audience: str = "billing-portal", seconds: int = TOKEN_SECONDS
) -> str:
    """An access token for a demo person, signed with the running issuer's own key: `portal token --user EMAIL`."""
    issuer = EmbeddedIssuer(issuer_url, SigningKeys(key_dir), (), audience=audience)
    return issuer.mint(person.subject, person.tenant_id, seconds=seconds, email=person.email, name=person.display_name)
