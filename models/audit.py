"""Audit events: who changed what, append-only by grant."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Code, CreatedAt, Name, TenantOwned, one_of, reference, tenant_table


class AuditEvent(TenantOwned, Base):
    """`before` and `after` hold the changed fields only; `correlation_id` is the `request_id` of the log."""

    __tablename__ = "audit_events"
    __table_args__ = tenant_table(
        one_of("actor_kind", "user", "service", "worker"),
        reference("pool_id", "credit_pools"),
        reference("actor_user_id", "users"),
        reference("actor_api_key_id", "api_keys"),
        Index("idx_audit_events_pool", "tenant_id", "pool_id", "created_at", "id"),
        Index("idx_audit_events_entity", "tenant_id", "entity_type", "entity_id", "created_at"),
    )

    pool_id: Mapped[UUID | None]
    actor_kind: Mapped[Code]
    actor_user_id: Mapped[UUID | None]
    actor_api_key_id: Mapped[UUID | None]
    action: Mapped[Name]
    entity_type: Mapped[Code]
    entity_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    correlation_id: Mapped[Name | None]
    created_at: Mapped[CreatedAt]
