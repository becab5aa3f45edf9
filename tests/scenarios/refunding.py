"""A purchase whose money goes back: what every scenario of refunds and disputes does and looks at."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from app.services.refund_orders import RefundCommand
from app.services.refunds import Refunding
from tests.scenarios.portal import Buying
from tests.spending.till import Till

REFUNDS = "/v1/refunds"
D = Decimal
PAID = 42_500  # cents, for 50 credits and 7.5 of bonus


@dataclass
class Refunds:
    """A completed purchase of 50 credits in a pool that had 6 included ones; events of the purchase itself are out of the way."""

    buying: Buying
    purchase_id: UUID
    payment: str

    @property
    def refunding(self) -> Refunding:
        return Refunding(self.buying.portal.database, self.buying.gateway, self.buying.purchasing)

    @property
    def tenant_id(self) -> UUID:
        return self.buying.household.tenant_id

    def command(
        self, cents: int | None = None, *, key: UUID | None = None, reason: str = "bought twice"
    ) -> RefundCommand:
        return RefundCommand(self.purchase_id, reason, key or uuid4(), cents)

    async def refund(self, cents: int | None = None) -> UUID:
        """An operator at the command line gives money back."""
        return await self.refunding.refund(self.tenant_id, self.command(cents))

    async def row(self, refund_id: UUID) -> asyncpg.Record:
        return (await self.buying.rows("SELECT * FROM refunds WHERE id = $2", refund_id))[0]

    async def status(self, refund_id: UUID) -> str:
        return str((await self.row(refund_id))["status"])

    async def purchase(self) -> tuple[str, int]:
        """(status, cents that went back)"""
        row = await self.buying.purchase(self.purchase_id)
        return row["status"], row["refunded_cents"]

    async def balance(self) -> tuple[Decimal, Decimal, Decimal]:
        """(bonus, purchased, shortfall) of the pool, in credits."""
        pool = await self.buying.pool()
        return pool["bonus_remaining"], pool["purchased_remaining"], pool["shortfall_credits"]

    async def refund_entries(self) -> list[tuple[str, str]]:
        """The ledger's refund entries: bucket and amount."""
        return [(entry[1], entry[2]) for entry in await self.buying.entries() if entry[0] == "refund"]

    async def at_stripe(self) -> list[dict[str, Any]]:
        """The payment's refunds as Stripe has them, the oldest first."""
        answer = await self.buying.sandbox.raw.get(REFUNDS, params={"payment_intent": self.payment, "limit": "100"})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return found[::-1]

    async def asked(self) -> int:
        """How often Stripe was asked to give money back."""
        sent = await self.buying.sandbox.requests()
        return len([one for one in sent if (one["method"], one["path"]) == ("POST", REFUNDS)])

    async def events(self) -> None:
        """All waiting events are delivered and handled."""
        delivered = await self.buying.sandbox.deliver()
        assert {one["status"] for one in delivered} <= {200}
        await self.buying.worked()

    async def spend(self, credits_amount: str) -> None:
        """Somebody uses so many credits of the pool."""
        await self.till().settle((await self.till().reserve("0.000001")).id, credits_amount)

    def till(self) -> Till:
        database = self.buying.portal.database
        return Till(database, spending_of(self.buying), self.buying.portal.inspector, self.buying.household)

    async def untouched(self) -> dict[str, list[str]]:
        """Every row that a refund could change, as text: to say that a refusal changed nothing."""
        tables = (
            "refunds", "credit_reversals", "credit_purchases", "credit_pools", "credit_transactions", "idempotency_keys", "billing_events",
            "notifications", "audit_events",
        )  # fmt: skip
        return {
            table: [
                row[0]
                for row in await self.buying.rows(f"SELECT t::text FROM {table} t WHERE tenant_id = $1 ORDER BY 1")
            ]
            for table in tables
        }


def spending_of(buying: Buying) -> Any:
    from app.services.catalogue import CatalogueCache
    from app.services.spending.service import Spending

    return Spending(buying.portal.database, CatalogueCache(buying.portal.database))


async def bought(buying: Buying, card: str = "4242424242424242", credits_amount: str = "50") -> Refunds:
    """A purchase that is paid, whose events have been handled."""
    purchase_id = await buying.buy(await buying.command(card, credits_amount))
    await buying.sandbox.deliver()
    await buying.worked()
    payment = (await buying.purchase(purchase_id))["stripe_payment_intent_id"]
    await buying.sandbox.steer.delete("/requests")
    return Refunds(buying, purchase_id, payment)
