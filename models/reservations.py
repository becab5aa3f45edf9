"""Reservations: credits held for one request until it is settled, released or expired (ruling 10)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Code,
    CreatedAt,
    Credits,
    Name,
    TenantOwned,
    Timestamp,
    not_negative,
    one_of,
    reference,
    spending_table,
)


class CreditReservation(TenantOwned, Base):
    """Amounts in credits. `request_hash` tells the same request apart from another one under the same `request_id`."""

    __tablename__ = "credit_reservations"
    __table_args__ = spending_table(
        one_of("status", "held", "settled", "released", "expired"),
        *not_negative("amount", "settled_amount"),
        CheckConstraint("(status = 'settled') = (settled_amount IS NOT NULL)", name="settled_amount"),
        reference("pool_id", "credit_pools"),
        reference("user_id", "users"),
        reference("approval_request_id", "approval_requests"),
        UniqueConstraint("tenant_id", "request_id", name="uq_credit_reservations_request_id"),
        # Ruling 16: an approval allows exactly one request.
        Index(
            "uq_credit_reservations_approval",
            "tenant_id",
            "approval_request_id",
            unique=True,
            postgresql_where=text("approval_request_id IS NOT NULL AND status IN ('held', 'settled')"),
        ),
        Index("idx_credit_reservations_held", "tenant_id", "expires_at", postgresql_where=text("status = 'held'")),
        Index("idx_credit_reservations_pool", "tenant_id", "pool_id", "user_id", "created_at"),
    )

    pool_id: Mapped[UUID]
    user_id: Mapped[UUID]
    request_id: Mapped[UUID]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    amount: Mapped[Credits]
    settled_amount: Mapped[Credits | None]
    settlement_hash: Mapped[bytes | None] = mapped_column(LargeBinary)  # tells a repeated settlement from another one
    status: Mapped[Code] = mapped_column(server_default=text("'held'"))
    model_id: Mapped[Name]
    provider_id: Mapped[Code]
    request_type: Mapped[Code]
    approval_request_id: Mapped[UUID | None]
    expires_at: Mapped[Timestamp]
    settled_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
