"""SetupIntents: a card saved for later with the customer's bank. The page confirms them with the publishable key and the client secret."""

import hmac
from typing import Any

from app.embedded.stripe import customers, payment_methods
from app.embedded.stripe.calls import Call, Operation, expanded, get
from app.embedded.stripe.cards import Decline
from app.embedded.stripe.intents import check_cancelable, needs_return_url, unexpected_state
from app.embedded.stripe.parameters import Parameters, boolean, choice, metadata, text, texts, url
from app.embedded.stripe.refusals import Record, Refusal, documentation
from app.embedded.stripe.state import new_id

CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(call: Call) -> Record:
    """A new intent, tried at once with `confirm`."""
    given = call.parameters
    customer = customers.existing(call, given["customer"]) if "customer" in given else None
    confirmed = given.get("confirm", False)
    if "return_url" in given and not confirmed:
        raise Refusal("You can only provide `return_url` if you are also passing `confirm`=true.", param="return_url")
    method = None
    if "payment_method" in given:
        method = payment_methods.usable(
            call, given["payment_method"], customer["id"] if customer else None, "SetupIntent"
        )
    intent = call.state.add(_new_intent(call, given, customer, method))
    call.emit("setup_intent.created", intent)
    return expanded(call, _try(call, intent) if confirmed else intent)


def confirm(call: Call) -> Record:
    """Save the card: at once, after the bank's step, or not at all."""
    intent = _find(call)
    if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
        raise unexpected_state(
            f"You cannot confirm this SetupIntent because it has already {intent['status']}.", intent
        )
    if "payment_method" in call.parameters:
        method = payment_methods.usable(call, call.parameters["payment_method"], intent["customer"], "SetupIntent")
        intent["payment_method"] = method["id"]
    return expanded(call, _try(call, intent))


def retrieve(call: Call) -> Record:
    """One intent."""
    return expanded(call, _find(call))


def cancel(call: Call) -> Record:
    """Give an open intent up."""
    intent = _find(call)
    check_cancelable(intent, CANCELABLE)
    reason = call.parameters.get("cancellation_reason")
    intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    call.state.save(intent)
    call.emit("setup_intent.canceled", intent)
    return expanded(call, intent)


def authenticate(call: Call, intent: Record, *, passed: bool) -> Record:
    """End the 3-D Secure step. Nothing is raised: the customer's browser waits, not the merchant."""
    method = payment_methods.resolve(call, intent["payment_method"], "payment_method")
    decline = payment_methods.behaviour(call, method).saving_declined
    intent["next_action"] = None
    if not passed:
        code = "setup_intent_authentication_failure"
        message = (
            "The latest attempt to set up the payment method has failed because authentication failed. You can provide "
            "payment_method_data or a new PaymentMethod to attempt to fulfill this SetupIntent again."
        )
        error = {"code": code, "doc_url": documentation(code), "message": message, "type": "invalid_request_error"}
        return _fail(call, intent, method, error)
    if decline is not None:
        return _fail(call, intent, method, _card_error(decline))
    return _succeed(call, intent, method)


def _try(call: Call, intent: Record) -> Record:
    if intent["payment_method"] is None:
        raise unexpected_state(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a "
            "payment method and then confirm it again.",
            intent,
        )
    return_url = call.parameters.get("return_url")
    if intent["automatic_payment_methods"]["allow_redirects"] == "always" and return_url is None:
        raise needs_return_url("setup_intent")
    method = payment_methods.resolve(call, intent["payment_method"], "payment_method")
    card = payment_methods.behaviour(call, method)
    intent["latest_attempt"] = new_id("setatt_1", 23)
    if card.authentication != "none":
        return _ask_for_authentication(call, intent, return_url)
    if card.saving_declined is None:
        return _succeed(call, intent, method)
    error = _card_error(card.saving_declined)
    failed = _fail(call, intent, method, error)
    raise Refusal(
        error["message"],
        status=402,
        kind="card_error",
        code=error["code"],
        decline_code=error["decline_code"],
        kept=True,
        payment_method=method,
        setup_intent=failed,
    )


