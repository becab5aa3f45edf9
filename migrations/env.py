"""Alembic's environment: on the connection that `migrations.migrate` hands over, or on PORTAL_DATABASE_URL from the command line."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.config import Settings
from models import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, include_object=is_ours)
    with context.begin_transaction():
        context.run_migrations()


def is_ours(_object: object, name: str | None, kind: str, reflected: bool, _counterpart: object) -> bool:
    """Partitions and pgqueuer's tables are made by SQL, not by the models."""
    return not (kind == "table" and reflected and str(name).startswith(("credit_usage_", "pgqueuer")))


async def run_online() -> None:
    engine = create_async_engine(Settings().database_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_online())
