"""Hold, settle, release, in every order: nothing consumed is lost or counted twice, and no balance goes below zero (rulings 8 and 10)."""

from decimal import Decimal
from uuid import uuid4

import pytest

from app.rules.burn_order import Bucket
from app.rules.consumption import Figures, RequestType
from app.rules.errors import ErrorCode, IdempotencyMismatch, NotFound
from app.services.grants import adjust
from app.services.spending.commands import Release, ReservationClosed, Settle
from app.services.upkeep import Upkeep
from tests.spending.conftest import NewTill
from tests.spending.till import Till, worth

D = Decimal


async def add(till: Till, credits: D) -> None:
    async with till.database.transaction(till.household.worker) as tx:
        await adjust(tx, till.pool_id, Bucket.PURCHASED, credits, reason="test", actor_user_id=None)


async def test_a_hold_takes_from_what_is_available(new_till: NewTill) -> None:
    till = await new_till(included=D(6), purchased=D(4))
    held = await till.reserve("2.5")
    assert (held.status, held.amount, held.settled) == ("held", D("2.5"), None)
    assert await till.balances() == (D("7.5"), D("2.5"), 0)
    assert (await till.pool())["held_count"] == 1
    assert (await till.member())["held_credits"] == D("2.5")
    assert await till.entries() == []


@pytest.mark.parametrize(
    ("used", "available"), [("2.5", "7.5"), ("1", "9"), ("0.000001", "9.999999"), ("9", "1"), ("10", "0")]
)
async def test_settling_takes_what_was_used(new_till: NewTill, used: str, available: str) -> None:
    """As much as was held, less, and more."""
    till = await new_till(included=D(6), purchased=D(4))
    held = await till.reserve("2.5")
    settled = await till.settle(held.id, used)
    assert (settled.status, settled.settled) == ("settled", D(used))
    assert await till.balances() == (D(available), 0, 0)
    member = await till.member()
    assert member["held_credits"] == 0
    assert member["usage_today"] == member["usage_this_month"] == member["usage_all_time"] == D(used)
    (usage,) = await till.usage()
    assert usage["credits_consumed"] == D(used)
    assert usage["request_id"] == held.request_id


async def test_the_burn_order_writes_an_entry_a_bucket(new_till: NewTill) -> None:
    till = await new_till(included=D(1), bonus=D(2), purchased=D(4))
    held = await till.reserve(5)
    await till.settle(held.request_id, 5, latency_ms=321)
    assert [(one["source_type"], one["amount"]) for one in await till.entries()] == [
        ("included", D(-1)),
        ("bonus", D(-2)),
        ("purchased", D(-2)),
    ]
    assert await till.buckets() == (0, 0, 2)
    (usage,) = await till.usage()
    split = [usage[f"credits_from_{bucket}"] for bucket in ("included", "bonus", "purchased")]
    assert (split, usage["latency_ms"]) == ([1, 2, 2], 321)
    assert usage["transaction_id"] == (await till.entries())[0]["id"]


@pytest.mark.parametrize(
    ("kind", "figures", "credits"),
    [
        (RequestType.IMAGE, Figures(images=D(2), hd=True), "0.08"),
        (RequestType.TRANSCRIPTION, Figures(minutes=D("2.5")), "0.025"),
        (RequestType.SPEECH, Figures(characters=D(1000)), "0.01"),
        (RequestType.TEXT, Figures(input_tokens=D(1000), output_tokens=D(500), cached_tokens=D(300)), "0.003"),
    ],
)
async def test_every_request_type(new_till: NewTill, kind: RequestType, figures: Figures, credits: str) -> None:
    till = await new_till()
    held = await till.reserve(request_type=kind, figures=figures, provider_id="acme")
    await till.submit(Settle(held.id, figures))
    (usage,) = await till.usage()
    assert (usage["credits_consumed"], usage["request_type"], usage["provider_id"]) == (D(credits), kind.value, "acme")
    assert usage["cached_tokens"] == (figures.cached_tokens or 0)


