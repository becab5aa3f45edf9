"""The one gate: may this request spend? (Rulings 12 and 24.) Decided inside the transaction that takes the hold; equality is allowed.

`limits` says every limit with its use, its reset and who can lift it; `check` refuses with the first that blocks, in ruling 12's order.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.rules.errors import ErrorCode, Refusal
from app.rules.spending_limits import ZERO, Limits, Usage, local_date, roll_over

GRACE = timedelta(days=7)  # of a past_due subscription (ruling 24)
IN_GOOD_STANDING = frozenset({"active", "trialing"})


class Lifter(StrEnum):
    """Who can lift a limit: whoever may change the pool's settings, whoever may buy, or a change of plan."""

    SETTINGS = "settings"
    CREDITS = "credits"
    PLAN = "plan"
    TIME = "time"


class SpendingMember(NamedTuple):
    """The membership that spends; `held` is the sum of its own holds (credits)."""

    active: bool
    limits: Limits
    usage: Usage
    held: Decimal


class SpendingPool(NamedTuple):
    """The pool as its row and settings say. Credits; `allowed_models` None: all that are not blocked."""

    available: Decimal
    included_remaining: Decimal
    shortfall: Decimal
    time_zone: str
    subscription_status: str | None
    past_due_since: datetime | None
    approval_required_above: Decimal | None
    blocked_models: AbstractSet[str]
    allowed_models: AbstractSet[str] | None


class TierCaps(NamedTuple):
    """The caps of the pool's tier; None is unlimited."""

    models_per_month: int | None
    requests_per_day: int | None
    tokens_per_request: int | None
    concurrent_requests: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None


class Traffic(NamedTuple):
    """What the pool has under way and has had: models of this month, requests of today, holds, and this minute of the clock."""

    models_this_month: AbstractSet[str] = frozenset()
    requests_today: int = 0
    concurrent: int = 0
    requests_this_minute: int = 0
    tokens_this_minute: int = 0


class Request(NamedTuple):
    """What wants to be spent: credits, on which model (None: on any), for how many tokens; `approved`: the credits of an approval."""

    cost: Decimal
    model_id: str | None
    tokens: int = 0
    approved: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """One limit and how it stands. `limit` None: none is set. Credits or counts, by the code."""

    code: ErrorCode
    limit: Decimal | None
    used: Decimal | None
    remaining: Decimal | None
    resets_at: datetime | None
    blocks: bool
    lifter: Lifter
    message: str


class SpendingRefused(Refusal):
    """The gate's no. `limit` is the limit that blocks, in full."""

    def __init__(self, limit: SpendLimit) -> None:
        super().__init__(limit.message)
        self.code = limit.code
        self.message_key = f"error.spending.{limit.code.value.lower()}"
        self.limit = limit


def spendable(pool: SpendingPool, now: datetime) -> Decimal:
    """What new holds may be taken on: all that is available; without the included credits once the grace of a late payer is over."""
    if standing(pool, now):
        return pool.available
    return max(pool.available - pool.included_remaining, ZERO)


def standing(pool: SpendingPool, now: datetime) -> bool:
    """Whether included credits may be spent: paid, on trial, or late by no more than 7 days (ruling 24)."""
    if pool.subscription_status in IN_GOOD_STANDING:
        return True
    since = pool.past_due_since
    return pool.subscription_status == "past_due" and since is not None and now <= since + GRACE


def check(
    request: Request, member: SpendingMember, pool: SpendingPool, caps: TierCaps, traffic: Traffic, *, now: datetime
) -> None:
    """Let the request pass or raise SpendingRefused with the first limit that blocks it."""
    blocking = next(_limits(request, member, pool, caps, traffic, now=now, every=False), None)
    if blocking is not None:
        raise SpendingRefused(blocking)


def limits(
    request: Request, member: SpendingMember, pool: SpendingPool, caps: TierCaps, traffic: Traffic, *, now: datetime
) -> Iterator[SpendLimit]:
    """Every limit that applies to this request now, in the order in which the gate asks them (ruling 12)."""
    return _limits(request, member, pool, caps, traffic, now=now, every=True)


