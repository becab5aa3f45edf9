"""How the worker hears of new jobs, by PostgreSQL's own notifications."""

import asyncio
import json

import asyncpg
import pytest

from app.jobs import announcements
from app.jobs.announcements import CalmDriver
from tests.conftest import Urls

CHANNEL = "ch_calm"
NEW = json.dumps({"type": "table_changed_event", "operation": "insert"})
DONE = json.dumps({"type": "table_changed_event", "operation": "delete"})


async def test_a_flood_is_heard_of_once_and_everything_else_at_once(
    urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "QUIET_SECONDS", 0.3)
    monkeypatch.setattr(announcements, "LONGEST_SECONDS", 60.0)
    heard: asyncio.Queue[str] = asyncio.Queue()
    address = urls.worker.replace("+asyncpg", "")
    listening, telling = await asyncpg.connect(address), await asyncpg.connect(address)
    try:
        await CalmDriver(listening).add_listener(CHANNEL, lambda payload: heard.put_nowait(str(payload)))
        for number in range(50):
            await telling.execute("SELECT pg_notify($1, $2)", CHANNEL, NEW)
            if number == 25:
                await telling.execute("SELECT pg_notify($1, 'health')", CHANNEL)
        await listening.execute("SELECT 1")  # what was sent before has come with the answer
        assert (heard.get_nowait(), heard.empty()) == ("health", True)
        assert await heard.get() == NEW
        await telling.execute("SELECT pg_notify($1, $2)", CHANNEL, NEW)
        assert await heard.get() == NEW
        await telling.execute("SELECT pg_notify($1, $2)", CHANNEL, DONE)
        await asyncio.sleep(0.5)
        assert heard.empty()
    finally:
        await asyncio.gather(listening.close(), telling.close())


async def test_a_flood_that_does_not_end_is_heard_of_all_the_same(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements, "QUIET_SECONDS", 60.0)
    monkeypatch.setattr(announcements, "LONGEST_SECONDS", 0.0)
    heard = asyncio.Event()
    address = urls.worker.replace("+asyncpg", "")
    listening, telling = await asyncpg.connect(address), await asyncpg.connect(address)
    try:
        await CalmDriver(listening).add_listener(CHANNEL, lambda _: heard.set())
        await telling.execute("SELECT pg_notify($1, $2)", CHANNEL, NEW)
        await asyncio.wait_for(heard.wait(), 10)
    finally:
        await asyncio.gather(listening.close(), telling.close())