async def test_the_price_book_prices_models(new_till: NewTill) -> None:
    till = await new_till()
    await till.inspector.execute(
        "INSERT INTO model_prices (model_id, provider_id, display_name, credit_rate_multiplier, cached_input_rate) "
        "VALUES ('dear', 'acme', 'Dear', 3, 0.5) ON CONFLICT DO NOTHING"
    )
    till.spending._catalogue._read_at = -1e9
    figures = Figures(input_tokens=D(1_000_000), output_tokens=D(0), cached_tokens=D(1_000_000))
    held = await till.reserve(request_type=RequestType.TEXT, figures=figures, model_id="dear")
    assert held.amount == D("1.5")
    await till.submit(Settle(held.id, figures))
    (usage,) = await till.usage()
    assert (usage["provider_id"], usage["credit_rate_multiplier"], usage["credits_consumed"]) == ("acme", 3, D("1.5"))


async def test_settled_twice_is_settled_once(new_till: NewTill) -> None:
    till = await new_till()
    held = await till.reserve(1)
    first = await till.settle(held.id, "0.5")
    before = await till.rows()
    assert await till.settle(held.request_id, "0.5") == first
    assert await till.rows() == before
    refusal = await till.refusal(Settle(held.id, worth("0.6")))
    assert isinstance(refusal, IdempotencyMismatch)
    assert isinstance(await till.refusal(Release(held.id)), ReservationClosed)


async def test_released_at_no_cost_as_often_as_one_likes(new_till: NewTill) -> None:
    till = await new_till()
    held = await till.reserve(1)
    assert (await till.release(held.id)).status == "released"
    before = await till.rows()
    assert (await till.release(held.request_id)).status == "released"
    assert await till.rows() == before
    assert await till.balances() == (6, 0, 0)
    assert await till.usage() == []


async def test_settled_after_release_is_consumed_once(new_till: NewTill) -> None:
    till = await new_till()
    held = await till.reserve(1)
    await till.release(held.id)
    assert (await till.settle(held.id, 2)).status == "settled"
    await till.settle(held.id, 2)
    assert await till.balances() == (4, 0, 0)
    assert len(await till.usage()) == 1


async def test_settled_late_is_consumed_once(new_till: NewTill) -> None:
    """After the hold expired by another spend, and in the very flush that expires it."""
    till = await new_till()
    for expire_first in (True, False):
        held = await till.reserve(1)
        await till.overdue(held)
        if expire_first:
            await till.release((await till.reserve("0.1")).id)
            assert (
                await till.inspector.fetchval("SELECT status FROM credit_reservations WHERE id = $1", held.id)
            ) == "expired"
        await till.settle(held.id, "1.5")
        await till.settle(held.id, "1.5")
    assert await till.balances() == (3, 0, 0)
    assert len(await till.usage()) == 2


async def test_never_settled_is_given_back_by_the_next_spend(new_till: NewTill) -> None:
    till = await new_till()
    held = await till.reserve(6)
    assert (await till.refusal(till.reserving(1))).code is ErrorCode.INSUFFICIENT_CREDITS
    await till.overdue(held)
    await till.reserve(6)
    assert await till.balances() == (0, 6, 0)
    assert (await till.pool())["held_count"] == 1


async def test_never_settled_is_given_back_by_the_job(new_till: NewTill) -> None:
    till, other = await new_till(), await new_till()
    for held in [await till.reserve(1) for _ in range(3)]:
        await till.overdue(held)
    still = await till.reserve(1, hold_for=till.reserving().hold_for)
    await other.reserve(1)
    upkeep = Upkeep(till.database, till.spending._catalogue, till.spending)
    tenants = [till.household.tenant_id, other.household.tenant_id]
    await upkeep.expire_holds(tenants)
    assert await till.balances() == (5, 1, 0)
    assert await other.balances() == (5, 1, 0)
    assert (await till.release(still.id)).status == "released"
    assert await upkeep.expire_holds(tenants) == 0


async def test_more_overdue_holds_than_one_flush_takes(new_till: NewTill) -> None:
    till = await new_till(purchased=D(100))
    for _ in range(3):
        await till.submit(*(till.reserving("0.01") for _ in range(400)))
    await till.inspector.execute(
        "UPDATE credit_reservations SET expires_at = now() - interval '1 hour' WHERE pool_id = $1", till.pool_id
    )
    await Upkeep(till.database, till.spending._catalogue, till.spending).expire_holds([till.household.tenant_id])
    assert await till.balances() == (106, 0, 0)


