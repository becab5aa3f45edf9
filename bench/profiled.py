"""The portal with a profile: `python -m bench.profiled FILE serve` is `portal serve` with a thread that looks on every few milliseconds.

FILE gets the parts of the program that were at work, as JSON, twice a second: {part: times seen}. While the loop waits nobody is at work.
"""

import json
import os
import runpy
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY = 0.003  # seconds
# The innermost frame whose file has such a name says which part is at work; the standard library works for whoever calls it.
PARTS = {
    "/asyncpg/": "asyncpg",
    "/sqlalchemy/": "transactions",
    "/app/tenancy.py": "transactions",
    "/graphql/": "GraphQL",
    "/strawberry/": "GraphQL",
    "/graphql_schema/": "GraphQL",
    "/app/services/spending/reading.py": "SQL",
    "/app/services/spending/writing.py": "SQL",
    "/app/services/spending/": "decisions",
    "/app/rules/": "decisions",
    "/uvicorn/": "HTTP",
    "/starlette/": "HTTP",
    "/app/": "HTTP",
}


def part_of(frame: FrameType | None) -> str | None:
    """The part that a stack works for; None: nobody's, the loop waits."""
    if frame is not None and frame.f_code.co_filename.endswith("/asyncio/runners.py"):
        return None
    while frame is not None:
        for name, part in PARTS.items():
            if name in frame.f_code.co_filename:
                return part
        frame = frame.f_back
    return None


def watch(path: Path, thread: int) -> None:
    """Count for ever what a thread is at."""
    seen: Counter[str] = Counter()
    written = time.monotonic()
    while True:
        time.sleep(EVERY)
        part = part_of(sys._current_frames().get(thread))  # noqa: SLF001  its documented name
        if part is not None:
            seen[part] += 1
        if time.monotonic() - written > 0.5:
            making = path.with_suffix(f".{os.getpid()}")
            making.write_text(json.dumps(seen), encoding="utf-8")
            making.replace(path)
            written = time.monotonic()


if __name__ == "__main__":
    threading.Thread(target=watch, args=(Path(sys.argv.pop(1)), threading.get_ident()), daemon=True).start()
    runpy.run_module("app.cli", run_name="__main__", alter_sys=True)
