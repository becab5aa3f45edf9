"""Automatic purchases at each boundary: when one is due, what its end means, months in the pool's zone (ruling 23)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.rules.auto_purchase import (
    BACKOFF,
    Plan,
    Standing,
    State,
    Stop,
    Verdict,
    after_change,
    after_completion,
    after_dispute,
    after_failure,
    armed_below,
    cap_cents,
    check,
    checked_quantity,
    crossed,
    decide,
    month_end,
    roll_over,
    state,
)
from app.rules.errors import Invalid
from app.rules.pricing import Price, price
from tests.rules.bands import BANDS

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PLAN = Plan(
    enabled=True,
    threshold=Decimal(5),
    quantity=Decimal(10),
    cap_credits=Decimal(30),
    cap_cents=20_000,
    payment_method_id="pm_1",
)
NEW = Standing(month_ends_at=datetime(2026, 12, 1, tzinfo=UTC))


def priced(plan: Plan) -> Price:
    """10 credits are 95.00."""
    return price(plan.quantity, BANDS)


@pytest.mark.parametrize(
    ("available", "below", "expected"),
    [
        ("4.999999", "5", True),
        ("5", "5", False),
        ("5.000001", "5", False),
        ("0", "0.000001", True),
        ("0", "0", False),
        ("0", None, False),
    ],
)
def test_below_is_below(available: str, below: str | None, expected: bool) -> None:
    assert crossed(Decimal(available), None if below is None else Decimal(below)) is expected


@pytest.mark.parametrize(
    ("plan", "standing", "available", "in_flight", "expected"),
    [
        (PLAN, NEW, "4.999999", False, Verdict.BUY),
        (PLAN, NEW, "5", False, Verdict.ENOUGH),
        (PLAN, NEW, "0", True, Verdict.IN_FLIGHT),
        (replace(PLAN, enabled=False), NEW, "0", False, Verdict.OFF),
        (PLAN, replace(NEW, stop=Stop.AUTHENTICATION_REQUIRED), "0", False, Verdict.OFF),
        (PLAN, replace(NEW, retry_after=NOW + SECOND), "0", False, Verdict.WAIT),
        (PLAN, replace(NEW, retry_after=NOW), "0", False, Verdict.BUY),
        (PLAN, replace(NEW, retry_after=NOW), "5", False, Verdict.ENOUGH),
        # The caps, with 10 credits for 95.00: equality is allowed, the least more is not.
        (PLAN, replace(NEW, credits=Decimal(20)), "0", False, Verdict.BUY),
        (PLAN, replace(NEW, credits=Decimal("20.01")), "0", False, Verdict.CAP_REACHED),
        (PLAN, replace(NEW, cents=10_500), "0", False, Verdict.BUY),
        (PLAN, replace(NEW, cents=10_501), "0", False, Verdict.CAP_REACHED),
        (replace(PLAN, cap_credits=None), replace(NEW, credits=Decimal(9000)), "0", False, Verdict.BUY),
        (replace(PLAN, cap_cents=None), replace(NEW, cents=10**9), "0", False, Verdict.BUY),
        (PLAN, replace(NEW, credits=Decimal(30)), "5", False, Verdict.ENOUGH),
    ],
)
def test_what_is_due(plan: Plan, standing: Standing, available: str, in_flight: bool, expected: Verdict) -> None:
    given = {"available": Decimal(available), "in_flight": in_flight}
    assert decide(plan, standing, price=priced(plan), now=NOW, **given) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("UTC", "2026-11-30T23:59:59+00:00", "2026-12-01T00:00:00+00:00"),
        ("UTC", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("Europe/Berlin", "2026-10-31T22:59:59+00:00", "2026-10-31T23:00:00+00:00"),  # winter time since the 25th
        ("Europe/Berlin", "2026-10-31T23:00:00+00:00", "2026-11-30T23:00:00+00:00"),
        ("Europe/Berlin", "2026-03-01T00:00:00+00:00", "2026-03-31T22:00:00+00:00"),  # summer time begins in between
        ("America/New_York", "2026-12-31T23:00:00-05:00", "2027-01-01T05:00:00+00:00"),
        ("Asia/Kolkata", "2026-11-30T18:29:59+00:00", "2026-11-30T18:30:00+00:00"),
        ("Pacific/Kiritimati", "2026-11-30T10:00:00+00:00", "2026-12-31T10:00:00+00:00"),  # 14 hours ahead
        # Clocks go forward at midnight of the first: the month begins at one o'clock.
        ("America/Asuncion", "2023-09-30T12:00:00+00:00", "2023-10-01T04:00:00+00:00"),
    ],
)
def test_a_month_ends_at_the_pools_midnight(zone: str, now: str, expected: str) -> None:
    assert month_end(datetime.fromisoformat(now), zone) == datetime.fromisoformat(expected)


def test_counters_and_a_reached_cap_are_of_one_month() -> None:
    used = replace(NEW, purchases=2, credits=Decimal(20), cents=19_000, cap_reached_at=NOW, failures=2)
    ends = datetime(2026, 12, 1, tzinfo=UTC)
    assert roll_over(used, ends - SECOND, "UTC") == used
    fresh = roll_over(used, ends, "UTC")
    assert (fresh.purchases, fresh.credits, fresh.cents, fresh.cap_reached_at) == (0, 0, 0, None)
    assert (fresh.month_ends_at, fresh.failures) == (datetime(2027, 1, 1, tzinfo=UTC), 2)
    assert roll_over(Standing(), NOW, "UTC").month_ends_at == ends


def test_a_completion_counts_and_forgives() -> None:
    done = after_completion(
        replace(NEW, failures=2, retry_after=NOW, purchases=1, credits=Decimal(1), cents=1000),
        credits=Decimal(10),
        cents=9500,
        now=NOW,
    )
    assert (done.purchases, done.credits, done.cents, done.bought_at) == (2, 11, 10_500, NOW)
    assert (done.failures, done.retry_after) == (0, None)


def test_declines_back_off_and_the_fourth_switches_off() -> None:
    plan, standing, waits = PLAN, NEW, []
    for _ in range(3):
        plan, standing = after_failure(plan, standing, "card_declined", NOW)
        assert plan == PLAN
        assert standing.retry_after is not None
        waits.append(standing.retry_after - NOW)
    assert waits == [timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)] == list(BACKOFF)
    plan, standing = after_failure(plan, standing, "card_declined", NOW)
    assert (plan.enabled, standing.stop, standing.stopped_at, standing.retry_after) == (False, Stop.DECLINED, NOW, None)
    assert state(plan, standing, in_flight=False) is State.OFF


@pytest.mark.parametrize(
    ("code", "enabled", "stop", "shown"),
    [
        ("authentication_required", True, Stop.AUTHENTICATION_REQUIRED, State.PAUSED),
        ("payment_method_missing", False, Stop.PAYMENT_METHOD_MISSING, State.OFF),
    ],
)
def test_what_a_person_must_mend_stops_at_once(code: str, enabled: bool, stop: Stop, shown: State) -> None:
    plan, standing = after_failure(PLAN, NEW, code, NOW)
    assert (plan.enabled, standing.stop, standing.retry_after) == (enabled, stop, None)
    assert state(plan, standing, in_flight=False) is shown
    assert armed_below(plan, standing, in_flight=False) is None


def test_a_dispute_pauses_what_is_on() -> None:
    paused = after_dispute(PLAN, replace(NEW, retry_after=NOW), NOW)
    assert (paused.stop, paused.stopped_at, paused.retry_after) == (Stop.DISPUTED, NOW, None)
    assert state(PLAN, paused, in_flight=False) is State.PAUSED
    assert after_dispute(replace(PLAN, enabled=False), NEW, NOW) == NEW
    assert after_dispute(PLAN, STOPPED, NOW) == STOPPED


@pytest.mark.parametrize(
    ("standing", "in_flight", "expected", "shown"),
    [
        (NEW, False, Decimal(5), State.ON),
        (NEW, True, None, State.BUYING),
        (replace(NEW, retry_after=NOW), False, None, State.WAITING),
        (replace(NEW, cap_reached_at=NOW), False, None, State.CAP_REACHED),
        (replace(NEW, stop=Stop.AUTHENTICATION_REQUIRED), False, None, State.PAUSED),
    ],
)
def test_armed_only_where_a_debit_may_trigger(
    standing: Standing, in_flight: bool, expected: Decimal | None, shown: State
) -> None:
    assert armed_below(PLAN, standing, in_flight=in_flight) == expected
    assert state(PLAN, standing, in_flight=in_flight) is shown
    assert armed_below(replace(PLAN, enabled=False), standing, in_flight=in_flight) is None


STOPPED = replace(NEW, failures=4, stop=Stop.DECLINED, stopped_at=NOW, cap_reached_at=NOW)


@pytest.mark.parametrize(
    ("change", "switched_on", "resumes", "asks_again"),
    [
        ({"notify": False}, False, False, False),
        ({"threshold": Decimal(6)}, False, False, False),
        ({}, True, True, False),
        ({"payment_method_id": "pm_2"}, False, True, False),
        ({"cap_cents": 30_000}, False, False, True),
        ({"cap_credits": None}, False, False, True),
        ({"quantity": Decimal(5)}, False, False, True),
        ({"enabled": False, "payment_method_id": "pm_2"}, False, False, False),
    ],
)
def test_what_resumes(change: dict[str, object], switched_on: bool, resumes: bool, asks_again: bool) -> None:
    changed = after_change(PLAN, replace(PLAN, **change), STOPPED, switched_on=switched_on)  # type: ignore[arg-type]
    assert (changed.stop is None, changed.failures == 0) == (resumes, resumes)
    assert (changed.cap_reached_at is None) is asks_again


REFUSED = [
    ({"payment_method_id": None}, "paymentMethodId", "Automatic purchases need a payment method"),
    ({"cap_credits": None, "cap_cents": None}, "monthlyCap", "Automatic purchases need a monthly cap"),
    ({"threshold": Decimal(0)}, "thresholdCredits", "thresholdCredits must be above 0"),
    ({"threshold": Decimal(-1)}, "thresholdCredits", "thresholdCredits must be from 0 to 1,000,000 credits; -1 is not"),
    ({"threshold": Decimal("NaN")}, "thresholdCredits", "NaN is not"),
    ({"cap_credits": Decimal("9.99")}, "monthlyCapCredits", "9.99 credits is below one purchase of 10"),
    ({"cap_credits": Decimal("Infinity")}, "monthlyCapCredits", "Infinity is not"),
    ({"cap_cents": 9499}, "monthlyCap", "94.99 is below the price of one purchase of 10 credits, 95.00"),
    ({"recipients": ("x",)}, "recipients", "'x' is not an e-mail address"),
    ({"recipients": ("a@b.example",) * 21}, "recipients", "At most 20 recipients; you sent 21"),
]


@pytest.mark.parametrize(("change", "field", "message"), REFUSED)
def test_a_refusal_names_the_field_and_what_would_be_right(change: dict[str, object], field: str, message: str) -> None:
    plan = replace(PLAN, **change)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match=message) as refusal:
        check(plan, priced(plan))
    assert refusal.value.path == ("patch", "autoPurchase", field)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"cap_credits": Decimal(10), "cap_cents": None},
        {"cap_credits": None, "cap_cents": 9500},
        {"enabled": False, "payment_method_id": None, "cap_credits": None, "cap_cents": None},
        {"threshold": Decimal("0.000001")},
    ],
)
def test_what_may_be_stored(change: dict[str, object]) -> None:
    plan = replace(PLAN, **change)  # type: ignore[arg-type]
    check(plan, priced(plan))


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "0.001", "1000000.01", "1E-999999"])
def test_a_cap_is_an_amount_of_money(amount: str) -> None:
    with pytest.raises(Invalid, match=r"monthlyCap must be an amount from 0\.01 to 1,000,000\.00"):
        cap_cents(Decimal(amount))
    assert cap_cents(Decimal("250.5")) == 25_050


@pytest.mark.parametrize("quantity", ["0.99", "10000.01", "1.001", "NaN"])
def test_a_quantity_is_as_of_any_purchase(quantity: str) -> None:
    with pytest.raises(Invalid, match="purchaseCredits ") as refusal:
        checked_quantity(Decimal(quantity))
    assert refusal.value.path == ("patch", "autoPurchase", "purchaseCredits")
