"""Spending by the AI gateway and by people for themselves: quote, hold, settle, release.

Every item of a list has its own answer. Whatever is wrong with one item is that item's refusal: so the figures of an item are taken as they
come and checked one by one, not by the list's type.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from app.rules.consumption import Figures, RequestType, request_type
from app.rules.errors import ErrorCode as RuleErrorCode
from app.rules.errors import Invalid, NotFound, Refusal
from app.rules.spending_gate import Lifter, SpendingRefused, SpendLimit
from app.services.spending.commands import (
    DEFAULT_HOLD,
    LONGEST_HOLD,
    MAX_LIST,
    Command,
    Release,
    Reservation,
    Reserve,
    Settle,
)
from app.services.spending.lanes import Answer
from graphql_schema.errors import ErrorCode, UserError, as_user_error
from graphql_schema.inputs import direct
from graphql_schema.node import Node, split_id, to_id, uuid_of

strawberry.enum(RequestType, name="RequestType")
strawberry.enum(Lifter, name="LimitLifter")
MAX_MODEL = 100  # characters
MAX_PROVIDER = 50


@direct
@strawberry.input(
    description="What was used, or will be at most. Text: tokens; image: images; transcription: minutes; speech: characters."
)
class UsageInput:
    input_tokens: Decimal | None = None
    output_tokens: Decimal | None = None
    cached_tokens: Decimal | None = strawberry.field(default=None, description="Part of inputTokens.")
    images: Decimal | None = None
    hd: bool = False
    minutes: Decimal | None = None
    characters: Decimal | None = None


@direct
@strawberry.input(description="One request to hold credits for. The same requestId and body again is the same hold.")
class ReserveInput:
    pool_id: strawberry.ID
    request_id: str = strawberry.field(description="The caller's UUID of the request, unique in the tenant.")
    request_type: str = strawberry.field(default="text", description="text, image, transcription or speech.")
    model_id: str
    usage: UsageInput = strawberry.field(description="The most that the request will use.")
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who spends; a person spends for themselves."
    )
    provider_id: str | None = None
    hold_seconds: int = strawberry.field(default=int(DEFAULT_HOLD.total_seconds()), description="1 to 86,400.")


@direct
@strawberry.input(description="Named by reservationId, or by poolId and requestId.")
class SettleInput:
    reservation_id: strawberry.ID | None = None
    pool_id: strawberry.ID | None = None
    request_id: str | None = None
    usage: UsageInput | None = strawberry.field(
        default=None, description="What was really used; missing figures leave the hold standing."
    )
    latency_ms: int | None = None


@strawberry.type(name="Reservation", description="Credits held for one request, and what became of them.")
class ReservationView(Node):
    request_id: UUID
    request_type: RequestType
    model_id: str
    status: str = strawberry.field(description="held, settled, released or expired.")
    amount: Decimal = strawberry.field(description="Credits held.")
    settled: Decimal | None = strawberry.field(description="Credits consumed.")
    expires_at: datetime
    content_filtering: str | None = strawberry.field(
        description="Families: what the gateway is to filter for this person."
    )


@strawberry.type(description="A limit of spending and how it stands; null limit: none is set.")
class SpendLimitView:
    code: ErrorCode  # type: ignore[valid-type]
    limit: Decimal | None
    used: Decimal | None
    remaining: Decimal | None
    resets_at: datetime | None
    blocks: bool
    can_be_lifted_by: Lifter
    message: str


@strawberry.type(description="The answer to one item: a reservation, or the refusal and the limit that blocks.")
class ReservationAnswer:
    request_id: str | None
    reservation: ReservationView | None
    error: UserError | None
    limit: SpendLimitView | None


@strawberry.type(description="One answer an item, in the order of the list.")
class ReservationsPayload:
    answers: list[ReservationAnswer]
    user_errors: list[UserError]


@strawberry.type(description="What a request would cost and whether it would pass now. Nothing is held.")
class SpendCheck:
    credits: Decimal
    allowed: bool
    limits: list[SpendLimitView]


@strawberry.type
class SpendCheckPayload:
    check: SpendCheck | None
    user_errors: list[UserError]


Item = tuple[UUID, Command]


class ListSize(Invalid):
    """A list of too many items, or of none."""

    code = RuleErrorCode.LIST_SIZE


def too_many(count: int) -> UserError | None:
    """The refusal of a list over 500, or of an empty one."""
    if 0 < count <= MAX_LIST:
        return None
    return as_user_error(ListSize(f"A list has 1 to {MAX_LIST} items; this one has {count}.", reason="list_size"))


def as_reserve(item: ReserveInput, viewer: UUID | None) -> Item:
    """The command of one item. Raises Refusal for what is wrong with it."""
    pool_id = _pool(item.pool_id)
    user_id = uuid_of(item.user_id, "User") if item.user_id else viewer
    if user_id is None:
        raise NotFound("member of this pool", path=("userId",))
    seconds = timedelta(seconds=item.hold_seconds)
    if not timedelta(0) < seconds <= LONGEST_HOLD:
        raise Invalid(
            f"holdSeconds must be from 1 to 86,400, not {item.hold_seconds}.", path=("holdSeconds",), reason="hold"
        )
    if not (0 < len(item.model_id) <= MAX_MODEL and item.model_id.isprintable()):
        raise Invalid("modelId must have 1 to 100 printable characters.", path=("modelId",), reason="model")
    if item.provider_id is not None and not (
        0 < len(item.provider_id) <= MAX_PROVIDER and item.provider_id.isprintable()
    ):
        raise Invalid("providerId must have 1 to 50 printable characters.", path=("providerId",), reason="provider")
    return pool_id, Reserve(
        user_id=user_id,
        request_id=_request_id(item.request_id),
        request_type=request_type(item.request_type),
        model_id=item.model_id,
        figures=_figures(item.usage),
        provider_id=item.provider_id,
        hold_for=seconds,
    )


def as_settle(item: SettleInput) -> Item:
    """The command of one item. Raises Refusal for what is wrong with it."""
    if item.latency_ms is not None and item.latency_ms < 0:
        raise Invalid(f"latencyMs can't be negative: {item.latency_ms}.", path=("latencyMs",), reason="latency")
    pool_id, reference = _reference(item)
    return pool_id, Settle(reference, _figures(item.usage or UsageInput()), item.latency_ms)


def as_release(reservation_id: str) -> Item:
    """The command of one item. Raises NotFound for what is no reservation's id."""
    pool_id, reference = reservation_key(reservation_id)
    return pool_id, Release(reference)


