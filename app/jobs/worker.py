"""The worker process: takes jobs from the queue, and keeps at it when the database goes away for a while."""

import asyncio
import signal
from datetime import timedelta

import asyncpg
import structlog
from pgqueuer import PgQueuer

from app.config import Settings
from app.jobs.announcements import CalmDriver
from app.jobs.handlers import Handlers, register
from app.metrics import Metrics
from app.payments.gateway import Gateway
from app.services.auto_purchase.notices import AutoPurchaseMails
from app.services.auto_purchase.purchasing import AutoPurchasing
from app.services.card_notices import CardNotices
from app.services.catalogue import CatalogueCache
from app.services.inbox import Inbox
from app.services.mail import Mailer
from app.services.purchases import Purchasing
from app.services.quotes import QuoteSigner
from app.services.receipts import Receipts
from app.services.reconciliation import Reconciliation
from app.services.refund_notices import NoticeMails
from app.services.spending.service import Spending
from app.services.stripe_events.handler import Services
from app.services.upkeep import Upkeep
from app.tenancy import CONNECTION_ERRORS, Database

log = structlog.get_logger("worker")

DEAD_AFTER = timedelta(seconds=15)  # without a heartbeat; then another worker takes the job up
IDLE_POLL = timedelta(seconds=5)  # new jobs announce themselves; this finds those whose time has come
# Jobs at once: as many as keep the few connections below busy while others wait for Stripe. Without a bound a thousand events would be
# taken at once, and most of them would fail waiting for a connection.
AT_ONCE, TAKEN_AT_ONCE = 40, 20
CONNECTIONS = 8
_RECONNECT_SECONDS = 3.0


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is under way and return."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await work(settings, stopping)


async def work(settings: Settings, stopping: asyncio.Event) -> None:
    """Work until `stopping` is set, then finish what is under way and return."""
    database = Database(settings.database_app_url, pool_size=CONNECTIONS)
    inbox = Inbox(settings.database_worker_url)
    metrics = Metrics() if settings.worker_metrics_port else None
    gateway = Gateway(
        api_key=settings.stripe_api_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
    )
    catalogue = CatalogueCache(database)
    purchasing = Purchasing(database, gateway, QuoteSigner(settings.secret_key), settings.public_url)
    mailer = Mailer(settings.smtp_url, settings.mail_from)
    handlers = Handlers(
        purchasing=purchasing,
        stripe=Services(gateway, database, purchasing),
        inbox=inbox,
        metrics=metrics,
        receipts=Receipts(database, mailer, settings.public_url),
        reconciliation=Reconciliation(database, gateway, purchasing),
        notices=NoticeMails(database, mailer, settings.public_url),
        upkeep=Upkeep(database, catalogue, Spending(database, catalogue)),
        auto_purchasing=AutoPurchasing(purchasing),
        auto_purchase_mails=AutoPurchaseMails(database, mailer, settings.public_url),
        card_notices=CardNotices(database, gateway),
    )
    if metrics and settings.worker_metrics_port:
        metrics.serve_on_loopback(settings.worker_metrics_port)
    await gateway.open()
    try:
        while not stopping.is_set():
            await _work_on_one_connection(settings.database_worker_url, handlers, stopping)
    finally:
        await asyncio.gather(gateway.close(), inbox.close(), database.close())


async def _work_on_one_connection(url: str, handlers: Handlers, stopping: asyncio.Event) -> None:
    """Work on one connection until it is lost or the worker is to stop."""
    try:
        connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1), timeout=10)
    except CONNECTION_ERRORS as error:
        log.warning("worker.no_database", error=str(error))
        await _pause(stopping)
        return
    queuer = PgQueuer(CalmDriver(connection))
    register(queuer, handlers)
    # Two events: PgQueuer sets its own whenever it ends, so also when it was the connection that was lost.
    passing_on = asyncio.create_task(_pass_on(stopping, queuer.shutdown))
    log.info("worker.ready")
    try:
        await handlers.create_partitions()
        await queuer.run(
            dequeue_timeout=IDLE_POLL,
            batch_size=TAKEN_AT_ONCE,
            max_concurrent_tasks=AT_ONCE,
            heartbeat_timeout=DEAD_AFTER,
            shutdown_on_listener_failure=False,
        )
    except CONNECTION_ERRORS as error:
        log.warning("worker.connection_lost", error=str(error))
        await _pause(stopping)
    finally:
        passing_on.cancel()
        await _close(connection)


async def _pass_on(stopping: asyncio.Event, shutdown: asyncio.Event) -> None:
    await stopping.wait()
    shutdown.set()


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=5)
    except CONNECTION_ERRORS:  # TimeoutError is an OSError
        connection.terminate()


async def _pause(stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_RECONNECT_SECONDS):
            await stopping.wait()
    except TimeoutError:
        return
