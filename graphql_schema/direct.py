"""The direct path of queries: a whole operation in one coroutine, each field's resolver called as Strawberry would call it.

graphql-core and Strawberry spend some 60 microseconds on a field with a resolver (path, info, arguments, five coroutines, a task), and a
dashboard's answer waits for a handful of them one after the other anyway: statements take turns on one connection. What a document's
fields need is looked up once (a course). Reading has no side effect, so at the first surprise, an error among them, the operation is begun
anew by graphql-core, which says what there is to say.

Siblings are awaited in their order. Where that could make loaders load one by one what they load together (two fields of one name, several
awaited fields in the objects of a list), there is no course, and graphql-core executes the operation.
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from enum import Enum
from functools import partial
from inspect import isawaitable
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    Undefined,
    VariableNode,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.values import get_argument_values
from graphql.language import visit
from graphql.language.visitor import BREAK, Visitor
from graphql.pyutils import gather_with_cancel
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from graphql_schema.inputs import Made
from graphql_schema.selections import (
    Complete,
    Expect,
    Plain,
    SurprisingValueError,
    Within,
    has_its_own_type_test,
    read_plain,
    settle,
)

if TYPE_CHECKING:
    from graphql_schema.executor import LeafExecutor

_AS_THEY_ARE = {GraphQLID, GraphQLString, GraphQLInt, GraphQLBoolean}  # what these coerced, resolvers get
_UNCHANGING = (str, int, float, bool, Decimal, Enum, NoneType)


class Run:
    """One execution of an operation: what resolvers and arguments need of it."""

    def __init__(self, executor: "LeafExecutor") -> None:
        self.variable_values = executor.variable_values
        self.info: Any = Info(_raw_info=_Context(executor.context_value), _field=None)  # type: ignore[arg-type]


class _Context(NamedTuple):
    """All that resolvers of this schema ask of their `info`; whatever else one asks for, graphql-core then gives."""

    context: Any


class Step(NamedTuple):
    """A field that is not plain: how it is resolved, and its value completed (at once, or by a course of its own)."""

    response_name: str
    python_name: str
    arguments: Callable[[Run], dict[str, Any]]
    resolve: Callable[[Any, Run], Any]
    is_async: bool
    nullable: bool
    of_list: bool
    nullable_items: bool
    within: Within = Within((), frozenset())
    complete: Complete | None = None
    course: "Course | None" = None
    expect: Expect | None = None


class Course(NamedTuple):
    """How a selection set of one object type is executed."""

    names: tuple[str, ...]  # the answer's fields stand in the order of the question
    plain: tuple[Plain, ...]
    steps: tuple[Step, ...]
    is_type_of: Callable[[Any, Any], Any] | None


async def execute(executor: "LeafExecutor", course: Course) -> dict[str, Any]:
    """The operation's data. Raises whatever surprises."""
    run = Run(executor)
    for step in course.steps:
        if step.expect is not None and step.course is not None:
            within = {inner.python_name: inner.arguments(run) for inner in step.course.steps}
            step.expect(executor.context_value, step.arguments(run), within)
    return await _follow(course, None, run)


async def _follow(course: Course, source: Any, run: Run) -> dict[str, Any]:
    answer: dict[str, Any] = dict.fromkeys(course.names)
    if course.plain:
        answer.update(read_plain(course.plain, source))
    for step in course.steps:
        value = step.resolve(source, run)
        if isawaitable(value):
            value = await value
        if value is not None:
            settle(type(value))
            value = await _complete(step, value, run)
        if value is Undefined or (value is None and not step.nullable):
            raise SurprisingValueError
        answer[step.response_name] = value
    return answer


async def _complete(step: Step, value: Any, run: Run) -> Any:
    if step.complete is not None:
        return step.complete(value)
    assert step.course is not None  # noqa: S101  (a step has one of the two)
    if not step.of_list:
        return await _object(step.course, value, run)
    if not isinstance(value, Sequence) or isinstance(value, str) or (not step.nullable_items and None in value):
        raise SurprisingValueError
    objects = [None if one is None else _object(step.course, one, run) for one in value]
    done = iter(await gather_with_cancel(*(one for one in objects if one is not None)))
    return [None if one is None else next(done) for one in objects]


def _object(course: Course, value: Any, run: Run) -> Awaitable[dict[str, Any]]:
    if course.is_type_of is not None and course.is_type_of(value, None) is not True:
        raise SurprisingValueError
    return _follow(course, value, run)


def course_of(executor: "LeafExecutor", type_: Any, fields: dict[str, Any], *, in_list: bool = False) -> Course | None:
    """How these fields of a type are executed; None where only graphql-core can."""
    plan = executor.plan(type_, fields)
    steps = []
    for name, details in plan.rest.items():
        step = _step(executor, type_, name, details, in_list=in_list)
        if step is None:
            return None
        steps.append(step)
    awaited = [
        plan.rest[step.response_name][0].node.name.value for step in steps if step.is_async or step.course is not None
    ]
    if len(set(awaited)) < len(awaited) or (in_list and len(awaited) > 1):
        return None
    return Course(tuple(fields), plan.plain.fields, tuple(steps), type_.is_type_of)


