"""What holds for every HTTP answer: a request id, the host it was meant for, security headers, and no exception that gets out."""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from random import getrandbits
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings

log = structlog.get_logger("http")

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")  # of a proxy or a client: it goes into logs and headers
LONGEST_HOST = 300  # bytes of a Host header: a name has 253 at most, and there are a port and brackets
ASKED_BY_ANY_NAME = frozenset({"/healthz", "/readyz", "/metrics"})  # probes come by address
_STRIPE_JS = "https://js.stripe.com https://*.js.stripe.com"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

Headers = list[tuple[bytes, bytes]]
_FOR_MACHINES: Headers = [(b"x-content-type-options", b"nosniff")]  # should a browser have been made to post


class Edge:
    """Around the whole application. Adds X-Request-Id (the client's own, if it is sane) and binds it for the log."""

    def __init__(self, app: ASGIApp, settings: Settings, posts: Mapping[str, ASGIApp] | None = None) -> None:
        """`posts`: what answers a POST of another machine to a path, by the shortest way: the application's own middlewares and routes,
        and headers that tell browsers how to show an answer, cost more than taking an event does."""
        self._app = app
        self._posts = posts or {}
        self._hosts = served_hosts(settings)
        self._any_address = settings.env == "development"
        self._headers = security_headers(settings)
        self._names = frozenset(name for name, _ in self._headers)
        self._remembered = lru_cache(maxsize=1024)(self._is_served)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = given = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"x-request-id":
                given = value
        request_id = _request_id(given)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        path = scope["path"]
        by_machine = self._posts.get(path) if scope["method"] == "POST" else None
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = [*message["headers"], (b"x-request-id", request_id.encode())]
                message["headers"] = own + _FOR_MACHINES if by_machine else self._completed(own)
            await send(message)

        try:
            if not self._serves(host) and path not in ASKED_BY_ANY_NAME:
                await _answer(send_with_headers, 421, "WRONG_HOST", "This portal is not served under that host name.")
                return
            await (by_machine or self._app)(scope, receive, send_with_headers)
        except Exception:
            log.exception("http.unhandled", path=path, method=scope["method"])
            if started:
                raise
            message = f"Something went wrong on our side. Support can find it by the id {request_id}."
            await _answer(send_with_headers, 500, "INTERNAL_ERROR", message)

    def _completed(self, own: Headers) -> Headers:
        """An answer's headers and those that every answer has, unless it says otherwise."""
        named = {name for name, _ in own}
        if self._names.isdisjoint(named):
            return own + self._headers
        return own + [header for header in self._headers if header[0] not in named]

    def _serves(self, host: bytes) -> bool:
        """Whether a Host header names this portal. What is longer than any name is not kept."""
        return len(host) <= LONGEST_HOST and self._remembered(host)

    def _is_served(self, host: bytes) -> bool:
        name = _host_name(host.decode("latin-1"))
        # An address can't be rebound to another one as a name can.
        return name in self._hosts or (self._any_address and _is_address(name))


def served_hosts(settings: Settings) -> frozenset[str]:
    """The host names that requests may name: PORTAL_PUBLIC_URL's, PORTAL_ALLOWED_HOSTS, in development this machine's."""
    named = {_host_name(one.strip()) for one in settings.allowed_hosts.split(",") if one.strip()}
    named.add(urlsplit(settings.public_url).hostname or settings.host)
    return frozenset(named | (LOOPBACK_NAMES if settings.env == "development" else set()))


def security_headers(settings: Settings) -> Headers:
    """For every answer that does not say otherwise."""
    headers = {
        "Content-Security-Policy": content_security_policy(settings),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def content_security_policy(settings: Settings, *, playground: bool = False) -> str:
    """The page's own files, and Stripe (or its sandbox) for the card. GraphiQL's editor also writes styles and starts workers.

    Stripe's own form is a script of js.stripe.com with frames of its own and the bank's step in one of hooks.stripe.com; the sandbox's
    form is the page's.
    """
    stripe = urlsplit(settings.stripe_api_base or "https://api.stripe.com")
    real = not settings.stripe_api_base and not playground
    directives = {
        "default-src": "'none'",
        "script-src": f"'self' {_STRIPE_JS}" if real else "'self'",
        "frame-src": f"{_STRIPE_JS} https://hooks.stripe.com" if real else "'none'",
        "style-src": "'self' 'unsafe-inline'" if playground else "'self'",
        "worker-src": "'self' blob:" if playground else "'none'",
        "img-src": "'self' data:",
        "font-src": "'self' data:" if playground else "'self'",
        "manifest-src": "'self'",
        "connect-src": f"'self' {stripe.scheme}://{stripe.netloc}",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _request_id(given: bytes) -> str:
    # It names a request and protects nothing, so it needs no system call. Processes that are forked are seeded anew.
    return given.decode() if REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"


def _host_name(host: str) -> str:
    """The name or address of a Host header, without the port; "" if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _answer(send: Send, status: int, code: str, message: str) -> None:
    body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
