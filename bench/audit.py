"""`portal ledger audit` over ten million entries, and over a tenth of them: memory stays flat, time grows no faster than the ledger.

Memory is what the command and PostgreSQL's processes for it hold of their own at their highest (shared buffers are not theirs). A database
of its own, made for the run and dropped after it. BENCH_AUDIT_ENTRIES: another number of entries, a multiple of 4,000.
"""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from app.config import PREFIX, PROJECT
from bench.figures import Figure, keep
from bench.world import ENVIRONMENT, World
from migrations import migrate

ENTRIES = int(os.environ.get("BENCH_AUDIT_ENTRIES", "10000000"))
POOLS, SMALLER = 20, 10  # the pools of audit.sql; how many times less the first audit reads
MOST_GROWTH = 1.2  # of memory
MOST_TIME = 1.3  # what an entry may take, as a multiple of what it takes in the smaller ledger
DATABASE = "bench_audit"
VERDICT = "1 tenants audited: every balance follows from its ledger.\n"
# One entry in the middle of a chain says what does not follow from the one before.
_BREAK = """UPDATE credit_transactions SET balance_after = balance_after + 0.000001
    WHERE pool_id = 'b0000007-0000-4000-8000-000000000001' AND sequence = 100"""
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True, slots=True)
class Audited:
    """One run of the command: how long it took, and the highest memory (bytes) of itself and of PostgreSQL's processes for it."""

    seconds: float
    command_bytes: int
    postgres_bytes: int
    status: int
    said: str

    @property
    def peak_bytes(self) -> int:
        return self.command_bytes + self.postgres_bytes


def bench(world: World) -> list[Figure]:
    """Memory and time of the audit at two sizes; a ledger with one broken entry must be found out first."""
    asyncio.run(
        _execute(world, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE} OWNER portal_owner")
    )
    try:
        asyncio.run(migrate(world.postgres.url("portal_owner", DATABASE)))
        each = ENTRIES // POOLS
        _fill(world, 1, each // SMALLER)
        _find_a_broken_entry(world)
        small = _proven(_audit(world))
        filled = _fill(world, each // SMALLER + 1, each)
        large = _proven(_audit(world))
    finally:
        asyncio.run(_execute(world, f"DROP DATABASE {DATABASE} WITH (FORCE)"))
    growth = large.peak_bytes / small.peak_bytes
    an_entry = large.seconds / small.seconds / SMALLER
    figures = [
        Figure(
            "audit_memory", f"{large.peak_bytes / 1e6:.0f}MB", f"{small.peak_bytes / 1e6:.0f}MB", MOST_GROWTH / growth, 1,
            f"at the highest, over {ENTRIES:,} entries; the peer: over {ENTRIES // SMALLER:,}; at most {MOST_GROWTH:g} times that",
        ),
        Figure(
            "audit_time", f"{large.seconds:.1f}s", f"{small.seconds * SMALLER:.1f}s", MOST_TIME / an_entry, 1,
            f"for {ENTRIES:,} entries; the peer is {SMALLER} times what {ENTRIES // SMALLER:,} took; at most {MOST_TIME:g} times that",
        ),
    ]  # fmt: skip
    keep("audit", figures, {"entries": ENTRIES, "seconds_to_fill": round(filled, 1)} | _details(small, large))
    return figures


def _details(small: Audited, large: Audited) -> dict[str, dict[str, float]]:
    return {
        name: {
            "seconds": round(one.seconds, 1),
            "command_MB": one.command_bytes / 1e6,
            "postgres_MB": one.postgres_bytes / 1e6,
        }
        for name, one in (("small", small), ("large", large))
    }


def _fill(world: World, first: int, last: int) -> float:
    """Give every pool the entries from `first` to `last`; the seconds that it took."""
    sys.stderr.write(f"Writing {(last - first + 1) * POOLS:,} entries ...\n")
    began = time.monotonic()
    numbers = f"SET bench.first = {first}; SET bench.last = {last};\n"
    script = numbers + Path(__file__).with_name("audit.sql").read_text(encoding="utf-8")
    asyncio.run(_execute(world, script, "VACUUM ANALYZE", "CHECKPOINT", database=DATABASE))
    return time.monotonic() - began


def _find_a_broken_entry(world: World) -> None:
    asyncio.run(_execute(world, _BREAK, database=DATABASE))
    found = _audit(world)
    asyncio.run(_execute(world, _BREAK.replace("+ 0", "- 0"), database=DATABASE))
    if found.status != 1 or "entry 100: follows entry 99" not in found.said:
        raise RuntimeError(f"the audit overlooks a broken entry: {found.said}")


def _proven(audited: Audited) -> Audited:
    if (audited.status, audited.said) != (0, VERDICT):
        raise RuntimeError(f"the audit finds fault with a good ledger: {audited.said}")
    return audited


def _audit(world: World) -> Audited:
    """Run the command, looking at the memory of all that works for it."""
    roles = {"database_url": "portal_owner", "database_app_url": "portal_app", "database_worker_url": "portal_worker"}
    urls = {PREFIX + name.upper(): world.postgres.url(role, DATABASE) for name, role in roles.items()}
    environment = ENVIRONMENT | urls | {f"{PREFIX}DATA_DIR": str(world.data_dir)}
    postmaster = psutil.Process(int((world.postgres.cluster / "postmaster.pid").read_text(encoding="ascii").split()[0]))
    command, postgres = 0, 0
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "ledger", "audit"],
        cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        while process.poll() is None:
            command = max(command, _own_bytes(process.pid))
            postgres = max(postgres, sum(_own_bytes(one.pid) for one in postmaster.children() if _works_for_it(one)))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        seconds = time.monotonic() - began
        said = process.stdout.read() if process.stdout else ""
    return Audited(seconds, command, postgres, process.returncode, said)


def _works_for_it(process: psutil.Process) -> bool:
    try:
        title = " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False
    return DATABASE in title or "parallel worker" in title


def _own_bytes(pid: int) -> int:
    """The resident memory that no other process shares."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(lines[0][1]) * 1024 if lines else 0


async def _execute(world: World, *statements: str, database: str = "postgres") -> None:
    connection = await asyncpg.connect(world.postgres.dsn("postgres", database))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
