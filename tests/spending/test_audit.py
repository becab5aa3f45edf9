"""The audit finds every broken promise by its name, and a rebuild restores balances from the entries. Rows are broken as superuser."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from app.rules.errors import Invalid, NotFound
from app.services.ledger_audit import PROOFS, audit
from app.services.ledger_rebuild import rebuild
from tests.conftest import Urls
from tests.spending.conftest import NewTill

D = Decimal
CHECK = "balance_is_sum_of_buckets"

# What breaks each proof. `$1` is the pool.
BREAKING = {
    "entries are numbered without gaps and balance_after is a chain":
        "UPDATE credit_transactions SET balance_after = balance_after + 1 WHERE pool_id = $1 AND sequence = 2",
    "the entries of each bucket add up to what it holds":
        "UPDATE credit_pools SET purchased_remaining = purchased_remaining + 1, balance_available = balance_available + 1 WHERE id = $1",
    "the buckets add up to available and reserved":
        "UPDATE credit_pools SET balance_available = balance_available + 1 WHERE id = $1",
    "the pool's counter is its last entry's number":
        "UPDATE credit_pools SET ledger_sequence = ledger_sequence + 1 WHERE id = $1",
    "held reservations add up to what is reserved":
        "UPDATE credit_pools SET balance_reserved = balance_reserved + 1, balance_available = balance_available - 1 WHERE id = $1",
    "held reservations add up to what each member has held":
        "UPDATE credit_pool_members SET held_credits = held_credits + 1 WHERE pool_id = $1 AND role = 'owner'",
    "whoever owes has nothing available":
        "UPDATE credit_pools SET shortfall_credits = 1 WHERE id = $1",
    "completed purchases are in the ledger once":
        "INSERT INTO credit_purchases (tenant_id, pool_id, user_id, idempotency_key, credits_amount, total_credits, unit_price_cents, "
        "base_cents, payment_amount_cents, status) SELECT tenant_id, id, owner_user_id, gen_random_uuid(), 1, 1, 1000, 1000, 1000, "
        "'completed' FROM credit_pools WHERE id = $1",
    "a purchase says what its refunds and disputes gave back":
        "UPDATE credit_purchases SET refunded_cents = refunded_cents + 1 WHERE pool_id = $1",
    "the credits of what went back were taken back":
        "INSERT INTO credit_reversals (tenant_id, pool_id, purchase_id, returned_cents, purchased_credits, bonus_credits, "
        "shortfall_credits) SELECT tenant_id, pool_id, id, 0, 1, 0, 1 FROM credit_purchases WHERE pool_id = $1",
    "reversed credits are in the ledger":
        "UPDATE credit_reversals SET from_purchased = from_purchased + 1, from_bonus = from_bonus - 1 WHERE pool_id = $1",
    "what is owed is what was used or reversed beyond the balance, less what was paid of it":
        "UPDATE credit_pools SET shortfall_credits = shortfall_credits + 1 WHERE id = $1",
    "usage is what the consumption entries of requests say":
        "UPDATE credit_usage SET credits_consumed = credits_consumed + 1, credits_from_included = credits_from_included + 1 "
        "WHERE pool_id = $1",
    "a settled reservation has its usage once":
        "UPDATE credit_reservations SET settled_amount = settled_amount + 1 WHERE pool_id = $1 AND status = 'settled'",
    "rollups are the sums of usage":
        "UPDATE usage_rollups SET latency_ms_total = latency_ms_total + 1 WHERE pool_id = $1",
}  # fmt: skip


async def test_every_proof_has_its_breach() -> None:
    assert list(BREAKING) == list(PROOFS)


@pytest.mark.parametrize("proof", PROOFS)
async def test_the_audit_names_what_is_broken(new_till: NewTill, inspector: asyncpg.Connection, proof: str) -> None:
    till = await new_till(included=D(6), purchased=D(4))
    await till.settle((await till.reserve(1)).id, 2)
    await till.reserve(1)
    await till.tell_refund(await till.buy(2, "0.5", 1000), "re_1", 400)
    await inspector.execute(f"ALTER TABLE credit_pools DROP CONSTRAINT IF EXISTS ck_credit_pools_{CHECK}")
    tenant = till.household.tenant_id
    before = {table: await _copy(inspector, table, tenant) for table in _TABLES}
    await inspector.execute(BREAKING[proof], till.pool_id)
    faults = [fault async for fault in audit(till.database, tenant)]
    assert proof in {fault.proof for fault in faults}
    assert {(fault.tenant_id, fault.pool_id) for fault in faults} == {(tenant, till.pool_id)}
    assert all(any(digit in fault.detail for digit in "0123456789") for fault in faults)
    for table in _TABLES:
        await _put_back(inspector, table, tenant, before[table])


_TABLES = (
    "credit_reversals",
    "refunds",
    "credit_purchases",
    "usage_rollups",
    "credit_usage",
    "credit_reservations",
    "credit_pool_members",
    "credit_transactions",
    "credit_pools",
)


async def _copy(inspector: asyncpg.Connection, table: str, tenant: object) -> str:
    rows: str = await inspector.fetchval(
        f"SELECT coalesce(json_agg(t), '[]')::text FROM {table} t WHERE tenant_id = $1", tenant
    )
    return rows


async def _put_back(inspector: asyncpg.Connection, table: str, tenant: object, rows: str) -> None:
    """The table's rows of the tenant as they were; foreign keys look away."""
    columns = await inspector.fetchval(
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_name = $1 AND is_generated = 'NEVER' "
        "AND table_schema = 'public'",
        table,
    )
    async with inspector.transaction():
        await inspector.execute("SET LOCAL session_replication_role = replica")
        await inspector.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant)
        await inspector.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, $1::json)",
            rows,
        )


