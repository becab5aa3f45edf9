"""Reconciliation of what went back (ruling 22): refunds and disputes that nobody told the portal of; no money is moved by it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.scenarios.portal import Buying
from tests.scenarios.reconciling import Books
from tests.scenarios.refunding import PAID, REFUNDS, Refunds, bought

DISPUTED = "4000000000000259"
WHOLE = [("purchased", "-50"), ("bonus", "-7.5")]
BACK = [("purchased", "50"), ("bonus", "7.5")]


async def at_stripes_dashboard(buying: Buying) -> Refunds:
    refunds = await bought(buying)
    answer = await buying.sandbox.raw.post(REFUNDS, data={"payment_intent": refunds.payment})
    answer.raise_for_status()
    await buying.aged(refunds.purchase_id, "90 days")
    return refunds


async def answer_lost(buying: Buying) -> Refunds:
    refunds = await bought(buying)
    await buying.sandbox.fault("lose_answer", path=REFUNDS)
    await refunds.refund()
    return refunds


async def never_made(buying: Buying) -> Refunds:
    refunds = await bought(buying)
    await buying.sandbox.fault("server_error", path=REFUNDS)
    refund_id = await refunds.refund()
    await Books(buying).sql("UPDATE refunds SET decided_at = now() - interval '25 hours' WHERE id = $1", refund_id)
    await buying.aged(refunds.purchase_id, "90 days")
    return refunds


async def disputed(buying: Buying) -> Refunds:
    purchase_id = await buying.buy(await buying.command(DISPUTED))
    await buying.worked()
    payment = (await buying.purchase(purchase_id))["stripe_payment_intent_id"]
    return Refunds(buying, purchase_id, payment)


async def dispute_won(buying: Buying) -> Refunds:
    refunds = await bought(buying, DISPUTED)
    assert await refunds.refund_entries() == WHOLE
    [row] = await buying.rows("SELECT stripe_dispute_id FROM disputes WHERE tenant_id = $1")
    await buying.sandbox.decide(row["stripe_dispute_id"], "won", moved=PAID)
    await buying.aged(refunds.purchase_id, "90 days")
    return refunds


@dataclass(frozen=True)
class Unheard:
    """What went back unheard of, and what it comes to."""

    by: Callable[[Buying], Awaitable[Refunds]]
    purchase: tuple[str, int]
    entries: list[tuple[str, str]]


UNHEARD = [
    Unheard(at_stripes_dashboard, ("refunded", PAID), WHOLE),
    Unheard(answer_lost, ("refunded", PAID), WHOLE),
    Unheard(never_made, ("completed", 0), []),
    Unheard(disputed, ("refunded", PAID), WHOLE),
    Unheard(dispute_won, ("completed", 0), [*WHOLE, *BACK]),
]


@pytest.mark.parametrize("unheard", UNHEARD, ids=lambda unheard: unheard.by.__name__)
async def test_what_went_back_unheard_of_is_put_right_once(buying: Buying, unheard: Unheard) -> None:
    refunds, books = await unheard.by(buying), Books(buying)
    await books.nobody_else()
    await books.sql("DELETE FROM pgqueuer WHERE entrypoint = 'refund.finish'")
    await books.remember()
    planned = await books.found(dry_run=True)
    assert planned.explained
    assert planned.what.startswith("would be brought up to Stripe: ")
    await books.unchanged()

    finding = await books.found()
    assert finding.explained
    assert finding.what.startswith("brought up to Stripe: ")
    assert await refunds.purchase() == unheard.purchase
    assert await refunds.refund_entries() == unheard.entries
    assert [one for one in await buying.sandbox.requests() if one["method"] != "GET"] == []
    await books.remember()
    assert (await books.run()).findings == ()
    await books.unchanged()


async def test_a_young_refund_is_left_to_its_job(buying: Buying) -> None:
    refunds, books = await bought(buying), Books(buying)
    await buying.sandbox.fault("server_error", path=REFUNDS)
    refund_id = await refunds.refund()
    await books.remember()
    assert (await books.run()).findings == ()
    await books.unchanged()
    assert await refunds.status(refund_id) == "pending"
    await buying.time_passes()
    assert await refunds.status(refund_id) == "succeeded"


async def test_a_refund_that_stripe_never_had_is_named_and_left(buying: Buying) -> None:
    refunds, books = await bought(buying), Books(buying)
    refund_id = await refunds.refund(1000)
    await buying.worked()
    [made] = await refunds.at_stripe()
    await books.sql("UPDATE refunds SET stripe_refund_id = 're_absent' WHERE id = $1", refund_id)
    await books.nobody_else()
    finding = await books.found(dry_run=True)
    await books.sql("UPDATE refunds SET stripe_refund_id = $2 WHERE id = $1", refund_id, made["id"])
    assert "re_absent: Stripe has nothing, the portal succeeded $10.00" in finding.what
    assert (await books.run()).findings == ()
