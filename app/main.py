"""The Starlette application: routes, middleware, lifespan. The only file that sees everything."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from app.auth.authentication import Identity, authenticate
from app.auth.cookies import public_origin
from app.auth.profiles import profiles_in
from app.auth.sessions import session_routes
from app.config import Settings
from app.edge import Edge
from app.environment import load_settings
from app.logging import configure_logging
from app.metrics import Metrics, MetricsPage
from app.page import Page, playground
from app.payments.gateway import Gateway
from app.receipts import ReceiptEndpoint
from app.services.card_lists import CardLists
from app.services.catalogue import CatalogueCache
from app.services.inbox import Inbox
from app.services.payment_methods import PaymentMethods
from app.services.purchases import Purchasing
from app.services.quotes import QuoteSigner
from app.services.receipt_documents import ReceiptDocuments
from app.services.spending.service import Spending
from app.tenancy import Database
from app.webhooks import StripeWebhook
from graphql_schema.context import Context, Services
from graphql_schema.schema import schema
from graphql_schema.server import GraphQLEndpoint

log = structlog.get_logger("portal")

READY_SECONDS = 3.0
GRAPHQL, WEBHOOKS = "/graphql", "/webhooks/stripe"

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(settings: Settings | None = None) -> Starlette:
    """The portal, not yet started: connections are opened by its lifespan.

    Without settings it reads them from the environment and sets up logging: so uvicorn's workers call it.
    """
    if settings is None:
        settings = load_settings()
        configure_logging(production=settings.env == "production")
    database = Database(settings.database_app_url, settings.database_pool_size)
    gateway = Gateway(
        api_key=settings.stripe_api_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
    )
    identity = Identity.of(settings)
    inbox = Inbox(settings.database_worker_url)
    metrics = Metrics() if settings.metrics_token else None
    webhook = StripeWebhook(gateway, inbox, livemode=_is_live(settings), metrics=metrics)
    graphql = _graphql(settings, database, gateway, identity)
    routes = [
        Route(GRAPHQL, graphql),
        *session_routes(identity, profiles_in(database)),
        Route(WEBHOOKS, webhook, methods=["POST"]),
        Route("/receipts/{purchase}.pdf", _receipts(settings, database, identity).__call__),
        Route("/healthz", _alive),
        Route("/readyz", _readiness(database)),
        Route("/app-config", _app_config(settings)),
        *([Route("/metrics", MetricsPage(metrics, inbox, settings.metrics_token).__call__)] if metrics else []),
        Mount("/", Page(settings)),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await gateway.open()
        gc.freeze()  # Stripe's library stays, as what the start has made does (app/commands/processes.py)
        try:
            yield
        finally:
            await asyncio.gather(gateway.close(), identity.close(), inbox.close(), database.close())

    edge = Middleware(Edge, settings, posts={GRAPHQL: graphql, WEBHOOKS: webhook})
    return Starlette(routes=routes, middleware=[edge], lifespan=lifespan)


def _graphql(settings: Settings, database: Database, gateway: Gateway, identity: Identity) -> GraphQLEndpoint:
    signer = QuoteSigner(settings.secret_key)
    catalogue = CatalogueCache(database)
    services = Services(
        database=database,
        purchasing=Purchasing(database, gateway, signer, settings.public_url),
        signer=signer,
        catalogue=catalogue,
        spending=Spending(database, catalogue),
        payment_methods=PaymentMethods(database, gateway, CardLists(gateway, settings.database_pool_size)),
    )
    return GraphQLEndpoint(
        schema,
        authenticate=lambda request: authenticate(request, identity),
        context=lambda _request, principal: Context(services, principal),
        development=settings.env == "development",
        playground=lambda: playground(settings),
    )


def _receipts(settings: Settings, database: Database, identity: Identity) -> ReceiptEndpoint:
    seller = f"Billing portal · {urlsplit(public_origin(settings)).netloc}"
    return ReceiptEndpoint(ReceiptDocuments(database, seller), identity)


def _is_live(settings: Settings) -> bool:
    """Whether the configured key moves real money: test events must not reach live books, nor the other way round."""
    return "_live_" in settings.stripe_api_key


async def _alive(_: Request) -> Response:
    return PlainTextResponse("alive")


def _readiness(database: Database) -> Endpoint:
    async def ready(_: Request) -> Response:
        missing = await _missing(database)
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    return ready


async def _missing(database: Database) -> list[str]:
    """What this process can't serve without, in words."""
    from migrations import is_current  # noqa: PLC0415  Alembic takes 0.1 s to import, and only probes need it

    try:
        async with asyncio.timeout(READY_SECONDS), database.connection() as connection:
            return [] if await is_current(connection) else ["migrations: run `portal migrate`"]
    except (OSError, SQLAlchemyError, TimeoutError) as error:
        log.warning("readiness.database", error=str(error))
        return ["database: cannot be reached at PORTAL_DATABASE_APP_URL"]


def _app_config(settings: Settings) -> Endpoint:
    stripe = {"publishableKey": settings.stripe_publishable_key, "apiBase": settings.stripe_api_base or None}

    async def app_config(_: Request) -> Response:
        return JSONResponse({"stripe": stripe, "env": settings.env}, headers={"Cache-Control": "no-cache"})

    return app_config
