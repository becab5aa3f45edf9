"""People as others of their pools see them, and the viewer."""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from graphql_schema.node import Node, to_id
from graphql_schema.rows import Shape, column, node_id

if TYPE_CHECKING:
    from graphql_schema.members import PoolMember


@strawberry.type
class User(Node):
    email: str
    display_name: str


@strawberry.type
class Tenant(Node):
    name: str


@strawberry.type(description="The person who asks.")
class Viewer:
    user: User
    tenant: Tenant
    memberships: list[Annotated["PoolMember", strawberry.lazy("graphql_schema.members")]]
    locale: str
    time_zone: str


@lru_cache(maxsize=16_384)  # a page shows the same people many times over
def as_user(user_id: UUID, email: str, display_name: str) -> User:
    """A user's row as the API shows it."""
    return User(id=to_id("User", user_id), email=email, display_name=display_name)


# Of a row that has its user's columns beside its own.
USER = Shape(User, id=node_id("User", "user_id"), email=column("email", "u"), display_name=column("display_name", "u"))
