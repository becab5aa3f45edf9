"""A buyer anywhere: in the sandbox or in Stripe's test mode, with the portal's own services and a database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from app.auth.actor import utc_now
from app.payments.gateway import Gateway
from app.payments.outcomes import Outcome, Succeeded, Unknown
from app.rules.pricing import price
from app.services.ledger_audit import audit
from app.services.purchases import PurchaseCommand, Purchasing
from app.services.quotes import QuoteSigner
from tests.factories import Household
from tests.payments.somewhere import Somewhere
from tests.rules.bands import BANDS

D = Decimal
SIGNER = QuoteSigner("a-secret-key-that-only-the-tests-know")
CREDITED = [("purchase", "purchased", D(10)), ("bonus_grant", "bonus", D("0.5"))]


@dataclass
class Buyer:
    """Olivia, who buys 10 credits for $95.00, and what the rows say afterwards."""

    somewhere: Somewhere
    purchasing: Purchasing
    household: Household
    inspector: asyncpg.Connection

    def command(self, card: str) -> PurchaseCommand:
        ids = (self.household.tenant_id, self.household.pool_id, self.household.people["olivia"].user_id)
        _, token = SIGNER.issue(*ids, price(D(10), BANDS), utc_now())
        return PurchaseCommand(token, card, uuid4())

    async def buy(self, command: PurchaseCommand) -> UUID:
        return await self.purchasing.buy(self.household.principal("olivia"), command)

    async def purchase(self, purchase_id: UUID) -> asyncpg.Record:
        found = await self.inspector.fetchrow("SELECT * FROM credit_purchases WHERE id = $1", purchase_id)
        assert found is not None
        return found

    async def credited(self) -> list[tuple[Any, ...]]:
        """The ledger after what the pool began with; its proof holds."""
        assert [fault async for fault in audit(self.purchasing.database, self.household.tenant_id)] == []
        rows = await self.inspector.fetch(
            "SELECT transaction_type, source_type, amount FROM credit_transactions"
            " WHERE tenant_id = $1 AND sequence > 1 ORDER BY sequence",
            self.household.tenant_id,
        )
        return [tuple(row) for row in rows]

    async def charged(self) -> list[int]:
        """What Stripe has taken of the pool, in cents."""
        customer = await self.inspector.fetchval(
            "SELECT stripe_customer_id FROM credit_pools WHERE id = $1", self.household.pool_id
        )
        answer = await self.somewhere.hands.get("/v1/payment_intents", params={"customer": customer, "limit": "100"})
        return [one["amount_received"] for one in answer.raise_for_status().json()["data"] if one["amount_received"]]


NewBuyer = Callable[[Gateway], Awaitable[Buyer]]


class Deaf(Gateway):
    """A gateway whose first charge is done by Stripe, and whose answer never comes."""

    heard = False

    async def charge(self, **given: Any) -> Outcome:
        outcome = await super().charge(**given)
        if self.heard:
            return outcome
        self.heard = True
        assert isinstance(outcome, Succeeded)
        return Unknown("the answer was lost", None)
