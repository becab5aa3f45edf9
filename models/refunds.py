"""Refunds: each is asked for, decided, and given back through Stripe (ruling 22)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from models.base import (
    Base,
    Cents,
    Code,
    CreatedAt,
    Currency,
    Prose,
    StripeId,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    one_of,
    reference,
    tenant_table,
)


class Refund(TenantOwned, Base):
    """`amount_cents` of a purchase's payment. Its credits stand in `credit_reversals`."""

    __tablename__ = "refunds"
    __table_args__ = tenant_table(
        one_of("status", "requested", "rejected", "pending", "processing", "succeeded", "failed"),
        one_of("origin", "request", "operator", "stripe"),
        CheckConstraint("amount_cents > 0", name="amount_cents"),
        # A request has no more than its row until it is approved; what Stripe works on or has done carries Stripe's id.
        CheckConstraint(
            "CASE WHEN status IN ('requested', 'rejected') THEN origin = 'request' AND stripe_refund_id IS NULL "
            "WHEN status IN ('processing', 'succeeded') THEN stripe_refund_id IS NOT NULL ELSE true END",
            name="stripe_refund_id",
        ),
        reference("pool_id", "credit_pools"),
        reference("purchase_id", "credit_purchases"),
        reference("requested_by", "users"),
        UniqueConstraint("tenant_id", "stripe_refund_id", name="uq_refunds_stripe_refund_id"),
        # One request waits for a decision, for each purchase.
        Index(
            "uq_refunds_requested",
            "tenant_id",
            "purchase_id",
            unique=True,
            postgresql_where=text("status = 'requested'"),
        ),
        Index("idx_refunds_purchase", "tenant_id", "purchase_id", "created_at"),
        Index("idx_refunds_pool", "tenant_id", "pool_id", "created_at"),
        Index("idx_refunds_status", "tenant_id", "status", "created_at"),
    )

    pool_id: Mapped[UUID]
    purchase_id: Mapped[UUID]
    origin: Mapped[Code]
    status: Mapped[Code]
    amount_cents: Mapped[Cents]
    currency: Mapped[Currency]
    reason: Mapped[Prose]
    requested_by: Mapped[UUID | None]  # the buyer who asked for it
    decision_note: Mapped[Prose | None]
    decided_at: Mapped[Timestamp | None]
    stripe_refund_id: Mapped[StripeId | None]
    failure_code: Mapped[StripeId | None]
    succeeded_at: Mapped[Timestamp | None]
    failed_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
