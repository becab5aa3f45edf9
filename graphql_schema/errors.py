"""Expected refusals as data: `userErrors` of every payload."""

import strawberry

from app.rules.errors import ErrorCode as RuleErrorCode
from app.rules.errors import Refusal

ErrorCode = strawberry.enum(RuleErrorCode, name="ErrorCode", description="Why something was refused.")


@strawberry.type(
    description="An expected refusal, as data. Top-level errors are for authentication, throttling and faults only."
)
class UserError:
    code: ErrorCode  # type: ignore[valid-type]
    path: list[str] | None
    message: str
    message_key: str


def as_user_error(refusal: Refusal) -> UserError:
    """Translate a refusal that a service raised; its transaction has rolled back by now."""
    return UserError(
        code=refusal.code,
        path=list(refusal.path) or None,
        message=refusal.message,
        message_key=refusal.message_key,
    )
