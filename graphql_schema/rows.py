"""Objects of the API out of rows: for each type one table says where its attributes come from.

The table serves twice. `Shape.build` makes the object, for resolvers and for graphql-core. `Shape.select` writes SQL that gives the
selected fields of a row as the answer holds them: then PostgreSQL writes a page's JSON, and neither rows nor objects are made of it here
(docs/adr/0005). Both give the same answers: tests/graphql/test_written_pages.py.

In the SQL, `r` is the row, `u` its user, `d.today` the pool's date; `:name` is a parameter that its viewpoint knows (viewpoints.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property, partial
from typing import Any, Generic, TypeVar, overload

from orjson import Fragment

from app.rules.node_ids import node_id as opaque_id
from graphql_schema.selections import Selection, SurprisingValueError
from graphql_schema.viewpoints import Viewpoint

T = TypeVar("T")
Row = Mapping[str, Any]  # of JSON: ids, dates and credits are text, times too, in UTC without saying so
Read = Callable[[Any, Viewpoint], Any]  # of a row
_WITH_MICROSECONDS = len("2026-11-26T14:17:12.375658")
_LONGEST_NAME = 63  # of a column, in bytes: PostgreSQL cuts off the rest


class Source:
    """Where an attribute comes from: a column, a function of a column's value, or a function of the row and who looks at it.

    What it gives is what the answer holds (a UUID's opaque id, an enum's name, credits as text); `parse` makes of that what an object
    holds, `sql` says the same in SQL. None stays None.
    """

    def __init__(
        self,
        column: str = "",
        through: Callable[[Any], Any] | None = None,
        *,
        computed: Read | None = None,
        parse: Callable[[Any], Any] | None = None,
        sql: str = "",
    ) -> None:
        self.column = column
        self.through = through
        self.computed = computed
        self.parse = parse
        self.sql = sql

    def value(self, row: Row, viewpoint: Viewpoint) -> Any:
        """The attribute of the object."""
        if self.computed is not None:
            answer = self.computed(row, viewpoint)
        else:
            answer = row[self.column]
            if self.through is not None and answer is not None:
                answer = self.through(answer)
        return answer if self.parse is None or answer is None else self.parse(answer)


class Part:
    """An object within the object: of the same row, or of what `of` makes of it (None: there is none, which `where` says in SQL)."""

    def __init__(self, shape: "Shape[Any]", of: Read | None = None, *, where: str = "") -> None:
        self.shape = shape
        self.of = of
        self.where = where

    def value(self, row: Row, viewpoint: Viewpoint) -> Any:
        """The object."""
        inner = row if self.of is None else self.of(row, viewpoint)
        return None if inner is None else self.shape.build(inner, viewpoint)


def column(name: str, table: str = "r") -> Source:
    """Text or a number, as it is."""
    return Source(name, sql=f"{table}.{name}")


def credit_text(column: str, sql: str = "") -> Source:
    """Credits out of a column of text: no Decimal is made only to be written out again."""
    return Source(column, parse=Decimal, sql=sql or f"r.{column}::text")


def node_id(type_name: str, column: str = "id") -> Source:
    """The opaque id of the thing whose UUID stands in a column. Names and UUIDs have no character whose base64 is not safe in URLs."""
    encoded = f"encode(('{type_name}:' || r.{column})::bytea, 'base64')"
    return Source(column, partial(opaque_id, type_name), sql=f"rtrim({encoded}, '=')")


def time(column: str) -> Source:
    """A time, as Python writes it: with all six places of its microseconds, or none."""
    return Source(column, as_time, parse=datetime.fromisoformat, sql=time_text(f"r.{column}"))


def as_time(text: str) -> str:
    """A row's time with its zone."""
    return f"{text}+00:00" if len(text) == _WITH_MICROSECONDS else f"{datetime.fromisoformat(text).isoformat()}+00:00"


def time_text(expression: str) -> str:
    """The SQL for it."""
    text = f"""to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')"""
    return f"replace({text}, '.000000', '')"


def enum(kind: type[Enum], column: str) -> Source:
    """A member of an enum by its value in a column."""
    names = {one.value: one.name for one in kind}
    sql = f"upper(r.{column})" if all(name == value.upper() for value, name in names.items()) else ""
    return Source(column, names.__getitem__, parse=kind.__members__.__getitem__, sql=sql)


class Shape(Generic[T]):
    """How objects of one type of the API are read out of rows."""

    def __init__(self, type_: type[T], /, **sources: Source | Part) -> None:
        self._type = type_
        self._sources: Mapping[str, Source | Part] = sources

    def build(self, row: Row, viewpoint: Viewpoint) -> T:
        """The object."""
        return self._type(**{name: source.value(row, viewpoint) for name, source in self._sources.items()})

    def select(self, selection: Selection) -> str | None:
        """SQL for a record that holds the answer to a selection; None where a field has none."""
        columns = []
        for field in selection.fields:
            source = self._sources[field.attribute] if field.attribute else None
            expression = _expression(source, field.inner) if source else f"'{field.read(None)}'"  # __typename
            if not expression or len(field.response_name) > _LONGEST_NAME:
                return None
            columns.append(f'{expression} AS "{field.response_name}"')
        # GraphQL's names have letters, digits and _: none is the record's own, which a column of its name would hide.
        return f"""(SELECT "a row" FROM (SELECT {", ".join(columns)}) "a row")"""  # noqa: S608


def _expression(source: Source | Part, inner: Selection | None) -> str | None:
    if isinstance(source, Source):
        return source.sql
    assert inner is not None  # noqa: S101  (an object has fields)
    record = source.shape.select(inner)
    if source.of is None or record is None:
        return record
    return f"CASE WHEN {source.where} THEN {record} END" if source.where else None


class Rows(Sequence[T]):
    """A list of objects that are still rows: made where a resolver or graphql-core asks for them."""

    def __init__(self, shape: Shape[T], rows: Sequence[Row], viewpoint: Viewpoint) -> None:
        self._shape = shape
        self._rows = rows
        self._viewpoint = viewpoint

    @cached_property
    def _objects(self) -> list[T]:
        return [self._shape.build(row, self._viewpoint) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._objects[index]


class Written:
    """A list whose answer PostgreSQL has written, one object a line, to one selection."""

    def __init__(self, selection: Selection, lines: str) -> None:
        self._selection = selection
        self._lines = lines

    def answer(self, selection: Selection) -> Fragment:
        """The list's JSON; raises SurprisingValueError for another selection."""
        if selection is not self._selection:
            raise SurprisingValueError
        commas = self._lines.replace("\n", ",")
        return Fragment(f"[{commas}]")
