"""Disputes: credits follow the money that a bank takes, returns, or takes again; each piece of news once, in any order."""

import asyncio
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from app.payments.gateway import Gateway
from app.payments.refunds import StripeDispute
from app.rules.errors import RefundTooLarge
from app.services.refunds import Refunding
from tests.scenarios.portal import Buying
from tests.scenarios.refunding import PAID, REFUNDS, Refunds, bought
from tests.scenarios.test_buying import receipts_to

D = Decimal
DISPUTED = "4000000000000259"
WHOLE = [("purchased", "-50"), ("bonus", "-7.5")]
BACK = [("purchased", "50"), ("bonus", "7.5")]


async def dispute_row(refunds: Refunds) -> Any:
    (row,) = await refunds.buying.rows("SELECT * FROM disputes WHERE tenant_id = $1")
    return row


async def test_a_card_whose_payment_is_disputed(buying: Buying) -> None:
    refunds = await bought(buying, DISPUTED)
    row = await dispute_row(refunds)
    assert (row["stripe_status"], row["reason"], row["amount_cents"], row["withdrawn_cents"]) == (
        "needs_response",
        "fraudulent",
        PAID,
        PAID,
    )
    assert await refunds.refund_entries() == WHOLE
    assert await refunds.purchase() == ("refunded", PAID)
    with pytest.raises(RefundTooLarge, match="nothing left to refund"):
        await refunds.refund()
    told = await buying.rows("SELECT kind FROM notifications WHERE tenant_id = $1 AND kind LIKE 'dispute.%'")
    assert [one["kind"] for one in told] == ["dispute.opened"] * 2
    mails = [mail["Subject"] for mail in receipts_to(buying, refunds.purchase_id)]
    assert mails.count("Your payment of $425.00 is disputed") == 2


@pytest.mark.parametrize("money_first", [True, False])
async def test_won_gives_the_credits_back(buying: Buying, *, money_first: bool) -> None:
    refunds = await bought(buying, DISPUTED)
    dispute = (await dispute_row(refunds))["stripe_dispute_id"]
    if money_first:
        await buying.sandbox.decide(dispute, moved=PAID)
        await refunds.events()
        await buying.sandbox.decide(dispute, "won")
    else:
        await buying.sandbox.decide(dispute, "won", moved=0)
        await refunds.events()
        assert await refunds.refund_entries() == [*WHOLE, *BACK]
        await buying.sandbox.decide(dispute, moved=PAID)
    await refunds.events()
    assert await refunds.refund_entries() == [*WHOLE, *BACK]
    assert await refunds.purchase() == ("completed", 0)
    assert await refunds.balance() == (D("7.5"), 50, 0)
    assert (await dispute_row(refunds))["stripe_status"] == "won"


async def test_lost_keeps_them(buying: Buying) -> None:
    refunds = await bought(buying, DISPUTED)
    await buying.sandbox.decide((await dispute_row(refunds))["stripe_dispute_id"], "lost")
    await refunds.events()
    assert await refunds.refund_entries() == WHOLE
    assert await refunds.purchase() == ("refunded", PAID)


async def test_spent_credits_that_are_charged_back_are_owed_and_a_win_pays_them(buying: Buying) -> None:
    refunds = await bought(buying)
    await refunds.spend("60")
    dispute = await buying.sandbox.dispute(refunds.payment)
    await refunds.events()
    assert await refunds.balance() == (0, 0, 54)
    await buying.buy(await buying.command(credits_amount="5"))
    assert await refunds.balance() == (0, 0, 49)
    await buying.sandbox.decide(dispute, "won")
    await refunds.events()
    pool = await buying.pool()
    assert (pool["balance_available"], pool["shortfall_credits"]) == (D("8.5"), 0)  # 63.5 + 5 - 60


async def test_partly_reversed_taken_again_and_corrected(buying: Buying) -> None:
    refunds = await bought(buying)
    dispute = await buying.sandbox.dispute(refunds.payment, amount=17_000, reason="product_not_received")
    steps = (
        (None, {"moved": 8_500}, 8_500),
        ("lost", {}, 8_500),
        (None, {"moved": -4_250}, 12_750),
        (None, {"amount": 4_250}, 4_250),
    )
    await refunds.events()
    assert await refunds.purchase() == ("partially_refunded", 17_000)
    for status, change, gone in steps:
        await buying.sandbox.decide(dispute, status, **change)
        await refunds.events()
        assert await refunds.purchase() == ("partially_refunded", gone), change
        assert await refunds.balance() == (D("7.5") * (PAID - gone) / PAID, D(50) * (PAID - gone) / PAID, 0)


