"""Months of included credits, adjustments and transfers: exactly once, all entries or none (rulings 6, 7 and 9)."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from app.rules.burn_order import Bucket
from app.rules.errors import InsufficientLedger, Invalid, NotFound, Refusal
from app.services.catalogue import CatalogueCache
from app.services.grants import adjust, due_pools, reset_month, transfer
from app.services.upkeep import Upkeep
from tests.factories import leave_shortfall
from tests.spending.conftest import NewTill
from tests.spending.till import Till

D = Decimal


async def reset(till: Till, now: datetime) -> int:
    catalogue = await CatalogueCache(till.database).current()
    async with till.database.transaction(till.household.worker) as tx:
        return await reset_month(tx, till.pool_id, catalogue, now)


async def due(till: Till, start: datetime, resets_at: datetime, **subscription: object) -> None:
    await till.set_subscription(created_at=start, **subscription)
    await till.set_pool(monthly_resets_at=resets_at)


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 9, 30, tzinfo=UTC)


async def test_the_rest_expires_and_the_new_month_comes(new_till: NewTill) -> None:
    till = await new_till(tier="FAMILY", included=D(6), bonus=D(1), purchased=D(2))
    await till.settle((await till.reserve("1.5")).id, "1.5")
    await due(till, at(1, 31), at(2, 28))
    assert await reset(till, at(2, 28) - timedelta(seconds=1)) == 0
    assert await reset(till, at(2, 28)) == 1
    assert await till.buckets() == (6, 1, 2)
    assert [one["amount"] for one in await till.entries("expiration")] == [D("-4.5")]
    assert [one["amount"] for one in await till.entries("subscription_grant")] == [6, 6]
    pool = await till.pool()
    assert (pool["monthly_included_total"], pool["monthly_included_used"], pool["monthly_resets_at"]) == (
        6,
        0,
        at(3, 31),
    )
    assert await reset(till, at(2, 28)) == 0


async def test_three_months_of_downtime(new_till: NewTill) -> None:
    till = await new_till(tier="FAMILY", included=D(6))
    await due(till, at(1, 15), at(2, 15))
    assert await reset(till, at(4, 20)) == 3
    assert await till.buckets() == (6, 0, 0)
    assert [one["amount"] for one in await till.entries("expiration")] == [-6, -6, -6]
    assert (await till.pool())["monthly_resets_at"] == at(5, 15)


async def test_two_workers_at_once_begin_a_month_once(new_till: NewTill) -> None:
    till = await new_till(tier="FAMILY", included=D(6))
    await due(till, at(1, 15), datetime.now(UTC) - timedelta(hours=1))
    upkeep = Upkeep(till.database, CatalogueCache(till.database), till.spending)
    tenants = [till.household.tenant_id]
    async with till.database.transaction(till.household.worker, read_only=True) as tx:
        assert await due_pools(tx, datetime.now(UTC)) == [till.pool_id]
    begun = await asyncio.gather(*(upkeep.reset_months(tenants) for _ in range(4)))
    assert sorted(begun) == [0, 0, 0, 1]
    assert len(await till.entries("subscription_grant")) == 2


async def test_seats_and_what_is_granted(new_till: NewTill) -> None:
    """Per user where the tier is priced per user; nothing once a subscription has ended (rulings 6 and 7)."""
    till = await new_till(tier="TEAM", included=D(1))
    await due(till, at(1, 1), at(2, 1), seat_count=7)
    await reset(till, at(2, 1))
    each = (await CatalogueCache(till.database).current()).tier("TEAM").included_credits_per_user
    assert await till.buckets() == (7 * each, 0, 0)
    await due(till, at(1, 1), at(3, 1), status="past_due")
    await reset(till, at(3, 1))
    assert await till.buckets() == (7 * each, 0, 0)
    await due(till, at(1, 1), at(4, 1), status="canceled")
    await reset(till, at(4, 1))
    assert await till.buckets() == (0, 0, 0)


async def test_what_is_held_over_the_end_of_a_month_stays(new_till: NewTill) -> None:
    till = await new_till(tier="FAMILY", included=D(6))
    held = await till.reserve(2)
    await due(till, at(1, 1), at(2, 1))
    await reset(till, at(2, 1))
    assert await till.balances() == (6, 2, 0)
    await till.settle(held.id, 2)
    assert await till.balances() == (6, 0, 0)


async def test_a_month_begins_with_what_is_owed(new_till: NewTill) -> None:
    till = await new_till(tier="FAMILY", included=D(6))
    await till.settle((await till.reserve(1)).id, 8)
    await due(till, at(1, 1), at(2, 1))
    await reset(till, at(2, 1))
    assert await till.balances() == (4, 0, 0)
    pool = await till.pool()
    assert (pool["monthly_included_total"], pool["monthly_included_used"]) == (6, 2)


async def move(till: Till, bucket: Bucket, amount: D, reason: str = "goodwill") -> None:
    async with till.database.transaction(till.household.worker) as tx:
        await adjust(tx, till.pool_id, bucket, amount, reason=reason, actor_user_id=till.user())


async def test_adjustments(new_till: NewTill) -> None:
    till = await new_till(included=D(6), purchased=D(4))
    await move(till, Bucket.BONUS, D("2.5"))
    await move(till, Bucket.PURCHASED, D(-4))
    await move(till, Bucket.INCLUDED, D("-0.5"))
    assert await till.buckets() == (D("5.5"), D("2.5"), 0)
    assert [one["description"] for one in await till.entries("adjustment")] == ["goodwill"] * 3
    assert (
        await till.inspector.fetchval(
            "SELECT count(*) FROM audit_events WHERE action = 'pool.adjusted' AND pool_id = $1", till.pool_id
        )
        == 3
    )


@pytest.mark.parametrize(
    ("bucket", "amount", "reason"),
    [
        (Bucket.PURCHASED, D("-4.000001"), "x"),
        (Bucket.BONUS, D(-1), "x"),
        (Bucket.PURCHASED, D(0), "x"),
        (Bucket.PURCHASED, D("0.0000001"), "x"),
        (Bucket.PURCHASED, D("NaN"), "x"),
        (Bucket.PURCHASED, D("Infinity"), "x"),
        (Bucket.PURCHASED, D("1e20"), "x"),
        (Bucket.PURCHASED, D(1), "  "),
    ],
)
async def test_adjustments_that_cannot_be(new_till: NewTill, bucket: Bucket, amount: D, reason: str) -> None:
    till = await new_till(purchased=D(4))
    before = await till.rows()
    with pytest.raises(Refusal):
        await move(till, bucket, amount, reason)
    assert await till.rows() == before


async def test_what_is_held_cannot_be_taken(new_till: NewTill) -> None:
    till = await new_till(included=D(1), purchased=D(4))
    await till.reserve(4)
    with pytest.raises(InsufficientLedger):
        await move(till, Bucket.PURCHASED, D(-2))
    await move(till, Bucket.PURCHASED, D(-1))
    assert await till.balances() == (0, 4, 0)


async def second_pool(till: Till, shortfall: int = 0) -> UUID:
    pool_id = uuid4()
    await till.inspector.execute(
        "INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id) "
        "VALUES ($1, $2, 'second', 'team', $3)",
        till.household.tenant_id, pool_id, till.user(),
    )  # fmt: skip
    await leave_shortfall(till.inspector, pool_id, D(shortfall))
    return pool_id


async def send(till: Till, source: UUID, target: UUID, amount: D) -> None:
    async with till.database.transaction(till.household.worker) as tx:
        await transfer(tx, source, target, amount, actor_user_id=till.user())


async def test_a_transfer_moves_purchased_then_bonus(new_till: NewTill) -> None:
    till = await new_till(included=D(6), bonus=D(2), purchased=D(4))
    target = await second_pool(till, shortfall=1)
    await send(till, till.pool_id, target, D(5))
    assert await till.buckets() == (6, 1, 0)
    pool = await till.inspector.fetchrow("SELECT * FROM credit_pools WHERE id = $1", target)
    assert pool is not None
    assert (pool["bonus_remaining"], pool["purchased_remaining"], pool["shortfall_credits"]) == (0, 4, 0)
    assert [(one["source_type"], one["amount"]) for one in await till.entries("transfer_out")] == [
        ("purchased", -4),
        ("bonus", -1),
    ]


@pytest.mark.parametrize("amount", [D(7), D("6.000001"), D(0), D(-1), D("0.0000001"), D("NaN"), D("1e30")])
async def test_transfers_that_cannot_be(new_till: NewTill, amount: D) -> None:
    till = await new_till(included=D(6), bonus=D(2), purchased=D(4))
    target = await second_pool(till)
    before = await till.rows()
    with pytest.raises(Refusal):
        await send(till, till.pool_id, target, amount)
    assert await till.rows() == before


async def test_transfers_need_two_pools_of_the_tenant(new_till: NewTill) -> None:
    till, other = await new_till(purchased=D(4)), await new_till()
    before = await till.rows()
    with pytest.raises(Invalid):
        await send(till, till.pool_id, till.pool_id, D(1))
    for source, target in ((till.pool_id, other.pool_id), (other.pool_id, till.pool_id), (till.pool_id, uuid4())):
        with pytest.raises(NotFound):
            await send(till, source, target, D(1))
    assert await till.rows() == before


async def test_opposite_transfers_at_once_do_not_deadlock(new_till: NewTill) -> None:
    till = await new_till(purchased=D(50))
    target = await second_pool(till)
    await send(till, till.pool_id, target, D(25))
    pairs = [(till.pool_id, target), (target, till.pool_id)] * 15
    await asyncio.gather(*(send(till, source, to, D(1)) for source, to in pairs), till.reserve(1), till.reserve(1))
    assert await till.balances() == (29, 2, 0)
