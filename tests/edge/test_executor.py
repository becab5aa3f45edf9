"""The fast path against graphql-core alone: the same answer, byte for byte, to every document."""

import json
from typing import Any

import pytest
import strawberry
from graphql import GraphQLObjectType, GraphQLSchema, GraphQLSyntaxError, build_schema, parse, validate
from graphql.execution import Executor
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.utils.await_maybe import await_maybe

from graphql_schema import executor, selections
from graphql_schema.documents import Documents
from graphql_schema.executor import LeafExecutor
from graphql_schema.limits import MAX_TOKENS, Limits
from tests.edge import probe
from tests.edge.probe import ODD_VALUES, plain_schema, schema

DOCUMENTS = Documents(schema._schema, introspection=True, limits=Limits(aliases=10**6, repeats=10**6))
LEAVES = [
    "id", "name", "count", "ratio", "flag", "price", "at", "key", "colour", "maybeColour", "tags", "maybeTags", "alias",
    "forbidden", "computed", "later", "broken", "brokenHard", "refused", "__typename",
]  # fmt: skip


async def answer(schema: strawberry.Schema, document: str, variables: dict[str, Any] | None = None) -> str:
    """The whole answer as text: data in its order, errors with path, locations and extensions in theirs."""
    result = await schema.execute(document, variables)
    return json.dumps({"data": result.data, "errors": [error.formatted for error in result.errors or ()]})


async def served(document: str, variables: dict[str, Any] | None = None) -> str:
    """The same as the server does it: with what earlier operations of the document have left."""
    prepared = DOCUMENTS.prepare(document, variables or {})
    assert prepared.document
    assert not [error for error in prepared.errors if "Variable" not in error.message]
    made: Any = LeafExecutor.build(
        schema._schema,
        prepared.document,
        raw_variable_values=variables,
        is_awaitable=optimized_is_awaitable,
        operation_extensions=None,
        shared=prepared.shared,
    )
    result = await await_maybe(made.execute_operation())
    return json.dumps({"data": result.data, "errors": [error.formatted for error in result.errors or ()]})


async def same(document: str, variables: dict[str, Any] | None = None) -> str:
    plain = await answer(plain_schema, document, variables)
    assert await answer(schema, document, variables) == plain
    if "never used" not in plain:  # such a document is not executed
        assert [await served(document, variables) for _ in range(3)] == [plain] * 3
    return plain


CORPUS = [
    "{ one { " + " ".join(LEAVES) + " } }",
    "{ one { z: name a: id name zz: __typename m: later b: count } }",
    "{ nothing { name later } }",
    "{ many(first: 3) { nodes { id later name } edges { cursor node { name tags computed } } } }",
    "{ many(first: 0) { nodes { id } } }",
    "{ mixed { __typename ... on Leafy { name broken count } ... on Other { size name } } }",
    "{ named { name __typename ... on Leafy { brokenHard } } }",
    "{ incomplete { id name count } }",
    "{ one { name @skip(if: true) id @include(if: false) count } }",
    "{ one { name @include(if: true) ... @skip(if: true) { id } ... on Leafy { flag } ...F } } fragment F on Leafy { price name }",
    "{ one { ...F ...G } } fragment F on Leafy { name id } fragment G on Leafy { id count ...H } fragment H on Named { name }",
    "{ one { tags } two: one { tags } one { id } }",
    "mutation { a: write(text: \"a\") { name id later } b: write(text: \"b\") { brokenHard name } }",
    "mutation { a: write(text: \"a\") { name colour } b: write(text: \"b\") { flag } }",
]  # fmt: skip


@pytest.mark.parametrize("document", CORPUS)
async def test_the_corpus(document: str) -> None:
    probe.writes.clear()
    await same(document)


@pytest.mark.parametrize(
    ("attribute", "index"),
    [(attribute, index) for attribute, values in ODD_VALUES.items() for index in range(len(values))],
)
async def test_values_that_are_not_what_their_type_says(attribute: str, index: int) -> None:
    camel = {"maybe_colour": "maybeColour", "maybe_tags": "maybeTags"}.get(attribute, attribute)
    document = (
        f"query ($a: String!, $i: Int!) {{ odd(attribute: $a, index: $i) {{ id {camel} later other: {camel} flag }} }}"
    )
    text = await same(document, {"a": attribute, "i": index})
    if attribute in {"name", "colour"} and index == 0:
        assert "Cannot return null for non-nullable field" in text  # the corpus does reach the errors


