"""Credit reversals: the credits that a purchase's refunds and disputes took back or returned, append-only by grant (rulings 9 and 22)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped

from models.base import (
    Base,
    Cents,
    CreatedAt,
    Credits,
    CreditsZero,
    TenantOwned,
    not_negative,
    reference,
    tenant_table,
)


class CreditReversal(TenantOwned, Base):
    """One change. Below zero, credits were given back. What it says is due came `from_*` the buckets, or was spent: the shortfall."""

    __tablename__ = "credit_reversals"
    __table_args__ = tenant_table(
        *not_negative("shortfall_credits"),
        CheckConstraint(
            "purchased_credits + bonus_credits = from_purchased + from_bonus + shortfall_credits "
            "AND 'NaN' NOT IN (purchased_credits, bonus_credits, from_purchased, from_bonus)",
            name="adds_up",
        ),
        CheckConstraint("returned_cents >= 0", name="returned_cents"),
        reference("pool_id", "credit_pools"),
        reference("purchase_id", "credit_purchases"),
        reference("refund_id", "refunds"),
        reference("dispute_id", "disputes"),
        Index("idx_credit_reversals_purchase", "tenant_id", "purchase_id", "created_at"),
        Index("idx_credit_reversals_pool", "tenant_id", "pool_id"),
    )

    pool_id: Mapped[UUID]
    purchase_id: Mapped[UUID]
    refund_id: Mapped[UUID | None]  # whose change it was
    dispute_id: Mapped[UUID | None]
    returned_cents: Mapped[Cents]  # of the purchase in all, after this change
    purchased_credits: Mapped[Credits]
    bonus_credits: Mapped[Credits]
    from_purchased: Mapped[CreditsZero]
    from_bonus: Mapped[CreditsZero]
    shortfall_credits: Mapped[CreditsZero]
    created_at: Mapped[CreatedAt]
