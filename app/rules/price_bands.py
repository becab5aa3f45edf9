"""Which price bands an operator may set, and what a change makes of them (ruling 4, section 43.3).

A list is judged as a whole: whatever passes prices every quantity from 1 to 10,000 credits at an amount that Stripe can charge.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from app.rules.errors import Invalid
from app.rules.money import quoted, units
from app.rules.pricing import MAX_QUANTITY, MIN_QUANTITY, QUANTITY_STEP, Band, band_for, price

SMALLEST_CHARGE_CENTS = 50  # Stripe takes no less and no more in US dollars
LARGEST_CHARGE_CENTS = 99_999_999
LARGEST_BONUS = Decimal(1)  # as many again: more is a slip of the keyboard, such as 5 for 5 %
_RATE_STEP = Decimal("0.0001")
_SENSELESS = Decimal(1_000_000)  # too large to reckon with


@dataclass(frozen=True, slots=True)
class BandChange:
    """The band from `min_credits` on as it is to be; what is None stays, or in a new band is the price below it without discount."""

    min_credits: Decimal
    discount_rate: Decimal | None = None
    bonus_rate: Decimal | None = None
    unit_price_cents: int | None = None


def check_bands(bands: Sequence[Band]) -> tuple[Band, ...]:
    """The bands, if they may be in force; else Invalid says which is wrong and what would be right."""
    if not bands:
        raise _invalid("There must be at least one price band, from 1 credit on.")
    for band in bands:
        _check_band(band)
    if bands[0].min_credits != MIN_QUANTITY:
        raise _invalid(f"The first band begins at {_credits(bands[0].min_credits)}; it must begin at 1.")
    for lower, higher in pairwise(bands):
        if lower.min_credits == higher.min_credits:
            raise _invalid(f"Two bands begin at {_credits(higher.min_credits)}; keep one of them.")
        if lower.min_credits > higher.min_credits:
            raise _invalid(
                f"The band from {_credits(higher.min_credits)} stands after the one from {plain(lower.min_credits)}; "
                "list them from the smallest quantity up."
            )
    _check_charges(bands)
    return tuple(bands)


def _check_band(band: Band) -> None:
    start = band.min_credits
    if not start.is_finite() or not MIN_QUANTITY <= start <= MAX_QUANTITY or start % QUANTITY_STEP:
        raise _invalid(f"A band begins at 1 to 10,000 credits in steps of 0.01, not at {quoted(start)}.")
    _check_rate(band, "discount", band.discount_rate)
    if band.discount_rate >= 1:
        raise _invalid(f"{_of(band)} has a discount of {percent(band.discount_rate)}; it must be less than 100 %.")
    _check_rate(band, "bonus", band.bonus_rate)
    if band.bonus_rate > LARGEST_BONUS:
        raise _invalid(f"{_of(band)} has a bonus of {percent(band.bonus_rate)}; it must be at most 100 %.")
    if band.unit_price_cents <= 0:
        raise _invalid(f"{_of(band)} has a unit price of {band.unit_price_cents} cents; it must be at least 1.")


def _check_rate(band: Band, name: str, rate: Decimal) -> None:
    if not rate.is_finite():
        raise _invalid(f"{_of(band)} has a {name} of {rate}; write a share such as 5 % or 0.05.")
    if rate < 0:
        raise _invalid(f"{_of(band)} has a {name} of {quoted(rate)}; it must not be negative.")
    if rate > _SENSELESS or rate % _RATE_STEP:
        raise _invalid(
            f"{_of(band)} has a {name} of {quoted(rate)}; write a share with at most 4 places, such as 0.0525."
        )


def _check_charges(bands: Sequence[Band]) -> None:
    """Each band's smallest quantity at its price, and its largest at the full one, are amounts that Stripe charges."""
    ends = [following.min_credits - QUANTITY_STEP for following in bands[1:]] + [MAX_QUANTITY]
    for band, end in zip(bands, ends, strict=True):
        least = price(band.min_credits, bands).total_cents
        if least < SMALLEST_CHARGE_CENTS:
            raise _invalid(
                f"{_of(band)} would sell {_credits(band.min_credits)} for ${units(least)}; "
                f"Stripe takes no payment below ${units(SMALLEST_CHARGE_CENTS)}."
            )
        most = end * band.unit_price_cents
        if most > LARGEST_CHARGE_CENTS:
            raise _invalid(
                f"{_of(band)} would cost ${most / 100:,.2f} for {_credits(end)} before the discount; "
                f"Stripe takes no payment above ${units(LARGEST_CHARGE_CENTS):,}."
            )


