"""ledger.post: what each entry does to the balances, what is refused, and what 64 writers at once leave behind."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

import asyncpg
import pytest

from app.rules.burn_order import Bucket
from app.rules.errors import InsufficientLedger, NotFound
from app.services.ledger import Entry, EntryKind, lock_pool, post
from app.services.ledger_audit import audit
from app.tenancy import Database
from tests.factories import Household, leave_shortfall, make_household

HUNDRED = Decimal(100)
COMES_IN = {EntryKind.PURCHASE, EntryKind.SUBSCRIPTION_GRANT, EntryKind.BONUS_GRANT, EntryKind.TRANSFER_IN}
GOES_OUT = {EntryKind.CONSUMPTION, EntryKind.TRANSFER_OUT, EntryKind.EXPIRATION}
AMOUNTS = {kind: [Decimal("12.345678")] for kind in COMES_IN} | {kind: [Decimal("-12.345678")] for kind in GOES_OUT}
EITHER_WAY = {kind: [Decimal("0.000001"), Decimal("-0.000001")] for kind in (EntryKind.REFUND, EntryKind.ADJUSTMENT)}
CASES = [
    (kind, bucket, amount)
    for kind, amounts in (AMOUNTS | EITHER_WAY).items()
    for bucket in Bucket
    for amount in amounts
]


async def posted(database: Database, household: Household, entries: Sequence[Entry]) -> None:
    async with database.transaction(household.worker) as tx:
        await post(tx, await lock_pool(tx, household.pool_id), entries)


async def pool_of(inspector: asyncpg.Connection, household: Household) -> asyncpg.Record:
    row = await inspector.fetchrow("SELECT * FROM credit_pools WHERE id = $1", household.pool_id)
    assert row is not None
    return row


async def entries_of(inspector: asyncpg.Connection, household: Household) -> list[asyncpg.Record]:
    return list(
        await inspector.fetch(
            "SELECT * FROM credit_transactions WHERE pool_id = $1 ORDER BY sequence", household.pool_id
        )
    )


async def rich(database: Database, **pool: Any) -> Household:
    """100 credits in each bucket: entries 1 to 3."""
    return await make_household(database, included=HUNDRED, purchased=HUNDRED, bonus=HUNDRED, **pool)


async def unchanged(
    database: Database, inspector: asyncpg.Connection, household: Household, entries: Sequence[Entry], refusal: Any
) -> None:
    before = await pool_of(inspector, household), await entries_of(inspector, household)
    with pytest.raises(refusal):
        await posted(database, household, entries)
    assert (await pool_of(inspector, household), await entries_of(inspector, household)) == before


def test_every_kind_of_entry_is_tried() -> None:
    assert {kind for kind, _, _ in CASES} == set(EntryKind)


@pytest.mark.parametrize(("kind", "bucket", "amount"), CASES)
async def test_an_entry_moves_its_bucket_and_the_balance(
    database: Database, inspector: asyncpg.Connection, kind: EntryKind, bucket: Bucket, amount: Decimal
) -> None:
    household = await rich(database)
    await posted(database, household, [Entry(kind, bucket, amount, source_id="why", description="because")])
    pool, entries = await pool_of(inspector, household), await entries_of(inspector, household)
    expected = dict.fromkeys(Bucket, HUNDRED) | {bucket: HUNDRED + amount}
    assert {one: pool[f"{one.value}_remaining"] for one in Bucket} == expected
    assert (pool["balance_available"], pool["balance_reserved"]) == (300 + amount, 0)
    consumed = bucket is Bucket.INCLUDED and kind is EntryKind.CONSUMPTION
    assert pool["monthly_included_used"] == (-amount if consumed else 0)
    for one in (Bucket.PURCHASED, Bucket.BONUS):
        grown = amount if one is bucket and kind in COMES_IN else 0
        assert pool[f"{one.value}_total"] == 100 + grown
    last = entries[-1]
    assert (last["transaction_type"], last["source_type"], last["amount"]) == (kind.value, bucket.value, amount)
    assert (last["sequence"], last["balance_after"], pool["ledger_sequence"]) == (4, 300 + amount, 4)
    assert (last["source_id"], last["description"]) == ("why", "because")
    faults = [fault.proof async for fault in audit(database, household.tenant_id)]
    # A refund's entry stands for a purchase's reversal: alone it is a fault.
    assert faults == (["reversed credits are in the ledger"] if kind is EntryKind.REFUND else [])


@pytest.mark.parametrize("bucket", Bucket)
async def test_a_bucket_never_goes_below_zero(
    database: Database, inspector: asyncpg.Connection, bucket: Bucket
) -> None:
    household = await rich(database)
    one_too_many = Entry(EntryKind.CONSUMPTION, bucket, Decimal("-100.000001"))
    await unchanged(database, inspector, household, [one_too_many], InsufficientLedger)
    await posted(database, household, [Entry(EntryKind.CONSUMPTION, bucket, -HUNDRED)])
    assert (await pool_of(inspector, household))[f"{bucket.value}_remaining"] == 0
    least = Entry(EntryKind.CONSUMPTION, bucket, Decimal("-0.000001"))
    await unchanged(database, inspector, household, [least], InsufficientLedger)


async def test_what_is_held_is_not_spent(database: Database, inspector: asyncpg.Connection) -> None:
    household = await rich(database)
    await inspector.execute(
        "UPDATE credit_pools SET balance_available = 20, balance_reserved = 280 WHERE id = $1", household.pool_id
    )
    more = Entry(EntryKind.CONSUMPTION, Bucket.PURCHASED, Decimal("-20.000001"))
    await unchanged(database, inspector, household, [more], InsufficientLedger)
    await posted(database, household, [Entry(EntryKind.CONSUMPTION, Bucket.PURCHASED, Decimal(-20))])
    pool = await pool_of(inspector, household)
    assert (pool["balance_available"], pool["balance_reserved"]) == (0, 280)
    assert (await entries_of(inspector, household))[-1]["balance_after"] == 280


async def test_of_several_entries_all_are_written_or_none(database: Database, inspector: asyncpg.Connection) -> None:
    household = await rich(database)
    entries = [
        Entry(EntryKind.PURCHASE, Bucket.PURCHASED, Decimal(5)),
        Entry(EntryKind.CONSUMPTION, Bucket.BONUS, Decimal(-101)),
    ]
    await unchanged(database, inspector, household, entries, InsufficientLedger)


async def test_an_amount_of_seven_places_is_refused(database: Database, inspector: asyncpg.Connection) -> None:
    household = await rich(database)
    fine = Entry(EntryKind.PURCHASE, Bucket.PURCHASED, Decimal("0.0000005"))
    await unchanged(database, inspector, household, [fine], ValueError)


async def test_nothing_to_post_writes_nothing(database: Database, inspector: asyncpg.Connection) -> None:
    household = await rich(database)
    before = await pool_of(inspector, household)
    await posted(database, household, [])
    assert await pool_of(inspector, household) == before


async def test_a_pool_of_another_tenant_cannot_be_locked(database: Database) -> None:
    mine, theirs = await rich(database), await rich(database)
    async with database.transaction(mine.worker) as tx:
        with pytest.raises(NotFound):
            await lock_pool(tx, theirs.pool_id)


async def test_a_shortfall_is_paid_as_far_as_the_credits_reach(
    database: Database, inspector: asyncpg.Connection
) -> None:
    household = await make_household(database, included=Decimal(0))
    await leave_shortfall(inspector, household.pool_id, Decimal(30))
    await posted(database, household, [Entry(EntryKind.PURCHASE, Bucket.PURCHASED, Decimal(12))])
    pool = await pool_of(inspector, household)
    assert (pool["shortfall_credits"], pool["balance_available"]) == (18, 0)
    await posted(
        database,
        household,
        [
            Entry(EntryKind.PURCHASE, Bucket.PURCHASED, Decimal(15)),
            Entry(EntryKind.BONUS_GRANT, Bucket.BONUS, Decimal(4)),
        ],
    )
    pool = await pool_of(inspector, household)
    assert (pool["shortfall_credits"], pool["balance_available"]) == (0, 1)
    written = [
        (row["transaction_type"], row["source_type"], row["amount"]) for row in await entries_of(inspector, household)
    ]
    assert written == [
        ("purchase", "purchased", 12),
        ("consumption", "purchased", -12),
        ("purchase", "purchased", 15),
        ("bonus_grant", "bonus", 4),
        ("consumption", "bonus", -4),
        ("consumption", "purchased", -14),
    ]
    assert [fault async for fault in audit(database, household.tenant_id)] == []


async def test_a_shortfall_is_not_paid_with_what_is_held(database: Database, inspector: asyncpg.Connection) -> None:
    household = await make_household(database, included=Decimal(10))
    await inspector.execute(
        "UPDATE credit_pools SET balance_available = 0, balance_reserved = 10, shortfall_credits = 8 WHERE id = $1",
        household.pool_id,
    )
    await posted(database, household, [Entry(EntryKind.PURCHASE, Bucket.PURCHASED, Decimal(5))])
    pool = await pool_of(inspector, household)
    assert (pool["shortfall_credits"], pool["balance_available"], pool["balance_reserved"]) == (3, 0, 10)


async def test_64_writers_at_once_leave_one_exact_chain(database: Database, inspector: asyncpg.Connection) -> None:
    household = await rich(database)

    async def write(number: int) -> None:
        amount = Decimal(number) / 1000
        kind, bucket = (
            (EntryKind.PURCHASE, Bucket.PURCHASED) if number % 2 else (EntryKind.CONSUMPTION, Bucket.INCLUDED)
        )
        first = Entry(kind, bucket, amount if number % 2 else -amount, source_id=str(number))
        await posted(
            database, household, [first, Entry(EntryKind.BONUS_GRANT, Bucket.BONUS, amount, source_id=str(number))]
        )

    await asyncio.gather(*(write(number) for number in range(1, 65)))
    entries = await entries_of(inspector, household)
    assert [entry["sequence"] for entry in entries] == list(range(1, 3 + 128 + 1))
    assert [entry["balance_after"] for entry in entries] == list(accumulate(entry["amount"] for entry in entries))
    pairs = [entry["source_id"] for entry in entries[3:]]
    assert pairs[::2] == pairs[1::2]  # the entries of one change stand together
    assert sorted(int(one) for one in pairs[::2]) == list(range(1, 65))
    assert [fault async for fault in audit(database, household.tenant_id)] == []


# What bypasses the code, as the role that serves: each must fail by the database's own word.
BYPASSES = {
    "a balance that no bucket backs": (
        "UPDATE credit_pools SET balance_available = balance_available + 1",
        "CheckViolation",
    ),
    "a bucket that no balance shows": (
        "UPDATE credit_pools SET bonus_remaining = bonus_remaining + 1",
        "CheckViolation",
    ),
    "a bucket below zero": (
        "UPDATE credit_pools SET bonus_remaining = -1, purchased_remaining = purchased_remaining + 101",
        "CheckViolation",
    ),
    "a balance below zero": (
        "UPDATE credit_pools SET balance_available = -1, balance_reserved = 301",
        "CheckViolation",
    ),
    "no number": ("UPDATE credit_pools SET shortfall_credits = 'NaN'", "CheckViolation"),
    "more used than there was": (
        "UPDATE credit_pools SET monthly_included_used = 101, balance_available = balance_available - 101",
        "CheckViolation",
    ),
    "an entry of nothing": ("{entry}, 4, 'purchase', 0, 300, 'purchased')", "CheckViolation"),
    "an entry of no number": ("{entry}, 4, 'adjustment', 'NaN', 300, 'purchased')", "CheckViolation"),
    "a purchase that takes": ("{entry}, 4, 'purchase', -1, 299, 'purchased')", "CheckViolation"),
    "a consumption that gives": ("{entry}, 4, 'consumption', 1, 301, 'purchased')", "CheckViolation"),
    "a tenth kind": ("{entry}, 4, 'gift', 1, 301, 'purchased')", "CheckViolation"),
    "a fourth bucket": ("{entry}, 4, 'purchase', 1, 301, 'pocket')", "CheckViolation"),
    "a balance after that is below zero": ("{entry}, 4, 'consumption', -1, -1, 'purchased')", "CheckViolation"),
    "a number given twice": ("{entry}, 3, 'purchase', 1, 301, 'purchased')", "UniqueViolation"),
    "an entry changed": ("UPDATE credit_transactions SET amount = 5", "InsufficientPrivilege"),
    "an entry deleted": ("DELETE FROM credit_transactions", "InsufficientPrivilege"),
}
ENTRY = (
    "INSERT INTO credit_transactions (tenant_id, pool_id, sequence, transaction_type, amount, balance_after, source_type)"
    " VALUES ('{tenant}', '{pool}'"
)


@pytest.mark.parametrize(("statement", "error"), BYPASSES.values(), ids=list(BYPASSES))
async def test_the_database_refuses_what_bypasses_the_code(
    database: Database, inspector: asyncpg.Connection, statement: str, error: str
) -> None:
    household = await rich(database)
    before = await pool_of(inspector, household), await entries_of(inspector, household)
    entry = ENTRY.format(tenant=household.tenant_id, pool=household.pool_id)
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with database.transaction(household.worker) as tx, tx.driver() as connection:
            await connection.execute(statement.format(entry=entry))
    assert type(refused.value).__name__.removesuffix("Error") == error
    assert (await pool_of(inspector, household), await entries_of(inspector, household)) == before
