"""The portal with a profile: `python -m bench.profiled FILE serve` is `portal serve` that is asked every few milliseconds of processor time
what it is at. A thread beside it would see it mostly where it lets go of the interpreter's lock.

FILE gets the parts of the program that were at work, as JSON: {part: times seen}.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY = 0.002  # seconds of processor time
KEPT_EVERY = 50  # times
# The innermost frame whose file has such a name says which part is at work; the standard library works for whoever calls it.
PARTS = {
    "/asyncpg/": "asyncpg",
    "/sqlalchemy/": "transactions",
    "/app/tenancy.py": "transactions",
    "/graphql/": "GraphQL",
    "/strawberry/": "GraphQL",
    "/graphql_schema/": "GraphQL",
    "/app/services/spending/reading.py": "reading",
    "/app/services/spending/writing.py": "writing",
    "/app/services/spending/": "decisions",
    "/app/rules/": "decisions",
    "/asyncio/runners.py": "event loop and sockets",
    "/uvicorn/": "HTTP",
    "/starlette/": "HTTP",
    "/app/": "HTTP",
}


def part_of(frame: FrameType | None) -> str:
    """The part that a stack works for."""
    while frame is not None:
        for name, part in PARTS.items():
            if name in frame.f_code.co_filename:
                return part
        frame = frame.f_back
    return "other"


class Profile:
    """What was seen so far, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: Counter[str] = Counter()

    def look(self, _signal: int, frame: FrameType | None) -> None:
        """The handler of SIGPROF."""
        self._seen[part_of(frame)] += 1
        if self._seen.total() % KEPT_EVERY == 0:
            making = self._path.with_suffix(".new")
            making.write_text(json.dumps(self._seen), encoding="utf-8")
            making.replace(self._path)


if __name__ == "__main__":
    signal.signal(signal.SIGPROF, Profile(Path(sys.argv.pop(1))).look)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    runpy.run_module("app.cli", run_name="__main__", alter_sys=True)
