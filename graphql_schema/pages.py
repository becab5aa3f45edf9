"""Pages that are read with their pool: PostgreSQL writes the answer of their nodes, and only of the fields that are asked (docs/adr/0005).

A dashboard's members and entries are a thousand values. Read as rows each of them is parsed, made an attribute and written out again;
written where it is read, it is passed on as it is. A page that cannot be written in SQL is left to its loader.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record
from graphql import GraphQLError

from app.auth.actor import Actor, with_memberships
from app.rules.permissions import Permission
from app.tenancy import Read
from graphql_schema.context import Context
from graphql_schema.members import MEMBER, PoolMemberConnection
from graphql_schema.node import uuid_of
from graphql_schema.pagination import Connection, check_first, decode_cursor, encode_cursor, page_info
from graphql_schema.rows import Shape, Written
from graphql_schema.selections import Expect, Selection, Within
from graphql_schema.statements import pool_with
from graphql_schema.transactions import TRANSACTION, CreditTransactionConnection
from graphql_schema.viewpoints import Viewpoint

PageKey = tuple[UUID, int, str | None]  # pool, first, after

_SHAPES: Mapping[str, Shape[Any]] = {"members": MEMBER, "transactions": TRANSACTION}


class Page(NamedTuple):
    """A page of one of a pool's connections: what is asked of its nodes, its loader's key, and the statement's parameters for it."""

    connection: str
    selection: Selection
    key: PageKey
    parameters: dict[str, Any]

    def built(self, row: Record) -> Connection[Any]:
        """The connection, out of the pool's row."""
        pool_id, first, after = self.key
        lines, keys = row[self.connection] or "", (row[f"{self.connection}_keys"] or "").splitlines()
        if len(keys) > first:
            lines = lines[: max(lines.rfind("\n"), 0)]
        nodes: Any = Written(self.selection, lines)
        info = page_info(keys, first, after=after is not None, cursor=self._cursor)
        if self.connection == "members":
            return PoolMemberConnection(nodes=nodes, page_info=info, rows=(), cursor=str, pool_key=pool_id)
        return CreditTransactionConnection(nodes=nodes, page_info=info, rows=(), cursor=str)

    def _cursor(self, key: str) -> str:
        return encode_cursor(self.connection, *key.split())


class Ahead(NamedTuple):
    """One pool with pages that will be asked of it: an operation's opening (app/auth/actor.py)."""

    pool_id: UUID
    now: datetime
    statement: Read
    pages: list[Page]

    def parameters(self, actor: Actor) -> dict[str, Any]:
        """The statement's, but for who acts."""
        given = Viewpoint(actor, self.pool_id, self.now).parameters
        given |= {"pool": self.pool_id, "own": only_of(actor, self.pool_id)}
        for one in self.pages:
            given |= one.parameters
        return given


def pages_ahead(within: Mapping[str, Within]) -> Expect | None:
    """For `reads_ahead`: which of a pool's pages a document asks in a way that can be written in SQL."""
    selections = {name: nodes for name in _SHAPES if name in within and (nodes := _nodes(within[name])) is not None}
    written = {name: sql for name, nodes in selections.items() if (sql := _SHAPES[name].select(nodes)) is not None}
    if not written:
        return None
    statement = with_memberships(pool_with(written))

    def expect(context: Context, arguments: dict[str, Any], fields: dict[str, dict[str, Any]]) -> None:
        pool_id = uuid_of(arguments["id"], "CreditPool")
        if pool_id is None:
            return
        try:
            pages = [
                _page(name, selections[name], (pool_id, fields[name]["first"], fields[name].get("after")))
                for name in written
            ]
        except GraphQLError:  # its loader says so, if it comes to that
            return
        context.ahead = Ahead(pool_id, context.now, statement, pages)

    return expect


def _page(connection: str, selection: Selection, key: PageKey) -> Page:
    """Raises GraphQLError for a page size or a cursor that is none."""
    _, first, after = key
    rows = check_first(first) + 1
    if connection == "members":
        at, member_id = time_and_id_of("members", after)
        return Page(connection, selection, key, {"member_rows": rows, "member_time": at, "member_id": member_id})
    return Page(connection, selection, key, {"transaction_rows": rows, "sequence": sequence_of(after)})


def _nodes(connection: Within) -> Selection | None:
    """What is asked of a connection's nodes, if they are asked once, and not as edges too."""
    found = [field.inner for field in connection.plain if field.attribute == "nodes"]
    return found[0] if len(found) == 1 and "edges" not in connection.others else None


def only_of(actor: Actor, pool_id: UUID) -> UUID | None:
    """Whose entries of a pool the actor sees; None: everybody's."""
    return None if actor.can(pool_id, Permission.VIEW_OTHER_USAGE) else actor.user_id


def sequence_of(cursor: str | None) -> int | None:
    """The entry after whose sequence a page begins. Raises GraphQLError."""
    after = decode_cursor("transactions", cursor, _sequence)
    return after[0] if after else None


def time_and_id_of(connection: str, cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """The time and the id after which a page begins. Raises GraphQLError."""
    after = decode_cursor(connection, cursor, _time_and_id)
    return (after[0], after[1]) if after else (None, None)


def _sequence(text: str) -> tuple[int]:
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError
    return (number,)


def _time_and_id(at: str, key: str) -> tuple[datetime, UUID]:
    return datetime.fromisoformat(at).astimezone(UTC), UUID(key)
