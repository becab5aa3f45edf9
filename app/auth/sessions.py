"""The page's sign-in: authorization code with PKCE (RFC 7636), the session in a cookie, and signing out.

The session cookie holds the issuer's access token itself, so cookie and bearer token go through one verification
(docs/adr/0003).
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.auth.actor import Unauthenticated, UserPrincipal
from app.auth.authentication import Identity
from app.auth.issuer import Discovery, IssuerProblem, fetch_json
from app.auth.pages import SignInFailure, failure_response
from app.auth.refusals import Reason, refusal_response

log = structlog.get_logger(__name__)

_MAX_RETURN_TO = 500
_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Profile:
    """What the page shows of the person who is signed in."""

    email: str
    display_name: str


FindProfile = Callable[[UserPrincipal], Awaitable[Profile]]
"""The profile of a principal. Raises Unauthenticated for somebody who is no user of the tenant, or a disabled one."""


class _SignInFailed(Exception):
    def __init__(self, failure: SignInFailure, cause: str) -> None:
        super().__init__(cause)
        self.failure = failure


def session_routes(identity: Identity, find_profile: FindProfile) -> list[Route]:
    """The routes under /auth."""
    sessions = _Sessions(identity, find_profile)
    return [
        Route("/auth/login", sessions.login),
        Route("/auth/callback", sessions.callback),
        Route("/auth/session", sessions.session),
        Route("/auth/logout", sessions.logout, methods=["POST"]),
    ]


def safe_return_path(wanted: str | None) -> str:
    """A path on this portal to go to after the sign-in; "/" for anything else.

    Browsers read `//host` and `/\\host` as another site and drop control characters before they read at all.
    """
    if not wanted or len(wanted) > _MAX_RETURN_TO or not wanted.isprintable():
        return "/"
    if not wanted.startswith("/") or wanted.startswith(("//", "/auth/")) or "\\" in wanted:
        return "/"
    return wanted


class _Sessions:
    def __init__(self, identity: Identity, find_profile: FindProfile) -> None:
        self._identity = identity
        self._settings = identity.settings
        self._cookies = identity.cookies
        self._find_profile = find_profile

    @property
    def _redirect_uri(self) -> str:
        return f"{self._cookies.origin}/auth/callback"

    # --- signing in ---

    async def login(self, request: Request) -> Response:
        """GET /auth/login?return_to=/path: send the browser to the issuer."""
        return_to = safe_return_path(request.query_params.get("return_to"))
        if self._is_another_name_of_ours(request):
            query = urlencode({"return_to": return_to, "here": "1"})
            return RedirectResponse(f"{self._cookies.origin}/auth/login?{query}", status_code=303, headers=_NO_STORE)
        try:
            discovery = await self._identity.issuer.discovery()
        except Unauthenticated:
            return failure_response(request, SignInFailure.ISSUER_UNAVAILABLE)
        state, nonce, verifier = (secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(32))
        response = RedirectResponse(
            self._authorize_url(discovery, state, nonce, verifier), status_code=303, headers=_NO_STORE
        )
        started = {"nonce": nonce, "verifier": verifier, "return_to": return_to}
        self._cookies.start_sign_in(request, response, state, started, int(time.time()))
        return response

    def _is_another_name_of_ours(self, request: Request) -> bool:
        """In development the page may be opened as localhost while the issuer sends people back to 127.0.0.1: cookies
        would be lost between the two. Asked at most once (`here`), whatever a proxy makes of the Host header."""
        host = urlsplit(self._cookies.origin).netloc
        return (
            not self._cookies.production and "here" not in request.query_params and request.headers.get("host") != host
        )

    def _authorize_url(self, discovery: Discovery, state: str, nonce: str, verifier: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._settings.oidc_scope,
            "audience": self._settings.oidc_audience,  # some issuers give a JWT only for a named audience; others ignore it
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = discovery.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"

    async def callback(self, request: Request) -> Response:
        """GET /auth/callback: the browser comes back from the issuer with a code or an error."""
        state = request.query_params.get("state", "")
        started = self._cookies.sign_in(request, state, int(time.time()))
        if started is None:
            log.warning("sign_in_failed", failure=SignInFailure.NOT_STARTED_HERE.value)
            return failure_response(request, SignInFailure.NOT_STARTED_HERE)
        try:
            token, seconds = await self._complete(request, started)
        except _SignInFailed as failed:
            log.warning("sign_in_failed", failure=failed.failure.value, cause=str(failed))
            response = failure_response(request, failed.failure)
        else:
            response = RedirectResponse(safe_return_path(started["return_to"]), status_code=303, headers=_NO_STORE)
            self._cookies.start_session(response, token, seconds)
        self._cookies.end_sign_in(response, state)
        return response

    async def _complete(self, request: Request, started: dict[str, str]) -> tuple[str, int]:
        """The access token to keep, and for how many seconds."""
        code = _code(request, (await self._discovery()).issuer)
        answer = await self._exchange(code, started["verifier"])
        token, id_token = answer.get("access_token"), answer.get("id_token")
        if not isinstance(token, str) or not isinstance(id_token, str):
            raise _SignInFailed(SignInFailure.ISSUER_REFUSED, "the token answer lacks a token")
        try:
            principal = await self._identity.verifier.verify(token)
            await self._check_id_token(id_token, started["nonce"], principal.subject)
        except Unauthenticated as refusal:
            failure = SignInFailure.ISSUER_UNAVAILABLE if refusal.status == 503 else SignInFailure.NOT_ACCEPTED
            raise _SignInFailed(failure, refusal.reason) from refusal
        try:
            await self._find_profile(principal)
        except Unauthenticated as refusal:
            raise _SignInFailed(SignInFailure.NO_ACCOUNT, refusal.reason) from refusal
        if not self._cookies.fits(token):
            raise _SignInFailed(SignInFailure.TOKEN_TOO_LARGE, f"{len(token)} bytes")
        return token, max(1, int(principal.expires_at.timestamp() - time.time()))

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self._settings.oidc_client_id,
            "code_verifier": verifier,
        }
        auth: httpx.Auth | None = None
        try:
            discovery = await self._discovery()
            if secret := self._settings.oidc_client_secret:
                if "client_secret_basic" in discovery.token_auth_methods:  # RFC 6749 section 2.3.1: form-encoded first
                    auth = httpx.BasicAuth(quote(form.pop("client_id"), safe=""), quote(secret, safe=""))
                else:
                    form["client_secret"] = secret
            answer = await fetch_json(self._identity.client, "POST", discovery.token_endpoint, data=form, auth=auth)
        except IssuerProblem as problem:
            raise _SignInFailed(SignInFailure.ISSUER_REFUSED, str(problem)) from problem
        if not isinstance(answer, dict) or str(answer.get("token_type")).lower() != "bearer":
            raise _SignInFailed(SignInFailure.ISSUER_REFUSED, "the token answer is no bearer token")
        return answer

    async def _discovery(self) -> Discovery:
        try:
            return await self._identity.issuer.discovery()
        except Unauthenticated as refusal:
            raise _SignInFailed(SignInFailure.ISSUER_UNAVAILABLE, refusal.reason) from refusal

    async def _check_id_token(self, id_token: str, nonce: str, subject: str) -> None:
        """The ID token ties the answer to this very sign-in (OpenID Connect Core 1.0 section 3.1.3.7)."""
        client_id = self._settings.oidc_client_id
        claims = (await self._identity.verifier.genuine(id_token, client_id)).claims
        same_nonce = hmac.compare_digest(str(claims.get("nonce")).encode(), nonce.encode())
        if not same_nonce or claims.get("azp", client_id) != client_id or claims["sub"] != subject:
            raise Unauthenticated(Reason.ID_TOKEN)

    # --- signed in ---

    async def session(self, request: Request) -> Response:
        """GET /auth/session: who is signed in, with the CSRF token of the session; 401 `{"signedIn": false}` else."""
        token = self._cookies.session(request)
        if token is None:
            return self._signed_out(401)
        try:
            principal = await self._identity.verifier.verify(token)
            profile = await self._find_profile(principal)
        except Unauthenticated as refusal:
            if refusal.status == 503:
                return refusal_response(refusal)
            return self._signed_out(401)
        return JSONResponse(
            {
                "signedIn": True,
                "csrfToken": self._cookies.csrf_token(token),
                "user": {"email": profile.email, "displayName": profile.display_name},
                "expiresAt": principal.expires_at.isoformat().replace("+00:00", "Z"),
            },
            headers=_NO_STORE,
        )

    async def logout(self, request: Request) -> Response:
        """POST /auth/logout: forget the session. The page then goes to `endSessionUrl`, if there is one, to end the
        issuer's session too."""
        token = self._cookies.session(request)
        if token is not None:
            try:
                self._cookies.check_request_is_ours(request, token)
            except Unauthenticated as refusal:
                return refusal_response(refusal)
        return self._signed_out(200, endSessionUrl=await self._end_session_url() if token else None)

    async def _end_session_url(self) -> str | None:
        try:
            endpoint = (await self._identity.issuer.discovery()).end_session_endpoint
        except Unauthenticated:  # signing out here must not depend on the issuer
            return None
        if endpoint is None:
            return None
        back = {"client_id": self._settings.oidc_client_id, "post_logout_redirect_uri": f"{self._cookies.origin}/"}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(back)}"

    def _signed_out(self, status: int, **more: Any) -> Response:
        response = JSONResponse({"signedIn": False, **more}, status_code=status, headers=_NO_STORE)
        self._cookies.end_session(response)
        return response


def _code(request: Request, issuer: str) -> str:
    """The code in the issuer's answer. Raises _SignInFailed for an error, a cancellation or another issuer's answer
    (RFC 9207)."""
    given = request.query_params
    if given.get("iss", issuer) != issuer:
        raise _SignInFailed(SignInFailure.ISSUER_REFUSED, "the answer is another issuer's")
    if given.get("error") == "access_denied":
        raise _SignInFailed(SignInFailure.CANCELLED, "access_denied")
    if "error" in given or not given.get("code"):
        raise _SignInFailed(SignInFailure.ISSUER_REFUSED, f"error={given.get('error', '')[:100]!r}")
    return given["code"]
