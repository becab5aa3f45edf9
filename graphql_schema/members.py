"""Members of a pool: role, permissions, limits and use, each as far as the viewer may see it."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from asyncpg import Record

from app.auth.actor import Actor
from app.rules.permissions import Permission, Role, granted, may_change
from app.rules.spending_limits import Usage, local_date, remaining, roll_over
from graphql_schema.context import Info
from graphql_schema.node import Node, to_id
from graphql_schema.pagination import Connection
from graphql_schema.users import User, as_user

if TYPE_CHECKING:
    from graphql_schema.pools import CreditPool

strawberry.enum(Role, name="MemberRole")
strawberry.enum(Permission, name="PoolPermission")


@strawberry.enum
class MemberStatus(Enum):
    ACTIVE = "active"
    INVITED = "invited"
    SUSPENDED = "suspended"


@strawberry.type(description="Limits in credits; null is unlimited.")
class MemberLimits:
    daily_credits: Decimal | None
    monthly_credits: Decimal | None
    max_credits_per_request: Decimal | None


@strawberry.type(description="Credits used in the pool's current day, week (from Monday), month and ever.")
class MemberUsage:
    today: Decimal
    this_week: Decimal
    this_month: Decimal
    all_time: Decimal
    remaining_today: Decimal | None = strawberry.field(description="What the daily limit leaves; null is unlimited.")
    remaining_this_month: Decimal | None = strawberry.field(
        description="What the monthly limit leaves; null is unlimited."
    )


@strawberry.type
class PoolMember(Node):
    user: User
    role: Role
    status: MemberStatus
    permissions: list[Permission]
    limits: MemberLimits
    usage: MemberUsage | None = strawberry.field(description="Null: not yours, and you lack VIEW_OTHER_USAGE.")
    joined_at: datetime | None
    last_active_at: datetime | None = strawberry.field(description="Null also where `usage` is.")
    viewer_can_update: bool
    pool_key: strawberry.Private[UUID]

    @strawberry.field
    async def pool(self, info: Info) -> Annotated["CreditPool", strawberry.lazy("graphql_schema.pools")]:
        return await info.context.loaders.pool(self.pool_key)


@strawberry.type
class PoolMemberConnection(Connection[PoolMember]):
    pool_key: strawberry.Private[UUID]

    @strawberry.field(description="How many members the viewer can see.")
    async def total_count(self, info: Info) -> int:
        return await info.context.loaders.member_count_by_pool.load(self.pool_key)


def as_member(row: Record, actor: Actor, now: datetime) -> PoolMember:
    """A row of `member_columns` as this actor may see it."""
    own = row["user_id"] == actor.user_id
    role = Role(row["role"])
    limits = MemberLimits(
        daily_credits=row["daily_credit_limit"],
        monthly_credits=row["monthly_credit_limit"],
        max_credits_per_request=row["max_cost_per_request"],
    )
    sees_usage = own or actor.can(row["pool_id"], Permission.VIEW_OTHER_USAGE)
    return PoolMember(
        id=to_id("PoolMember", row["id"]),
        user=as_user(row["user_id"], row["email"], row["display_name"]),
        role=role,
        status=MemberStatus(row["status"]),
        permissions=granted(row["permissions"]),
        limits=limits,
        usage=_usage(row, limits, now) if sees_usage else None,
        joined_at=row["joined_at"],
        last_active_at=row["last_usage_at"] if sees_usage else None,
        viewer_can_update=_can_update(actor, row["pool_id"], role, own=own),
        pool_key=row["pool_id"],
    )


def _usage(row: Record, limits: MemberLimits, now: datetime) -> MemberUsage:
    written = Usage(
        row["usage_today"], row["usage_this_week"], row["usage_this_month"], row["usage_all_time"], row["usage_on"]
    )
    used = roll_over(written, local_date(now, row["time_zone"]))
    return MemberUsage(
        today=used.today,
        this_week=used.this_week,
        this_month=used.this_month,
        all_time=used.all_time,
        remaining_today=remaining(limits.daily_credits, used.today, row["held_credits"]),
        remaining_this_month=remaining(limits.monthly_credits, used.this_month, row["held_credits"]),
    )


def _can_update(actor: Actor, pool_id: UUID, role: Role, *, own: bool) -> bool:
    acting = actor.membership(pool_id)
    return acting is not None and acting.can(Permission.MODIFY_SETTINGS) and may_change(acting.role, role, own=own)