def _step(executor: "LeafExecutor", parent: Any, name: str, details: list[Any], *, in_list: bool) -> Step | None:
    definition = executor.schema.get_field(parent, details[0].node.name.value)
    field = definition.extensions.get("strawberry-definition") if definition else None
    if definition is None or not _is_resolved_simply(field):
        return None
    arguments = _arguments(executor, definition, field, details[0].node)
    type_: Any = get_nullable_type(definition.type)
    step = Step(
        name,
        field.python_name,
        arguments,
        _resolution(field, arguments),
        field.is_async,
        nullable=not is_non_null_type(definition.type),
        of_list=is_list_type(type_),
        nullable_items=is_list_type(type_) and not is_non_null_type(type_.of_type),
    )
    complete, selection = executor.completion(type_, details)
    if complete is not None:
        return step._replace(complete=complete, within=Within(selection.fields if selection else (), frozenset()))
    return _with_course(executor, step, type_, details, field, in_list=in_list)


def _with_course(
    executor: "LeafExecutor", step: Step, type_: Any, details: list[Any], field: StrawberryField, *, in_list: bool
) -> Step | None:
    """The step of a field whose objects have fields that are not plain."""
    inner: Any = get_nullable_type(type_.of_type) if step.of_list else type_
    if not is_object_type(inner) or has_its_own_type_test(inner):
        return None
    fields, deferred, _ = executor.collect_subfields(inner, details)
    course = None if deferred else course_of(executor, inner, fields, in_list=in_list or step.of_list)
    if course is None:
        return None
    within = Within(course.plain, frozenset(one.python_name for one in course.steps))
    prepare = field.metadata.get("reads_ahead")
    expect = prepare({one.python_name: one.within for one in course.steps}) if prepare else None
    return step._replace(course=course, within=within, expect=expect)


def _is_resolved_simply(field: Any) -> TypeGuard[StrawberryField]:
    """Whether nothing stands between the field and its resolver or attribute: permissions are field extensions."""
    return (
        isinstance(field, StrawberryField)
        and not field.extensions
        and not field.is_subscription
        and not field.metadata.get("asked_once")
        and field.default_resolver is getattr
        and type(field).get_result is StrawberryField.get_result
    )


def _resolution(field: StrawberryField, arguments: Callable[[Run], dict[str, Any]]) -> Callable[[Any, Run], Any]:
    resolver = field.base_resolver
    if resolver is None:
        read = attrgetter(field.python_name)
        return lambda source, _run: read(source)
    takes_self, takes_info = resolver.self_parameter is not None, resolver.info_parameter
    parents = [one.name for one in (resolver.parent_parameter, resolver.root_parameter) if one is not None]

    def resolve(source: Any, run: Run) -> Any:
        given = arguments(run)
        if takes_info is not None:
            given[takes_info.name] = run.info
        for parent in parents:
            given[parent] = source
        return resolver(source, **given) if takes_self else resolver(**given)

    return resolve


def _arguments(
    executor: "LeafExecutor", definition: GraphQLField, field: StrawberryField, node: FieldNode
) -> Callable[[Run], dict[str, Any]]:
    """The resolver's arguments, a new dictionary each time: what the document itself says is looked up once, and variables of the
    built-in scalars are taken as they are."""
    convert = partial(_converted, executor, field)

    def arguments(run: Run) -> dict[str, Any]:
        return convert(get_argument_values(definition, node, run.variable_values), run)

    said = node.arguments or ()
    given = {one.name.value: one.value for one in said}
    variables = {name: value.name.value for name, value in given.items() if isinstance(value, VariableNode)}
    others = FieldNode(name=node.name, arguments=tuple(one for one in said if one.name.value not in variables))
    if _names_a_variable(others) or any(
        get_nullable_type(definition.args[name].type) not in _AS_THEY_ARE for name in variables
    ):
        return arguments
    unsaid = {name: argument for name, argument in definition.args.items() if name not in variables}
    fixed = convert(get_argument_values(GraphQLField(definition.type, args=unsaid), others), Run(executor))
    if not all(isinstance(one, _UNCHANGING) for one in fixed.values()):
        return arguments
    name_of = executor.converter.config.name_converter.get_graphql_name
    names = {name_of(one): one.python_name for one in field.arguments}
    wanted = [(names[name], variable) for name, variable in variables.items()]

    def plain_arguments(run: Run) -> dict[str, Any]:
        values, found = run.variable_values.coerced, fixed.copy()
        for name, variable in wanted:
            value = values.get(variable)
            if value is None:  # left out, or null: the argument's default decides
                return arguments(run)
            found[name] = value
        return found

    return plain_arguments


def _converted(executor: "LeafExecutor", field: StrawberryField, values: dict[str, Any], run: Run) -> dict[str, Any]:
    converter = executor.converter
    name_of = converter.config.name_converter.get_graphql_name
    given = {one.python_name: values.get(name_of(one)) for one in field.arguments}
    if all(type(value) is Made for value in given.values()):
        return given
    return convert_arguments(
        values, field.arguments, scalar_registry=converter.scalar_registry, config=converter.config, info=run.info
    )


def _names_a_variable(node: Any) -> bool:
    found = []

    class Finder(Visitor):
        def enter_variable(self, variable: VariableNode, *_: Any) -> Any:
            found.append(variable)
            return BREAK

    for argument in node.arguments or ():
        visit(argument, Finder())
    return bool(found)
