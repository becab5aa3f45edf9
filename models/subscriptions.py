"""Subscriptions: which tier a pool is on, until when, for how many seats (section 43.4, rulings 7 and 24)."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Cents,
    Code,
    CreatedAt,
    Currency,
    Flag,
    Json,
    Prose,
    StripeId,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    one_of,
    reference,
    tenant_table,
)


class Subscription(TenantOwned, Base):
    """Prices in cents of `currency`. What is `pending_*` comes into force at the period's end."""

    __tablename__ = "subscriptions"
    __table_args__ = tenant_table(
        one_of("billing_cycle", "monthly", "annual"),
        one_of("pending_billing_cycle", "monthly", "annual"),
        one_of(
            "status",
            "incomplete",
            "incomplete_expired",
            "trialing",
            "active",
            "past_due",
            "canceled",
            "unpaid",
            "paused",
        ),
        # Ruling 24: FREE needs no Stripe customer, every other tier does.
        CheckConstraint("tier_id = 'FREE' OR stripe_customer_id IS NOT NULL", name="paid_tier_has_customer"),
        CheckConstraint("seat_count > 0 AND (pending_seat_count IS NULL OR pending_seat_count > 0)", name="seat_count"),
        CheckConstraint("price_per_unit_cents >= 0 AND total_price_cents >= 0", name="prices"),
        CheckConstraint("current_period_end > current_period_start", name="current_period"),
        reference("user_id", "users"),
        reference("organization_id", "organizations"),
        reference("credit_pool_id", "credit_pools"),
        ForeignKeyConstraint(["tier_id"], ["subscription_tiers.id"]),
        ForeignKeyConstraint(["pending_tier_id"], ["subscription_tiers.id"]),
        UniqueConstraint("tenant_id", "stripe_subscription_id", name="idx_subscriptions_stripe"),
        Index(
            "uq_subscriptions_live",
            "tenant_id",
            "credit_pool_id",
            unique=True,
            postgresql_where=text("status NOT IN ('canceled', 'incomplete_expired')"),
        ),
        Index("idx_subscriptions_pool", "tenant_id", "credit_pool_id", "created_at"),
        Index("idx_subscriptions_user", "tenant_id", "user_id"),
        Index("idx_subscriptions_org", "tenant_id", "organization_id"),
        Index("idx_subscriptions_status", "tenant_id", "status", "current_period_end"),
    )

    user_id: Mapped[UUID]
    organization_id: Mapped[UUID | None]
    credit_pool_id: Mapped[UUID]
    tier_id: Mapped[Code]
    billing_cycle: Mapped[Code]
    seat_count: Mapped[int] = mapped_column(server_default=text("1"))
    add_ons: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    price_per_unit_cents: Mapped[Cents]
    total_price_cents: Mapped[Cents]
    currency: Mapped[Currency]
    stripe_subscription_id: Mapped[StripeId | None]
    stripe_customer_id: Mapped[StripeId | None]
    stripe_price_id: Mapped[StripeId | None]
    current_period_start: Mapped[Timestamp]
    current_period_end: Mapped[Timestamp]
    trial_start: Mapped[Timestamp | None]
    trial_end: Mapped[Timestamp | None]
    status: Mapped[Code] = mapped_column(server_default=text("'active'"))
    past_due_since: Mapped[Timestamp | None]  # the grace of 7 days counts from here
    cancel_at_period_end: Mapped[Flag]
    canceled_at: Mapped[Timestamp | None]
    cancellation_reason: Mapped[Prose | None]
    pending_tier_id: Mapped[Code | None]
    pending_billing_cycle: Mapped[Code | None]
    pending_seat_count: Mapped[int | None]
    metadata_: Mapped[Json] = mapped_column("metadata")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
