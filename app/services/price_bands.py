"""Price bands: read by every quote in its own transaction, so that a change holds for all processes at once; changed by operators alone.

Nothing that was issued changes with them: a quote carries its price under a signature, a purchase in its row (ruling 4).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from app.rules.errors import Invalid
from app.rules.price_bands import check_bands, plain
from app.rules.pricing import Band
from app.tenancy import Read, Transaction

_COLUMNS = "min_credits, discount_rate, bonus_rate, unit_price_cents"
_BANDS = Read(f"SELECT {_COLUMNS} FROM credit_price_bands ORDER BY min_credits")  # noqa: S608 - columns of ours
_PUT = f"""INSERT INTO credit_price_bands ({_COLUMNS}) VALUES ($1, $2, $3, $4)
    ON CONFLICT (min_credits) DO UPDATE SET discount_rate = excluded.discount_rate, bonus_rate = excluded.bonus_rate,
        unit_price_cents = excluded.unit_price_cents, updated_at = now()"""  # noqa: S608 - columns of ours
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class PriceBandChange:
    """One change of the price bands: when it came into force, who made it, all bands before and after."""

    changed_at: datetime
    changed_by: str
    before: tuple[Band, ...]
    after: tuple[Band, ...]


async def current(tx: Transaction) -> tuple[Band, ...]:
    """The bands in force at the transaction's instant, from the smallest quantity up."""
    return tuple(Band(**row) for row in await tx.read(_BANDS))


async def bands_in_force(owner: asyncpg.Connection) -> tuple[Band, ...]:
    """The bands in force, for an operator."""
    return tuple(Band(**row) for row in await owner.fetch(_BANDS.sql))


async def change(
    owner: asyncpg.Connection, decide: Callable[[tuple[Band, ...]], Sequence[Band]], changed_by: str
) -> PriceBandChange | None:
    """Put into force what `decide` makes of the bands in force, and remember it; None if that is what they are already.

    Changes take turns: each decides on what the one before it has left. Takes the connection of the tables' owner. Raises Invalid, with
    nothing changed, for bands that may not be in force and for a name that says nobody.
    """
    name = changed_by.strip()
    if not 0 < len(name) <= _LONGEST_NAME:
        raise Invalid(f"Say who changes the price bands, in 1 to {_LONGEST_NAME} characters.", reason="changed_by")
    async with owner.transaction():
        # Readers go on; a second operator waits here and then reads what the first one has made.
        await owner.execute("LOCK TABLE credit_price_bands IN SHARE ROW EXCLUSIVE MODE")
        before = await bands_in_force(owner)
        after = check_bands(decide(before))
        if after == before:
            return None
        await _write(owner, before, after)
        changed_at = await owner.fetchval(
            """INSERT INTO credit_price_band_changes (changed_by, bands_before, bands_after)
               VALUES ($1, $2, $3) RETURNING changed_at""",
            name,
            _as_json(before),
            _as_json(after),
        )
    return PriceBandChange(changed_at, name, before, after)


async def history(owner: asyncpg.Connection, last: int) -> list[PriceBandChange]:
    """The newest `last` changes, newest first."""
    rows = await owner.fetch(
        """SELECT changed_at, changed_by, bands_before, bands_after
             FROM credit_price_band_changes ORDER BY id DESC LIMIT $1""",
        last,
    )
    return [
        PriceBandChange(at, by, _from_json(before), _from_json(after))
        for at, by, before, after in (tuple(row) for row in rows)
    ]


async def _write(owner: asyncpg.Connection, before: Sequence[Band], after: Sequence[Band]) -> None:
    """Only the rows that differ: a band that stays keeps its dates."""
    kept = [band.min_credits for band in after]
    await owner.execute("DELETE FROM credit_price_bands WHERE min_credits <> ALL($1::numeric[])", kept)
    changed = [band for band in after if band not in before]
    await owner.executemany(_PUT, [tuple(asdict(band).values()) for band in changed])


def _as_json(bands: Sequence[Band]) -> str:
    """Numbers as text: JSON's own have no fixed places."""
    return json.dumps([{name: plain(Decimal(value)) for name, value in asdict(band).items()} for band in bands])


def _from_json(text: str) -> tuple[Band, ...]:
    stored: list[dict[str, Any]] = json.loads(text)
    return tuple(
        Band(
            min_credits=Decimal(one["min_credits"]),
            discount_rate=Decimal(one["discount_rate"]),
            bonus_rate=Decimal(one["bonus_rate"]),
            unit_price_cents=int(one["unit_price_cents"]),
        )
        for one in stored
    )
