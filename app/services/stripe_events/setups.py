"""setup_intent.succeeded: a card was saved, and nobody may have come back to the page to say so. The setup is fetched anew (ruling 21)."""

from app.services.payment_methods import settle_setup
from app.services.stripe_events.handler import Event, Handler, Services, Subject, by_metadata


async def apply(event: Event, _: Subject, services: Services) -> None:
    """A pool's first card becomes its default."""
    setup = await services.gateway.setup(event["data"]["object"]["id"])
    if setup is not None:
        await settle_setup(services.gateway, setup)


SETUP = Handler(by_metadata, apply)
