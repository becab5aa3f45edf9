"""The one gate (rulings 12, 13 and 24): each limit just below, at and just above its boundary, and when it resets."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.rules.errors import ErrorCode
from app.rules.spending_gate import (
    Lifter,
    Request,
    SpendingMember,
    SpendingPool,
    SpendingRefused,
    SpendLimit,
    TierCaps,
    Traffic,
    check,
    limits,
    spendable,
)
from app.rules.spending_limits import Limits, Usage

D = Decimal
NOW = datetime(2026, 5, 20, 12, 0, 30, tzinfo=UTC)  # a Wednesday
E6 = D("0.000001")
UNUSED = Usage(D(0), D(0), D(0), D(0), None)
MEMBER = SpendingMember(active=True, limits=Limits(None, None, None), usage=UNUSED, held=D(0))
POOL = SpendingPool(
    available=D(10),
    included_remaining=D(6),
    shortfall=D(0),
    time_zone="UTC",
    subscription_status="active",
    past_due_since=None,
    approval_required_above=None,
    blocked_models=frozenset(),
    allowed_models=None,
)
NO_CAPS = TierCaps(None, None, None, None, None, None)
QUIET = Traffic()
REQUEST = Request(D(1), "gpt", tokens=100)


def replace(one: Any, **changes: Any) -> Any:
    return one._replace(**changes)


def refused(
    request: Request = REQUEST,
    member: SpendingMember = MEMBER,
    pool: SpendingPool = POOL,
    caps: TierCaps = NO_CAPS,
    traffic: Traffic = QUIET,
    now: datetime = NOW,
) -> SpendLimit | None:
    """The limit that blocks, or None."""
    if not any(limit.blocks for limit in limits(request, member, pool, caps, traffic, now=now)):
        check(request, member, pool, caps, traffic, now=now)
        return None
    with pytest.raises(SpendingRefused) as refusal:
        check(request, member, pool, caps, traffic, now=now)
    limit = refusal.value.limit
    assert limit.blocks
    assert (refusal.value.code, refusal.value.message) == (limit.code, limit.message)
    return limit


def code(**given: Any) -> ErrorCode | None:
    limit = refused(**given)
    return limit.code if limit else None


def costs(amount: D) -> Request:
    return replace(REQUEST, cost=amount)


def member(
    daily: D | None = None, monthly: D | None = None, per_request: D | None = None, **more: Any
) -> SpendingMember:
    return replace(MEMBER, limits=Limits(daily, monthly, per_request), **more)


def test_passes_where_nothing_is_set() -> None:
    assert refused() is None


def test_status() -> None:
    limit = refused(member=replace(MEMBER, active=False))
    assert limit is not None
    assert (limit.code, limit.lifter) == (ErrorCode.MEMBER_SUSPENDED, Lifter.SETTINGS)
    assert code(pool=replace(POOL, shortfall=E6)) is ErrorCode.SHORTFALL
    assert code(pool=replace(POOL, shortfall=D(0))) is None


@pytest.mark.parametrize(("above", "expected"), [(-E6, None), (D(0), None), (E6, True)])
class TestAmounts:
    """Equality is allowed."""

    def test_cost_of_a_request(self, above: D, expected: bool | None) -> None:
        blocked = code(member=member(per_request=D(2)), request=costs(D(2) + above))
        assert blocked == (ErrorCode.REQUEST_COST_LIMIT if expected else None)

    def test_daily_limit_counts_holds(self, above: D, expected: bool | None) -> None:
        usage = replace(UNUSED, today=D(2), this_month=D(2), usage_on=NOW.date())
        limit = refused(member=member(daily=D(5), usage=usage, held=D(1)), request=costs(D(2) + above))
        assert (limit.code if limit else None) == (ErrorCode.DAILY_LIMIT if expected else None)
        if limit:
            assert (limit.limit, limit.used, limit.remaining) == (D(5), D(3), D(2))
            assert limit.resets_at == datetime(2026, 5, 21, tzinfo=UTC)

    def test_monthly_limit_counts_holds(self, above: D, expected: bool | None) -> None:
        usage = replace(UNUSED, today=D(0), this_month=D(6), usage_on=date(2026, 5, 2))
        limit = refused(member=member(monthly=D(9), usage=usage, held=D(1)), request=costs(D(2) + above))
        assert (limit.code if limit else None) == (ErrorCode.MONTHLY_LIMIT if expected else None)
        if limit:
            assert limit.resets_at == datetime(2026, 6, 1, tzinfo=UTC)

    def test_approval_threshold(self, above: D, expected: bool | None) -> None:
        pool = replace(POOL, approval_required_above=D(3))
        limit = refused(pool=pool, request=costs(D(3) + above))
        assert (limit.code if limit else None) == (ErrorCode.APPROVAL_REQUIRED if expected else None)
        if limit:
            assert limit.limit == D(3)
            assert "3" in limit.message

    def test_approved_amount(self, above: D, expected: bool | None) -> None:
        pool = replace(POOL, approval_required_above=D(1))
        request = replace(costs(D(4) + above), approved=D(4))
        assert code(pool=pool, request=request) == (ErrorCode.APPROVAL_REQUIRED if expected else None)

    def test_balance(self, above: D, expected: bool | None) -> None:
        limit = refused(request=costs(D(10) + above))
        assert (limit.code if limit else None) == (ErrorCode.INSUFFICIENT_CREDITS if expected else None)
        if limit:
            assert (limit.remaining, limit.lifter) == (D(10), Lifter.CREDITS)

    def test_balance_of_a_late_payer(self, above: D, expected: bool | None) -> None:
        pool = replace(POOL, subscription_status="unpaid")
        assert spendable(pool, NOW) == 4
        assert code(pool=pool, request=costs(D(4) + above)) == (ErrorCode.SUBSCRIPTION_NOT_PAID if expected else None)


def test_limit_of_nothing_blocks_everything() -> None:
    assert code(member=member(daily=D(0)), request=costs(E6)) is ErrorCode.DAILY_LIMIT
    assert code(member=member(per_request=D(0)), request=costs(E6)) is ErrorCode.REQUEST_COST_LIMIT
    assert code(pool=replace(POOL, approval_required_above=D(0)), request=costs(E6)) is ErrorCode.APPROVAL_REQUIRED


@pytest.mark.parametrize(
    ("status", "since", "may_use_included"),
    [
        ("active", None, True),
        ("trialing", None, True),
        ("past_due", NOW - timedelta(days=7) + timedelta(microseconds=1), True),
        ("past_due", NOW - timedelta(days=7), True),
        ("past_due", NOW - timedelta(days=7, microseconds=1), False),
        ("past_due", None, False),
        ("unpaid", None, False),
        ("paused", NOW, False),
        ("incomplete", None, False),
        (None, None, False),
    ],
)
def test_grace_of_a_late_payer(status: str | None, since: datetime | None, *, may_use_included: bool) -> None:
    """Seven days, then no new holds on included credits; what was bought stays usable (ruling 24)."""
    pool = replace(POOL, subscription_status=status, past_due_since=since)
    assert code(pool=pool, request=costs(D(4))) is None
    assert code(pool=pool, request=costs(D(10))) is (None if may_use_included else ErrorCode.SUBSCRIPTION_NOT_PAID)
    assert code(pool=pool, request=costs(D(11))) is ErrorCode.INSUFFICIENT_CREDITS


def test_a_late_payer_whose_credits_are_held_may_spend_nothing() -> None:
    pool = replace(POOL, available=D(5), included_remaining=D(6), subscription_status="unpaid")
    assert spendable(pool, NOW) == 0
    assert code(pool=pool, request=costs(E6)) is ErrorCode.SUBSCRIPTION_NOT_PAID


@pytest.mark.parametrize(
    ("blocked", "allowed", "expected"),
    [
        (frozenset(), None, None),
        (frozenset({"gpt"}), None, ErrorCode.MODEL_BLOCKED),
        (frozenset({"GPT", "gpt-2"}), None, None),
        (frozenset(), frozenset({"gpt"}), None),
        (frozenset(), frozenset({"other"}), ErrorCode.MODEL_NOT_ALLOWED),
        (frozenset(), frozenset(), ErrorCode.MODEL_NOT_ALLOWED),
        (frozenset({"gpt"}), frozenset({"gpt"}), ErrorCode.MODEL_BLOCKED),
    ],
)
def test_models(blocked: frozenset[str], allowed: frozenset[str] | None, expected: ErrorCode | None) -> None:
    assert code(pool=replace(POOL, blocked_models=blocked, allowed_models=allowed)) is expected


_CAPS = [
    ("requests_per_day", ErrorCode.REQUESTS_PER_DAY, "requests_today", datetime(2026, 5, 21, tzinfo=UTC)),
    ("concurrent_requests", ErrorCode.CONCURRENT_REQUESTS, "concurrent", None),
    (
        "requests_per_minute",
        ErrorCode.REQUESTS_PER_MINUTE,
        "requests_this_minute",
        datetime(2026, 5, 20, 12, 1, tzinfo=UTC),
    ),
]


@pytest.mark.parametrize(("cap", "expected", "counter", "resets_at"), _CAPS)
def test_caps_on_requests(cap: str, expected: ErrorCode, counter: str, resets_at: datetime | None) -> None:
    caps = replace(NO_CAPS, **{cap: 10})
    assert code(caps=caps, traffic=Traffic(**{counter: 8})) is None
    assert code(caps=caps, traffic=Traffic(**{counter: 9})) is None
    limit = refused(caps=caps, traffic=Traffic(**{counter: 10}))
    assert limit is not None
    assert (limit.code, limit.limit, limit.used, limit.remaining) == (expected, D(10), D(10), D(0))
    assert (limit.resets_at, limit.lifter) == (resets_at, Lifter.PLAN)
    assert code(caps=replace(caps, **{cap: None}), traffic=Traffic(**{counter: 10**9})) is None


@pytest.mark.parametrize(("tokens", "blocks"), [(99, False), (100, False), (101, True)])
def test_caps_on_tokens(tokens: int, *, blocks: bool) -> None:
    request = replace(REQUEST, tokens=tokens)
    caps = replace(NO_CAPS, tokens_per_request=100)
    assert code(caps=caps, request=request) is (ErrorCode.TOKENS_PER_REQUEST if blocks else None)
    caps = replace(NO_CAPS, tokens_per_minute=1000)
    traffic = Traffic(tokens_this_minute=900)
    assert code(caps=caps, traffic=traffic, request=request) is (ErrorCode.TOKENS_PER_MINUTE if blocks else None)


def test_cap_on_models_a_month() -> None:
    caps = replace(NO_CAPS, models_per_month=2)
    assert code(caps=caps, traffic=Traffic(models_this_month=frozenset({"a"}))) is None
    assert code(caps=caps, traffic=Traffic(models_this_month=frozenset({"a", "b"}))) is ErrorCode.MODELS_PER_MONTH
    assert code(caps=caps, traffic=Traffic(models_this_month=frozenset({"a", "gpt"}))) is None
    # After a downgrade the models of before stay usable this month.
    assert code(caps=caps, traffic=Traffic(models_this_month=frozenset({"a", "b", "gpt"}))) is None


def test_the_first_that_blocks_is_named_in_ruling_12s_order() -> None:
    """Everything blocks at once; lifted one by one, the next one shows."""
    today = replace(UNUSED, today=D(9), this_month=D(9), usage_on=NOW.date())
    who = SpendingMember(active=False, limits=Limits(D(9), D(9), D("0.5")), usage=today, held=D(0))
    pool = replace(
        POOL,
        available=D(1),
        shortfall=D(1),
        subscription_status="unpaid",
        blocked_models=frozenset({"gpt"}),
        allowed_models=frozenset({"x"}),
        approval_required_above=D(0),
    )
    caps, traffic = TierCaps(1, 1, 1, 1, 1, 1), Traffic(frozenset({"a"}), 1, 1, 1, 1)
    seen = []
    for lift in (
        lambda w, p, c, t: (w, p, c, t),
        lambda w, p, c, t: (replace(w, active=True), p, c, t),
        lambda w, p, c, t: (w, replace(p, shortfall=D(0)), c, t),
        lambda w, p, c, t: (w, replace(p, subscription_status="active"), c, t),
        lambda w, p, c, t: (w, replace(p, blocked_models=frozenset()), c, t),
        lambda w, p, c, t: (w, replace(p, allowed_models=None), c, t),
        lambda w, p, c, t: (replace(w, limits=Limits(D(9), D(9), None)), p, c, t),
        lambda w, p, c, t: (replace(w, limits=Limits(None, D(9), None)), p, c, t),
        lambda w, p, c, t: (replace(w, limits=Limits(None, None, None)), p, c, t),
        lambda w, p, c, t: (w, replace(p, approval_required_above=None), c, t),
        lambda w, p, c, t: (w, p, replace(c, models_per_month=None), t),
        lambda w, p, c, t: (w, p, replace(c, requests_per_day=None), t),
        lambda w, p, c, t: (w, p, replace(c, tokens_per_request=None), t),
        lambda w, p, c, t: (w, p, replace(c, concurrent_requests=None), t),
        lambda w, p, c, t: (w, p, replace(c, requests_per_minute=None), t),
        lambda w, p, c, t: (w, replace(p, available=D("0.5")), replace(c, tokens_per_minute=None), t),
    ):
        who, pool, caps, traffic = lift(who, pool, caps, traffic)
        seen.append(code(member=who, pool=pool, caps=caps, traffic=traffic))
    known = list(ErrorCode)
    first, last = known.index(ErrorCode.MEMBER_SUSPENDED), known.index(ErrorCode.INSUFFICIENT_CREDITS)
    assert seen == known[first : last + 1]


def test_a_check_without_a_model_asks_no_model_limits() -> None:
    anything = replace(REQUEST, model_id=None)
    pool = replace(POOL, allowed_models=frozenset({"x"}))
    caps = replace(NO_CAPS, models_per_month=1)
    assert code(request=anything, pool=pool, caps=caps, traffic=Traffic(models_this_month=frozenset({"a"}))) is None


def test_every_limit_is_shown_once_whether_it_is_set_or_not() -> None:
    shown = [one.code for one in limits(REQUEST, MEMBER, POOL, NO_CAPS, Traffic(), now=NOW)]
    assert len(shown) == len(set(shown)) == 16


# --- the clock ---------------------------------------------------------------------------------------------------------

_EDGES = [
    # zone, a day, the moment that ends it (UTC), what is special
    ("UTC", date(2026, 5, 20), datetime(2026, 5, 21, tzinfo=UTC)),
    ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 9, 4, tzinfo=UTC)),  # 23 hours: spring forward
    ("America/New_York", date(2026, 11, 1), datetime(2026, 11, 2, 5, tzinfo=UTC)),  # 25 hours: fall back
    ("Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 29, 22, tzinfo=UTC)),
    ("Europe/Berlin", date(2026, 10, 25), datetime(2026, 10, 25, 23, tzinfo=UTC)),
    ("Asia/Kolkata", date(2026, 5, 20), datetime(2026, 5, 20, 18, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", date(2026, 4, 5), datetime(2026, 4, 5, 13, 30, tzinfo=UTC)),  # half an hour back
    ("Australia/Lord_Howe", date(2026, 10, 4), datetime(2026, 10, 4, 13, 0, tzinfo=UTC)),  # half an hour on
    (
        "America/Santiago",
        date(2026, 9, 5),
        datetime(2026, 9, 6, 4, tzinfo=UTC),
    ),  # the next day has no midnight: it begins at 1:00
    (
        "America/Havana",
        date(2026, 10, 31),
        datetime(2026, 11, 1, 4, tzinfo=UTC),
    ),  # the next day has two midnights: the first counts
    ("Pacific/Apia", date(2011, 12, 29), datetime(2011, 12, 30, 10, tzinfo=UTC)),  # the next day is the 31st
    ("Pacific/Kiritimati", date(2026, 12, 31), datetime(2026, 12, 31, 10, tzinfo=UTC)),
]
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(("zone", "day", "end"), _EDGES)
def test_a_day_ends_at_the_pools_midnight(zone: str, day: date, end: datetime) -> None:
    used_up = member(daily=D(1), usage=replace(UNUSED, today=D(1), this_week=D(1), this_month=D(1), usage_on=day))
    pool = replace(POOL, time_zone=zone)
    limit = refused(member=used_up, pool=pool, now=end - TICK)
    assert limit is not None
    assert (limit.code, limit.resets_at) == (ErrorCode.DAILY_LIMIT, end)
    assert code(member=used_up, pool=pool, now=end) is None


@pytest.mark.parametrize(("zone", "day", "end"), _EDGES)
def test_a_day_begins_at_the_pools_midnight(zone: str, day: date, end: datetime) -> None:
    """What was used on the day before, a tick before its end, counts no more a tick later; on the new day it does."""
    next_day = end.astimezone(ZoneInfo(zone)).date()
    assert next_day > day
    used_up = member(daily=D(1), usage=replace(UNUSED, today=D(1), this_month=D(1), usage_on=next_day))
    pool = replace(POOL, time_zone=zone)
    assert code(member=used_up, pool=pool, now=end) is ErrorCode.DAILY_LIMIT
    assert code(member=used_up, pool=pool, now=end - TICK) is None


@pytest.mark.parametrize(
    ("zone", "used_on", "end"),
    [
        ("UTC", date(2026, 2, 28), datetime(2026, 3, 1, tzinfo=UTC)),
        ("UTC", date(2028, 2, 1), datetime(2028, 3, 1, tzinfo=UTC)),
        ("UTC", date(2026, 12, 31), datetime(2027, 1, 1, tzinfo=UTC)),
        ("America/New_York", date(2026, 10, 31), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        (
            "America/New_York",
            date(2026, 11, 1),
            datetime(2026, 12, 1, 5, tzinfo=UTC),
        ),  # summer time at its start, not at its end
        ("Europe/Berlin", date(2026, 3, 1), datetime(2026, 3, 31, 22, tzinfo=UTC)),
        ("Asia/Kathmandu", date(2026, 6, 30), datetime(2026, 6, 30, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_month_ends_at_the_pools_midnight(zone: str, used_on: date, end: datetime) -> None:
    used_up = member(monthly=D(1), usage=replace(UNUSED, this_month=D(1), usage_on=used_on))
    pool = replace(POOL, time_zone=zone)
    limit = refused(member=used_up, pool=pool, now=end - TICK)
    assert limit is not None
    assert (limit.code, limit.resets_at) == (ErrorCode.MONTHLY_LIMIT, end)
    assert code(member=used_up, pool=pool, now=end) is None


def test_a_zone_that_moves_the_date_back_counts_yesterday_no_more() -> None:
    """A pool that changes its zone: usage of a date that is not today's counts neither way."""
    used_up = member(daily=D(1), usage=replace(UNUSED, today=D(1), usage_on=date(2026, 5, 21)))
    assert code(member=used_up, pool=replace(POOL, time_zone="America/New_York")) is None
