"""Tenancy: a database transaction that carries the session settings which row level security reads. Nobody else sets them.

The settings are written with SET LOCAL in the same message as BEGIN (one round trip; they also reach Citus' workers and survive PgBouncer's
transaction pooling). Only validated UUIDs and fixed words are written into that statement.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import Connection, CursorResult, Executable, PoolProxiedConnection, Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

# What a statement raises on a connection that the server has closed; the last one while asyncpg is still reading why.
CONNECTION_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

POOL_SECONDS = 10.0  # a transaction waits so long for a connection


class ActorKind(StrEnum):
    """Who acts: a person, a service with an API key, or the portal's own worker on a tenant's behalf."""

    USER = "user"
    SERVICE = "service"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Scope:
    """What one transaction may see: the values of the session settings `app.*` (migrations/policies.py reads them)."""

    tenant_id: UUID
    kind: ActorKind
    user_id: UUID | None = None
    member_pools: frozenset[UUID] = frozenset()  # pools that the actor belongs to
    visible_pools: frozenset[UUID] = frozenset()  # pools whose rows of other members the actor may read

    def statements(self) -> str:
        """The SET LOCAL statements of this scope. Every value is a UUID or a word of ActorKind."""
        return _set_local(self)


@lru_cache(maxsize=4096)
def _set_local(scope: Scope) -> str:
    values = {
        "current_tenant_id": str(UUID(str(scope.tenant_id))),
        "actor_kind": ActorKind(scope.kind).value,
        "current_user_id": str(UUID(str(scope.user_id))) if scope.user_id else "",
        "member_pools": _uuid_list(scope.member_pools),
        "visible_pools": _uuid_list(scope.visible_pools),
    }
    return "; ".join(f"SET LOCAL app.{name} = '{value}'" for name, value in values.items())


def _uuid_list(ids: Iterable[UUID]) -> str:
    return ",".join(sorted(str(UUID(str(one))) for one in ids))


class Read:
    """A reading statement in SQL with named parameters (`:tenant`), for the hot path: it goes to asyncpg itself, which prepares it
    once a connection. SQLAlchemy would add 0.1 to 0.2 ms each time. Rows are read by name: `row["email"]`."""

    def __init__(self, sql: str) -> None:
        names: list[str] = []

        def number(found: re.Match[str]) -> str:
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        self.source = sql  # to be written into another one
        self.sql = re.sub(r"(?<!:):([a-z]\w*)", number, sql)
        self.names = tuple(names)


class Transaction:
    """An open transaction of one scope. Statements take turns: Strawberry resolves siblings concurrently, a connection does not."""

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection, scope: Scope) -> None:
        self._engine = engine
        self._pooled = pooled
        self._driver = cast("asyncpg.Connection", pooled.driver_connection)
        self._alchemy: AsyncConnection | None = None  # made when the first statement needs it: the hot path has none
        self._turn = asyncio.Lock()
        self.scope = scope
        self.statements = 0

    @property
    def tenant_id(self) -> UUID:
        return self.scope.tenant_id

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement; the result is buffered, so that the next one may run."""
        async with self._turn:
            self.statements += 1
            if self._alchemy is None:
                connection = Connection(self._engine.sync_engine, connection=self._pooled)
                self._alchemy = AsyncConnection(self._engine, connection)
            return await self._alchemy.execute(statement, parameters)

    async def read(self, statement: Read, **parameters: Any) -> list[asyncpg.Record]:
        """All rows of a reading statement."""
        async with self._turn:
            self.statements += 1
            return await self._driver.fetch(statement.sql, *[parameters[name] for name in statement.names])

    async def read_one(self, statement: Read, **parameters: Any) -> asyncpg.Record | None:
        """The only row, or None."""
        rows = await self.read(statement, **parameters)
        return rows[0] if rows else None

    async def rows(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        return (await self.execute(statement, parameters)).all()

    async def row(self, statement: Executable, parameters: Any = None) -> Row[Any] | None:
        """The only row, or None; more than one is an error."""
        return (await self.execute(statement, parameters)).one_or_none()

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        return (await self.execute(statement, parameters)).scalar_one_or_none()

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[asyncpg.Connection]:
        """The bare connection, for what speaks asyncpg itself (the job queue), in the same transaction."""
        async with self._turn:
            self.statements += 1
            yield self._driver

    @asynccontextmanager
    async def as_worker(self) -> AsyncIterator[asyncpg.Connection]:
        """The bare connection with the worker's sight of the tenant: for a decision on rows that the actor itself may not read.

        The transaction's other statements wait meanwhile, so that none of them sees more than its actor.
        """
        async with self._turn:
            self.statements += 1
            await self._driver.execute(Scope(self.tenant_id, ActorKind.WORKER).statements())
            try:
                yield self._driver
            finally:
                await self._driver.execute(self.scope.statements())

    async def become(self, user_id: UUID) -> None:
        """Set the acting user, once the token's subject has been looked up in this very transaction."""
        await self._set(replace(self.scope, user_id=user_id))

    async def narrow(self, member_pools: Iterable[UUID], visible_pools: Iterable[UUID]) -> None:
        """Set the actor's pools, once they have been read in this very transaction."""
        await self._set(
            replace(self.scope, member_pools=frozenset(member_pools), visible_pools=frozenset(visible_pools))
        )

    async def _set(self, scope: Scope) -> None:
        if scope == self.scope:
            return
        async with self._turn:
            self.statements += 1
            await self._driver.execute(scope.statements())
            self.scope = scope


class Database:
    """The connections of one process as `portal_app`: `pool_size` at most.

    A transaction takes the idle connection that was left here last: its plans and caches are warm. SQLAlchemy's pool makes them and
    replaces those that have failed; asking it each time (through a greenlet, out and in) would take a third of a short transaction's
    processor time.
    """

    def __init__(self, url: str, pool_size: int = 16) -> None:
        self._idle: list[PoolProxiedConnection] = []
        self._places = asyncio.Semaphore(pool_size)
        # AUTOCOMMIT: SQLAlchemy sends no BEGIN of its own; ours carries the settings in the same message.
        self._engine: AsyncEngine = create_async_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=1,  # for `connection`: readiness is told while all others are at work
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=False,
            json_deserializer=orjson.loads,
            hide_parameters=True,  # errors go into the log, people's data does not
        )

    async def close(self) -> None:
        while self._idle:
            await greenlet_spawn(self._idle.pop().close)
        await self._engine.dispose()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection without settings, for the catalogue and for readiness: row level security shows it nothing of any tenant."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(
        self, scope: Scope, *, read_only: bool = False, plan_once: bool = False
    ) -> AsyncIterator[Transaction]:
        """Open a transaction with the scope's settings; commit at the end, roll back on any exception.

        A read is REPEATABLE READ: every figure of one operation is from the same instant. `plan_once`: of a prepared statement each
        connection makes one plan, for any values; with row level security to be planned too that takes longer than to run it.
        """
        mode = "ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else "ISOLATION LEVEL READ COMMITTED"
        mode += "; SET LOCAL plan_cache_mode = force_generic_plan" if plan_once else ""
        await self._take_place()
        try:
            pooled, driver = await self._check_out()
            transaction = Transaction(self._engine, pooled, scope)
            try:
                await driver.execute(f"BEGIN {mode}; {scope.statements()}")
                yield transaction
                await driver.execute("COMMIT")
            except BaseException:
                await _roll_back(pooled, driver)
                raise
            finally:
                if pooled.is_valid:
                    self._idle.append(pooled)
        finally:
            self._places.release()

    async def _take_place(self) -> None:
        """Wait for one of the places, POOL_SECONDS at most."""
        if self._places.locked():
            async with asyncio.timeout(POOL_SECONDS):
                await self._places.acquire()
        else:
            await self._places.acquire()

    async def _check_out(self) -> tuple[PoolProxiedConnection, asyncpg.Connection]:
        """A connection that is not known to be closed: those that a restart of the database ended are replaced."""
        while True:
            pooled = self._idle.pop() if self._idle else await self._engine.raw_connection()
            driver = cast("asyncpg.Connection | None", pooled.driver_connection)
            if driver is not None and not driver.is_closed():
                return pooled, driver
            await greenlet_spawn(pooled.invalidate)


async def _roll_back(pooled: PoolProxiedConnection, driver: asyncpg.Connection) -> None:
    """Roll back; a connection that cannot is thrown away rather than handed to somebody else."""
    try:
        await asyncio.shield(driver.execute("ROLLBACK"))
    except (*CONNECTION_ERRORS, asyncio.CancelledError):
        await greenlet_spawn(pooled.invalidate)
