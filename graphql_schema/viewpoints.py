"""What an actor may see of one pool: worked out once, for all of the pool's rows that are shown."""

from datetime import date, datetime
from functools import cache
from uuid import UUID

from app.auth.actor import Actor
from app.rules.permissions import Permission, Role, may_change
from app.rules.spending_limits import local_date


class Viewpoint:
    """One actor's sight of one pool at one instant."""

    def __init__(self, actor: Actor, pool_id: UUID, now: datetime) -> None:
        membership = actor.membership(pool_id)
        changes = membership is not None and membership.can(Permission.MODIFY_SETTINGS)
        self._now = now
        self._changes_as = membership.role if membership is not None and changes else None
        self.user_id = actor.user_id
        self.sees_balance = actor.can(pool_id, Permission.VIEW_POOL_BALANCE)
        self.sees_usage_of_others = actor.can(pool_id, Permission.VIEW_OTHER_USAGE)
        self.today = cache(self._today)  # of a time zone: all rows of a pool have the same one

    def sees_usage(self, user_id: UUID) -> bool:
        """Whether a member's figures are shown: one's own always."""
        return self.sees_usage_of_others or user_id == self.user_id

    def may_change(self, role: Role, user_id: UUID) -> bool:
        """Whether the actor may change a member of this role."""
        return self._changes_as is not None and may_change(self._changes_as, role, own=user_id == self.user_id)

    def _today(self, time_zone: str) -> date:
        return local_date(self._now, time_zone)
