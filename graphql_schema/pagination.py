"""Relay connections with keyset cursors: a page costs the same wherever it is, and nothing is skipped when rows are added."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import orjson
import strawberry
from graphql import GraphQLError

T = TypeVar("T")
C = TypeVar("C")
MAX_PAGE = 100
MAX_CURSOR_LENGTH = 200


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    @strawberry.field
    def edges(self) -> list[Edge[T]]:
        return [Edge(cursor=self.cursor(row), node=node) for row, node in zip(self.rows, self.nodes, strict=True)]

    nodes: list[T]
    page_info: PageInfo
    rows: strawberry.Private[Sequence[Any]]  # of the nodes
    cursor: strawberry.Private[Callable[[Any], str]]  # of a row: made where it is asked for


def check_first(first: int) -> int:
    """The page size, if it is from 0 to 100."""
    if not 0 <= first <= MAX_PAGE:
        raise GraphQLError(f"`first` must be from 0 to {MAX_PAGE}, not {first}.")
    return first


def encode_cursor(connection: str, *key: Any) -> str:
    """An opaque cursor: which connection it is of, and a row's sort key."""
    return base64.urlsafe_b64encode(orjson.dumps((connection, *key), default=str)).decode().rstrip("=")


def decode_cursor(connection: str, cursor: str | None, read: Callable[..., tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """The sort key in a cursor of that connection, its parts (strings) turned into values by `read`; None without a cursor."""
    if cursor is None:
        return None
    try:
        return read(*_key_in(connection, cursor))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise GraphQLError("`after` is not a cursor of this connection. Use an `endCursor` that it gave.") from None


def _key_in(connection: str, cursor: str) -> list[str]:
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise ValueError
    of, *key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    parts = [part for part in key if isinstance(part, str)]
    if of != connection or parts != key:
        raise ValueError
    return parts


def page(
    kind: type[C],
    rows: Sequence[Any],
    first: int,
    *,
    after: bool,
    nodes: Callable[[Sequence[Any]], Sequence[Any]],
    cursor: Callable[[Any], str],
    **more: Any,
) -> C:
    """A connection of type `kind` out of up to `first` + 1 rows: the one too many says that there is a next page."""
    shown = rows[:first]
    make: Callable[..., C] = kind
    return make(
        nodes=nodes(shown),
        rows=shown,
        cursor=cursor,
        page_info=page_info(rows, first, after=after, cursor=cursor),
        **more,
    )


def page_info(rows: Sequence[Any], first: int, *, after: bool, cursor: Callable[[Any], str]) -> PageInfo:
    """Of a page out of up to `first` + 1 rows, or their keys."""
    shown = rows[:first]
    return PageInfo(
        has_next_page=len(rows) > first,
        has_previous_page=after,
        start_cursor=cursor(shown[0]) if shown else None,
        end_cursor=cursor(shown[-1]) if shown else None,
    )
