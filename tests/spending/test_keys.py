"""API keys: what the AI gateway may do, checked again in every flush."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from app.auth.actor import Unauthenticated, acting
from app.rules.errors import ErrorCode, Forbidden, NotFound
from app.services.spending.commands import Reservation, Settle
from tests.spending.conftest import NewTill
from tests.spending.till import Till, worth


async def test_a_key_spends_for_every_member(new_till: NewTill) -> None:
    till = await new_till()
    key = await till.new_key("usage:write")
    for who in ("olivia", "mia", "rosa"):
        (answer,) = await till.submit(till.reserving("0.5", who=who), by=key)
        assert isinstance(answer, Reservation)
        (answer,) = await till.submit(Settle(answer.request_id, worth("0.5")), by=key)
        assert getattr(answer, "status", None) == "settled"
        assert (await till.member(who))["usage_today"] == worth("0.5").minutes / 100  # type: ignore[operator]


async def test_a_key_without_the_scope_is_refused(new_till: NewTill) -> None:
    till = await new_till()
    key = await till.new_key("usage:read", "pool:read")
    before = await till.rows()
    with pytest.raises(Forbidden, match="usage:write"):
        await till.submit(till.reserving(), by=key)
    assert await till.rows() == before


async def _taken_away(till: Till, change: str) -> None:
    """A key that has worked is refused in the very next flush once it is changed."""
    key = await till.new_key("usage:write")
    assert isinstance((await till.submit(till.reserving("0.1"), by=key))[0], Reservation)
    await till.inspector.execute(f"UPDATE api_keys SET {change} WHERE id = $1", key.key_id)
    before = await till.rows()
    with pytest.raises(Unauthenticated):
        await till.submit(till.reserving("0.1"), by=key)
    assert await till.rows() == before


@pytest.mark.parametrize(
    "change", ["revoked_at = now()", "expires_at = now()", "scopes = '{usage:read}'", "key_hash = '\\x00'"]
)
async def test_what_is_taken_from_a_key_is_gone_at_once(new_till: NewTill, change: str) -> None:
    await _taken_away(await new_till(), change)


async def test_a_wrong_secret_is_nobody(new_till: NewTill) -> None:
    till = await new_till()
    key = await till.new_key("usage:write")
    await till.submit(till.reserving("0.1"), by=key)
    for wrong in (replace(key, secret_hash=b"\0" * 32), replace(key, key_id=uuid4()), replace(key, tenant_id=uuid4())):
        before = await till.rows()
        with pytest.raises(Unauthenticated):
            await till.submit(till.reserving("0.1"), by=wrong)
        assert await till.rows() == before


async def test_one_bad_key_spoils_no_other_call_of_the_flush(new_till: NewTill) -> None:
    till = await new_till()
    good, bad = await till.new_key("usage:write"), await till.new_key("usage:write")
    await till.submit(till.reserving("0.1"), by=bad)
    await till.submit(till.reserving("0.1"), by=good)
    await till.inspector.execute("UPDATE api_keys SET revoked_at = now() WHERE id = $1", bad.key_id)
    answers = await asyncio.gather(
        *(till.submit(till.reserving("0.1"), by=key) for key in (good, bad, good, bad)), return_exceptions=True
    )
    assert [type(one) for one in answers] == [list, Unauthenticated, list, Unauthenticated]
    assert (await till.pool())["held_count"] == 4


async def test_a_key_of_one_pool_knows_no_other(new_till: NewTill) -> None:
    """And its items for its own pool are not spoiled by those for another."""
    till = await new_till()
    key = await till.new_key("usage:write", pool_id=till.pool_id)
    await till.submit(till.reserving("0.1"), by=key)
    second = uuid4()
    await till.inspector.execute(
        "INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id) VALUES ($1, $2, 'second', 'team', $3)",
        till.household.tenant_id, second, till.user(),
    )  # fmt: skip
    answers = await till.spending.submit(key, [(second, till.reserving("0.1")), (till.pool_id, till.reserving("0.1"))])
    assert isinstance(answers[0], NotFound)
    assert isinstance(answers[1], Reservation)
    async with acting(till.database, key, read_only=True) as session:
        with pytest.raises(NotFound):
            await till.spending.quote(session, second, till.reserving("0.1"))
        assert (await till.spending.quote(session, till.pool_id, till.reserving("0.1"))).allowed


async def test_quotes_and_checks_hold_nothing(new_till: NewTill) -> None:
    till = await new_till()
    key, reader = await till.new_key("usage:write"), await till.new_key("usage:read")
    await till.reserve(1, who="mia")
    before = await till.rows()
    async with acting(till.database, key, read_only=True) as session:
        quoted = await till.spending.quote(session, till.pool_id, till.reserving("5.5", who="mia"))
        assert not quoted.allowed
        assert [one.code for one in quoted.limits if one.blocks] == [ErrorCode.INSUFFICIENT_CREDITS]
        assert (await till.spending.quote(session, till.pool_id, till.reserving(5, who="mia"))).allowed
    async with acting(till.database, reader, read_only=True) as session:
        with pytest.raises(Forbidden):
            await till.spending.quote(session, till.pool_id, till.reserving(1))
    async with acting(till.database, till.household.principal("rosa"), read_only=True) as session:
        limits = await till.spending.check(session, till.pool_id, till.user("rosa"), None, worth(1).minutes or 0)
        assert [one.code for one in limits if one.blocks] == [ErrorCode.INSUFFICIENT_CREDITS]
        # The worker's sight is put back: the person still sees nobody else's rows.
        async with session.tx.driver() as connection:
            assert await connection.fetchval("SELECT count(*) FROM credit_reservations") == 0
    assert await till.rows() == before


async def test_what_became_of_a_request(new_till: NewTill) -> None:
    """By its request_id: for its own spender, for who sees the others' use, for a key; for nobody else."""
    till, other = await new_till(), await new_till()
    held = await till.reserve(1, who="mia")
    reader, stranger = await till.new_key("usage:read"), await other.new_key("usage:read")
    for who, found in ((till.household.principal("mia"), True), (till.household.principal("olivia"), True),
                       (till.household.principal("rosa"), False), (reader, True), (stranger, False)):  # fmt: skip
        async with acting(till.database, who, read_only=True) as session:
            for reference in (held.request_id, held.id):
                assert (await till.spending.reservation(session, reference) == held) is found
            assert await till.spending.reservation(session, uuid4()) is None
