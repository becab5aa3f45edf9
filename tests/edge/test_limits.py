"""The bounds on documents. The attacks are measured in visits of the walk, not in seconds: the walk must be linear in the text."""

from collections.abc import Iterator

import pytest
from graphql import DocumentNode, GraphQLError, get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from graphql_schema.documents import CACHED_CHARACTERS, CACHED_DOCUMENTS, KEPT_PAGE_SIZES, Documents
from graphql_schema.limits import (
    ADVICE,
    MAX_TOKENS,
    PLAIN_LIST_LENGTH,
    LimitExceededError,
    Limits,
    Meter,
    PageSizes,
)
from tests.edge.conftest import Served
from tests.edge.probe import schema

CORE = schema._schema
PAGE_SIZES = PageSizes(CORE)
BOUNDLESS = Limits(depth=10**9, aliases=10**30, fields=10**30, repeats=10**30, nesting=400, cost=10**30)


def selections(document: DocumentNode) -> int:
    """How many selections stand in the text."""

    def walk(selection_set: object) -> Iterator[object]:
        for selection in getattr(selection_set, "selections", ()):
            yield selection
            yield from walk(getattr(selection, "selection_set", None))

    return sum(len(list(walk(one.selection_set))) for one in document.definitions)  # type: ignore[attr-defined]


def doubled(levels: int) -> str:
    """Each fragment spreads the next one twice: 2**levels fields in a few lines."""
    chain = " ".join(f"fragment F{n} on Query {{ a: one {{ id }} ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ ...F0 }} {chain} fragment F{levels} on Query {{ one {{ id }} }}"


ATTACKS = {
    "18 doubled spreads": doubled(18),
    "80 doubled spreads": doubled(80),
    "two fields with the next fragment each": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ a: one {{ id }} b{n}: named {{ ...G{n} ...G{n} }} ...F{n + 1} }} "
               f"fragment G{n} on Named {{ name ...F{n} }}" for n in range(30))
    + " fragment F30 on Query { one { id } }",
    "cycles": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 50} ...F{(n + 7) % 50} one {{ id }} }}" for n in range(50)),
    "a fragment within itself": "{ ...F } fragment F on Query { ...F ...F one { id } }",
    "unused doubled spreads": "{ one { id } } " + doubled(18).removeprefix("{ ...F0 } "),
    "fragments that nobody uses, in a cycle": "{ one { id } } fragment A on Query { ...B ...B } fragment B on Query { ...A }",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_cost_one_visit_for_each_selection_in_the_text(attack: str) -> None:
    document = parse(attack, max_tokens=MAX_TOKENS)
    meter = Meter(document, PAGE_SIZES, BOUNDLESS)
    meter.check()
    # Operations are walked once, and so is each fragment.
    assert meter.visited <= selections(document)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_are_refused(production: Served, attack: str) -> None:
    assert production.ask(attack).status_code == 400


def test_a_doubled_chain_is_counted_as_what_it_unfolds_to() -> None:
    with pytest.raises(LimitExceededError) as refused:
        Meter(parse(doubled(18)), PAGE_SIZES, Limits(repeats=10**9, aliases=10**9)).check()
    assert "fields" in str(refused.value)


DASHBOARD = """query Dashboard($first: Int!) {
  one { ...Leaf } many(first: $first) { nodes { ...Leaf } edges { cursor node { id } } } mixed { __typename ... on Leafy { ...Leaf } }
} fragment Leaf on Leafy { id name count price colour tags }"""


@pytest.mark.parametrize(
    ("limit", "document", "value"),
    [
        ("depth", "{ " + "one { " * 20 + "id" + " }" * 21, 21),
        ("aliases", "{ " + " ".join(f"a{n}: one {{ id }}" for n in range(51)) + " }", 51),
        ("repeats", "{ " + "one { id } " * 26 + "}", 26),
        ("repeats", "{ " + ("one { " + "id " * 6 + "} ") * 5 + "}", 30),  # validation would compare each id with each
        ("nesting", "{ " + "... { " * 70 + "one { id }" + " }" * 71, 65),
        (
            "cost",
            "{ many(first: 100) { nodes { name } } "
            + " ".join(f"a{n}: many(first: 1000) {{ nodes {{ id }} }}" for n in range(10))
            + " }",
            None,
        ),
        ("cost", "{ many(first: 4000) { nodes { id name count at key } } }", None),
        ("cost", "{ many(first: 99999999999999999999) { nodes { id } } }", None),
    ],
)
def test_each_limit_names_itself_its_value_and_what_would_be_right(
    production: Served, limit: str, document: str, value: int | None
) -> None:
    response = production.ask(document)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "DOCUMENT_LIMIT", "limit": limit, "maximum": getattr(Limits(), limit)}
    assert f"document's {limit} is " in error["message"]
    assert f"at most {getattr(Limits(), limit)} is allowed" in error["message"]
    assert ADVICE[limit] in error["message"]
    if value is not None:
        assert f"{limit} is {value}," in error["message"]


