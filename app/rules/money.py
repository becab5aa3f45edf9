"""Scale and rounding: the one place where credits and money are rounded (rulings 1 and 2)."""

from decimal import ROUND_HALF_UP, Decimal

CREDIT_PLACES = 6
_CREDIT_UNIT = Decimal(1).scaleb(-CREDIT_PLACES)
_CENT = Decimal(1)
_QUOTED_LENGTH = 30


def round_credits(amount: Decimal) -> Decimal:
    """Round an amount of credits half up to 6 places (ruling 2). Once, at the end of a computation."""
    return amount.quantize(_CREDIT_UNIT, rounding=ROUND_HALF_UP)


def round_cents(cents: Decimal) -> int:
    """Round an amount of cents half up to whole cents (ruling 2). Once, at the end of a computation."""
    return int(cents.quantize(_CENT, rounding=ROUND_HALF_UP))


def quoted(amount: Decimal) -> str:
    """A number that somebody sent, as a message may repeat it: 1E-999999 written out would be a million characters."""
    if not amount.is_finite() or abs(amount.adjusted()) > _QUOTED_LENGTH:
        return str(amount)[:_QUOTED_LENGTH]
    text = f"{amount:f}"
    return text if len(text) <= _QUOTED_LENGTH else f"{text[:_QUOTED_LENGTH]}..."


def units(cents: int) -> Decimal:
    """Cents as currency units: 9500 -> Decimal('95.00')."""
    return Decimal(cents).scaleb(-2)


_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}


def money_text(cents: int, currency: str) -> str:
    """Cents as a sentence says them: "$1,234.50", "-$5.00", "12.00 CHF"."""
    sign, amount = "-" if cents < 0 else "", f"{units(abs(cents)):,.2f}"
    symbol = _SIGNS.get(currency.upper())
    return f"{sign}{symbol}{amount}" if symbol else f"{sign}{amount} {currency.upper()}"


def credits_text(amount: Decimal) -> str:
    """Credits without needless zeros: "57.5", "1,000"."""
    whole, _, places = f"{amount:,f}".partition(".")
    places = places.rstrip("0")
    return f"{whole}.{places}" if places else whole
