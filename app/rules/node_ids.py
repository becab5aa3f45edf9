"""Opaque ids of things, as the API gives them: base64 of `Type:key`. Addresses in mails and at the bank carry them too."""

import base64
import binascii
from functools import lru_cache
from uuid import UUID

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_LONGEST = 200


@lru_cache(maxsize=16_384)  # the same things are shown many times over
def node_id(type_name: str, key: UUID | str) -> str:
    """The opaque id of a thing."""
    encoded = binascii.b2a_base64(f"{type_name}:{key}".encode(), newline=False)
    return encoded.rstrip(b"=").translate(_URL_SAFE).decode()


def split_id(opaque: str) -> tuple[str, str] | None:
    """(type name, key) of an opaque id, or None for anything that was never one."""
    if len(opaque) > _LONGEST:
        return None
    try:
        text = base64.urlsafe_b64decode(opaque + "=" * (-len(opaque) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    type_name, separator, key = text.partition(":")
    return (type_name, key) if separator else None


@lru_cache(maxsize=4096)  # in a list of requests the pool and the person come again and again
def uuid_of(opaque: str, type_name: str) -> UUID | None:
    """The UUID in an id of that type, or None: then there is no such thing."""
    parts = split_id(opaque)
    if parts is None or parts[0] != type_name:
        return None
    try:
        return UUID(parts[1])
    except ValueError:
        return None
