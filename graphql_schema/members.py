"""Members of a pool: role, permissions, limits and use, each as far as the viewer may see it."""

import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from app.rules.permissions import Permission, Role, granted
from app.rules.spending_limits import Usage, remaining, roll_over
from graphql_schema.context import Info
from graphql_schema.node import Node
from graphql_schema.pagination import Connection
from graphql_schema.rows import Part, Row, Shape, Source, as_time, credit_text, enum, node_id, time, truth
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


def _usage(row: Row, viewpoint: Viewpoint) -> dict[str, str | None] | None:
    """The counters as they read today (text, credits) and what the limits leave; None for who may not see them."""
    if not viewpoint.sees_usage(row["user_id"]):
        return None
    daily, monthly, held = row["daily_credit_limit"], row["monthly_credit_limit"], row["held_credits"]
    today, this_week, this_month = row["usage_today"], row["usage_this_week"], row["usage_this_month"]
    all_time, written_on = row["usage_all_time"], row["usage_on"]
    if written_on != viewpoint.today_text:  # otherwise they stand as they are: the usual case
        day = written_on and date.fromisoformat(written_on)
        written = Usage(Decimal(today), Decimal(this_week), Decimal(this_month), Decimal(all_time), day)
        used = roll_over(written, viewpoint.today)
        today, this_week, this_month = str(used.today), str(used.this_week), str(used.this_month)
    return {
        "today": today,
        "this_week": this_week,
        "this_month": this_month,
        "all_time": all_time,
        "remaining_today": daily and _left(daily, today, held),
        "remaining_this_month": monthly and _left(monthly, this_month, held),
    }


def _last_active(row: Row, viewpoint: Viewpoint) -> str | None:
    at = row["last_usage_at"]
    return None if at is None or not viewpoint.sees_usage(row["user_id"]) else as_time(at)


def _left(limit: str, used: str, held: str) -> str:
    return str(remaining(Decimal(limit), Decimal(used), Decimal(held)))


@lru_cache(maxsize=256)  # members have few sets of permissions between them
def _granted(stored: str) -> tuple[str, ...]:
    return tuple(one.name for one in granted(json.loads(stored)))


@lru_cache(maxsize=256)
def _names_written(names: tuple[str, ...]) -> str:
    return json.dumps(names, separators=(",", ":"))


LIMITS = Shape(
    MemberLimits,
    daily_credits=credit_text("daily_credit_limit"),
    monthly_credits=credit_text("monthly_credit_limit"),
    max_credits_per_request=credit_text("max_cost_per_request"),
)
USAGE = Shape(
    MemberUsage,
    today=credit_text("today"),
    this_week=credit_text("this_week"),
    this_month=credit_text("this_month"),
    all_time=credit_text("all_time"),
    remaining_today=credit_text("remaining_today"),
    remaining_this_month=credit_text("remaining_this_month"),
)
# A row of _MEMBER (statements.py).
MEMBER = Shape(
    PoolMember,
    id=node_id("PoolMember"),
    user=Part(USER),
    role=enum(Role, "role"),
    status=enum(MemberStatus, "status"),
    permissions=Source(
        "permissions",
        _granted,
        parse=lambda names: [Permission[one] for one in names],
        written=_names_written,
    ),
    limits=Part(LIMITS),
    usage=Part(USAGE, _usage),
    joined_at=time("joined_at"),
    last_active_at=Source(computed=_last_active, parse=datetime.fromisoformat),
    viewer_can_update=truth(lambda row, viewpoint: viewpoint.may_change(Role(row["role"]), row["user_id"])),
    pool_key=Source("pool_id", parse=UUID),
)
