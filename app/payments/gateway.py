"""The one door to Stripe: domain values in, the project's own outcomes out. No object of Stripe's library leaves it.

Stripe itself and the development sandbox differ by base URL and key alone.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.payments.outcomes import (
    BadSignature,
    GatewayError,
    GatewayUnavailable,
    IdempotencyMismatch,
    Outcome,
    PaymentMethod,
    Reachability,
    StripeEvent,
    Succeeded,
    Unknown,
    declined,
    outcome_of,
)

if TYPE_CHECKING:
    import stripe
    from stripe import StripeClient, StripeObject
    from stripe._v1_services import V1Services
    from stripe.params import PaymentIntentCreateParams

    from app.payments.transport import Transport

SIGNATURE_TOLERANCE_SECONDS = 300
_STRIPE_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


class Gateway:
    """Payments through Stripe. One HTTP client for its whole life; `close()` ends it.

    Every call is bounded: `timeout_seconds` for one attempt, and `max_network_retries` further attempts with the same
    idempotency key after a lost connection, a conflict or a server error.
    """

    def __init__(
        self,
        *,
        api_key: str,
        webhook_secret: str,
        api_base: str = "",
        timeout_seconds: float = 20.0,
        max_network_retries: int = 2,
    ) -> None:
        self._api_key = api_key
        self._webhook_secret = webhook_secret
        self._api_base = api_base.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._max_network_retries = max_network_retries
        self._http: Transport | None = None
        self._client: StripeClient | None = None

    async def open(self) -> None:
        """Load Stripe's library beside the event loop (about 0.4 s), so that the first payment need not wait for it."""
        await asyncio.to_thread(self._v1)

    async def close(self) -> None:
        """Close the connections to Stripe."""
        if self._http is not None:
            http, self._http, self._client = self._http, None, None
            await http.close_async()

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

    async def payment_method(self, payment_method_id: str) -> PaymentMethod | None:
        """The card behind the id, or None when there is no such card."""
        if not _STRIPE_ID.fullmatch(payment_method_id):
            return None
        try:
            found = await self._call(lambda v1: v1.payment_methods.retrieve_async(payment_method_id))
        except GatewayError as error:
            if error.code == "resource_missing":
                return None
            raise
        card = found.get("card")
        if card is None:
            return None
        return PaymentMethod(
            id=found["id"],
            customer_id=found.get("customer"),
            brand=card["brand"],
            last4=card["last4"],
            exp_month=card["exp_month"],
            exp_year=card["exp_year"],
        )

    def parse_event(self, raw_body: bytes, signature_header: str) -> StripeEvent:
        """Verify the signature over the raw bytes and its age (300 s), then read the event. Raises BadSignature."""
        stripe = _library()
        try:
            stripe.WebhookSignature.verify_header(
                raw_body, signature_header, self._webhook_secret, SIGNATURE_TOLERANCE_SECONDS
            )
            event: dict[str, Any] = json.loads(raw_body)
            about = event["data"]["object"]
            return StripeEvent(
                id=event["id"],
                type=event["type"],
                livemode=event["livemode"],
                created=event["created"],
                object_type=about["object"],
                object_id=about.get("id", ""),
                payload=event,
            )
        except stripe.SignatureVerificationError as error:
            raise BadSignature(error.user_message or "bad signature") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadSignature(f"The body is no event: {type(error).__name__}") from None

    async def reachable(self) -> Reachability:
        """Whether Stripe answers and accepts the key; for `portal doctor`. Changes nothing."""
        try:
            await self._call(lambda v1: v1.customers.list_async({"limit": 1}))
        except GatewayError as error:
            return Reachability(reachable=False, detail=str(error))
        return Reachability(reachable=True, detail=self._api_base or "https://api.stripe.com")

    async def _outcome(
        self, send: "Callable[[V1Services], Awaitable[StripeObject]]", payment_intent_id: str | None
    ) -> Outcome:
        """Send a request about one payment. An answer that never came is Unknown: the work may have been done."""
        stripe = _library()
        try:
            return outcome_of((await send(self._v1())).to_dict())
        except stripe.CardError as error:
            details = _error_details(error)
            intent = details.get("payment_intent") or {}
            return declined(details, intent.get("id", payment_intent_id))
        except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
            return Unknown(_lost(error), payment_intent_id)
        except stripe.StripeError as error:
            raise _refusal(error) from error

    async def _call(self, send: "Callable[[V1Services], Awaitable[StripeObject]]") -> dict[str, Any]:
        """Send a request that takes no money and return Stripe's object as a dict."""
        stripe = _library()
        try:
            return (await send(self._v1())).to_dict()
        except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
            raise GatewayUnavailable(_lost(error)) from error
        except stripe.StripeError as error:
            raise _refusal(error) from error

    def _v1(self) -> "V1Services":
        if self._client is None:
            stripe = _library()
            from app.payments.transport import Transport  # noqa: PLC0415 - it loads the library too

            self._http = Transport(self._timeout_seconds)
            self._client = stripe.StripeClient(
                self._api_key,
                base_addresses={"api": self._api_base} if self._api_base else None,
                http_client=self._http,
                max_network_retries=self._max_network_retries,
            )
        return self._client.v1


def _library() -> "ModuleType":
    """Stripe's library, loaded when it is first needed: it costs 0.4 s of start-up."""
    import stripe  # noqa: PLC0415

    stripe.enable_telemetry = False  # it would write an identifier into the home folder
    return stripe


def _error_details(error: "stripe.StripeError") -> dict[str, Any]:
    body = error.json_body
    details = body.get("error") if isinstance(body, dict) else None
    return details if isinstance(details, dict) else {}


def _lost(error: "stripe.StripeError") -> str:
    if error.http_status is None:
        return f"no answer from Stripe ({type(error.__cause__ or error).__name__})"
    return f"Stripe answered {error.http_status}: {error.user_message or error.code or 'no reason given'}"


def _refusal(error: "stripe.StripeError") -> GatewayError:
    stripe = _library()
    if isinstance(error, stripe.IdempotencyError):
        return IdempotencyMismatch(error.user_message or "The idempotency key was used before with other values")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # Stripe looks at the key first: this says nothing about what an earlier attempt has done.
        return GatewayUnavailable("Stripe does not accept the API key for this", code="api_key")
    return GatewayError(
        error.user_message or "Stripe refused the request", param=getattr(error, "param", None), code=error.code
    )
