"""Member limits and the usage they are held against: per membership, rolling over by the pool's local date (ruling 13)."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.rules.errors import Invalid
from app.rules.money import quoted

MAX_LIMIT = Decimal(1_000_000)
ZERO = Decimal("0.000000")  # at the scale of every amount of credits


class Usage(NamedTuple):
    """Credits used by one membership as last written, and the pool-local date of that writing (`usage_on`)."""

    today: Decimal
    this_week: Decimal
    this_month: Decimal
    all_time: Decimal
    usage_on: date | None


class Limits(NamedTuple):
    """Credits a day, a month and a request; None is unlimited."""

    daily: Decimal | None
    monthly: Decimal | None
    per_request: Decimal | None


def local_date(now: datetime, time_zone: str) -> date:
    """The date on which `now` (aware) falls in the pool's zone."""
    return now.astimezone(ZoneInfo(time_zone)).date()


def week_start(day: date) -> date:
    """Weeks begin on Monday (ruling 13)."""
    return day - timedelta(days=day.weekday())


def roll_over(usage: Usage, today: date) -> Usage:
    """The counters as they read on `today`: what belongs to an earlier day, week or month counts no more."""
    last = usage.usage_on
    if last == today:
        return usage
    return Usage(
        today=ZERO,
        this_week=usage.this_week if last and week_start(last) == week_start(today) else ZERO,
        this_month=usage.this_month if last and (last.year, last.month) == (today.year, today.month) else ZERO,
        all_time=usage.all_time,
        usage_on=today,
    )


def remaining(limit: Decimal | None, used: Decimal, held: Decimal = ZERO) -> Decimal | None:
    """What a limit leaves, never below zero; None is unlimited. Holds count (ruling 12)."""
    return None if limit is None else max(limit - used - held, ZERO)


def check_limits(limits: Limits) -> None:
    """Limits are from 0 to 1,000,000 credits with at most 6 places, and a day's is not above a month's."""
    named = {
        "dailyCredits": limits.daily,
        "monthlyCredits": limits.monthly,
        "maxCreditsPerRequest": limits.per_request,
    }
    for name, limit in named.items():
        if limit is not None:
            check_amount(limit, path=("limits", name))
    if limits.daily is not None and limits.monthly is not None and limits.daily > limits.monthly:
        raise Invalid(
            f"A daily limit of {limits.daily:f} is above the monthly limit of {limits.monthly:f}; it would never apply.",
            path=("limits", "dailyCredits"),
            reason="limit_order",
        )


def check_amount(amount: Decimal, *, path: tuple[str, ...]) -> None:
    """A credit amount that a person sets: finite, from 0 to 1,000,000, at most 6 places."""
    name = path[-1]
    if not amount.is_finite() or not 0 <= amount <= MAX_LIMIT:
        raise Invalid(
            f"{name} must be from 0 to 1,000,000 credits; {quoted(amount)} is not.", path=path, reason="credits"
        )
    if amount != amount.quantize(Decimal("0.000001")):
        raise Invalid(
            f"{name} has at most 6 decimal places; {quoted(amount)} has more.", path=path, reason="credits_places"
        )
