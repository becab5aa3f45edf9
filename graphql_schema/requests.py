"""A GraphQL request out of an HTTP one, bounded in size and time.

As GraphQL over HTTP says: https://graphql.github.io/graphql-over-http/draft/
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.deadlines import Deadlines

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 15.0  # from the first read to the last byte; nothing below this server cuts a stalled body
MAX_VALUES = 10_000  # in the variables: each is coerced in Python
_WALK_FROM_BYTES = 32_768  # a smaller body cannot hold enough of them to matter


Headers = dict[bytes, bytes]  # by name, in small letters


class RefusedRequestError(Exception):
    """The request is answered with this status and a GraphQL error that says why; nothing was executed."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Operation:
    """The four parameters of a GraphQL request."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    extensions: dict[str, Any]


def headers_of(scope: Scope) -> Headers:
    """Of two with one name the first counts; but Accept may well come in several parts."""
    headers: Headers = dict(reversed(scope["headers"]))
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    if len(accepted) > 1:
        headers[b"accept"] = b",".join(accepted)
    return headers


@lru_cache(maxsize=128)
def response_type(accept: bytes) -> str | None:
    """The media type to answer with; None if the client takes neither. A client that doesn't care gets the newer one."""
    if not accept.strip():
        return GRAPHQL_JSON
    mentioned = [_weighted(one) for one in accept.decode("latin-1").split(",")]
    wanted = dict(reversed(mentioned))  # the first mention of a type counts
    by_type = {
        one: wanted.get(one, wanted.get("application/*", wanted.get("*/*", 0.0))) for one in (GRAPHQL_JSON, PLAIN_JSON)
    }
    best = max(by_type, key=by_type.__getitem__)  # at equal weight the newer one, which stands first
    return best if by_type[best] > 0 else None


def _weighted(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 0.0
    return name, 1.0


def check_content_type(headers: Headers) -> None:
    """JSON in UTF-8 only: no form, no multipart, no text/plain that a foreign page could send. Raises RefusedRequestError 415."""
    if not _is_json(headers.get(b"content-type", b""), headers.get(b"content-encoding", b"identity")):
        message = "Send the request as uncompressed JSON in UTF-8 with Content-Type: application/json."
        raise RefusedRequestError(415, "UNSUPPORTED_MEDIA_TYPE", message, {"Accept": PLAIN_JSON})


@lru_cache(maxsize=128)
def _is_json(content_type: bytes, encoding: bytes) -> bool:
    media_type, *parameters = (part.strip().lower() for part in content_type.decode("latin-1").split(";"))
    charsets = [value.strip('"') for key, _, value in (one.partition("=") for one in parameters) if key == "charset"]
    return media_type == PLAIN_JSON and all(one in {"utf-8", "utf8"} for one in charsets) and encoding == b"identity"


async def read_body(receive: Receive, headers: Headers, deadlines: Deadlines) -> bytes:
    """The whole body. Raises RefusedRequestError 413 or 408, ClientDisconnect."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        with deadlines():
            return await _bounded(receive)
    except TimeoutError:
        message = f"The body did not arrive within {deadlines.seconds:g} seconds."
        raise RefusedRequestError(408, "BODY_TOO_SLOW", message, {"Connection": "close"}) from None


async def _bounded(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return body


def _too_large() -> RefusedRequestError:
    return RefusedRequestError(413, "BODY_TOO_LARGE", f"The body is larger than {MAX_BODY_BYTES} bytes.")


def parse_operation(body: bytes) -> Operation:
    """The operation that a body holds. Raises RefusedRequestError 400."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad(f"The body is not JSON in UTF-8: {error}.") from None
    if isinstance(request, list):
        raise _bad("Send one operation for each request: a list of them is not served.")
    if not isinstance(request, dict):
        raise _bad('The body must be a JSON object such as {"query": "{ viewer { user { email } } }"}.')
    if b"\\u0000" in body:
        raise _bad("The character U+0000 has no place in a request.")
    query = request.get("query")
    if not isinstance(query, str) or not query.strip():
        raise _bad("`query` must be a string that holds a GraphQL document.")
    operation_name = request.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise _bad("`operationName` must be a string or null.")
    variables, extensions = _object(request, "variables"), _object(request, "extensions")
    if len(body) > _WALK_FROM_BYTES and _has_too_many_values(variables):
        raise _bad(f"`variables` holds more than {MAX_VALUES} values.")
    # An empty name is no name: clients send it for "the only operation".
    return Operation(query, variables, operation_name or None, extensions)


def _object(request: dict[str, Any], name: str) -> dict[str, Any]:
    value = request.get(name)
    if value is not None and not isinstance(value, dict):
        raise _bad(f"`{name}` must be an object or null.")
    return value or {}


def _has_too_many_values(variables: dict[str, Any]) -> bool:
    waiting: list[Any] = [variables]
    count = 0
    while waiting and count <= MAX_VALUES:
        value = waiting.pop()
        count += 1
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return count > MAX_VALUES


def _bad(message: str) -> RefusedRequestError:
    return RefusedRequestError(400, "BAD_REQUEST", message)
