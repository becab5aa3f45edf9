"""Refunds and disputes of a purchase: how they stand, why, and what to do next."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from asyncpg import Record

from app.rules import disputes as dispute_rules
from app.rules import refunds as refund_rules
from app.rules.disputes import DisputeState
from app.rules.refunds import CLAIMED, RefundOrigin, RefundStatus
from graphql_schema.context import Info
from graphql_schema.errors import UserError
from graphql_schema.money import Money, money
from graphql_schema.node import Node, to_id

if TYPE_CHECKING:
    from graphql_schema.purchases import CreditPurchase

strawberry.enum(RefundStatus, name="RefundStatus")
strawberry.enum(RefundOrigin, name="RefundOrigin", description="Who wanted it.")
strawberry.enum(DisputeState, name="DisputeState")


@strawberry.type(description="Money that goes back to the card, or the request for it.")
class Refund(Node):
    status: RefundStatus
    origin: RefundOrigin
    amount: Money
    reason: str
    explanation: str = strawberry.field(description="How it stands and what to do next, for the buyer.")
    credits_taken: Decimal = strawberry.field(description="Credits that left the pool with it, by now.")
    created_at: datetime
    decided_at: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    cents: strawberry.Private[int]
    purchase_key: strawberry.Private[UUID]

    @strawberry.field
    async def purchase(
        self, info: Info
    ) -> Annotated["CreditPurchase", strawberry.lazy("graphql_schema.purchases")] | None:
        return await info.context.loaders.purchase(self.purchase_key)


@strawberry.type(description="A payment that a bank has questioned or taken back.")
class Dispute(Node):
    state: DisputeState
    reason: str = strawberry.field(description="What the cardholder says, in words.")
    amount: Money
    withdrawn: Money = strawberry.field(description="What the bank holds of it now.")
    explanation: str = strawberry.field(description="How it stands and what to do next, for the buyer.")
    opened_at: datetime
    withdrawn_cents: strawberry.Private[int]


@strawberry.type
class RefundPayload:
    refund: Refund | None
    user_errors: list[UserError]


def left_cents(paid_cents: int, refunds: list[Refund], disputes: list[Dispute]) -> int:
    """What of a payment can still be given back. Cents."""
    claimed = sum(one.cents for one in refunds if one.status in CLAIMED)
    return max(paid_cents - claimed - sum(one.withdrawn_cents for one in disputes), 0)


def as_refund(row: Record) -> Refund:
    """A row of REFUNDS as the API shows it."""
    status = RefundStatus(row["status"])
    return Refund(
        id=to_id("Refund", row["id"]),
        status=status,
        origin=RefundOrigin(row["origin"]),
        amount=money(row["amount_cents"], row["currency"]),
        reason=row["reason"],
        explanation=refund_rules.advice(status, row["failure_code"], row["decision_note"]),
        credits_taken=row["credits_taken"],
        created_at=row["created_at"],
        decided_at=row["decided_at"],
        succeeded_at=row["succeeded_at"],
        failed_at=row["failed_at"],
        cents=row["amount_cents"],
        purchase_key=row["purchase_id"],
    )


def as_dispute(row: Record) -> Dispute:
    """A row of DISPUTES as the API shows it."""
    state = dispute_rules.state(row["stripe_status"])
    return Dispute(
        id=to_id("Dispute", row["id"]),
        state=state,
        reason=dispute_rules.reason_text(row["reason"]),
        amount=money(row["amount_cents"], row["currency"]),
        withdrawn=money(row["withdrawn_cents"], row["currency"]),
        explanation=dispute_rules.advice(state),
        opened_at=row["opened_at"],
        withdrawn_cents=row["withdrawn_cents"],
    )
