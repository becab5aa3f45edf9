"""refund.*, charge.refunded and charge.dispute.*: money that went back. The event only says of which payment: all is fetched anew."""

import structlog

from app.services.stripe_events.handler import Event, Handler, Services, Subject, subject_of

log = structlog.get_logger("stripe_events")


async def subject(event: Event, services: Services) -> Subject | None:
    """Whose payment it is, by what the portal wrote on the payment itself: refunds and disputes that others made carry nothing."""
    payment_intent_id = await _payment(event, services)
    if payment_intent_id is None:
        return None
    return subject_of(await services.gateway.payment_metadata(payment_intent_id))


async def apply(event: Event, subject: Subject, services: Services) -> None:
    """Bring the purchase's refunds and disputes up to what Stripe has now."""
    payment_intent_id = await _payment(event, services)
    if subject.purchase_id is None or payment_intent_id is None:
        log.info("stripe_event.no_purchase", event_id=event["id"], payment_intent_id=payment_intent_id)
        return
    await services.refunding.refresh(subject.tenant_id, subject.purchase_id, payment_intent_id)


async def _payment(event: Event, services: Services) -> str | None:
    """The payment that a refund, a dispute or a charge is about; an older object names its charge alone."""
    about = event["data"]["object"]
    if about.get("payment_intent") or not about.get("charge"):
        found: str | None = about.get("payment_intent")
        return found
    return await services.gateway.payment_of_charge(about["charge"])


MONEY_BACK = Handler(subject, apply)
