"""The mutations of refunds: a buyer asks, an operator's key gives or decides."""

from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID

import strawberry

from app.rules.errors import NotFound, RefundNotPossible, Refusal
from app.rules.refunds import RefundStatus
from app.services.refund_orders import RefundCommand
from graphql_schema.context import Context, Info
from graphql_schema.errors import UserError, as_user_error
from graphql_schema.node import uuid_of
from graphql_schema.purchases import PurchasePayload
from graphql_schema.refunds import RefundPayload

Answer = TypeVar("Answer")


@strawberry.type
class RefundMutations:
    @strawberry.mutation(
        description="Ask for what is left of a purchase to be given back. An operator decides; the same key asks once."
    )
    async def purchase_refund_request(
        self, info: Info, id: strawberry.ID, reason: str, idempotency_key: UUID
    ) -> PurchasePayload:
        context = info.context
        command = RefundCommand(_key(id, "CreditPurchase"), reason, idempotency_key)
        _, errors = await _tried(context, context.services.refunding.request(context.principal, command))
        purchase = None if errors else await context.loaders.purchase(command.purchase_id)
        return PurchasePayload(purchase=purchase, user_errors=errors)

    @strawberry.mutation(
        description="Give money of a purchase back; without an amount all that is left. For API keys with refunds:write."
    )
    async def purchase_refund(
        self, info: Info, id: strawberry.ID, reason: str, idempotency_key: UUID, amount_cents: int | None = None
    ) -> RefundPayload:
        context = info.context
        command = RefundCommand(_key(id, "CreditPurchase"), reason, idempotency_key, amount_cents)
        refund_id, errors = await _tried(context, context.services.refunding.refund(context.principal, command))
        return await _payload(context, refund_id, errors)

    @strawberry.mutation(
        description="Approve a request, wholly (all that is left) or in part. For API keys with refunds:write."
    )
    async def refund_approve(self, info: Info, id: strawberry.ID, amount_cents: int | None = None) -> RefundPayload:
        context, key = info.context, _key(id, "Refund")
        approved = context.services.refunding.approve(context.principal, key, amount_cents)
        _, errors = await _tried(context, approved)
        return await _payload(context, key, errors)

    @strawberry.mutation(description="Decline a request; the buyer is told why. For API keys with refunds:write.")
    async def refund_reject(self, info: Info, id: strawberry.ID, reason: str) -> RefundPayload:
        context, key = info.context, _key(id, "Refund")
        _, errors = await _tried(context, context.services.refunding.reject(context.principal, key, reason))
        return await _payload(context, key, errors)


_NOBODYS = UUID(int=0)


def _key(node_id: strawberry.ID, type_name: str) -> UUID:
    """The id's key; what is no such id reads as a thing that does not exist."""
    return uuid_of(node_id, type_name) or _NOBODYS


async def _tried(context: Context, doing: Awaitable[Answer]) -> tuple[Answer | None, list[UserError]]:
    """Do it; a refusal is data. What is read from now on is read anew."""
    try:
        return await doing, []
    except Refusal as refusal:
        return None, [as_user_error(refusal)]
    finally:
        await context.refresh()


async def _payload(context: Context, refund_id: UUID | None, errors: list[UserError]) -> RefundPayload:
    """The refund as it is now. That Stripe would not make it is an error too: the money is still here."""
    if errors or refund_id is None:
        return RefundPayload(refund=None, user_errors=errors)
    refund = await context.loaders.refund(refund_id)
    if refund is None:
        return RefundPayload(refund=None, user_errors=[as_user_error(NotFound("refund", path=("id",)))])
    failed = [RefundNotPossible(refund.explanation)] if refund.status is RefundStatus.FAILED else []
    return RefundPayload(refund=refund, user_errors=[as_user_error(one) for one in failed])
