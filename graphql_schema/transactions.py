"""Ledger entries."""

from datetime import datetime
from decimal import Decimal

import strawberry
from asyncpg import Record

from app.auth.actor import Actor
from app.rules.burn_order import Bucket
from app.rules.permissions import Permission
from app.services.ledger import EntryKind
from graphql_schema.node import Node, to_id
from graphql_schema.pagination import Connection
from graphql_schema.users import User, as_user

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


def as_transaction(row: Record, actor: Actor) -> CreditTransaction:
    """A row of `transaction_columns` as this actor may see it."""
    return CreditTransaction(
        id=to_id("CreditTransaction", row["id"]),
        sequence=str(row["sequence"]),
        kind=EntryKind(row["transaction_type"]),
        bucket=Bucket(row["source_type"]),
        amount=row["amount"],
        balance_after=row["balance_after"] if actor.can(row["pool_id"], Permission.VIEW_POOL_BALANCE) else None,
        user=as_user(row["user_id"], row["email"], row["display_name"]) if row["user_id"] else None,
        model_id=row["model_id"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        description=row["description"],
        created_at=row["created_at"],
    )
