"""What any quantity costs under any bands, against a computation of its own in fractions (section 43.3, rulings 2 and 4).

PORTAL_TEST_QUANTITIES: how many of the 999,901 quantities are tried under the catalogue's bands (20,000; `make test-deep`: all of them).
PORTAL_TEST_SEED repeats the choice of a seed that was printed.
"""

import os
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.rules.pricing import Band, Price, check_quantity, price
from tests.rules.bands import BANDS, quantities_of, valid_bands

SEED = int(os.environ.get("PORTAL_TEST_SEED", random.SystemRandom().randrange(2**32)))
EVERY = range(100, 1_000_001)  # 1.00 to 10,000.00 in hundredths
TRIED = min(int(os.environ.get("PORTAL_TEST_QUANTITIES", "20000")), len(EVERY))


def by_hand(quantity: Decimal, bands: Sequence[Band]) -> tuple[int, int, Fraction]:
    """(base cents, total cents, bonus credits), exactly, and rounded half up where whole cents are wanted."""
    reached = [band for band in bands if band.min_credits <= quantity]
    band = reached[-1]
    full = Fraction(quantity) * band.unit_price_cents
    return half_up(full), half_up(full * (1 - Fraction(band.discount_rate))), Fraction(quantity * band.bonus_rate)


def half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def check(priced: Price, quantity: Decimal, bands: Sequence[Band]) -> None:
    base, total, bonus = by_hand(quantity, bands)
    assert (priced.base_cents, priced.total_cents) == (base, total), quantity
    assert priced.base_cents - priced.discount_cents == priced.total_cents > 0, quantity
    assert priced.discount_cents >= 0, quantity
    assert (Fraction(priced.bonus_credits), priced.credits) == (bonus, quantity), quantity
    assert priced.total_credits == quantity + priced.bonus_credits, quantity


def test_every_quantity_under_the_catalogues_bands() -> None:
    edges = {int(band.min_credits * 100) + beside for band in BANDS for beside in (-1, 0, 1)} | {1_000_000}
    tried = EVERY if len(EVERY) == TRIED else random.Random(SEED).sample(EVERY, TRIED)
    print(f"{len(tried):,} quantities, PORTAL_TEST_SEED={SEED}")  # noqa: T201 - pytest shows it with a failure, and with -rP
    for hundredths in (*sorted(edges & set(EVERY)), *tried):
        quantity = Decimal(hundredths) / 100
        check(price(check_quantity(quantity), BANDS), quantity, BANDS)


@given(st.data(), valid_bands())
def test_any_quantity_under_any_bands(data: st.DataObject, bands: tuple[Band, ...]) -> None:
    quantity = data.draw(quantities_of(bands))
    check(price(check_quantity(quantity), bands), quantity, bands)
