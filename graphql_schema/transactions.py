"""Ledger entries."""

from datetime import datetime
from decimal import Decimal

import strawberry

from app.rules.burn_order import Bucket
from app.services.ledger import EntryKind
from graphql_schema.node import Node
from graphql_schema.pagination import Connection
from graphql_schema.rows import Part, Shape, Source, column, credit_text, enum, node_id, time
from graphql_schema.users import USER, User

strawberry.enum(EntryKind, name="TransactionKind")
strawberry.enum(Bucket, name="CreditBucket")


@strawberry.type(
    description="One entry of the pool's ledger. Entries are never changed; their amounts add up to the balance."
)
class CreditTransaction(Node):
    sequence: str = strawberry.field(description="The entry's number in its pool, without gaps, from 1.")
    kind: EntryKind
    bucket: Bucket
    amount: Decimal = strawberry.field(description="Credits, signed.")
    balance_after: Decimal | None = strawberry.field(description="Of the whole pool; null: you lack VIEW_POOL_BALANCE.")
    user: User | None
    model_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    description: str | None
    created_at: datetime


@strawberry.type
class CreditTransactionConnection(Connection[CreditTransaction]):
    pass


# A row of _ENTRY (statements.py).
TRANSACTION = Shape(
    CreditTransaction,
    id=node_id("CreditTransaction"),
    sequence=Source("sequence", str, sql="r.sequence::text"),
    kind=enum(EntryKind, "transaction_type"),
    bucket=enum(Bucket, "source_type"),
    amount=credit_text("amount"),
    balance_after=Source(
        computed=lambda row, viewpoint: row["balance_after"] if viewpoint.sees_balance else None,
        parse=Decimal,
        sql="CASE WHEN CAST(:sees_balance AS boolean) THEN r.balance_after::text END",
    ),
    user=Part(USER, lambda row, _: None if row["user_id"] is None else row, where="r.user_id IS NOT NULL"),
    model_id=column("model_id"),
    input_tokens=column("input_tokens"),
    output_tokens=column("output_tokens"),
    description=column("description"),
    created_at=time("created_at"),
)
