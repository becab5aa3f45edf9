"""One line a figure, and the latest of each in bench/results/."""

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured beside its peer. `ratio` is how many times better than the peer we are, so more is better;
    the figure is ok from `target` on. Units stand in `ours` and `peer`. Without a peer it is only told."""

    name: str
    ours: str
    peer: str
    ratio: float
    target: float
    about: str  # what the peer is, and how it was measured
    costs: str = ""  # the largest of our side

    @property
    def ok(self) -> bool:
        return self.ratio >= self.target

    def line(self) -> str:
        if not self.peer:
            return f"bench {self.name} ours={self.ours} ({self.about})"
        verdict = "ok" if self.ok else "short"
        return (
            f"bench {self.name} ours={self.ours} peer={self.peer} ratio={self.ratio:.2f} target={self.target:g} {verdict}"
            + (f"\n  largest costs: {self.costs}" if self.costs else "")
        )


def keep(bench: str, figures: list[Figure], details: dict[str, Any]) -> None:
    """Write one bench's figures with machine, versions and date; git keeps the latest."""
    RESULTS.mkdir(exist_ok=True)
    kept = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "load_average": [
            round(one, 1) for one in os.getloadavg()
        ],  # of the last 1, 5 and 15 minutes, the benchmark's own included
        "versions": _versions(),
        "lines": [figure.line() for figure in figures],
        "about": {figure.name: figure.about for figure in figures},
        "details": details,
    }
    (RESULTS / f"{bench}.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _machine() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    processor = models[0].partition(":")[2].strip() if models else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {processor}, {memory:.0f} GiB, Linux {platform.release()}"


def _versions() -> dict[str, str]:
    packages = ("strawberry-graphql", "graphql-core", "starlette", "uvicorn", "sqlalchemy", "asyncpg", "orjson")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
