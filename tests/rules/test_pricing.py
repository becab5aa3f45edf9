"""Prices of credits (section 43.3, rulings 4 and 5), against a computation of its own in fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.errors import Invalid
from app.rules.pricing import Band, band_for, cheaper_larger, check_quantity, next_band, price
from tests.rules.bands import BANDS

# Section 43.3, written out: from how many credits on, percent off, percent on top.
TABLE = ((1, 0, 0), (5, 0, 0), (10, 5, 5), (25, 10, 10), (50, 15, 15), (100, 20, 20))
QUANTITIES = st.integers(100, 1_000_000).map(lambda hundredths: Decimal(hundredths) / 100)


def half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def by_hand(quantity: Decimal) -> tuple[int, int, Fraction]:
    """(base cents, total cents, bonus credits) by the table, exactly."""
    percent_off, percent_on_top = next((off, top) for least, off, top in reversed(TABLE) if quantity >= least)
    cents = Fraction(quantity) * 1000
    total = cents * (100 - percent_off) / 100
    return half_up(cents), half_up(total), Fraction(quantity) * percent_on_top / 100


@given(QUANTITIES)
def test_every_quantity_costs_what_the_table_says(quantity: Decimal) -> None:
    priced = price(check_quantity(quantity), BANDS)
    base, total, bonus = by_hand(quantity)
    assert (priced.base_cents, priced.total_cents, Fraction(priced.bonus_credits)) == (base, total, bonus)
    assert priced.base_cents - priced.discount_cents == priced.total_cents
    assert priced.discount_cents >= 0
    assert priced.total_credits == priced.credits + priced.bonus_credits
    assert priced.bonus_credits == priced.bonus_credits.quantize(Decimal("0.000001"))


@pytest.mark.parametrize(
    ("credits", "base", "discount", "total", "bonus"),
    [
        ("1", 1000, 0, 1000, "0"),
        ("4.99", 4990, 0, 4990, "0"),
        ("5", 5000, 0, 5000, "0"),
        ("9.99", 9990, 0, 9990, "0"),
        ("10", 10000, 500, 9500, "0.5"),
        ("10.01", 10010, 500, 9510, "0.5005"),  # 950.95 cents and 9,509.5 cents: half up
        ("10.33", 10330, 516, 9814, "0.5165"),
        ("24.99", 24990, 1249, 23741, "1.2495"),  # 23,740.5 cents
        ("25", 25000, 2500, 22500, "2.5"),
        ("49.99", 49990, 4999, 44991, "4.999"),
        ("50", 50000, 7500, 42500, "7.5"),
        ("99.99", 99990, 14998, 84992, "14.9985"),  # 84,991.5 cents
        ("100", 100000, 20000, 80000, "20"),
        ("10000", 10_000_000, 2_000_000, 8_000_000, "2000"),
    ],
)
def test_the_edges_of_the_bands(credits: str, base: int, discount: int, total: int, bonus: str) -> None:
    priced = price(check_quantity(Decimal(credits)), BANDS)
    assert (priced.base_cents, priced.discount_cents, priced.total_cents) == (base, discount, total)
    assert priced.bonus_credits == Decimal(bonus)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("0", "credits must be from 1 to 10,000; 0 is not."),
        ("0.99", "credits must be from 1 to 10,000; 0.99 is not."),
        ("0.001", "credits must be from 1 to 10,000; 0.001 is not."),
        ("-5", "credits must be from 1 to 10,000; -5 is not."),
        ("-0", "credits must be from 1 to 10,000; -0 is not."),
        ("10000.01", "credits must be from 1 to 10,000; 10000.01 is not."),
        ("1e9", "credits must be from 1 to 10,000; 1000000000 is not."),
        ("1E+999999", "credits must be from 1 to 10,000; 1E+999999 is not."),
        ("1E-999999", "credits must be from 1 to 10,000; 1E-999999 is not."),
        ("NaN", "credits must be a number from 1 to 10,000, not NaN."),
        ("sNaN", "credits must be a number from 1 to 10,000, not sNaN."),
        ("Infinity", "credits must be a number from 1 to 10,000, not Infinity."),
        ("-Infinity", "credits must be a number from 1 to 10,000, not -Infinity."),
        ("1.001", "credits come in steps of 0.01; 1.001 has more places."),
        ("9999.999", "credits come in steps of 0.01; 9999.999 has more places."),
        ("2." + "0" * 60 + "1", "credits come in steps of 0.01; 2.0000000000000000000000000000... has more places."),
    ],
)
def test_other_quantities_are_refused(given: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_quantity(Decimal(given))
    assert refused.value.message == says
    assert refused.value.path == ("credits",)
    assert refused.value.message_key.startswith("error.invalid.quantity")


@pytest.mark.parametrize("given", ["1", "1.0", "1.00", "1.000", "1E0", "100E-2", "10000", "1E+4", "9999.99"])
def test_one_quantity_has_one_form(given: str) -> None:
    checked = check_quantity(Decimal(given))
    assert checked == Decimal(given)
    assert checked.as_tuple().exponent == -2


def test_a_band_reaches_from_its_edge_to_the_next() -> None:
    edges = [band.min_credits for band in BANDS]
    for edge, following in zip(edges, [*edges[1:], None], strict=True):
        assert band_for(edge, BANDS).min_credits == edge
        ahead = next_band(edge, BANDS)
        assert (ahead.min_credits if ahead else None) == following
        if following:
            assert band_for(following - Decimal("0.01"), BANDS).min_credits == edge


@given(QUANTITIES)
def test_the_better_quantity_is_the_largest_edge_that_costs_no_more(quantity: Decimal) -> None:
    priced = price(quantity, BANDS)
    edges = [Decimal(least) for least, _, _ in TABLE if least > quantity]
    good = [edge for edge in edges if by_hand(edge)[1] <= priced.total_cents]
    better = cheaper_larger(priced, BANDS)
    assert (better.credits if better else None) == (max(good) if good else None)


@pytest.mark.parametrize(
    ("credits", "better"),
    [
        ("9.49", None),  # $94.90 is less than the $95.00 of 10
        ("9.50", "10"),  # the same price
        ("9.99", "10"),  # ruling 5
        ("10", None),
        ("23.68", None),  # $224.96
        ("23.69", "25"),  # $225.06, 25 cost $225.00
        ("47.22", None),  # $424.98
        ("47.23", "50"),  # $425.07
        ("94.11", None),  # $799.94
        ("94.12", "100"),  # $800.02
        ("10000", None),
    ],
)
def test_where_a_larger_quantity_costs_no_more(credits: str, better: str | None) -> None:
    found = cheaper_larger(price(Decimal(credits), BANDS), BANDS)
    assert (found.credits if found else None) == (Decimal(better) if better else None)
    if found:
        assert found.total_cents <= price(Decimal(credits), BANDS).total_cents


def test_an_operators_bands_count_in_any_order() -> None:
    cheap = Band(Decimal(3), Decimal("0.333"), Decimal("0.0001"), 999)
    dear = Band(Decimal(1), Decimal(0), Decimal(0), 1500)
    priced = price(Decimal("3.01"), [cheap, dear])
    assert priced.band is cheap
    assert priced.total_cents == half_up(Fraction("3.01") * 999 * Fraction("0.667"))
    assert price(Decimal("2.99"), [cheap, dear]).total_cents == 4485
    assert cheaper_larger(price(Decimal("2.99"), [cheap, dear]), [cheap, dear]) == price(Decimal(3), [cheap, dear])


def test_below_all_bands_the_first_holds() -> None:
    bands = [band for band in BANDS if band.min_credits >= 10]
    assert band_for(Decimal(2), bands).min_credits == 10
