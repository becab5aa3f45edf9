"""`portal up`: everything that development needs, started, watched and stopped together."""

import asyncio
import os
import signal
import sys
import time

from app.commands.connection import connect, newest_revision, revision, where
from app.commands.database import development_settings
from app.config import Settings
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.processes import bind_to_parent
from app.embedded.settings import uses_embedded_postgres, uses_embedded_services
from app.embedded.supervisor import Supervisor


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
        if not supervisor.asked_to_stop():
            _welcome(settings, time.monotonic() - began)
        supervisor.watch()
    finally:
        if supervisor.asked_to_stop():
            sys.stdout.write("\nStopping ...\n")
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
    """The server waits for the database alone; what it does not need to answer starts beside and after it."""
    settings = supervisor.settings
    if uses_embedded_postgres(settings):
        supervisor.postgres = EmbeddedPostgres(settings.data_dir, settings.postgres_version).start()
    if not asyncio.run(_is_current(settings)):
        supervisor.run("migrate", "migrate")
    _seed_once(supervisor)
    if supervisor.asked_to_stop():
        return
    supervisor.start("server", "serve")
    if uses_embedded_services(settings):
        supervisor.start("services", "services")
    supervisor.wait_for("/readyz", settings.host, settings.port)
    if supervisor.asked_to_stop():
        return
    supervisor.start("worker", "worker")
    if uses_embedded_services(settings) and settings.services_port:
        supervisor.wait_for("/healthz", "127.0.0.1", settings.services_port)


def _seed_once(supervisor: Supervisor) -> None:
    """Seed a database that was not seeded to the end before; what people changed in the demo data stays."""
    done = supervisor.settings.data_dir / "seeded"
    database = where(supervisor.settings.database_url)
    if supervisor.asked_to_stop() or (done.exists() and done.read_text(encoding="utf-8") == database):
        return
    supervisor.run("seed", "seed")
    if not supervisor.asked_to_stop():
        done.write_text(database, encoding="utf-8")


async def _is_current(settings: Settings) -> bool:
    connection = await connect(settings.database_url)
    try:
        return await revision(connection) == newest_revision()
    finally:
        await connection.close()


def _welcome(settings: Settings, seconds: float) -> None:
    from app.commands.welcome import welcome

    welcome(settings, seconds)