async def test_an_inquiry_moves_nothing(buying: Buying) -> None:
    refunds = await bought(buying, "4000000000001976")
    row = await dispute_row(refunds)
    assert (row["stripe_status"], row["withdrawn_cents"]) == ("warning_needs_response", 0)
    assert await refunds.refund_entries() == []
    assert await refunds.status(await refunds.refund(8_500)) == "succeeded"
    await buying.sandbox.decide(row["stripe_dispute_id"], "warning_closed")
    await refunds.events()
    assert await refunds.purchase() == ("partially_refunded", 8_500)


async def test_a_refund_and_a_dispute_never_take_more_than_was_sold(buying: Buying) -> None:
    refunds = await bought(buying)
    await refunds.refund(34_000)
    dispute = await buying.sandbox.dispute(refunds.payment)  # all of it, as banks do
    await refunds.events()
    taken = await refunds.refund_entries()
    assert sum(D(amount) for bucket, amount in taken if bucket == "purchased") == -50
    assert sum(D(amount) for bucket, amount in taken if bucket == "bonus") == D("-7.5")
    assert await refunds.purchase() == ("refunded", PAID)
    await buying.sandbox.decide(dispute, "won")
    await refunds.events()
    assert await refunds.purchase() == ("partially_refunded", 34_000)
    assert await refunds.balance() == (D("1.5"), 10, 0)


async def test_a_refund_of_a_disputed_payment_is_stripes_refusal(buying: Buying) -> None:
    """Nobody here knows of the dispute yet."""
    refunds = await bought(buying)
    await buying.sandbox.dispute(refunds.payment, amount=8_500)
    refund_id = await refunds.refund(8_500)
    row = await refunds.row(refund_id)
    assert (row["status"], row["failure_code"]) == ("failed", "charge_disputed")
    assert await refunds.refund_entries() == []
    await refunds.events()
    assert await refunds.purchase() == ("partially_refunded", 8_500)


async def test_the_dispute_comes_before_its_payment(buying: Buying) -> None:
    await buying.sandbox.fault("lose_answer", path="/v1/payment_intents")
    purchase_id = await buying.buy(await buying.command(DISPUTED))
    (payment,) = [one["id"] for one in await buying.charges()]
    await buying.sandbox.webhooks(copies=2, order="reversed")
    refunds = Refunds(buying, purchase_id, payment)
    await refunds.events()
    kinds = [entry[0] for entry in await buying.entries()]
    assert kinds == ["subscription_grant", "purchase", "bonus_grant", "refund", "refund"]
    assert await refunds.purchase() == ("refunded", PAID)
    await buying.sandbox.webhooks(copies=1, order="sent")


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_events_in_any_order_each_twice(buying: Buying, order: tuple[int, ...]) -> None:
    refunds = await bought(buying)
    dispute = await buying.sandbox.dispute(refunds.payment)
    await buying.sandbox.decide(dispute, "under_review")
    await buying.sandbox.decide(dispute, "lost", moved=8_500)
    about = [
        event for event in await buying.sandbox.events(refunds.payment) if event["type"].startswith("charge.dispute.")
    ]
    assert len(about) == 5
    groups = [about[:2], about[2:3], about[3:]]
    for index in order:
        for event in groups[index]:
            for copy in range(2):
                event_again = event | {"id": f"{event['id']}{copy or ''}"}
                assert await buying.webhook(event_again) == 200
        await buying.worked()
    assert await refunds.purchase() == ("partially_refunded", PAID - 8_500)
    assert await refunds.refund_entries() == [("purchased", "-40"), ("bonus", "-6")]
    assert len(await buying.rows("SELECT 1 FROM credit_reversals WHERE tenant_id = $1")) == 1


