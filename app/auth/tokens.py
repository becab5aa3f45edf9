"""Bearer tokens: an OpenID issuer's signed JWT -> UserPrincipal. The page's cookie carries the same token and is
checked by the same code."""

import base64
import binascii
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from joserfc import jws
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from app.auth.actor import Unauthenticated, UserPrincipal
from app.auth.issuer import Issuer, PublishedKey
from app.auth.refusals import Reason

MAX_TOKEN_BYTES = 8 * 1024
ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA", "Ed25519"})
LEEWAY_SECONDS = 30
# An ID token tells the page who signed in; it is no key to the API, also where client and audience have one name.
_ONLY_IN_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash"})
_TYPES = frozenset(
    {"jwt", "at+jwt", "application/at+jwt"}
)  # not logout+jwt, secevent+jwt and other tokens of the same issuer
_MAX_SUBJECT_LENGTH = 255  # OpenID Connect Core 1.0 section 2
_CACHED_TOKENS = 10_000

_REASON_BY_CLAIM = {
    "iss": Reason.ISSUER,
    "aud": Reason.AUDIENCE,
    "nbf": Reason.NOT_YET_VALID,
    "iat": Reason.ISSUED_IN_FUTURE,
    "sub": Reason.SUBJECT,
}

Claims = dict[str, Any]


class _Registry(JWSRegistry):
    """Our allow-list, without the warning that joserfc gives for the name EdDSA (RFC 9864 renames it; issuers still
    send it)."""

    max_header_length = 4 * 1024  # some issuers put a certificate chain here
    max_payload_length = MAX_TOKEN_BYTES

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """The claims of a token that is genuine, with the key that proves it."""

    claims: Claims
    expires_at: datetime
    key_thumbprint: str


@dataclass(frozen=True, slots=True)
class _Cached:
    principal: UserPrincipal
    expires_at: float  # seconds since the epoch
    key_thumbprint: str


class TokenVerifier:
    """Verifies the tokens of one issuer for one audience.

    A verified token is remembered by its hash until it expires, or until its key is no longer published, whichever is
    first (bounded; the least recently used goes first): verifying costs 120 to 180 us on the event loop, remembering 3.
    """

    def __init__(
        self, issuer: Issuer, audience: str, tenant_claim: str = "tenant_id", *, clock: Callable[[], float] = time.time
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self._tenant_claim = tenant_claim
        self._clock = clock
        self._cache: OrderedDict[bytes, _Cached] = OrderedDict()

    async def verify(self, token: str) -> UserPrincipal:
        """Who a token speaks for. Raises Unauthenticated with the reason."""
        return (await self._verified(token)).principal

    async def genuine(self, token: str, audience: str) -> Verified:
        """Check signature, issuer, audience and times only: an ID token, say. Raises Unauthenticated with the
        reason."""
        header = _read_header(token)
        keys = await self.issuer.keys(header.get("kid"), header["alg"])
        if not keys:
            raise Unauthenticated(Reason.UNKNOWN_KEY)
        payload, key = _check_signature(token, keys)
        claims = _read_claims(payload)
        self._check_claims(claims, (await self.issuer.discovery()).issuer, audience)
        try:
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        except (OverflowError, ValueError, OSError) as error:
            raise Unauthenticated(Reason.TOKEN_MALFORMED) from error
        return Verified(claims, expires_at, key.thumbprint)

    async def _verified(self, token: str) -> _Cached:
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthenticated(Reason.TOKEN_OVERSIZED)
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        if cached is not None:
            if cached.expires_at > self._clock() and await self.issuer.publishes(cached.key_thumbprint):
                self._cache[digest] = cached
                self._cache.move_to_end(digest)
                return cached
            self._cache.pop(digest, None)
        verified = await self.genuine(token, self.audience)
        if _ONLY_IN_ID_TOKENS & verified.claims.keys():
            raise Unauthenticated(Reason.TOKEN_TYPE)
        principal = self._principal(verified)
        fresh = _Cached(principal, verified.expires_at.timestamp(), verified.key_thumbprint)
        self._cache[digest] = fresh
        if len(self._cache) > _CACHED_TOKENS:
            self._cache.popitem(last=False)
        return fresh

    def _principal(self, verified: Verified) -> UserPrincipal:
        subject = verified.claims["sub"]
        if not 0 < len(subject) <= _MAX_SUBJECT_LENGTH or not subject.isprintable():
            raise Unauthenticated(Reason.SUBJECT)
        tenant = verified.claims.get(self._tenant_claim)
        if tenant is None:
            raise Unauthenticated(Reason.TENANT_MISSING)
        try:
            tenant_id = UUID(tenant)
        except (ValueError, TypeError, AttributeError) as error:
            raise Unauthenticated(Reason.TENANT_NOT_A_UUID) from error
        return UserPrincipal(tenant_id=tenant_id, subject=subject, expires_at=verified.expires_at)

    def _check_claims(self, claims: Claims, issuer: str, audience: str) -> None:
        registry = JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(claims)
        except ExpiredTokenError as error:
            raise Unauthenticated(Reason.EXPIRED) from error
        except MissingClaimError as error:
            raise Unauthenticated(Reason.CLAIM_MISSING) from error
        except InvalidClaimError as error:
            reason = _REASON_BY_CLAIM.get(error.claim, Reason.TOKEN_MALFORMED)
            raise Unauthenticated(reason) from error


def _read_header(token: str) -> dict[str, Any]:
    """The header of a compact JWS, before anything of it is trusted."""
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthenticated(Reason.TOKEN_OVERSIZED)
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        raise Unauthenticated(Reason.TOKEN_MALFORMED)
    try:
        header = json.loads(base64.b64decode(parts[0] + "=" * (-len(parts[0]) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise Unauthenticated(Reason.TOKEN_MALFORMED) from error
    # `crit` names extensions that must be understood, and we understand none (RFC 7515 section 4.1.11).
    if not isinstance(header, dict) or {"crit", "b64"} & header.keys() or not isinstance(header.get("kid", ""), str):
        raise Unauthenticated(Reason.TOKEN_MALFORMED)
    if not isinstance(header.get("alg"), str) or header["alg"] not in ALGORITHMS:
        raise Unauthenticated(Reason.ALGORITHM)
    if str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise Unauthenticated(Reason.TOKEN_TYPE)
    return header


def _check_signature(token: str, keys: list[PublishedKey]) -> tuple[bytes, PublishedKey]:
    """The signed bytes and the key that signed them. Several keys are tried only where the token names none."""
    for published in keys:
        try:
            signed = jws.deserialize_compact(token, published.key, registry=_REGISTRY)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        return signed.payload or b"", published
    raise Unauthenticated(Reason.SIGNATURE)


def _read_claims(payload: bytes) -> Claims:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Unauthenticated(Reason.TOKEN_MALFORMED) from error
    if not isinstance(claims, dict):
        raise Unauthenticated(Reason.TOKEN_MALFORMED)
    return claims
