"""How the worker hears of new jobs: at once when a few come, and once when they come in a flood."""

import asyncio
import json

from pgqueuer.db import AsyncpgDriver
from pgqueuer.ports.driver import NotifyCallback

# A thousand webhooks in a second are stored first and handled then: while Stripe waits for its answers the worker, its connections and
# its questions to Stripe would take the processors and the disk from those who store. Nobody notices a tenth of a second more.
QUIET_SECONDS = 0.1  # without a new job: the flood is over
LONGEST_SECONDS = 1.0  # after the first one; a flood that lasts longer is handled while it lasts
_CHANGES = "table_changed_event"  # of pgqueuer's messages; cancellations and health checks are passed on at once


class CalmDriver(AsyncpgDriver):
    """The queue's connection, whose listener hears of a flood of new jobs once."""

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Listen as pgqueuer does, through a flood gate."""
        await super().add_listener(channel, _Gate(callback))


class _Gate:
    """Passes on the last of several messages about new jobs: when no other has come for a while, or after the longest wait."""

    def __init__(self, callback: NotifyCallback) -> None:
        self._callback = callback
        self._waiting = False
        self._first = self._last = 0.0
        self._payload: str | bytes | bytearray = ""

    def __call__(self, payload: str | bytes | bytearray) -> None:
        if _CHANGES not in str(payload):
            self._callback(payload)
            return
        if (
            json.loads(payload).get("operation") == "delete"
        ):  # jobs that are done: they bring no work, and would pass for a flood
            return
        loop = asyncio.get_running_loop()
        self._payload, self._last = payload, loop.time()
        if not self._waiting:
            self._waiting, self._first = True, self._last
            loop.call_later(min(QUIET_SECONDS, LONGEST_SECONDS), self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        quiet_at = min(self._last + QUIET_SECONDS, self._first + LONGEST_SECONDS)
        if loop.time() < quiet_at:
            loop.call_at(quiet_at, self._look)
        else:
            self._waiting = False
            self._callback(self._payload)
