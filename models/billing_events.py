"""Billing events: what happened to a tenant's money, by the portal or by Stripe (section 43.4)."""

from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from models.base import (
    Base,
    Code,
    Count,
    CreatedAt,
    Flag,
    Json,
    Prose,
    StripeId,
    TenantOwned,
    Timestamp,
    reference,
    tenant_table,
)


class BillingEvent(TenantOwned, Base):
    __tablename__ = "billing_events"
    __table_args__ = tenant_table(
        reference("pool_id", "credit_pools"),
        reference("user_id", "users"),
        reference("subscription_id", "subscriptions"),
        reference("purchase_id", "credit_purchases"),
        UniqueConstraint("tenant_id", "stripe_event_id", name="idx_billing_events_stripe"),
        Index("idx_billing_events_type", "tenant_id", "event_type", "created_at"),
        Index("idx_billing_events_pool", "tenant_id", "pool_id", "created_at"),
        Index(
            "idx_billing_events_purchase",
            "tenant_id",
            "purchase_id",
            "created_at",
            postgresql_where=text("purchase_id IS NOT NULL"),
        ),
        Index("idx_billing_events_processed", "tenant_id", "created_at", postgresql_where=text("NOT processed")),
    )

    event_type: Mapped[Code]
    stripe_event_id: Mapped[StripeId | None]
    pool_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    subscription_id: Mapped[UUID | None]
    purchase_id: Mapped[UUID | None]
    data: Mapped[Json]
    processed: Mapped[Flag]
    processed_at: Mapped[Timestamp | None]
    error: Mapped[Prose | None]
    retry_count: Mapped[Count]
    created_at: Mapped[CreatedAt]
