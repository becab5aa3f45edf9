"""What time itself brings due, tenant by tenant: overdue holds go back, months of included credits begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.auth.actor import utc_now
from app.rules.errors import Refusal
from app.services.catalogue import CatalogueCache
from app.services.grants import due_pools, reset_month
from app.services.spending.reading import MAX_OVERDUE
from app.services.spending.service import Spending
from app.tenancy import ActorKind, Database, Scope
from models.reservations import CreditReservation

log = structlog.get_logger("upkeep")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One tenant's trouble never keeps another waiting: it is logged, and the next round tries again."""

    database: Database
    catalogue: CatalogueCache
    spending: Spending

    async def expire_holds(self, tenants: Sequence[UUID]) -> int:
        """Give back all overdue holds; in how many pools there were any."""
        pools = 0
        for tenant_id in tenants:
            async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
                overdue = await tx.rows(
                    select(CreditReservation.pool_id, func.count().label("holds"))
                    .where(
                        CreditReservation.tenant_id == tenant_id,
                        CreditReservation.status == "held",
                        CreditReservation.expires_at <= utc_now(),
                    )
                    .group_by(CreditReservation.pool_id)
                )
            for row in overdue:
                await self._expire(tenant_id, row.pool_id, flushes=-(-row.holds // MAX_OVERDUE))
            pools += len(overdue)
        return pools

    async def _expire(self, tenant_id: UUID, pool_id: UUID, flushes: int) -> None:
        try:
            for _ in range(flushes):
                await self.spending.expire(tenant_id, pool_id)
        except Exception:
            log.exception("upkeep.expire_failed", tenant_id=str(tenant_id), pool_id=str(pool_id))

    async def reset_months(self, tenants: Sequence[UUID]) -> int:
        """Begin every month that is due, once a pool and period; how many began."""
        catalogue, begun = await self.catalogue.current(), 0
        for tenant_id in tenants:
            scope = Scope(tenant_id, ActorKind.WORKER)
            async with self.database.transaction(scope, read_only=True) as tx:
                due = await due_pools(tx, utc_now())
            for pool_id in due:
                try:
                    async with self.database.transaction(scope) as tx:
                        begun += await reset_month(tx, pool_id, catalogue, utc_now())
                except (Refusal, SQLAlchemyError) as error:
                    log.warning("upkeep.month_failed", tenant_id=str(tenant_id), pool_id=str(pool_id), error=str(error))
        return begun
