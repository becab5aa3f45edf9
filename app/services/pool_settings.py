"""The settings of a pool that stand alone (section 43.3): changed as a whole, by version, so that nobody overwrites unseen changes."""

from uuid import UUID

from sqlalchemy import select, update

from app.auth.actor import Session
from app.rules.errors import NotFound, StaleVersion
from app.rules.permissions import Permission, Role
from app.rules.pool_settings import PoolSettings, SettingsChange, apply
from app.services.audit import record
from models.members import CreditPoolMember
from models.pools import CreditPool


async def change_settings(session: Session, pool_id: UUID, version: int, change: SettingsChange) -> None:
    """Apply a change to the version that the caller has seen. Raises NotFound, Forbidden, StaleVersion, Invalid or TierNotEligible."""
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
    if after == before:
        return
    await tx.execute(
        update(CreditPool)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
        .values(settings=after.dump(), version=version + 1)
    )
    await record(
        tx,
        action="pool.settings_updated",
        pool_id=pool_id,
        actor_user_id=session.actor.user_id,
        entity=("credit_pool", pool_id),
        before=before.dump(),
        after=after.dump(),
    )
