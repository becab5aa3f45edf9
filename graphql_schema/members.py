"""Members of a pool: role, permissions, limits and use, each as far as the viewer may see it."""

import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from asyncpg import Record

from app.rules.permissions import Permission, Role, granted
from app.rules.spending_limits import Usage, remaining, roll_over
from graphql_schema.context import Info
from graphql_schema.node import Node
from graphql_schema.pagination import Connection
from graphql_schema.rows import Part, Shape, Source, enum, node_id
from graphql_schema.users import USER, User
from graphql_schema.viewpoints import Viewpoint

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


def _used(counter: str) -> Source:
    """A counter as it reads today; what was written today stands as it is."""
    column = f"usage_{counter}"

    def answer(row: Record, viewpoint: Viewpoint) -> str:
        today = viewpoint.today(row["time_zone"])
        return str(row[column] if row["usage_on"] == today else getattr(_rolled_over(row, today), counter))

    return Source(answer, Decimal)


def _left(limit: str, counter: Source) -> Source:
    """What a limit leaves of today or of this month."""

    def answer(row: Record, viewpoint: Viewpoint) -> str | None:
        if row[limit] is None:
            return None
        return str(remaining(Decimal(row[limit]), counter.value(row, viewpoint), Decimal(row["held_credits"])))

    return Source(answer, Decimal)


def _rolled_over(row: Record, today: date) -> Usage:
    counters = {name: Decimal(row[f"usage_{name}"]) for name in ("today", "this_week", "this_month", "all_time")}
    return roll_over(Usage(**counters, usage_on=row["usage_on"]), today)


@lru_cache(maxsize=256)  # members have few sets of permissions between them
def _granted(stored: str) -> list[str]:
    return [one.name for one in granted(json.loads(stored))]


LIMITS = Shape(
    MemberLimits,
    daily_credits=Source("daily_credit_limit", Decimal),
    monthly_credits=Source("monthly_credit_limit", Decimal),
    max_credits_per_request=Source("max_cost_per_request", Decimal),
)
_today, _this_month = _used("today"), _used("this_month")
USAGE = Shape(
    MemberUsage,
    today=_today,
    this_week=_used("this_week"),
    this_month=_this_month,
    all_time=Source("usage_all_time", Decimal),
    remaining_today=_left("daily_credit_limit", _today),
    remaining_this_month=_left("monthly_credit_limit", _this_month),
)
# A row of `member_columns`.
MEMBER = Shape(
    PoolMember,
    id=node_id("PoolMember"),
    user=Part(USER),
    role=enum(Role, "role"),
    status=enum(MemberStatus, "status"),
    permissions=Source(lambda row, _: _granted(row["permissions"]), lambda names: [Permission[one] for one in names]),
    limits=Part(LIMITS),
    usage=Part(USAGE, present=lambda row, viewpoint: viewpoint.sees_usage(row["user_id"])),
    joined_at=Source("joined_at"),
    last_active_at=Source(
        lambda row, viewpoint: row["last_usage_at"] if viewpoint.sees_usage(row["user_id"]) else None
    ),
    viewer_can_update=Source(lambda row, viewpoint: viewpoint.may_change(Role(row["role"]), row["user_id"])),
    pool_key=Source("pool_id"),
)
