"""One row for any tenant table, made from the model: what a column needs follows from its type and its foreign keys.

Columns with a default or null stay out; the few that a CHECK ties together are named below. A table that is added without making this
work fails the tests that walk over all tables, which is meant.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import Column, Table

from models import tenant_tables

NOW = datetime(2026, 3, 14, 15, tzinfo=UTC)
_BY_HAND: Mapping[str, Mapping[str, Any]] = {
    "credit_pools": {"pool_type": "team"},
    "credit_transactions": {"transaction_type": "adjustment", "source_type": "bonus"},
    "subscriptions": {"tier_id": "FREE", "billing_cycle": "monthly", "current_period_end": NOW.replace(month=4)},
    "credit_usage": {"credits_consumed": Decimal(0), "created_at": NOW},
    "invitations": {"role": "member"},
    "audit_events": {"actor_kind": "worker"},
    "refunds": {"origin": "request", "status": "requested"},
    "credit_reversals": {"purchased_credits": Decimal(0), "bonus_credits": Decimal(0)},
}
_WITH_POOL = {"audit_events", "billing_events", "api_keys", "notifications"}
_WITH_USER = {"credit_transactions"}

Row = dict[str, Any]


def new_row(table: Table, tenant_id: UUID, others: Mapping[str, Row]) -> Row:
    """A row of `table` that the database accepts; `others` are the tenant's rows of the tables it refers to."""
    row: Row = {}
    for column in table.columns:
        by_hand = _BY_HAND.get(table.name, {})
        if column.name in by_hand:
            row[column.name] = by_hand[column.name]
        elif column.name == "tenant_id":
            row["tenant_id"] = tenant_id
        elif column.name == "id":
            row["id"] = tenant_id if table.name == "tenants" else uuid4()
        elif _wanted(table, column):
            row[column.name] = _value(column, others)
    return row


def _wanted(table: Table, column: Column[Any]) -> bool:
    if (column.name == "pool_id" and table.name in _WITH_POOL) or (
        column.name == "user_id" and table.name in _WITH_USER
    ):
        return True
    return not column.nullable and column.server_default is None and column.computed is None


def _value(column: Column[Any], others: Mapping[str, Row]) -> Any:
    referred = [key.column for key in column.foreign_keys]
    if referred:
        return others[referred[0].table.name]["id"]
    values: dict[type, Any] = {
        UUID: uuid4(),
        str: f"x{uuid4().hex[:8]}",
        bytes: uuid4().bytes,
        int: 1,
        Decimal: Decimal(1),
        datetime: NOW,
        date: NOW.date(),
    }
    return values[column.type.python_type]


async def insert_row(connection: asyncpg.Connection, table: Table, row: Row) -> None:
    columns = ", ".join(row)
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table.name} ({columns}) VALUES ({places})", *row.values())


async def fill(connection: asyncpg.Connection, tenant_id: UUID) -> dict[str, Row]:
    """Insert one row into every tenant table, parents first; the rows by table."""
    rows: dict[str, Row] = {}
    for table in tenant_tables():
        rows[table.name] = new_row(table, tenant_id, rows)
        await insert_row(connection, table, rows[table.name])
    return rows


async def snapshot(connection: asyncpg.Connection, table: Table, tenant_id: UUID) -> list[str]:
    """Every row of a tenant as text: what a test compares to say that nothing has changed."""
    column = "id" if table.name == "tenants" else "tenant_id"
    found = await connection.fetch(f"SELECT t::text FROM {table.name} t WHERE {column} = $1 ORDER BY 1", tenant_id)
    return [record[0] for record in found]
