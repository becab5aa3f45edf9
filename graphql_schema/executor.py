"""The fast path of execution: plain fields are read in one loop, everything else is left to graphql-core.

graphql-core spends some 5 microseconds on each field (path, info, arguments, three checks for awaitables): most of a
page's time, for values that are an attribute and a serializer. A field is plain when it has no resolver and no field
extension and is of a scalar, an enum, an object whose selected fields are all plain, or a list of these. Reading plain
fields has no side effect; so at the first surprise (an error, a null that may not be, an awaitable, a value of an
unexpected type) graphql-core does the whole object over, and says what there is to say.
"""

from collections.abc import Awaitable, Callable
from functools import cache, lru_cache, partial
from operator import attrgetter
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    OperationType,
    TypeNameMetaFieldDef,
    Undefined,
    default_field_resolver,
    default_type_resolver,
    get_nullable_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import Path
from orjson import Fragment
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

from graphql_schema.direct import Course, course_of
from graphql_schema.direct_mutations import mutation_course
from graphql_schema.inputs import Ready, ready
from graphql_schema.rows import Rows, Written
from graphql_schema.selections import (
    Complete,
    Lasting,
    Plain,
    Read,
    Selection,
    SurprisingValueError,
    has_its_own_type_test,
    read_plain,
    settle,
)

MAX_NAMES = 64  # of operations in one document
_PASSED_ON = {
    "is_awaitable",
    "hide_suggestions",
    "operation_extensions",
    "shared",
}  # arguments that `build` only hands on
FieldDetails = list[Any]  # the field's nodes (graphql.execution.collect_fields)
GroupedFieldSet = dict[str, FieldDetails]  # by response name


class Plan(NamedTuple):
    """How one selection set of one type is resolved: the plain fields here, the rest by graphql-core."""

    fields: GroupedFieldSet  # kept, because plans are found by its identity
    plain: Selection
    rest: GroupedFieldSet


class Shared:
    """What operations of one document have in common, if nothing in it depends on variables (@skip, @include): its fields,
    collected once, and their plans. It lives as long as the document, whose nodes' identities are the keys."""

    def __init__(self) -> None:
        self.roots: dict[int, GroupedFieldSet] = {}
        self.sub_fields: dict[Any, Any] = {}
        self.plans: dict[int, Plan] = {}
        # With the field's details, so that their identity stays.
        self.lists: dict[int, tuple[FieldDetails, Complete | None]] = {}
        self.courses: dict[int, Course | None] = {}
        self._ready: dict[str | None, Ready | None] = {}

    def ready(self, schema: GraphQLSchema, document: DocumentNode, operation_name: str | None) -> Ready | None:
        """The operation of that name with what its variables are expected to be, if these are plain."""
        if operation_name not in self._ready:
            if len(self._ready) >= MAX_NAMES:  # anybody may ask for names that there are not
                return None
            self._ready[operation_name] = ready(schema, document, operation_name)
        return self._ready[operation_name]


