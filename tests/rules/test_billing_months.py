"""Months of included credits: from the start day, the last day where a month is shorter, in UTC (ruling 6)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.rules.billing_months import next_reset


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "after", "expected"),
    [
        ("2026-01-15T10:30", "2026-01-15T10:30", "2026-02-15T10:30"),  # the moment itself is past
        ("2026-01-15T10:30", "2026-02-15T10:29", "2026-02-15T10:30"),
        ("2026-01-15T10:30", "2026-02-15T10:30", "2026-03-15T10:30"),
        ("2026-01-31T00:00", "2026-01-31T00:00", "2026-02-28T00:00"),
        ("2026-01-31T00:00", "2026-02-28T00:00", "2026-03-31T00:00"),  # the 31st comes back
        ("2026-01-31T00:00", "2026-03-31T00:00", "2026-04-30T00:00"),
        ("2027-12-31T23:59", "2028-01-31T23:59", "2028-02-29T23:59"),  # a leap year
        ("2028-02-29T12:00", "2029-01-29T12:00", "2029-02-28T12:00"),
        ("2026-11-30T00:00", "2026-12-30T00:00", "2027-01-30T00:00"),
        ("2026-12-31T00:00", "2026-12-31T00:00", "2027-01-31T00:00"),
        ("2020-05-05T00:00", "2026-05-04T23:59", "2026-05-05T00:00"),  # years later
    ],
)
def test_next_reset(anchor: str, after: str, expected: str) -> None:
    assert next_reset(at(anchor), at(after)) == at(expected)


def test_a_year_of_resets_from_the_31st_never_drifts() -> None:
    anchor = now = at("2026-01-31T08:00")
    days = []
    for _ in range(12):
        now = next_reset(anchor, now)
        days.append((now.month, now.day))
    last = [
        (2, 28),
        (3, 31),
        (4, 30),
        (5, 31),
        (6, 30),
        (7, 31),
        (8, 31),
        (9, 30),
        (10, 31),
        (11, 30),
        (12, 31),
        (1, 31),
    ]
    assert days == last


def test_the_anchor_counts_in_utc() -> None:
    anchor = datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=9)))  # 28 February in UTC
    assert next_reset(anchor, at("2026-03-01T00:00")) == at("2026-03-28T16:00")