@pytest.mark.parametrize(
    ("attribute", "index"),
    [(attribute, index) for attribute, values in ODD_VALUES.items() for index in range(len(values))],
)
async def test_odd_values_deep_within_plain_objects(attribute: str, index: int) -> None:
    document = (
        "query ($a: String!, $i: Int!) { crowd(attribute: $a, index: $i)"
        " { nodes { id name count ratio flag price at colour maybeColour tags maybeTags } edges { cursor node { name colour } } } }"
    )
    await same(document, {"a": attribute, "i": index})


@pytest.mark.parametrize("kind", ["null", "other type", "tuple", "generator", "dict", "number", "error", "stand-in"])
async def test_lists_that_are_not_what_their_type_says(kind: str) -> None:
    await same(
        "query ($k: String!) { misfits(kind: $k) { nodes { name id } edges { cursor } } one { name } }", {"k": kind}
    )


@pytest.mark.parametrize("variables", [{}, {"yes": None}, {"yes": False}])
async def test_conditions_by_variables(variables: dict[str, Any]) -> None:
    document = (
        "query ($yes: Boolean = true) { many(first: 2) { nodes { id name @skip(if: $yes) } __typename } one { id } }"
    )
    await same(document, variables)


CONDITIONS = ["", "", "", " @skip(if: $yes)", " @include(if: $yes)", " @skip(if: $no)", " @include(if: $no)"]


@st.composite
def selection_sets(draw: st.DrawFn, type_: str, depth: int) -> str:
    """A valid selection set of a type of the probe schema, with aliases, directives, fragments and repeated fields."""
    parts = []
    for number in range(draw(st.integers(1, 5))):
        condition = draw(st.sampled_from(CONDITIONS))
        alias = f"{type_[0].lower()}{depth}{number}: " if draw(st.booleans()) else ""
        if depth and draw(st.integers(0, 4)) == 0:
            inner = draw(selection_sets(type_, depth - 1))
            parts.append(
                f"... on {type_}{condition} {inner}" if draw(st.booleans()) else f"...{condition or ' '} {inner}"
            )
        elif type_ == "Leafy":
            parts.append(f"{alias}{draw(st.sampled_from(LEAVES))}{condition}")
        elif type_ == "Named":
            parts.append(f"{alias}{draw(st.sampled_from(['name', '__typename']))}{condition}")
        else:
            field, inner_type = draw(st.sampled_from(OBJECT_FIELDS[type_]))
            inner = draw(selection_sets(inner_type, depth - 1 if depth else 0)) if inner_type else ""
            unique = f"{field[0]}{depth}{number}x{draw(st.integers(0, 999))}: "  # arguments differ: names must, too
            parts.append(f"{unique}{field}{condition} {inner}")
    return "{ " + " ".join(parts) + " }"