def _ask_for_authentication(call: Call, intent: Record, return_url: str | None) -> Record:
    page = f"{call.base_url}/3d-secure/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url:
        action: Record = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
    else:
        sdk = {"type": "three_d_secure_redirect", "stripe_js": page}
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    intent |= {"status": "requires_action", "next_action": action, "last_setup_error": None}
    call.state.save(intent)
    call.emit("setup_intent.requires_action", intent)
    return intent


def _succeed(call: Call, intent: Record, method: Record) -> Record:
    intent |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    call.state.save(intent)
    if intent["customer"] and method["customer"] is None:
        payment_methods.attach_to(call, method, intent["customer"])
    call.state.save_private(method["id"], set_up=intent["usage"] == "off_session")
    call.emit("setup_intent.succeeded", intent)
    return intent


def _fail(call: Call, intent: Record, method: Record, error: Record) -> Record:
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_setup_error": error | {"payment_method": method},
    }
    call.state.save(intent)
    call.emit("setup_intent.setup_failed", intent)
    return intent


def _card_error(decline: Decline) -> Record:
    return {
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": documentation(decline.code),
        "message": decline.message,
        "type": "card_error",
    }


# What a SetupIntent has, and the portal never sets.
_UNUSED: Record = {
    "application": None,
    "cancellation_reason": None,
    "customer_account": None,
    "excluded_payment_method_types": None,
    "flow_directions": None,
    "last_setup_error": None,
    "latest_attempt": None,
    "livemode": False,
    "mandate": None,
    "next_action": None,
    "on_behalf_of": None,
    "payment_method_configuration_details": None,
    "single_use_mandate": None,
}


def _new_intent(call: Call, given: dict[str, Any], customer: Record | None, method: Record | None) -> Record:
    intent_id = new_id("seti_1", 23)
    automatic = given.get("automatic_payment_methods", {"enabled": True})
    return _UNUSED | {
        "id": intent_id,
        "object": "setup_intent",
        "allowed_payment_method_types": given.get("allowed_payment_method_types"),
        "automatic_payment_methods": {"allow_redirects": "always"} | automatic,
        "client_secret": new_id(f"{intent_id}_secret_", 30),
        "created": call.state.now(),
        "customer": customer["id"] if customer else None,
        "description": given.get("description"),
        "metadata": given.get("metadata", {}),
        "payment_method": method["id"] if method else None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "status": "requires_confirmation" if method else "requires_payment_method",
        "usage": given.get("usage", "off_session"),
    }


def _find(call: Call) -> Record:
    """The intent that the path names. A page shows its client secret; without it the intent does not exist for a page."""
    intent = get(call, "setup_intent", call.path_ids[0], "intent")
    if call.publishable and not hmac.compare_digest(call.parameters.get("client_secret", ""), intent["client_secret"]):
        raise Refusal(f"No such setupintent: '{intent['id']}'", status=404, code="resource_missing", param="intent")
    return intent


_AUTOMATIC = Parameters({"enabled": boolean}, {"allow_redirects": choice("always", "never")})
_CREATE = Parameters(
    optional={
        "allowed_payment_method_types": texts,
        "automatic_payment_methods": _AUTOMATIC,
        "confirm": boolean,
        "customer": text,
        "description": text,
        "expand": texts,
        "metadata": metadata,
        "payment_method": text,
        "return_url": url,
        "usage": choice("off_session", "on_session"),
    }
)
_CONFIRM = Parameters(optional={"client_secret": text, "expand": texts, "payment_method": text, "return_url": url})
_RETRIEVE = Parameters(optional={"client_secret": text, "expand": texts})
_CANCEL = Parameters(
    optional={"cancellation_reason": choice("abandoned", "requested_by_customer", "duplicate"), "expand": texts}
)

OPERATIONS = (
    Operation("POST", "/v1/setup_intents", create, _CREATE),
    Operation("GET", "/v1/setup_intents/{}", retrieve, _RETRIEVE, publishable=True),
    Operation("POST", "/v1/setup_intents/{}/confirm", confirm, _CONFIRM, publishable=True),
    Operation("POST", "/v1/setup_intents/{}/cancel", cancel, _CANCEL),
)
