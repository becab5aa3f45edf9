"""The embedded services of development: one process, one port, a prefix each (/stripe, /oidc, /mailbox), and an SMTP port."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from app.config import Settings
from app.embedded import mailbox, oidc, stripe
from app.embedded.demo_people import PEOPLE


def create_app(settings: Settings) -> Starlette:
    """All embedded services as one application. Its lifespan runs those of its parts (Starlette does not), and the mail server."""
    mails = mailbox.Mailbox(settings.data_dir / "mailbox")
    here = f"http://127.0.0.1:{settings.services_port}"
    parts = {"/mailbox": mailbox.create_app(mails)}
    if settings.stripe_api_base == f"{here}/stripe":
        parts["/stripe"] = stripe.create_app(
            settings.data_dir / "stripe.sqlite",
            secret_key=settings.stripe_api_key,
            publishable_key=settings.stripe_publishable_key,
            webhook_secret=settings.stripe_webhook_secret,
            webhook_url=f"http://127.0.0.1:{settings.port}/webhooks/stripe",
        )
    if settings.oidc_issuer == f"{here}/oidc":
        parts["/oidc"] = oidc.create_app(
            settings.oidc_issuer,
            settings.data_dir / "oidc",
            PEOPLE,
            client_id=settings.oidc_client_id,
            audience=settings.oidc_audience,
        )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts.values():
                await stack.enter_async_context(part.router.lifespan_context(part))
            if settings.smtp_port:
                await stack.enter_async_context(mailbox.receiving(mails, settings.smtp_port))
            yield

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    routes = [Route("/healthz", alive), *(Mount(prefix, app=part) for prefix, part in parts.items())]
    return Starlette(routes=routes, lifespan=lifespan)


def serve(settings: Settings) -> None:
    """Run the embedded services until a signal ends them."""
    import uvicorn

    port = settings.services_port or settings.port + 1
    uvicorn.run(create_app(settings), host="127.0.0.1", port=port, log_level="info", access_log=False)
