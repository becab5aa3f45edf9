"""Whole purchases, from the quote to the ledger, in the sandbox and in Stripe's own test mode: the same scenarios in both."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.auth.actor import utc_now
from app.payments.gateway import Gateway
from app.payments.outcomes import Canceled, Outcome, Succeeded, Unknown
from app.rules.pricing import price
from app.services.ledger_audit import audit
from app.services.purchases import PurchaseCommand, Purchasing
from app.services.quotes import QuoteSigner
from app.tenancy import Database
from tests.factories import Household, make_household
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


@pytest.fixture
def new_buyer(somewhere: Somewhere, database: Database, inspector: asyncpg.Connection) -> NewBuyer:
    """A buyer of a pool that Stripe does not know yet."""

    async def make(gateway: Gateway) -> Buyer:
        household = await make_household(database, stripe_customer_id=None)
        return Buyer(somewhere, Purchasing(database, gateway, SIGNER, "http://portal.example"), household, inspector)

    return make


async def test_a_purchase_is_charged_and_credited_once(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    buyer = await new_buyer(somewhere.gateway)
    command = buyer.command("pm_card_visa")
    purchase_id = await buyer.buy(command)
    bought = await buyer.purchase(purchase_id)
    assert (bought["status"], bought["payment_amount_cents"]) == ("completed", 9500)
    assert bought["stripe_charge_id"].startswith("ch_")
    assert bought["stripe_receipt_url"].startswith("http")
    assert await buyer.buy(command) == purchase_id, "the same command again is the same purchase"
    await buyer.purchasing.finish(buyer.household.tenant_id, purchase_id)
    assert (await buyer.credited(), await buyer.charged()) == (CREDITED, [9500])


@pytest.mark.parametrize("card", ["pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedExpiredCard"])
async def test_a_declined_purchase_is_explained_and_credits_nothing(
    somewhere: Somewhere, new_buyer: NewBuyer, card: str
) -> None:
    buyer = await new_buyer(somewhere.gateway)
    declined = await buyer.purchase(await buyer.buy(buyer.command(card)))
    assert declined["status"] == "failed"
    assert declined["failure_reason"].startswith("The card has ")
    assert (await buyer.credited(), await buyer.charged()) == ([], [])


async def test_a_purchase_that_the_bank_must_confirm_can_be_given_up(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    buyer = await new_buyer(somewhere.gateway)
    purchase_id = await buyer.buy(buyer.command("pm_card_authenticationRequired"))
    waiting = await buyer.purchase(purchase_id)
    assert waiting["status"] == "requires_action"
    assert waiting["next_action_url"].startswith("http")
    outcome = await somewhere.gateway.cancel(waiting["stripe_payment_intent_id"])
    assert isinstance(outcome, Canceled)
    await buyer.purchasing.apply(buyer.household.tenant_id, purchase_id, outcome)
    assert (await buyer.purchase(purchase_id))["status"] == "failed"
    assert (await buyer.credited(), await buyer.charged()) == ([], [])


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


async def test_a_lost_answer_is_asked_for_again_and_charges_once(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    deaf = somewhere.another(Deaf)
    try:
        buyer = await new_buyer(deaf)
        purchase_id = await buyer.buy(buyer.command("pm_card_visa"))
        assert (await buyer.purchase(purchase_id))["status"] == "processing"
        assert await buyer.credited() == []
        await buyer.purchasing.finish(buyer.household.tenant_id, purchase_id)
    finally:
        await deaf.close()
    assert (await buyer.purchase(purchase_id))["status"] == "completed"
    assert (await buyer.credited(), await buyer.charged()) == (CREDITED, [9500])


async def test_a_lost_answer_is_found_by_search_when_its_key_is_forgotten(
    somewhere: Somewhere, new_buyer: NewBuyer
) -> None:
    """A day later Stripe no longer knows the key: the payment is looked for, never made again."""
    deaf = somewhere.another(Deaf)
    try:
        buyer = await new_buyer(deaf)
        purchase_id = await buyer.buy(buyer.command("pm_card_visa"))
        assert await somewhere.seen(lambda: deaf.find_payment(purchase_id)), "Stripe's search lags"
        await buyer.inspector.execute(
            "UPDATE credit_purchases SET created_at = now() - interval '25 hours' WHERE id = $1", purchase_id
        )
        await buyer.purchasing.finish(buyer.household.tenant_id, purchase_id)
    finally:
        await deaf.close()
    assert (await buyer.purchase(purchase_id))["status"] == "completed"
    assert (await buyer.credited(), await buyer.charged()) == (CREDITED, [9500])
