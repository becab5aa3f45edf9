"""The endpoint /graphql: GraphQL over HTTP, around graphql-core's executor.

Strawberry builds the schema; its own HTTP views answer 500 to a body that is JSON but no object, and know one media type and one status.
Operations run without Strawberry's schema extensions (some 0.08 ms an operation): limits, caches and masking stand here by name.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import orjson
import strawberry
import structlog
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.execution import optimized_is_awaitable

from app.auth.actor import ServicePrincipal, Unauthenticated, UserPrincipal
from app.auth.refusals import refusal_headers
from app.deadlines import Deadlines
from graphql_schema.direct import execute
from graphql_schema.direct_mutations import perform
from graphql_schema.documents import Documents
from graphql_schema.executor import LeafExecutor
from graphql_schema.limits import Limits
from graphql_schema.masking import shown
from graphql_schema.requests import (
    BODY_SECONDS,
    GRAPHQL_JSON,
    PLAIN_JSON,
    Headers,
    Operation,
    RefusedRequestError,
    check_content_type,
    headers_of,
    parse_operation,
    read_body,
    response_type,
)

log = structlog.get_logger("graphql")

QUERY_SECONDS = 20.0  # mutations are not cut: what they do outside the database is bounded where it is done

Principal = UserPrincipal | ServicePrincipal
Authenticate = Callable[[Request], Awaitable[Principal]]
ContextFactory = Callable[[Request, Principal], AbstractAsyncContextManager[Any]]


class GraphQLEndpoint:
    """An ASGI application that serves one schema by POST.

    `context` opens what the resolvers of one operation share and closes it afterwards; its `refresh()` begins anew. `development` switches
    introspection and field suggestions on; `playground` answers a browser's GET (GraphiQL, in development).
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        authenticate: Authenticate,
        context: ContextFactory,
        development: bool,
        playground: Callable[[], Response] | None = None,
        limits: Limits | None = None,
    ) -> None:
        if schema.extensions or schema.directives:
            raise ValueError(
                "Schema extensions and operation directives would not run here: see graphql_schema/server.py"
            )
        self._schema = schema._schema  # noqa: SLF001  (the graphql-core schema has no public name)
        if not issubclass(schema.execution_context_class, LeafExecutor):
            raise TypeError("The schema's execution_context_class must be LeafExecutor")
        self._executor = schema.execution_context_class
        self._authenticate = authenticate
        self._context = context
        self._development = development
        self._playground = playground if development else None
        self._body_deadlines, self._query_deadlines = Deadlines(BODY_SECONDS), Deadlines(QUERY_SECONDS)
        self.documents = Documents(self._schema, introspection=development, limits=limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        media_type = response_type(headers.get(b"accept", b""))
        try:
            answer = await self._respond(Request(scope, receive), headers, media_type)
        except RefusedRequestError as refusal:
            answer = _refused(refusal, media_type or GRAPHQL_JSON)
        except Unauthenticated as refusal:
            answer = _refused(_unauthenticated(refusal), media_type or GRAPHQL_JSON)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _respond(self, request: Request, headers: Headers, media_type: str | None) -> ASGIApp:
        if request.method != "POST":
            if self._playground and request.method == "GET" and b"text/html" in headers.get(b"accept", b""):
                return self._playground()
            raise RefusedRequestError(405, "METHOD_NOT_ALLOWED", "Send operations by POST.", {"Allow": "POST"})
        if media_type is None:
            raise RefusedRequestError(406, "NOT_ACCEPTABLE", f"Answers are {GRAPHQL_JSON} or application/json.")
        check_content_type(headers)
        principal = await self._authenticate(request)
        operation = parse_operation(await read_body(request.receive, headers, self._body_deadlines))
        return await self._answer(request, principal, operation, media_type)

    async def _answer(
        self, request: Request, principal: Principal, operation: Operation, media_type: str
    ) -> "_JsonAnswer":
        request_id = request.scope.get("state", {}).get("request_id", "-")
        prepared = self.documents.prepare(operation.query, operation.variables)
        if prepared.errors or prepared.document is None:
            return self._request_errors(prepared.errors, media_type, request_id)
        async with self._context(request, principal) as context:
            executor: Any = self._executor.build(
                self._schema,
                prepared.document,
                context_value=context,
                raw_variable_values=operation.variables,
                operation_name=operation.operation_name,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
                hide_suggestions=not self._development,
                operation_extensions=operation.extensions,
                shared=prepared.shared,
            )
            if isinstance(executor, list):
                return self._request_errors(executor, media_type, request_id)
            result = await self._run(executor)
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            _raise_unauthenticated(result.errors)
            answer["errors"] = shown(result.errors, request_id, suggestions=self._development)
        return _JsonAnswer(answer, 200, media_type)

    async def _run(self, executor: LeafExecutor) -> ExecutionResult:
        kind = executor.operation.operation
        if kind is OperationType.SUBSCRIPTION:
            raise RefusedRequestError(400, "BAD_REQUEST", "Subscriptions are not served here.")
        if kind is OperationType.MUTATION:
            return await _executed(executor)
        try:
            with self._query_deadlines():
                return await _executed(executor)
        except TimeoutError:
            log.warning("graphql.timeout", seconds=self._query_deadlines.seconds)
            message = f"The query took longer than {self._query_deadlines.seconds:g} seconds. Ask for smaller pages."
            raise RefusedRequestError(503, "TIMEOUT", message, {"Retry-After": "5"}) from None

    def _request_errors(self, errors: Any, media_type: str, request_id: str) -> "_JsonAnswer":
        """Nothing was executed: no `data`. The older media type says 200 to any well-formed request."""
        answer = {"errors": shown(errors, request_id, suggestions=self._development)}
        return _JsonAnswer(answer, 400 if media_type == GRAPHQL_JSON else 200, media_type)


async def _executed(executor: LeafExecutor) -> ExecutionResult:
    course = executor.course()
    if course is None:
        return await executor.executed()
    if executor.operation.operation is OperationType.MUTATION:
        return await perform(executor, course)
    try:
        return ExecutionResult(await execute(executor, course), None)
    except Exception:  # noqa: BLE001  (whatever it is, graphql-core comes upon it again and reports it)
        await executor.context_value.refresh()  # in a transaction of its own: this one may have failed
        return await executor.executed()


def _raise_unauthenticated(errors: list[GraphQLError]) -> None:
    """Who the principal is in its tenant is read with the first figures: nobody there is 401, not an error of a field."""
    for error in errors:
        if isinstance(error.original_error, Unauthenticated):
            raise error.original_error


def _unauthenticated(refusal: Unauthenticated) -> RefusedRequestError:
    messages = {
        400: ("BAD_REQUEST", "Send one Authorization header."),
        401: ("UNAUTHENTICATED", "Sign in, or send a valid token in the Authorization header."),
        403: ("FORBIDDEN", "The request carries a session cookie but not the page's own CSRF token."),
        503: ("UNAVAILABLE", "The identity provider cannot be reached at the moment."),
    }
    code, message = messages[refusal.status]
    return RefusedRequestError(refusal.status, code, message, refusal_headers(refusal))


def _refused(refusal: RefusedRequestError, media_type: str) -> "_JsonAnswer":
    answer = {"errors": [{"message": str(refusal), "extensions": {"code": refusal.code}}]}
    more = {name.lower().encode(): value.encode() for name, value in refusal.headers.items()}
    return _JsonAnswer(answer, refusal.status, media_type, more)


class _JsonAnswer:
    """An answer, itself the application that sends it, as Starlette's are; its headers are made once for all."""

    _HEADERS: ClassVar = {
        media_type: {
            b"content-type": f"{media_type}; charset=utf-8".encode(),
            b"cache-control": b"no-store",
            b"vary": b"Accept",
        }
        for media_type in (GRAPHQL_JSON, PLAIN_JSON)
    }

    def __init__(
        self, answer: dict[str, Any], status: int, media_type: str, more: dict[bytes, bytes] | None = None
    ) -> None:
        self._body = orjson.dumps(answer)
        self._status = status
        self._headers = self._HEADERS[media_type] | (more or {}) | {b"content-length": b"%d" % len(self._body)}

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers.items()})
        await send({"type": "http.response.body", "body": self._body})
