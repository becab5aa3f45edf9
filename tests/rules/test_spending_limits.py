"""Limits and the counters that they are held against: per membership, by the pool's local date (ruling 13)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.errors import Invalid
from app.rules.spending_limits import Limits, Usage, check_limits, local_date, remaining, roll_over, week_start

MONDAY = date(2026, 3, 9)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu")
INSTANTS = st.integers(0, 3_600_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def used(on: date | None) -> Usage:
    return Usage(Decimal(1), Decimal(2), Decimal(3), Decimal(4), on)


def counted(last: date | None, today: date) -> str:
    """Which counters still count: d(ay), w(eek), m(onth)."""
    rolled = roll_over(used(last), today)
    assert rolled.all_time == 4
    assert rolled.usage_on == today
    parts = zip("dwm", (rolled.today, rolled.this_week, rolled.this_month), (1, 2, 3), strict=True)
    return "".join(letter for letter, now, before in parts if now == before)


@pytest.mark.parametrize(
    ("last", "today", "counts"),
    [
        (None, MONDAY, ""),
        (MONDAY, MONDAY, "dwm"),
        (MONDAY, MONDAY + timedelta(1), "wm"),
        (MONDAY, MONDAY + timedelta(6), "wm"),  # Sunday is the week's last day
        (MONDAY, MONDAY + timedelta(7), "m"),
        (MONDAY + timedelta(6), MONDAY + timedelta(7), "m"),  # from Sunday to Monday
        (date(2026, 3, 31), date(2026, 4, 1), "w"),  # a Tuesday and a Wednesday of one week
        (date(2026, 2, 28), date(2026, 3, 1), "w"),
        (date(2028, 2, 28), date(2028, 2, 29), "wm"),
        (date(2025, 12, 31), date(2026, 1, 1), "w"),  # the week goes on over New Year
        (date(2025, 3, 10), date(2026, 3, 10), ""),  # the same month of another year
        (date(2026, 4, 30), date(2026, 5, 31), ""),
    ],
)
def test_counters_roll_over(last: date | None, today: date, counts: str) -> None:
    assert counted(last, today) == counts


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 800))
def test_a_counter_counts_while_its_day_week_or_month_lasts(last: date, days: int) -> None:
    today = last + timedelta(days)
    expected = [
        letter
        for letter, form in (("d", "%Y-%m-%d"), ("w", "%G-%V"), ("m", "%Y-%m"))  # %G-%V: the ISO week
        if last.strftime(form) == today.strftime(form)
    ]
    assert counted(last, today) == "".join(expected)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_weeks_begin_on_monday(day: date) -> None:
    start = week_start(day)
    assert start.weekday() == 0
    assert timedelta(0) <= day - start < timedelta(7)


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [  # the last and the first instant around a local midnight, in UTC
        ("UTC", "2026-03-14T23:59:59.999999", "2026-03-15T00:00:00"),
        (
            "Europe/Berlin",
            "2026-03-28T22:59:59.999999",
            "2026-03-28T23:00:00",
        ),  # the night before the clocks go forward
        ("Europe/Berlin", "2026-03-29T21:59:59.999999", "2026-03-29T22:00:00"),  # that day had 23 hours
        ("Europe/Berlin", "2026-10-24T21:59:59.999999", "2026-10-24T22:00:00"),
        ("Europe/Berlin", "2026-10-25T22:59:59.999999", "2026-10-25T23:00:00"),  # 25 hours
        ("America/New_York", "2026-03-08T04:59:59.999999", "2026-03-08T05:00:00"),
        ("America/New_York", "2026-03-09T03:59:59.999999", "2026-03-09T04:00:00"),
        ("America/New_York", "2026-11-01T03:59:59.999999", "2026-11-01T04:00:00"),
        ("America/New_York", "2026-11-02T04:59:59.999999", "2026-11-02T05:00:00"),
        ("Australia/Lord_Howe", "2026-04-04T12:59:59.999999", "2026-04-04T13:00:00"),  # goes back by half an hour
        ("Australia/Lord_Howe", "2026-04-05T13:29:59.999999", "2026-04-05T13:30:00"),
        ("America/Sao_Paulo", "2018-11-04T02:59:59.999999", "2018-11-04T03:00:00"),  # midnight itself did not exist
        ("Pacific/Kiritimati", "2026-01-01T09:59:59.999999", "2026-01-01T10:00:00"),
        ("Asia/Kathmandu", "2026-01-01T18:14:59.999999", "2026-01-01T18:15:00"),
    ],
)
def test_a_day_ends_at_local_midnight(zone: str, before: str, after: str) -> None:
    last, first = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (before, after))
    yesterday, today = local_date(last, zone), local_date(first, zone)
    assert today == yesterday + timedelta(1)
    assert roll_over(used(yesterday), yesterday).today == 1
    assert roll_over(used(yesterday), today).today == 0


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("UTC", date(2026, 3, 29), 24),
    ],
)
def test_a_day_of_a_clock_change_is_one_day(zone: str, day: date, hours: float) -> None:
    quarters = timedelta(minutes=15)
    at = datetime.combine(day - timedelta(1), datetime.min.time(), UTC)
    inside = [at + quarters * n for n in range(4 * 72) if local_date(at + quarters * n, zone) == day]
    assert len(inside) == hours * 4
    assert inside[-1] - inside[0] == quarters * (len(inside) - 1)  # in one piece


@given(
    st.integers(0, 3_600_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
)
def test_the_date_is_the_pools_whatever_zone_the_clock_is_in(now: datetime, zone: str, clock: str) -> None:
    assert local_date(now, zone) == local_date(now.astimezone(ZoneInfo(clock)), zone)
    assert local_date(now, zone) == (now + (now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta())).date()


@pytest.mark.parametrize(
    ("limit", "spent", "held", "left"),
    [
        (None, "5", "5", None),
        ("5", "0", "0", "5"),
        ("5", "4.999999", "0", "0.000001"),
        ("5", "3", "2", "0"),
        ("5", "3", "2.000001", "0"),  # never below zero
        ("0", "0", "0", "0"),
    ],
)
def test_what_a_limit_leaves(limit: str | None, spent: str, held: str, left: str | None) -> None:
    found = remaining(Decimal(limit) if limit else None, Decimal(spent), Decimal(held))
    assert found == (Decimal(left) if left else None)


@pytest.mark.parametrize(
    ("daily", "monthly", "per_request"),
    [
        (None, None, None),
        ("0", "0", "0"),
        ("5", "5", None),
        ("0.000001", "1000000", "1000000"),
        ("1E+6", None, "1E-6"),
        (None, "0", "3"),  # a request's limit may stand above the others
        ("-0", None, None),
    ],
)
def test_limits_that_are_accepted(daily: str | None, monthly: str | None, per_request: str | None) -> None:
    check_limits(Limits(*(None if one is None else Decimal(one) for one in (daily, monthly, per_request))))


@pytest.mark.parametrize("place", ["dailyCredits", "monthlyCredits", "maxCreditsPerRequest"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("-0.000001", "must be from 0 to 1,000,000 credits; -0.000001 is not."),
        ("1000000.000001", "must be from 0 to 1,000,000 credits; 1000000.000001 is not."),
        ("1E+999999", "must be from 0 to 1,000,000 credits; 1E+999999 is not."),
        ("NaN", "must be from 0 to 1,000,000 credits; NaN is not."),
        ("sNaN", "must be from 0 to 1,000,000 credits; sNaN is not."),
        ("Infinity", "must be from 0 to 1,000,000 credits; Infinity is not."),
        ("1.0000001", "has at most 6 decimal places; 1.0000001 has more."),
        ("1E-7", "has at most 6 decimal places; 0.0000001 has more."),
        ("1E-999999", "has at most 6 decimal places; 1E-999999 has more."),
    ],
)
def test_limits_that_are_refused(place: str, value: str, says: str) -> None:
    order = ("dailyCredits", "monthlyCredits", "maxCreditsPerRequest")
    with pytest.raises(Invalid) as refused:
        check_limits(Limits(*(Decimal(value) if name == place else None for name in order)))
    assert refused.value.path == ("limits", place)
    assert refused.value.message == f"{place} {says}"


def test_a_days_limit_is_not_above_a_months() -> None:
    check_limits(Limits(Decimal(5), Decimal(5), None))
    with pytest.raises(Invalid) as refused:
        check_limits(Limits(Decimal("5.000001"), Decimal(5), None))
    assert refused.value.message == ("A daily limit of 5.000001 is above the monthly limit of 5; it would never apply.")
    assert refused.value.path == ("limits", "dailyCredits")
