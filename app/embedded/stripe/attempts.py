"""What happens to a PaymentIntent: an attempt to pay, the bank's 3-D Secure step, the end of a payment in processing."""

from app.embedded.stripe import charges, disputes, payment_methods
from app.embedded.stripe.calls import Call
from app.embedded.stripe.cards import AUTHENTICATION_REQUIRED, GENERIC, Decline, TestCard
from app.embedded.stripe.refusals import Record, Refusal, documentation

SETTLES_AFTER_SECONDS = 10


def confirm(call: Call, intent: Record, *, off_session: bool, return_url: str | None) -> Record:
    """Try to take the money with the intent's payment method. A refused card is a kept Refusal (402)."""
    method = payment_methods.resolve(call, intent["payment_method"], "payment_method")
    card = payment_methods.behaviour(call, method)
    if method["customer"] is None:
        # One attempt, and an unattached payment method can't be used for another payment.
        call.state.save_private(method["id"], used_up=True)
    if _needs_authentication(call, card, method, off_session=off_session):
        if off_session:
            raise _refused(call, intent, method, AUTHENTICATION_REQUIRED)
        return _ask_for_authentication(call, intent, return_url)
    if card.decline:
        raise _refused(call, intent, method, card.decline)
    if card.processing:
        return _start_processing(call, intent, method)
    return _succeed(call, intent, method)


def authenticate(call: Call, intent: Record, *, passed: bool) -> Record:
    """End the 3-D Secure step. Nothing is raised: the customer's browser waits, not the merchant."""
    method = payment_methods.resolve(call, intent["payment_method"], "payment_method")
    card = payment_methods.behaviour(call, method)
    intent["next_action"] = None
    if not passed:
        message = (
            "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
            "PaymentMethod to attempt to fulfill this PaymentIntent again."
        )
        code = "payment_intent_authentication_failure"
        error = {"code": code, "doc_url": documentation(code), "message": message, "type": "invalid_request_error"}
        return _fail(call, intent, method, error)
    if card.decline:
        return _fail(call, intent, method, _charge_failed(call, intent, method, card.decline))
    return _succeed(call, intent, method)


def settle(call: Call, intent: Record, *, succeeded: bool) -> Record:
    """End a payment in processing."""
    charge = call.state.find("charge", intent["latest_charge"])
    if charge is None or intent["status"] != "processing":
        raise Refusal(f"The payment {intent['id']} is not in processing: {intent['status']}", param="payment_intent")
    method = payment_methods.resolve(call, intent["payment_method"], "payment_method")
    charges.settle(call, charge, None if succeeded else GENERIC)
    if succeeded:
        return _finish(call, intent, method)
    return _fail(call, intent, method, _card_error(GENERIC, charge))


def settle_due(call: Call) -> None:
    """End every payment in processing whose time has come."""
    for intent in call.state.with_status("payment_intent", "processing"):
        if call.state.private(intent["id"])["settles_at"] <= call.state.clock():
            settle(call, intent, succeeded=True)


def _needs_authentication(call: Call, card: TestCard, method: Record, *, off_session: bool) -> bool:
    if card.authentication == "until_set_up":
        return not (off_session and call.state.private(method["id"]).get("set_up"))
    return card.authentication == "always"


def _ask_for_authentication(call: Call, intent: Record, return_url: str | None) -> Record:
    page = f"{call.base_url}/3d-secure/{intent['id']}?client_secret={intent['client_secret']}"
    intent["status"] = "requires_action"
    if return_url:
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": page},
        }
    else:
        intent["next_action"] = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page},
        }
    call.state.save(intent)
    call.emit("payment_intent.requires_action", intent)
    return intent


def _start_processing(call: Call, intent: Record, method: Record) -> Record:
    intent["status"] = "processing"
    call.state.save_private(intent["id"], settles_at=call.state.clock() + SETTLES_AFTER_SECONDS)
    intent["latest_charge"] = charges.attempt(call, intent, method, status="pending")["id"]
    call.state.save(intent)
    call.emit("payment_intent.processing", intent)
    return intent


def _succeed(call: Call, intent: Record, method: Record) -> Record:
    intent["latest_charge"] = charges.attempt(call, intent, method, status="succeeded")["id"]
    return _finish(call, intent, method)


def _finish(call: Call, intent: Record, method: Record) -> Record:
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "next_action": None,
    }
    call.state.save(intent)
    if intent["setup_future_usage"] and intent["customer"]:
        if method["customer"] is None:
            payment_methods.attach_to(call, method, intent["customer"])
        call.state.save_private(method["id"], used_up=False, set_up=intent["setup_future_usage"] == "off_session")
    call.emit("payment_intent.succeeded", intent)
    _dispute(call, intent, payment_methods.behaviour(call, method))
    return intent


def _dispute(call: Call, intent: Record, card: TestCard) -> None:
    charge = call.state.find("charge", intent["latest_charge"]) if card.dispute else None
    if charge is not None:
        inquiry = card.dispute == "inquiry"
        disputes.open_dispute(call, charge, reason="fraudulent" if inquiry else str(card.dispute), inquiry=inquiry)


def _refused(call: Call, intent: Record, method: Record, decline: Decline) -> Refusal:
    """Stripe's 402: what happened is kept, and the intent can be tried again with another payment method."""
    error = _charge_failed(call, intent, method, decline)
    failed = _fail(call, intent, method, error)
    details = {name: value for name, value in error.items() if name in {"charge", "decline_code"}}
    return Refusal(
        decline.message,
        status=402,
        kind="card_error",
        code=decline.code,
        kept=True,
        payment_intent=failed,
        payment_method=method,
        **details,
    )


def _charge_failed(call: Call, intent: Record, method: Record, decline: Decline) -> Record:
    charge = charges.attempt(call, intent, method, status="failed", decline=decline)
    intent["latest_charge"] = charge["id"]
    return _card_error(decline, charge)


def _card_error(decline: Decline, charge: Record) -> Record:
    return {
        "charge": charge["id"],
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": documentation(decline.code),
        "message": decline.message,
        "type": "card_error",
    }


def _fail(call: Call, intent: Record, method: Record, error: Record) -> Record:
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": error | {"payment_method": method},
    }
    call.state.save(intent)
    call.emit("payment_intent.payment_failed", intent)
    return intent