async def test_a_shortfall_is_owed_and_the_next_credits_pay_it(new_till: NewTill) -> None:
    till = await new_till(included=D(2))
    held = await till.reserve(1)
    await till.settle(held.id, 5)
    assert await till.balances() == (0, 0, 3)
    (usage,) = await till.usage()
    assert (usage["credits_consumed"], usage["credits_from_included"], usage["shortfall_credits"]) == (5, 2, 3)
    assert (await till.refusal(till.reserving("0.000001"))).code is ErrorCode.SHORTFALL
    await add(till, D(1))
    assert await till.balances() == (0, 0, 2)
    assert (await till.refusal(till.reserving("0.000001"))).code is ErrorCode.SHORTFALL
    await add(till, D(3))
    assert await till.balances() == (1, 0, 0)
    await till.reserve(1)
    assert sum(one["amount"] for one in await till.entries()) == -5


async def test_a_pool_without_anything_owes_all(new_till: NewTill) -> None:
    till = await new_till(included=D(1))
    held = await till.reserve(1)
    await till.release(held.id)
    other = await till.reserve(1)
    await till.settle(held.id, 3)  # everything that is there is held for the other one
    assert await till.balances() == (0, 1, 3)
    assert (await till.usage())[0]["transaction_id"] is None
    await till.settle(other.id, "0.25")  # what is left of it pays what is owed
    assert await till.balances() == (0, 0, D("2.25"))
    assert sum(one["amount"] for one in await till.entries()) == -1


async def test_a_hold_that_comes_back_pays_what_is_owed(new_till: NewTill) -> None:
    """By release and by expiry."""
    till = await new_till(included=D(4))
    spent, released, late = await till.reserve(1), await till.reserve(1), await till.reserve(2)
    await till.settle(spent.id, "2.5")
    assert await till.balances() == (0, 3, D("1.5"))
    await till.release(released.id)
    assert await till.balances() == (0, 2, D("0.5"))
    await till.overdue(late)
    await till.reserve(1)
    assert await till.balances() == (D("0.5"), 1, 0)


async def test_a_late_payers_included_credits_are_consumed_last(new_till: NewTill) -> None:
    till = await new_till(included=D(6), purchased=D(2))
    held = await till.reserve(2)
    await till.set_subscription(status="unpaid")
    await till.settle(held.id, 3)
    assert await till.buckets() == (5, 0, 0)
    assert (await till.refusal(till.reserving(1))).code is ErrorCode.SUBSCRIPTION_NOT_PAID


async def test_use_that_costs_nothing_is_counted(new_till: NewTill) -> None:
    """A cached token at half the rate of a cheap model: less than a millionth."""
    till = await new_till()
    await till.inspector.execute(
        "INSERT INTO model_prices (model_id, provider_id, display_name, credit_rate_multiplier) "
        "VALUES ('cheap', 'acme', 'Cheap', 0.1) ON CONFLICT DO NOTHING"
    )
    till.spending._catalogue._read_at = -1e9
    token = Figures(input_tokens=D(1), output_tokens=D(0))
    held = await till.reserve(request_type=RequestType.TEXT, figures=token, model_id="cheap")
    await till.submit(Settle(held.id, token))
    (usage,) = await till.usage()
    assert (usage["credits_consumed"], usage["input_tokens"]) == (0, 1)


async def test_settled_after_the_member_has_left(new_till: NewTill) -> None:
    till = await new_till()
    held = await till.reserve(1, who="mia")
    await till.inspector.execute("DELETE FROM credit_pool_members WHERE user_id = $1", till.user("mia"))
    key = await till.new_key("usage:write")
    (answer,) = await till.submit(Settle(held.id, worth("0.5")), by=key)
    assert getattr(answer, "status", answer) == "settled"
    assert await till.balances() == (D("5.5"), 0, 0)


async def test_unknown_and_other_pools_holds_do_not_exist(new_till: NewTill) -> None:
    till, other = await new_till(), await new_till()
    theirs = await other.reserve(1)
    for command in (
        Settle(theirs.id, worth(1)),
        Release(theirs.id),
        Settle(theirs.request_id, worth(1)),
        Release(uuid4()),
    ):
        assert isinstance(await till.refusal(command), NotFound)
    assert await other.balances() == (5, 1, 0)
