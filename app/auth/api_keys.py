"""API keys of services: `portal_<key id and tenant, base64url>_<secret>`. The database keeps only a hash of the secret.

The tenant stands in the key because the row can be read only inside the tenant's own transaction (row level security).
The key id comes first, so that the prefix that people see in a list tells one key of a tenant from the next.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid4

from app.auth.actor import ServicePrincipal, Unauthenticated
from app.auth.refusals import Reason

MARK = "portal_"  # secret scanners know a key by its mark
_PREFIX_LENGTH = len(MARK) + 12
_FORMAT = re.compile(r"portal_([A-Za-z0-9_-]{43})_([A-Za-z0-9_-]{43})", re.ASCII)  # twice 32 bytes, unpadded


class ApiScope(StrEnum):
    """What a key may do. A key without a scope may do nothing."""

    USAGE_WRITE = "usage:write"  # hold, settle and release credits for a person's request
    USAGE_READ = "usage:read"
    POOL_READ = "pool:read"
    CREDITS_ADJUST = "credits:adjust"
    REFUNDS_WRITE = "refunds:write"  # give money back, decide on requests for it


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new key. `text` is shown once and never stored; everything else goes into its row."""

    key_id: UUID
    text: str = field(repr=False)
    secret_hash: bytes = field(repr=False)  # 32 bytes
    prefix: str


def generate(tenant_id: UUID) -> GeneratedKey:
    """Make a key of a tenant: a random id and 256 bits of secret. A plain hash is enough for a secret that nobody can
    guess."""
    key_id = uuid4()
    secret = secrets.token_urlsafe(32)
    text = f"{MARK}{_encode(key_id.bytes + tenant_id.bytes)}_{secret}"
    return GeneratedKey(key_id, text, _hash(secret), text[:_PREFIX_LENGTH])


def parse(text: str) -> ServicePrincipal:
    """Read a presented key. Whether it exists is for the actor's transaction to find out.

    Raises Unauthenticated(API_KEY_MALFORMED) on anything that `generate` could not have written.
    """
    match = _FORMAT.fullmatch(text)
    if match is None:
        raise Unauthenticated(Reason.API_KEY_MALFORMED)
    identity, secret = match.groups()
    raw = base64.urlsafe_b64decode(identity + "=")
    if _encode(raw) != identity:  # two spare bits at the end: one key, one spelling
        raise Unauthenticated(Reason.API_KEY_MALFORMED)
    return ServicePrincipal(tenant_id=UUID(bytes=raw[16:]), key_id=UUID(bytes=raw[:16]), secret_hash=_hash(secret))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
