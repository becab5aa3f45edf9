"""Cards at Stripe: set up for later with the bank, listed, made the default, taken away. Stripe is the truth; nothing is copied."""

import re
from typing import Any
from uuid import UUID

from app.payments.connection import StripeConnection
from app.payments.outcomes import GatewayError, PaymentMethod, Setup, setup_of

MAX_CARDS = 100  # of one customer: what one page of Stripe's list holds
_STRIPE_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


class PaymentMethodCalls(StripeConnection):
    """Every call raises GatewayUnavailable when nobody knows whether it was done, and GatewayError when Stripe refuses it."""

    async def start_setup(self, *, tenant_id: UUID, pool_id: UUID, customer_id: str) -> Setup:
        """Begin to save a card for payments without the customer at hand. The page confirms it with the client secret."""
        made = await self._call(
            lambda v1: v1.setup_intents.create_async(
                {
                    "customer": customer_id,
                    "usage": "off_session",
                    "automatic_payment_methods": {"enabled": True},
                    "allowed_payment_method_types": ["card"],
                    "metadata": {"tenant_id": str(tenant_id), "pool_id": str(pool_id)},
                }
            )
        )
        return setup_of(made)

    async def setup(self, setup_id: str) -> Setup | None:
        """How far it has come, or None when there is no such setup."""
        found = await self._found(setup_id, lambda v1: v1.setup_intents.retrieve_async(setup_id))
        return None if found is None else setup_of(found)

    async def payment_method(self, payment_method_id: str) -> PaymentMethod | None:
        """The card behind the id, or None when there is no such card."""
        found = await self._found(
            payment_method_id,
            lambda v1: v1.payment_methods.retrieve_async(payment_method_id, {"expand": ["customer"]}),
        )
        return None if found is None or found.get("card") is None else _card(found)

    async def payment_methods(self, customer_id: str) -> list[PaymentMethod]:
        """The customer's cards, the newest first; none of a customer who is gone."""
        found = await self._found(
            customer_id,
            lambda v1: v1.customers.payment_methods.list_async(
                customer_id, {"type": "card", "limit": MAX_CARDS, "expand": ["data.customer"]}
            ),
        )
        return [] if found is None else [_card(one) for one in found["data"]]

    async def make_default(self, customer_id: str, payment_method_id: str) -> None:
        """From now on invoices are paid with this card of the customer's."""
        await self._call(
            lambda v1: v1.customers.update_async(
                customer_id, {"invoice_settings": {"default_payment_method": payment_method_id}}
            )
        )

    async def detach(self, payment_method_id: str) -> None:
        """Take a card away from its customer, for good. One that is nobody's already stays so."""
        try:
            await self._call(lambda v1: v1.payment_methods.detach_async(payment_method_id))
        except GatewayError:
            found = await self.payment_method(payment_method_id)
            if found is not None and found.customer_id is not None:
                raise

    async def _found(self, stripe_id: str, send: Any) -> dict[str, Any] | None:
        """What an id names, or None: it names nothing, or is no id that may stand in an address."""
        if not _STRIPE_ID.fullmatch(stripe_id):
            return None
        try:
            return await self._call(send)
        except GatewayError as error:
            if error.code == "resource_missing":
                return None
            raise


def _card(found: dict[str, Any]) -> PaymentMethod:
    """A card with its customer expanded."""
    card, customer = found["card"], found.get("customer") or {}
    return PaymentMethod(
        id=found["id"],
        customer_id=customer.get("id"),
        brand=card["brand"],
        last4=card["last4"],
        exp_month=card["exp_month"],
        exp_year=card["exp_year"],
        is_default=(customer.get("invoice_settings") or {}).get("default_payment_method") == found["id"],
    )
