"""`portal up`: everything that development needs, started, watched and stopped together."""

import asyncio
import os
import signal
import sys
import time

from app.commands.connection import connect, revision, where
from app.commands.database import development_settings
from app.config import Settings
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.processes import bind_to_parent
from app.embedded.settings import uses_embedded_postgres, uses_embedded_services
from app.embedded.supervisor import StopRequested, Supervisor
from app.revision import newest_revision


def up(*, end_with_parent: bool) -> None:
    """Run until Ctrl-C or SIGTERM. An expected failure is raised when everything that did start has been stopped."""
    began = time.monotonic()
    if end_with_parent:  # `make up`: a killed make leaves no portal behind
        bind_to_parent(os.getppid(), signal.SIGTERM)
    settings = development_settings("up")
    supervisor = Supervisor(settings)
    supervisor.take_signals()
    try:
        _claim(supervisor)
        _start(supervisor)
        _welcome(settings, time.monotonic() - began)
        supervisor.watch()
    except StopRequested:
        sys.stdout.write("\nStopping ...\n")
    finally:
        supervisor.stop()


def _claim(supervisor: Supervisor) -> None:
    settings = supervisor.settings
    ports = {"port": (settings.host, settings.port)}
    if uses_embedded_services(settings) and settings.services_port and settings.smtp_port:
        ports |= {
            "services_port": ("127.0.0.1", settings.services_port),
            "smtp_port": ("127.0.0.1", settings.smtp_port),
        }
    supervisor.claim(ports)


def _start(supervisor: Supervisor) -> None:
    """Start the parts. Where the last start left the database up to date, server and services need not wait for the proof."""
    settings = supervisor.settings
    prepared = settings.data_dir / "prepared"  # says which database was migrated and seeded, and how far
    wanted = f"{where(settings.database_url)} {newest_revision()}"
    at_once = prepared.exists() and prepared.read_text(encoding="utf-8") == wanted
    if at_once:
        supervisor.start("server", "serve")
    if uses_embedded_services(settings):
        supervisor.start("services", "services")
    if uses_embedded_postgres(settings):
        supervisor.postgres = EmbeddedPostgres(settings.data_dir, settings.postgres_version).start()
    if not at_once or not asyncio.run(_is_current(settings)):
        _prepare(supervisor)
        prepared.write_text(wanted, encoding="utf-8")
    if not at_once:
        supervisor.start("server", "serve")
    supervisor.wait_for("/readyz", settings.host, settings.port)
    supervisor.start("worker", "worker")
    _wait_for_services(supervisor)


def _wait_for_services(supervisor: Supervisor) -> None:
    settings = supervisor.settings
    if uses_embedded_services(settings) and settings.services_port:
        supervisor.wait_for("/healthz", "127.0.0.1", settings.services_port)


def _prepare(supervisor: Supervisor) -> None:
    """Migrate and seed; both do nothing where it is done already."""
    asyncio.run(_reach(supervisor.settings))
    supervisor.run("migrate", "migrate")
    _wait_for_services(supervisor)  # the demo people have customers at Stripe
    supervisor.run("seed", "seed")


async def _reach(settings: Settings) -> None:
    """A database that is out of reach or too old is said in one line, rather than in the words of a child."""
    await (await connect(settings.database_url)).close()


async def _is_current(settings: Settings) -> bool:
    connection = await connect(settings.database_url)
    try:
        return await revision(connection) == newest_revision()
    finally:
        await connection.close()


def _welcome(settings: Settings, seconds: float) -> None:
    from app.commands.welcome import welcome

    welcome(settings, seconds)
