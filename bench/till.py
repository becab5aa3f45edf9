"""The spending benches' own database, made for the run and dropped after it, the portal on it, and what it is asked."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from app.auth import api_keys
from bench.load import Outcome, post, run
from bench.world import SERVE, Server, World
from graphql_schema.node import to_id
from migrations import migrate

CLIENTS, BLOCK = 32, 512
DATABASE = "bench_spending"
HERE = Path(__file__).parent
TENANT, USER = (UUID(f"{kind}000000-0000-4000-8000-000000000001") for kind in ("7e", "a0"))
POOL, *SPREAD = (UUID(f"b0000000-0000-4000-8000-000000000{number:03}") for number in (1, *range(101, 301)))
RESERVE = """mutation ($items: [ReserveInput!]!) {
  creditsReserve(reservations: $items) { answers { requestId reservation { id status amount } error { code } } userErrors { code } } }"""
SETTLE = """mutation ($items: [SettleInput!]!) {
  creditsSettle(settlements: $items) { answers { requestId reservation { id status settled } error { code } } userErrors { code } } }"""


@dataclass(slots=True)
class Till:
    """A portal on the bench's database. `settled` counts what was settled by it: the ledger must hold as much at the end."""

    world: World
    portal: Server
    headers: dict[str, str]
    settled: int = 0

    def spend(self, calls: int, size: int = 1, pools: Sequence[UUID] = (POOL,)) -> Outcome:
        """So many reserve calls of `size` items on the pools in turn, and their settle calls."""
        self.settled += calls * size
        requests = self._pairs(calls, size, pools)
        return run(self.portal.port, requests, connections=CLIENTS, total=len(requests))

    def reserve(self, calls: int) -> Outcome:
        """So many reserve calls, one at a time."""
        requests = [self._request(RESERVE, [_hold(uuid4(), POOL)]) for _ in range(calls)]
        return run(self.portal.port, requests, connections=1, total=calls)

    def _pairs(self, calls: int, size: int, pools: Sequence[UUID]) -> list[bytes]:
        """Blocks of the one, then of the other, so that no settlement overtakes its hold."""
        requests: list[bytes] = []
        turns = cycle(pools)
        for start in range(0, calls, BLOCK):
            block = [(pool, [uuid4() for _ in range(size)]) for pool in islice(turns, min(BLOCK, calls - start))]
            requests += [self._request(RESERVE, [_hold(one, pool) for one in ids]) for pool, ids in block]
            requests += [self._request(SETTLE, [_use(one, pool) for one in ids]) for pool, ids in block]
        return requests

    def _request(self, document: str, items: list[dict[str, object]]) -> bytes:
        body = json.dumps({"query": document, "variables": {"items": items}}).encode()
        return post("/graphql", body, self.headers)


def _hold(request_id: UUID, pool: UUID) -> dict[str, object]:
    return {
        "poolId": to_id("CreditPool", pool),
        "requestId": str(request_id),
        "modelId": "gpt-5",
        "userId": to_id("User", USER),
        "usage": {"inputTokens": 1000, "outputTokens": 500},
    }


def _use(request_id: UUID, pool: UUID) -> dict[str, object]:
    return {
        "poolId": to_id("CreditPool", pool),
        "requestId": str(request_id),
        "usage": {"inputTokens": 900, "outputTokens": 300},
    }


@contextmanager
def database(world: World) -> Iterator[None]:
    """The database, filled by spending.sql."""
    asyncio.run(
        superuser(
            world,
            f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)",
            f"CREATE DATABASE {DATABASE} OWNER portal_owner",
            database="postgres",
        )
    )
    asyncio.run(migrate(world.postgres.url("portal_owner", DATABASE)))
    # Autovacuum would analyze within a minute; until then PostgreSQL takes every index that leads with tenant_id for equally good.
    asyncio.run(superuser(world, (HERE / "spending.sql").read_text(encoding="utf-8"), "ANALYZE"))
    try:
        yield
    finally:
        asyncio.run(superuser(world, f"DROP DATABASE {DATABASE} WITH (FORCE)", database="postgres"))


async def superuser(world: World, *statements: str, database: str = DATABASE) -> None:
    """Run statements as the superuser, one after the other."""
    connection = await asyncpg.connect(world.postgres.dsn("postgres", database))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def till(world: World, *, workers: int = 1, profile: Path | None = None) -> Iterator[Till]:
    """`portal serve` on that database with an API key of its own, warmed up; with its profile in a file (bench/profiled.py)."""
    key = api_keys.generate(TENANT)
    asyncio.run(_add_key(world, key))
    urls = {
        f"database{role}_url": world.postgres.url(name, DATABASE)
        for role, name in (("_app", "portal_app"), ("", "portal_owner"), ("_worker", "portal_worker"))
    }
    command = SERVE if profile is None else ("-m", "bench.profiled", str(profile), "serve")
    with world.portal("{ __typename }", (*command, "--workers", str(workers)), **urls) as portal:
        made = Till(world, portal, {"Authorization": f"Bearer {key.text}"})
        made.spend(1024, 1, (POOL, *SPREAD) if workers > 1 else (POOL,))
        asyncio.run(superuser(world, "ANALYZE"))
        yield made


async def _add_key(world: World, key: api_keys.GeneratedKey) -> None:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", DATABASE))
    try:
        await connection.execute(
            "INSERT INTO api_keys (tenant_id, id, name, key_hash, prefix, scopes) VALUES ($1, $2, 'bench', $3, $4, $5)",
            TENANT, key.key_id, key.secret_hash, key.prefix, ["usage:write"],
        )  # fmt: skip
    finally:
        await connection.close()


def settled(world: World) -> int:
    """How many settled reservations the ledger holds, by SQL."""
    return asyncio.run(_settled(world))


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
