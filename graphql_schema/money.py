"""Money in the API: an amount in units of its currency."""

from decimal import Decimal

import strawberry

from app.rules.money import units


@strawberry.type(description='An amount of money in units of its currency: "95.00" USD.')
class Money:
    amount: Decimal
    currency: str


def money(cents: int, currency: str = "USD") -> Money:
    """Whole cents as Money."""
    return Money(amount=units(cents), currency=currency)


def money_of(amount: Decimal | None, currency: str) -> Money | None:
    """Units as Money; None stays None."""
    return None if amount is None else Money(amount=amount.quantize(Decimal("0.01")), currency=currency)
