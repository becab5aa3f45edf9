"""Idempotency keys: the same key and body give the same answer, the same key with another body is refused (ruling 11)."""

from uuid import UUID

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Code, CreatedAt, tenant_table


class IdempotencyKey(Base):
    """`resource_id` is what the operation made; its state is read anew for each repetition."""

    __tablename__ = "idempotency_keys"
    __table_args__ = tenant_table(Index("idx_idempotency_keys_created", "tenant_id", "created_at"))

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    operation: Mapped[Code]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    resource_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
