"""The fast path of execution: an object's plain leaf fields are read in one loop, everything else is left to graphql-core.

graphql-core spends some 5 microseconds on each field (path, info, arguments, three checks for awaitables): most of a page's time for
values that are an attribute and a serializer. What this loop does has no side effect, so that at the first surprise (an error, a null that
may not be, an awaitable, a value of an unexpected type) graphql-core does the whole object over, and says what there is to say.
"""

from collections.abc import Awaitable, Callable
from operator import attrgetter
from types import CoroutineType, GeneratorType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    TypeNameMetaFieldDef,
    Undefined,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

GroupedFieldSet = dict[str, list[Any]]  # response name -> the field's nodes (graphql.execution.collect_fields)
Complete = Callable[[Any], Any]


class Leaf(NamedTuple):
    """How one trivial field is resolved."""

    read: Callable[[Any], Any]  # from the source object
    complete: Complete  # the serializer; raises where graphql-core must look
    nullable: bool


class Plan(NamedTuple):
    """How one selection set of one type is resolved: the leaves here, the rest by graphql-core."""

    fields: GroupedFieldSet  # kept, because plans are found by its identity
    leaves: tuple[tuple[str, Leaf], ...]
    rest: GroupedFieldSet


class SurprisingValueError(Exception):
    """graphql-core must look at this object."""


class LeafExecutor(StrawberryGraphQLCoreExecutionContext):
    """Give it to strawberry.Schema as `execution_context_class`. Every answer is the same, byte for byte (tests/edge/test_executor.py)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[int, Plan] = {}
        self._leaves = _leaves_of(self.schema)
        middleware = self.middleware_manager  # it would see every field
        self._direct = middleware is None or not middleware.middlewares

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """Execute one object's fields; graphql-core calls it for every object but a mutation's root."""
        plan = self._plans.get(id(grouped_field_set)) or self._planned(parent_type, grouped_field_set)
        if not plan.leaves:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        try:
            results = _read(plan.leaves, source_value)
        except Exception:  # noqa: BLE001  (whatever it is, graphql-core comes upon it again and reports it)
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        if not plan.rest:
            return results
        rest = super().execute_fields(parent_type, source_value, path, plan.rest, position_context)
        if self.is_awaitable(rest):
            return _merged_later(grouped_field_set, results, rest)
        return _merged(grouped_field_set, results, rest)

    def _planned(self, parent_type: GraphQLObjectType, fields: GroupedFieldSet) -> Plan:
        leaves: list[tuple[str, Leaf]] = []
        rest: GroupedFieldSet = {}
        for response_name, details in fields.items():
            leaf = self._leaf(parent_type, details[0].node.name.value) if self._direct else None
            if leaf is None:
                rest[response_name] = details
            else:
                leaves.append((response_name, leaf))
        plan = self._plans[id(fields)] = Plan(fields, tuple(leaves), rest)
        return plan

    def _leaf(self, parent_type: GraphQLObjectType, field_name: str) -> Leaf | None:
        key = (parent_type.name, field_name)
        if key not in self._leaves:
            definition = self.schema.get_field(parent_type, field_name)
            self._leaves[key] = _leaf_of(parent_type, definition) if definition else None
        return self._leaves[key]


def _read(leaves: tuple[tuple[str, Leaf], ...], source: Any) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for response_name, (read, complete, nullable) in leaves:
        value = read(source)
        if value is not None:
            if type(value) not in _settled:
                _settle(type(value))
            value = complete(value)
            if value is None or value is Undefined:
                raise SurprisingValueError
        elif not nullable:
            raise SurprisingValueError
        results[response_name] = value
    return results


def _merged(fields: GroupedFieldSet, leaves: dict[str, Any], rest: Any) -> dict[str, Any]:
    """The answer's fields stand in the order of the question."""
    return {name: leaves[name] if name in leaves else rest[name] for name in fields if name in leaves or name in rest}


async def _merged_later(fields: GroupedFieldSet, leaves: dict[str, Any], rest: Awaitable[Any]) -> dict[str, Any]:
    return _merged(fields, leaves, await rest)


_leaves_by_schema: WeakKeyDictionary[GraphQLSchema, dict[tuple[str, str], Leaf | None]] = WeakKeyDictionary()


def _leaves_of(schema: GraphQLSchema) -> dict[tuple[str, str], Leaf | None]:
    return _leaves_by_schema.setdefault(schema, {})


def _leaf_of(parent_type: GraphQLObjectType, definition: GraphQLField) -> Leaf | None:
    """The way of a field that is an attribute and a scalar, an enum or a list of them; None for any other."""
    if definition is TypeNameMetaFieldDef:
        return Leaf(lambda _source: parent_type.name, str, nullable=False)
    field = definition.extensions.get("strawberry-definition")
    if not isinstance(field, StrawberryField) or not _is_an_attribute(field):
        return None
    complete = _completion(definition.type)
    return complete and Leaf(attrgetter(field.python_name), complete, not is_non_null_type(definition.type))


def _is_an_attribute(field: StrawberryField) -> bool:
    return (
        field.is_basic_field  # no resolver, no field extensions (permissions are such)
        and not field.is_subscription
        and field.default_resolver is getattr
        and type(field).get_result is StrawberryField.get_result
    )


def _completion(type_: GraphQLOutputType) -> Complete | None:
    inner: Any = type_.of_type if is_non_null_type(type_) else type_
    if is_leaf_type(inner):
        return inner.coerce_output_value
    if not is_list_type(inner):
        return None
    complete = _completion(inner.of_type)
    return complete and _list_of(complete, nullable=not is_non_null_type(inner.of_type))


def _list_of(complete: Complete, *, nullable: bool) -> Complete:
    def complete_list(values: Any) -> list[Any]:
        if type(values) is not list and type(values) is not tuple:
            raise SurprisingValueError
        completed = []
        for value in values:
            if type(value) not in _settled:
                _settle(type(value))
            one = None if value is None else complete(value)
            if one is Undefined or (one is None and not (nullable and value is None)):
                raise SurprisingValueError
            completed.append(one)
        return completed

    return complete_list


_settled: set[type] = {str, int, float, bool, list, tuple, type(None)}


def _settle(type_: type) -> None:
    """Remember that values of this type are themselves: neither awaitables nor exceptions in place of a value."""
    if issubclass(type_, CoroutineType | GeneratorType | BaseException):
        raise SurprisingValueError
    # Looked up in the classes themselves: an enum's metaclass has a __getattr__, which says nothing about its members.
    if any("__await__" in vars(one) or "__getattr__" in vars(one) for one in type_.__mro__):
        raise SurprisingValueError
    _settled.add(type_)
