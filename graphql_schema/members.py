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
from graphql_schema.rows import Part, Row, Shape, Source, as_time, credit_text, enum, node_id, time, time_text
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


_GRANTED = ", ".join(f"CASE WHEN r.permissions -> '{one.value}' = 'true' THEN '{one.name}' END" for one in Permission)
_SEES_USAGE = "(CAST(:sees_usage_of_others AS boolean) OR r.user_id = :viewer)"


def _counted(counter: str, period: str) -> str:
    """SQL for a counter as it reads today: rules/spending_limits.py, roll_over."""
    same = f"r.usage_on = d.today OR date_trunc('{period}', r.usage_on) = date_trunc('{period}', d.today)"
    return f"CASE WHEN {same} THEN r.{counter} ELSE 0.000000 END"


def _remaining(limit: str, used: str) -> str:
    """SQL for what a limit leaves: rules/spending_limits.py, remaining."""
    left = f"greatest(r.{limit} - {used} - r.held_credits, 0.000000)"
    return f"CASE WHEN r.{limit} IS NOT NULL THEN ({left})::text END"


_TODAY, _THIS_WEEK, _THIS_MONTH = (
    _counted("usage_today", "day"),
    _counted("usage_this_week", "week"),
    _counted("usage_this_month", "month"),
)

LIMITS = Shape(
    MemberLimits,
    daily_credits=credit_text("daily_credit_limit"),
    monthly_credits=credit_text("monthly_credit_limit"),
    max_credits_per_request=credit_text("max_cost_per_request"),
)
USAGE = Shape(
    MemberUsage,
    today=credit_text("today", f"({_TODAY})::text"),
    this_week=credit_text("this_week", f"({_THIS_WEEK})::text"),
    this_month=credit_text("this_month", f"({_THIS_MONTH})::text"),
    all_time=credit_text("all_time", "r.usage_all_time::text"),
    remaining_today=credit_text("remaining_today", _remaining("daily_credit_limit", _TODAY)),
    remaining_this_month=credit_text("remaining_this_month", _remaining("monthly_credit_limit", _THIS_MONTH)),
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
        sql=f"array_remove(ARRAY[{_GRANTED}], NULL)",
    ),
    limits=Part(LIMITS),
    usage=Part(USAGE, _usage, where=_SEES_USAGE),
    joined_at=time("joined_at"),
    last_active_at=Source(
        computed=_last_active,
        parse=datetime.fromisoformat,
        sql=f"CASE WHEN {_SEES_USAGE} THEN {time_text('r.last_usage_at')} END",
    ),
    viewer_can_update=Source(
        computed=lambda row, viewpoint: viewpoint.may_change(Role(row["role"]), row["user_id"]),
        sql="r.role = ANY(CASE WHEN r.user_id = :viewer THEN CAST(:changes_own AS text[]) ELSE CAST(:changes AS text[]) END)",
    ),
    pool_key=Source("pool_id", parse=UUID),
)
