"""API keys of services (the AI gateway): scoped, shown once, kept as a hash (ruling 18)."""

from uuid import UUID

from sqlalchemy import ARRAY, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Code, CreatedAt, Name, TenantOwned, Timestamp, reference, tenant_table


class ApiKey(TenantOwned, Base):
    """Without a pool it serves all pools of its tenant. `prefix` is the part that lists may show."""

    __tablename__ = "api_keys"
    __table_args__ = tenant_table(
        reference("pool_id", "credit_pools"),
        reference("created_by", "users"),
        UniqueConstraint("tenant_id", "key_hash", name="uq_api_keys_key_hash"),
        Index("idx_api_keys_pool", "tenant_id", "pool_id"),
    )

    pool_id: Mapped[UUID | None]
    name: Mapped[Name]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    prefix: Mapped[Code]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_by: Mapped[UUID | None]
    expires_at: Mapped[Timestamp | None]
    revoked_at: Mapped[Timestamp | None]
    last_used_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
