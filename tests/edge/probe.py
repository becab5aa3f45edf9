"""A small schema with every kind of field the executor may meet, for the tests of the edge."""

import asyncio
import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.execution import optimized_is_awaitable
from strawberry.permission import BasePermission
from strawberry.types import Info

from graphql_schema.documents import Prepared
from graphql_schema.executor import LeafExecutor

SECRET = "postgresql://portal_app:hunter2@db"


@strawberry.enum
class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Nobody(BasePermission):
    message = "Nobody may see this."

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        return False


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Leafy(Named):
    id: strawberry.ID
    count: int | None
    ratio: float
    flag: bool
    price: Decimal
    at: datetime
    key: UUID
    colour: Colour
    maybe_colour: Colour | None
    tags: list[str]
    maybe_tags: list[str | None] | None
    forbidden: str | None = strawberry.field(permission_classes=[Nobody], default="hidden")
    renamed: str = strawberry.field(name="alias", default="renamed")

    @strawberry.field
    def computed(self) -> str:
        return f"computed {self.name}"

    @strawberry.field
    async def later(self) -> str:
        await asyncio.sleep(0)
        return f"later {self.name}"

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError(SECRET)

    @strawberry.field
    def broken_hard(self) -> str:
        raise RuntimeError(SECRET)

    @strawberry.field
    def refused(self) -> str | None:
        raise GraphQLError("Meant to be seen.", extensions={"code": "SEEN"})


@strawberry.type
class Other(Named):
    size: int


@strawberry.type
class LeafyEdge:
    cursor: str
    node: Leafy


@strawberry.type
class LeafyConnection:
    edges: list[LeafyEdge]
    nodes: list[Leafy]


@dataclass
class Odd:
    """Stands in for a Leafy, with values of the wrong kind."""

    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


def leafy(name: str = "one", **changes: Any) -> Leafy:
    """An object all of whose values fit; `changes` may break that."""
    made = Leafy(
        name=name,
        id=strawberry.ID(f"id-{name}"),
        count=7,
        ratio=0.5,
        flag=True,
        price=Decimal("1.500000"),
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        key=UUID(int=7),
        colour=Colour.RED,
        maybe_colour=None,
        tags=["a", "b"],
        maybe_tags=["a", None],
    )
    for attribute, value in changes.items():
        setattr(made, attribute, value)
    return made


async def _awaited() -> str:
    return "awaited"


ODD_VALUES: dict[str, Any] = {
    "name": [None, 5, RuntimeError(SECRET), _awaited, "a name"],
    "count": [None, 2**40, "seven", 3.5, True, 3],
    "ratio": [None, float("nan"), "half", 2],
    "flag": [None, "yes", 1],
    "price": [None, 5, "x", Decimal("NaN")],
    "at": [None, "2026", 5],
    "colour": [None, Colour.BLUE, "red", "green", 5],
    "maybe_colour": [None, Colour.BLUE, "green"],
    "tags": [None, [], ["a", None], ("a", "b"), "text", 5, [_awaited]],
    "maybe_tags": [None, [None], [5], [RuntimeError(SECRET)], {"a": 1}],
}


def _odd(attribute: str, index: int) -> Leafy:
    value = ODD_VALUES[attribute][index]
    value = [one() if callable(one) else one for one in value] if isinstance(value, list) else value
    return leafy(**{attribute: value() if callable(value) else value})


@strawberry.type
class Query:
    @strawberry.field
    def one(self) -> Leafy:
        return leafy()

    @strawberry.field
    def nothing(self) -> Leafy | None:
        return None

    @strawberry.field
    async def many(self, first: int = 25) -> LeafyConnection:
        await asyncio.sleep(0)
        nodes = [leafy(str(index)) for index in range(first)]
        return LeafyConnection(edges=[LeafyEdge(cursor=one.name, node=one) for one in nodes], nodes=nodes)

    @strawberry.field
    def mixed(self) -> list[Annotated[Leafy | Other, strawberry.union("Mixed")]]:
        return [leafy("first"), Other(name="other", size=3)]

    @strawberry.field
    def named(self) -> list[Named | None]:
        return [leafy("first"), None, Other(name="other", size=3)]

    @strawberry.field
    def odd(self, attribute: str, index: int) -> Leafy | None:
        """An object one of whose values may not be what its type says."""
        return _odd(attribute, index)

    @strawberry.field
    def crowd(self, attribute: str, index: int) -> LeafyConnection | None:
        """Plain objects within plain objects, one of them odd."""
        nodes = [leafy("a"), _odd(attribute, index), leafy("c")]
        return LeafyConnection(edges=[LeafyEdge(cursor="x", node=one) for one in nodes], nodes=nodes)

    @strawberry.field
    def misfits(self, kind: str) -> LeafyConnection | None:
        """A list that is none, or that holds what it may not."""
        nodes: dict[str, Any] = {
            "null": [leafy(), None],
            "other type": [leafy(), Other(name="x", size=1)],
            "tuple": (leafy(), leafy()),
            "generator": (leafy(str(number)) for number in range(3)),
            "dict": {"a": 1},
            "number": 5,
            "error": [leafy(), RuntimeError(SECRET)],
            "stand-in": [leafy(), Odd({"name": "x"})],
        }
        return LeafyConnection(edges=[], nodes=nodes[kind])

    @strawberry.field
    def incomplete(self) -> Leafy | None:
        whole = leafy()
        del whole.name
        return whole

    @strawberry.field
    def echo(self, text: str, number: int | None = None) -> str:
        return f"{text} {number}"

    @strawberry.field
    async def slow(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return True


writes: list[str] = []


@strawberry.type
class Mutation:
    @strawberry.mutation
    def write(self, text: str) -> Leafy:
        writes.append(text)
        return leafy(text)


schema = strawberry.Schema(Query, Mutation, types=[Other], execution_context_class=LeafExecutor)
plain_schema = strawberry.Schema(Query, Mutation, types=[Other])


def executor_of(
    schema: Any, prepared: Prepared, executor_class: Any, variables: dict[str, Any], context: Any, *, shared: bool
) -> Any:
    """An executor of a prepared document, with what operations of the document share or without, as the endpoint builds it."""
    return executor_class.build(
        schema,
        prepared.document,
        context_value=context,
        raw_variable_values=variables,
        is_awaitable=optimized_is_awaitable,
        operation_extensions=None,
        **({"shared": prepared.shared} if shared else {}),
    )
