"""Which handler takes which type of Stripe's events: a new type is one line in HANDLERS and a module beside this one."""

from collections.abc import Mapping
from enum import StrEnum

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.services.stripe_events import failures
from app.services.stripe_events.handler import Event, Handler, Services
from app.services.stripe_events.payments import PAYMENT
from app.services.stripe_events.refunds import MONEY_BACK
from app.services.stripe_events.setups import SETUP
from app.tenancy import CONNECTION_ERRORS

log = structlog.get_logger("stripe_events")

HANDLERS: Mapping[str, Handler] = {
    "payment_intent.succeeded": PAYMENT,
    "payment_intent.payment_failed": PAYMENT,
    "payment_intent.processing": PAYMENT,
    "payment_intent.requires_action": PAYMENT,
    "payment_intent.canceled": PAYMENT,
    "refund.created": MONEY_BACK,
    "refund.updated": MONEY_BACK,
    "refund.failed": MONEY_BACK,
    "charge.refunded": MONEY_BACK,
    "charge.dispute.created": MONEY_BACK,
    "charge.dispute.updated": MONEY_BACK,
    "charge.dispute.closed": MONEY_BACK,
    "charge.dispute.funds_withdrawn": MONEY_BACK,
    "charge.dispute.funds_reinstated": MONEY_BACK,
    "setup_intent.succeeded": SETUP,
}


class Result(StrEnum):
    """How the handling of an event ended, for the log and the metrics."""

    HANDLED = "handled"
    UNKNOWN = "unknown"  # a type that nobody here handles
    FOREIGN = "foreign"  # about something that this portal did not make


async def handle(event: Event, services: Services, *, failed_before: bool = False) -> Result:
    """Handle one event; any order, any number of times. An unknown type, or somebody else's payment, is no error.

    What goes wrong is raised; if the tenant is known it is also a row of the tenant's billing_events, which a later success closes.
    """
    handler = HANDLERS.get(event["type"])
    if handler is None:
        return Result.UNKNOWN
    subject = await handler.subject(event, services)
    if subject is None:
        return Result.FOREIGN
    try:
        await handler.act(event, subject, services)
    except Exception as error:
        try:
            await failures.note_failure(services.database, subject, event, f"{type(error).__name__}: {error}")
        except (*CONNECTION_ERRORS, SQLAlchemyError) as another:
            log.warning("stripe_event.not_noted", event_id=event["id"], error=repr(another))
        raise
    if failed_before:
        await failures.close(services.database, subject, event)
    return Result.HANDLED
