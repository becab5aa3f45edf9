"""Refunds that are refused, and orders that come twice or at once: the refusal says why, and nothing has changed."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.auth.actor import ServicePrincipal
from app.rules.errors import (
    Forbidden,
    IdempotencyMismatch,
    Invalid,
    NotFound,
    RefundNotPossible,
    RefundTooLarge,
    Refusal,
)
from app.services.refund_orders import RefundCommand
from tests.scenarios.portal import Buying, new_buying
from tests.scenarios.refunding import PAID, Refunds, bought


async def test_the_same_key_twenty_times_at_once(buying: Buying) -> None:
    refunds = await bought(buying)
    command = refunds.command(10_000)
    ids = await asyncio.gather(*(refunds.refunding.refund(refunds.tenant_id, command) for _ in range(20)))
    assert len(set(ids)) == 1
    assert await refunds.asked() == 1
    assert await refunds.purchase() == ("partially_refunded", 10_000)
    await buying.worked()  # the mails are out
    for other in (refunds.command(10_001, key=command.idempotency_key), refunds.command(None, key=command.idempotency_key),
                  refunds.command(10_000, key=command.idempotency_key, reason="another")):  # fmt: skip
        before = await refunds.untouched()
        with pytest.raises(IdempotencyMismatch):
            await refunds.refunding.refund(refunds.tenant_id, other)
        assert await refunds.untouched() == before
    assert await refunds.refunding.refund(refunds.tenant_id, command) == ids[0]


async def test_operators_at_once_never_give_back_more_than_was_paid(buying: Buying) -> None:
    refunds = await bought(buying)
    parts = await asyncio.gather(*(refunds.refund(10_000) for _ in range(8)), return_exceptions=True)
    refused = [one for one in parts if isinstance(one, BaseException)]
    assert [type(one) for one in refused] == [RefundTooLarge] * 4
    assert await refunds.purchase() == ("partially_refunded", 40_000)
    assert sum(one["amount"] for one in await refunds.at_stripe()) == 40_000
    assert await refunds.asked() == 4


@pytest.mark.parametrize(
    ("cents", "refusal", "words"),
    [
        (PAID + 1, RefundTooLarge, "425.01 USD can't be refunded: 425.00 is left"),
        (0, Invalid, "at least 0.01 USD"),
        (-1, Invalid, "at least 0.01 USD"),
        (2**31, RefundTooLarge, "can't be refunded"),
    ],
)
async def test_amounts_that_are_refused(buying: Buying, cents: int, refusal: type[Refusal], words: str) -> None:
    refunds = await bought(buying)
    before = await refunds.untouched()
    with pytest.raises(refusal, match=words):
        await refunds.refund(cents)
    assert await refunds.untouched() == before
    assert await refunds.asked() == 0


async def test_what_else_is_refused(buying: Buying) -> None:
    refunds = await bought(buying)
    stranger = await new_buying(buying.portal, buying.sandbox, buying.gateway)
    failed = await buying.buy(await buying.command("4000000000000002"))
    waiting = await buying.buy(await buying.command("4000000000003220"))
    before = await refunds.untouched()
    tenant = refunds.tenant_id
    for operator, command, refusal, words in (
        (stranger.household.tenant_id, refunds.command(), NotFound, "no such purchase"),
        (tenant, RefundCommand(uuid4(), "x", uuid4()), NotFound, "no such purchase"),
        (tenant, RefundCommand(failed, "x", uuid4()), RefundNotPossible, "this one is failed"),
        (tenant, RefundCommand(waiting, "x", uuid4()), RefundNotPossible, "this one is requires action"),
        (tenant, refunds.command(reason="  "), Invalid, "Say why"),
        (buying.household.principal("olivia"), refunds.command(), Forbidden, "API key with the scope refunds:write"),
    ):
        with pytest.raises(refusal, match=words):
            await refunds.refunding.refund(operator, command)  # type: ignore[arg-type]
    assert await refunds.untouched() == before
    assert await refunds.asked() == 0


async def key_of(refunds: Refunds, *scopes: str, pool_id: UUID | None = None) -> ServicePrincipal:
    return await refunds.till().new_key(*scopes, pool_id=pool_id)


async def test_an_api_key_needs_the_scope_and_the_pool(buying: Buying) -> None:
    refunds = await bought(buying)
    stranger = await new_buying(buying.portal, buying.sandbox, buying.gateway)
    elsewhere = Refunds(stranger, refunds.purchase_id, refunds.payment)
    second = uuid4()
    await buying.portal.inspector.execute(
        "INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id)"
        " SELECT tenant_id, $2, 'second', 'team', owner_user_id FROM credit_pools WHERE id = $1",
        buying.household.pool_id, second,
    )  # fmt: skip
    before = await refunds.untouched()
    for key, refusal in (
        (await key_of(refunds, "usage:write", "credits:adjust", "pool:read"), Forbidden),
        (await key_of(refunds, "refunds:write", pool_id=second), NotFound),
        (await key_of(elsewhere, "refunds:write"), NotFound),
    ):
        with pytest.raises(refusal):
            await refunds.refunding.refund(key, refunds.command())
    assert await refunds.untouched() == before
    key = await key_of(refunds, "refunds:write", pool_id=buying.household.pool_id)
    assert await refunds.status(await refunds.refunding.refund(key, refunds.command(500))) == "succeeded"
