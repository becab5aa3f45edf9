"""Refusals: what the portal says no to, as exceptions. Raised inside a transaction (so that it rolls back), translated outside it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.rules.money import units


class ErrorCode(StrEnum):
    """Why something was refused; the API's `UserError.code`."""

    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"
    STALE_VERSION = "STALE_VERSION"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    TIER_NOT_ELIGIBLE = "TIER_NOT_ELIGIBLE"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    PAYMENTS_UNAVAILABLE = "PAYMENTS_UNAVAILABLE"
    PAYMENT_METHOD_IN_USE = "PAYMENT_METHOD_IN_USE"
    QUOTE_EXPIRED = "QUOTE_EXPIRED"
    QUOTE_USED = "QUOTE_USED"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    REFUND_TOO_LARGE = "REFUND_TOO_LARGE"
    REFUND_NOT_POSSIBLE = "REFUND_NOT_POSSIBLE"
    # Of spending (ruling 12), in the order in which the gate asks.
    MEMBER_SUSPENDED = "MEMBER_SUSPENDED"
    SHORTFALL = "SHORTFALL"
    SUBSCRIPTION_NOT_PAID = "SUBSCRIPTION_NOT_PAID"
    MODEL_BLOCKED = "MODEL_BLOCKED"
    MODEL_NOT_ALLOWED = "MODEL_NOT_ALLOWED"
    REQUEST_COST_LIMIT = "REQUEST_COST_LIMIT"
    DAILY_LIMIT = "DAILY_LIMIT"
    MONTHLY_LIMIT = "MONTHLY_LIMIT"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    MODELS_PER_MONTH = "MODELS_PER_MONTH"
    REQUESTS_PER_DAY = "REQUESTS_PER_DAY"
    TOKENS_PER_REQUEST = "TOKENS_PER_REQUEST"
    CONCURRENT_REQUESTS = "CONCURRENT_REQUESTS"
    REQUESTS_PER_MINUTE = "REQUESTS_PER_MINUTE"
    TOKENS_PER_MINUTE = "TOKENS_PER_MINUTE"
    INSUFFICIENT_CREDITS = "INSUFFICIENT_CREDITS"
    # Of what is reported about a request, and of the list it comes in.
    UNKNOWN_REQUEST_TYPE = "UNKNOWN_REQUEST_TYPE"
    USAGE_MISSING = "USAGE_MISSING"
    WRONG_FIGURES = "WRONG_FIGURES"
    LIST_SIZE = "LIST_SIZE"
    RESERVATION_CLOSED = "RESERVATION_CLOSED"
    NOT_BOOKED = "NOT_BOOKED"


class Refusal(Exception):
    """An expected refusal: what is wrong and what would be right, and where in the input (`path`)."""

    code = ErrorCode.INVALID
    message_key = "error.invalid"

    def __init__(self, message: str, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Invalid(Refusal):
    """A value that cannot be accepted. `reason` completes the message key for translation: `error.invalid.<reason>`."""

    def __init__(self, message: str, *, path: tuple[str, ...] = (), reason: str = "value") -> None:
        super().__init__(message, path=path)
        self.message_key = f"error.invalid.{reason}"


class Forbidden(Refusal):
    """The viewer lacks the permission that the action needs."""

    code = ErrorCode.FORBIDDEN
    message_key = "error.forbidden"


class NotFound(Refusal):
    """No such thing for this viewer: it does not exist, or it is somebody else's. Both read the same (ruling 18)."""

    code = ErrorCode.NOT_FOUND
    message_key = "error.not_found"

    def __init__(self, what: str, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"There is no such {what}.", path=path)


class StaleVersion(Refusal):
    """Somebody else changed it in between."""

    code = ErrorCode.STALE_VERSION
    message_key = "error.stale_version"

    def __init__(self, current: int, given: int) -> None:
        super().__init__(
            f"The settings were changed meanwhile: you sent version {given}, the current one is {current}. "
            "Read them again and repeat your change.",
            path=("version",),
        )


class TierNotEligible(Refusal):
    """The pool's plan or kind does not have this."""

    code = ErrorCode.TIER_NOT_ELIGIBLE
    message_key = "error.tier_not_eligible"


class QuoteExpired(Refusal):
    """A quote is good for 15 minutes."""

    code = ErrorCode.QUOTE_EXPIRED
    message_key = "error.quote_expired"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(
            f"The quote expired at {expired_at:%Y-%m-%d %H:%M:%S} UTC. Ask for a new one; nothing was charged.",
            path=("quoteId",),
        )


class QuoteUsed(Refusal):
    """A quote buys once."""

    code = ErrorCode.QUOTE_USED
    message_key = "error.quote_used"

    def __init__(self) -> None:
        super().__init__(
            "This quote was already used for a purchase. Ask for a new one; nothing more was charged.",
            path=("quoteId",),
        )


class IdempotencyMismatch(Refusal):
    """The same key came with another body (ruling 11)."""

    code = ErrorCode.IDEMPOTENCY_MISMATCH
    message_key = "error.idempotency_mismatch"

    def __init__(self, name: str = "idempotency key", path: tuple[str, ...] = ("idempotencyKey",)) -> None:
        super().__init__(
            f"This {name} was already used with other arguments. "
            f"Repeat the first arguments to get the first answer again, or send a new {name.rsplit(maxsplit=1)[-1]}.",
            path=path,
        )


class PaymentDeclined(Refusal):
    """The bank or Stripe refused the payment. The purchase is recorded as failed."""

    code = ErrorCode.PAYMENT_DECLINED
    message_key = "error.payment_declined"


class PaymentsUnavailable(Refusal):
    """Stripe can't be reached, and nothing has been asked of it yet."""

    code = ErrorCode.PAYMENTS_UNAVAILABLE
    message_key = "error.payments_unavailable"

    def __init__(
        self, message: str = "Payments can't be taken just now. Nothing was charged; try again in a few minutes."
    ) -> None:
        super().__init__(message)


class PaymentMethodInUse(Refusal):
    """Something still pays with the card."""

    code = ErrorCode.PAYMENT_METHOD_IN_USE
    message_key = "error.payment_method_in_use"


class RefundTooLarge(Refusal):
    """More than is left of what was paid (ruling 22). Amounts in cents; `asked` None: all that is left, and nothing is."""

    code = ErrorCode.REFUND_TOO_LARGE
    message_key = "error.refund_too_large"

    def __init__(self, asked: int | None, left: int, paid: int, currency: str) -> None:
        paid_back = f"{units(paid - left)} of the {units(paid)} {currency} paid"
        if left == 0:
            message = (
                f"There is nothing left to refund: {paid_back} were given back, are on their way back or are disputed."
            )
        else:
            message = f"{units(asked or 0)} {currency} can't be refunded: {units(left)} is left ({paid_back} are on their way or back)."
        super().__init__(message, path=("amountCents",))


class RefundNotPossible(Refusal):
    """The purchase or the refund is in a state in which this can't be done."""

    code = ErrorCode.REFUND_NOT_POSSIBLE
    message_key = "error.refund_not_possible"


class InsufficientLedger(Refusal):
    """An entry that would take a bucket below zero (ruling 9)."""

    code = ErrorCode.LIMIT_EXCEEDED
    message_key = "error.balance_too_low"

    def __init__(self, bucket: str, remaining: Decimal, asked: Decimal) -> None:
        super().__init__(f"The {bucket} bucket holds {remaining} credits; {asked} were asked for.")
