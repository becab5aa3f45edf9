"""Disputes: payments that a bank has questioned or taken back (ruling 22)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from models.base import (
    Base,
    Cents,
    Code,
    Count,
    CreatedAt,
    Currency,
    StripeId,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    reference,
    tenant_table,
)


class Dispute(TenantOwned, Base):
    """`withdrawn_cents` of the disputed `amount_cents` are with the bank now. Stripe's words, which may grow: no CHECK lists them."""

    __tablename__ = "disputes"
    __table_args__ = tenant_table(
        CheckConstraint("amount_cents >= 0 AND withdrawn_cents BETWEEN 0 AND amount_cents", name="withdrawn_cents"),
        reference("pool_id", "credit_pools"),
        reference("purchase_id", "credit_purchases"),
        UniqueConstraint("tenant_id", "stripe_dispute_id", name="uq_disputes_stripe_dispute_id"),
        Index("idx_disputes_purchase", "tenant_id", "purchase_id", "created_at"),
        Index("idx_disputes_pool", "tenant_id", "pool_id", "created_at"),
    )

    pool_id: Mapped[UUID]
    purchase_id: Mapped[UUID]
    stripe_dispute_id: Mapped[StripeId]
    stripe_status: Mapped[Code]
    reason: Mapped[Code]
    amount_cents: Mapped[Cents]
    withdrawn_cents: Mapped[Count]
    currency: Mapped[Currency]
    evidence_due_at: Mapped[Timestamp | None]
    opened_at: Mapped[Timestamp]
    version: Mapped[Count]  # grows with every change: what was fetched before another change is fetched again
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
