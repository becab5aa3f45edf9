"""Group commit: cancelled callers, failing items, lost connections. Nothing is lost, nothing happens twice."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.rules.burn_order import Bucket
from app.rules.errors import ErrorCode, IdempotencyMismatch
from app.services.catalogue import CatalogueCache
from app.services.grants import adjust
from app.services.spending import writing
from app.services.spending.commands import NotBooked, Release, Reservation, Settle
from app.services.spending.lanes import Call, Flush
from app.services.spending.service import Spending
from app.tenancy import Database
from tests.spending.conftest import NewTill
from tests.spending.till import worth

D = Decimal


async def test_calls_that_wait_go_together(new_till: NewTill, monkeypatch: pytest.MonkeyPatch) -> None:
    till = await new_till(purchased=D(100))
    flushed: list[int] = []
    flush = Flush.__call__

    async def counted(self: Flush, tenant_id: UUID, pool_id: UUID, calls: Sequence[Call], meanwhile: Any) -> Any:
        flushed.append(len(calls))
        return await flush(self, tenant_id, pool_id, calls, meanwhile)

    monkeypatch.setattr(Flush, "__call__", counted)
    principal = await till.new_key("usage:write")
    await till.submit(till.reserving("0.1"), by=principal)
    flushed.clear()
    answers = await asyncio.gather(*(till.submit(till.reserving("0.1"), by=principal) for _ in range(60)))
    assert all(isinstance(answer, Reservation) for (answer,) in answers)
    assert sum(flushed) == 60
    assert len(flushed) <= 4
    assert till.spending._lanes._lanes == {}  # nothing is left behind


async def test_a_cancelled_callers_hold_is_there_once(new_till: NewTill) -> None:
    till = await new_till(purchased=D(100))
    commands = [till.reserving("0.1") for _ in range(20)]
    tasks = [asyncio.create_task(till.submit(command)) for command in commands]
    await asyncio.sleep(0.01)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    answers = await till.submit(*commands)
    assert all(getattr(answer, "status", None) == "held" for answer in answers)
    assert (await till.pool())["held_count"] == 20
    assert till.spending._lanes._lanes == {}


def held_back(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Flushes that have written wait before they commit: told by the first event, until the second one is set."""
    write, written, go_on = writing.write, asyncio.Event(), asyncio.Event()

    async def slow_write(*arguments: Any) -> None:
        await write(*arguments)
        written.set()
        await go_on.wait()

    monkeypatch.setattr(writing, "write", slow_write)
    return written, go_on


async def test_what_another_process_commits_while_a_flush_waits_for_the_lock_is_seen(
    new_till: NewTill, monkeypatch: pytest.MonkeyPatch, urls: Any
) -> None:
    """The same settlement by two processes: the second one's statement begins while the first one has the lock."""
    till = await new_till(purchased=D(100))
    before = sum(await till.balances())
    held = await till.reserve(1)
    database = Database(urls.app, pool_size=2)
    another = Spending(database, CatalogueCache(database))
    settlement = [(till.pool_id, Settle(held.id, worth(1)))]
    writing_first, go_on = held_back(monkeypatch)
    first = asyncio.create_task(till.spending.submit(till.principal, settlement))
    await writing_first.wait()
    second = asyncio.create_task(another.submit(till.principal, settlement))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while not await till.inspector.fetchval(waiting):  # noqa: ASYNC110  PostgreSQL has no event for it
            await asyncio.sleep(0.01)
    go_on.set()
    (one,), (other,) = await first, await second
    assert one == other
    assert getattr(one, "settled", one) == 1
    assert await till.balances() == (before - 1, 0, 0)
    assert len(await till.usage()) == len(await till.entries()) == 1
    await database.close()


async def test_answers_do_not_wait_for_a_lock_that_the_next_flush_waits_for(
    new_till: NewTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = await new_till(purchased=D(100))
    writing_first, go_on = held_back(monkeypatch)
    first = asyncio.create_task(till.submit(till.reserving("0.1")))
    await writing_first.wait()
    second = asyncio.create_task(till.submit(till.reserving("0.1")))
    async with till.inspector.transaction():
        locking = asyncio.create_task(
            till.inspector.execute("SELECT FROM credit_pools WHERE id = $1 FOR UPDATE", till.pool_id)
        )
        async with asyncio.timeout(20):
            while not till.spending._lanes._lanes[till.household.tenant_id, till.pool_id]._waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # our request for the lock stands before the second flush's
            go_on.set()
            (answer,) = await first
            await locking
        assert isinstance(answer, Reservation)
        assert not second.done()
    assert isinstance((await second)[0], Reservation)


async def test_a_failing_item_spoils_no_other(new_till: NewTill) -> None:
    """What only the database refuses, in the middle of a list and among other calls; a NUL cannot be written as text."""
    till = await new_till(purchased=D(100))
    bad = till.reserving("0.1", model_id="nul\0")
    good = [till.reserving("0.1") for _ in range(7)]
    answers, others = await asyncio.gather(
        till.submit(*good[:3], bad, *good[3:]), asyncio.gather(*(till.submit(till.reserving("0.1")) for _ in range(5)))
    )
    assert [type(answer) for answer in answers] == [Reservation] * 3 + [NotBooked] + [Reservation] * 4
    assert getattr(answers[3], "code", None) is ErrorCode.NOT_BOOKED
    assert all(isinstance(answer, Reservation) for (answer,) in others)
    assert (await till.pool())["held_count"] == 12


async def _kill_all(inspector: asyncpg.Connection) -> None:
    """End every connection of the application to this database, busy or idle."""
    await inspector.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'portal_app' AND datname = current_database()"
    )


