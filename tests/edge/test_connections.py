"""Clients that are slow, stall or send too much, on raw sockets: a connection ends when its time is up, and others are served meanwhile."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import serving
from app.config import Settings
from graphql_schema import server
from tests.edge.conftest import SIGNED_IN, Served, edge_app
from tests.edge.conftest import serving as served_on_a_port
from tests.edge.probe import writes

SECONDS = 0.6  # instead of ten to fifteen
BODY = b'{"query": "mutation { write(text: \\"slow\\") { id } }"}'
HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer good\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


@pytest.fixture(scope="module")
def hasty(dist: Path) -> Iterator[Served]:
    """A portal whose deadlines are short."""
    settings = Settings(env="development")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "HEADER_SECONDS", SECONDS)
        patch.setattr(serving, "LINGER_SECONDS", SECONDS)
        patch.setattr(serving, "READ_SECONDS", SECONDS)
        patch.setattr(server, "QUERY_SECONDS", SECONDS)
        patch.setattr(server, "BODY_SECONDS", SECONDS)
        with served_on_a_port(edge_app(settings, dist), settings) as served:
            yield served


@pytest.fixture(autouse=True)
def nothing_is_written_and_others_are_served(hasty: Served) -> Iterator[None]:
    before = list(writes)
    yield
    assert writes == before
    assert hasty.ask("{ one { id } }").status_code == 200


def test_a_connection_that_says_nothing_is_closed(hasty: Served) -> None:
    answer, seconds = hasty.raw(b"")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert SECONDS * 0.8 < seconds < SECONDS * 4


def test_headers_that_stall_are_cut(hasty: Served) -> None:
    answer, seconds = hasty.raw(b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds < SECONDS * 4


def test_headers_that_trickle_are_cut(hasty: Served) -> None:
    answer, seconds = hasty.raw(b"POST /graphql HTTP/1.1\r\nX-Slow: ", trickle=b"a" * 500)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds < SECONDS * 4


def test_a_second_request_that_stalls_on_a_used_connection_is_cut(hasty: Served) -> None:
    whole = b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer, seconds = hasty.raw(whole + b"GET /graphql HTTP/1.1\r\nX-Slow: ", trickle=b"a" * 500)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"HTTP/1.1 408 " in answer
    assert seconds < SECONDS * 5


def test_a_body_that_stalls_on_a_used_connection_is_cut(hasty: Served) -> None:
    body = b'{"query": "{ one { id } }"}'
    answer, seconds = hasty.raw((HEAD % len(body) + body) * 3 + HEAD % len(BODY) + BODY[:10])
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.count(b"BODY_TOO_SLOW") == 1
    assert seconds < SECONDS * 5


@pytest.mark.parametrize("sent", [b"", BODY[:10]])
def test_a_body_that_stalls_is_cut(hasty: Served, sent: bytes) -> None:
    answer, seconds = hasty.raw(HEAD % len(BODY) + sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert b"BODY_TOO_SLOW" in answer
    assert SECONDS * 0.8 < seconds < SECONDS * 4


def test_a_body_that_trickles_is_cut(hasty: Served) -> None:
    answer, seconds = hasty.raw(HEAD % 100_000, trickle=b" " * 1_000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds < SECONDS * 4


def test_a_body_that_goes_on_after_its_answer_is_cut(hasty: Served) -> None:
    head = HEAD.replace(b"Bearer good", b"Bearer bad") % 100_000
    answer, seconds = hasty.raw(head, trickle=b" " * 1_000)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert seconds < SECONDS * 4


def test_a_body_that_nobody_reads_in_time_is_cut(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "BODY_SECONDS", SECONDS)
    settings = Settings(env="development")
    with served_on_a_port(edge_app(settings, dist), settings) as served:
        _, seconds = served.raw(HEAD % 100_000, trickle=b" " * 1_000)
        assert seconds < SECONDS * 4


def test_endless_headers_are_cut(hasty: Served) -> None:
    lines = b"".join(b"X-Header-%d: %s\r\n" % (number, b"x" * 1000) for number in range(60))
    answer, _ = hasty.raw(b"GET /graphql HTTP/1.1\r\n" + lines)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_large_body_in_one_packet_with_its_headers_is_no_large_header(hasty: Served) -> None:
    body = b'{"query": "{ one { id } }"' + b" " * 60_000 + b"}"
    answer, _ = hasty.raw((HEAD % len(body)).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET /graphql HTTP/9.9\r\n\r\n",
        HEAD.replace(b"%d", b"-5"),
        HEAD.replace(b"%d", b"abc"),
        HEAD.replace(b"%d", b"5\r\nContent-Length: 6"),
        HEAD.replace(b"%d", b"5\r\nTransfer-Encoding: chunked") + b"zz\r\n",
    ],
)
def test_what_is_no_http_is_400(hasty: Served, request_: bytes) -> None:
    answer, _ = hasty.raw(request_)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind(hasty: Served) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
            connection.sendall(HEAD % len(BODY) + BODY[:20])
    time.sleep(0.1)


def test_a_client_that_does_not_read_its_answer_is_cut(hasty: Served) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        mine = connection.getsockname()[1]
        assert eventually(lambda: mine in hasty.clients())
        assert eventually(lambda: mine not in hasty.clients())


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    return holds()


def test_a_client_that_reads_slowly_gets_its_answer(hasty: Served) -> None:
    received = 0
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        while part := connection.recv(1_000_000):
            received += len(part)
            time.sleep(0.02)
    assert received > 64_000_000


def test_a_query_that_takes_too_long_is_503(hasty: Served) -> None:
    response = hasty.ask("{ slow(seconds: 30) one { id } }")
    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}
    assert response.headers["retry-after"] == "5"
    assert response.elapsed.total_seconds() < SECONDS * 4


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [("", "127.0.0.1 http"), ("10.0.0.0/8", "127.0.0.1 http"), ("127.0.0.0/8", "203.0.113.9 https")],
)
def test_forwarded_headers_are_believed_from_configured_proxies_only(dist: Path, trusted: str, seen: str) -> None:
    settings = Settings(env="development", trusted_proxies=trusted)
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    with served_on_a_port(edge_app(settings, dist), settings) as served:
        assert served.client.get("/caller", headers=headers).text == seen


def test_connections_are_bounded(dist: Path) -> None:
    settings = Settings(env="development", max_connections=10)
    with served_on_a_port(edge_app(settings, dist), settings) as served, ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
        assert eventually(lambda: len(served.clients()) == 10)
        assert served.client.get("/caller").status_code == 503
        stack.close()
        assert eventually(lambda: len(served.clients()) < 10)
        assert served.client.get("/caller").status_code == 200


def test_a_connection_that_is_used_may_stay(hasty: Served) -> None:
    for _ in range(3):
        assert hasty.client.post("/graphql", json={"query": "{ one { id } }"}, headers=SIGNED_IN).status_code == 200
        time.sleep(SECONDS * 1.2)  # longer than headers may take, shorter than keep-alive lasts
