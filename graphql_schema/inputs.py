"""The fast path of variables: what a document expects is looked up once; each operation then reads its values in one loop.

graphql-core and Strawberry spend some 60 microseconds on one input object of a list, for values that are a check and a keyword argument.
A value that is not what its type says is a surprise: graphql-core then does all variables over, and says what there is to say.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from decimal import Decimal
from functools import partial
from types import NoneType
from typing import Any, NamedTuple, TypeVar

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
    get_nullable_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.pyutils.undefined import UndefinedType
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.types.arguments import InputContext
from strawberry.types.base import StrawberryMaybe

Coerce = Callable[[Any], Any]  # a JSON value that is not null -> the resolver's; raises where graphql-core must look
_UNCHANGING = (str, int, float, bool, Decimal, NoneType, UndefinedType)  # what any operation may be given as a default
_UNCHANGED: dict[Any, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}
T = TypeVar("T")


class Made(list[Any]):
    """A list of direct inputs: resolvers get it as it is."""

    __slots__ = ()


class SurprisingInputError(Exception):
    """graphql-core must look at these variables."""


class Variable(NamedTuple):
    """One variable of an operation."""

    signature: GraphQLVariableSignature
    coerce: Coerce
    nullable: bool


class _Field(NamedTuple):
    """One field of a direct input."""

    python_name: str
    coerce: Coerce
    nullable: bool
    unchanged: type | None  # values of exactly this type are taken as they are


class Ready:
    """An operation whose variables are all plain: what graphql-core would gather for every execution."""

    def __init__(
        self, operation: OperationDefinitionNode, document: DocumentNode, variables: dict[str, Variable]
    ) -> None:
        self.operation = operation
        self.fragment_definitions = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self.fragments = {name: FragmentDetails(one, None) for name, one in self.fragment_definitions.items()}
        self._variables = variables

    def values(self, given: Mapping[str, Any]) -> VariableValues | None:
        """The variables as resolvers get them; None: graphql-core must look."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        try:
            for name, (signature, coerce, nullable) in self._variables.items():
                value = given.get(name, Undefined)
                if value is Undefined:
                    if signature.default is not None or not nullable:
                        return None
                    sources[name] = VariableValueSource(signature)
                    continue
                sources[name] = VariableValueSource(signature, value)
                if value is None and not nullable:
                    return None
                coerced[name] = None if value is None else coerce(value)
        except Exception:  # noqa: BLE001  (whatever it is, graphql-core comes upon it again and reports it)
            return None
        return VariableValues(sources, coerced)


def ready(schema: GraphQLSchema, document: DocumentNode, operation_name: str | None) -> Ready | None:
    """The operation of that name, or the only one; None if graphql-core must look at it each time."""
    named = [
        one
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode)
        and (operation_name is None or (one.name and one.name.value == operation_name))
    ]
    if len(named) != 1:
        return None
    variables: dict[str, Variable] = {}
    for node in named[0].variable_definitions or ():
        signature = get_variable_signature(schema, node)
        coerce = None if isinstance(signature, GraphQLError) else _coercion(get_nullable_type(signature.type))
        if isinstance(signature, GraphQLError) or coerce is None:
            return None
        variables[signature.name] = Variable(signature, coerce, not is_non_null_type(signature.type))
    return Ready(named[0], document, variables)


def direct(input_class: type[T]) -> type[T]:
    """Mark a Strawberry input: its objects are made of JSON in one step, past graphql-core's dictionary."""
    definition(input_class).from_input = _from_input
    return input_class


def definition(input_class: type) -> Any:
    """What Strawberry knows about an input."""
    return input_class.__strawberry_definition__  # type: ignore[attr-defined]


def _from_input(input_class: type, value: Any, context: InputContext) -> Any:
    """What a variable gave is made already; a literal in the document is converted as Strawberry does."""
    if type(value) is input_class:
        return value
    arguments = _nulls(input_class)
    for field in definition(input_class).fields:
        name = context.config.name_converter.from_field(field)
        if name in value:
            type_ = field.resolve_type(type_definition=definition(input_class))
            arguments[field.python_name] = context.convert(value[name], type_, name)
    return input_class(**arguments)


def _nulls(input_class: type) -> dict[str, Any]:
    """Fields without a default in Python are null when they are not given."""
    return {
        field.python_name: None
        for field in definition(input_class).fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }


def _coercion(type_: Any) -> Coerce | None:
    """How values of a type (not NonNull) are coerced; None if that is not plain."""
    if is_leaf_type(type_):
        return type_.coerce_input_value
    if is_list_type(type_):
        inner = get_nullable_type(type_.of_type)
        coerce, kind = _coercion(inner), Made if is_input_object_type(inner) else list
        return coerce and partial(_coerce_list, kind, coerce, not is_non_null_type(type_.of_type))
    origin = getattr(type_.extensions.get("strawberry-definition"), "origin", None)
    if origin is None or definition(origin).from_input is not _from_input or definition(origin).is_one_of:
        return None
    return _object_coercion(type_, origin)


def _object_coercion(type_: GraphQLInputObjectType, origin: type) -> Coerce | None:
    fields: dict[str, _Field] = {}
    defaults = _nulls(origin)
    for name, field in type_.fields.items():
        coerce = _coercion(get_nullable_type(field.type))
        default, known = coerce_default_value(field), field.extensions["strawberry-definition"]
        if coerce is None or type(default) not in _UNCHANGING or isinstance(known.type, StrawberryMaybe):
            return None
        if default is not Undefined:
            defaults[known.python_name] = default
        named = get_nullable_type(field.type)
        fields[name] = _Field(known.python_name, coerce, not is_non_null_type(field.type), _UNCHANGED.get(named))
    required = frozenset(name for name, field in type_.fields.items() if is_required_input_field(field))
    return partial(_coerce_object, origin, fields, defaults, required)


def _coerce_list(kind: type[list[Any]], coerce: Coerce, nullable: bool, values: Any) -> list[Any]:
    if type(values) is not list or (not nullable and None in values):
        raise SurprisingInputError
    return kind([None if value is None else coerce(value) for value in values])


def _coerce_object(
    origin: type, fields: dict[str, _Field], defaults: dict[str, Any], required: frozenset[str], value: Any
) -> Any:
    if type(value) is not dict or not required <= value.keys():
        raise SurprisingInputError
    arguments = defaults.copy()
    for name, given in value.items():
        python_name, coerce, nullable, unchanged = fields[name]
        if type(given) is unchanged:
            arguments[python_name] = given
        elif given is not None:
            arguments[python_name] = coerce(given)
        elif nullable:
            arguments[python_name] = None
        else:
            raise SurprisingInputError
    return origin(**arguments)
