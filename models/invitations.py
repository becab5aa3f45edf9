"""Invitations: a seat offered by e-mail; the token is kept only as a hash (ruling 15)."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Code,
    Count,
    CreatedAt,
    Credits,
    TenantOwned,
    Timestamp,
    not_negative,
    one_of,
    reference,
    tenant_table,
)


class Invitation(TenantOwned, Base):
    """Limits in credits. `permissions` is null for the role's own."""

    __tablename__ = "invitations"
    __table_args__ = tenant_table(
        one_of("role", "admin", "member", "restricted"),
        one_of("status", "pending", "accepted", "revoked", "expired"),
        *not_negative("daily_credit_limit", "monthly_credit_limit", "max_cost_per_request"),
        reference("pool_id", "credit_pools"),
        reference("invited_by", "users"),
        reference("accepted_by", "users"),
        UniqueConstraint("tenant_id", "token_hash", name="uq_invitations_token_hash"),
        Index(
            "uq_invitations_open",
            "tenant_id",
            "pool_id",
            text("lower(email)"),
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index("idx_invitations_pool", "tenant_id", "pool_id", "created_at"),
    )

    pool_id: Mapped[UUID]
    email: Mapped[str]
    role: Mapped[Code]
    permissions: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    daily_credit_limit: Mapped[Credits | None]
    monthly_credit_limit: Mapped[Credits | None]
    max_cost_per_request: Mapped[Credits | None]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[Code] = mapped_column(server_default=text("'pending'"))
    invited_by: Mapped[UUID]
    sent_count: Mapped[Count]
    last_sent_at: Mapped[Timestamp | None]
    expires_at: Mapped[Timestamp]
    accepted_at: Mapped[Timestamp | None]
    accepted_by: Mapped[UUID | None]
    revoked_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
