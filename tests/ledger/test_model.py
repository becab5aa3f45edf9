"""ledger.post against a plain model of itself: random changes, and after each one every figure must agree."""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import asyncpg
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from app.rules.burn_order import Bucket
from app.rules.errors import InsufficientLedger
from app.services.ledger import Entry, EntryKind, lock_pool, post
from app.services.ledger_audit import audit
from app.tenancy import Database
from tests.factories import leave_shortfall, make_household

SEED = int(os.environ.get("PORTAL_TEST_SEED", random.SystemRandom().randrange(2**32)))
OUT = {EntryKind.CONSUMPTION, EntryKind.TRANSFER_OUT, EntryKind.EXPIRATION}
TURNS = {EntryKind.REFUND, EntryKind.ADJUSTMENT}


@dataclass
class Model:
    """A pool in whole millionths of a credit: integers cannot round."""

    buckets: dict[str, int]
    shortfall: int = 0
    entries: list[tuple[str, str, int, int]] = field(default_factory=list)  # kind, bucket, amount, balance after

    def post(self, entries: Sequence[tuple[str, str, int]]) -> bool:
        """Apply all entries, then pay the shortfall; False, and nothing applied, if a bucket would go below zero."""
        buckets, written = dict(self.buckets), []
        for kind, bucket, amount in entries:
            buckets[bucket] += amount
            if buckets[bucket] < 0:
                return False
            written.append((kind, bucket, amount, sum(buckets.values())))
        for bucket in ("included", "bonus", "purchased"):
            paid = min(self.shortfall, buckets[bucket])
            if paid:
                buckets[bucket] -= paid
                self.shortfall -= paid
                written.append(("consumption", bucket, -paid, sum(buckets.values())))
        self.buckets = buckets
        self.entries += written
        return True


@st.composite
def an_entry(draw: st.DrawFn) -> tuple[EntryKind, Bucket, int]:
    kind, bucket = draw(st.sampled_from(EntryKind)), draw(st.sampled_from(Bucket))
    size = draw(st.integers(1, 9) | st.integers(1, 20_000_000))
    negative = kind in OUT or (kind in TURNS and draw(st.booleans()))
    return kind, bucket, -size if negative else size


CHANGES = st.lists(
    st.tuples(st.lists(an_entry(), max_size=4), st.just(0) | st.integers(1, 15_000_000)), min_size=1, max_size=8
)


@seed(SEED)
@settings(
    max_examples=40,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=CHANGES)
async def test_the_ledger_does_what_a_plain_model_does(
    database: Database,
    inspector: asyncpg.Connection,
    changes: list[tuple[list[tuple[EntryKind, Bucket, int]], int]],
) -> None:
    """Each change: entries to post, and a shortfall (millionths) that usage has left before it."""
    note(f"PORTAL_TEST_SEED={SEED}")
    household = await make_household(database, included=Decimal(6))
    model = Model({"included": 6_000_000, "bonus": 0, "purchased": 0})
    model.entries.append(("subscription_grant", "included", 6_000_000, 6_000_000))
    for entries, shortfall in changes:
        model.shortfall += shortfall
        await leave_shortfall(inspector, household.pool_id, Decimal(shortfall).scaleb(-6))
        accepted = model.post([(kind.value, bucket.value, amount) for kind, bucket, amount in entries])
        try:
            async with database.transaction(household.worker) as tx:
                pool = await lock_pool(tx, household.pool_id)
                await post(tx, pool, [Entry(kind, one, Decimal(size).scaleb(-6)) for kind, one, size in entries])
        except InsufficientLedger:
            assert not accepted
        else:
            assert accepted
        await agrees(inspector, household.pool_id, model)
    # What a refused change has left owed is paid by the next one, and be it empty; only then does the audit agree.
    model.post([])
    async with database.transaction(household.worker) as tx:
        await post(tx, await lock_pool(tx, household.pool_id), [])
    await agrees(inspector, household.pool_id, model)
    assert [fault async for fault in audit(database, household.tenant_id)] == []


async def agrees(inspector: asyncpg.Connection, pool_id: object, model: Model) -> None:
    pool = await inspector.fetchrow("SELECT * FROM credit_pools WHERE id = $1", pool_id)
    rows = await inspector.fetch("SELECT * FROM credit_transactions WHERE pool_id = $1 ORDER BY sequence", pool_id)
    assert pool is not None
    assert {name: millionths(pool[f"{name}_remaining"]) for name in model.buckets} == model.buckets
    assert millionths(pool["balance_available"]) == sum(model.buckets.values())
    assert millionths(pool["shortfall_credits"]) == model.shortfall
    assert pool["ledger_sequence"] == len(model.entries)
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert [
        (row["transaction_type"], row["source_type"], millionths(row["amount"]), millionths(row["balance_after"]))
        for row in rows
    ] == model.entries


def millionths(credits_amount: Decimal) -> int:
    return int(credits_amount.scaleb(6))
