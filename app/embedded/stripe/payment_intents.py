"""PaymentIntents: create, confirm, retrieve, cancel, search."""

import re
from typing import Any

from app.embedded.stripe import attempts, customers, payment_methods
from app.embedded.stripe.calls import LIST_PARAMETERS, Call, Operation, created, expanded, get, listed
from app.embedded.stripe.intents import check_cancelable, needs_return_url, unexpected_state
from app.embedded.stripe.parameters import Parameters, boolean, choice, integer, metadata, text, texts, url
from app.embedded.stripe.refusals import Record, Refusal
from app.embedded.stripe.state import new_id

SMALLEST_CENTS = {"usd": 50, "eur": 50, "gbp": 30, "cad": 50, "aud": 50, "chf": 50}
LARGEST_CENTS = 99_999_999
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
_METADATA_QUERY = re.compile(r"""metadata\[(["'])([^"'\\]{1,40})\1\]:(["'])([^"'\\]{1,500})\3""")


def create(call: Call) -> Record:
    """A new intent, tried at once with `confirm`."""
    given = call.parameters
    _check_amount(given["amount"], given["currency"])
    _check_confirmation(given)
    customer = customers.existing(call, given["customer"]) if "customer" in given else None
    method = None
    if "payment_method" in given:
        method = payment_methods.usable(call, given["payment_method"], customer["id"] if customer else None)
    intent = call.state.add(_new_intent(call, given, customer, method))
    call.emit("payment_intent.created", intent)
    if not given.get("confirm", False):
        return expanded(call, intent)
    if method is None:
        raise _no_payment_method(intent)
    confirmed = attempts.confirm(
        call, intent, off_session=given.get("off_session", False), return_url=given.get("return_url")
    )
    return expanded(call, confirmed)


def confirm(call: Call) -> Record:
    """Try an intent that is still open."""
    given = call.parameters
    intent = _find(call)
    if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
        raise unexpected_state(
            f"You cannot confirm this PaymentIntent because it has already {intent['status']} after being previously "
            "confirmed.",
            intent,
        )
    if "payment_method" in given:
        intent["payment_method"] = payment_methods.usable(call, given["payment_method"], intent["customer"])["id"]
    if intent["payment_method"] is None:
        raise _no_payment_method(intent)
    if (intent["automatic_payment_methods"] or {}).get("allow_redirects") == "always" and "return_url" not in given:
        raise needs_return_url("payment_intent")
    confirmed = attempts.confirm(
        call, intent, off_session=given.get("off_session", False), return_url=given.get("return_url")
    )
    return expanded(call, confirmed)


def retrieve(call: Call) -> Record:
    """One intent."""
    return expanded(call, _find(call))


def cancel(call: Call) -> Record:
    """Give an open intent up."""
    intent = _find(call)
    check_cancelable(intent, CANCELABLE)
    intent |= {
        "status": "canceled",
        "canceled_at": call.state.now(),
        "cancellation_reason": call.parameters.get("cancellation_reason"),
        "next_action": None,
    }
    call.state.save(intent)
    call.emit("payment_intent.canceled", intent)
    return expanded(call, intent)


def list_intents(call: Call) -> Record:
    """The intents, of a customer or of a time if named, the newest first."""
    return listed(
        call, list(call.state.newest("payment_intent", call.parameters.get("customer"))), "/v1/payment_intents"
    )


def search(call: Call) -> Record:
    """Of Stripe's query language the one clause that is used here: metadata['key']:'value'."""
    query = call.parameters["query"]
    match = _METADATA_QUERY.fullmatch(query)
    if match is None:
        raise Refusal(f"We were unable to parse your search query: {query}", param="query")
    key, value = match[2], match[4]
    found = [intent for intent in call.state.newest("payment_intent") if intent["metadata"].get(key) == value]
    limit = call.parameters.get("limit", 10)
    page: Record = {
        "object": "search_result",
        "url": "/v1/payment_intents/search",
        "has_more": len(found) > limit,
        "data": found[:limit],
        "next_page": None,
    }
    return expanded(call, page)


def _find(call: Call) -> Record:
    return get(call, "payment_intent", call.path_ids[0], "intent")


