"""What the fast path knows of a document: which fields of an object are selected, and how each is read (executor.py, rows.py)."""

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

Read = Callable[[Any], Any]
# A value that is not None -> what the answer holds; raises where graphql-core must look.
Complete = Callable[[Any], Any]


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
        self.readers: dict[Any, Any] = {}  # by the shape of the rows (rows.py)


class Lasting(list[Any]):
    """A list of objects that never change: what a selection makes of them is made once."""

    __slots__ = ("__weakref__", "answers")

    def __init__(self, objects: Any) -> None:
        super().__init__(objects)
        self.answers: WeakKeyDictionary[Selection, list[Any]] = WeakKeyDictionary()
