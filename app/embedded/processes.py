"""Child processes that never outlive their parent, and what a killed one left behind. Linux only."""

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)  # loaded here: after a fork there is no safe moment for it


def dies_with_parent(by: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn` with which the kernel sends the child `by` when its parent ends, however it ends (kill -9 too).

    The kernel watches the *thread* that forked, so children are started on the main thread: RuntimeError elsewhere.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("child processes are started on the main thread: they end with the thread that started them")
    parent = os.getpid()

    def bind() -> None:
        bind_to_parent(parent, by)

    return bind


def bind_to_parent(parent: int, by: signal.Signals = signal.SIGTERM) -> None:
    """Bind the calling process to `parent` (a process id), which may have died before this ran."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(by), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), by)


def working_in(directory: Path) -> list[int]:
    """Ids of the processes whose working directory is `directory`; PostgreSQL's work in their cluster's."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == directory:
                    found.append(int(entry.name))
            except OSError:  # ended meanwhile, or somebody else's
                continue
    return found


def end(pids: Iterable[int], signals: Iterable[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, waiting up to its seconds for all to end before the next one."""
    remaining = set(pids)
    for number, seconds in signals:
        for pid in remaining:
            _send(pid, number)
        deadline = time.monotonic() + seconds
        while remaining and time.monotonic() < deadline:
            remaining = {pid for pid in remaining if _alive(pid)}
            time.sleep(0.02)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}