class Slow(Gateway):
    """A gateway whose first answer about disputes is kept until it is old."""

    kept: asyncio.Event

    async def disputes(self, payment_intent_id: str) -> list[StripeDispute]:
        found = await super().disputes(payment_intent_id)
        if not self.kept.is_set():
            await self.kept.wait()
        return found


async def test_an_old_answer_is_never_the_last_word(buying: Buying) -> None:
    """A worker has read 'withdrawn' and stalls; the dispute is won and applied by another: the first asks again."""
    refunds = await bought(buying)
    dispute = await buying.sandbox.dispute(refunds.payment)
    slow = Slow(api_key=buying.sandbox.secret_key, webhook_secret="x", api_base=buying.sandbox.url)
    slow.kept = asyncio.Event()
    stalled = Refunding(buying.portal.database, slow, buying.purchasing)
    ids = (refunds.tenant_id, refunds.purchase_id, refunds.payment)
    first = asyncio.create_task(stalled.refresh(*ids))
    await asyncio.sleep(0.3)
    await refunds.refunding.refresh(*ids)
    await buying.sandbox.decide(dispute, "won")
    await refunds.refunding.refresh(*ids)
    assert await refunds.purchase() == ("completed", 0)
    slow.kept.set()
    await first
    assert await refunds.purchase() == ("completed", 0)
    assert await refunds.refund_entries() == [*WHOLE, *BACK]
    await slow.close()


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "lose_answer"])
async def test_stripe_does_not_answer_what_became_of_it(buying: Buying, fault: str) -> None:
    refunds = await bought(buying)
    await buying.sandbox.dispute(refunds.payment)
    await buying.sandbox.fault(fault, path="/v1/disputes", method="GET")
    await buying.sandbox.fault(fault, path="/v1/refunds", method="GET", times=2)
    await refunds.events()
    for _ in range(4):
        await buying.time_passes()
    assert await refunds.refund_entries() == WHOLE
    left = await buying.rows("SELECT 1 FROM webhook_events WHERE processed_at IS NULL AND error IS NOT NULL")
    assert left == []


async def test_two_workers_on_one_event(buying: Buying) -> None:
    refunds = await bought(buying)
    await buying.sandbox.dispute(refunds.payment)
    ids = (refunds.tenant_id, refunds.purchase_id, refunds.payment)
    await asyncio.gather(*(refunds.refunding.refresh(*ids) for _ in range(8)))
    assert await refunds.refund_entries() == WHOLE
    assert len(await buying.rows("SELECT 1 FROM disputes WHERE tenant_id = $1")) == 1
    await refunds.events()
    told = await buying.rows(
        "SELECT event_type FROM billing_events WHERE tenant_id = $1 AND event_type LIKE 'dispute%'"
    )
    assert [row[0] for row in told] == ["dispute.opened"]


async def test_a_foreign_payments_dispute_is_nobodys(buying: Buying) -> None:
    form = {
        "amount": "4200",
        "currency": "usd",
        "confirm": "true",
        "payment_method": "pm_card_createDispute",
        "return_url": "http://portal.example/",
    }
    (await buying.sandbox.raw.post("/v1/payment_intents", data=form)).raise_for_status()
    delivered = await buying.sandbox.deliver()
    await buying.worked()
    for one in delivered:
        kept = await buying.inbox(one["event"])
        assert kept is not None
        assert kept["processed_at"] is not None
    assert await buying.rows("SELECT 1 FROM disputes WHERE tenant_id = $1") == []


async def test_a_second_payment_under_the_purchases_name_gives_no_credits_back(buying: Buying) -> None:
    refunds = await bought(buying)
    buying.unbalanced = True
    form = {
        "amount": str(PAID), "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa", "return_url": "http://portal.example/",
        "metadata[tenant_id]": str(refunds.tenant_id), "metadata[purchase_id]": str(refunds.purchase_id),
    }  # fmt: skip
    second = (await buying.sandbox.raw.post("/v1/payment_intents", data=form)).raise_for_status().json()["id"]
    (await buying.sandbox.raw.post(REFUNDS, data={"payment_intent": second})).raise_for_status()
    await buying.sandbox.deliver()
    await buying.worked()
    assert await refunds.purchase() == ("completed", 0)
    assert await refunds.refund_entries() == []