@pytest.mark.parametrize("moment", ["before", "committed"])
async def test_a_lost_connection_loses_and_doubles_nothing(
    new_till: NewTill, monkeypatch: pytest.MonkeyPatch, urls: Any, moment: str
) -> None:
    """Cut in the middle of a flush, and after its commit but before the answer."""
    till = await new_till(purchased=D(100))
    database = Database(urls.app, pool_size=2)
    spending = Spending(database, CatalogueCache(database))
    key = await till.new_key("usage:write")
    held, reserving = till.reserving(1), till.reserving(2)
    await spending.submit(key, [(till.pool_id, held)])
    cuts = 0
    write, flush = writing.write, Flush.__call__

    async def cut_write(*arguments: Any) -> None:
        nonlocal cuts
        await write(*arguments)
        cuts += 1
        if cuts == 1:
            await _kill_all(till.inspector)

    async def cut_flush(self: Flush, *arguments: Any) -> Any:
        nonlocal cuts
        answers = await flush(self, *arguments)
        cuts += 1
        if cuts == 1:
            raise ConnectionResetError("the answer was lost")
        return answers

    if moment == "before":
        monkeypatch.setattr(writing, "write", cut_write)
    else:
        monkeypatch.setattr(Flush, "__call__", cut_flush)
    answers = await spending.submit(key, [(till.pool_id, Settle(held.request_id, worth(1))), (till.pool_id, reserving)])
    assert [getattr(answer, "status", answer) for answer in answers] == ["settled", "held"]
    assert cuts == 2
    assert await till.balances() == (103, 2, 0)
    await database.close()


async def test_a_database_that_stays_away_is_an_error_for_each_caller(
    new_till: NewTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = await new_till()
    key = await till.new_key("usage:write")
    await till.submit(till.reserving("0.1"), by=key)

    async def gone(*_: Any) -> None:
        raise ConnectionRefusedError("nobody there")

    before = await till.rows()
    with monkeypatch.context() as away:
        away.setattr(Flush, "__call__", gone)
        command = till.reserving(1)
        outcomes = await asyncio.gather(*(till.submit(command, by=key) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in outcomes] == [ConnectionRefusedError] * 3
    assert await till.rows() == before
    (answer,) = await till.submit(command, by=key)
    assert isinstance(answer, Reservation)


async def test_one_request_id_in_two_pools_at_once_is_one_hold(new_till: NewTill) -> None:
    till = await new_till(purchased=D(1000))
    second = uuid4()
    await till.inspector.execute(
        "INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id) VALUES ($1, $2, 'second', 'team', $3)",
        till.household.tenant_id, second, till.user(),
    )  # fmt: skip
    await till.inspector.execute(
        "INSERT INTO credit_pool_members (tenant_id, id, pool_id, user_id, role, permissions) VALUES ($1, $2, $3, $4, 'owner', '{}')",
        till.household.tenant_id, uuid4(), second, till.user(),
    )  # fmt: skip
    async with till.database.transaction(till.household.worker) as tx:
        await adjust(tx, second, Bucket.PURCHASED, D(10), reason="test", actor_user_id=None)
    key = await till.new_key("usage:write")
    for _ in range(10):
        command = till.reserving(1)
        answers = await till.spending.submit(key, [(till.pool_id, command), (second, command)])
        assert {type(answer) for answer in answers} == {Reservation, IdempotencyMismatch}
        (held,) = (answer for answer in answers if isinstance(answer, Reservation))
        await till.spending.submit(key, [(held.pool_id, Release(held.id))])  # the second pool may have one at a time
    counts = "SELECT count(*) FROM credit_reservations WHERE tenant_id = $1"
    assert await till.inspector.fetchval(counts, till.household.tenant_id) == 10