def _check_amount(amount: int, currency: str) -> None:
    if amount < 1:
        raise Refusal(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    smallest = SMALLEST_CENTS.get(currency)
    if smallest is None:
        known = ", ".join(SMALLEST_CENTS)
        raise Refusal(
            f"Invalid currency: {currency}. Stripe currently supports these currencies: {known}", param="currency"
        )
    if amount < smallest:
        least = f"Amount must be at least ${smallest / 100:.2f} {currency}"
        raise Refusal(least, code="amount_too_small", param="amount")
    if amount > LARGEST_CENTS:
        most = f"Amount must be no more than ${LARGEST_CENTS / 100:,.2f} {currency}"
        raise Refusal(most, code="amount_too_large", param="amount")


def _check_confirmation(given: dict[str, Any]) -> None:
    confirmed = given.get("confirm", False)
    for name in ("return_url", "off_session"):
        if name in given and not confirmed:
            raise Refusal(f"You can only provide `{name}` if you are also passing `confirm`=true.", param=name)
    automatic = given.get("automatic_payment_methods", {"enabled": True})
    redirects = automatic["enabled"] and automatic.get("allow_redirects", "always") == "always"
    if confirmed and redirects and "return_url" not in given:
        raise needs_return_url("payment_intent")


# What a PaymentIntent has, and the portal never sets.
_UNUSED: Record = {
    "amount_capturable": 0,
    "application": None,
    "application_fee_amount": None,
    "customer_account": None,
    "excluded_payment_method_types": None,
    "livemode": False,
    "on_behalf_of": None,
    "payment_method_configuration_details": None,
    "processing": None,
    "review": None,
    "shipping": None,
    "source": None,
    "statement_descriptor": None,
    "transfer_data": None,
    "transfer_group": None,
}


def _new_intent(call: Call, given: dict[str, Any], customer: Record | None, method: Record | None) -> Record:
    intent_id = new_id("pi_3", 23)
    automatic = given.get("automatic_payment_methods", {"enabled": True})
    return _UNUSED | {
        "id": intent_id,
        "object": "payment_intent",
        "amount": given["amount"],
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": {"allow_redirects": "always"} | automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": new_id(f"{intent_id}_secret_", 25),
        "confirmation_method": "automatic",
        "created": call.state.now(),
        "currency": given["currency"],
        "customer": customer["id"] if customer else None,
        "description": given.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "metadata": given.get("metadata", {}),
        "next_action": None,
        "payment_method": method["id"] if method else None,
        "payment_method_options": {
            "card": {"installments": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "receipt_email": given.get("receipt_email"),
        "setup_future_usage": given.get("setup_future_usage"),
        "statement_descriptor_suffix": given.get("statement_descriptor_suffix"),
        "status": "requires_confirmation" if method else "requires_payment_method",
    }


def _no_payment_method(intent: Record) -> Refusal:
    return unexpected_state(
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
        "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment "
        "method or ConfirmationToken.",
        intent,
    )


def _currency(name: str, raw: Any) -> str:
    return text(name, raw).lower()


_AUTOMATIC = Parameters({"enabled": boolean}, {"allow_redirects": choice("always", "never")})
_ATTEMPT = {"payment_method": text, "off_session": boolean, "return_url": url, "expand": texts}
_CREATE = Parameters(
    {"amount": integer, "currency": _currency},
    _ATTEMPT
    | {
        "automatic_payment_methods": _AUTOMATIC,
        "confirm": boolean,
        "customer": text,
        "description": text,
        "metadata": metadata,
        "receipt_email": text,
        "setup_future_usage": choice("off_session", "on_session"),
        "statement_descriptor_suffix": text,
    },
)
_CANCEL = {
    "cancellation_reason": choice("duplicate", "fraudulent", "requested_by_customer", "abandoned"),
    "expand": texts,
}
_LIST = LIST_PARAMETERS | {"customer": text, "created": created}
_SEARCH = Parameters({"query": text}, {"limit": integer, "expand": texts})

OPERATIONS = (
    Operation("POST", "/v1/payment_intents", create, _CREATE),
    Operation("GET", "/v1/payment_intents", list_intents, Parameters(optional=_LIST)),
    Operation("GET", "/v1/payment_intents/search", search, _SEARCH),
    Operation("GET", "/v1/payment_intents/{}", retrieve, Parameters(optional={"expand": texts})),
    Operation("POST", "/v1/payment_intents/{}/confirm", confirm, Parameters(optional=_ATTEMPT)),
    Operation("POST", "/v1/payment_intents/{}/cancel", cancel, Parameters(optional=_CANCEL)),
)
