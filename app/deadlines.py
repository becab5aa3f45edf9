"""Deadlines that many tasks have at a time, all equally long: as asyncio.timeout, with one timer for all of them.

Requests seldom come to their deadlines: setting and cancelling a timer for each costs more than looking, now and then, whose time is up.
"""

import asyncio
from types import TracebackType


class Deadlines:
    """Of the tasks of one event loop. `with deadlines():` raises TimeoutError when the block takes longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open: dict[_Deadline, None] = {}  # the first to come first: all are equally long
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> "_Deadline":
        return _Deadline(self)

    def begin(self, deadline: "_Deadline") -> None:
        """Count from now on."""
        loop = asyncio.get_running_loop()
        deadline.moment = loop.time() + self.seconds
        self._open[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.moment, self._look)

    def end(self, deadline: "_Deadline") -> bool:
        """False: it had come before."""
        return self._open.pop(deadline, self) is None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._open:
            first = next(iter(self._open))
            if first.moment > loop.time():
                self._timer = loop.call_at(first.moment, self._look)
                return
            del self._open[first]
            first.task.cancel()


class _Deadline:
    """Of one task's block."""

    __slots__ = ("_all", "_cancelled_before", "moment", "task")

    def __init__(self, all_: Deadlines) -> None:
        self._all = all_
        self.moment = 0.0  # by the loop's clock

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (only coroutines of a running task come here)
        self.task = task
        self._cancelled_before = task.cancelling()
        self._all.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._all.end(self):
            return
        # Somebody else may have cancelled the task too: then it was not only the deadline, and the cancellation goes on.
        if self.task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error
