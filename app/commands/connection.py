"""A plain connection to the portal's database, with its failures in words; light to import, for a fast start."""

from urllib.parse import urlsplit

import asyncpg

from app.commands.failures import CommandError
from app.config import variable

OLDEST_POSTGRES = 16  # the first in which a role with CREATEROLE administers the roles that it made, and no others
_SECONDS = 10


async def connect(url: str, setting: str = "database_url") -> asyncpg.Connection:
    """Connect to a PostgreSQL that the portal can use.

    CommandError, one line that names the setting, if it can't be reached or is too old.
    """
    try:
        connection: asyncpg.Connection = await asyncpg.connect(for_psql(url), timeout=_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise CommandError(f"{variable(setting)}: no connection to {where(url)}: {reason}") from None
    version = connection.get_server_version().major
    if version < OLDEST_POSTGRES:
        await connection.close()
        raise CommandError(
            f"{variable(setting)}: {where(url)} is PostgreSQL {version}; the portal needs {OLDEST_POSTGRES} or newer"
        )
    return connection


async def revision(connection: asyncpg.Connection) -> str | None:
    """The revision of the database, None if it was never migrated."""
    try:
        found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return None
    return found


def for_psql(url: str) -> str:
    """The URL as libpq and asyncpg read it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def where(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(for_psql(url))
    if parts.password:
        parts = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@", 1))
    return parts.geturl()
