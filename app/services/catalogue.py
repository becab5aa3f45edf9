"""The catalogue in memory: tiers, add-ons and model prices have no tenant and change rarely. Read anew when it is older than ten seconds.

Price bands are not in it: what is charged by them must be exact, so a quote reads them in its own transaction (price_bands.py).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.tenancy import Database
from models.catalogue import ModelPrice as StoredModelPrice
from models.catalogue import SubscriptionAddOn, SubscriptionTier

MAX_AGE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Tier:
    """One of the seven tiers as stored; prices in units of the currency, None: sales is asked."""

    id: str
    display_name: str
    description: str
    localization_key: str
    price_monthly: Decimal | None
    price_annual: Decimal | None
    price_per_user: bool
    contact_sales: bool
    min_users: int | None
    max_users: int | None
    currency: str
    included_credits_per_user: Decimal
    requests_per_minute: int
    tokens_per_minute: int
    concurrent_requests: int | None
    features: dict[str, Any]
    available_add_ons: tuple[str, ...]
    sort_order: int
    badge: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class AddOn:
    """An add-on; prices in cents."""

    id: str
    display_name: str
    description: str | None
    price_monthly_cents: int
    price_annual_cents: int | None
    price_per_user: bool
    included_in_tiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """The price book's entry of a model: multiplier of the text rates; cached tokens as a share of the input rate."""

    model_id: str
    provider_id: str
    credit_rate_multiplier: Decimal
    cached_input_rate: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """One reading of the catalogue's tables. It is the key to what was made of it: hence no equality but identity.

    `tiers` are all of them: a pool whose tier is no longer on offer keeps its credits, limits and prices.
    """

    tiers: tuple[Tier, ...]
    add_ons: tuple[AddOn, ...]
    model_prices: tuple[ModelPrice, ...]

    @property
    def offered(self) -> tuple[Tier, ...]:
        """The tiers that can be subscribed to, from the smallest to the largest."""
        return tuple(tier for tier in self.tiers if tier.is_active)

    def tier(self, tier_id: str) -> Tier:
        return next(tier for tier in self.tiers if tier.id == tier_id)


class CatalogueCache:
    """The catalogue of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._catalogue: Catalogue | None = None
        self._read_at = 0.0
        self._turn = asyncio.Lock()

    async def current(self) -> Catalogue:
        """The catalogue, at most ten seconds old."""
        if self._catalogue is None or time.monotonic() - self._read_at > MAX_AGE_SECONDS:
            async with self._turn:
                if self._catalogue is None or time.monotonic() - self._read_at > MAX_AGE_SECONDS:
                    self._catalogue = await self._read()
                    self._read_at = time.monotonic()
        return self._catalogue

    async def _read(self) -> Catalogue:
        tier_columns, add_on_columns = _columns(SubscriptionTier, Tier), _columns(SubscriptionAddOn, AddOn)
        async with self._database.connection() as connection:
            tiers = await connection.execute(select(*tier_columns).order_by(SubscriptionTier.sort_order))
            add_ons = await connection.execute(
                select(*add_on_columns).where(SubscriptionAddOn.is_active).order_by(SubscriptionAddOn.id)
            )
            prices = await connection.execute(select(*_columns(StoredModelPrice, ModelPrice)))
            return Catalogue(
                tiers=tuple(Tier(**_frozen(row._asdict())) for row in tiers),
                add_ons=tuple(AddOn(**_frozen(row._asdict())) for row in add_ons),
                model_prices=tuple(ModelPrice(**row._asdict()) for row in prices),
            )


def _columns(table: Any, shape: Any) -> Sequence[Any]:
    """The table's columns that the dataclass has fields for."""
    return [getattr(table, name) for name in shape.__dataclass_fields__]


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
