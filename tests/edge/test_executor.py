"""The fast path against graphql-core alone: the same answer, byte for byte, to every document."""

import json
from typing import Any

import pytest
import strawberry
from graphql import GraphQLSchema, build_schema, parse, validate
from graphql.execution import Executor
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.extensions import SchemaExtension

from graphql_schema import executor
from graphql_schema.executor import LeafExecutor
from tests.edge import probe
from tests.edge.probe import ODD_VALUES, plain_schema, schema

LEAVES = [
    "id", "name", "count", "ratio", "flag", "price", "at", "key", "colour", "maybeColour", "tags", "maybeTags", "alias",
    "forbidden", "computed", "later", "broken", "brokenHard", "refused", "__typename",
]  # fmt: skip


async def answer(schema: strawberry.Schema, document: str, variables: dict[str, Any] | None = None) -> str:
    """The whole answer as text: data in its order, errors with path, locations and extensions in theirs."""
    result = await schema.execute(document, variables)
    return json.dumps({"data": result.data, "errors": [error.formatted for error in result.errors or ()]})


async def same(document: str, variables: dict[str, Any] | None = None) -> str:
    fast, plain = await answer(schema, document, variables), await answer(plain_schema, document, variables)
    assert fast == plain
    return fast


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
    document = "query ($a: String!, $i: Int!) { odd(attribute: $a, index: $i) { id %s later other: %s flag } }" % (
        camel,
        camel,
    )
    text = await same(document, {"a": attribute, "i": index})
    if attribute in {"name", "colour"} and index == 0:
        assert "Cannot return null for non-nullable field" in text  # the corpus does reach the errors


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
    document = f"query ($yes: Boolean = true, $no: Boolean = false) {selections}"
    if any("Variable" not in error.message for error in validate(schema._schema, parse(document))):
        return  # fields that can't be merged: nothing would be executed
    await same(document)


async def test_the_projects_own_documents_are_planned_alike() -> None:
    """Every leaf that the project's schema serves by attribute alone completes through the same serializer."""
    from graphql_schema.schema import schema as project

    planned = 0
    for type_ in project._schema.type_map.values():
        for name, definition in getattr(type_, "fields", {}).items():
            leaf = (
                executor._leaf_of(type_, definition)
                if type_.name[:2] != "__" and hasattr(type_, "is_type_of")
                else None
            )
            if leaf is not None:
                planned += 1
                field = definition.extensions["strawberry-definition"]
                assert field.base_resolver is None, f"{type_.name}.{name} has a resolver"
                assert not field.extensions
                assert leaf.nullable is not str(definition.type).endswith("!")
    assert planned > 50


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
    fast = {name for name, definition in leafy.fields.items() if executor._leaf_of(leafy, definition)}  # type: ignore[attr-defined]
    assert fast == {
        "id", "name", "count", "ratio", "flag", "price", "at", "key", "colour", "maybeColour", "tags", "maybeTags", "alias",
    }  # fmt: skip


async def test_graphql_core_is_not_asked_for_plain_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the tests above would pass with a fast path that never runs."""
    asked: list[str] = []
    original = Executor.execute_field

    def watched(self: Any, parent_type: Any, *args: Any) -> Any:
        asked.append(parent_type.name)
        return original(self, parent_type, *args)

    monkeypatch.setattr(Executor, "execute_field", watched)
    await schema.execute(
        "{ one { id name count ratio flag price at key colour maybeColour tags maybeTags alias __typename } }"
    )
    assert asked == ["Query"]


async def test_types_are_learnt_once_and_awaitables_never() -> None:
    class Awaitable_:
        def __await__(self) -> Any:
            yield

    for kind in (Awaitable_, type(_ for _ in ()), RuntimeError):
        with pytest.raises(executor.SurprisingValueError):
            executor._settle(kind)
        assert kind not in executor._settled


def test_a_schema_without_strawberry_fields_has_no_leaves() -> None:
    core: GraphQLSchema = build_schema("type Query { a: Int }")
    assert executor._leaf_of(core.query_type, core.query_type.fields["a"]) is None  # type: ignore[union-attr, arg-type]