def _limits(
    request: Request,
    member: SpendingMember,
    pool: SpendingPool,
    caps: TierCaps,
    traffic: Traffic,
    *,
    now: datetime,
    every: bool,
) -> Iterator[SpendLimit]:
    """Every limit, or those that block. Most requests pass: what stands in a refusal is made for a refusal only."""
    yield from _status(member, pool, every=every)
    yield from _subscription(request, pool, now, every=every)
    if request.model_id is not None:
        yield from _models(request, pool, every=every)
    yield from _member_limits(request, member, pool, now, every=every)
    yield from _approval(request, pool, every=every)
    yield from _tier_caps(request, pool, caps, traffic, now, every=every)
    if every or request.cost > pool.available:
        yield _balance(request, pool)


def _status(member: SpendingMember, pool: SpendingPool, *, every: bool) -> Iterator[SpendLimit]:
    if every or not member.active:
        yield _flag(
            ErrorCode.MEMBER_SUSPENDED,
            not member.active,
            Lifter.SETTINGS,
            "The membership is suspended. The pool's owner or an admin can reactivate it.",
        )
    if every or pool.shortfall > 0:
        yield _flag(
            ErrorCode.SHORTFALL,
            pool.shortfall > 0,
            Lifter.CREDITS,
            f"The pool owes {pool.shortfall:f} credits, used beyond its balance or refunded when spent. The next credits pay that first.",
            used=pool.shortfall,
        )


def _subscription(request: Request, pool: SpendingPool, now: datetime, *, every: bool) -> Iterator[SpendLimit]:
    """What the included credits alone could pay has to wait for the subscription's payment; buying credits lifts it too."""
    left = spendable(pool, now)
    blocks = left < request.cost <= pool.available
    if every or blocks:
        message = (
            "The subscription is in good standing."
            if standing(pool, now)
            else f"The included credits are on hold until the subscription is paid; without them {left:f} credits can be spent."
        )
        yield SpendLimit(ErrorCode.SUBSCRIPTION_NOT_PAID, None, None, left, None, blocks, Lifter.PLAN, message)


def _models(request: Request, pool: SpendingPool, *, every: bool) -> Iterator[SpendLimit]:
    blocked = request.model_id in pool.blocked_models
    if every or blocked:
        message = f"The model {request.model_id} is blocked in this pool."
        yield _flag(ErrorCode.MODEL_BLOCKED, blocked, Lifter.SETTINGS, message)
    missing = pool.allowed_models is not None and request.model_id not in pool.allowed_models
    if every or missing:
        message = f"This pool allows listed models only; {request.model_id} is not among them."
        yield _flag(ErrorCode.MODEL_NOT_ALLOWED, missing, Lifter.SETTINGS, message)


def _member_limits(
    request: Request, member: SpendingMember, pool: SpendingPool, now: datetime, *, every: bool
) -> Iterator[SpendLimit]:
    """The member's own limits in credits; holds count as used."""
    of_request, of_day, of_month = member.limits.per_request, member.limits.daily, member.limits.monthly
    if every or (of_request is not None and request.cost > of_request):
        yield _amount(ErrorCode.REQUEST_COST_LIMIT, "a request", of_request, ZERO, request.cost, None)
    if not every and of_day is None and of_month is None:
        return
    today = local_date(now, pool.time_zone)
    usage = roll_over(member.usage, today)
    used = usage.today + member.held
    if every or (of_day is not None and request.cost > max(of_day - used, ZERO)):
        resets_at = _day_end(now, pool.time_zone)
        yield _amount(ErrorCode.DAILY_LIMIT, "today", of_day, used, request.cost, resets_at)
    used = usage.this_month + member.held
    if every or (of_month is not None and request.cost > max(of_month - used, ZERO)):
        resets_at = _month_end(now, pool.time_zone)
        yield _amount(ErrorCode.MONTHLY_LIMIT, "this month", of_month, used, request.cost, resets_at)


def _approval(request: Request, pool: SpendingPool, *, every: bool) -> Iterator[SpendLimit]:
    threshold = pool.approval_required_above
    approved = request.approved is not None and request.cost <= request.approved
    blocks = threshold is not None and request.cost > threshold and not approved
    if every or blocks:
        message = (
            f"Requests above {threshold} credits need an approval; this one costs {request.cost:f}. Ask the owner or an admin."
            if threshold is not None
            else "No approval is needed."
        )
        yield SpendLimit(
            ErrorCode.APPROVAL_REQUIRED, threshold, None, threshold, None, blocks, Lifter.SETTINGS, message
        )


