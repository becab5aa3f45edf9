"""What PaymentIntents and SetupIntents refuse in the same words."""

from collections.abc import Sequence
from typing import Any

from app.embedded.stripe.refusals import Record, Refusal

_NAMES = {"payment_intent": "PaymentIntent", "setup_intent": "SetupIntent"}


def unexpected_state(message: str, intent: Record) -> Refusal:
    """The intent does not stand so that this could be done."""
    kind = intent["object"]
    about: dict[str, Any] = {kind: intent}
    return Refusal(message, code=f"{kind}_unexpected_state", **about)


def check_cancelable(intent: Record, statuses: Sequence[str]) -> None:
    """Raises Refusal when the intent has come further than these."""
    if intent["status"] not in statuses:
        name = _NAMES[intent["object"]]
        message = (
            f"You cannot cancel this {name} because it has a status of {intent['status']}. Only a {name} with "
            f"one of the following statuses may be canceled: {', '.join(statuses)}."
        )
        raise unexpected_state(message, intent)


def needs_return_url(kind: str) -> Refusal:
    """The customer may be sent to another page, and nobody says where to come back to."""
    message = (
        f"This {_NAMES[kind]} is configured to accept payment methods enabled in your Dashboard. Because some of these "
        "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want "
        "to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
        "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
    )
    return Refusal(message, param="return_url")
