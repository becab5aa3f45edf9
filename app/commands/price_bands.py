"""Commands on the price bands: list, set, remove, history."""

import asyncio
import getpass
import json
import sys
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from app.commands.connection import connect
from app.commands.failures import CommandError
from app.environment import load_settings
from app.rules.errors import Invalid
from app.rules.money import units
from app.rules.price_bands import BandChange, as_rate, check_bands, differences, percent, plain, with_band, without_band
from app.rules.pricing import QUOTE_VALIDITY, Band, price
from app.services import price_bands

_Made = TypeVar("_Made")
_FIELDS = ("min_credits", "discount", "bonus", "unit_price_cents")


def show(*, as_json: bool) -> None:
    """Print the bands in force: for people, or as the JSON that `set --file` reads."""
    bands = _run(price_bands.bands_in_force)
    if as_json:
        sys.stdout.write(json.dumps({"bands": [_as_entry(band) for band in bands]}, indent=2) + "\n")
        return
    rows = [("from", "a credit", "discount", "bonus", "costs", "gives")]
    for band in bands:
        least = price(band.min_credits, bands)
        costs, gives = f"${units(least.total_cents):,}", plain(least.total_credits)
        rates = (percent(band.discount_rate), percent(band.bonus_rate))
        rows.append((plain(band.min_credits), f"${units(band.unit_price_cents)}", *rates, costs, gives))
    _print("  ".join(f"{cell:>10}" for cell in row) for row in rows)


def set_all(file: Path, changed_by: str) -> None:
    """Put the bands of a TOML or JSON file into force, in place of all others."""
    wanted = read_bands(file)
    _change(lambda _: wanted, changed_by)


def set_one(
    min_credits: str, discount: str | None, bonus: str | None, unit_price_cents: int | None, changed_by: str
) -> None:
    """Change the band that begins at a quantity, or add it."""
    if discount is None and bonus is None and unit_price_cents is None:
        raise CommandError("say what to set: --discount, --bonus or --unit-price-cents")

    def decide(bands: tuple[Band, ...]) -> Sequence[Band]:
        rates = [None if one is None else as_rate(one) for one in (discount, bonus)]
        return with_band(bands, BandChange(_quantity(min_credits), rates[0], rates[1], unit_price_cents))

    _change(decide, changed_by)


def remove(min_credits: str, changed_by: str) -> None:
    """Remove the band that begins at a quantity; the one below it then reaches up to the next."""
    _change(lambda bands: without_band(bands, _quantity(min_credits)), changed_by)


def history(last: int) -> None:
    """Print the newest changes, newest first: when, who, and each band before and after."""
    changes = _run(lambda owner: price_bands.history(owner, last))
    if not changes:
        _print(["The price bands were never changed."])
    for change in changes:
        _print([f"{change.changed_at:%Y-%m-%d %H:%M:%S} UTC  {change.changed_by}"])
        _print(f"  {line}" for line in differences(change.before, change.after))


def read_bands(file: Path) -> tuple[Band, ...]:
    """The bands of a file, TOML ([[bands]]) or JSON ({"bands": [...]}).

    CommandError, with the band and what would be right, for anything that may not be in force.
    """
    try:
        text = file.read_text(encoding="utf-8")
        read: Callable[..., Any] = json.loads if file.suffix == ".json" else tomllib.loads
        content = read(text, parse_float=Decimal)
    except (ValueError, OSError) as error:
        raise CommandError(f"{file}: {error}") from None
    entries = content.get("bands") if isinstance(content, dict) and set(content) == {"bands"} else None
    if not isinstance(entries, list):
        raise CommandError(
            f"{file}: expected a list named bands and nothing else: see `portal price-bands list --json`"
        )
    try:
        return check_bands([_band(number, entry) for number, entry in enumerate(entries, 1)])
    except Invalid as refusal:
        raise CommandError(f"{file}: {refusal.message}") from None


def _band(number: int, entry: Any) -> Band:
    if not isinstance(entry, dict) or set(entry) != set(_FIELDS):
        has = ", ".join(sorted(entry)) if isinstance(entry, dict) else repr(entry)
        raise Invalid(f"Band {number} must have {', '.join(_FIELDS)}, and nothing else; it has {has or 'nothing'}.")
    cents = entry["unit_price_cents"]
    if not isinstance(cents, int) or isinstance(cents, bool):
        raise Invalid(f"Band {number} has a unit_price_cents of {cents}; write whole cents, such as 1000 for $10.00.")
    start, discount, bonus = (_number(number, name, entry[name]) for name in _FIELDS[:3])
    return Band(start, discount, bonus, cents)


def _number(number: int, name: str, value: Any) -> Decimal:
    """A quantity or a share; numbers and text both do: JSON's floats are read as decimals."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise Invalid(f"Band {number} has a {name} of {value}; write a number.")
    if isinstance(value, str):
        return _quantity(value) if name == "min_credits" else as_rate(value)
    return Decimal(value)


def _quantity(text: str) -> Decimal:
    try:
        quantity = Decimal(text)
    except InvalidOperation:
        quantity = Decimal("NaN")
    if not quantity.is_finite():
        raise Invalid(f"{text!r} is no quantity of credits; write a number such as 10 or 2.5.")
    return quantity


def _as_entry(band: Band) -> dict[str, str | int]:
    values = (plain(band.min_credits), percent(band.discount_rate), percent(band.bonus_rate), band.unit_price_cents)
    return dict(zip(_FIELDS, values, strict=True))


def _change(decide: Callable[[tuple[Band, ...]], Sequence[Band]], changed_by: str) -> None:
    made = _run(lambda owner: price_bands.change(owner, decide, changed_by or _login()))
    if made is None:
        _print(["Nothing to change: the price bands are so already."])
        return
    _print(differences(made.before, made.after))
    minutes = int(QUOTE_VALIDITY.total_seconds() // 60)
    _print(
        [f"In force for every quote from now on; quotes already given keep their price for their {minutes} minutes."]
    )


def _login() -> str:
    """The name that the operating system knows the operator by."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        raise CommandError("say who changes the price bands: --by NAME") from None


def _run(command: Callable[[asyncpg.Connection], Awaitable[_Made]]) -> _Made:
    async def connected() -> _Made:
        owner = await connect(load_settings().database_url)
        try:
            return await command(owner)
        finally:
            await owner.close()

    try:
        return asyncio.run(connected())
    except Invalid as refusal:
        raise CommandError(refusal.message) from None
    except asyncpg.UndefinedTableError:
        raise CommandError("the database is not up to date: run `portal migrate` first") from None


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
