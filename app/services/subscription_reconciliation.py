"""Subscriptions against what Stripe has of them. Differences are named and left: what a plan's change means is not decided here."""

from collections.abc import Sequence
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
    """Of one run: Stripe is asked once, when the first subscription with an id of Stripe's is met."""

    database: Database
    gateway: Gateway
    _theirs: dict[str, str] | None = field(default=None)

    async def findings(self, tenant_id: UUID) -> list[Finding]:
        """The tenant's subscriptions that stand otherwise at Stripe, or are not there."""
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            rows = await tx.rows(
                select(Subscription.id, Subscription.stripe_subscription_id, Subscription.status).where(
                    Subscription.tenant_id == tenant_id, Subscription.stripe_subscription_id.is_not(None)
                )
            )
        if rows and self._theirs is None:
            self._theirs = await self.gateway.subscription_statuses()
        if self._differences(rows):
            # The list may be older than the subscriptions as they were read.
            self._theirs = await self.gateway.subscription_statuses()
        return [
            Finding(tenant_id, f"subscription {row.id}", row.stripe_subscription_id, explained=False, what=what)
            for row, what in self._differences(rows)
        ]

    def _differences(self, rows: Sequence[Row[Any]]) -> list[tuple[Row[Any], str]]:
        theirs = self._theirs or {}
        compared = ((row, compare_subscription(row.status, theirs.get(row.stripe_subscription_id))) for row in rows)
        return [(row, what) for row, what in compared if what]
