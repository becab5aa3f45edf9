"""The page's cookies: the session (the access token itself), the sign-ins under way, and the proof that a request
comes from our own page."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.auth.actor import Unauthenticated
from app.auth.refusals import Reason
from app.config import Settings

MAX_COOKIE_BYTES = 4000  # browsers drop a cookie over 4096 bytes, name and attributes included, without a word
SIGN_IN_SECONDS = 600
_MAX_SIGN_INS = 5  # tabs signing in at the same time; more would outgrow the header line that proxies take
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def public_origin(settings: Settings) -> str:
    """scheme://host[:port] where browsers reach the portal."""
    return (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")


@dataclass(frozen=True, slots=True)
class SessionCookies:
    """Names, flags and keys of the cookies. In production they are Secure and carry the __Host- prefix: no subdomain
    can plant one."""

    origin: str
    production: bool
    csrf_key: bytes
    sign_in_key: OctKey

    @classmethod
    def of(cls, settings: Settings) -> "SessionCookies":
        if len(settings.secret_key) < 32:
            raise ValueError("PORTAL_SECRET_KEY must have at least 32 characters")
        secret = settings.secret_key.encode()
        # One key per purpose: a signature made for one can never pass for the other.
        csrf_key, sign_in_key = (hmac.digest(secret, purpose, hashlib.sha256) for purpose in (b"csrf", b"sign-in"))
        return cls(public_origin(settings), settings.env == "production", csrf_key, OctKey.import_key(sign_in_key))

    @property
    def secure(self) -> bool:
        return self.production or self.origin.startswith("https://")

    def name(self, plain: str) -> str:
        return f"__Host-{plain}" if self.production else plain

    # --- the session ---

    def session(self, connection: HTTPConnection) -> str | None:
        """The access token of the page's session, not yet verified."""
        return connection.cookies.get(self.name("portal_session")) or None

    def fits(self, token: str) -> bool:
        """Whether a browser will keep a token in the session cookie."""
        return len(token) + len(self.name("portal_session")) <= MAX_COOKIE_BYTES

    def start_session(self, response: Response, token: str, seconds: int) -> None:
        self._set(response, "portal_session", token, seconds)

    def end_session(self, response: Response) -> None:
        self._set(response, "portal_session", "", 0)

    def csrf_token(self, session: str) -> str:
        """The token that the page sends back in X-CSRF-Token: bound to the session, useless with any other."""
        return urlsafe_b64encode(hmac.digest(self.csrf_key, session.encode(), hashlib.sha256)).rstrip(b"=").decode()

    def check_request_is_ours(self, connection: HTTPConnection, session: str) -> None:
        """Refuse a request that another site could have made the browser send with our cookie.

        Anything that may change state needs our origin and the session's token. A WebSocket can't carry the header,
        and its handshake escapes the same-origin policy: its origin alone is checked. Raises Unauthenticated with
        status 403.
        """
        socket = connection.scope["type"] == "websocket"
        if not socket and connection.scope["method"] in _SAFE_METHODS:
            return
        if not self._same_origin(connection):
            raise Unauthenticated(Reason.CROSS_ORIGIN, 403)
        if socket:
            return
        presented = connection.headers.get("x-csrf-token")
        if not presented:
            raise Unauthenticated(Reason.CSRF_TOKEN_MISSING, 403)
        if not hmac.compare_digest(presented.encode(), self.csrf_token(session).encode()):
            raise Unauthenticated(Reason.CSRF_TOKEN_WRONG, 403)

    def _same_origin(self, connection: HTTPConnection) -> bool:
        """Every browser says where a request comes from, by Origin or Sec-Fetch-Site. Both are believed; silence is
        not."""
        origin, site = connection.headers.get("origin"), connection.headers.get("sec-fetch-site")
        if origin is None and site is None:
            return False
        return (site is None or site == "same-origin") and (origin is None or self._is_ours(origin, connection))

    def _is_ours(self, origin: str, connection: HTTPConnection) -> bool:
        if origin == self.origin:
            return True
        # In development the page may come through another port or name (localhost, a front-end server) that forwards to
        # this one.
        host = connection.headers.get("host", "")
        return not self.production and origin in {f"http://{host}", f"https://{host}"}

    # --- sign-ins under way ---

    def start_sign_in(
        self, connection: HTTPConnection, response: Response, state: str, content: dict[str, str], now: int
    ) -> None:
        """Remember one sign-in in a cookie of its own, so that several tabs can sign in at once. The number of them is
        bounded."""
        earlier = [name for name in connection.cookies if name.startswith(self.name("portal_sign_in_"))]
        for name in earlier[: max(0, len(earlier) - _MAX_SIGN_INS + 1)]:
            self._set(response, name.removeprefix("__Host-"), "", 0)
        claims = {**content, "state": state, "exp": now + SIGN_IN_SECONDS}
        self._set(
            response, self._sign_in_name(state), jwt.encode({"alg": "HS256"}, claims, self.sign_in_key), SIGN_IN_SECONDS
        )

    def sign_in(self, connection: HTTPConnection, state: str, now: int) -> dict[str, str] | None:
        """What was remembered for a state; None if this browser never started it, or too long ago."""
        value = connection.cookies.get(self.name(self._sign_in_name(state)))
        if not value:
            return None
        try:
            claims = jwt.decode(value, self.sign_in_key, algorithms=["HS256"]).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        ours = hmac.compare_digest(str(claims.get("state")).encode(), state.encode()) and claims.get("exp", 0) > now
        return claims if ours else None

    def end_sign_in(self, response: Response, state: str) -> None:
        self._set(response, self._sign_in_name(state), "", 0)

    @staticmethod
    def _sign_in_name(state: str) -> str:
        return f"portal_sign_in_{hashlib.sha256(state.encode()).hexdigest()[:16]}"

    def _set(self, response: Response, plain: str, value: str, seconds: int) -> None:
        response.set_cookie(
            self.name(plain), value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )
