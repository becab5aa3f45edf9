"""`make bench`: every figure, one line each. `--only NAME` runs one."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from app.config import PROJECT
from bench import audit, dashboard, executor, memory, spending, startup, statements, webhooks
from bench.figures import Figure
from bench.world import World

BENCHES: dict[str, Callable[[World], list[Figure]]] = {
    "dashboard": dashboard.bench,
    "spending": spending.bench,
    "statements": statements.bench,
    "webhooks": webhooks.bench,
    "startup": startup.bench,
    "memory": memory.bench,
    "executor": executor.bench,
    "audit": audit.bench,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the portal against named peers.")
    parser.add_argument("--only", choices=BENCHES, help="run one of them")
    parser.add_argument("--data", type=Path, default=PROJECT / ".bench", help="where the filled database is kept")
    arguments = parser.parse_args()
    with World(arguments.data) as world:
        for name, bench in BENCHES.items():
            if arguments.only in {None, name}:
                for figure in bench(world):
                    print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
