"""Approval requests: a costly request that the owner or an admin allows once, up to an amount (ruling 16)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Code,
    CreatedAt,
    Credits,
    Name,
    Prose,
    TenantOwned,
    Timestamp,
    not_negative,
    one_of,
    reference,
    tenant_table,
)


class ApprovalRequest(TenantOwned, Base):
    """Amounts in credits; `approved_amount` is what one request may cost at most."""

    __tablename__ = "approval_requests"
    __table_args__ = tenant_table(
        one_of("status", "pending", "approved", "denied", "expired", "used"),
        *not_negative("amount", "approved_amount"),
        CheckConstraint("status NOT IN ('approved', 'used') OR approved_amount IS NOT NULL", name="approved_amount"),
        reference("pool_id", "credit_pools"),
        reference("user_id", "users"),
        reference("decided_by", "users"),
        Index("idx_approval_requests_pool", "tenant_id", "pool_id", "status", "created_at"),
    )

    pool_id: Mapped[UUID]
    user_id: Mapped[UUID]  # who asks
    amount: Mapped[Credits]
    model_id: Mapped[Name]
    provider_id: Mapped[Code | None]
    request_type: Mapped[Code]
    reason: Mapped[Prose | None]
    status: Mapped[Code] = mapped_column(server_default=text("'pending'"))
    approved_amount: Mapped[Credits | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[Timestamp | None]
    decision_note: Mapped[Prose | None]
    expires_at: Mapped[Timestamp]
    created_at: Mapped[CreatedAt]
