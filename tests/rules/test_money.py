"""One rounding for credits, one for money (rulings 1 and 2)."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.money import credits_text, money_text, quoted, round_cents, round_credits, units


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        ("0.0000004", "0"),
        ("0.0000005", "0.000001"),
        ("0.0000014999", "0.000001"),
        ("0.0000015", "0.000002"),
        ("0.0000025", "0.000003"),  # not to even
        ("-0.0000005", "-0.000001"),  # away from zero, as half up reads for a debt
        ("999999999999.9999994", "999999999999.999999"),
        ("999999999999.9999995", "1000000000000"),
    ],
)
def test_credits_round_half_up_at_six_places(exact: str, rounded: str) -> None:
    assert round_credits(Decimal(exact)) == Decimal(rounded)
    assert round_credits(Decimal(exact)).as_tuple().exponent == -6


@pytest.mark.parametrize(
    ("exact", "cents"),
    [("0.4999", 0), ("0.5", 1), ("1.5", 2), ("2.5", 3), ("9509.5", 9510), ("-0.5", -1), ("-2.5", -3)],
)
def test_money_rounds_half_up_at_whole_cents(exact: str, cents: int) -> None:
    rounded = round_cents(Decimal(exact))
    assert rounded == cents
    assert type(rounded) is int


@given(st.decimals(0, 10**9, places=9))
def test_rounding_is_the_nearest_and_half_goes_up(amount: Decimal) -> None:
    exact = Fraction(amount)
    assert round_cents(amount) == (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    assert -Fraction(1, 2_000_000) < Fraction(round_credits(amount)) - exact <= Fraction(1, 2_000_000)


@given(st.integers(-(10**12), 10**12))
def test_units_are_hundredths(cents: int) -> None:
    assert units(cents) * 100 == cents
    assert units(cents).as_tuple().exponent == -2


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("5", "5"),
        ("-0.50", "-0.50"),
        ("1E+3", "1000"),
        ("1E+30", "1" + "0" * 29 + "..."),
        ("1E+31", "1E+31"),
        ("1E-31", "1E-31"),
        ("1E+999999", "1E+999999"),
        ("-Infinity", "-Infinity"),
        ("NaN" + "1" * 20, "NaN" + "1" * 20),
    ],
)
def test_a_message_repeats_a_number_briefly(sent: str, shown: str) -> None:
    assert quoted(Decimal(sent)) == shown


@given(st.text("0123456789.eE+-NafIsinity", max_size=80))
def test_no_number_is_repeated_at_length(text: str) -> None:
    with localcontext() as context:
        context.traps = dict.fromkeys(context.traps, False)
        assert len(quoted(Decimal(text))) <= 33


@pytest.mark.parametrize(
    ("cents", "currency", "text"),
    [
        (0, "USD", "$0.00"),
        (5, "USD", "$0.05"),
        (42_500, "usd", "$425.00"),
        (8_000_000, "USD", "$80,000.00"),
        (-500, "USD", "-$5.00"),
        (123_456, "EUR", "€1,234.56"),
        (1200, "CHF", "12.00 CHF"),
        (-1, "CHF", "-0.01 CHF"),
    ],
)
def test_money_reads_as_people_write_it(cents: int, currency: str, text: str) -> None:
    assert money_text(cents, currency) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("1.000000", "1"),
        ("57.500000", "57.5"),
        ("1000", "1,000"),
        ("12345.678900", "12,345.6789"),
        ("0.000001", "0.000001"),
        ("1E+3", "1,000"),
        ("-0.500000", "-0.5"),
    ],
)
def test_credits_read_as_people_write_them(amount: str, text: str) -> None:
    assert credits_text(Decimal(amount)) == text
