"""The column types and the shape that every table shares.

A tenant table leads its primary key, every unique, every index and every foreign key with `tenant_id`: only then can a row never
point into another tenant (foreign key checks bypass row level security) and only then can Citus keep a tenant on one shard.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Constraint,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Ruling 1: one scale for every credit amount, one for every rate, money in whole cents.
Credits = Annotated[Decimal, mapped_column(Numeric(18, 6))]
CreditsZero = Annotated[Decimal, mapped_column(Numeric(18, 6), server_default=text("0"))]
Multiplier = Annotated[Decimal, mapped_column(Numeric(6, 4))]
Cents = Annotated[int, mapped_column(Integer)]
BigCents = Annotated[int, mapped_column(BigInteger)]  # where sums grow
Count = Annotated[int, mapped_column(Integer, server_default=text("0"))]
BigCount = Annotated[int, mapped_column(BigInteger, server_default=text("0"))]
Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"), sort_order=90)]
UpdatedAt = Annotated[
    datetime,
    mapped_column(DateTime(timezone=True), server_default=text("now()"), onupdate=text("now()"), sort_order=91),
]
Json = Annotated[dict[str, Any], mapped_column(JSONB, server_default=text("'{}'"))]
Currency = Annotated[str, mapped_column(String(3), server_default=text("'USD'"))]
Code = Annotated[str, mapped_column(String(50))]  # a word of a closed or catalogued list
Name = Annotated[str, mapped_column(String(100))]
StripeId = Annotated[str, mapped_column(String(100))]
Prose = Annotated[str, mapped_column(Text)]
Flag = Annotated[bool, mapped_column(server_default=text("false"))]


def _referring_column(constraint: Constraint, _table: Table) -> str:
    """The last column of a foreign key: the one that names its meaning (the first is always tenant_id)."""
    assert isinstance(constraint, ForeignKeyConstraint)  # noqa: S101 - the naming convention calls it for nothing else
    return constraint.column_keys[-1]


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(referring)s",
            "referring": _referring_column,
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own spelling
        UUID: PG_UUID(as_uuid=True),
        Decimal: Numeric(18, 6),
        datetime: DateTime(timezone=True),
        str: Text,
    }


class TenantOwned:
    """Columns of a row that belongs to one tenant: primary key (tenant_id, id)."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-2)
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"), sort_order=-1)


def tenant_table(*constraints: Any) -> tuple[Any, ...]:
    """`__table_args__` of a tenant table: its constraints, the wall's foreign key, and the mark that tests list it by."""
    return (*constraints, ForeignKeyConstraint(["tenant_id"], ["tenants.id"]), {"info": {"tenant": True}})


def spending_table(*constraints: Any) -> tuple[Any, ...]:
    """The same of a table that every request writes to: its required key to the pool holds the tenant, at no further cost for a row."""
    return (*constraints, {"info": {"tenant": True}})


def reference(column: str, table: str, **options: Any) -> ForeignKeyConstraint:
    """A foreign key (tenant_id, column) -> table(tenant_id, id): it cannot leave the tenant."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"], **options)


def one_of(column: str, *words: str) -> CheckConstraint:
    """The column is one of these words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def not_negative(*columns: str) -> tuple[CheckConstraint, ...]:
    """No amount below zero; NaN is excluded by name, because PostgreSQL holds 'NaN' >= 0 for true."""
    return tuple(
        CheckConstraint(f"{column} >= 0 AND {column} <> 'NaN'", name=f"{column}_not_negative") for column in columns
    )
