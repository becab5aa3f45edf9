"""What a payment came to, in the project's own words. Nothing here knows Stripe's library.

Amounts are whole cents, currencies lower-case ISO 4217 codes as Stripe writes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money was taken. `receipt_url` is Stripe's hosted receipt."""

    payment_intent_id: str
    charge_id: str | None
    receipt_url: str | None
    amount_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class RequiresAction:
    """The customer's bank asks for a step (3-D Secure). `redirect_url` leads there and back to the return URL."""

    payment_intent_id: str
    client_secret: str
    redirect_url: str | None


@dataclass(frozen=True, slots=True)
class Processing:
    """Accepted, not settled yet: a webhook brings the end."""

    payment_intent_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    """No money was taken. `code` and `decline_code` are Stripe's; `authentication_required` is a code of its own."""

    payment_intent_id: str | None
    code: str
    decline_code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Canceled:
    """The payment was given up before any money was taken."""

    payment_intent_id: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows yet whether money was taken: ask again with the same idempotency key; it is no failure."""

    reason: str
    payment_intent_id: str | None


Outcome: TypeAlias = Succeeded | RequiresAction | Processing | Declined | Canceled | Unknown


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A card as far as it may be shown. `customer_id` is None as long as it belongs to nobody."""

    id: str
    customer_id: str | None
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool = False  # of its customer, for invoices


class SetupStatus(StrEnum):
    """How far the saving of a card has come, in Stripe's words."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Setup:
    """A card on its way to being saved. `redirect_url` leads to the bank's step; `code` and `decline_code` say why it failed."""

    id: str
    status: SetupStatus
    customer_id: str | None
    client_secret: str
    payment_method_id: str | None
    redirect_url: str | None
    code: str | None
    decline_code: str | None


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """A webhook whose signature was right. `payload` is the whole event; `object_*` name what it speaks about."""

    id: str
    type: str
    livemode: bool
    created: int  # seconds since 1970
    account: str | None  # the connected account that it comes from; None: the endpoint's own
    object_type: str
    object_id: str
    payload: dict[str, Any]
    text: str  # the same as JSON that PostgreSQL takes


@dataclass(frozen=True, slots=True)
class Reachability:
    """Whether Stripe answered with the configured key, and what it said when not."""

    reachable: bool
    detail: str


class GatewayError(Exception):
    """Stripe refused the request itself; no money was taken by it. `param` names the parameter, if one was at fault."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(f"{message} (parameter: {param})" if param else message)
        self.message = message
        self.param = param
        self.code = code


class IdempotencyMismatch(GatewayError):
    """The key was used before with other values: what the first request did stays as it is."""


class GatewayUnavailable(GatewayError):
    """Stripe could not be reached or did not accept the API key: nothing is known of what was asked."""


class EventRefused(Exception):
    """A webhook that is not taken. `reason` is a sentence for whoever reads the answer; it quotes nothing of the body."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadSignature(EventRefused):
    """Stripe did not sign it, or signed it too long ago."""


class BadEvent(EventRefused):
    """The bytes are no event of Stripe's."""


def outcome_of(intent: Mapping[str, Any]) -> Outcome:
    """Read a PaymentIntent, as Stripe's API and webhooks show it, with `latest_charge` as an id or expanded."""
    intent_id: str = intent["id"]
    match intent["status"]:
        case "succeeded":
            charge = intent.get("latest_charge")
            expanded = charge if isinstance(charge, Mapping) else {"id": charge}
            return Succeeded(
                payment_intent_id=intent_id,
                charge_id=expanded.get("id"),
                receipt_url=expanded.get("receipt_url"),
                amount_cents=intent["amount_received"],
                currency=intent["currency"],
            )
        case "requires_action":
            redirect = (intent.get("next_action") or {}).get("redirect_to_url") or {}
            return RequiresAction(intent_id, intent["client_secret"], redirect.get("url"))
        case "processing":
            return Processing(intent_id)
        case "requires_payment_method":
            return declined(intent.get("last_payment_error") or {}, intent_id)
        case "canceled":
            return Canceled(intent_id, intent.get("cancellation_reason"))
        case status:
            # requires_confirmation and requires_capture: the gateway never leaves an intent there on purpose.
            return Unknown(f"the payment is {status}", intent_id)


def declined(error: Mapping[str, Any], payment_intent_id: str | None) -> Declined:
    """Read Stripe's error object of a refused card."""
    return Declined(
        payment_intent_id=payment_intent_id,
        code=error.get("code") or "payment_failed",
        decline_code=error.get("decline_code"),
        message=error.get("message") or "The payment was not completed.",
    )


def setup_of(intent: Mapping[str, Any]) -> Setup:
    """Read a SetupIntent."""
    error = intent.get("last_setup_error") or {}
    redirect = (intent.get("next_action") or {}).get("redirect_to_url") or {}
    return Setup(
        id=intent["id"],
        status=SetupStatus(intent["status"]),
        customer_id=intent.get("customer"),
        client_secret=intent["client_secret"],
        payment_method_id=intent.get("payment_method"),
        redirect_url=redirect.get("url"),
        code=error.get("code"),
        decline_code=error.get("decline_code"),
    )
