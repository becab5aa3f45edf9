"""Pool members: role, permissions, limits and what they used (section 43.4, rulings 13 and 14)."""

from datetime import date
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Code,
    CreatedAt,
    Credits,
    CreditsZero,
    Json,
    Prose,
    TenantOwned,
    Timestamp,
    UpdatedAt,
    not_negative,
    one_of,
    reference,
    tenant_table,
)


class CreditPoolMember(TenantOwned, Base):
    """Limits and usage in credits. The usage counters belong to the pool-local date `usage_on` and its week and month;
    a reader on a later date takes them for rolled over. `held_credits` is the sum of the member's held reservations."""

    __tablename__ = "credit_pool_members"
    __table_args__ = tenant_table(
        one_of("role", "owner", "admin", "member", "restricted"),
        one_of("status", "active", "invited", "suspended"),
        *not_negative(
            "daily_credit_limit",
            "monthly_credit_limit",
            "max_cost_per_request",
            "usage_today",
            "usage_this_week",
            "usage_this_month",
            "usage_all_time",
            "held_credits",
        ),
        reference("pool_id", "credit_pools", ondelete="CASCADE"),
        reference("user_id", "users"),
        reference("invited_by", "users"),
        UniqueConstraint("tenant_id", "pool_id", "user_id", name="uq_credit_pool_members_user"),
        # Ruling 14: a pool has exactly one owner.
        Index(
            "uq_credit_pool_members_owner", "tenant_id", "pool_id", unique=True, postgresql_where=text("role = 'owner'")
        ),
        Index("idx_pool_members_user", "tenant_id", "user_id"),
    )

    pool_id: Mapped[UUID]
    user_id: Mapped[UUID]
    role: Mapped[Code] = mapped_column(server_default=text("'member'"))
    permissions: Mapped[Json]  # the six booleans of section 43.3, by their names there
    daily_credit_limit: Mapped[Credits | None]
    monthly_credit_limit: Mapped[Credits | None]
    max_cost_per_request: Mapped[Credits | None]
    status: Mapped[Code] = mapped_column(server_default=text("'active'"))
    invited_by: Mapped[UUID | None]
    invited_at: Mapped[Timestamp | None]
    joined_at: Mapped[Timestamp | None]
    suspended_at: Mapped[Timestamp | None]
    suspended_reason: Mapped[Prose | None]
    usage_on: Mapped[date | None]
    usage_today: Mapped[CreditsZero]
    usage_this_week: Mapped[CreditsZero]
    usage_this_month: Mapped[CreditsZero]
    usage_all_time: Mapped[CreditsZero]
    held_credits: Mapped[CreditsZero]
    last_usage_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
