"""What the fast path knows of a document: which fields of an object are selected, and how each is read (executor.py, rows.py)."""

from collections.abc import Callable
from types import CoroutineType, GeneratorType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from graphql import GraphQLObjectType, Undefined
from orjson import Fragment

Read = Callable[[Any], Any]
# A value that is not None -> what the answer holds; raises where graphql-core must look.
Complete = Callable[[Any], Any]


_settled: set[type] = {str, int, float, bool, list, tuple}


# Metadata of fields that ask somebody outside: the direct path, which may begin anew, leaves them alone.
ASKED_ONCE = {"asked_once": True}


class Within(NamedTuple):
    """What is asked of a field that a document has within another one: its plain fields, and the Python names of the others."""

    plain: tuple["Plain", ...]
    others: frozenset[str]


# Told the context, a field's arguments, and by their Python names those of its fields that have resolvers.
Expect = Callable[[Any, dict[str, Any], dict[str, dict[str, Any]]], None]


def reads_ahead(prepare: Callable[[dict[str, Within]], Expect | None]) -> dict[str, Any]:
    """Metadata of a root field. `prepare` is told once for a document what is asked within the field; what it returns is called each time
    before the direct path resolves the field, so that one statement reads what several would."""
    return {"reads_ahead": prepare}


class SurprisingValueError(Exception):
    """graphql-core must look at this object."""


class Plain(NamedTuple):
    """How one plain field is resolved."""

    response_name: str
    attribute: str | None  # of the source object; None for __typename
    read: Read  # from the source object
    complete: Complete
    nullable: bool
    unchanged: type | None  # values of exactly this type go into the answer as they are
    inner: "Selection | None"  # of the object, or of each object of the list, that the field holds


class Selection:
    """The selected fields of one object type, all of them plain. It lives as long as its document."""

    def __init__(self, fields: tuple[Plain, ...]) -> None:
        self.fields = fields


class Lasting(list[Any]):
    """A list of objects that never change: what a selection makes of them is made once."""

    __slots__ = ("__weakref__", "answers")

    def __init__(self, objects: Any) -> None:
        super().__init__(objects)
        self.answers: WeakKeyDictionary[Selection, Fragment] = WeakKeyDictionary()


def read_plain(fields: tuple[Plain, ...], source: Any) -> dict[str, Any]:
    """What the answer holds for an object's plain fields. Raises at the first surprise."""
    results: dict[str, Any] = {}
    for response_name, _, read, complete, nullable, unchanged, _ in fields:
        value = read(source)
        if type(value) is unchanged:
            pass
        elif value is not None:
            if type(value) not in _settled:
                settle(type(value))
            value = complete(value)
            if value is None or value is Undefined:
                raise SurprisingValueError
        elif not nullable:
            raise SurprisingValueError
        results[response_name] = value
    return results


def has_its_own_type_test(type_: GraphQLObjectType) -> bool:
    """Strawberry's own `is_type_of` asks for nothing but the object; another one may ask for the `info` that is not made here."""
    definition = type_.extensions.get("strawberry-definition")
    return definition is None or getattr(definition, "is_type_of", None) is not None


def settle(type_: type) -> None:
    """Make sure that values of this type are themselves: neither awaitables nor exceptions in place of a value."""
    if type_ in _settled:
        return
    if issubclass(type_, CoroutineType | GeneratorType | BaseException):
        raise SurprisingValueError
    # Looked up in the classes themselves: an enum's metaclass has a __getattr__, which says nothing about its members.
    if any("__await__" in vars(one) or "__getattr__" in vars(one) for one in type_.__mro__):
        raise SurprisingValueError
    _settled.add(type_)
