"""Opaque Node ids: base64 of `Type:uuid`. What is no id of that type reads as something that does not exist."""

import base64
import binascii
from uuid import UUID

import strawberry


@strawberry.interface(description="A thing with an id of its own, which `node(id:)` finds again.")
class Node:
    id: strawberry.ID


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def to_id(type_name: str, key: UUID | str) -> strawberry.ID:
    """The opaque id of a thing."""
    encoded = binascii.b2a_base64(f"{type_name}:{key}".encode(), newline=False)
    return strawberry.ID(encoded.rstrip(b"=").translate(_URL_SAFE).decode())


def split_id(node_id: str) -> tuple[str, str] | None:
    """(type name, key) of an opaque id, or None for anything that was never one."""
    if len(node_id) > 200:
        return None
    try:
        text = base64.urlsafe_b64decode(node_id + "=" * (-len(node_id) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    type_name, separator, key = text.partition(":")
    return (type_name, key) if separator else None


def uuid_of(node_id: str, type_name: str) -> UUID | None:
    """The UUID in an id of that type, or None: then there is no such thing."""
    parts = split_id(node_id)
    if parts is None or parts[0] != type_name:
        return None
    try:
        return UUID(parts[1])
    except ValueError:
        return None
