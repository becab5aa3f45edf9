"""Subscriptions against what Stripe has of them. Differences are named and left: what a plan's change means is not decided here."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from app.payments.gateway import Gateway
from app.rules.reconciliation import compare_subscription
from app.services.reconciliation_report import Finding
from app.tenancy import ActorKind, Database, Scope
from models.subscriptions import Subscription


@dataclass(slots=True)
class SubscriptionReconciliation:
    """Of one run, over all its tenants. Stripe is asked when the first subscription with an id of Stripe's is met, and once more at the
    end if any differs: the first list may be older than the subscriptions as they were read."""

    database: Database
    gateway: Gateway
    _theirs: dict[str, str] | None = field(default=None)
    _differing: list[tuple[UUID, Row[Any]]] = field(default_factory=list)

    async def compare(self, tenant_id: UUID) -> None:
        """Look at the tenant's subscriptions. Raises GatewayUnavailable."""
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            rows = await tx.rows(
                select(Subscription.id, Subscription.stripe_subscription_id, Subscription.status).where(
                    Subscription.tenant_id == tenant_id, Subscription.stripe_subscription_id.is_not(None)
                )
            )
        if rows and self._theirs is None:
            self._theirs = await self.gateway.subscription_statuses()
        self._differing += [(tenant_id, row) for row in rows if _difference(row, self._theirs or {})]

    async def findings(self) -> list[Finding]:
        """The subscriptions that stand otherwise at Stripe, or are not there, also at a second look. Raises GatewayUnavailable."""
        theirs = await self.gateway.subscription_statuses() if self._differing else {}
        return [
            Finding(tenant_id, f"subscription {row.id}", row.stripe_subscription_id, explained=False, what=what)
            for tenant_id, row in self._differing
            if (what := _difference(row, theirs))
        ]


def _difference(row: Row[Any], theirs: dict[str, str]) -> str | None:
    return compare_subscription(row.status, theirs.get(row.stripe_subscription_id))
