"""Where our side's processor time goes: PostgreSQL's, and the server's by the parts of the program that were seen at work."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from bench.till import Till, till
from bench.world import World

SHOWN = 3


def largest(world: World, act: Callable[[Till], int]) -> str:
    """The largest costs of what `act` does, in microseconds of processor time for each of the items that it returns the number of.

    A run of its own, on a server that is watched, so that the measured runs are not.
    """
    profile = world.data_dir / "profile.json"
    profile.unlink(missing_ok=True)
    with till(world, profile=profile) as watched:
        before = _seen(profile)
        server, database = watched.portal.cpu_seconds(), _database_seconds(world)
        items = act(watched)
        server, database = watched.portal.cpu_seconds() - server, _database_seconds(world) - database
        seen = {part: times - before.get(part, 0) for part, times in _seen(profile).items()}
    all_seen = sum(seen.values()) or 1
    costs = {part: server * times / all_seen for part, times in seen.items()} | {"PostgreSQL": database}
    first = sorted(costs, key=costs.__getitem__, reverse=True)[:SHOWN]
    shown = ", ".join(f"{part} {costs[part] / items * 1e6:.0f}us" for part in first)
    return f"{shown} of {(server + database) / items * 1e6:.0f}us"


def _seen(profile: Path) -> dict[str, int]:
    seen: dict[str, int] = json.loads(profile.read_text(encoding="utf-8")) if profile.exists() else {}
    return seen


def _database_seconds(world: World) -> float:
    """What PostgreSQL's processes that are there now have used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == world.postgres.pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
