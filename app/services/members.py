"""Members of a pool: their limits and permissions (ruling 14)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update

from app.auth.actor import Membership, Session
from app.rules.errors import Forbidden, NotFound
from app.rules.permissions import Permission, Role, check_limits_change, check_permissions_change
from app.rules.spending_limits import Limits, check_limits
from app.services.audit import record
from models.members import CreditPoolMember


async def change_limits(session: Session, member_id: UUID, change: Mapping[str, Decimal | None]) -> None:
    """Set limits of a member by their names in Limits (credits; None lifts one); those that are not named stay.

    Raises NotFound, Forbidden or Invalid; then nothing has changed.
    """
    acting, member = await _lock_member(session, member_id)
    current = Limits(member.daily_credit_limit, member.monthly_credit_limit, member.max_cost_per_request)
    limits = current._replace(**change)
    check_limits_change(acting.role, acting.permissions, Role(member.role), own=member.user_id == session.actor.user_id)
    check_limits(limits)
    wanted = {
        "daily_credit_limit": limits.daily,
        "monthly_credit_limit": limits.monthly,
        "max_cost_per_request": limits.per_request,
    }
    await _change(session, member, "member.limits_updated", wanted)


async def change_permissions(session: Session, member_id: UUID, permissions: Iterable[Permission]) -> None:
    """Set which of the six permissions a member has. Raises NotFound, Forbidden or Invalid; then nothing has changed."""
    wanted = frozenset(permissions)
    acting, member = await _lock_member(session, member_id)
    current = frozenset(one for one in Permission if member.permissions.get(one.value))
    check_permissions_change(
        acting.role,
        acting.permissions,
        Role(member.role),
        current,
        wanted,
        own=member.user_id == session.actor.user_id,
    )
    stored = {one.value: one in wanted for one in Permission}
    await _change(session, member, "member.permissions_updated", {"permissions": stored})


async def _lock_member(session: Session, member_id: UUID) -> tuple[Membership, Row[Any]]:
    """Lock the member's row; with it, the actor's own membership of that pool. What the actor can't see does not exist."""
    row = await session.tx.row(
        select(CreditPoolMember.__table__)
        .where(CreditPoolMember.tenant_id == session.tx.tenant_id, CreditPoolMember.id == member_id)
        .with_for_update()
    )
    membership = session.actor.membership(row.pool_id) if row else None
    if row is None or membership is None:
        raise NotFound("member", path=("id",))
    if not membership.active:
        raise Forbidden("Your membership of this pool is suspended. Its owner or an admin can reactivate it.")
    return membership, row


async def _change(session: Session, member: Row[Any], action: str, wanted: dict[str, Any]) -> None:
    before = {name: getattr(member, name) for name in wanted}
    if before == wanted:
        return
    await session.tx.execute(
        update(CreditPoolMember)
        .where(CreditPoolMember.tenant_id == session.tx.tenant_id, CreditPoolMember.id == member.id)
        .values(**wanted)
    )
    await record(
        session.tx,
        action=action,
        pool_id=member.pool_id,
        actor_user_id=session.actor.user_id,
        entity=("credit_pool_member", member.id),
        before=_plain(before),
        after=_plain(wanted),
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON holds them: credits as strings."""
    return {name: value if value is None or isinstance(value, dict) else str(value) for name, value in values.items()}