def test_the_cost_of_variables_is_that_of_their_values(production: Served) -> None:
    assert production.ask(DASHBOARD, variables={"first": 100}).status_code == 200
    refused = production.ask(DASHBOARD, variables={"first": 5000})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["extensions"]["limit"] == "cost"
    assert production.ask(DASHBOARD, variables={"first": 3}).status_code == 200
    for odd in (
        "5000",
        [5000],
        {"first": 5000},
        True,
        5000.5,
    ):  # no page size: refused as the wrong type, never unmeasured
        assert production.ask(DASHBOARD, variables={"first": odd}).status_code == 400
    for size in (5000, 5000.0, 1e300):
        assert "cost" in production.ask(DASHBOARD, variables={"first": size}).text


def test_the_page_sizes_that_are_remembered_are_bounded() -> None:
    documents = Documents(CORE, introspection=False)
    for size in range(100):
        prepared = documents.prepare(DASHBOARD, {"first": size})
    assert len(prepared.affordable) == KEPT_PAGE_SIZES


def test_the_default_of_a_page_variable_counts() -> None:
    document = parse("query ($first: Int = 9000) { many(first: $first) { nodes { id name price } } }")
    with pytest.raises(LimitExceededError, match="cost"):
        Meter(document, PAGE_SIZES).check()
    Meter(document, PAGE_SIZES, variables={"first": 10}).check()


def test_lengths_come_from_arguments_then_defaults_then_an_assumption() -> None:
    def cost(document: str) -> int:
        meter = Meter(parse(document), PAGE_SIZES)
        return meter._selections(meter.document.definitions[0].selection_set, 1).cost  # type: ignore[attr-defined]

    assert cost("{ one { id } }") == 2
    assert cost("{ many { nodes { id } } }") == 1 + 25 * 2
    assert cost("{ many(first: 7) { nodes { id } } }") == 1 + 7 * 2
    assert cost("{ many(first: 0) { nodes { id } } }") == 1 + 25 * 2  # nothing is cheaper to assume than the default
    assert cost("{ mixed { __typename } }") == 1 + PLAIN_LIST_LENGTH


def test_a_refused_mutation_writes_nothing(production: Served, unchanged: None) -> None:
    text = "mutation { " + " ".join(f'w{n}: write(text: "x") {{ id }}' for n in range(51)) + " }"
    assert production.ask(text).status_code == 400


@pytest.mark.parametrize(
    "document",
    [
        "{ one { id } }" + " " * 40_000,
        "{ one { id } }" + ",\n" * 20_000,
        "{ one { id } }" + "# x\n" * 300,
        "{ " + "one { id } " * 400 + "}",
        "{ " + "one {" * 700 + "id" + "}" * 701,
        "{ echo(text: " + "[" * 700 + "]" * 700 + ") }",
        "{ one { id } } " + "".join(f"fragment F{n} on Query {{ one {{ ...F{n + 1} }} }} " for n in range(140)),
    ],
)
def test_the_text_itself_is_bounded(production: Served, document: str) -> None:
    response = production.ask(document)
    assert response.status_code == 400
    assert response.elapsed.total_seconds() < 5


def test_introspection_as_graphiql_asks_it_is_within_the_limits(development: Served) -> None:
    query = get_introspection_query(
        descriptions=True, specified_by_url=True, directive_is_repeatable=True, schema_description=True,
        input_value_deprecation=True, one_of=True,
    )  # fmt: skip
    response = development.ask(query)
    assert response.status_code == 200
    assert "errors" not in response.json()


@given(st.text(alphabet="{}():$!.@ \nabFone\"'123", max_size=60) | st.text(max_size=40))
def test_any_text_is_prepared_or_refused_but_never_a_fault(source: str) -> None:
    prepared = Documents(CORE, introspection=False).prepare(source, {})
    assert all(isinstance(error, GraphQLError) for error in prepared.errors)
    assert prepared.document is not None or prepared.errors


# --- the caches ---


def test_a_document_is_looked_at_once() -> None:
    documents = Documents(CORE, introspection=True)
    first = documents.prepare(DASHBOARD, {"first": 5})
    for size in range(20):
        assert documents.prepare(DASHBOARD, {"first": size}) is first
    assert documents.validations == 1
    for _ in range(3):
        assert documents.prepare("{ wrong }", {}).errors
    assert documents.validations == 2


def test_the_cache_is_bounded_in_documents_and_in_text() -> None:
    documents = Documents(CORE, introspection=True)
    for number in range(CACHED_DOCUMENTS + 50):
        documents.prepare(f"{{ a{number}: one {{ id }} }}", {})
    assert len(documents._prepared) == CACHED_DOCUMENTS
    for number in range(80):
        documents.prepare(f"{{ b{number}: one {{ id }} }}" + " " * 32_000, {})
    assert documents._characters <= CACHED_CHARACTERS
    assert documents._characters == sum(map(len, documents._prepared))
    seen = documents.validations
    documents.prepare("{ a0: one { id } }", {})
    assert documents.validations == seen + 1  # the first one has gone
