"""Charges as the portal makes them, for tests: each with a customer, a key and a purchase of its own unless told otherwise."""

from typing import Any
from uuid import uuid4

from app.payments.gateway import Gateway
from app.payments.outcomes import Outcome

RETURN_URL = "http://portal.example/buy?purchase=7"


async def customer_of(gateway: Gateway) -> str:
    """A customer of a pool that nobody else has."""
    return await gateway.ensure_customer(tenant_id=uuid4(), pool_id=uuid4(), email="owner@example.com", name="Owner")


async def charge(gateway: Gateway, **changes: Any) -> Outcome:
    """Charge $95.00 to a good card, but for what is changed."""
    given: dict[str, Any] = {
        "amount_cents": 9500,
        "currency": "USD",
        "payment_method_id": "pm_card_visa",
        "idempotency_key": str(uuid4()),
        "metadata": {"purchase_id": str(uuid4())},
        "description": "10 credits",
        "return_url": RETURN_URL,
    } | changes
    if "customer_id" not in given:
        given["customer_id"] = await customer_of(gateway)
    return await gateway.charge(**given)


def one_purchase(customer_id: str) -> dict[str, Any]:
    """What stays the same when the same purchase is charged again."""
    return {
        "idempotency_key": str(uuid4()),
        "customer_id": customer_id,
        "metadata": {"purchase_id": str(uuid4())},
    }
