"""Credit pools: the balance, a cache of the ledger that the database itself keeps consistent (section 43.4, ruling 9)."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    BigCount,
    Code,
    Count,
    CreatedAt,
    Credits,
    CreditsZero,
    Currency,
    Json,
    Name,
    StripeId,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    not_negative,
    one_of,
    reference,
    tenant_table,
)


class CreditPool(TenantOwned, Base):
    """Amounts in credits. `balance_reserved` is the sum of the held reservations (ruling 10)."""

    __tablename__ = "credit_pools"
    __table_args__ = tenant_table(
        one_of("pool_type", "individual", "family", "team", "organization", "enterprise"),
        *not_negative(
            "balance_available",
            "balance_reserved",
            "monthly_included_total",
            "monthly_included_used",
            "purchased_total",
            "purchased_remaining",
            "bonus_total",
            "bonus_remaining",
            "shortfall_credits",
            "auto_purchase_below",
        ),
        CheckConstraint("monthly_included_used <= monthly_included_total", name="included_remaining_not_negative"),
        # Ruling 9, with included_remaining spelled out: the CHECK stands on its own columns, not on a generated one.
        CheckConstraint(
            "balance_available + balance_reserved = "
            "(monthly_included_total - monthly_included_used) + bonus_remaining + purchased_remaining",
            name="balance_is_sum_of_buckets",
        ),
        CheckConstraint("version > 0 AND ledger_sequence >= 0 AND held_count >= 0", name="counters"),
        reference("owner_user_id", "users"),
        reference("organization_id", "organizations"),
        UniqueConstraint("tenant_id", "stripe_customer_id", name="uq_credit_pools_stripe_customer_id"),
        Index("idx_credit_pools_owner", "tenant_id", "owner_user_id"),
        Index("idx_credit_pools_org", "tenant_id", "organization_id"),
    )

    name: Mapped[Name]
    pool_type: Mapped[Code]
    owner_user_id: Mapped[UUID]
    organization_id: Mapped[UUID | None]
    time_zone: Mapped[str] = mapped_column(server_default=text("'UTC'"))  # days, weeks and months of limits (ruling 13)
    currency: Mapped[Currency]
    stripe_customer_id: Mapped[StripeId | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))  # of the settings: optimistic locking

    balance_available: Mapped[CreditsZero]
    balance_reserved: Mapped[CreditsZero]
    monthly_included_total: Mapped[CreditsZero]
    monthly_included_used: Mapped[CreditsZero]
    included_remaining: Mapped[Credits] = mapped_column(
        Computed("monthly_included_total - monthly_included_used", persisted=True), nullable=False
    )
    monthly_resets_at: Mapped[Timestamp | None]
    purchased_total: Mapped[CreditsZero]
    purchased_remaining: Mapped[CreditsZero]
    last_purchase_at: Mapped[Timestamp | None]
    bonus_total: Mapped[CreditsZero]
    bonus_remaining: Mapped[CreditsZero]
    shortfall_credits: Mapped[CreditsZero]  # consumed beyond the balance; the next credits pay it first
    auto_purchase_below: Mapped[
        Credits | None
    ]  # a debit that leaves less available triggers one (ruling 23); null: none does
    ledger_sequence: Mapped[BigCount]  # the sequence of the pool's latest ledger entry

    # Traffic against the tier's caps (ruling 12), in this row because every hold locks and writes it anyway.
    held_count: Mapped[Count]
    traffic_day: Mapped[date | None]  # in the pool's zone
    requests_today: Mapped[Count]
    traffic_minute: Mapped[Timestamp | None]  # the minute's beginning
    requests_this_minute: Mapped[Count]
    tokens_this_minute: Mapped[BigCount]

    settings: Mapped[Json]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
