"""What bands an operator may put into force (ruling 4), and what a change makes of the bands in force."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.errors import Invalid
from app.rules.price_bands import (
    LARGEST_CHARGE_CENTS,
    SMALLEST_CHARGE_CENTS,
    BandChange,
    as_rate,
    check_bands,
    differences,
    with_band,
    without_band,
)
from app.rules.pricing import Band, price
from tests.rules.bands import BANDS, valid_bands

D = Decimal


def band(start: str = "1", discount: str = "0", bonus: str = "0", cents: int = 1000) -> Band:
    return Band(D(start), D(discount), D(bonus), cents)


def test_the_catalogues_bands_may_be_in_force() -> None:
    assert check_bands(BANDS) == tuple(BANDS)


@pytest.mark.parametrize(
    ("bands", "says"),
    [
        ([], "There must be at least one price band, from 1 credit on."),
        ([band("5")], "The first band begins at 5 credits; it must begin at 1."),
        ([band(), band("25"), band("10")], "The band from 10 credits stands after the one from 25; list them"),
        ([band(), band("10"), band("10.00")], "Two bands begin at 10 credits; keep one of them."),
        ([band(), band("0.5")], "A band begins at 1 to 10,000 credits in steps of 0.01, not at 0.5."),
        ([band(), band("-10")], "A band begins at 1 to 10,000 credits in steps of 0.01, not at -10."),
        ([band(), band("10000.01")], "A band begins at 1 to 10,000 credits in steps of 0.01, not at 10000.01."),
        ([band(), band("2.005")], "A band begins at 1 to 10,000 credits in steps of 0.01, not at 2.005."),
        ([band(), band("NaN")], "A band begins at 1 to 10,000 credits in steps of 0.01, not at NaN."),
        ([band(), band("1E+999999")], "A band begins at 1 to 10,000 credits in steps of 0.01, not at 1E+999999."),
        ([band(discount="1")], "The band from 1 credit has a discount of 100 %; it must be less than 100 %."),
        ([band(discount="5")], "The band from 1 credit has a discount of 500 %; it must be less than 100 %."),
        ([band(discount="-0.05")], "The band from 1 credit has a discount of -0.05; it must not be negative."),
        ([band(discount="NaN")], "The band from 1 credit has a discount of NaN; write a share such as 5 % or 0.05."),
        ([band(discount="0.00005")], "The band from 1 credit has a discount of 0.00005; write a share with at most 4"),
        ([band(discount="1E-999999")], "The band from 1 credit has a discount of 1E-999999; write a share with at"),
        ([band(bonus="-0.0001")], "The band from 1 credit has a bonus of -0.0001; it must not be negative."),
        ([band(bonus="5")], "The band from 1 credit has a bonus of 500 %; it must be at most 100 %."),
        ([band(bonus="1E+999999")], "The band from 1 credit has a bonus of 1E+999999; write a share with at most 4"),
        ([band(cents=0)], "The band from 1 credit has a unit price of 0 cents; it must be at least 1."),
        ([band(cents=-1000)], "The band from 1 credit has a unit price of -1000 cents; it must be at least 1."),
        ([band(discount="0.96")], "The band from 1 credit would sell 1 credit for $0.40; Stripe takes no payment below"),
        ([band(cents=10_000)], "The band from 1 credit would cost $1,000,000.00 for 10000 credits before the discount;"),
    ],
)  # fmt: skip
def test_bands_that_are_refused(bands: list[Band], says: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_bands(bands)
    assert refused.value.message.startswith(says)
    assert refused.value.message_key == "error.invalid.price_bands"


@pytest.mark.parametrize(
    "bands",
    [
        [band()],
        [band(cents=50)],
        [band(cents=9999)],
        [band(discount="0.95")],
        [band(bonus="1")],
        [band(), band("1.01", "0.9")],
        [band(cents=99_999), band("1000", cents=1)],  # no band may be dear on its own: what it sells may be
        [band(), band("10000", "0.9999", "1", 9999)],
    ],
)
def test_the_bounds_themselves_are_allowed(bands: list[Band]) -> None:
    assert check_bands(bands) == tuple(bands)


@given(valid_bands(), st.data())
def test_what_is_accepted_prices_every_quantity_at_what_stripe_takes(
    bands: tuple[Band, ...], data: st.DataObject
) -> None:
    assert check_bands(bands) == bands
    edges = [one.min_credits for one in bands] + [D(10_000)]
    below = [edge - D("0.01") for edge in edges[1:]]
    anywhere = data.draw(st.integers(100, 1_000_000).map(lambda hundredths: D(hundredths) / 100))
    for quantity in (*edges, *below, anywhere):
        assert SMALLEST_CHARGE_CENTS <= price(quantity, bands).total_cents <= LARGEST_CHARGE_CENTS


@given(valid_bands(), valid_bands())
def test_a_list_is_reached_band_by_band(before: tuple[Band, ...], after: tuple[Band, ...]) -> None:
    """Each step is in force on its own; what differs is named once, and what does not is not."""
    bands = before
    for one in after:
        change = BandChange(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents)
        try:
            bands = with_band(bands, change)
        except Invalid:
            return  # a step on the way may be too dear; then the list goes in as a whole
    for one in before:
        if one.min_credits not in {new.min_credits for new in after}:
            bands = without_band(bands, one.min_credits)
    assert bands == after
    named = [line.split(":")[0] for line in differences(before, after)]
    changed = {one.min_credits for one in set(before) ^ set(after)}
    assert sorted(named) == sorted(f"from {start.normalize():f}" for start in changed)


def test_a_change_keeps_what_it_does_not_name() -> None:
    changed = with_band(BANDS, BandChange(D(10), bonus_rate=D("0.07")))
    assert changed == (*BANDS[:2], band("10", "0.05", "0.07"), *BANDS[3:])
    assert list(differences(BANDS, changed)) == [
        "from 10: $10.00 a credit, discount 5 %, bonus 5 % -> $10.00 a credit, discount 5 %, bonus 7 %"
    ]


def test_a_new_band_has_the_unit_price_of_the_one_it_is_cut_from() -> None:
    bands = [band(), band("10", "0.05", "0.05", 900)]
    changed = with_band(bands, BandChange(D("500.5"), discount_rate=D("0.25")))
    assert changed == (*bands, band("500.5", "0.25", "0", 900))
    assert [one.min_credits for one in with_band(changed, BandChange(D(5), bonus_rate=D(0)))] == [1, 5, 10, D("500.5")]


@pytest.mark.parametrize("start", ["NaN", "0", "-1", "0.999", "10001", "2.005", "1E+999999"])
def test_no_band_begins_elsewhere(start: str) -> None:
    with pytest.raises(Invalid, match="A band begins at 1 to 10,000 credits"):
        with_band(BANDS, BandChange(D(start), discount_rate=D("0.01")))


def test_what_cannot_be_removed() -> None:
    with pytest.raises(Invalid, match=r"no band from 7 credits; there are bands from 1, 5, 10, 25, 50, 100\."):
        without_band(BANDS, D(7))
    with pytest.raises(Invalid, match="The band from 1 credit can't be removed"):
        without_band(BANDS, D(1))
    dear = [band(cents=10_000), band("100", cents=1)]
    with pytest.raises(Invalid, match="would cost"):
        without_band(dear, D(100))


def test_without_a_band_the_one_below_reaches_further() -> None:
    bands = without_band(BANDS, D("25.00"))
    assert [lower.min_credits < higher.min_credits for lower, higher in pairwise(bands)] == [True] * 4
    assert price(D(30), bands).band == band("10", "0.05", "0.05")


@pytest.mark.parametrize(
    ("text", "rate"), [("5%", "0.05"), (" 5 % ", "0.05"), ("0.05", "0.05"), ("12.5 %", "0.125"), ("0", "0"), ("5", "5")]
)
def test_shares_as_people_write_them(text: str, rate: str) -> None:
    assert as_rate(text) == D(rate)


@pytest.mark.parametrize("text", ["", "%", "five", "5 %%", "5 percent"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(Invalid, match=r"is no share; write 5 % or 0\.05"):
        as_rate(text)
