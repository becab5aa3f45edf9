"""GraphQL over HTTP: status codes, media types and every way of getting a request wrong. https://graphql.github.io/graphql-over-http/draft/"""

import httpx
import orjson
import pytest

from graphql_schema.requests import GRAPHQL_JSON, MAX_BODY_BYTES, PLAIN_JSON, response_type
from tests.edge.conftest import SIGNED_IN, Served
from tests.edge.probe import writes

NEWER, OLDER = {"Accept": GRAPHQL_JSON}, {"Accept": PLAIN_JSON}
WRITE = 'mutation { write(text: "from a test") { id } }'


def error_of(response: httpx.Response) -> dict[str, object]:
    """The one error of an answer without data."""
    answer = response.json()
    assert list(answer) == ["errors"]
    (error,) = answer["errors"]
    assert isinstance(error["message"], str)
    return error


# --- what is answered ---


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", GRAPHQL_JSON),
        ("*/*", GRAPHQL_JSON),
        ("application/*", GRAPHQL_JSON),
        (PLAIN_JSON, PLAIN_JSON),
        (f"{GRAPHQL_JSON}, {PLAIN_JSON};q=0.9", GRAPHQL_JSON),
        (f"{PLAIN_JSON}, {GRAPHQL_JSON};q=0.5", PLAIN_JSON),
        (f"{PLAIN_JSON}; charset=utf-8, text/html", PLAIN_JSON),
        ("APPLICATION/JSON", PLAIN_JSON),
        ("text/html", None),
        (f"{GRAPHQL_JSON};q=0", None),
        (f"{PLAIN_JSON};q=nonsense", None),
        (f"*/*, {GRAPHQL_JSON};q=0", PLAIN_JSON),
    ],
)
def test_the_media_type_is_negotiated(accept: str, expected: str | None) -> None:
    assert response_type(accept.encode()) == expected


def test_an_answer_has_the_negotiated_type(production: Served) -> None:
    for headers, expected in ((NEWER, GRAPHQL_JSON), (OLDER, PLAIN_JSON), ({"Accept": "*/*"}, GRAPHQL_JSON)):
        response = production.ask("{ one { name } }", headers)
        assert (response.status_code, response.json()) == (200, {"data": {"one": {"name": "one"}}})
        assert response.headers["content-type"] == f"{expected}; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"


def test_accept_may_come_in_two_parts(production: Served) -> None:
    body = orjson.dumps({"query": "{ one { name } }"})
    own = [*SIGNED_IN.items(), ("Content-Type", PLAIN_JSON)]
    for parts, expected in ((["text/html", PLAIN_JSON], PLAIN_JSON), ([f"{PLAIN_JSON};q=0.1", "*/*"], GRAPHQL_JSON)):
        headers = [*own, *(("Accept", part) for part in parts)]
        response = production.client.post("/graphql", content=body, headers=headers)
        assert response.headers["content-type"] == f"{expected}; charset=utf-8"


def test_operation_name_variables_and_extensions_are_taken(production: Served) -> None:
    document = "query A { one { name } } query B($t: String!) { echo(text: $t) }"
    response = production.ask(document, variables={"t": "ü"}, operationName="B", extensions={"any": 1}, unknown=1)
    assert response.json() == {"data": {"echo": "ü None"}}
    assert production.ask("{ one { name } }", operationName="", variables=None).json() == {
        "data": {"one": {"name": "one"}}
    }


@pytest.mark.parametrize(
    ("document", "more"),
    [
        ("{ one", {}),
        ("{ unknownField }", {}),
        ("{ one }", {}),
        ('{ echo(text: 5) }', {}),
        ("{ echo(text: NaN) }", {}),
        ("query ($t: String!) { echo(text: $t) }", {}),
        ("query ($t: String!) { echo(text: $t) }", {"variables": {"t": 5}}),
        ("query ($t: String!) { echo(text: $t) }", {"variables": {"t": None}}),
        ("query ($n: Int) { echo(text: \"\", number: $n) }", {"variables": {"n": 2**40}}),
        ("query A { one { name } } query B { one { name } }", {}),
        ("query A { one { name } }", {"operationName": "C"}),
        ("subscription { one { name } }", {}),
        ("fragment F on Query { one { name } }", {}),
        ("type T { a: Int }", {}),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_executed_is_400_or_200_by_media_type(
    production: Served, document: str, more: dict[str, object]
) -> None:
    response = production.ask(document, NEWER, **more)
    assert response.status_code == 400
    assert "data" not in response.json()
    assert response.json()["errors"]
    older = production.ask(document, OLDER, **more)
    assert (older.status_code, older.json()) == (200, response.json())


def test_null_data_is_still_data(production: Served) -> None:
    response = production.ask("{ one { brokenHard } }", NEWER)
    assert response.status_code == 200
    assert response.json()["data"] is None


# --- what is refused before anything is executed ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'"a string"',
        b"5",
        b"null",
        b"true",
        b"[]",
        b'[{"query": "{ one { name } }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": ["{ one { name } }"]}',
        b'{"query": "   "}',
        b'{"query": "{ one { name } }", "variables": []}',
        b'{"query": "{ one { name } }", "variables": "{}"}',
        b'{"query": "{ one { name } }", "variables": 5}',
        b'{"query": "{ one { name } }", "operationName": 5}',
        b'{"query": "{ one { name } }", "operationName": {}}',
        b'{"query": "{ one { name } }", "extensions": "x"}',
        b'{"query": "{ one { name } }", "extensions": [1]}',
        b'{"query": "{ echo(text: \\"\\") }", "variables": {"a": NaN}}',
        b'{"query": "{ echo(text: \\"\\") }", "variables": {"a": Infinity}}',
        b'{"query": "{ one { name } }"} trailing',
        b'{"query": "\xff\xfe"}',
        b'{"query": "\xed\xa0\x80"}',
        b'{"query": "{ echo(text: \\"\\\\ud800\\") }"}',
        b'{"query": "query($t: String!) { echo(text: $t) }", "variables": {"t": "a\\u0000b"}}',
        b'{"query": "query($t: String!) { echo(text: $t) }", "variables": {"t": "\\ud800"}}',
        b'{"query": "{ one { name } }", "variables": {"n": 1' + b"0" * 400 + b"}}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"query": "{ one { name } }", "variables": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
        b'{"query": "{ one { name } }", "variables": {"a": [' + b"1," * 50_000 + b"1]}}",
        "\ufeff{}".encode("utf-16"),
    ],
)
def test_a_malformed_body_is_400(production: Served, body: bytes) -> None:
    response = production.send(body, NEWER)
    assert response.status_code == 400
    assert error_of(response)


