"""Credit pools: the balance and all that hangs on a pool."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import orjson
import strawberry
from asyncpg import Record
from graphql import GraphQLError

from app.auth.actor import Actor
from app.rules.burn_order import Bucket
from app.rules.errors import Refusal
from app.rules.permissions import Permission
from app.rules.pool_settings import PoolSettings
from app.rules.spending_limits import check_amount
from app.services.payment_methods import SEES_CARDS
from graphql_schema.context import Info
from graphql_schema.errors import UserError
from graphql_schema.members import PoolMember, PoolMemberConnection
from graphql_schema.node import Node, to_id
from graphql_schema.payment_methods import PaymentMethod, Wallet, as_wallet, cards_of
from graphql_schema.pool_settings import (
    AccessControl,
    FamilySettings,
    NotificationSettings,
    PoolSettingsView,
)
from graphql_schema.purchases import CreditPurchaseConnection
from graphql_schema.selections import ASKED_ONCE
from graphql_schema.spending import SpendCheck, as_limit
from graphql_schema.subscriptions import Subscription, as_subscription
from graphql_schema.transactions import CreditTransactionConnection
from graphql_schema.users import User, as_user

SMALLEST_SPEND = Decimal("0.000001")  # credits: what blocks this blocks every spend


@strawberry.enum
class PoolKind(Enum):
    INDIVIDUAL = "individual"
    FAMILY = "family"
    TEAM = "team"
    ORGANIZATION = "organization"
    ENTERPRISE = "enterprise"


@strawberry.type(description="Credits of one origin. They are spent in the order included, bonus, purchased.")
class BucketBalance:
    bucket: Bucket
    granted: Decimal = strawberry.field(description="Included: this month. Bonus and purchased: ever.")
    remaining: Decimal
    resets_at: datetime | None = strawberry.field(
        description="Included credits are for the month; the others never expire."
    )


@strawberry.type(description="All amounts in credits. total = available + reserved = the buckets' sum.")
class PoolBalance:
    available: Decimal
    reserved: Decimal = strawberry.field(description="Held for requests under way.")
    total: Decimal
    shortfall: Decimal = strawberry.field(description="Used beyond the balance; the next credits pay it first.")
    buckets: list[BucketBalance]
    as_of: datetime


@strawberry.type
class CreditPool(Node):
    name: str
    kind: PoolKind
    owner: User
    version: int = strawberry.field(description="Of the settings: send it with a change.")
    time_zone: str
    balance: PoolBalance | None = strawberry.field(description="Null: you lack VIEW_POOL_BALANCE.")
    subscription: Subscription | None
    key: strawberry.Private[UUID]
    row: strawberry.Private[Record]
    actor: strawberry.Private[Actor]
    wallet: strawberry.Private[Wallet]

    @strawberry.field(
        description="The pool's cards at Stripe, the newest first. Null: you lack PURCHASE_CREDITS and MODIFY_SETTINGS, "
        "or Stripe can't be reached, which an error then says.",
        metadata=ASKED_ONCE,
    )
    async def payment_methods(self, info: Info) -> list[PaymentMethod] | None:
        if not any(self.actor.can(self.key, one) for one in SEES_CARDS):
            return None
        return await cards_of(info.context, self.wallet)

    @strawberry.field(description="Null: you lack VIEW_POOL_BALANCE and MODIFY_SETTINGS.")
    def settings(self) -> PoolSettingsView | None:
        sees = (Permission.VIEW_POOL_BALANCE, Permission.MODIFY_SETTINGS)
        return _settings(self.row) if any(self.actor.can(self.key, one) for one in sees) else None

    @strawberry.field(description="Null for a service with an API key.")
    async def viewer_membership(self, info: Info) -> PoolMember | None:
        membership = self.actor.membership(self.key)
        return await info.context.loaders.member_by_id.load(membership.id) if membership else None

    @strawberry.field
    def viewer_can(self, permission: Permission) -> bool:
        return self.actor.can(self.key, permission)

    @strawberry.field(description="Those whom the viewer may see, in the order they came.")
    async def members(self, info: Info, first: int = 25, after: str | None = None) -> PoolMemberConnection:
        return await info.context.loaders.members_by_pool.load((self.key, first, after))

    @strawberry.field(description="Newest first; only the viewer's own without VIEW_OTHER_USAGE.")
    async def transactions(self, info: Info, first: int = 50, after: str | None = None) -> CreditTransactionConnection:
        return await info.context.loaders.transactions_by_pool.load((self.key, first, after))

    @strawberry.field(description="Newest first; only the viewer's own without VIEW_POOL_BALANCE.")
    async def purchases(self, info: Info, first: int = 25, after: str | None = None) -> CreditPurchaseConnection:
        return await info.context.loaders.purchases_by_pool.load((self.key, first, after))

    @strawberry.field(
        description="Every limit that would apply to a spend by the viewer now: value, use, reset, who can lift it."
    )
    async def spend_check(
        self, info: Info, model_id: str | None = None, credits: Decimal = SMALLEST_SPEND
    ) -> SpendCheck:
        session = await info.context.session()
        if self.actor.user_id is None:
            raise GraphQLError("An API key is no member: ask with creditsQuoteUsage for a member.")
        try:
            check_amount(credits, path=("credits",))
        except Refusal as refusal:
            raise GraphQLError(refusal.message) from refusal
        found = await info.context.services.spending.check(session, self.key, self.actor.user_id, model_id, credits)
        return SpendCheck(
            credits=credits,
            allowed=not any(limit.blocks for limit in found),
            limits=[as_limit(limit) for limit in found],
        )


@strawberry.type
class PoolPayload:
    pool: CreditPool | None
    user_errors: list[UserError]


def as_pool(row: Record, actor: Actor, now: datetime) -> CreditPool:
    """A row of the POOLS statement as this actor may see it."""
    sees_balance = actor.can(row["id"], Permission.VIEW_POOL_BALANCE)
    return CreditPool(
        id=to_id("CreditPool", row["id"]),
        name=row["name"],
        kind=PoolKind(row["pool_type"]),
        owner=as_user(row["owner_id"], row["owner_email"], row["owner_display_name"]),
        version=row["version"],
        time_zone=row["time_zone"],
        balance=_balance(row, now) if sees_balance else None,
        subscription=as_subscription(row, sees_members=actor.sees_members(row["id"]))
        if row["subscription_id"]
        else None,
        key=row["id"],
        row=row,
        actor=actor,
        wallet=as_wallet(row),
    )


def _balance(row: Record, now: datetime) -> PoolBalance:
    return PoolBalance(
        available=row["balance_available"],
        reserved=row["balance_reserved"],
        total=row["balance_available"] + row["balance_reserved"],
        shortfall=row["shortfall_credits"],
        buckets=[
            _bucket(
                Bucket.INCLUDED, row["monthly_included_total"], row["included_remaining"], row["monthly_resets_at"]
            ),
            _bucket(Bucket.BONUS, row["bonus_total"], row["bonus_remaining"]),
            _bucket(Bucket.PURCHASED, row["purchased_total"], row["purchased_remaining"]),
        ],
        as_of=now,
    )


def _bucket(bucket: Bucket, granted: Decimal, remaining: Decimal, resets_at: datetime | None = None) -> BucketBalance:
    return BucketBalance(bucket=bucket, granted=granted, remaining=remaining, resets_at=resets_at)


def _settings(row: Record) -> PoolSettingsView:
    stored = PoolSettings.load(orjson.loads(row["settings"]), row["pool_type"])
    mail, access, family = stored.notifications, stored.access_control, stored.family
    return PoolSettingsView(
        notifications=NotificationSettings(
            low_balance_threshold=mail.low_balance_threshold,
            recipients=list(mail.recipients),
            summary=mail.summary,
            unusual_usage_alerts=mail.unusual_usage_alerts,
        ),
        access_control=AccessControl(
            approval_required_above=access.approval_required_above,
            blocked_models=list(access.blocked_models),
            allowed_models=None if access.allowed_models is None else list(access.allowed_models),
        ),
        family=FamilySettings(
            parental_controls=family.parental_controls,
            content_filtering=family.content_filtering,
            pool_key=row["id"],
            underage_users=family.underage_members,
        )
        if family
        else None,
        pool_key=row["id"],
    )
