"""Deadlines that tasks share a timer for: each block is cut as asyncio.timeout would cut it, and no other."""

import asyncio

import pytest

from app.deadlines import Deadlines

SOON = 0.05


def task() -> "asyncio.Task[None]":
    current = asyncio.current_task()
    assert current is not None
    return current


async def cut(deadlines: Deadlines, seconds: float = 30) -> bool:
    """Whether a block that takes so long was cut; its task goes on either way."""
    try:
        with deadlines():
            await asyncio.sleep(seconds)
    except TimeoutError:
        assert not task().cancelling()
        await asyncio.sleep(0)
        return True
    return False


async def test_what_takes_too_long_is_cut_and_nothing_else_is() -> None:
    deadlines = Deadlines(SOON)
    late = [cut(deadlines), cut(deadlines, 0), cut(deadlines), cut(deadlines, SOON / 50)]
    assert await asyncio.gather(*late) == [True, False, True, False]


async def test_blocks_that_begin_later_end_later() -> None:
    deadlines, ended = Deadlines(SOON * 4), []

    async def one(name: str) -> None:
        assert await cut(deadlines)
        ended.append(name)

    first = asyncio.create_task(one("first"))
    await asyncio.sleep(SOON)
    second = asyncio.create_task(one("second"))
    await first
    assert ended == ["first"]
    await second
    assert ended == ["first", "second"]


async def test_the_timer_of_an_earlier_block_serves_a_later_one() -> None:
    deadlines = Deadlines(SOON)
    for _ in range(3):
        assert not await cut(deadlines, 0)  # leaves its timer
    assert await cut(deadlines)
    await asyncio.sleep(SOON * 2)  # no block is open, and no timer left
    assert await cut(deadlines)


async def test_an_error_of_the_block_is_its_own() -> None:
    deadlines = Deadlines(SOON)
    with pytest.raises(LookupError), deadlines():
        raise LookupError
    await asyncio.sleep(SOON * 2)
    assert not task().cancelling()


async def test_somebody_elses_cancellation_goes_on() -> None:
    deadlines = Deadlines(SOON)
    before = asyncio.create_task(cut(deadlines))
    await asyncio.sleep(0)
    before.cancel()
    with pytest.raises(asyncio.CancelledError):
        await before

    async def clinging() -> None:
        with deadlines():
            try:
                await asyncio.sleep(30)
            finally:
                task().cancel()  # while the deadline's own cancellation is on its way

    both = asyncio.create_task(clinging())
    with pytest.raises(asyncio.CancelledError):
        await both
