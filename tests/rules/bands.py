"""Price bands for tests: the catalogue's own, and any that an operator may put into force."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import strategies as st

from app.rules.catalogue import PRICE_BANDS
from app.rules.pricing import Band

BANDS = [Band(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents) for one in PRICE_BANDS]
RATES = st.integers(0, 10_000).map(lambda steps: Decimal(steps) / 10_000)


@st.composite
def valid_bands(draw: st.DrawFn) -> tuple[Band, ...]:
    """Up to eight bands: a full price from 5 cents to $99.99, so far off that the smallest quantity still costs 50 cents."""
    starts = draw(st.sets(st.integers(101, 1_000_000), max_size=7))
    return tuple(_band(draw, Decimal(start) / 100) for start in [100, *sorted(starts)])


def _band(draw: st.DrawFn, start: Decimal) -> Band:
    cents = draw(st.integers(-(-5000 // int(start * 100)) or 1, 9_999))
    most_off = 1 - Decimal("49.5") / (start * cents)  # half a cent is rounded up
    discount = min(draw(RATES), most_off.quantize(Decimal("0.0001"), rounding="ROUND_FLOOR"))
    return Band(start, max(discount, Decimal(0)), draw(RATES), cents)


def quantities_of(bands: Sequence[Band]) -> st.SearchStrategy[Decimal]:
    """Any quantity that can be bought, and often one at the edge of a band."""
    edges = {int(band.min_credits * 100) + beside for band in bands for beside in (-1, 0, 1)}
    at_edges = sorted(edge for edge in edges if 100 <= edge <= 1_000_000)
    hundredths = st.integers(100, 1_000_000) | st.sampled_from(at_edges)
    return hundredths.map(lambda number: Decimal(number) / 100)
