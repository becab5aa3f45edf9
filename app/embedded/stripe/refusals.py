"""Stripe's error bodies: one exception that knows its status, type, code, parameter and message."""

from typing import Any

Record = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error. `kept`: what was done before it stands, as a failed charge does."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        kept: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.kept = kept
        self.details = details

    def error(self) -> Record:
        """The error object of Stripe's body; fields without a value are left out, as Stripe does."""
        named = {"code": self.code, "doc_url": documentation(self.code), "message": self.message, "param": self.param}
        return {
            name: value for name, value in (named | self.details | {"type": self.kind}).items() if value is not None
        }


def documentation(code: str | None) -> str | None:
    """Where Stripe explains an error code."""
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}" if code else None


def missing(kind: str, object_id: str, param: str, *, status: int = 400) -> Refusal:
    """`kind` in Stripe's words: customer, PaymentMethod, payment_intent. In a path the status is 404."""
    return Refusal(f"No such {kind}: '{object_id}'", status=status, code="resource_missing", param=param)
