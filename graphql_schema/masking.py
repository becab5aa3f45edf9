"""Which errors a client may read. Everything else is answered with a correlation id, and the log has the rest under that id."""

from collections.abc import Iterable
from typing import Any

import structlog
from graphql import GraphQLError

log = structlog.get_logger("graphql")

SUGGESTION = " Did you mean"


def shown(errors: Iterable[GraphQLError], request_id: str, *, suggestions: bool) -> list[dict[str, Any]]:
    """The errors as the response carries them. Masked ones are logged with the exception and the same id."""
    return [
        _formatted(error, suggestions=suggestions) if meant_to_be_seen(error) else _masked(error, request_id)
        for error in errors
    ]


def meant_to_be_seen(error: GraphQLError) -> bool:
    """Request errors (no path) and GraphQLErrors that a resolver raised on purpose.

    graphql-core raises GraphQLErrors of its own when a resolver's value does not fit its type: they quote the value, and
    they are our fault.
    """
    cause = error.original_error or error
    if not isinstance(cause, GraphQLError):
        return False
    return error.path is None or not _raised_in_the_machinery(cause)


def _raised_in_the_machinery(error: GraphQLError) -> bool:
    traceback = error.__traceback__
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    module: str = traceback.tb_frame.f_globals.get("__name__", "")
    # graphql.execution.values refuses arguments: the client's fault.
    return module.startswith(("graphql.", "strawberry.")) and module != "graphql.execution.values"


def _formatted(error: GraphQLError, *, suggestions: bool) -> dict[str, Any]:
    formatted: dict[str, Any] = dict(error.formatted)
    if not suggestions:
        formatted["message"] = error.message.split(SUGGESTION, 1)[0]
    return formatted


def _masked(error: GraphQLError, request_id: str) -> dict[str, Any]:
    log.error("graphql.error_masked", request_id=request_id, path=error.path, exc_info=error.original_error or error)
    formatted: dict[str, Any] = {
        "message": f"Something went wrong on our side. Support can find it by the id {request_id}.",
        "extensions": {"code": "INTERNAL_ERROR", "requestId": request_id},
    }
    formatted |= {key: error.formatted[key] for key in ("locations", "path") if key in error.formatted}
    return formatted
