"""When cards end, and which may be taken away."""

from datetime import date

import pytest

from app.rules.errors import ErrorCode, PaymentMethodInUse
from app.rules.payment_methods import CardExpiry, CardUse, card_uses, check_removal, expires_on, expiry


@pytest.mark.parametrize(
    ("month", "year", "last_day"),
    [
        (2, 2027, date(2027, 2, 28)),
        (2, 2028, date(2028, 2, 29)),
        (12, 2026, date(2026, 12, 31)),
        (4, 2030, date(2030, 4, 30)),
    ],
)
def test_a_card_is_good_to_the_end_of_its_month(month: int, year: int, last_day: date) -> None:
    assert expires_on(month, year) == last_day


@pytest.mark.parametrize(
    ("today", "last_day", "is_near"),
    [
        (date(2026, 11, 1), date(2026, 11, 30), CardExpiry.EXPIRING),
        (date(2026, 11, 30), date(2026, 11, 30), CardExpiry.EXPIRING),
        (date(2026, 12, 1), date(2026, 11, 30), CardExpiry.EXPIRED),
        (date(2026, 11, 30), date(2026, 12, 31), CardExpiry.EXPIRING),
        (date(2026, 11, 30), date(2027, 1, 31), CardExpiry.VALID),
        (date(2026, 12, 31), date(2027, 1, 31), CardExpiry.EXPIRING),
        (date(2026, 12, 31), date(2027, 2, 28), CardExpiry.VALID),
        (date(2027, 1, 1), date(2026, 12, 31), CardExpiry.EXPIRED),
        (date(2026, 11, 30), date(2027, 12, 31), CardExpiry.VALID),
    ],
)
def test_a_card_that_ends_this_month_or_next_is_expiring(today: date, last_day: date, is_near: CardExpiry) -> None:
    assert expiry(last_day, today) is is_near


def test_what_needs_a_card() -> None:
    def uses(default: bool, automatic: bool, paid: bool) -> list[CardUse]:
        return card_uses(is_default=default, pays_auto_purchase=automatic, has_paid_subscription=paid)

    assert uses(True, True, True) == [CardUse.AUTO_PURCHASE, CardUse.SUBSCRIPTION]
    assert uses(True, False, True) == [CardUse.SUBSCRIPTION]
    assert uses(False, False, True) == []
    assert uses(True, False, False) == []
    assert uses(False, True, False) == [CardUse.AUTO_PURCHASE]


def test_what_is_needed_is_not_taken_away() -> None:
    check_removal([])
    with pytest.raises(PaymentMethodInUse) as refused:
        check_removal([CardUse.AUTO_PURCHASE, CardUse.SUBSCRIPTION])
    assert refused.value.code is ErrorCode.PAYMENT_METHOD_IN_USE
    assert "used by automatic purchases: choose another card there first" in refused.value.message
    assert "pays the subscription: make another card the default one first" in refused.value.message
