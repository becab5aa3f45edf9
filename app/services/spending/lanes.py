"""Group commit: one lane a pool. Calls that arrive while a flush is under way go together in the next; idle, nobody waits.

A pool is one row, and its lock is held for a commit: one by one, clients of a pool cannot commit faster than the disk does. Within a
process the lane orders them, across processes the row's lock.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.auth.actor import ServicePrincipal, Unauthenticated, utc_now
from app.rules.errors import NotFound, Refusal
from app.rules.pool_settings import PoolSettings
from app.rules.spending_gate import TierCaps
from app.services.spending import reading, writing
from app.services.spending.books import Books
from app.services.spending.commands import Command, Expire, NotBooked, Release, Reservation, Reserve, Settle
from app.services.spending.decisions import Decisions, PriceBook
from app.services.spending.reading import Asked
from app.tenancy import ActorKind, Database, Scope

log = structlog.get_logger("spending")

MAX_FLUSH = 500  # commands
ANSWER_WITHIN = 0.02  # seconds: how long the answers of one flush may wait for the next one's writing
MAX_ATTEMPTS = 3
# Faults of the connection or the server: nobody knows what was committed.
LOST = (
    OSError,
    SQLAlchemyError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # cut between two messages
)
Answer = Reservation | Refusal | None
Outcome = list[Answer] | Exception  # of a call: an answer a command, or what befell all of it
Caps = Callable[[str | None], TierCaps]


@dataclass(frozen=True, slots=True)
class Call:
    """What one caller asks of one pool.

    `key`: a service, checked again in every flush; `user_id`: a person, who acts for themselves only.
    """

    commands: Sequence[Command]
    key: ServicePrincipal | None = None
    user_id: UUID | None = None


@dataclass(slots=True)
class _Waiting:
    call: Call
    answers: "asyncio.Future[list[Answer]]"

    def finish(self, outcome: Outcome) -> None:
        """Answer the caller, should it still be there."""
        if self.answers.done():
            return
        if isinstance(outcome, Exception):
            self.answers.set_exception(outcome)
            self.answers.exception()  # a caller that was cancelled does not fetch it; that is no fault
        else:
            self.answers.set_result(outcome)


class Lane:
    """The lane of one pool in this process. `empty` is called when it has nothing left to do."""

    def __init__(self, flush: "Flush", tenant_id: UUID, pool_id: UUID, empty: Callable[[], object]) -> None:
        self._flush = flush
        self._tenant_id = tenant_id
        self._pool_id = pool_id
        self._empty = empty
        self._waiting: deque[_Waiting] = deque()
        self._committed: list[tuple[_Waiting, Outcome]] = []  # not yet answered
        self._running: asyncio.Task[None] | None = None

    async def submit(self, call: Call) -> list[Answer]:
        """The answers to the commands, in their order, after their commit. A cancelled caller's commands run all the same."""
        waiting = _Waiting(call, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await waiting.answers

    async def _run(self) -> None:
        """Flush after flush. A flush's callers are answered while PostgreSQL writes the next one: it need not wait for this process,
        which makes answers of what was decided and reads the requests that follow them."""
        try:
            while self._waiting:
                together = self._take()
                outcomes = await self._outcomes([waiting.call for waiting in together])
                self._answer()
                self._committed = list(zip(together, outcomes, strict=True))
                if self._waiting:
                    asyncio.get_running_loop().call_later(
                        ANSWER_WITHIN, self._answer
                    )  # the pool's lock may be elsewhere
        finally:
            self._answer()
            self._running = None
            self._empty()

    def _answer(self) -> None:
        committed, self._committed = self._committed, []
        for waiting, outcome in committed:
            waiting.finish(outcome)

    def _take(self) -> list[_Waiting]:
        taken = [self._waiting.popleft()]
        size = len(taken[0].call.commands)
        while self._waiting and size + len(self._waiting[0].call.commands) <= MAX_FLUSH:
            size += len(self._waiting[0].call.commands)
            taken.append(self._waiting.popleft())
        return taken

    async def _outcomes(self, calls: Sequence[Call]) -> list[Outcome]:
        """What each call gets of one transaction for all of them.

        A lost connection leaves open whether it was committed, so the flush is tried again: what is there already is found by its
        request_id and answered, not done twice. Another pool may have taken a request_id at this moment: the second try sees that.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return await self._flush(self._tenant_id, self._pool_id, calls, self._answer)
            except Exception as error:  # noqa: BLE001  whatever it is, every caller gets an answer
                last = attempt == MAX_ATTEMPTS
                log.warning("spending.flush_failed", calls=len(calls), attempt=attempt, error=repr(error))
                if last and isinstance(error, LOST):
                    return [error] * len(calls)
                if last or not isinstance(error, (*LOST, asyncpg.UniqueViolationError)):
                    return await self._halves(calls)
        raise AssertionError("unreachable")

    async def _halves(self, calls: Sequence[Call]) -> list[Outcome]:
        """After a fault that is in the calls themselves: halve them down to the command that has it, so that it spoils no other."""
        if len(calls) > 1:
            half = len(calls) // 2
            return [*await self._outcomes(calls[:half]), *await self._outcomes(calls[half:])]
        call = calls[0]
        half = len(call.commands) // 2
        if not half:
            return [[NotBooked()]]
        (first,) = await self._outcomes([replace(call, commands=call.commands[:half])])
        (second,) = await self._outcomes([replace(call, commands=call.commands[half:])])
        if isinstance(first, Exception):
            return [first]
        return [second if isinstance(second, Exception) else [*first, *second]]


class Flush:
    """One transaction: lock, check the keys, read, decide, write, commit."""

    def __init__(self, database: Database, caps: Caps, prices: Callable[[], PriceBook]) -> None:
        self._database = database
        self._caps = caps
        self._prices = prices

    async def __call__(
        self, tenant_id: UUID, pool_id: UUID, calls: Sequence[Call], meanwhile: Callable[[], None]
    ) -> list[Outcome]:
        """The answers of each call, or Unauthenticated for one whose key is no longer good. `meanwhile` runs while it is written."""
        async with (
            self._database.transaction(Scope(tenant_id, ActorKind.WORKER), plan_once=True) as tx,
            tx.driver() as connection,
        ):
            asked = _asked(
                [command for call in calls for command in call.commands], {call.key for call in calls if call.key}
            )
            pool, state = await reading.lock(connection, tenant_id, pool_id, asked)
            refused = [_refused(call, state.keys, pool_id if pool else None) for call in calls]
            if pool is None or all(refused):
                return [refusal or [] for refusal in refused]
            decisions = await self._decisions(connection, tenant_id, state.books(pool, utc_now()), asked)
            decisions.expire()
            answers = [
                refusal or [_decide(decisions, command, call.user_id) for command in call.commands]
                for call, refusal in zip(calls, refused, strict=True)
            ]
            asyncio.get_running_loop().call_soon(meanwhile)
            await writing.write(connection, tenant_id, decisions.books)
        return answers

    async def look(self, connection: asyncpg.Connection, tenant_id: UUID, pool_id: UUID, command: Reserve) -> Decisions:
        """The books of a pool for this command, only to look at them. Raises NotFound."""
        asked = _asked([command], ())
        pool, state = await reading.look(connection, tenant_id, pool_id, asked)
        if pool is None:
            raise NotFound("pool", path=("poolId",))
        return await self._decisions(connection, tenant_id, state.books(pool, utc_now()), asked)

    async def _decisions(
        self, connection: asyncpg.Connection, tenant_id: UUID, opened: Books, asked: Asked
    ) -> Decisions:
        """Read what only some pools need for a hold, too."""
        caps, pool = self._caps(opened.pool.tier_id), opened.pool
        settings = PoolSettings.load(pool.settings, pool.pool_type)
        if asked.users and settings.access_control.approval_required_above is not None:
            await reading.read_approvals(connection, tenant_id, opened, asked.users)
        if asked.users and caps.models_per_month is not None:
            await reading.read_models(connection, tenant_id, opened, _month_start(opened))
        return Decisions(opened, settings, self._prices(), caps)


class Lanes:
    """The lanes of one process."""

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._lanes: dict[tuple[UUID, UUID], Lane] = {}

    async def submit(self, tenant_id: UUID, pool_id: UUID, call: Call) -> list[Answer]:
        """The answers to one call, after its commit. Raises Unauthenticated, or what the database raised: then nobody knows."""
        key = (tenant_id, pool_id)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self._flush, tenant_id, pool_id, lambda: self._lanes.pop(key, None))
        return await lane.submit(call)


def _asked(commands: Sequence[Command], keys: Collection[ServicePrincipal]) -> Asked:
    return Asked(
        users=list({command.user_id for command in commands if isinstance(command, Reserve)}),
        request_ids=[command.request_id for command in commands if isinstance(command, Reserve)],
        references=[command.reference for command in commands if isinstance(command, (Settle, Release))],
        keys=list(keys),
    )


def _refused(call: Call, keys: Mapping[ServicePrincipal, UUID | None], pool_id: UUID | None) -> Outcome | None:
    """What a call gets that may not act on this pool (None: there is no such pool): the same for missing and for others' pools."""
    if call.key is not None and call.key not in keys:
        return Unauthenticated("the API key is revoked, expired or lost its scope")
    if pool_id is None or (call.key is not None and keys[call.key] not in {None, pool_id}):
        return [NotFound("pool", path=("poolId",))] * len(call.commands)
    return None


def _decide(decisions: Decisions, command: Command, user_id: UUID | None) -> Answer:
    """One command's answer. A person (`user_id`) reserves, settles and releases for themselves only."""
    try:
        match command:
            case Reserve():
                if user_id not in {None, command.user_id}:
                    raise NotFound("member of this pool", path=("userId",))
                return decisions.reserve(command)
            case Settle():
                return decisions.settle(command, user_id)
            case Release():
                return decisions.release(command, user_id)
            case Expire():
                return None
    except Refusal as refusal:
        return refusal


def _month_start(opened: Books) -> datetime:
    local = opened.now.astimezone(ZoneInfo(opened.pool.time_zone))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
