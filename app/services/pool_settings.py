"""The settings of a pool that stand alone (section 43.3): changed as a whole, by version, so that nobody overwrites unseen changes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update

from app.auth.actor import Session
from app.rules.errors import Invalid, NotFound, StaleVersion
from app.rules.permissions import Permission, Role
from app.rules.pool_settings import PoolSettings, SettingsChange, apply
from app.services.audit import record
from app.services.auto_purchase.settings import change_plan
from models.members import CreditPoolMember
from models.pools import CreditPool


async def change_settings(session: Session, pool_id: UUID, version: int, change: SettingsChange) -> None:
    """Apply a change to the version that the caller has seen. Raises NotFound, Forbidden, StaleVersion, Invalid or TierNotEligible.

    The card of a change of `auto_purchase` has been checked before (app/services/auto_purchase/settings.py).
    """
    session.actor.require(pool_id, Permission.MODIFY_SETTINGS)
    tx = session.tx
    pool = await tx.row(
        select(CreditPool.version, CreditPool.pool_type, CreditPool.settings)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
        .with_for_update()
    )
    if pool is None:
        raise NotFound("pool", path=("poolId",))
    if pool.version != version:
        raise StaleVersion(current=pool.version, given=version)
    members = await tx.rows(
        select(CreditPoolMember.user_id, CreditPoolMember.role).where(
            CreditPoolMember.tenant_id == tx.tenant_id, CreditPoolMember.pool_id == pool_id
        )
    )
    before = PoolSettings.load(pool.settings, pool.pool_type)
    after = apply(before, change, {row.user_id: Role(row.role) for row in members})
    replanned = bool(change.auto_purchase) and await change_plan(session, pool_id, change.auto_purchase)
    if after == before and not replanned:
        return
    await tx.execute(
        update(CreditPool)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
        .values(settings=after.dump(), version=version + 1)
    )
    if after == before:
        return
    await record(
        tx,
        action="pool.settings_updated",
        pool_id=pool_id,
        actor_user_id=session.actor.user_id,
        entity=("credit_pool", pool_id),
        before=before.dump(),
        after=after.dump(),
    )


async def member_users(session: Session, pool_id: UUID, members: Sequence[UUID]) -> tuple[UUID, ...]:
    """The users of these members of the pool, in the same order. Raises Invalid if one is no member of it."""
    if not members:
        return ()
    rows = await session.tx.rows(
        select(CreditPoolMember.id, CreditPoolMember.user_id).where(
            CreditPoolMember.tenant_id == session.tx.tenant_id,
            CreditPoolMember.pool_id == pool_id,
            CreditPoolMember.id.in_(members),
        )
    )
    users = {row.id: row.user_id for row in rows}
    if any(member not in users for member in members):
        raise Invalid(
            "An underage member must be a member of this pool.",
            path=("patch", "family", "underageMemberIds"),
            reason="underage_unknown",
        )
    return tuple(users[member] for member in members)
