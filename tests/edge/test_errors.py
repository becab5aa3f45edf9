"""What a client may read of an error, and what only the log has."""

import re
from typing import Any

import pytest
import structlog

from tests.edge.conftest import Served
from tests.edge.probe import SECRET

MASKED = re.compile(r"Something went wrong on our side\. Support can find it by the id ([A-Za-z0-9._-]+)\.")


@pytest.fixture
def logged() -> Any:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        yield events


@pytest.mark.parametrize("served", ["development", "production"])
@pytest.mark.parametrize(
    "document",
    [
        "{ one { broken } }",
        "{ one { brokenHard } }",
        '{ odd(attribute: "name", index: 2) { name } }',
        '{ odd(attribute: "count", index: 2) { count } }',  # graphql-core's own error would quote the value
        '{ odd(attribute: "colour", index: 3) { colour } }',
        "{ incomplete { name } }",
    ],
)
def test_faults_are_masked_and_logged_under_the_same_id(
    request: pytest.FixtureRequest, logged: list[dict[str, Any]], served: str, document: str
) -> None:
    response = request.getfixturevalue(served).ask(document)
    (error,) = response.json()["errors"]
    found = MASKED.fullmatch(error["message"])
    assert found
    assert found[1] == response.headers["x-request-id"] == error["extensions"]["requestId"]
    assert error["extensions"]["code"] == "INTERNAL_ERROR"
    assert error["path"]
    assert SECRET not in response.text
    assert "seven" not in response.text
    (event,) = [one for one in logged if one["event"] == "graphql.error_masked"]
    assert event["request_id"] == found[1]
    assert event["exc_info"] is not None
    assert event["path"] == error["path"]


def test_errors_that_resolvers_raise_on_purpose_are_seen(production: Served, logged: list[dict[str, Any]]) -> None:
    response = production.ask("{ one { name refused } }")
    assert response.json()["data"] == {"one": {"name": "one", "refused": None}}
    (error,) = response.json()["errors"]
    assert error["message"] == "Meant to be seen."
    assert error["extensions"] == {"code": "SEEN"}
    assert not logged


def test_a_null_variable_where_none_may_be_is_the_clients_error(production: Served) -> None:
    document = "query ($n: Int) { many(first: $n) { nodes { name } } }"
    response = production.ask(document, variables={"n": None})
    assert "first" in response.json()["errors"][0]["message"]
    assert not MASKED.search(response.text)


@pytest.mark.parametrize("method", ["GET", "POST"])  # by the routes, and past them
def test_faults_outside_of_graphql_are_masked_too(
    production: Served, logged: list[dict[str, Any]], method: str
) -> None:
    response = production.client.request(method, "/broken")
    assert response.status_code == 500
    (error,) = response.json()["errors"]
    assert MASKED.fullmatch(error["message"])[1] == response.headers["x-request-id"]  # type: ignore[index]
    assert "fault outside" not in response.text
    assert [one["request_id"] for one in logged if one["event"] == "http.unhandled"] == [
        response.headers["x-request-id"]
    ]


def test_a_sane_request_id_is_kept_and_any_other_replaced(production: Served) -> None:
    kept = production.ask("{ one { broken } }", {"X-Request-Id": "proxy-0123.abc_DEF"})
    assert kept.headers["x-request-id"] == "proxy-0123.abc_DEF"
    assert "proxy-0123.abc_DEF" in kept.text
    for given in ("short", "x" * 65, "with blank", 'quote"12345', "<script>alert(1)</script>"):
        assert production.ask("{ one { name } }", {"X-Request-Id": given}).headers["x-request-id"] != given


MISTAKES = [
    "{ nam }", "{ one { nam } }", "{ one }", "{ one { name { x } } }", "{ echo(tex: 1) }", "{ ones { name } }",
    "query ($a: Strin) { echo(text: $a) }", "{ mixed { ... on Leaf { name } } }", "{ one { ... on Leefy { name } } }",
    "fragment F on Qery { one { name } } { ...F }", "{ mixed { size } }", "{ named { size } }",
    "{ one @skipp(if: true) { name } }", "{ one { colour(a: RED) } }",
]  # fmt: skip


@pytest.mark.parametrize("document", MISTAKES)
def test_production_suggests_nothing(production: Served, development: Served, document: str) -> None:
    in_production, in_development = production.ask(document), development.ask(document)
    assert in_production.status_code == in_development.status_code == 400
    assert "Did you mean" not in in_production.text
    for never_mentioned in ("LeafyConnection", "LeafyEdge", "Mutation", "maybeColour"):
        assert never_mentioned not in in_production.text


def test_development_does_suggest(development: Served) -> None:
    assert "Did you mean 'name'" in development.ask("{ one { nam } }").text


@pytest.mark.parametrize("document", ["{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'])
def test_introspection_is_for_development(production: Served, development: Served, document: str) -> None:
    refused = production.ask(document)
    assert refused.status_code == 400
    assert "introspection has been disabled" in refused.json()["errors"][0]["message"]
    assert "data" in development.ask(document).json()
    assert production.ask("{ one { __typename } }").json() == {"data": {"one": {"__typename": "Leafy"}}}


def test_variables_of_a_wrong_type_suggest_nothing(production: Served) -> None:
    response = production.ask('query ($c: Int!) { echo(text: "", number: $c) }', variables={"c": "text"})
    assert response.status_code == 400
    assert "Did you mean" not in response.text
