"""Group commit: one lane a pool. Calls that arrive while a flush is under way go together in the next; idle, nobody waits.

A pool is one row, and its lock is held for a commit: one by one, clients of a pool cannot commit faster than the disk does. Within a
process the lane orders them, across processes the row's lock.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from app.auth.actor import utc_now
from app.rules.errors import Refusal
from app.rules.spending_gate import TierCaps
from app.services.spending import books
from app.services.spending.books import Books
from app.services.spending.commands import Command, Expire, Release, Reservation, Reserve, Settle
from app.services.spending.decisions import Decisions, PriceBook
from app.tenancy import ActorKind, Database, Scope

log = structlog.get_logger("spending")

MAX_FLUSH = 500  # commands
Answer = Reservation | Refusal | None
Caps = Callable[[str | None], TierCaps]


@dataclass(slots=True)
class _Call:
    commands: Sequence[Command]
    answers: "asyncio.Future[list[Answer]]"


class Lane:
    """The lane of one pool in this process."""

    def __init__(self, flush: "Flush", tenant_id: UUID, pool_id: UUID) -> None:
        self._flush = flush
        self._tenant_id = tenant_id
        self._pool_id = pool_id
        self._waiting: deque[_Call] = deque()
        self._running: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._running is None and not self._waiting

    async def submit(self, commands: Sequence[Command]) -> list[Answer]:
        """The answers to the commands, in their order, after their commit. A cancelled caller's commands run all the same."""
        call = _Call(commands, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(call.answers)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._flush_together(self._take())
        finally:
            self._running = None

    def _take(self) -> list[_Call]:
        calls = [self._waiting.popleft()]
        size = len(calls[0].commands)
        while self._waiting and size + len(self._waiting[0].commands) <= MAX_FLUSH:
            size += len(self._waiting[0].commands)
            calls.append(self._waiting.popleft())
        return calls

    async def _flush_together(self, calls: list[_Call]) -> None:
        """One transaction for all calls; should the database refuse it, each call has one of its own, so that none spoils another."""
        commands = [command for call in calls for command in call.commands]
        try:
            answers = await self._flush(self._tenant_id, self._pool_id, commands)
        except Refusal as refusal:  # of the pool itself: it does not exist
            answers = [refusal] * len(commands)
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
            if len(calls) > 1:
                log.warning("spending.flush_split", calls=len(calls), error=str(error))
                for call in calls:
                    await self._flush_together([call])
                return
            _fail(calls, error)
            return
        except Exception as error:  # noqa: BLE001  nobody knows whether it was committed: the callers ask by their request_id
            _fail(calls, error)
            return
        rest = iter(answers)
        for call in calls:
            own = [next(rest) for _ in call.commands]
            if not call.answers.done():
                call.answers.set_result(own)


def _fail(calls: list[_Call], error: BaseException) -> None:
    for call in calls:
        if not call.answers.done():
            call.answers.set_exception(error)
            call.answers.exception()  # a cancelled caller does not fetch it; that is no fault


class Flush:
    """One transaction: lock, read, decide, write, commit."""

    def __init__(self, database: Database, caps: Caps, prices: Callable[[], PriceBook]) -> None:
        self._database = database
        self._caps = caps
        self._prices = prices

    async def __call__(self, tenant_id: UUID, pool_id: UUID, commands: Sequence[Command]) -> list[Answer]:
        async with (
            self._database.transaction(Scope(tenant_id, ActorKind.WORKER)) as tx,
            tx.driver() as connection,
        ):
            decisions = await self.read(connection, tenant_id, pool_id, commands)
            decisions.expire()
            answers = [_decide(decisions, command) for command in commands]
            await books.write(connection, tenant_id, decisions.books)
        return answers

    async def read(
        self,
        connection: asyncpg.Connection,
        tenant_id: UUID,
        pool_id: UUID,
        commands: Sequence[Command],
        *,
        locked: bool = True,
    ) -> Decisions:
        """Open the books of a pool for these commands."""
        if locked:
            await books.lock(connection, tenant_id, pool_id)
        users = {command.user_id for command in commands if isinstance(command, Reserve)}
        references = [command.request_id for command in commands if isinstance(command, Reserve)]
        references += [command.reference for command in commands if isinstance(command, Settle | Release)]
        opened = await books.read(connection, tenant_id, pool_id, users, references, utc_now())
        caps = self._caps(opened.pool.tier_id)
        if users and _threshold(opened) is not None:
            await books.read_approvals(connection, tenant_id, opened, list(users))
        if users and caps.models_per_month is not None:
            await books.read_models(connection, tenant_id, opened, _month_start(opened))
        return Decisions(opened, self._prices(), caps)


class Lanes:
    """The lanes of one process."""

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._lanes: dict[tuple[UUID, UUID], Lane] = {}

    async def submit(self, tenant_id: UUID, pool_id: UUID, commands: Sequence[Command]) -> list[Answer]:
        """The answers of one pool's commands, after their commit."""
        key = (tenant_id, pool_id)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self._flush, tenant_id, pool_id)
        try:
            return await lane.submit(commands)
        finally:
            if lane.idle:
                self._lanes.pop(key, None)


def _decide(decisions: Decisions, command: Command) -> Answer:
    try:
        match command:
            case Reserve():
                return decisions.reserve(command)
            case Settle():
                return decisions.settle(command)
            case Release():
                return decisions.release(command)
            case Expire():
                return None
    except Refusal as refusal:
        return refusal


def _threshold(opened: Books) -> object:
    return (opened.pool.settings.get("accessControl") or {}).get("requireApprovalAbove")


def _month_start(opened: Books) -> datetime:
    local = opened.now.astimezone(ZoneInfo(opened.pool.time_zone))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
