"""What Stripe's events mean here. The payload only says where to look: the payment itself is fetched anew (ruling 21)."""

from typing import Any
from uuid import UUID

import structlog

from app.payments.gateway import Gateway
from app.payments.outcomes import Unknown
from app.services.purchases import Purchasing

log = structlog.get_logger("stripe_events")

PAYMENT_EVENTS = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.canceled",
    }
)


class NotAnswered(Exception):
    """Stripe did not say what became of the payment: try again."""


async def handle(event: dict[str, Any], gateway: Gateway, purchasing: Purchasing) -> None:
    """Handle one event; any order, any number of times. An unknown type, or a payment of somebody else's, is no error."""
    if event["type"] not in PAYMENT_EVENTS:
        log.info("stripe_event.ignored", event_type=event["type"], event_id=event["id"])
        return
    intent = event["data"]["object"]
    purchase = _purchase_of(intent.get("metadata") or {})
    if purchase is None:
        log.info("stripe_event.foreign", event_id=event["id"], payment_intent_id=intent["id"])
        return
    outcome = await gateway.payment(intent["id"])
    if isinstance(outcome, Unknown):
        raise NotAnswered(outcome.reason)
    await purchasing.apply(*purchase, outcome)


def _purchase_of(metadata: dict[str, str]) -> tuple[UUID, UUID] | None:
    """(tenant, purchase) that the portal wrote on the payment, or None: the payment is not of this portal."""
    try:
        return UUID(metadata["tenant_id"]), UUID(metadata["purchase_id"])
    except (KeyError, ValueError):
        return None
