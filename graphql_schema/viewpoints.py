"""What an actor may see of one pool: worked out once, for all of the pool's rows that are shown."""

from datetime import date, datetime
from functools import cache, cached_property
from typing import Any
from uuid import UUID

from app.auth.actor import Actor
from app.rules.permissions import Permission, Role, may_change
from app.rules.spending_limits import local_date


class Viewpoint:
    """One actor's sight of one pool at one instant."""

    def __init__(self, actor: Actor, pool_id: UUID, now: datetime, time_zone: str = "UTC") -> None:
        membership = actor.membership(pool_id)
        changes = membership is not None and membership.can(Permission.MODIFY_SETTINGS)
        self._now, self._time_zone = now, time_zone
        self._changes_as = membership.role if membership is not None and changes else None
        self._viewer = actor.user_id
        self.user_id = str(actor.user_id)
        self.sees_balance = actor.can(pool_id, Permission.VIEW_POOL_BALANCE)
        self.sees_usage_of_others = actor.can(pool_id, Permission.VIEW_OTHER_USAGE)

    def sees_usage(self, user_id: str) -> bool:
        """Whether a member's figures are shown: one's own always."""
        return self.sees_usage_of_others or user_id == self.user_id

    def may_change(self, role: Role, user_id: str) -> bool:
        """Whether the actor may change a member of this role."""
        return self._changes_as is not None and may_change(self._changes_as, role, own=user_id == self.user_id)

    @property
    def parameters(self) -> dict[str, Any]:
        """What SQL that says the same asks for (rows.py)."""
        return {
            "viewer": self._viewer,
            "now": self._now,
            "sees_balance": self.sees_balance,
            "sees_usage_of_others": self.sees_usage_of_others,
            "changes": _changes(self._changes_as, own=False),
            "changes_own": _changes(self._changes_as, own=True),
        }

    @cached_property
    def today(self) -> date:
        """The date in the pool's zone."""
        return local_date(self._now, self._time_zone)

    @cached_property
    def today_text(self) -> str:
        return self.today.isoformat()


@cache
def _changes(actor_role: Role | None, *, own: bool) -> list[str]:
    """The roles that a role may change."""
    return [role.value for role in Role if actor_role is not None and may_change(actor_role, role, own=own)]
