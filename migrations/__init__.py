"""Migrations: `await migrate(url)` brings a database up to date; `await is_current(connection)` says whether it is.

Run as the role that owns the database: a superuser, or (PostgreSQL 16 and newer) a role with CREATEROLE. What it creates it owns;
portal_app and portal_worker are granted what they need and nothing else.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.revision import newest_revision

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x706F7274616C  # "portal": two migrations of one database wait for each other


def configuration(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, the same from any working directory."""
    from alembic.config import Config  # noqa: PLC0415 - half a second that only those who migrate need

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


async def migrate(url: str, *, app_url: str = "", worker_url: str = "", revision: str = "head") -> None:
    """Upgrade the database at `url` (postgresql+asyncpg://owner@...) to `revision`, all or nothing; again is a no-op.

    Passwords that `app_url` and `worker_url` carry become those of portal_app and portal_worker.
    """
    from alembic import command  # noqa: PLC0415 - as above

    await _run(url, lambda connection: command.upgrade(configuration(connection), revision), (app_url, worker_url))


async def downgrade(url: str, revision: str = "base") -> None:
    """Take the database at `url` back to `revision`. Data of dropped tables is gone."""
    from alembic import command  # noqa: PLC0415 - as above

    await _run(url, lambda connection: command.downgrade(configuration(connection), revision))


async def _run(url: str, step: Callable[[Connection], None], role_urls: tuple[str, ...] = ()) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(step)
            for role, role_url in zip(("portal_app", "portal_worker"), role_urls, strict=False):
                await _set_password(connection, role, role_url)
    finally:
        await engine.dispose()


async def _set_password(connection: AsyncConnection, role: str, url: str) -> None:
    """A role that an administrator made keeps the password that it has: only who made a role may change it."""
    password = make_url(url).password if url else None
    if not password:
        return
    ours = text(
        "SELECT rolsuper OR pg_has_role(:role, 'USAGE WITH ADMIN OPTION') FROM pg_roles WHERE rolname = current_user"
    )
    if await connection.scalar(ours, {"role": role}):
        await connection.exec_driver_sql(f"ALTER ROLE {role} PASSWORD '{scram_verifier(password)}'")


def scram_verifier(password: str, salt: bytes | None = None, iterations: int = 4096) -> str:
    """What PostgreSQL stores for a password (RFC 5803): so the password itself never stands in a statement that a log may keep."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


async def is_current(connection: AsyncConnection) -> bool:
    """Whether the database is at the newest revision of this code; any role of the portal may ask."""
    try:
        revisions = await connection.scalars(text("SELECT version_num FROM alembic_version"))
    except DBAPIError:
        return False
    return set(revisions) == {newest_revision()}
