"""The one door to Stripe: domain values in, the project's own outcomes out. No object of Stripe's library leaves it.

Stripe itself and the development sandbox differ by base URL and key alone.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from app.payments import events
from app.payments.outcomes import (
    GatewayError,
    Outcome,
    Reachability,
    StripeEvent,
    Succeeded,
    outcome_of,
)
from app.payments.payment_lists import PaymentListCalls
from app.payments.payment_methods import PaymentMethodCalls
from app.payments.refunds import RefundCalls
from app.payments.subscriptions import SubscriptionCalls

if TYPE_CHECKING:
    import stripe
    from stripe.params import PaymentIntentCreateParams


class Gateway(PaymentMethodCalls, PaymentListCalls, RefundCalls, SubscriptionCalls):
    """Payments through Stripe: all its calls."""

    async def ensure_customer(self, *, tenant_id: UUID, pool_id: UUID, email: str, name: str) -> str:
        """Create the pool's customer and return its id; asked again within a day with the same values: the same one.

        The caller stores the id on the pool. The key covers e-mail and name too: after a change of either, Stripe would
        refuse the old key, and a second, unused customer does no harm.
        """
        digest = hashlib.sha256(f"{email}\0{name}".encode()).hexdigest()[:16]
        customer = await self._call(
            lambda v1: v1.customers.create_async(
                {"email": email, "name": name, "metadata": {"tenant_id": str(tenant_id), "pool_id": str(pool_id)}},
                {"idempotency_key": f"customer-{tenant_id}-{pool_id}-{digest}"},
            )
        )
        return str(customer["id"])

    async def charge(
        self,
        *,
        amount_cents: int,
        currency: str,
        customer_id: str,
        payment_method_id: str,
        idempotency_key: str,
        metadata: Mapping[str, str],
        description: str,
        return_url: str | None,
        off_session: bool = False,
    ) -> Outcome:
        """Take `amount_cents` now. The key must be stored before the call: the same key never charges twice.

        `return_url` is where the bank's page sends the customer back to; None, and always with `off_session`: no
        payment that needs one. `metadata` carries `purchase_id`, by which `find_payment` finds it. Raises GatewayError
        for a request that Stripe refuses, naming the parameter; its subclass GatewayUnavailable for a wrong API key.
        """
        if type(amount_cents) is not int or amount_cents <= 0:
            raise GatewayError(
                f"The amount must be a positive whole number of cents, not {amount_cents!r}", param="amount"
            )
        params: PaymentIntentCreateParams = {
            "amount": amount_cents,
            "currency": currency.lower(),
            "customer": customer_id,
            "payment_method": payment_method_id,
            "confirm": True,
            "description": description,
            "metadata": dict(metadata),
            "expand": ["latest_charge"],
        }
        if return_url and not off_session:
            params["automatic_payment_methods"] = {"enabled": True}
            params["return_url"] = return_url
        else:
            params["automatic_payment_methods"] = {"enabled": True, "allow_redirects": "never"}
        if off_session:
            params["off_session"] = True
        options: stripe.RequestOptions = {"idempotency_key": idempotency_key}
        return await self._outcome(lambda v1: v1.payment_intents.create_async(params, options), None)

    async def payment(self, payment_intent_id: str) -> Outcome:
        """What the payment has come to by now: the truth for webhooks and reconciliation."""
        return await self._outcome(
            lambda v1: v1.payment_intents.retrieve_async(payment_intent_id, {"expand": ["latest_charge"]}),
            payment_intent_id,
        )

    async def find_payment(self, purchase_id: UUID) -> Outcome | None:
        """The payment whose metadata carries this `purchase_id`; None when there is none.

        For purchases older than an idempotency key lives (24 h): Stripe's search lags a minute, in outages an hour.
        """
        query = f"metadata['purchase_id']:'{purchase_id}'"
        found = await self._call(
            lambda v1: v1.payment_intents.search_async({"query": query, "expand": ["data.latest_charge"]})
        )
        outcomes = [outcome_of(intent) for intent in found["data"]]
        taken = [outcome for outcome in outcomes if isinstance(outcome, Succeeded)]
        return next(iter(taken + outcomes), None)

    async def cancel(self, payment_intent_id: str) -> Outcome:
        """Give the payment up as abandoned. One that has ended already keeps its end, which is what comes back."""
        try:
            return await self._outcome(
                lambda v1: v1.payment_intents.cancel_async(payment_intent_id, {"cancellation_reason": "abandoned"}),
                payment_intent_id,
            )
        except GatewayError as error:
            if error.code != "payment_intent_unexpected_state":
                raise
            return await self.payment(payment_intent_id)

    def parse_event(self, raw_body: bytes, signature_header: str) -> StripeEvent:
        """Verify the signature over the raw bytes and its age (300 s), then read the event. Raises BadSignature or BadEvent."""
        events.verify(raw_body, signature_header, self._webhook_secret)
        return events.read(raw_body)

    async def reachable(self) -> Reachability:
        """Whether Stripe answers and accepts the key; for `portal doctor`. Changes nothing."""
        try:
            await self._call(lambda v1: v1.customers.list_async({"limit": 1}))
        except GatewayError as error:
            return Reachability(reachable=False, detail=str(error))
        return Reachability(reachable=True, detail=self._api_base or "https://api.stripe.com")
