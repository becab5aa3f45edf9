"""Who is calling: Authorization header (a JWT or an API key), else the page's session cookie with its CSRF
protection."""

from dataclasses import dataclass

import httpx
import structlog
from starlette.requests import HTTPConnection

from app.auth import api_keys
from app.auth.actor import ServicePrincipal, Unauthenticated, UserPrincipal
from app.auth.cookies import SessionCookies
from app.auth.issuer import Issuer
from app.auth.refusals import Reason
from app.auth.tokens import TokenVerifier
from app.config import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that identifying somebody needs; one per process."""

    settings: Settings
    client: httpx.AsyncClient
    issuer: Issuer
    verifier: TokenVerifier
    cookies: SessionCookies

    @classmethod
    def of(cls, settings: Settings) -> "Identity":
        """Built from the settings; opens no connection yet. Close it with `close()`."""
        # No redirects: the issuer's address is configured, and a redirect would let another host answer for it.
        client = httpx.AsyncClient(timeout=5.0, follow_redirects=False, trust_env=False)
        issuer = Issuer(settings.oidc_issuer, client)
        verifier = TokenVerifier(issuer, settings.oidc_audience, settings.oidc_tenant_claim)
        return cls(settings, client, issuer, verifier, SessionCookies.of(settings))

    async def close(self) -> None:
        await self.client.aclose()


async def authenticate(connection: HTTPConnection, identity: Identity) -> UserPrincipal | ServicePrincipal:
    """Identify the caller of a request or a WebSocket.

    A header wins over the cookie. Raises Unauthenticated: status 401, 400 for two Authorization headers, 403 where the
    cookie is good and the CSRF protection refuses, 503 where the issuer's keys can't be fetched. The reason is logged
    here and goes no further.
    """
    try:
        return await _principal(connection, identity)
    except Unauthenticated as refusal:
        path = connection.scope.get("path", "")
        log.info("unauthenticated", reason=str(refusal.reason), status=refusal.status, path=path)
        raise


async def _principal(connection: HTTPConnection, identity: Identity) -> UserPrincipal | ServicePrincipal:
    headers = [value for name, value in connection.scope["headers"] if name == b"authorization"]
    if len(headers) > 1:  # which one counts would depend on who reads them
        raise Unauthenticated(Reason.TWO_AUTHORIZATION_HEADERS, 400)
    if headers:
        scheme, _, credentials = headers[0].decode("latin-1").partition(" ")
        credentials = credentials.strip(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(Reason.UNKNOWN_SCHEME)
        if credentials.startswith(api_keys.MARK):
            return api_keys.parse(credentials)
        return await identity.verifier.verify(credentials)
    session = identity.cookies.session(connection)
    if session is None:
        raise Unauthenticated(Reason.NO_CREDENTIALS)
    principal = await identity.verifier.verify(session)
    identity.cookies.check_request_is_ours(connection, session)
    return principal