class LeafExecutor(StrawberryGraphQLCoreExecutionContext):
    """Give it to strawberry.Schema as `execution_context_class`. Every answer is the same, byte for byte (tests/edge/test_executor.py)."""

    _left_out: tuple[tuple[Any, ...], dict[str, Any]] | None = None  # what __init__ is still to be called with

    def __init__(self, *args: Any, shared: Shared | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._attributes = _attributes_by_schema.setdefault(self.schema, {})
        middleware = self.middleware_manager  # it would see every field
        self._direct = middleware is None or not middleware.middlewares
        self._shared = shared if shared is not None and self._direct else Shared()
        self._relevant_sub_fields = self._shared.sub_fields
        self._surprised: set[int] = set()

    @classmethod
    def build(cls, schema: GraphQLSchema, document: DocumentNode, *args: Any, **kwargs: Any) -> Any:
        """An executor of one operation, or the errors in its variables, as graphql-core makes it."""
        shared, given = kwargs.get("shared"), dict(kwargs)
        name, raw, context = (
            given.pop(key, None) for key in ("operation_name", "raw_variable_values", "context_value")
        )
        operation = shared.ready(schema, document, name) if shared is not None and not args else None
        values = operation.values(raw or {}) if operation is not None else None
        if operation is None or values is None or not given.keys() <= _PASSED_ON:
            return super().build(schema, document, *args, **kwargs)
        return cls.__new__(cls).begin(schema, context, operation, values, given)

    def begin(
        self, schema: GraphQLSchema, context: Any, ready: Ready, values: VariableValues, given: dict[str, Any]
    ) -> Self:
        """Start out with what the direct path needs; graphql-core's thirty fields, some of them in cycles, are made when it is its turn."""
        self.schema, self.context_value, self._shared = schema, context, given["shared"]
        self.operation, self.variable_values = ready.operation, values
        fragments = (ready.fragment_definitions, ready.fragments)
        resolvers = (default_field_resolver, default_type_resolver, default_field_resolver)
        self._left_out = (schema, *fragments, None, context, ready.operation, values, *resolvers), given
        return self

    def make_whole(self) -> None:
        """Before graphql-core, or anything of its fields, is needed."""
        if self._left_out is not None:
            (positional, named), self._left_out = self._left_out, None
            LeafExecutor.__init__(self, *positional, **named)

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Execute the operation as graphql-core does."""
        self.make_whole()
        return super().execute_operation(serially)

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        new_defer_usages: Any,
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """Execute an operation's root fields: those that an earlier one of the same document collected."""
        fields = self._shared.roots.setdefault(id(self.operation), grouped_field_set)
        return super().execute_collected_root_fields(root_type, root_value, fields, serially, new_defer_usages)

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """Execute one object's fields; graphql-core calls it for every object but a mutation's root."""
        plan = self.plan(parent_type, grouped_field_set)
        if not plan.plain.fields or id(grouped_field_set) in self._surprised:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        try:
            results = read_plain(plan.plain.fields, source_value)
        except Exception:  # noqa: BLE001  (whatever it is, graphql-core comes upon it again and reports it)
            # Not tried again in this operation: however many objects surprise, each selection set is done twice once.
            self._surprised.add(id(grouped_field_set))
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        if not plan.rest:
            return results
        rest = super().execute_fields(parent_type, source_value, path, plan.rest, position_context)
        if self.is_awaitable(rest):
            return _merged_later(grouped_field_set, results, rest)
        return _merged(grouped_field_set, results, rest)

    def complete_list_value(  # noqa: PLR0917  (as graphql-core calls it)
        self,
        return_type: GraphQLList[Any],
        field_details_list: FieldDetails,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete what a resolver gave for a list; graphql-core calls it for every list that is no plain field itself."""
        key = id(field_details_list)
        known = self._shared.lists.get(key)
        if known is None:
            complete = self.completion(return_type, field_details_list)[0] if self._direct else None
            known = self._shared.lists[key] = (field_details_list, complete)
        if known[1] is not None and key not in self._surprised:
            try:
                return known[1](result)
            except Exception:  # noqa: BLE001  (as in execute_fields)
                self._surprised.add(key)
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    @property
    def converter(self) -> Any:
        """Strawberry's own, with the schema's names and scalars."""
        return self.schema.extensions["strawberry-definition"].schema_converter

    def course(self) -> Course | None:
        """How the operation is executed on the direct path; None if it is not: graphql-core has to collect its fields first, once."""
        fields = self._shared.roots.get(id(self.operation))
        root = self.schema.get_root_type(self.operation.operation)
        if fields is None or root is None:
            return None
        known = self._shared.courses
        if id(fields) not in known:
            self.make_whole()
            find = mutation_course if self.operation.operation is OperationType.MUTATION else course_of
            known[id(fields)] = find(self, root, fields)
        return known[id(fields)]

    async def executed(self) -> ExecutionResult:
        """The operation's result as graphql-core finds it, with the fast path of plain fields."""
        result: Any = self.execute_operation()
        if self.is_awaitable(result):
            result = await result
        assert isinstance(result, ExecutionResult)  # noqa: S101  (@defer and @stream are not in the schema)
        return result

    def plan(self, parent_type: GraphQLObjectType, fields: GroupedFieldSet) -> Plan:
        """Which of an object's fields are plain."""
        plan = self._shared.plans.get(id(fields))
        if plan is None:
            found = {name: self._plain(parent_type, name, details) for name, details in fields.items()}
            rest = {name: fields[name] for name, plain in found.items() if plain is None}
            plan = Plan(fields, Selection(tuple(plain for plain in found.values() if plain is not None)), rest)
            self._shared.plans[id(fields)] = plan
        return plan

    def _plain(self, parent_type: GraphQLObjectType, response_name: str, details: FieldDetails) -> Plain | None:
        if not self._direct:
            return None
        key = (parent_type.name, details[0].node.name.value)
        if key not in self._attributes:
            definition = self.schema.get_field(parent_type, key[1])
            self._attributes[key] = _attribute_of(definition) if definition else None
        attribute = self._attributes[key]
        if attribute is None:
            return None
        name, type_ = attribute
        named = get_nullable_type(type_)
        complete, inner = self.completion(named, details)
        if complete is None:
            return None
        read: Read = attrgetter(name) if name else lambda _source: parent_type.name
        return Plain(response_name, name, read, complete, not is_non_null_type(type_), _UNCHANGED.get(named), inner)

    def completion(self, type_: Any, details: FieldDetails) -> tuple[Complete | None, Selection | None]:
        """How values of a type (not NonNull) are completed, None if that is not plain; and what is selected of an object."""
        if is_enum_type(type_):
            return _remembering(type_.coerce_output_value), None
        if is_leaf_type(type_):
            return type_.coerce_output_value, None
        if is_list_type(type_):
            complete, inner = self.completion(get_nullable_type(type_.of_type), details)
            nullable = not is_non_null_type(type_.of_type)
            return complete and partial(_complete_list, complete, nullable, inner), inner
        selection = self._selection(type_, details)
        return (None if selection is None else partial(_complete_object, type_.is_type_of, selection.fields)), selection

    def _selection(self, type_: Any, details: FieldDetails) -> Selection | None:
        """What is selected of an object, if all of it is plain."""
        if not is_object_type(type_) or has_its_own_type_test(type_):
            return None
        try:
            fields, deferred, _ = self.collect_subfields(type_, details)
        except Exception:  # noqa: BLE001  (a directive's variable is null: graphql-core reports it where it belongs)
            return None
        plan = self.plan(type_, fields)
        return None if plan.rest or deferred else plan.plain


_UNCHANGED: dict[Any, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}


@cache  # one for each enum of the schema
def _remembering(complete: Complete) -> Complete:
    """An enum's names by its values: Strawberry goes through all of them each time."""
    return lru_cache(maxsize=1024, typed=True)(complete)


def _complete_object(
    is_type_of: Callable[[Any, Any], Any] | None, fields: tuple[Plain, ...], value: Any
) -> dict[str, Any]:
    if is_type_of is not None and is_type_of(value, None) is not True:
        raise SurprisingValueError
    return read_plain(fields, value)


_LISTS = {list, tuple, Rows}


def _complete_list(complete: Complete, nullable: bool, inner: Selection | None, values: Any) -> Any:
    """A list's answer: JSON already, where its objects are rows or never change."""
    if inner is not None:
        if type(values) is Written:
            return values.answer(inner)
        if type(values) is Lasting:
            return _complete_once(complete, nullable, inner, values)
    if type(values) not in _LISTS:
        raise SurprisingValueError
    completed: list[Any] = []
    for value in values:
        if value is None:
            if not nullable:
                raise SurprisingValueError
            completed.append(None)
            continue
        settle(type(value))
        one = complete(value)
        if one is None or one is Undefined:
            raise SurprisingValueError
        completed.append(one)
    return completed


def _complete_once(complete: Complete, nullable: bool, inner: Selection, values: Lasting) -> Fragment:
    found = values.answers.get(inner)
    if found is None:
        answer = _complete_list(complete, nullable, None, list(values))
        found = values.answers[inner] = Fragment(orjson.dumps(answer))
    return found


def _merged(fields: GroupedFieldSet, plain: dict[str, Any], rest: Any) -> dict[str, Any]:
    """The answer's fields stand in the order of the question."""
    return {name: plain[name] if name in plain else rest[name] for name in fields if name in plain or name in rest}


async def _merged_later(fields: GroupedFieldSet, plain: dict[str, Any], rest: Awaitable[Any]) -> dict[str, Any]:
    return _merged(fields, plain, await rest)


Attribute = tuple[str | None, Any]  # the attribute's name (None: __typename) and the field's type
_attributes_by_schema: WeakKeyDictionary[GraphQLSchema, dict[tuple[str, str], Attribute | None]] = WeakKeyDictionary()


def _attribute_of(definition: GraphQLField) -> Attribute | None:
    """The field, if it is an attribute of its object and nothing else."""
    if definition is TypeNameMetaFieldDef:
        return None, definition.type
    field = definition.extensions.get("strawberry-definition")
    if (
        isinstance(field, StrawberryField)
        and field.is_basic_field  # no resolver, no field extensions (permissions are such)
        and not field.is_subscription
        and field.default_resolver is getattr
        and type(field).get_result is StrawberryField.get_result
    ):
        return field.python_name, definition.type
    return None
