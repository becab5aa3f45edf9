"""Tenants: the wall. Users: the people of one tenant. Organizations: the companies that own pools (ruling 18)."""

from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Name, TenantOwned, Timestamp, UpdatedAt, tenant_table


class Tenant(Base):
    __tablename__ = "tenants"
    __table_args__ = ({"info": {"tenant": True}},)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    name: Mapped[Name]
    created_at: Mapped[CreatedAt]


class User(TenantOwned, Base):
    """A person in one tenant; the same person in another tenant is another row. `subject` is the identity provider's."""

    __tablename__ = "users"
    __table_args__ = tenant_table(
        UniqueConstraint("tenant_id", "subject", name="uq_users_subject"),
        Index("idx_users_email", "tenant_id", text("lower(email)")),
    )

    subject: Mapped[str]
    email: Mapped[str]
    display_name: Mapped[str]
    locale: Mapped[str] = mapped_column(server_default=text("'en'"))
    time_zone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    disabled_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class Organization(TenantOwned, Base):
    __tablename__ = "organizations"
    __table_args__ = tenant_table()

    name: Mapped[Name]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