def _tier_caps(
    request: Request, pool: SpendingPool, caps: TierCaps, traffic: Traffic, now: datetime, *, every: bool
) -> Iterator[SpendLimit]:
    fresh_model = 0 if request.model_id is None or request.model_id in traffic.models_this_month else 1
    models = len(traffic.models_this_month)
    for code, what, cap, used, more, resets_at in (
        (ErrorCode.MODELS_PER_MONTH, "models a month", caps.models_per_month, models, fresh_model, _month_end),
        (ErrorCode.REQUESTS_PER_DAY, "requests a day", caps.requests_per_day, traffic.requests_today, 1, _day_end),
        (ErrorCode.TOKENS_PER_REQUEST, "tokens a request", caps.tokens_per_request, 0, request.tokens, None),
        (ErrorCode.CONCURRENT_REQUESTS, "requests at once", caps.concurrent_requests, traffic.concurrent, 1, None),
        (ErrorCode.REQUESTS_PER_MINUTE, "requests a minute", caps.requests_per_minute, traffic.requests_this_minute, 1, _minute_end),
        (ErrorCode.TOKENS_PER_MINUTE, "tokens a minute", caps.tokens_per_minute, traffic.tokens_this_minute, request.tokens, _minute_end),
    ):  # fmt: skip
        blocks = cap is not None and more > 0 and used + more > cap
        if every or blocks:
            reset = resets_at(now, pool.time_zone) if resets_at is not None and cap is not None else None
            yield _count(code, what, cap, used, reset, blocks=blocks)


def _balance(request: Request, pool: SpendingPool) -> SpendLimit:
    left = pool.available
    message = f"The request costs {request.cost:f} credits; {left:f} are available. Buying credits lifts this."
    blocks = request.cost > left
    return SpendLimit(ErrorCode.INSUFFICIENT_CREDITS, None, None, left, None, blocks, Lifter.CREDITS, message)


def _flag(code: ErrorCode, blocks: bool, lifter: Lifter, message: str, used: Decimal | None = None) -> SpendLimit:
    return SpendLimit(code, None, used, None, None, blocks, lifter, message)


def _amount(  # noqa: PLR0917  all of one limit
    code: ErrorCode, period: str, limit: Decimal | None, used: Decimal, cost: Decimal, resets_at: datetime | None
) -> SpendLimit:
    """A member's limit in credits; holds count as used."""
    left = None if limit is None else max(limit - used, ZERO)
    blocks = left is not None and cost > left
    message = (
        f"The member's limit is {limit} credits for {period}; {used} are used or held, and this costs {cost}."
        if limit is not None
        else f"The member has no limit for {period}."
    )
    return SpendLimit(
        code, limit, used, left, resets_at if limit is not None else None, blocks, Lifter.SETTINGS, message
    )


def _count(
    code: ErrorCode, what: str, cap: int | None, used: int, resets_at: datetime | None, *, blocks: bool
) -> SpendLimit:
    """A cap of the tier."""
    message = (
        f"The plan allows {cap} {what}; {used} are used." if cap is not None else f"The plan does not limit {what}."
    )
    limit, left = (None, None) if cap is None else (Decimal(cap), Decimal(max(cap - used, 0)))
    return SpendLimit(code, limit, Decimal(used), left, resets_at, blocks, Lifter.PLAN, message)


def _minute_end(now: datetime, _time_zone: str) -> datetime:
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _day_end(now: datetime, time_zone: str) -> datetime:
    return _midnight(local_date(now, time_zone) + timedelta(days=1), time_zone)


def _month_end(now: datetime, time_zone: str) -> datetime:
    return _midnight((local_date(now, time_zone).replace(day=1) + timedelta(days=32)).replace(day=1), time_zone)


def _midnight(day: date, time_zone: str) -> datetime:
    """The first moment of a local day, in UTC, also where a clock change begins it."""
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)
