"""Objects of the API out of rows: for each type one table says where its attributes come from.

The table serves twice. `Shape.build` makes the object, for resolvers and for graphql-core. `Shape.writer` makes a function that writes the
selected fields of a row as JSON, without an object between: a page of 25 members has 450 of them, and each object, attribute, serializer
and dictionary that is not there is time of a whole process (docs/adr/0005).
Both give the same answers: tests/edge/test_page_documents.py.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property, partial
from json.encoder import encode_basestring
from typing import Any, Generic, TypeVar, overload

from orjson import Fragment

from app.rules.node_ids import node_id as opaque_id
from graphql_schema.selections import Plain, Selection, SurprisingValueError
from graphql_schema.viewpoints import Viewpoint

T = TypeVar("T")
Row = Mapping[str, Any]  # of JSON: ids, dates and credits are text, times too, in UTC without saying so
Read = Callable[[Any, Viewpoint], Any]  # of a row
Write = Callable[[Any, Viewpoint], str]  # a row's JSON
_WITH_MICROSECONDS = len("2026-11-26T14:17:12.375658")


class Source:
    """Where an attribute comes from: a column, a function of a column's value, or a function of the row and who looks at it.

    What it gives is what the answer holds (a UUID's opaque id, an enum's name, credits as text); `parse` makes of that what an object
    holds, `written` its JSON: without, it is text that needs no escapes. None stays None.
    """

    def __init__(
        self,
        column: str = "",
        through: Callable[[Any], Any] | None = None,
        *,
        computed: Read | None = None,
        parse: Callable[[Any], Any] | None = None,
        written: Callable[[Any], str] | None = None,
    ) -> None:
        self.column = column
        self.through = through
        self.computed = computed
        self.parse = parse
        self.written = written

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
    """An object within the object: of the same row, or of what `of` makes of it (None: there is none)."""

    def __init__(self, shape: "Shape[Any]", of: Read | None = None) -> None:
        self.shape = shape
        self.of = of

    def value(self, row: Row, viewpoint: Viewpoint) -> Any:
        """The object."""
        inner = row if self.of is None else self.of(row, viewpoint)
        return None if inner is None else self.shape.build(inner, viewpoint)


def text(column: str) -> Source:
    """What people wrote."""
    return Source(column, written=encode_basestring)


def number(column: str) -> Source:
    """A whole number."""
    return Source(column, written=int.__repr__)


def truth(computed: Read) -> Source:
    """Yes or no."""
    return Source(computed=computed, written=lambda value: "true" if value else "false")


def credit_text(column: str) -> Source:
    """Credits out of a column of text: no Decimal is made only to be written out again."""
    return Source(column, parse=Decimal)


def node_id(type_name: str, column: str = "id") -> Source:
    """The opaque id of the thing whose UUID stands in a column."""
    return Source(column, partial(opaque_id, type_name))


def time(column: str) -> Source:
    """A time, as Python writes it: with all six places of its microseconds, or none."""
    return Source(column, as_time, parse=datetime.fromisoformat)


def as_time(text: str) -> str:
    """A row's time with its zone."""
    return f"{text}+00:00" if len(text) == _WITH_MICROSECONDS else f"{datetime.fromisoformat(text).isoformat()}+00:00"


def enum(kind: type[Enum], column: str) -> Source:
    """A member of an enum by its value in a column."""
    return Source(column, {one.value: one.name for one in kind}.__getitem__, parse=kind.__members__.__getitem__)


class Shape(Generic[T]):
    """How objects of one type of the API are read out of rows."""

    def __init__(self, type_: type[T], /, **sources: Source | Part) -> None:
        self._type = type_
        self._sources: Mapping[str, Source | Part] = sources

    def build(self, row: Row, viewpoint: Viewpoint) -> T:
        """The object."""
        return self._type(**{name: source.value(row, viewpoint) for name, source in self._sources.items()})

    def writer(self, selection: Selection) -> Write:
        """A function that writes the answer to a selection for a row; it raises SurprisingValueError for a null that may not be."""
        found = selection.writers.get(self)
        if found is None:
            found = selection.writers[self] = self._writer(selection)
        return found

    def _writer(self, selection: Selection) -> Write:
        """Compiled, as dataclasses are: a loop over the fields takes three times as long."""
        known: dict[str, Any] = {"Surprising": SurprisingValueError}
        lines, required, answer = [], [], []
        for number, field in enumerate(selection.fields):
            name = f"a{number}"
            if field.attribute is None:  # __typename
                answer.append(f'"{field.response_name}":"{field.read(None)}"')
                continue
            source = self._sources[field.attribute]
            lines.append(f"    {name} = {_expression(source, field, f'f{number}', known)}")
            if field.nullable:
                lines.append(f"    if {name} is None: {name} = 'null'")
            else:
                required.append(f"{name} is None")
            answer.append(f'"{field.response_name}":{{{name}}}')
        check = [f"    if {' or '.join(required)}: raise Surprising"] if required else []
        text = "\n".join(["def write(row, viewpoint):", *lines, *check, f"    return f'{{{{{','.join(answer)}}}}}'"])
        exec(text, known)  # noqa: S102  (names of GraphQL and of columns, as literals)
        write: Write = known["write"]
        return write


def _expression(source: Source | Part, field: Plain, name: str, known: dict[str, Any]) -> str:
    """A field's answer as JSON, in Python; what it calls is put under `name` into what is known."""
    if isinstance(source, Part):
        assert field.inner is not None  # noqa: S101  (an object has fields)
        known[name] = source.shape.writer(field.inner)
        if source.of is None:
            return f"{name}(row, viewpoint)"
        known[f"{name}_of"] = source.of
        return f"None if (inner := {name}_of(row, viewpoint)) is None else {name}(inner, viewpoint)"
    known[name], known[f"{name}_written"] = source.computed or source.through, source.written
    value = f"row[{source.column!r}]"
    if source.computed is not None:
        value = f"{name}(row, viewpoint)"
    given = "value" if source.through is None else f"{name}(value)"
    written = f"f'\"{{{given}}}\"'" if source.written is None else f"{name}_written({given})"
    return f"None if (value := {value}) is None else {written}"


class Rows(Sequence[T]):
    """A list of objects that are still rows: made where a resolver or graphql-core asks for them."""

    def __init__(self, shape: Shape[T], rows: Sequence[Row], viewpoint: Viewpoint) -> None:
        self._shape = shape
        self._rows = rows
        self._viewpoint = viewpoint

    @cached_property
    def _objects(self) -> list[T]:
        return [self._shape.build(row, self._viewpoint) for row in self._rows]

    def written(self, selection: Selection) -> Fragment:
        """What the answer holds for them, as JSON."""
        write, viewpoint = self._shape.writer(selection), self._viewpoint
        return Fragment(f"[{','.join([write(row, viewpoint) for row in self._rows])}]")

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
