"""Spending by HTTP and GraphQL, against pgbench running the specification's own five statements: on one hot pool, spread, beside ten
million entries, and idle.

A database of its own, made for the run and dropped after it: as portal_app, durable, on the same server. At the end SQL counts what the
ledger holds: every answered settlement, once.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from statistics import median

import asyncpg

from bench.costs import largest
from bench.dashboard import pgbench
from bench.figures import Figure, keep
from bench.till import CLIENTS, DATABASE, HERE, POOL, SPREAD, TENANT, Till, database, settled, superuser, till
from bench.world import World

ROUNDS, SECONDS = 3, 5
PAIRS, LISTS, LIST, IDLE = 2048, 128, 100, 300
FEW, MANY = 100_000, 10_000_000  # ledger entries
OF_SINGLE, OF_LISTS, OF_SPREAD, OF_MANY, OF_IDLE = 1.0, 10.0, 0.3, 1.3, 6.0


def bench(world: World) -> list[Figure]:
    """Pairs of reserve and settle a second, single, in lists and spread; a settlement beside many entries; a call on an idle server."""
    with database(world):
        hot, details, expected = _hot(world)
        spread, more = _spread(world)
        many, most = _many(world)
        costs = {
            "spending_single": largest(world, lambda till: _singles(till, PAIRS)),
            "spending_lists": largest(world, lambda till: _lists(till, LISTS)),
            "spending_spread": largest(world, lambda till: _singles(till, PAIRS, spread=True)),
            "spending_idle": largest(world, lambda till: till.reserve(2 * IDLE).requests),
        }
        costs["spending_many"] = costs["spending_lists"]
        watched = 4 * 1024 + 2 * PAIRS + LISTS * LIST
        found = settled(world)
    if found != expected + more + most + watched:
        raise RuntimeError(f"{expected + more + most + watched} requests were settled, the ledger holds {found}")
    figures = [
        Figure(one.name, one.ours, one.peer, one.ratio, one.target, one.about, costs[one.name])
        for one in (*hot, spread, many)
    ]
    keep("spending", figures, details)
    return figures


def _singles(till: Till, calls: int, *, spread: bool = False) -> int:
    return till.spend(calls, 1, SPREAD if spread else (POOL,)).requests


def _lists(till: Till, calls: int) -> int:
    return till.spend(calls, LIST).requests * LIST


def _hot(world: World) -> tuple[list[Figure], dict[str, list[float]], int]:
    """One pool: singles, lists, and one call at a time."""
    peers, singles, lists = [], [], []
    with till(world) as portal:
        for _ in range(ROUNDS):
            peers.append(pgbench(world, HERE / "spending.pgbench", SECONDS, clients=CLIENTS, database=DATABASE))
            singles.append(portal.spend(PAIRS))
            lists.append(portal.spend(LISTS, LIST))
        idle, bare = _idle(world, portal)
    peer = median(peers)
    single = median(one.rate / 2 for one in singles)
    listed = median(one.rate / 2 * LIST for one in lists)
    details = {"pgbench": peers, "p50_ms": [one.p50_ms for one in singles], "p99_ms": [one.p99_ms for one in singles]}
    figures = [
        Figure(
            "spending_single", f"{single:.0f}/s", f"{peer:.0f}/s", single / peer, OF_SINGLE,
            f"reserve and settle pairs on one pool, single calls by HTTP, one process, {CLIENTS} connections; pgbench with as many clients",
        ),
        Figure("spending_lists", f"{listed:.0f}/s", f"{peer:.0f}/s", listed / peer, OF_LISTS, f"the same in lists of {LIST}"),
        Figure(
            "spending_idle", f"{idle:.2f}ms", f"{bare:.2f}ms", OF_IDLE * bare / idle, 1,
            f"median reserve by HTTP on an idle server; at most {OF_IDLE:g} times a bare one-row UPDATE and COMMIT by asyncpg",
        ),
    ]  # fmt: skip
    return figures, details, portal.settled


def _idle(world: World, portal: Till) -> tuple[float, float]:
    """Median milliseconds of a reserve call and of a bare one-row UPDATE and COMMIT; they take turns, the median round counts."""
    portal.reserve(IDLE)
    rounds = [(portal.reserve(IDLE).p50_ms, asyncio.run(_bare_update(world))) for _ in range(ROUNDS)]
    return median(ours for ours, _ in rounds), median(bare for _, bare in rounds)


async def _bare_update(world: World) -> float:
    """Median milliseconds of a one-row UPDATE and COMMIT."""
    connection = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    taken = []
    try:
        for _ in range(IDLE):
            began = time.perf_counter()
            await connection.execute(
                "UPDATE credit_pools SET updated_at = now() WHERE tenant_id = $1 AND id = $2", TENANT, POOL
            )
            taken.append((time.perf_counter() - began) * 1000)
    finally:
        await connection.close()
    return median(taken)


def _spread(world: World) -> tuple[Figure, int]:
    """200 pools, two processes."""
    peers, ours = [], []
    with till(world, workers=2) as portal:
        for _ in range(ROUNDS):
            peers.append(pgbench(world, HERE / "spending_spread.pgbench", SECONDS, clients=CLIENTS, database=DATABASE))
            ours.append(portal.spend(PAIRS, 1, SPREAD).rate / 2)
    figure = Figure(
        "spending_spread", f"{median(ours):.0f}/s", f"{median(peers):.0f}/s", median(ours) / median(peers), OF_SPREAD,
        f"pairs of single calls over {len(SPREAD)} pools, two processes, {CLIENTS} connections; pgbench spread likewise",
    )  # fmt: skip
    return figure, portal.settled


def _many(world: World) -> tuple[Figure, int]:
    """The time of a settlement beside few entries and beside many: on a pool that has its share of them."""
    counted = 0
    times = []
    with till(world) as portal:
        for wanted in (FEW, MANY):
            asyncio.run(_fill(world, (wanted - counted) // len(SPREAD)))
            counted = wanted
            portal.spend(LISTS // 4, LIST, SPREAD[:1])
            rates = [portal.spend(LISTS // 2, LIST, SPREAD[:1]).rate / 2 * LIST for _ in range(ROUNDS)]
            times.append(1e6 / median(rates))
    few, many = times
    figure = Figure(
        "spending_many", f"{many:.0f}us", f"{few:.0f}us", OF_MANY * few / many, 1,
        f"a pair in lists of {LIST} beside {MANY:,} ledger entries, at most {OF_MANY:g} times that beside {FEW:,}",
    )  # fmt: skip
    return figure, portal.settled


async def _fill(world: World, each: int) -> None:
    """So many more entries for each of the spread pools, by two connections; then what autovacuum and the checkpointer would do.

    The indexes that nothing refers to are made anew afterwards: a third of the time.
    """
    indexes = await _superuser_rows(
        world, "SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'idx_credit_transactions%'"
    )
    await superuser(world, *(f"DROP INDEX {name}" for name, _ in indexes))
    statement = (HERE / "spending_entries.sql").read_text(encoding="utf-8")
    began = datetime.now(UTC) - timedelta(days=30)
    await asyncio.gather(*(_fill_pools(world, statement, each, *pools, began) for pools in ((101, 200), (201, 300))))
    await asyncio.gather(
        *(superuser(world, "SET maintenance_work_mem = '512MB'", definition) for _, definition in indexes)
    )
    await superuser(world, "VACUUM (ANALYZE) credit_transactions", "CHECKPOINT")


async def _fill_pools(  # noqa: PLR0917  the statement's parameters
    world: World, statement: str, each: int, first: int, last: int, began: datetime
) -> None:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    try:
        await connection.execute("SET session_replication_role = replica")  # no look-ups of foreign keys that are good
        await connection.execute(statement, each, first, last, began)
    finally:
        await connection.close()


async def _superuser_rows(world: World, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()
