"""payment_intent.*: what became of a purchase's payment. The event only says where to look: the payment is fetched anew (ruling 21)."""

import structlog

from app.payments.outcomes import Unknown
from app.services.stripe_events.handler import Event, Handler, NotAnswered, Services, Subject, by_metadata

log = structlog.get_logger("stripe_events")


async def apply(event: Event, subject: Subject, services: Services) -> None:
    """Apply what Stripe says now of a purchase's payment."""
    payment_intent_id: str = event["data"]["object"]["id"]
    if subject.purchase_id is None:
        log.info("stripe_event.no_purchase", event_id=event["id"], payment_intent_id=payment_intent_id)
        return
    outcome = await services.gateway.payment(payment_intent_id)
    if isinstance(outcome, Unknown):
        raise NotAnswered(outcome.reason)
    await services.purchasing.apply(subject.tenant_id, subject.purchase_id, outcome)


PAYMENT = Handler(by_metadata, apply)
