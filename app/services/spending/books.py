"""The books of one flush: what it has read under the pool's lock, and what it will write.

reading.py fills them, decisions.py changes them, writing.py writes them.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(slots=True)
class PoolBook:
    """The pool's row under its lock. Credits; traffic counters belong to `traffic_day` and `traffic_minute`."""

    id: UUID
    available: Decimal
    reserved: Decimal
    included_total: Decimal
    included_used: Decimal
    bonus_total: Decimal
    bonus_remaining: Decimal
    purchased_total: Decimal
    purchased_remaining: Decimal
    shortfall: Decimal
    sequence: int
    time_zone: str
    pool_type: str
    settings: dict[str, Any]
    held_count: int
    traffic_day: date | None
    requests_today: int
    traffic_minute: datetime | None
    requests_this_minute: int
    tokens_this_minute: int
    auto_purchase_below: Decimal | None
    subscription_status: str | None = None
    past_due_since: datetime | None = None
    tier_id: str | None = None


@dataclass(slots=True)
class MemberBook:
    """A membership under its lock. Credits; `used_at` once this flush has used some."""

    user_id: UUID
    status: str
    disabled_at: datetime | None
    daily_credit_limit: Decimal | None
    monthly_credit_limit: Decimal | None
    max_cost_per_request: Decimal | None
    usage_on: date | None
    usage_today: Decimal
    usage_this_week: Decimal
    usage_this_month: Decimal
    usage_all_time: Decimal
    held_credits: Decimal
    used_at: datetime | None = None
    changed: bool = False


@dataclass(slots=True)
class HoldBook:
    """A reservation's row; `approval_request_id` only of a new one."""

    id: UUID
    pool_id: UUID
    user_id: UUID
    request_id: UUID
    request_hash: bytes
    amount: Decimal
    settled_amount: Decimal | None
    settlement_hash: bytes | None
    status: str
    model_id: str
    provider_id: str
    request_type: str
    expires_at: datetime
    approval_request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ApprovalBook:
    id: UUID
    user_id: UUID
    approved_amount: Decimal
    model_id: str


@dataclass(slots=True)
class Books:
    """All that a flush has read, and the rows that it will write."""

    pool: PoolBook
    members: dict[UUID, MemberBook]
    holds: list[HoldBook]
    approvals: list[ApprovalBook]
    models_this_month: set[str]
    now: datetime
    opened: list[HoldBook] = field(default_factory=list)
    closed: dict[UUID, HoldBook] = field(default_factory=dict)
    entries: list[tuple[Any, ...]] = field(default_factory=list)  # see ENTRIES of writing.py, from id on
    usage: list[tuple[Any, ...]] = field(default_factory=list)  # see USAGE of writing.py, from user_id on
    used_approvals: list[UUID] = field(default_factory=list)