def with_band(bands: Sequence[Band], change: BandChange) -> tuple[Band, ...]:
    """The bands with one added or changed. Invalid if the result may not be in force."""
    found = next((band for band in bands if band.min_credits == change.min_credits), None)
    covering = band_for(change.min_credits, bands) if change.min_credits.is_finite() else bands[0]
    start = found or Band(change.min_credits, Decimal(0), Decimal(0), covering.unit_price_cents)
    given = {
        name: value
        for name in ("discount_rate", "bonus_rate", "unit_price_cents")
        if (value := getattr(change, name)) is not None
    }
    _check_band(made := replace(start, **given))  # before sorting: NaN has no place in an order
    others = [band for band in bands if band is not found]
    return check_bands(sorted([*others, made], key=lambda band: band.min_credits))


def without_band(bands: Sequence[Band], min_credits: Decimal) -> tuple[Band, ...]:
    """The bands without one. Invalid if there is none from there, or if it is the first, which prices what no other does."""
    starts = [band.min_credits for band in bands]
    if min_credits not in starts:
        listed = ", ".join(plain(start) for start in starts)
        raise _invalid(f"There is no band from {quoted(min_credits)} credits; there are bands from {listed}.")
    if min_credits == MIN_QUANTITY:
        raise _invalid("The band from 1 credit can't be removed: without it small quantities have no price. Change it.")
    return check_bands([band for band in bands if band.min_credits != min_credits])


def as_rate(text: str) -> Decimal:
    """A share as people write it: "5 %", "5%" and "0.05" are 0.05. Invalid for anything that is no number."""
    number = text.strip().removesuffix("%").strip()
    try:
        rate = Decimal(number)
    except InvalidOperation:
        raise _invalid(f"{text!r} is no share; write 5 % or 0.05.") from None
    return rate / 100 if text.strip().endswith("%") and rate.is_finite() else rate


def differences(before: Sequence[Band], after: Sequence[Band]) -> Iterator[str]:
    """What a change did, a line for each band that is new, gone or other than before."""
    old, new = ({band.min_credits: band for band in bands} for bands in (before, after))
    for start in sorted(old.keys() | new.keys()):
        was, now = old.get(start), new.get(start)
        if was is None and now is not None:
            yield f"from {plain(start)}: new: {described(now)}"
        elif was is not None and now is None:
            yield f"from {plain(start)}: removed; it was {described(was)}"
        elif was is not None and now is not None and was != now:
            yield f"from {plain(start)}: {described(was)} -> {described(now)}"


def described(band: Band) -> str:
    """A band in words: "$10.00 a credit, discount 5 %, bonus 5 %"."""
    cents = f"${units(band.unit_price_cents)} a credit"
    return f"{cents}, discount {percent(band.discount_rate)}, bonus {percent(band.bonus_rate)}"


def percent(rate: Decimal) -> str:
    """A share in percent, without zeros that say nothing: 0.0500 is "5 %"."""
    return f"{plain(rate * 100)} %"


def plain(number: Decimal) -> str:
    """A number without zeros that say nothing: 10.000000 is "10"."""
    return quoted(number.normalize()) if number.is_finite() else str(number)


def _of(band: Band) -> str:
    return f"The band from {_credits(band.min_credits)}"


def _credits(quantity: Decimal) -> str:
    return f"{plain(quantity)} {'credit' if quantity == 1 else 'credits'}"


def _invalid(message: str) -> Invalid:
    return Invalid(message, path=("bands",), reason="price_bands")
