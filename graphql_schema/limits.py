"""Bounds on what one document may ask for, measured before validation, in one pass that no document can make slow.

Every fragment is measured once, however often it is spread (fragments that spread each other twice are a few lines of text and an
exponential walk), and a fragment that contains itself adds nothing here: validation names the cycle.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)

MAX_TOKENS = 1_500  # the parser stops there; GraphiQL's introspection query has about 300
MAX_SOURCE_LENGTH = 32_768  # characters: blanks and comments are no tokens, and the lexer walks them one by one
MAX_COMMENTS = 200
PLAIN_LIST_LENGTH = 10  # assumed for a list without page arguments: tiers, add-ons, memberships
PAGE_ARGUMENTS = frozenset({"first", "last"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest document that is served."""

    depth: int = 16  # levels of fields; GraphiQL's introspection has 15
    aliases: int = 50  # aliased fields, fragments unfolded
    fields: int = 1_500  # fields, fragments unfolded
    repeats: int = (
        25  # times one name is selected in one object: validation compares each pair, and what is below each pair
    )
    nesting: int = 64  # selection sets within each other, fragments included: this walk and validation recurse
    cost: int = 20_000  # fields in the answer: every field times the page sizes above it


ADVICE = {
    "depth": "ask for fewer levels within each other",
    "aliases": "ask for several ids with variables in requests of their own",
    "fields": "leave fields out or split the document",
    "repeats": "select a field once",
    "nesting": "unfold fragments that only hold other fragments",
    "cost": "ask for smaller pages (`first`) or fewer lists within each other",
}


class LimitExceededError(GraphQLError):
    """The document passes one of `Limits`; names the limit, the value and what would be right."""

    def __init__(self, limit: str, value: int, maximum: int) -> None:
        shown = value if value < 10**9 else "more than 10^9"
        super().__init__(
            f"The document's {limit} is {shown}, at most {maximum} is allowed: {ADVICE[limit]}.",
            extensions={"code": "DOCUMENT_LIMIT", "limit": limit, "maximum": maximum},
        )


class PageSizes:
    """How many objects each list field gives, by field name (types are not known before validation): the largest of that name."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._lengths: dict[str, int] = {}
        for type_ in schema.type_map.values():
            if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not type_.name.startswith("__"):
                self._read(type_)

    def _read(self, type_: GraphQLObjectType | GraphQLInterfaceType) -> None:
        for name, definition in type_.fields.items():
            defaults = [_default(definition.args[page]) for page in PAGE_ARGUMENTS & definition.args.keys()]
            if defaults:
                self._lengths[name] = max(self._lengths.get(name, 1), *defaults)
            # A connection's own lists are as long as its page, which is counted already.
            elif _is_list_of_objects(definition.type) and not type_.name.endswith(("Connection", "Edge")):
                self._lengths[name] = max(self._lengths.get(name, 1), PLAIN_LIST_LENGTH)

    def length(self, node: FieldNode, variables: Mapping[str, Any]) -> int:
        """The number of objects that this field may give."""
        asked = 0
        for argument in node.arguments or ():
            if argument.name.value in PAGE_ARGUMENTS:
                value = _int(argument.value, variables)
                if value is not None:
                    asked = max(asked, value)
        return asked or self._lengths.get(node.name.value, 1)


def _is_list_of_objects(type_: GraphQLOutputType) -> bool:
    return is_list_type(get_nullable_type(type_)) and not is_leaf_type(get_named_type(type_))


def _default(argument: GraphQLArgument) -> int:
    default = argument.default
    if default is not None and isinstance(default.literal, IntValueNode):
        return int(default.literal.value)
    value = default.value if default is not None else argument.default_value
    return value if isinstance(value, int) else PLAIN_LIST_LENGTH


def _int(value: Any, variables: Mapping[str, Any]) -> int | None:
    if isinstance(value, VariableNode):
        return page_size(variables.get(value.name.value))
    return int(value.value) if isinstance(value, IntValueNode) else None


def page_size(given: Any) -> int | None:
    """A variable's value as a page size; None for what is none. 25.0 is one: Int takes it."""
    return int(given) if type(given) in {int, float} else None


class Measure(NamedTuple):
    """What one selection set amounts to, fragments unfolded."""

    depth: int
    nesting: int
    aliases: int
    fields: int
    cost: int
    names: dict[str, int]  # response name -> how often it is selected in this very object


