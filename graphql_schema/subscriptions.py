"""A pool's subscription: tier, seats, until when."""

from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry
from asyncpg import Record

from graphql_schema.context import Info
from graphql_schema.money import Money, money
from graphql_schema.node import Node, to_id
from graphql_schema.tiers import Tier, tiers_of


@strawberry.enum
class BillingCycle(Enum):
    MONTHLY = "monthly"
    ANNUAL = "annual"


@strawberry.enum
class SubscriptionStatus(Enum):
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    UNPAID = "unpaid"
    PAUSED = "paused"


@strawberry.type(description="Seats paid for, taken by members, and promised by open invitations.")
class SeatUsage:
    purchased: int
    used: int
    pending: int


@strawberry.type
class Subscription(Node):
    status: SubscriptionStatus
    cycle: BillingCycle
    recurring_total: Money = strawberry.field(description="What each cycle costs.")
    current_period_end: datetime
    cancel_at_period_end: bool
    tier_key: strawberry.Private[str]
    pool_key: strawberry.Private[UUID]
    seat_count: strawberry.Private[int]
    sees_members: strawberry.Private[bool]

    @strawberry.field
    async def tier(self, info: Info) -> Tier:
        catalogue = await info.context.services.catalogue.current()
        return tiers_of(catalogue)[self.tier_key]

    @strawberry.field(description="Null: the viewer does not see who is in the pool.")
    async def seats(self, info: Info) -> SeatUsage | None:
        if not self.sees_members:
            return None
        used, pending = await info.context.loaders.seats_by_pool.load(self.pool_key)
        return SeatUsage(purchased=self.seat_count, used=used, pending=pending)


def as_subscription(row: Record, *, sees_members: bool) -> Subscription:
    """A row with the subscription's columns (prefixed `subscription_`) as the API shows it."""
    return Subscription(
        id=to_id("Subscription", row["subscription_id"]),
        status=SubscriptionStatus(row["subscription_status"]),
        cycle=BillingCycle(row["subscription_billing_cycle"]),
        recurring_total=money(row["subscription_total_price_cents"], row["subscription_currency"]),
        current_period_end=row["subscription_current_period_end"],
        cancel_at_period_end=row["subscription_cancel_at_period_end"],
        tier_key=row["subscription_tier_id"],
        pool_key=row["id"],
        seat_count=row["subscription_seat_count"],
        sees_members=sees_members,
    )
