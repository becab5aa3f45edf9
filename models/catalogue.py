"""The catalogue: tiers, add-ons, price bands and model prices. No tenant: everybody reads it, an operator changes it (section 43.4)."""

from decimal import Decimal

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Cents,
    Code,
    CreatedAt,
    Credits,
    CreditsZero,
    Currency,
    Flag,
    Json,
    Multiplier,
    Name,
    Prose,
    Timestamp,
    UpdatedAt,
    not_negative,
)


class SubscriptionTier(Base):
    """Prices in units of `currency`, null where sales is asked (section 43.2). `concurrent_requests` null is unlimited (ruling 26)."""

    __tablename__ = "subscription_tiers"
    __table_args__ = (
        *not_negative("price_monthly", "price_annual", "included_credits_per_user"),
        CheckConstraint(
            "requests_per_minute > 0 AND tokens_per_minute > 0 AND concurrent_requests > 0", name="rate_limits"
        ),
        CheckConstraint("min_users > 0 AND max_users >= coalesce(min_users, 1)", name="users"),
    )

    id: Mapped[Code] = mapped_column(primary_key=True)
    display_name: Mapped[Name]
    description: Mapped[Prose | None]
    localization_key: Mapped[Name]
    price_monthly: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    price_annual: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    price_per_user: Mapped[Flag]
    contact_sales: Mapped[Flag]
    min_users: Mapped[int | None] = mapped_column(server_default=text("1"))
    max_users: Mapped[int | None]
    currency: Mapped[Currency]
    included_credits_per_user: Mapped[CreditsZero]
    requests_per_minute: Mapped[int]
    tokens_per_minute: Mapped[int] = mapped_column(BigInteger)
    concurrent_requests: Mapped[int | None]
    features: Mapped[Json]
    available_add_ons: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_public: Mapped[bool] = mapped_column(server_default=text("true"))
    sort_order: Mapped[int] = mapped_column(server_default=text("0"))
    badge: Mapped[Code | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class SubscriptionAddOn(Base):
    __tablename__ = "subscription_add_ons"
    __table_args__ = (CheckConstraint("price_monthly_cents >= 0 AND price_annual_cents >= 0", name="prices"),)

    id: Mapped[Code] = mapped_column(primary_key=True)
    display_name: Mapped[Name]
    description: Mapped[Prose | None]
    price_monthly_cents: Mapped[Cents]
    price_annual_cents: Mapped[Cents | None]
    price_per_user: Mapped[Flag]
    available_for_tiers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    included_in_tiers: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    features: Mapped[Json]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class CreditPriceBand(Base):
    """From `min_credits` on: the price of a credit in cents, the share taken off it and the share of credits given on top."""

    __tablename__ = "credit_price_bands"
    __table_args__ = (
        *not_negative("min_credits", "discount_rate", "bonus_rate"),
        CheckConstraint("discount_rate < 1 AND unit_price_cents > 0", name="unit_price_cents"),
    )

    min_credits: Mapped[Credits] = mapped_column(primary_key=True)
    discount_rate: Mapped[Multiplier] = mapped_column(server_default=text("0"))
    bonus_rate: Mapped[Multiplier] = mapped_column(server_default=text("0"))
    unit_price_cents: Mapped[Cents]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class CreditPriceBandChange(Base):
    """Who changed the price bands when; `bands_before` and `bands_after` list all of them, numbers as text."""

    __tablename__ = "credit_price_band_changes"
    __table_args__ = (
        CheckConstraint("btrim(changed_by) <> ''", name="changed_by"),
        CheckConstraint("bands_after <> bands_before", name="bands"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    changed_at: Mapped[Timestamp] = mapped_column(server_default=text("clock_timestamp()"))
    changed_by: Mapped[Name]
    bands_before: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    bands_after: Mapped[list[dict[str, str]]] = mapped_column(JSONB)


class ModelPrice(Base):
    """`credit_rate_multiplier` multiplies the text rates; `cached_input_rate` is the share of the input rate that cached tokens cost."""

    __tablename__ = "model_prices"
    __table_args__ = (*not_negative("credit_rate_multiplier", "cached_input_rate"),)

    model_id: Mapped[Name] = mapped_column(primary_key=True)
    provider_id: Mapped[Code]
    display_name: Mapped[Name]
    credit_rate_multiplier: Mapped[Multiplier] = mapped_column(server_default=text("1.0"))
    cached_input_rate: Mapped[Multiplier] = mapped_column(server_default=text("1.0"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
