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

from app.auth.actor import ServicePrincipal, Unauthenticated, utc_now
from app.rules.errors import NotFound, Refusal
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


class Lane:
    """The lane of one pool in this process."""

    def __init__(self, flush: "Flush", tenant_id: UUID, pool_id: UUID) -> None:
        self._flush = flush
        self._tenant_id = tenant_id
        self._pool_id = pool_id
        self._waiting: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._running is None and not self._waiting

    async def submit(self, call: Call) -> list[Answer]:
        """The answers to the commands, in their order, after their commit. A cancelled caller's commands run all the same."""
        waiting = _Waiting(call, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(waiting.answers)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._flush_together(self._take())
        finally:
            self._running = None

    def _take(self) -> list[_Waiting]:
        taken = [self._waiting.popleft()]
        size = len(taken[0].call.commands)
        while self._waiting and size + len(self._waiting[0].call.commands) <= MAX_FLUSH:
            size += len(self._waiting[0].call.commands)
            taken.append(self._waiting.popleft())
        return taken

    async def _flush_together(self, calls: list[_Waiting]) -> None:
        """One transaction for all calls; should the database refuse it, each call has one of its own, so that none spoils another."""
        answers: list[list[Answer] | Unauthenticated]
        try:
            answers = await self._flush(self._tenant_id, self._pool_id, [waiting.call for waiting in calls])
        except Refusal as refusal:  # of the pool itself: it does not exist
            answers = [[refusal] * len(waiting.call.commands) for waiting in calls]
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
        for waiting, answer in zip(calls, answers, strict=True):
            if isinstance(answer, Unauthenticated):
                _fail([waiting], answer)
            elif not waiting.answers.done():
                waiting.answers.set_result(answer)


def _fail(calls: list[_Waiting], error: BaseException) -> None:
    for call in calls:
        if not call.answers.done():
            call.answers.set_exception(error)
            call.answers.exception()  # a cancelled caller does not fetch it; that is no fault


class Flush:
    """One transaction: lock, check the keys, read, decide, write, commit."""

    def __init__(self, database: Database, caps: Caps, prices: Callable[[], PriceBook]) -> None:
        self._database = database
        self._caps = caps
        self._prices = prices

    async def __call__(
        self, tenant_id: UUID, pool_id: UUID, calls: Sequence[Call]
    ) -> list[list[Answer] | Unauthenticated]:
        """The answers of each call, or Unauthenticated for one whose key does not serve this pool (any more)."""
        async with (
            self._database.transaction(Scope(tenant_id, ActorKind.WORKER)) as tx,
            tx.driver() as connection,
        ):
            await books.lock(connection, tenant_id, pool_id)
            good = await books.good_keys(connection, tenant_id, pool_id, [call.key for call in calls if call.key])
            admitted = [call.key is None or call.key in good for call in calls]
            commands = [command for call, ok in zip(calls, admitted, strict=True) if ok for command in call.commands]
            decisions = await self.read(connection, tenant_id, pool_id, commands)
            decisions.expire()
            answers: list[list[Answer] | Unauthenticated] = [
                [_decide(decisions, command, call.user_id) for command in call.commands]
                if ok
                else Unauthenticated("the API key is revoked, expired or does not serve this pool")
                for call, ok in zip(calls, admitted, strict=True)
            ]
            await books.write(connection, tenant_id, decisions.books)
        return answers

    async def read(
        self,
        connection: asyncpg.Connection,
        tenant_id: UUID,
        pool_id: UUID,
        commands: Sequence[Command],
        *,
        for_update: bool = True,
    ) -> Decisions:
        """Open the books of a pool for these commands; only to look at them without `for_update`. Raises NotFound."""
        users = {command.user_id for command in commands if isinstance(command, Reserve)}
        references = [command.request_id for command in commands if isinstance(command, Reserve)]
        references += [command.reference for command in commands if isinstance(command, Settle | Release)]
        opened = await books.read(
            connection,
            tenant_id,
            pool_id,
            users=users,
            references=references,
            now=utc_now(),
            for_update=for_update,
        )
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

    async def submit(self, tenant_id: UUID, pool_id: UUID, call: Call) -> list[Answer]:
        """The answers to one call, after its commit. Raises Unauthenticated, or what the database raised: then nobody knows."""
        key = (tenant_id, pool_id)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self._flush, tenant_id, pool_id)
        try:
            return await lane.submit(call)
        finally:
            if lane.idle:
                self._lanes.pop(key, None)


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


def _threshold(opened: Books) -> object:
    return (opened.pool.settings.get("accessControl") or {}).get("requireApprovalAbove")


def _month_start(opened: Books) -> datetime:
    local = opened.now.astimezone(ZoneInfo(opened.pool.time_zone))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
