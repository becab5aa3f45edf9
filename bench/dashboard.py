"""The dashboard document through HTTP: against pgbench running the same SQL, and against PostGraphile answering the same question.

Eight connections each, one process each, the same machine: the runs take turns, several rounds, and the median round counts. The load
for both servers is the same small process. All three share the processors with PostgreSQL as the scheduler sees fit.
"""

import re
import subprocess
from pathlib import Path
from statistics import median
from typing import Any

from bench.captured import Message, messages_of, pgbench_script
from bench.figures import Figure, keep
from bench.load import Outcome, run
from bench.world import Server, World

CONNECTIONS = 8
ROUNDS, SECONDS, WARM_UP = 5, 4.0, 2.0
OF_PGBENCH, OF_POSTGRAPHILE = 0.5, 1.5
DOCUMENTS = Path(__file__).parent / "documents"


def document(server: str) -> str:
    """The dashboard document in the words of one server's schema."""
    return (DOCUMENTS / f"{server}.graphql").read_text(encoding="utf-8")


def bench(world: World) -> list[Figure]:
    """Rates and latencies of the three."""
    with world.portal(document("portal")) as portal, world.postgraphile(document("postgraphile")) as peer:
        script = _script(world, portal)
        run(peer.port, peer.requests, connections=CONNECTIONS, seconds=WARM_UP)
        pgbench(world, script, 1)
        rounds = [_round(world, portal, peer, script) for _ in range(ROUNDS)]
    ours, sql, theirs = (
        median(rates)
        for rates in zip(*((one[0].rate, one[1], one[2].rate) for one in rounds), strict=True)
    )  # fmt: skip
    p99, p99_theirs = (
        median(one.p99_ms for one in outcomes) for outcomes in ([r[0] for r in rounds], [r[2] for r in rounds])
    )
    size = rounds[0][0].answer_bytes / 1000
    figures = [
        Figure(
            "dashboard", f"{ours:.0f}/s", f"{sql:.0f}/s", ours / sql, OF_PGBENCH,
            f"{size:.1f} kB by HTTP, against pgbench with the same SQL, settings and role; {CONNECTIONS} connections",
        ),
        Figure(
            "dashboard_postgraphile", f"{ours:.0f}/s", f"{theirs:.0f}/s", ours / theirs, OF_POSTGRAPHILE,
            f"against PostGraphile 5, {rounds[0][2].answer_bytes / 1000:.1f} kB; it verifies no token and looks up no membership",
        ),
        Figure("dashboard_p99", f"{p99:.1f}ms", f"{p99_theirs:.1f}ms", p99_theirs / p99, 1, "99th percentile, against PostGraphile"),
    ]  # fmt: skip
    keep("dashboard", figures, {"rounds": [_details(one) for one in rounds], "load_us": rounds[0][0].cpu_us})
    return figures


def _script(world: World, portal: Server) -> Path:
    """What the portal sends for one tenant's dashboard as a script for pgbench."""
    path = world.data_dir / "dashboard.pgbench"
    path.write_text(pgbench_script(messages_for_one(world, portal), 100), encoding="utf-8")
    return path


def messages_for_one(world: World, server: Server) -> list[Message]:
    """What a server sends to PostgreSQL for the first tenant's dashboard, once its caches and all its connections are warm."""
    run(server.port, server.requests, connections=CONNECTIONS, seconds=WARM_UP)
    run(server.port, server.requests[:1], connections=1, total=50)  # each connection of the pool in turn
    return messages_of(world.postgres, lambda: run(server.port, server.requests[:1], connections=1, total=1))


def pgbench(
    world: World, script: Path, seconds: float, *, clients: int = CONNECTIONS, database: str = "portal"
) -> float:
    """The script's rate (a second), as portal_app."""
    done = subprocess.run(
        [
            *(str(world.postgres.program("pgbench")), "--no-vacuum", "--file", str(script), "--define", "first=1"),
            *("--client", str(clients), "--jobs", "1", "--time", str(int(seconds)), "--random-seed", "1"),
            world.postgres.dsn("portal_app", database),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode != 0 or not found or "failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return float(found[1])


def _round(world: World, portal: Server, peer: Server, script: Path) -> tuple[Outcome, float, Outcome, float]:
    used = portal.cpu_seconds()
    ours = run(portal.port, portal.requests, connections=CONNECTIONS, seconds=SECONDS)
    cpu_ms = (portal.cpu_seconds() - used) / ours.requests * 1000
    sql = pgbench(world, script, SECONDS)
    return ours, sql, run(peer.port, peer.requests, connections=CONNECTIONS, seconds=SECONDS), cpu_ms


def _details(one: tuple[Outcome, float, Outcome, float]) -> dict[str, Any]:
    ours, sql, theirs, cpu_ms = one
    return {
        "portal": {"rate": round(ours.rate), "p50_ms": round(ours.p50_ms, 1), "p99_ms": round(ours.p99_ms, 1), "cpu_ms": round(cpu_ms, 2)},
        "pgbench": {"rate": round(sql)},
        "postgraphile": {"rate": round(theirs.rate), "p50_ms": round(theirs.p50_ms, 1), "p99_ms": round(theirs.p99_ms, 1)},
    }  # fmt: skip
