"""A small Stripe for development and tests: stateful, on loopback, in Stripe's shapes (docs/adr/0004)."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from app.embedded.stripe.api import Api, Keys
from app.embedded.stripe.controls import Controls
from app.embedded.stripe.hosted import Hosted
from app.embedded.stripe.state import State
from app.embedded.stripe.webhooks import Webhooks


def create_app(
    state_path: Path | str,
    *,
    secret_key: str,
    publishable_key: str,
    webhook_secret: str,
    webhook_url: str | None = None,
    public_url: str | None = None,
) -> Starlette:
    """Build the sandbox over the SQLite file `state_path` (or ":memory:").

    Its lifespan delivers webhooks: an application that mounts it enters `app.router.lifespan_context(app)`.
    `webhook_url`: where events go; None keeps what was set before. `public_url`: where browsers reach the sandbox, when
    that is not the address that the portal uses.
    """
    state = State(state_path)
    webhooks = Webhooks(state, webhook_secret)
    if webhook_url is not None:
        webhooks.change(url=webhook_url)
    api = Api(state, Keys(secret_key, publishable_key), webhooks, public_url)
    hosted = Hosted(state, api, webhooks)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with webhooks.running():
            yield
        state.close()

    return Starlette(
        routes=[
            Route("/v1/{path:path}", api.answer, methods=["GET", "POST", "DELETE", "OPTIONS"]),
            Route("/3d-secure/{intent}", hosted.challenge, methods=["GET", "POST"]),
            Route("/receipts/{charge}/{token}", hosted.receipt, methods=["GET"]),
            Mount("/_control", routes=Controls(state, api, webhooks, secret_key).routes()),
        ],
        lifespan=lifespan,
    )