def as_answer(request_id: str | None, answer: Answer) -> ReservationAnswer:
    """One item's answer as the API shows it."""
    if isinstance(answer, Reservation):
        return ReservationAnswer(
            request_id=str(answer.request_id), reservation=as_reservation(answer), error=None, limit=None
        )
    assert isinstance(answer, Refusal)  # noqa: S101  an item's answer is one or the other
    limit = as_limit(answer.limit) if isinstance(answer, SpendingRefused) else None
    return ReservationAnswer(request_id=request_id, reservation=None, error=as_user_error(answer), limit=limit)


def as_reservation(held: Reservation) -> ReservationView:
    """A reservation; its id names the pool too, so that settling needs no other argument."""
    return ReservationView(
        id=to_id("Reservation", f"{held.pool_id}.{held.id}"),
        request_id=held.request_id,
        request_type=held.request_type,
        model_id=held.model_id,
        status=held.status,
        amount=held.amount,
        settled=held.settled,
        expires_at=held.expires_at,
        content_filtering=held.content_filtering,
    )


def as_limit(limit: SpendLimit) -> SpendLimitView:
    """One limit as the API shows it."""
    return SpendLimitView(
        code=limit.code,
        limit=limit.limit,
        used=limit.used,
        remaining=limit.remaining,
        resets_at=limit.resets_at,
        blocks=limit.blocks,
        can_be_lifted_by=limit.lifter,
        message=limit.message,
    )


def _pool(node_id: str) -> UUID:
    pool_id = uuid_of(node_id, "CreditPool")
    if pool_id is None:
        raise NotFound("pool", path=("poolId",))
    return pool_id


def _request_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(
            f"requestId must be a UUID, not {text[:60]!r}.", path=("requestId",), reason="request_id"
        ) from None


def _reference(item: SettleInput) -> tuple[UUID, UUID]:
    if item.reservation_id is not None:
        return reservation_key(item.reservation_id)
    if item.pool_id is None or item.request_id is None:
        raise Invalid("Name the reservation by reservationId, or by poolId and requestId.", reason="reference")
    return _pool(item.pool_id), _request_id(item.request_id)


def reservation_key(node_id: str) -> tuple[UUID, UUID]:
    """(pool, reservation) of an id. Raises NotFound for what is no reservation's id."""
    type_name, key = split_id(node_id) or ("", "")
    pool, _, reservation = key.partition(".")
    try:
        if type_name == "Reservation":
            return UUID(pool), UUID(reservation)
    except ValueError:
        pass
    raise NotFound("reservation", path=("reservationId",))


def _figures(usage: UsageInput) -> Figures:
    values: dict[str, Any] = vars(usage)
    return Figures(**values)
