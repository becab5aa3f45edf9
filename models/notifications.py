"""Notifications: what one person is told, on the page and by e-mail."""

from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from models.base import Base, Code, CreatedAt, Json, TenantOwned, Timestamp, reference, tenant_table


class Notification(TenantOwned, Base):
    """`kind` names the message, `parameters` fill it in. The same `dedupe_key` is told once."""

    __tablename__ = "notifications"
    __table_args__ = tenant_table(
        reference("user_id", "users"),
        reference("pool_id", "credit_pools"),
        UniqueConstraint("tenant_id", "user_id", "dedupe_key", name="uq_notifications_dedupe_key"),
        Index("idx_notifications_user", "tenant_id", "user_id", "created_at"),
        Index("idx_notifications_unsent", "tenant_id", "created_at", postgresql_where=text("emailed_at IS NULL")),
    )

    user_id: Mapped[UUID]
    pool_id: Mapped[UUID | None]
    kind: Mapped[Code]
    parameters: Mapped[Json]
    dedupe_key: Mapped[str | None]
    read_at: Mapped[Timestamp | None]
    emailed_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
