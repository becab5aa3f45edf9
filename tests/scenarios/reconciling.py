"""What scenarios of reconciliation share: nobody else puts anything right, and everything that could change is looked at."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.services.reconciliation import Reconciliation
from app.services.reconciliation_report import Finding, Report
from tests.graphql.rows import everything
from tests.scenarios.portal import Buying


@dataclass(eq=False)
class Books:
    """A scenario in which no webhook ever comes and no job is left."""

    buying: Buying
    _before: dict[str, list[str]] = field(default_factory=dict)

    async def nobody_else(self) -> None:
        """Lose the webhooks, kill the jobs."""
        (await self.buying.sandbox.steer.delete("/deliver")).raise_for_status()
        await self.sql("DELETE FROM pgqueuer WHERE entrypoint = 'purchase.finish'")
        await self.buying.sandbox.steer.delete("/requests")

    async def run(self, *, days: int = 3, dry_run: bool = False) -> Report:
        """Reconcile the scenario's own tenant."""
        tenant_id, buying = self.buying.household.tenant_id, self.buying

        async def only() -> list[UUID]:
            return [tenant_id]

        work = Reconciliation(buying.portal.database, buying.gateway, buying.purchasing)
        return await work.run(only, days=days, dry_run=dry_run, whole=False)

    async def found(self, **options: Any) -> Finding:
        """The one finding of a run."""
        [finding] = (await self.run(**options)).findings
        return finding

    async def remember(self) -> None:
        await self.buying.worked()
        self._before = await everything(self.buying.portal.inspector, self.buying.household)
        await self.buying.sandbox.steer.delete("/requests")

    async def unchanged(self) -> None:
        """Neither here nor at Stripe has anything changed since `remember`."""
        assert await everything(self.buying.portal.inspector, self.buying.household) == self._before
        assert [one for one in await self.buying.sandbox.requests() if one["method"] != "GET"] == []

    async def sql(self, statement: str, *values: Any) -> None:
        """Do to the database what no part of the portal would."""
        await self.buying.portal.inspector.execute(statement, *values)

    async def kinds(self) -> list[str]:
        return [entry[0] for entry in await self.buying.entries()]
