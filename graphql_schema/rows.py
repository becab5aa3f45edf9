"""Objects of the API out of rows: for each type one table says where its attributes come from.

The table serves twice. `Shape.build` makes the object, for resolvers and for graphql-core. `Shape.reader` makes a function that reads the
selected fields of a row as the answer holds them, without an object between: a page of 25 members has 450 of them, and each object,
attribute and serializer that is not there is time of a whole process (docs/adr/0005).
Both give the same answers: tests/edge/test_page_documents.py.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from operator import itemgetter
from typing import Any, Generic, TypeVar, overload

from asyncpg import Record

from graphql_schema.node import to_id
from graphql_schema.selections import Selection, SurprisingValueError
from graphql_schema.viewpoints import Viewpoint

T = TypeVar("T")
Read = Callable[[Record, Viewpoint], Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attribute comes from: a column that is the answer as it stands, or a function of the row; and how an object holds it."""

    answer: str | Read
    parse: Callable[[Any], Any] | None = None  # of an answer that is not None

    def value(self, row: Record, viewpoint: Viewpoint) -> Any:
        """The attribute of the object."""
        answer = row[self.answer] if isinstance(self.answer, str) else self.answer(row, viewpoint)
        return answer if self.parse is None or answer is None else self.parse(answer)


@dataclass(frozen=True, slots=True)
class Part:
    """An object within the object, of the same row; None where the row lacks it (`present` is a column or a function)."""

    shape: "Shape[Any]"
    present: str | Read | None = None

    def value(self, row: Record, viewpoint: Viewpoint) -> Any:
        return self.shape.build(row, viewpoint) if self.is_present(row, viewpoint) else None

    def is_present(self, row: Record, viewpoint: Viewpoint) -> bool:
        if self.present is None:
            return True
        found = row[self.present] if isinstance(self.present, str) else self.present(row, viewpoint)
        return found is not None and found is not False


def node_id(type_name: str, column: str = "id") -> Source:
    """The opaque id of the thing whose UUID stands in a column."""
    return Source(lambda row, _: to_id(type_name, row[column]))


def enum(kind: type[Enum], column: str) -> Source:
    """A member of an enum by its value in a column that is not null."""
    names = {one.value: one.name for one in kind}
    return Source(lambda row, _: names[row[column]], kind.__members__.__getitem__)


class Shape(Generic[T]):
    """How objects of one type of the API are read out of rows."""

    def __init__(self, type_: type[T], /, **sources: Source | Part) -> None:
        self._type = type_
        self._sources: Mapping[str, Source | Part] = sources

    def build(self, row: Record, viewpoint: Viewpoint) -> T:
        """The object."""
        return self._type(**{name: source.value(row, viewpoint) for name, source in self._sources.items()})

    def reader(self, selection: Selection) -> Read:
        """A function that gives the answer to a selection for a row; it raises SurprisingValueError for a null that may not be."""
        found = selection.readers.get(self)
        if found is None:
            found = selection.readers[self] = self._reader(selection)
        return found

    def _reader(self, selection: Selection) -> Read:
        columns: list[
            str
        ] = []  # a computed field has a place among them, so that the answer is in the order of the question
        required: list[str] = []
        computed: list[tuple[str, Read, bool]] = []
        for field in selection.fields:
            source = self._sources.get(field.attribute) if field.attribute else None
            if isinstance(source, Source) and isinstance(source.answer, str):
                columns.append(source.answer)
                if not field.nullable:
                    required.append(source.answer)
            else:
                columns.append("id")
                computed.append((field.response_name, _computed(source, field.inner, field.read), field.nullable))
        return _reading([one.response_name for one in selection.fields], columns, required, computed)


def _computed(source: Source | Part | None, inner: Selection | None, constant: Callable[[Any], Any]) -> Read:
    if source is None:  # __typename
        name = constant(None)
        return lambda _row, _viewpoint: name
    if isinstance(source, Source):
        assert not isinstance(source.answer, str)  # noqa: S101  (a column is read with its fellows)
        return source.answer
    if inner is None:
        raise SurprisingValueError
    read = source.shape.reader(inner)
    if source.present is None:
        return read
    return lambda row, viewpoint: read(row, viewpoint) if source.is_present(row, viewpoint) else None


def _reading(names: list[str], columns: list[str], required: list[str], computed: list[tuple[str, Read, bool]]) -> Read:
    pick = itemgetter(*columns, "id")  # two at least, so that it gives a tuple
    must = itemgetter(*required, "id", "id")

    def read(row: Record, viewpoint: Viewpoint) -> dict[str, Any]:
        if None in must(row):
            raise SurprisingValueError
        answer = dict(zip(names, pick(row), strict=False))
        for name, make, nullable in computed:
            answer[name] = value = make(row, viewpoint)
            if value is None and not nullable:
                raise SurprisingValueError
        return answer

    return read


class Rows(Sequence[T]):
    """A list of objects that are still rows: made where a resolver or graphql-core asks for them."""

    def __init__(self, shape: Shape[T], rows: Sequence[Record], viewpoint: Viewpoint) -> None:
        self._shape = shape
        self._rows = rows
        self._viewpoint = viewpoint

    @cached_property
    def _objects(self) -> list[T]:
        return [self._shape.build(row, self._viewpoint) for row in self._rows]

    def answers(self, selection: Selection) -> list[dict[str, Any]]:
        """What the answer holds for them."""
        read, viewpoint = self._shape.reader(selection), self._viewpoint
        return [read(row, viewpoint) for row in self._rows]

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
