"""The connection to Stripe: one client, bounded waits, and Stripe's errors as the project's own. The calls stand in one file a noun,
each a class over this one; `Gateway` joins them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from app.payments.outcomes import (
    GatewayError,
    GatewayUnavailable,
    IdempotencyMismatch,
    Outcome,
    Unknown,
    declined,
    outcome_of,
)

if TYPE_CHECKING:
    import stripe
    from stripe import StripeClient, StripeObject
    from stripe._v1_services import V1Services

    from app.payments.transport import Transport

PAGE = 100  # entries: what Stripe gives at once


class StripeConnection:
    """One HTTP client for its whole life; `close()` ends it.

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

    async def _outcome(
        self, send: "Callable[[V1Services], Awaitable[StripeObject]]", payment_intent_id: str | None
    ) -> Outcome:
        """Send a request about one payment. An answer that never came is Unknown: the work may have been done."""
        stripe = library()
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
        stripe = library()
        try:
            return (await send(self._v1())).to_dict()
        except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
            raise GatewayUnavailable(_lost(error)) from error
        except stripe.StripeError as error:
            raise _refusal(error) from error

    async def _all(self, page: Any) -> list[dict[str, Any]]:
        """All pages of a list, the newest first. `page` takes a page's parameters and gives what sends them."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"starting_after": found[-1]["id"]} if found else {}
            answer = await self._call(page({"limit": PAGE, **after}))
            found += answer["data"]
            if not answer["has_more"]:
                return found

    def _v1(self) -> "V1Services":
        if self._client is None:
            stripe = library()
            from app.payments.transport import Transport  # noqa: PLC0415 - it loads the library too

            self._http = Transport(self._timeout_seconds)
            self._client = stripe.StripeClient(
                self._api_key,
                base_addresses={"api": self._api_base} if self._api_base else None,
                http_client=self._http,
                max_network_retries=self._max_network_retries,
            )
        return self._client.v1


def library() -> "ModuleType":
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
    stripe = library()
    if isinstance(error, stripe.IdempotencyError):
        return IdempotencyMismatch(error.user_message or "The idempotency key was used before with other values")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # Stripe looks at the key first: this says nothing about what an earlier attempt has done.
        return GatewayUnavailable("Stripe does not accept the API key for this", code="api_key")
    return GatewayError(
        error.user_message or "Stripe refused the request", param=getattr(error, "param", None), code=error.code
    )
