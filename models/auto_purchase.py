"""Automatic purchases: off by default, never on without a payment method and a monthly cap (section 43.4, ruling 23)."""

from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    BigCents,
    Code,
    Count,
    CreatedAt,
    Credits,
    CreditsZero,
    Flag,
    StripeId,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    not_negative,
    one_of,
    reference,
    tenant_table,
)


class AutoPurchaseSettings(TenantOwned, Base):
    """Threshold and quantity in credits, the cap in credits, in cents, or both; counters are of the month before `month_reset_at`.

    `stopped_reason` says why it stands still until a person resumes it; `retry_after` ends a wait after a decline.
    """

    __tablename__ = "auto_purchase_settings"
    __table_args__ = tenant_table(
        CheckConstraint(
            "NOT enabled OR (stripe_payment_method_id IS NOT NULL AND "
            "(max_monthly_auto_purchase IS NOT NULL OR max_monthly_auto_purchase_cents IS NOT NULL))",
            name="enabled_needs_method_and_cap",
        ),
        CheckConstraint("max_monthly_auto_purchase_cents > 0", name="cap_cents"),
        CheckConstraint(
            "auto_purchase_credits_this_month >= 0 AND auto_purchase_credits_this_month <> 'NaN'",
            name="credits_this_month",
        ),
        one_of("stopped_reason", "authentication_required", "declined", "payment_method_missing", "disputed"),
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
    max_monthly_auto_purchase_cents: Mapped[BigCents | None]
    stripe_payment_method_id: Mapped[StripeId | None]
    auto_purchases_this_month: Mapped[Count]
    auto_purchase_credits_this_month: Mapped[CreditsZero]
    auto_purchase_spend_this_month: Mapped[BigCents] = mapped_column(server_default=text("0"))
    last_auto_purchase_at: Mapped[Timestamp | None]
    month_reset_at: Mapped[Timestamp | None]
    consecutive_failures: Mapped[Count]
    retry_after: Mapped[Timestamp | None]
    stopped_reason: Mapped[Code | None]
    stopped_at: Mapped[Timestamp | None]
    cap_reached_at: Mapped[Timestamp | None]  # since then nothing is bought until the month ends or the settings change
    notify_on_auto_purchase: Mapped[bool] = mapped_column(server_default=text("true"))
    notification_emails: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