OBJECT_FIELDS: dict[str, list[tuple[str, str]]] = {
    "Query": [
        ("one", "Leafy"), ("nothing", "Leafy"), ("incomplete", "Leafy"), ("named", "Named"), ("__typename", ""),
        ("many(first: 2)", "LeafyConnection"), ("echo(text: \"x\")", ""),
        *((f'odd(attribute: "{name}", index: {index})', "Leafy") for name in ODD_VALUES for index in (0, 1)),
    ],
    "LeafyConnection": [("nodes", "Leafy"), ("edges", "LeafyEdge"), ("__typename", "")],
    "LeafyEdge": [("cursor", ""), ("node", "Leafy"), ("__typename", "")],
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(selection_sets("Query", 4))
async def test_generated_documents(selections: str) -> None:
    variables = "$yes: Boolean = true, $no: Boolean = false"
    used = [one for one in variables.split(", ") if one.split(":")[0] in selections]
    document = f"query ({', '.join(used)}) {selections}" if used else selections
    try:
        parsed = parse(document, max_tokens=MAX_TOKENS)
    except GraphQLSyntaxError:
        reject()  # longer than what is served
    if validate(schema._schema, parsed):
        return  # fields that can't be merged: nothing would be executed
    await same(document)


def test_what_the_project_serves_by_attribute_has_no_resolver() -> None:
    """Of every field that the fast path would take: no resolver, no permission, no argument is passed over."""
    from graphql_schema.schema import schema as project

    taken = 0
    for type_ in project._schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, definition in type_.fields.items():
                if executor._attribute_of(definition):
                    taken += 1
                    field = definition.extensions["strawberry-definition"]
                    assert (field.base_resolver, field.extensions, definition.args) == (None, [], {}), f"{type_}.{name}"
    assert taken > 100


# --- when the fast path must stand aside ---


async def test_middleware_sees_every_field() -> None:
    seen: list[str] = []

    class Watch(SchemaExtension):
        def resolve(self, next_: Any, root: Any, info: Any, **kwargs: Any) -> Any:
            seen.append(info.field_name)
            return next_(root, info, **kwargs)

    watched = strawberry.Schema(
        probe.Query, extensions=[Watch], types=[probe.Other], execution_context_class=LeafExecutor
    )
    result = await watched.execute("{ one { id name } }")
    assert result.errors is None
    assert seen == ["one", "id", "name"]


def test_fields_with_permissions_resolvers_or_other_defaults_are_left_alone() -> None:
    leafy = schema._schema.type_map["Leafy"]
    fast = {name for name, definition in leafy.fields.items() if executor._attribute_of(definition)}  # type: ignore[attr-defined]
    assert fast == {
        "id", "name", "count", "ratio", "flag", "price", "at", "key", "colour", "maybeColour", "tags", "maybeTags", "alias",
    }  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The fields that graphql-core resolves, `Type.field`. Without this the tests above would pass with a path never taken."""
    names: list[str] = []
    original = Executor.execute_field

    def watched(self: Any, parent_type: Any, source: Any, details: Any, *args: Any) -> Any:
        names.append(f"{parent_type.name}.{details[0].node.name.value}")
        return original(self, parent_type, source, details, *args)

    monkeypatch.setattr(Executor, "execute_field", watched)
    return names


async def test_graphql_core_is_not_asked_for_plain_objects(asked: list[str]) -> None:
    await schema.execute(
        "{ one { id name count ratio flag price at key colour maybeColour tags maybeTags alias __typename }"
        " many(first: 50) { nodes { id name } edges { cursor node { name ... on Named { name } } } } }"
    )
    assert asked == ["Query.one", "Query.many"]


async def test_one_resolver_within_leaves_the_rest_plain(asked: list[str]) -> None:
    await schema.execute("{ many(first: 2) { nodes { id computed } edges { cursor node { id } } } }")
    assert asked == ["Query.many", "LeafyConnection.nodes", "Leafy.computed", "Leafy.computed"]


async def test_what_is_shared_by_a_documents_operations_does_not_depend_on_their_variables() -> None:
    document = "query ($a: String!, $i: Int!) { odd(attribute: $a, index: $i) { id name count } }"
    for attribute, index in (("name", 4), ("name", 0), ("count", 5), ("count", 1), ("name", 4)):
        await same(document, {"a": attribute, "i": index})
    assert DOCUMENTS.prepare(document, {}).shared
    assert not DOCUMENTS.prepare("{ one { id @skip(if: true) name } }", {}).shared
    assert not DOCUMENTS.prepare("{ one { ...F @include(if: true) } } fragment F on Leafy { id }", {}).shared


async def test_a_surprise_in_one_operation_does_not_slow_the_next(asked: list[str]) -> None:
    document = "query ($a: String!, $i: Int!) { odd(attribute: $a, index: $i) { maybeColour } }"
    await served(document, {"a": "maybe_colour", "i": 2})
    assert asked == ["Query.odd", "Leafy.maybeColour"]
    asked.clear()
    await served(document, {"a": "maybe_colour", "i": 1})
    assert asked == ["Query.odd"]


async def test_a_selection_that_surprised_is_not_tried_again(asked: list[str]) -> None:
    await schema.execute('{ crowd(attribute: "maybe_colour", index: 2) { nodes { maybeColour } } }')
    assert asked == ["Query.crowd", "LeafyConnection.nodes", *["Leafy.maybeColour"] * 2]


async def test_types_are_learnt_once_and_awaitables_never() -> None:
    class Waiting:
        def __await__(self) -> Any:
            yield

    for kind in (Waiting, type(_ for _ in ()), RuntimeError):
        with pytest.raises(selections.SurprisingValueError):
            selections.settle(kind)
        assert kind not in selections._settled


def test_a_schema_without_strawberry_fields_has_no_leaves() -> None:
    core: GraphQLSchema = build_schema("type Query { a: Int }")
    assert executor._attribute_of(core.query_type.fields["a"]) is None  # type: ignore[union-attr, arg-type]
