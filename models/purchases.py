"""Credit purchases: each keeps its own unit price, discount, bonus and total (section 43.4, rulings 4 and 20)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Cents,
    Code,
    CreatedAt,
    Credits,
    Currency,
    Flag,
    Json,
    Multiplier,
    Prose,
    StripeId,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    not_negative,
    one_of,
    reference,
    tenant_table,
)

IN_FLIGHT = "status IN ('pending', 'processing', 'requires_action')"


class CreditPurchase(TenantOwned, Base):
    """Money in cents of `payment_currency`; `*_rate` are shares (0.05 is 5 %)."""

    __tablename__ = "credit_purchases"
    __table_args__ = tenant_table(
        one_of(
            "status",
            "pending",
            "processing",
            "requires_action",
            "completed",
            "failed",
            "refunded",
            "partially_refunded",
        ),
        # Ruling 4: 1 to 10,000 in steps of 0.01 (NaN is greater than every number, so the upper bound excludes it).
        CheckConstraint(
            "credits_amount BETWEEN 1 AND 10000 AND credits_amount = round(credits_amount, 2)", name="credits_amount"
        ),
        *not_negative("bonus_credits", "discount_rate", "bonus_rate"),
        CheckConstraint("total_credits = credits_amount + bonus_credits", name="total_credits"),
        CheckConstraint(
            "discount_cents >= 0 AND payment_amount_cents > 0 AND payment_amount_cents = base_cents - discount_cents",
            name="payment_amount_cents",
        ),
        CheckConstraint("refunded_cents BETWEEN 0 AND payment_amount_cents", name="refunded_cents"),
        reference("pool_id", "credit_pools"),
        reference("user_id", "users"),
        UniqueConstraint("tenant_id", "quote_id", name="uq_credit_purchases_quote_id"),
        UniqueConstraint("tenant_id", "idempotency_key", name="uq_credit_purchases_idempotency_key"),
        UniqueConstraint("tenant_id", "stripe_payment_intent_id", name="idx_credit_purchases_stripe"),
        # Ruling 23: one automatic purchase in flight a pool.
        Index(
            "uq_credit_purchases_auto_in_flight",
            "tenant_id",
            "pool_id",
            unique=True,
            postgresql_where=text(f"is_auto_purchase AND {IN_FLIGHT}"),
        ),
        Index("idx_credit_purchases_pool", "tenant_id", "pool_id", "created_at", "id"),
        Index("idx_credit_purchases_user", "tenant_id", "user_id"),
        Index("idx_credit_purchases_status", "tenant_id", "status", "created_at"),
    )

    pool_id: Mapped[UUID]
    user_id: Mapped[UUID]
    quote_id: Mapped[UUID | None]  # the quote's jti: a quote is used once
    idempotency_key: Mapped[UUID]
    credits_amount: Mapped[Credits]
    bonus_credits: Mapped[Credits] = mapped_column(server_default=text("0"))
    total_credits: Mapped[Credits]
    unit_price_cents: Mapped[Cents]
    base_cents: Mapped[Cents]
    discount_cents: Mapped[Cents] = mapped_column(server_default=text("0"))
    discount_rate: Mapped[Multiplier] = mapped_column(server_default=text("0"))
    bonus_rate: Mapped[Multiplier] = mapped_column(server_default=text("0"))
    payment_amount_cents: Mapped[Cents]
    payment_currency: Mapped[Currency]
    refunded_cents: Mapped[Cents] = mapped_column(server_default=text("0"))
    payment_method: Mapped[Code | None]  # what the customer sees: "visa 4242"
    stripe_payment_method_id: Mapped[StripeId | None]
    stripe_payment_intent_id: Mapped[StripeId | None]
    stripe_charge_id: Mapped[StripeId | None]
    stripe_invoice_id: Mapped[StripeId | None]
    stripe_receipt_url: Mapped[Prose | None]
    next_action_url: Mapped[Prose | None]  # 3-D Secure: where the customer goes
    status: Mapped[Code] = mapped_column(server_default=text("'pending'"))
    completed_at: Mapped[Timestamp | None]
    failed_at: Mapped[Timestamp | None]
    failure_code: Mapped[StripeId | None]
    failure_reason: Mapped[Prose | None]
    is_auto_purchase: Mapped[Flag]
    auto_purchase_trigger: Mapped[Code | None]
    metadata_: Mapped[Json] = mapped_column("metadata")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
