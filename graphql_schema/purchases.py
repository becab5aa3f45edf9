"""Purchases of credits and the quotes before them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from asyncpg import Record

from app.rules.permissions import Permission
from app.rules.pricing import Band, Price, cheaper_larger, next_band
from app.rules.purchase_progress import Facts, Moment, NextStep, card_text, moment_text, progress
from app.rules.purchases import CREDITED, PurchaseStatus
from app.rules.refunds import RefundOrigin, RefundStatus
from app.services.quotes import Quote
from graphql_schema.context import Info
from graphql_schema.errors import UserError
from graphql_schema.money import Money, money
from graphql_schema.node import Node, to_id
from graphql_schema.pagination import Connection
from graphql_schema.refunds import Dispute, Refund, left_cents
from graphql_schema.tiers import CreditBand, as_band
from graphql_schema.users import User, as_user

if TYPE_CHECKING:
    from graphql_schema.pools import CreditPool

strawberry.enum(PurchaseStatus, name="PurchaseStatus")
strawberry.enum(NextStep, name="PurchaseNextStep", description="What the buyer can do now.")
strawberry.enum(Moment, name="PurchaseMomentKind")


@strawberry.type(description="How a purchase stands, for its buyer: the state in words, and what to do next.")
class PurchaseProgress:
    title: str
    explanation: str
    next_step: NextStep
    next_step_by: datetime | None = strawberry.field(description="Until when that can be done; null: no end.")


@strawberry.type(description="A step in the life of a purchase.")
class PurchaseMoment:
    kind: Moment
    title: str
    detail: str | None = strawberry.field(description="Why, where there is more to say.")
    at: datetime


@strawberry.type(description="A purchase keeps the price it was made at, whatever the bands say later.")
class CreditPurchase(Node):
    status: PurchaseStatus
    credits: Decimal
    bonus_credits: Decimal
    total_credits: Decimal
    unit_price: Money
    base: Money = strawberry.field(description="Before the discount.")
    discount: Money
    total: Money
    refunded: Money = strawberry.field(description="Of the total, what went back to the card.")
    card: str = strawberry.field(description='"Visa ending in 4242".')
    is_automatic: bool
    receipt_url: str | None = strawberry.field(description="Stripe's hosted receipt.")
    receipt_pdf: str | None = strawberry.field(description="Our own receipt, a path on this host; null: not paid.")
    failure_reason: str | None = strawberry.field(description="Why it failed and what to do, for the buyer.")
    next_action_url: str | None = strawberry.field(
        description="REQUIRES_ACTION: where the buyer confirms with their bank."
    )
    progress: PurchaseProgress
    purchased_by: User
    created_at: datetime
    completed_at: datetime | None
    key: strawberry.Private[UUID]
    pool_key: strawberry.Private[UUID]
    buyer_key: strawberry.Private[UUID]
    paid_cents: strawberry.Private[int]

    @strawberry.field(description="What has happened to it, the first step first.")
    async def timeline(self, info: Info) -> list[PurchaseMoment]:
        return await info.context.loaders.moments_by_purchase.load(self.key)

    @strawberry.field(description="Money that went back, is on its way, or was asked for; the latest first.")
    async def refunds(self, info: Info) -> list[Refund]:
        return await info.context.loaders.refunds_by_purchase.load(self.key)

    @strawberry.field(description="The buyer's latest request for a refund, whatever became of it.")
    async def refund_request(self, info: Info) -> Refund | None:
        refunds = await info.context.loaders.refunds_by_purchase.load(self.key)
        return next((one for one in refunds if one.origin is RefundOrigin.REQUEST), None)

    @strawberry.field(description="What banks have questioned or taken back of it; the latest first.")
    async def disputes(self, info: Info) -> list[Dispute]:
        return await info.context.loaders.disputes_by_purchase.load(self.key)

    @strawberry.field(description="What of the payment can still be given back.")
    async def refundable(self, info: Info) -> Money:
        return money(await self._left(info), self.total.currency)

    @strawberry.field(description="Whether the viewer can ask for a refund now.")
    async def viewer_can_request_refund(self, info: Info) -> bool:
        actor = (await info.context.session()).actor
        buys = actor.can(self.pool_key, Permission.PURCHASE_CREDITS)
        if actor.user_id is None or not (buys or actor.user_id == self.buyer_key) or not await self._left(info):
            return False
        refunds = await info.context.loaders.refunds_by_purchase.load(self.key)
        return all(one.status is not RefundStatus.REQUESTED for one in refunds)

    async def _left(self, info: Info) -> int:
        if self.status not in CREDITED:
            return 0
        refunds = await info.context.loaders.refunds_by_purchase.load(self.key)
        return left_cents(self.paid_cents, refunds, await info.context.loaders.disputes_by_purchase.load(self.key))

    @strawberry.field
    async def pool(self, info: Info) -> Annotated["CreditPool", strawberry.lazy("graphql_schema.pools")]:
        return await info.context.loaders.pool(self.pool_key)


@strawberry.type
class CreditPurchaseConnection(Connection[CreditPurchase]):
    pass


@strawberry.type(description="A larger quantity that costs the same or less: the edge of a band (ruling 5).")
class BetterQuantity:
    credits: Decimal
    total: Money
    total_credits: Decimal


@strawberry.type(description="A price promised to the viewer until `expiresAt`, for one purchase.")
class CreditQuote:
    id: strawberry.ID
    credits: Decimal
    base: Money
    discount: Money
    total: Money
    unit_price: Money
    bonus_credits: Decimal
    total_credits: Decimal
    band: CreditBand
    next_band: CreditBand | None
    better_quantity: BetterQuantity | None
    expires_at: datetime


@strawberry.type
class CreditQuotePayload:
    quote: CreditQuote | None
    user_errors: list[UserError]


@strawberry.type
class PurchasePayload:
    purchase: CreditPurchase | None
    user_errors: list[UserError]


def as_quote(quote: Quote, token: str, bands: Sequence[Band]) -> CreditQuote:
    """An issued quote as the API shows it; its id is the token that buys."""
    price = quote.price
    following = next_band(price.credits, bands)
    better = cheaper_larger(price, bands)
    return CreditQuote(
        id=strawberry.ID(token),
        credits=price.credits,
        base=money(price.base_cents),
        discount=money(price.discount_cents),
        total=money(price.total_cents),
        unit_price=money(price.band.unit_price_cents),
        bonus_credits=price.bonus_credits,
        total_credits=price.total_credits,
        band=as_band(price.band),
        next_band=as_band(following) if following else None,
        better_quantity=_better(better) if better else None,
        expires_at=quote.expires_at,
    )


def _better(price: Price) -> BetterQuantity:
    return BetterQuantity(credits=price.credits, total=money(price.total_cents), total_credits=price.total_credits)


def as_purchase(row: Record) -> CreditPurchase:
    """A row of `purchase_columns` as the API shows it."""
    currency, node_id, status = (
        row["payment_currency"],
        to_id("CreditPurchase", row["id"]),
        PurchaseStatus(row["status"]),
    )
    return CreditPurchase(
        id=node_id,
        status=status,
        credits=row["credits_amount"],
        bonus_credits=row["bonus_credits"],
        total_credits=row["total_credits"],
        unit_price=money(row["unit_price_cents"], currency),
        base=money(row["base_cents"], currency),
        discount=money(row["discount_cents"], currency),
        total=money(row["payment_amount_cents"], currency),
        refunded=money(row["refunded_cents"], currency),
        card=card_text(row["payment_method"]),
        is_automatic=row["is_auto_purchase"],
        receipt_url=row["stripe_receipt_url"],
        receipt_pdf=f"/receipts/{node_id}.pdf" if status in CREDITED else None,
        failure_reason=row["failure_reason"],
        next_action_url=row["next_action_url"],
        progress=_progress(row),
        purchased_by=as_user(row["user_id"], row["email"], row["display_name"]),
        created_at=row["created_at"],
        completed_at=row["completed_at"],
        key=row["id"],
        pool_key=row["pool_id"],
        buyer_key=row["user_id"],
        paid_cents=row["payment_amount_cents"],
    )


def _progress(row: Record) -> PurchaseProgress:
    found = progress(
        Facts(
            status=PurchaseStatus(row["status"]),
            total_credits=row["total_credits"],
            total_cents=row["payment_amount_cents"],
            refunded_cents=row["refunded_cents"],
            currency=row["payment_currency"],
            failure_code=row["failure_code"],
            failure_reason=row["failure_reason"],
            has_action_url=row["next_action_url"] is not None,
            created_at=row["created_at"],
        )
    )
    return PurchaseProgress(
        title=found.title,
        explanation=found.explanation,
        next_step=found.next_step,
        next_step_by=found.next_step_by,
    )


def as_moment(row: Record) -> PurchaseMoment:
    """A row of PURCHASE_MOMENTS as the API shows it."""
    kind = Moment(row["kind"])
    return PurchaseMoment(kind=kind, title=moment_text(kind), detail=row["detail"], at=row["at"])
