"""The sweep of automatic purchases: what keeps one pool from being decided never keeps another waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.payments.gateway import Gateway
from tests.payments.sandbox import Sandbox
from tests.scenarios.automatic import Automatic
from tests.scenarios.portal import INTENTS, Buying, Portal, new_buying, until


async def waiting(*buying: Buying) -> list[Automatic]:
    """A household each, with too little, whose decision was lost."""
    every = [await Automatic.of(one) for one in buying]
    async with every[0].worker_waits():
        for automatic in every:
            await automatic.spend("2")
        await every[0].lose_jobs()
    return every


async def swept(*every: Automatic) -> None:
    await every[0].purchasing.sweep([automatic.buying.household.tenant_id for automatic in every])


@asynccontextmanager
async def no_jobs_of(buying: Buying) -> AsyncIterator[None]:
    """The database takes no job of this tenant, for as long as the block lasts."""
    await buying.portal.inspector.execute(
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'the queue is full'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON pgqueuer FOR EACH ROW
            WHEN (convert_from(NEW.payload, 'utf8') LIKE '%{buying.household.tenant_id}%') EXECUTE FUNCTION refuse()"""
    )
    try:
        yield
    finally:
        await buying.portal.inspector.execute("DROP TRIGGER refuse ON pgqueuer; DROP FUNCTION refuse()")


async def test_what_the_database_refuses_one_pool_keeps_no_other_waiting(
    buying: Buying, portal: Portal, sandbox: Sandbox, gateway: Gateway
) -> None:
    refused, other = await waiting(buying, await new_buying(portal, sandbox, gateway))
    async with no_jobs_of(buying):
        await swept(refused, other)
    assert (await refused.statuses(), await other.statuses()) == ([], ["completed"])
    assert len(await other.buying.charges()) == 1
    await swept(refused, other)  # the next round
    assert (await refused.statuses(), await other.statuses()) == (["completed"], ["completed"])


async def test_a_payment_that_fits_no_purchase_keeps_no_other_waiting(
    buying: Buying, portal: Portal, sandbox: Sandbox, gateway: Gateway
) -> None:
    odd, other = await waiting(buying, await new_buying(portal, sandbox, gateway))
    await sandbox.fault("slow_after", path=INTENTS, seconds=2.0)
    sweeping = asyncio.create_task(swept(odd, other))
    await until(buying.charges, "the charge")
    # Somebody meddles with the row while the answer is on its way: Stripe took another amount than the purchase says.
    await buying.portal.inspector.execute(
        "UPDATE credit_purchases SET base_cents = base_cents + 1, payment_amount_cents = payment_amount_cents + 1"
        " WHERE tenant_id = $1",
        buying.household.tenant_id,
    )
    await sweeping
    assert (await odd.statuses(), await other.statuses()) == (["pending"], ["completed"])
    buying.unbalanced = True
