"""Included, then bonus, then purchased; nothing is lost on the way (rulings 8 and 10)."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.burn_order import BURN_ORDER, Bucket, burn

AMOUNTS = st.integers(0, 10**12).map(lambda millionths: Decimal(millionths).scaleb(-6))
INCLUDED, BONUS, PURCHASED = Bucket.INCLUDED, Bucket.BONUS, Bucket.PURCHASED


def test_the_order() -> None:
    assert [one.value for one in BURN_ORDER] == ["included", "bonus", "purchased"]


@pytest.mark.parametrize(
    ("cost", "given", "short"),
    [
        ("0", {}, "0"),
        ("0.000001", {INCLUDED: "0.000001"}, "0"),
        ("3", {INCLUDED: "3"}, "0"),
        ("3.000001", {INCLUDED: "3", BONUS: "0.000001"}, "0"),
        ("5", {INCLUDED: "3", BONUS: "2"}, "0"),
        ("5.5", {INCLUDED: "3", BONUS: "2", PURCHASED: "0.5"}, "0"),
        ("6", {INCLUDED: "3", BONUS: "2", PURCHASED: "1"}, "0"),
        ("6.000001", {INCLUDED: "3", BONUS: "2", PURCHASED: "1"}, "0.000001"),
    ],
)
def test_a_cost_moves_on_when_a_bucket_is_empty(cost: str, given: dict[Bucket, str], short: str) -> None:
    taken, left = burn(Decimal(cost), {PURCHASED: Decimal(1), INCLUDED: Decimal(3), BONUS: Decimal(2)})
    assert taken == {bucket: Decimal(share) for bucket, share in given.items()}
    assert left == Decimal(short)


@given(AMOUNTS, st.fixed_dictionaries(dict.fromkeys(Bucket, AMOUNTS)))
def test_what_is_taken_and_what_is_short_make_the_cost(cost: Decimal, remaining: dict[Bucket, Decimal]) -> None:
    taken, short = burn(cost, remaining)
    assert sum(taken.values(), short) == cost
    assert short == max(cost - sum(remaining.values()), Decimal(0))
    for bucket, share in taken.items():
        assert 0 < share <= remaining[bucket]
    for earlier, later in pairwise(BURN_ORDER):
        if later in taken:
            assert taken.get(earlier, Decimal(0)) == remaining[earlier]