@pytest.mark.parametrize(
    "broken",
    [
        "balance_available = balance_available + 3, purchased_remaining = purchased_remaining + 3",
        "balance_reserved = balance_reserved + 1, balance_available = balance_available - 1",
        "monthly_included_total = monthly_included_total + 1, balance_available = balance_available + 1",
        "bonus_remaining = 7, balance_available = balance_available + 7",
        "ledger_sequence = 0, held_count = 9",
        "shortfall_credits = 9",
    ],
)
async def test_a_rebuild_restores_the_balances(new_till: NewTill, broken: str) -> None:
    till = await new_till(included=D(2), bonus=D(1), purchased=D(4))
    await till.settle((await till.reserve(1)).id, "2.5")
    await till.reserve(1, who="mia")
    good, member = await till.pool(), await till.member("mia")
    await till.inspector.execute(f"UPDATE credit_pools SET {broken} WHERE id = $1", till.pool_id)
    await till.set_member("mia", held_credits=D(0))
    assert [fault async for fault in audit(till.database, till.household.tenant_id)] != []
    async with till.database.transaction(till.household.worker) as tx:
        await rebuild(tx, till.pool_id)
    assert {**await till.pool(), "updated_at": good["updated_at"]} == good
    assert await till.member("mia") == member
    await till.settle((await till.reserve(1)).id, 1)


async def test_a_rebuild_of_what_cannot_be(new_till: NewTill, inspector: asyncpg.Connection) -> None:
    till, other = await new_till(included=D(2)), await new_till()
    async with till.database.transaction(till.household.worker) as tx:
        with pytest.raises(NotFound):
            await rebuild(tx, other.pool_id)
    await till.reserve(2)
    before = await till.rows()
    await inspector.execute("UPDATE credit_transactions SET amount = 1 WHERE pool_id = $1", till.pool_id)
    with pytest.raises(Invalid):
        async with till.database.transaction(till.household.worker) as tx:
            await rebuild(tx, till.pool_id)
    await inspector.execute("UPDATE credit_transactions SET amount = 2 WHERE pool_id = $1", till.pool_id)
    assert await till.rows() == before


async def test_the_commands(new_till: NewTill, urls: Urls, tmp_path: Path) -> None:
    """`portal ledger audit` ends with 1 and names the fault; `portal ledger rebuild POOL` mends it."""
    till = await new_till(included=D(2))
    environment = {
        "PATH": "", "PORTAL_DATABASE_URL": urls.owner, "PORTAL_DATABASE_APP_URL": urls.app, "PORTAL_DATABASE_WORKER_URL": urls.worker,
        "PORTAL_DATA_DIR": str(tmp_path), "PYTHONPATH": str(Path.cwd()),
    }  # fmt: skip

    def ledger(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "app.cli", "ledger", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    assert ledger("audit")[0] == 0
    await till.set_pool(ledger_sequence=99)
    status, output = ledger("audit")
    assert status == 1
    assert (
        f"pool {till.pool_id}: not so: the pool's counter is its last entry's number: the last entry is 1, the counter says 99"
        in output
    )
    assert ledger("rebuild", str(till.pool_id)) == (
        0,
        "included 2.000000, bonus 0, purchased 0, available 2.000000, reserved 0\n",
    )
    assert ledger("audit")[0] == 0
    assert ledger("rebuild", str(till.household.tenant_id))[0] == 1