NOTHING = Measure(0, 0, 0, 0, 0, {})


@dataclass(slots=True)
class Meter:
    """Measures the definitions of one document. `visited` counts the selections walked: at most one visit for each in the text."""

    document: DocumentNode
    page_sizes: PageSizes
    limits: Limits = field(default_factory=Limits)
    variables: Mapping[str, Any] = field(default_factory=dict)
    visited: int = 0
    _fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    _measured: dict[str, Measure] = field(default_factory=dict)
    _values: dict[str, Any] = field(default_factory=dict)  # of variables: given, else the operation's default

    def check(self) -> None:
        """Raises LimitExceededError. Fragments that no operation uses are checked too, because validation walks them."""
        for definition in self.document.definitions:
            if isinstance(definition, FragmentDefinitionNode):
                self._fragments[definition.name.value] = definition
            elif isinstance(definition, OperationDefinitionNode):
                for variable in definition.variable_definitions or ():
                    if isinstance(variable.default_value, IntValueNode):
                        self._values[variable.variable.name.value] = int(variable.default_value.value)
        self._values.update(self.variables)
        for definition in self.document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self._refuse(self._selections(definition.selection_set, 1))
            elif isinstance(definition, FragmentDefinitionNode):
                self._refuse(self._fragment(definition.name.value, 1))

    def _refuse(self, measure: Measure) -> None:
        for limit, value in measure._asdict().items():
            if limit != "names" and value > getattr(self.limits, limit):
                raise LimitExceededError(limit, value, getattr(self.limits, limit))

    def _fragment(self, name: str, level: int) -> Measure:
        measured = self._measured.get(name)
        if measured is None:
            self._measured[name] = NOTHING  # a cycle ends here
            definition = self._fragments.get(name)
            measured = self._selections(definition.selection_set, level) if definition else NOTHING
            self._measured[name] = measured
        return measured

    def _selections(self, selections: SelectionSetNode, level: int) -> Measure:
        if level > self.limits.nesting:
            raise LimitExceededError("nesting", level, self.limits.nesting)
        depth = nesting = aliases = count = cost = 0
        names: dict[str, int] = {}
        for selection in selections.selections:
            self.visited += 1
            if isinstance(selection, FieldNode):
                part = self._field(selection, level)
            elif isinstance(selection, FragmentSpreadNode):
                part = self._fragment(selection.name.value, level + 1)
            else:
                part = self._selections(selection.selection_set, level + 1)  # type: ignore[attr-defined]
            depth = max(depth, part.depth)
            nesting = max(nesting, part.nesting)
            aliases += part.aliases
            count += part.fields
            cost += part.cost
            self._count(names, part.names)
        return Measure(depth, nesting + 1, aliases, count, cost, names)

    def _field(self, node: FieldNode, level: int) -> Measure:
        inner = self._selections(node.selection_set, level + 1) if node.selection_set else NOTHING
        length = self.page_sizes.length(node, self._values) if node.selection_set else 1
        name = node.alias or node.name
        return Measure(
            inner.depth + 1,
            inner.nesting,
            inner.aliases + (node.alias is not None),
            inner.fields + 1,
            inner.cost * length + 1,
            {name.value: max(inner.names.values(), default=1)},
        )

    def _count(self, names: dict[str, int], more: dict[str, int]) -> None:
        for name, times in more.items():
            total = names.get(name, 0) + times
            if total > self.limits.repeats:
                raise LimitExceededError("repeats", total, self.limits.repeats)
            names[name] = total


def page_variables(document: DocumentNode) -> frozenset[str]:
    """The names of the variables that stand for page sizes: with them the cost is known only when they are."""
    return frozenset(_page_variables(document))


def _page_variables(document: DocumentNode) -> Iterator[str]:
    stack = [definition.selection_set for definition in document.definitions if hasattr(definition, "selection_set")]
    while stack:
        for selection in stack.pop().selections:
            for argument in getattr(selection, "arguments", None) or ():
                if argument.name.value in PAGE_ARGUMENTS and isinstance(argument.value, VariableNode):
                    yield argument.value.name.value
            inner = getattr(selection, "selection_set", None)
            if inner:
                stack.append(inner)


assert {f.name for f in fields(Limits)} == ADVICE.keys()  # noqa: S101  (each refusal says what would be right)
