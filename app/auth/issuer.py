"""The OpenID issuer as the portal sees it: its discovery document and its signing keys, fetched rarely and kept for a
bounded time."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.auth.actor import Unauthenticated
from app.auth.refusals import Reason

log = structlog.get_logger(__name__)

SigningKey = RSAKey | ECKey | OKPKey

_MAX_DOCUMENT_BYTES = 256 * 1024
_MAX_KEYS = 50
_MIN_RSA_BITS = 2048
_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the portal uses of the discovery document (OpenID Connect Discovery 1.0 section 3)."""

    issuer: str  # as tokens name it, to the letter
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    token_auth_methods: frozenset[str]


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A signing key as the issuer publishes it, with the algorithms that its own type allows: never the token's
    choice."""

    kid: str | None
    algorithms: frozenset[str]
    thumbprint: str
    key: SigningKey


@dataclass(frozen=True, slots=True)
class _Fetched:
    discovery: Discovery
    keys: tuple[PublishedKey, ...]
    thumbprints: frozenset[str]
    at: float


class IssuerProblem(Exception):
    """The issuer can't be reached or answers nonsense. The message is for the log."""


class Issuer:
    """Keys and endpoints of one issuer.

    Keys are fetched again after `ttl` seconds, or when a token names an unknown one, yet never more often than once in
    `cooldown` seconds: random key ids cause no storm. Concurrent callers share one fetch. While the issuer is down,
    the last keys serve until they are `max_stale` seconds old.
    """

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        ttl: float = 600,
        cooldown: float = 10,
        max_stale: float = 6 * 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._client = client
        self._ttl = ttl
        self._cooldown = cooldown
        self._max_stale = max_stale
        self._clock = clock
        self._fetched: _Fetched | None = None
        self._attempted_at = -math.inf
        self._refresh: asyncio.Task[None] | None = None

    async def discovery(self) -> Discovery:
        """The issuer's endpoints. Raises Unauthenticated(ISSUER_UNAVAILABLE, 503)."""
        return (await self._current()).discovery

    async def keys(self, kid: str | None, algorithm: str) -> list[PublishedKey]:
        """The keys that may have signed a token with this header; none if the issuer publishes no such key.

        Raises Unauthenticated(ISSUER_UNAVAILABLE, 503).
        """
        current = await self._current()
        found = _matching(current.keys, kid, algorithm)
        if not found and self._may_fetch():
            await self._fetch_once()
            found = _matching((await self._current()).keys, kid, algorithm)
        return found

    async def publishes(self, thumbprint: str) -> bool:
        """Whether a key is still among the published ones, as far as the `ttl` lets us know."""
        return thumbprint in (await self._current()).thumbprints

    async def _current(self) -> _Fetched:
        fetched = self._fetched
        if fetched is None or self._clock() - fetched.at >= self._ttl:
            # Joining a fetch in flight costs the issuer nothing; only starting one is rationed.
            if self._may_fetch():
                await self._fetch_once()
            fetched = self._fetched
        if fetched is None or self._clock() - fetched.at >= self._max_stale:
            raise Unauthenticated(Reason.ISSUER_UNAVAILABLE, 503)
        return fetched

    def _may_fetch(self) -> bool:
        # Without any key nobody gets in: ask again soon, the issuer may just be starting.
        cooldown = self._cooldown if self._fetched is not None else min(self._cooldown, 1.0)
        return self._refresh is not None or self._clock() - self._attempted_at >= cooldown

    async def _fetch_once(self) -> None:
        """Fetch, or wait for the fetch that is under way. One caller's disconnection does not end it for the others."""
        if self._refresh is None:
            self._attempted_at = self._clock()
            self._refresh = asyncio.create_task(self._fetch())
        await asyncio.shield(self._refresh)

    async def _fetch(self) -> None:
        try:
            url = f"{self.url.rstrip('/')}/.well-known/openid-configuration"
            discovery = _read_discovery(await fetch_json(self._client, "GET", url), self.url)
            keys = _read_keys(await fetch_json(self._client, "GET", discovery.jwks_uri))
        except IssuerProblem as problem:
            log.warning(
                "issuer_fetch_failed", issuer=self.url, problem=str(problem), keys_kept=self._fetched is not None
            )
        else:
            self._fetched = _Fetched(discovery, keys, frozenset(one.thumbprint for one in keys), self._clock())
        finally:
            self._refresh = None


