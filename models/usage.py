"""What was consumed: each usage (partitioned by month), and its hourly sums for charts (section 43.4)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    BigCount,
    Code,
    Count,
    Credits,
    CreditsZero,
    Multiplier,
    Name,
    not_negative,
    reference,
    spending_table,
    tenant_table,
)


class CreditUsage(Base):
    """One settled request, amounts in credits: consumed = from included + bonus + purchased + shortfall. Append-only by grant."""

    __tablename__ = "credit_usage"
    __table_args__ = (
        *spending_table(
            *not_negative(
                "credits_consumed",
                "credit_rate_multiplier",
                "credits_from_included",
                "credits_from_purchased",
                "credits_from_bonus",
                "shortfall_credits",
            ),
            CheckConstraint(
                "credits_consumed = credits_from_included + credits_from_bonus + credits_from_purchased + shortfall_credits",
                name="consumed_is_sum_of_sources",
            ),
            CheckConstraint("input_tokens >= 0 AND output_tokens >= 0 AND cached_tokens >= 0", name="tokens"),
            reference("pool_id", "credit_pools"),
            reference("user_id", "users"),
            reference("transaction_id", "credit_transactions"),
            Index("idx_credit_usage_pool", "tenant_id", "pool_id", "created_at"),
            Index("idx_credit_usage_user", "tenant_id", "pool_id", "user_id", "created_at"),
            Index("idx_credit_usage_model", "tenant_id", "pool_id", "model_id", "created_at"),
        )[:-1],
        {"info": {"tenant": True}, "postgresql_partition_by": "RANGE (created_at)"},
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=text("now()"))
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    pool_id: Mapped[UUID]
    user_id: Mapped[UUID]
    transaction_id: Mapped[UUID | None]  # the first ledger entry of the request; all share its request_id
    request_id: Mapped[UUID]
    request_type: Mapped[Code]
    model_id: Mapped[Name]
    provider_id: Mapped[Code]
    input_tokens: Mapped[Count]
    output_tokens: Mapped[Count]
    cached_tokens: Mapped[Count]
    credits_consumed: Mapped[Credits]
    credit_rate_multiplier: Mapped[Multiplier] = mapped_column(server_default=text("1.0"))
    credits_from_included: Mapped[CreditsZero]
    credits_from_purchased: Mapped[CreditsZero]
    credits_from_bonus: Mapped[CreditsZero]
    shortfall_credits: Mapped[CreditsZero]
    latency_ms: Mapped[int | None]


class UsageRollup(Base):
    """Sums of an hour (UTC) by member, model, provider and request type; amounts in credits."""

    __tablename__ = "usage_rollups"
    __table_args__ = tenant_table(
        *not_negative("credits", "from_included", "from_bonus", "from_purchased", "shortfall_credits"),
        CheckConstraint("date_trunc('hour', hour, 'UTC') = hour", name="hour"),
        reference("pool_id", "credit_pools"),
        reference("user_id", "users"),
        Index("idx_usage_rollups_user", "tenant_id", "pool_id", "user_id", "hour"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    pool_id: Mapped[UUID] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[Name] = mapped_column(primary_key=True)
    provider_id: Mapped[Code] = mapped_column(primary_key=True)
    request_type: Mapped[Code] = mapped_column(primary_key=True)
    requests: Mapped[BigCount]
    input_tokens: Mapped[BigCount]
    output_tokens: Mapped[BigCount]
    cached_tokens: Mapped[BigCount]
    credits: Mapped[CreditsZero]
    from_included: Mapped[CreditsZero]
    from_bonus: Mapped[CreditsZero]
    from_purchased: Mapped[CreditsZero]
    shortfall_credits: Mapped[CreditsZero]
    latency_ms_total: Mapped[BigCount]