def test_a_list_of_operations_is_refused_by_name(production: Served, unchanged: None) -> None:
    response = production.client.post("/graphql", json=[{"query": WRITE}], headers=SIGNED_IN)
    assert response.status_code == 400
    assert "one operation" in str(error_of(response)["message"])


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/jsonp",
        "",
    ],
)
def test_only_json_is_read(production: Served, content_type: str, unchanged: None) -> None:
    response = production.send(orjson.dumps({"query": WRITE}), {"Content-Type": content_type})
    assert response.status_code == 415
    assert response.headers["accept"] == PLAIN_JSON
    assert error_of(response)


def test_of_two_content_types_the_first_counts(production: Served, unchanged: None) -> None:
    headers = [*SIGNED_IN.items(), ("Content-Type", "text/plain"), ("Content-Type", PLAIN_JSON)]
    response = production.client.post("/graphql", content=orjson.dumps({"query": WRITE}), headers=headers)
    assert response.status_code == 415


def test_json_may_name_its_charset(production: Served) -> None:
    response = production.send(b'{"query": "{ one { name } }"}', {"Content-Type": 'Application/JSON; Charset="UTF-8"'})
    assert response.status_code == 200


def test_compressed_bodies_are_refused(production: Served) -> None:
    assert production.send(b"x", {"Content-Encoding": "gzip"}).status_code == 415


def test_multipart_uploads_write_nothing(production: Served, unchanged: None) -> None:
    files = {"operations": (None, orjson.dumps({"query": WRITE})), "map": (None, b"{}")}
    assert production.client.post("/graphql", files=files, headers=SIGNED_IN).status_code == 415


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_served(production: Served, method: str, unchanged: None) -> None:
    response = production.client.request(method, "/graphql", params={"query": WRITE}, headers=SIGNED_IN)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    if method != "HEAD":
        assert error_of(response)


def test_a_type_that_is_not_served_is_406(production: Served, unchanged: None) -> None:
    response = production.ask(WRITE, {"Accept": "text/event-stream"})
    assert response.status_code == 406
    assert error_of(response)


def test_a_body_over_the_limit_is_413(production: Served, unchanged: None) -> None:
    response = production.send(b'{"query": "' + b" " * MAX_BODY_BYTES + b'"}')
    assert response.status_code == 413
    assert error_of(response)["extensions"] == {"code": "BODY_TOO_LARGE"}


def test_a_chunked_body_over_the_limit_is_413(production: Served, unchanged: None) -> None:
    def chunks():  # type: ignore[no-untyped-def]
        for _ in range(40):
            yield b" " * 32_768

    headers = SIGNED_IN | {"Content-Type": "application/json"}
    response = production.client.post("/graphql", content=chunks(), headers=headers)
    assert response.status_code == 413


def test_a_body_just_under_the_limit_is_read(production: Served) -> None:
    body = b'{"query": "{ one { name } }"'
    response = production.send(body + b" " * (MAX_BODY_BYTES - len(body) - 1) + b"}")
    assert response.status_code == 200


# --- who asks ---


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic good"}])
def test_strangers_get_401_and_write_nothing(production: Served, headers: dict[str, str], unchanged: None) -> None:
    response = production.client.post("/graphql", json={"query": WRITE}, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert error_of(response)["extensions"] == {"code": "UNAUTHENTICATED"}


def test_strangers_are_refused_before_their_body_is_read(production: Served) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: portal.example\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n"
    answer, seconds = production.raw(head, wait=1.0)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert seconds < 10


def test_a_mutation_is_executed_once(production: Served) -> None:
    before = len(writes)
    response = production.ask(WRITE)
    assert response.json() == {"data": {"write": {"id": "id-from a test"}}}
    assert writes[before:] == ["from a test"]