async def fetch_json(client: httpx.AsyncClient, method: str, url: str, **request: Any) -> Any:
    """Ask the issuer for a JSON document, bounded in size and time. Raises IssuerProblem unless it answers 200."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), client.stream(method, url, **request) as response:
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_DOCUMENT_BYTES:
                    raise IssuerProblem(f"{url} is longer than {_MAX_DOCUMENT_BYTES} bytes")
        if response.status_code != 200:
            raise IssuerProblem(f"{url} answered {response.status_code}: {body[:200]!r}")
        return json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError, TimeoutError) as error:
        raise IssuerProblem(f"{url}: {type(error).__name__}: {error}") from error


def _read_discovery(document: Any, url: str) -> Discovery:
    named = document.get("issuer") if isinstance(document, dict) else None
    if not isinstance(named, str) or named.rstrip("/") != url.rstrip("/"):  # a final slash is easily lost in settings
        raise IssuerProblem("the discovery document is of another issuer")
    ends = "end_session_endpoint" in document
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Discovery(
        issuer=named,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", url),
        token_endpoint=_endpoint(document, "token_endpoint", url),
        jwks_uri=_endpoint(document, "jwks_uri", url),
        end_session_endpoint=_endpoint(document, "end_session_endpoint", url) if ends else None,
        token_auth_methods=frozenset(map(str, methods)),
    )


def _endpoint(document: dict[str, Any], name: str, issuer: str) -> str:
    """An https issuer's endpoints are https too: the keys decide who gets in."""
    url = document.get(name)
    schemes = ("https://",) if issuer.startswith("https://") else ("https://", "http://")
    if not isinstance(url, str) or not url.startswith(schemes):
        raise IssuerProblem(f"the discovery document's {name} is missing or not https")
    return url


def _read_keys(document: Any) -> tuple[PublishedKey, ...]:
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise IssuerProblem("the key set has no list of keys")
    read = (_read_key(entry) for entry in entries[:_MAX_KEYS])
    return tuple(key for key in read if key is not None)


def _read_key(entry: Any) -> PublishedKey | None:
    """A signing key of a kind that we accept, else None: an issuer may publish encryption keys or curves that are not
    for us."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in entry.items() if name in {"kty", "kid", "n", "e", "crv", "x", "y"}}
    try:
        key, algorithms = _import_key(public)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("issuer_key_skipped", kid=str(entry.get("kid")), problem=f"{type(error).__name__}: {error}")
        return None
    if key is None:
        return None
    if isinstance(entry.get("alg"), str):
        algorithms &= {entry["alg"]}
    kid = entry.get("kid")
    return PublishedKey(kid if isinstance(kid, str) else None, algorithms, key.thumbprint(), key)


def _import_key(entry: dict[str, Any]) -> tuple[SigningKey | None, frozenset[str]]:
    match entry.get("kty"), entry.get("crv"):
        case "RSA", _ if len(entry["n"]) * 6 >= _MIN_RSA_BITS:
            return RSAKey.import_key(entry), frozenset({"RS256", "PS256"})
        case "EC", "P-256":
            return ECKey.import_key(entry), frozenset({"ES256"})
        case "OKP", "Ed25519":
            return OKPKey.import_key(entry), frozenset({"EdDSA", "Ed25519"})
    return None, frozenset()


def _matching(keys: tuple[PublishedKey, ...], kid: str | None, algorithm: str) -> list[PublishedKey]:
    fitting = [one for one in keys if algorithm in one.algorithms]
    return [one for one in fitting if one.kid == kid] if kid is not None else fitting
