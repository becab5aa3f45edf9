"""What credits cost: bands, discount, bonus, the edge of a band (section 43.3; rulings 4 and 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from app.rules.errors import Invalid
from app.rules.money import quoted, round_cents, round_credits

MIN_QUANTITY = Decimal(1)
MAX_QUANTITY = Decimal(10_000)
QUANTITY_STEP = Decimal("0.01")
QUOTE_VALIDITY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Band:
    """From `min_credits` on, each credit costs `unit_price_cents` less the discount, and earns the bonus. Rates are shares (0.05 = 5 %)."""

    min_credits: Decimal
    discount_rate: Decimal
    bonus_rate: Decimal
    unit_price_cents: int


@dataclass(frozen=True, slots=True)
class Price:
    """A priced quantity. `base_cents - discount_cents = total_cents`, always."""

    credits: Decimal
    band: Band
    base_cents: int
    discount_cents: int
    total_cents: int
    bonus_credits: Decimal

    @property
    def total_credits(self) -> Decimal:
        return self.credits + self.bonus_credits


def check_quantity(quantity: Decimal) -> Decimal:
    """Any quantity from 1 to 10,000 credits in steps of 0.01 (ruling 4); anything else is Invalid and says what would be right."""
    if not quantity.is_finite():
        raise Invalid(
            f"credits must be a number from 1 to 10,000, not {quoted(quantity)}.", path=("credits",), reason="quantity"
        )
    if not MIN_QUANTITY <= quantity <= MAX_QUANTITY:
        raise Invalid(
            f"credits must be from 1 to 10,000; {quoted(quantity)} is not.", path=("credits",), reason="quantity"
        )
    if quantity % QUANTITY_STEP:
        raise Invalid(
            f"credits come in steps of 0.01; {quoted(quantity)} has more places.",
            path=("credits",),
            reason="quantity_step",
        )
    return quantity.quantize(QUANTITY_STEP)


def band_for(quantity: Decimal, bands: Sequence[Band]) -> Band:
    """The highest band that the quantity reaches; below all of them the first (section 43.3)."""
    first = min(bands, key=lambda band: band.min_credits)
    return max(
        (band for band in bands if band.min_credits <= quantity), key=lambda band: band.min_credits, default=first
    )


def next_band(quantity: Decimal, bands: Sequence[Band]) -> Band | None:
    """The first band that the quantity does not reach yet."""
    return min((band for band in bands if band.min_credits > quantity), key=lambda band: band.min_credits, default=None)


def price(quantity: Decimal, bands: Sequence[Band]) -> Price:
    """Price a checked quantity by the formula of section 43.3, rounded once: the total. The discount line is what is left."""
    band = band_for(quantity, bands)
    base = quantity * band.unit_price_cents
    base_cents = round_cents(base)
    total_cents = round_cents(base * (1 - band.discount_rate))
    return Price(
        credits=quantity,
        band=band,
        base_cents=base_cents,
        discount_cents=base_cents - total_cents,
        total_cents=total_cents,
        bonus_credits=round_credits(quantity * band.bonus_rate),
    )


def cheaper_larger(priced: Price, bands: Sequence[Band]) -> Price | None:
    """The largest band edge above the quantity that costs the same or less (ruling 5: 9.99 credits cost more than 10), or None."""
    edges = [price(band.min_credits, bands) for band in bands if priced.credits < band.min_credits <= MAX_QUANTITY]
    return max(
        (edge for edge in edges if edge.total_cents <= priced.total_cents), key=lambda edge: edge.credits, default=None
    )
