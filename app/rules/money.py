"""Scale and rounding: the one place where credits and money are rounded (rulings 1 and 2)."""

from decimal import ROUND_HALF_UP, Decimal

CREDIT_PLACES = 6
_CREDIT_UNIT = Decimal(1).scaleb(-CREDIT_PLACES)
_CENT = Decimal(1)


def round_credits(amount: Decimal) -> Decimal:
    """Round an amount of credits half up to 6 places (ruling 2). Once, at the end of a computation."""
    return amount.quantize(_CREDIT_UNIT, rounding=ROUND_HALF_UP)


def round_cents(cents: Decimal) -> int:
    """Round an amount of cents half up to whole cents (ruling 2). Once, at the end of a computation."""
    return int(cents.quantize(_CENT, rounding=ROUND_HALF_UP))


def units(cents: int) -> Decimal:
    """Cents as currency units: 9500 -> Decimal('95.00')."""
    return Decimal(cents).scaleb(-2)
