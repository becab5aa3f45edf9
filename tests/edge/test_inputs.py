"""The fast path of variables against graphql-core alone: the same arguments, the same errors."""

from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
import strawberry
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from graphql_schema import inputs
from graphql_schema.executor import MAX_NAMES, LeafExecutor, Shared
from graphql_schema.inputs import direct


@strawberry.enum
class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@direct
@strawberry.input
class Inner:
    amount: Decimal
    note: str | None
    twice: bool = False


@direct
@strawberry.input
class Outer:
    id: strawberry.ID
    inner: Inner
    inners: list[Inner] | None = None
    colour: Colour | None = None
    seconds: int = 600
    left_out: str | None = strawberry.UNSET
    key: UUID | None = None
    tags: list[str | None] | None = None


@strawberry.input
class Slow:
    outer: Outer


@strawberry.input(one_of=True)
class OneOf:
    one: strawberry.Maybe[int]
    other: strawberry.Maybe[str]


direct(OneOf)


@strawberry.type
class Query:
    @strawberry.field
    def echo(
        self,
        outers: list[Outer] | None = None,
        slow: Slow | None = None,
        one_of: OneOf | None = None,
        first: int | None = 7,
        colours: list[Colour] | None = None,
    ) -> str:
        return repr((outers, slow, one_of, first, colours))


schema = strawberry.Schema(Query, execution_context_class=LeafExecutor)._schema
DOCUMENT = parse("""
    query Named($outers: [Outer!], $first: Int, $colours: [Colour!]) { ...F }
    fragment F on Query { echo(outers: $outers, first: $first, colours: $colours) }
""")


def answer(document: Any, variables: Any, shared: Shared | None = None, name: str | None = None) -> str:
    """What the resolver was given, or the errors in full."""
    made = LeafExecutor.build(
        schema, document, raw_variable_values=variables, operation_name=name, operation_extensions=None, shared=shared
    )
    if isinstance(made, list):
        return repr([error.formatted for error in made])
    result: Any = made.execute_operation()
    return repr((result.data, [error.formatted for error in result.errors or ()]))


def same(document: Any, variables: Any) -> str:
    plain = answer(document, variables)
    shared = Shared()
    assert [answer(document, variables, shared) for _ in range(2)] == [plain] * 2
    return plain


INNER = {"amount": "1.5", "note": None}
OUTER = {"id": "a", "inner": INNER}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "a", "RED", "1.5", "x" * 40, str(UUID(int=1))]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "amount", "note", "zzz"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
inner_values = st.fixed_dictionaries(
    {}, optional={"amount": st.just("2") | json_values, "note": json_values, "twice": json_values, "odd": st.none()}
)
outer_values = st.fixed_dictionaries(
    {"id": st.just("a") | json_values, "inner": st.just(INNER) | inner_values},
    optional={
        "inners": st.lists(st.just(INNER) | inner_values, max_size=3) | json_values,
        "colour": st.sampled_from(["RED", "GREEN"]) | json_values,
        "seconds": json_values,
        "leftOut": json_values,
        "key": st.just(str(UUID(int=2))) | json_values,
        "tags": st.lists(st.just("t") | json_values, max_size=3) | json_values,
    },
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "outers": st.lists(st.just(OUTER) | outer_values, max_size=3) | outer_values | json_values,
            "first": json_values,
            "colours": st.lists(st.sampled_from(["RED", "BLUE", None]), max_size=2) | json_values,
        },
    )
)
def test_generated_variables(variables: dict[str, Any]) -> None:
    same(DOCUMENT, variables)


def test_what_is_left_out_has_its_default() -> None:
    got = same(DOCUMENT, {"outers": [OUTER]})
    assert "seconds=600" in got
    assert "left_out=UNSET" in got
    assert "note=None" in got
    assert "twice=False" in got


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("query ($outers: [Outer!]!) { echo(outers: $outers) }", {}),
        ("query ($outers: [Outer!]!) { echo(outers: $outers) }", {"outers": None}),
        ("query ($first: Int = 3) { echo(first: $first) }", {}),
        ("query ($first: Int = 3) { echo(first: $first) }", {"first": 4}),
        ('query ($id: ID!) { echo(outers: [{id: $id, inner: {amount: "1", note: "n"}}]) }', {"id": "b"}),
        ("query ($inner: Inner!) { echo(outers: {id: 1, inner: $inner, colour: RED}) }", {"inner": INNER}),
        ("query ($slow: Slow!) { echo(slow: $slow) }", {"slow": {"outer": OUTER}}),
        ("query ($one: OneOf!) { echo(oneOf: $one) }", {"one": {"one": 1}}),
        ("query ($one: OneOf!) { echo(oneOf: $one) }", {"one": {"one": 1, "other": "x"}}),
        ("query ($none: Nothing) { echo }", {"none": 1}),
        ("query A { echo } query B { echo }", {}),
        ("fragment F on Query { echo }", {}),
    ],
)
def test_variables_of_every_kind(document: str, variables: dict[str, Any]) -> None:
    same(parse(document), variables)


def test_graphql_core_is_not_asked_for_plain_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Shared()
    expected = answer(DOCUMENT, {"outers": [OUTER]})
    assert answer(DOCUMENT, {"outers": [OUTER]}, shared) == expected
    for name in ("get_variable_signature", "coerce_default_value"):
        monkeypatch.setattr(inputs, name, None)  # they are asked once a document
    monkeypatch.setattr(LeafExecutor.__mro__[1], "build", None)
    assert answer(DOCUMENT, {"outers": [OUTER]}, shared) == expected


def test_names_of_operations_are_not_kept_without_end() -> None:
    shared = Shared()
    assert answer(DOCUMENT, {}, shared, "Named") == answer(DOCUMENT, {}, None, "Named")
    for number in range(MAX_NAMES + 5):
        assert "Unknown operation" in answer(DOCUMENT, {}, shared, f"n{number}")
    assert len(shared._ready) == MAX_NAMES
