"""A household with cards at Stripe, for tests of them: its documents, its ways of asking, and the proof that nothing has changed."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg

from app.payments.gateway import Gateway
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.portal import Portal, node_id, pool_id
from tests.graphql.rows import everything
from tests.payments.sandbox import Sandbox

CARDS = """
query Cards($id: ID!) { pool(id: $id) { id name
  paymentMethods { id brand last4 expiresOn expiry isDefault usedBy } } }
"""
SETUP = """
mutation Setup($pool: ID!) { paymentMethodSetup(poolId: $pool) {
  setup { id status nextActionUrl failureReason } clientSecret pool { id } userErrors { code path message messageKey } } }
"""
FINISH = """
mutation Finish($id: ID!) { paymentMethodSetupFinish(id: $id) {
  setup { id status nextActionUrl failureReason } clientSecret pool { id paymentMethods { id isDefault } }
  userErrors { code path message messageKey } } }
"""
DEFAULT = """
mutation Default($id: ID!) { paymentMethodMakeDefault(id: $id) {
  pool { id paymentMethods { id isDefault } } userErrors { code path message messageKey } } }
"""
REMOVE = """
mutation Remove($id: ID!) { paymentMethodRemove(id: $id) {
  pool { id paymentMethods { id isDefault } } userErrors { code path message messageKey } } }
"""
NO_CARD = {
    "code": "NOT_FOUND",
    "path": ["id"],
    "message": "There is no such payment method.",
    "messageKey": "error.not_found",
}
THREE_D_SECURE, DECLINED = "4000002760003184", "4000000000000002"


@dataclass
class Purse:
    """A household with a customer at Stripe, without a subscription that must be paid."""

    portal: Portal
    sandbox: Sandbox
    household: Household
    customer_id: str

    async def ask(self, document: str, name: str = "olivia", **variables: Any) -> dict[str, Any]:
        answer = await self.portal.ask(self.household, name, document, **variables)
        payload: dict[str, Any] = next(iter(answer.data.values()))
        return payload

    async def cards(self, name: str = "olivia") -> list[dict[str, Any]] | None:
        pool = await self.ask(CARDS, name, id=pool_id(self.household))
        found: list[dict[str, Any]] | None = pool["paymentMethods"]
        return found

    async def saved(self, number: str = "4242424242424242", **options: Any) -> str:
        """A card of the pool's; its node id."""
        return node_id("PaymentMethod", await self.sandbox.saved_card(self.customer_id, number, **options))

    async def kept(self) -> list[str]:
        """What Stripe has, whatever the portal says."""
        answer = await self.sandbox.raw.get(f"/v1/customers/{self.customer_id}/payment_methods")
        return [one["id"] for one in answer.raise_for_status().json()["data"]]


async def new_purse(portal: Portal, database: Database, sandbox: Sandbox, gateway: Gateway, **options: Any) -> Purse:
    customer_id = await gateway.ensure_customer(
        tenant_id=uuid4(), pool_id=uuid4(), email="olivia@example.com", name="Household"
    )
    given: dict[str, Any] = {"tier": "FREE", "stripe_customer_id": customer_id} | options
    return Purse(portal, sandbox, await make_household(database, **given), customer_id)


async def refused(
    purse: Purse, rows: asyncpg.Connection, document: str, name: str = "olivia", **given: Any
) -> dict[str, Any]:
    """The one error of a change that changes nothing, neither here nor at Stripe."""
    before, events = await everything(rows, purse.household), len(await purse.sandbox.events())
    payload = await purse.ask(document, name, **given)
    assert payload["pool"] is None
    (error,) = payload["userErrors"]
    assert await everything(rows, purse.household) == before
    assert len(await purse.sandbox.events()) == events
    found: dict[str, Any] = error
    return found
