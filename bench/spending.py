"""Spending on one hot pool by HTTP and GraphQL, against pgbench running the specification's own five statements on the same pool.

A database of its own, made for the run and dropped after it: as portal_app, durable, on the same server. At the end SQL counts what the
ledger holds: every answered settlement, once.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

import asyncpg

from app.auth import api_keys
from bench.dashboard import pgbench
from bench.figures import Figure, keep
from bench.load import Outcome, post, run
from bench.world import Server, World
from graphql_schema.node import to_id
from migrations import migrate

CLIENTS, BLOCK, LIST = 32, 512, 100
PAIRS, LISTS, IDLE = 4096, 128, 300
SECONDS = 5
OF_SINGLE, OF_LISTS, OF_IDLE = 1.0, 10.0, 6.0
DATABASE = "bench_spending"
HERE = Path(__file__).parent
TENANT, POOL, USER = (UUID(f"{kind}000000-0000-4000-8000-000000000001") for kind in ("7e", "b0", "a0"))
RESERVE = """mutation ($items: [ReserveInput!]!) {
  creditsReserve(reservations: $items) { answers { requestId reservation { id status amount } error { code } } userErrors { code } } }"""
SETTLE = """mutation ($items: [SettleInput!]!) {
  creditsSettle(settlements: $items) { answers { requestId reservation { id status settled } error { code } } userErrors { code } } }"""


def bench(world: World) -> list[Figure]:
    """Pairs of reserve and settle a second, single and in lists, and the time of one call on an idle server."""
    with _database(world) as url, _portal(world, url) as (portal, headers):
        run(portal.port, _pairs(headers, 512, 1), connections=CLIENTS, total=1024)
        # Autovacuum would do it within a minute; until then PostgreSQL takes every index that leads with tenant_id for equally good.
        asyncio.run(_superuser(world, "ANALYZE", database=DATABASE))
        peers, singles, lists = [], [], []
        for _ in range(3):
            peers.append(pgbench(world, HERE / "spending.pgbench", SECONDS, clients=CLIENTS, database=DATABASE))
            singles.append(run(portal.port, _pairs(headers, PAIRS, 1), connections=CLIENTS, total=2 * PAIRS))
            lists.append(run(portal.port, _pairs(headers, LISTS, LIST), connections=CLIENTS, total=2 * LISTS))
        idle, bare = _idle(portal, headers), asyncio.run(_bare_update(world))
        settled = asyncio.run(_settled(world))
    expected = 512 + 3 * PAIRS + 3 * LISTS * LIST
    if settled != expected:
        raise RuntimeError(f"{expected} requests were settled, the ledger holds {settled}")
    peer = median(peers)
    single = median(one.requests / 2 / one.seconds for one in singles)
    listed = median(one.requests / 2 * LIST / one.seconds for one in lists)
    figures = [
        Figure(
            "spending_single", f"{single:.0f}/s", f"{peer:.0f}/s", single / peer, OF_SINGLE,
            f"reserve and settle pairs on one pool, single calls by HTTP, one process, {CLIENTS} connections; pgbench with as many clients",
        ),
        Figure(
            "spending_lists", f"{listed:.0f}/s", f"{peer:.0f}/s", listed / peer, OF_LISTS,
            f"the same in lists of {LIST}",
        ),
        Figure(
            "spending_idle", f"{idle:.2f}ms", f"{bare:.2f}ms", OF_IDLE * bare / idle, 1,
            f"median reserve by HTTP on an idle server; at most {OF_IDLE:g} times a bare one-row UPDATE and COMMIT by asyncpg",
        ),
    ]  # fmt: skip
    keep(
        "spending",
        figures,
        {"pgbench": peers, "p50_ms": [one.p50_ms for one in singles], "p99_ms": [one.p99_ms for one in singles]},
    )
    return figures


@contextmanager
def _database(world: World) -> Iterator[str]:
    asyncio.run(
        _superuser(world, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE} OWNER portal_owner")
    )
    asyncio.run(migrate(world.postgres.url("portal_owner", DATABASE)))
    asyncio.run(_superuser(world, (HERE / "spending.sql").read_text(encoding="utf-8"), database=DATABASE))
    try:
        yield world.postgres.url("portal_app", DATABASE)
    finally:
        asyncio.run(_superuser(world, f"DROP DATABASE {DATABASE} WITH (FORCE)"))


async def _superuser(world: World, *statements: str, database: str = "postgres") -> None:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", database))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _portal(world: World, url: str) -> Iterator[tuple[Server, dict[str, str]]]:
    """`portal serve` on the bench's own database, and the headers of its API key."""
    key = api_keys.generate(TENANT)
    asyncio.run(_add_key(world, key))
    urls = {"database_app_url": url, "database_url": world.postgres.url("portal_owner", DATABASE)}
    urls["database_worker_url"] = world.postgres.url("portal_worker", DATABASE)
    with world.portal("{ __typename }", **urls) as server:
        yield server, {"Authorization": f"Bearer {key.text}"}


async def _add_key(world: World, key: api_keys.GeneratedKey) -> None:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    try:
        await connection.execute(
            "INSERT INTO api_keys (tenant_id, id, name, key_hash, prefix, scopes) VALUES ($1, $2, 'bench', $3, $4, $5)",
            TENANT, key.key_id, key.secret_hash, key.prefix, ["usage:write"],
        )  # fmt: skip
    finally:
        await connection.close()


def _pairs(headers: dict[str, str], calls: int, size: int) -> list[bytes]:
    """So many reserve calls of `size` items and their settle calls: blocks of one, then of the other, so that no settlement
    overtakes its hold."""
    requests: list[bytes] = []
    block = min(BLOCK, calls)
    for _ in range(calls // block):
        ids = [[str(uuid4()) for _ in range(size)] for _ in range(block)]
        requests += [_request(headers, RESERVE, [_hold(one) for one in call]) for call in ids]
        requests += [_request(headers, SETTLE, [_use(one) for one in call]) for call in ids]
    return requests


def _request(headers: dict[str, str], document: str, items: list[dict[str, object]]) -> bytes:
    return post("/graphql", json.dumps({"query": document, "variables": {"items": items}}).encode(), headers)


def _hold(request_id: str) -> dict[str, object]:
    usage = {"inputTokens": 1000, "outputTokens": 500}
    person = to_id("User", USER)
    return {
        "poolId": to_id("CreditPool", POOL),
        "requestId": request_id,
        "modelId": "gpt-5",
        "userId": person,
        "usage": usage,
    }


def _use(request_id: str) -> dict[str, object]:
    return {
        "poolId": to_id("CreditPool", POOL),
        "requestId": request_id,
        "usage": {"inputTokens": 900, "outputTokens": 300},
    }


def _idle(portal: Server, headers: dict[str, str]) -> float:
    """Median milliseconds of a reserve call, one at a time."""
    requests = [_request(headers, RESERVE, [_hold(str(uuid4()))]) for _ in range(IDLE)]
    outcome: Outcome = run(portal.port, requests, connections=1, total=IDLE)
    return outcome.p50_ms


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


async def _settled(world: World) -> int:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM credit_reservations r JOIN credit_transactions t"
            " ON t.tenant_id = r.tenant_id AND t.request_id = r.request_id WHERE r.status = 'settled'"
        )
        return count
    finally:
        await connection.close()
