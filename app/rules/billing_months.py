"""The months of included credits: anchored to the subscription's start day, in UTC (ruling 6)."""

import calendar
from datetime import UTC, datetime


def next_reset(anchor: datetime, after: datetime) -> datetime:
    """The first reset later than `after`: the anchor's day and time of each month, the last day where a month is shorter."""
    anchor = anchor.astimezone(UTC)
    year, month = after.astimezone(UTC).year, after.astimezone(UTC).month
    while True:
        candidate = _in_month(anchor, year, month)
        if candidate > after:
            return candidate
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _in_month(anchor: datetime, year: int, month: int) -> datetime:
    day = min(anchor.day, calendar.monthrange(year, month)[1])
    return anchor.replace(year=year, month=month, day=day)
