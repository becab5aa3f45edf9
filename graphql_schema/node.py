"""Things with an id of their own."""

from uuid import UUID

import strawberry

from app.rules.node_ids import node_id, split_id, uuid_of

__all__ = ["Node", "split_id", "to_id", "uuid_of"]


@strawberry.interface(description="A thing with an id of its own, which `node(id:)` finds again.")
class Node:
    id: strawberry.ID


def to_id(type_name: str, key: UUID | str) -> strawberry.ID:
    """The opaque id of a thing."""
    return strawberry.ID(node_id(type_name, key))
