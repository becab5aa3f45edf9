"""Automatic purchases: off by default, never on without a payment method and a monthly cap (section 43.4, ruling 23)."""

from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    BigCents,
    Count,
    CreatedAt,
    Credits,
    Flag,
    StripeId,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    not_negative,
    reference,
    tenant_table,
)


class AutoPurchaseSettings(TenantOwned, Base):
    """Threshold, quantity and cap in credits; `auto_purchase_spend_this_month` in cents (ruling 1)."""

    __tablename__ = "auto_purchase_settings"
    __table_args__ = tenant_table(
        CheckConstraint(
            "NOT enabled OR (stripe_payment_method_id IS NOT NULL AND max_monthly_auto_purchase IS NOT NULL)",
            name="enabled_needs_method_and_cap",
        ),
        *not_negative("threshold_credits", "max_monthly_auto_purchase"),
        CheckConstraint("purchase_credits BETWEEN 1 AND 10000", name="purchase_credits"),
        CheckConstraint(
            "auto_purchases_this_month >= 0 AND auto_purchase_spend_this_month >= 0 AND consecutive_failures >= 0",
            name="counters",
        ),
        reference("pool_id", "credit_pools"),
        UniqueConstraint("tenant_id", "pool_id", name="uq_auto_purchase_settings_pool_id"),
    )

    pool_id: Mapped[UUID]
    enabled: Mapped[Flag]
    threshold_credits: Mapped[Credits] = mapped_column(server_default=text("1.0"))
    purchase_credits: Mapped[Credits] = mapped_column(server_default=text("10.0"))
    max_monthly_auto_purchase: Mapped[Credits | None]
    stripe_payment_method_id: Mapped[StripeId | None]
    auto_purchases_this_month: Mapped[Count]
    auto_purchase_spend_this_month: Mapped[BigCents] = mapped_column(server_default=text("0"))
    last_auto_purchase_at: Mapped[Timestamp | None]
    month_reset_at: Mapped[Timestamp | None]
    consecutive_failures: Mapped[Count]
    retry_after: Mapped[Timestamp | None]
    notify_on_auto_purchase: Mapped[bool] = mapped_column(server_default=text("true"))
    notification_emails: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
