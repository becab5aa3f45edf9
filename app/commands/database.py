"""Commands on the database: migrate, seed, reset, its URLs, the ledger's audit."""

import asyncio
import shutil
import sys

from app.commands.connection import connect, for_psql
from app.commands.failures import CommandError
from app.config import Settings
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.settings import uses_embedded_postgres
from app.environment import load_settings


def migrate() -> None:
    """Bring the database up to date."""
    from sqlalchemy.exc import DBAPIError

    from migrations import migrate as upgrade

    settings = load_settings()
    urls = {"app_url": settings.database_app_url, "worker_url": settings.database_worker_url}
    asyncio.run(_require(settings.database_url))
    try:
        asyncio.run(upgrade(settings.database_url, **urls))
    except DBAPIError as error:  # the transaction is rolled back: the database is as it was
        reason = str(error.orig).splitlines()[0]
        raise CommandError(f"PORTAL_DATABASE_URL: the migration failed and changed nothing: {reason}") from None


async def _require(url: str) -> None:
    await (await connect(url)).close()


def development_settings(action: str) -> Settings:
    """The settings, unless they are production's: CommandError then."""
    settings = load_settings()
    if settings.env == "production":
        raise CommandError(f"{action} is for development; PORTAL_ENV is production")
    return settings


def seed() -> None:
    """Write the demo tenants that are missing; their Stripe customers and payments are made in the sandbox, which must run."""
    asyncio.run(_seed(development_settings("seed")))


async def _seed(settings: Settings) -> None:
    from app.embedded.demo import seed as write_demo
    from app.payments.gateway import Gateway
    from app.tenancy import Database

    database = Database(settings.database_app_url, pool_size=2)
    gateway = Gateway(
        api_key=settings.stripe_api_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
    )
    await gateway.open()
    try:
        await write_demo(database, gateway)
    finally:
        await asyncio.gather(gateway.close(), database.close())


def reset() -> None:
    """Delete the embedded PostgreSQL's data and the data directory. A database of one's own is not touched."""
    settings = development_settings("reset")
    if not uses_embedded_postgres(settings):
        raise CommandError(
            "reset does not touch a database of your own: drop and create it, or unset PORTAL_DATABASE_URL"
        )
    for version in ("16", "18"):
        EmbeddedPostgres(settings.data_dir, version).destroy()
    shutil.rmtree(settings.data_dir, ignore_errors=True)
    sys.stdout.write(f"Deleted the development data in {settings.data_dir}.\n")


def url_for_psql(role: str) -> str:
    """The URL of a role (owner, app, worker) as libpq reads it."""
    settings = load_settings()
    urls = {
        "owner": settings.database_url,
        "app": settings.database_app_url,
        "worker": settings.database_worker_url,
    }
    return for_psql(urls[role])
