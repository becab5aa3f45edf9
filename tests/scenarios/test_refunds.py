"""Refunds, whole and in part: money and credits go back once, whatever network, Stripe and operators do."""

import asyncio
from decimal import Decimal

import pytest

from app.rules.burn_order import Bucket
from app.rules.errors import (
    RefundTooLarge,
    Refusal,
)
from app.services.grants import adjust
from app.services.refund_outcomes import RefundMismatch
from tests.scenarios.portal import Buying, until
from tests.scenarios.refunding import PAID, REFUNDS, Refunds, bought
from tests.scenarios.test_buying import receipts_to, text_of

D = Decimal
WHOLE = [("purchased", "-50"), ("bonus", "-7.5")]
PENDS, FAILS = "4000000000007726", "4000000000005126"


async def test_a_whole_refund(buying: Buying) -> None:
    refunds = await bought(buying)
    refund_id = await refunds.refund()
    assert await refunds.status(refund_id) == "succeeded"
    assert await refunds.purchase() == ("refunded", PAID)
    assert await refunds.refund_entries() == WHOLE
    assert await refunds.balance() == (0, 0, 0)
    (made,) = await refunds.at_stripe()
    assert (made["amount"], made["metadata"]["refund_id"]) == (PAID, str(refund_id))
    await refunds.events()
    assert await refunds.refund_entries() == WHOLE
    told = await buying.rows(
        "SELECT kind, emailed_at, parameters FROM notifications WHERE tenant_id = $1 AND kind = 'refund.succeeded'"
    )
    assert len(told) == 2  # Olivia owns and bought; Adam is admin
    assert all(one["emailed_at"] for one in told)
    mails = [mail for mail in receipts_to(buying, refunds.purchase_id) if "refund" not in mail["Subject"]]
    assert sorted((mail["To"], mail["Subject"]) for mail in mails) == [
        ("adam@example.com", "$425.00 of your purchase is on its way back"),
        ("olivia@example.com", "$425.00 of your purchase is on its way back"),
        ("olivia@example.com", "Your receipt: 57.5 credits for Household"),
    ]
    assert any("5 to 10 days" in text_of(mail) for mail in mails)


async def test_parts_add_up_exactly(buying: Buying) -> None:
    refunds = await bought(buying)
    cents = [1, 14_166, 3, 14_167, 14_163]
    assert sum(cents) == PAID
    for number, part in enumerate(cents):
        await refunds.refund(part)
        status = "refunded" if number == len(cents) - 1 else "partially_refunded"
        assert await refunds.purchase() == (status, sum(cents[: number + 1]))
    taken = await refunds.refund_entries()
    assert sum(D(amount) for bucket, amount in taken if bucket == "purchased") == -50
    assert sum(D(amount) for bucket, amount in taken if bucket == "bonus") == D("-7.5")
    assert [one["amount"] for one in await refunds.at_stripe()] == cents
    await refunds.events()
    assert await refunds.refund_entries() == taken


async def test_what_is_spent_becomes_a_shortfall_and_the_next_credits_pay_it(buying: Buying) -> None:
    refunds = await bought(buying)
    await refunds.spend("33.5")  # 6 included, 7.5 bonus, 20 purchased
    await refunds.refund()
    assert await refunds.balance() == (0, 0, D("27.5"))
    assert (await buying.pool())["balance_available"] == 0
    with pytest.raises(Refusal, match=r"owes 27\.500000 credits"):
        await refunds.till().reserve(1)
    await buying.buy(await buying.command(credits_amount="50"))
    assert await refunds.balance() == (0, 30, 0)


async def test_other_credits_of_the_pool_pay_what_was_spent_of_a_refund(buying: Buying) -> None:
    refunds = await bought(buying)
    await refunds.spend("56")  # 6 included, 7.5 bonus, 42.5 purchased
    async with buying.portal.database.transaction(buying.household.worker) as tx:
        await adjust(tx, buying.household.pool_id, Bucket.INCLUDED, D(6), reason="a new month", actor_user_id=None)
    await refunds.refund()
    assert await refunds.refund_entries() == [("purchased", "-7.5")]
    assert (await buying.entries())[-1][:3] == ("consumption", "included", "-6")
    assert await refunds.balance() == (0, 0, 44)


async def test_held_credits_are_not_taken(buying: Buying) -> None:
    refunds = await bought(buying)
    hold = await refunds.till().reserve(60)
    await refunds.refund()
    pool = await buying.pool()
    assert (pool["balance_available"], pool["balance_reserved"], pool["shortfall_credits"]) == (0, 60, D("54"))
    await refunds.till().settle(hold.id, 10)
    pool = await buying.pool()
    assert (pool["balance_available"], pool["balance_reserved"], pool["shortfall_credits"]) == (0, 0, 4)


async def test_a_lost_answer_is_asked_for_again_and_refunded_once(buying: Buying) -> None:
    refunds = await bought(buying)
    await buying.sandbox.fault("lose_answer", path=REFUNDS)
    refund_id = await refunds.refund(10_000)
    assert (await refunds.status(refund_id), await refunds.refund_entries()) == ("pending", [])
    await buying.time_passes()
    assert await refunds.status(refund_id) == "succeeded"
    assert (await refunds.asked(), len(await refunds.at_stripe()), len(await refunds.refund_entries())) == (2, 1, 2)


@pytest.mark.parametrize("fault", ["server_error", "rate_limit"])
async def test_an_error_and_then_success(buying: Buying, fault: str) -> None:
    refunds = await bought(buying)
    await buying.sandbox.fault(fault, path=REFUNDS)
    refund_id = await refunds.refund()
    assert await refunds.status(refund_id) == "pending"
    assert await refunds.at_stripe() == []
    await buying.time_passes()
    assert await refunds.status(refund_id) == "succeeded"
    assert await refunds.refund_entries() == WHOLE


@pytest.mark.parametrize("fault", ["slow_before", "slow_after"])
async def test_no_answer_in_time(buying: Buying, fault: str) -> None:
    refunds = await bought(buying)
    hasty = buying.sandbox.gateway(timeout_seconds=0.4)
    buying.gateway = hasty
    await buying.sandbox.fault(fault, path=REFUNDS, seconds=1.0)
    refund_id = await refunds.refund()
    assert await refunds.status(refund_id) == "pending"
    await buying.time_passes()  # perhaps while Stripe is still at it: then the key is in use
    await asyncio.sleep(1.0)
    await buying.time_passes()
    assert await refunds.status(refund_id) == "succeeded"
    assert (len(await refunds.at_stripe()), await refunds.refund_entries()) == (1, WHOLE)
    await hasty.close()


async def test_the_webhook_comes_before_the_answer(buying: Buying) -> None:
    refunds = await bought(buying)
    await buying.sandbox.fault("slow_after", path=REFUNDS, seconds=1.5)
    operator = asyncio.create_task(refunds.refund())
    await until(refunds.at_stripe, "the refund at Stripe")
    await refunds.events()
    assert await refunds.refund_entries() == WHOLE
    assert not operator.done()
    assert await refunds.status(await operator) == "succeeded"
    assert await refunds.refund_entries() == WHOLE


async def test_events_twice_and_backwards(buying: Buying) -> None:
    refunds = await bought(buying, FAILS)
    await refunds.refund(10_000)
    failed = (await refunds.at_stripe())[0]["id"]
    await buying.sandbox.end_refund(failed, succeeded=False)
    await refunds.refund(20_000)
    await buying.sandbox.webhooks(copies=2, order="reversed")
    await refunds.events()
    assert await refunds.purchase() == ("partially_refunded", 20_000)
    taken = await refunds.refund_entries()
    assert sum(D(amount) for bucket, amount in taken if bucket == "purchased") == D("-23.529412")
    await buying.sandbox.webhooks(copies=1, order="sent")


async def test_two_workers_on_one_event(buying: Buying) -> None:
    """The same news at once, many times: applied once."""
    refunds = await bought(buying)
    await buying.sandbox.raw.post(REFUNDS, data={"payment_intent": refunds.payment, "amount": "8500"})
    look = refunds.refunding
    await asyncio.gather(*(look.refresh(refunds.tenant_id, refunds.purchase_id, refunds.payment) for _ in range(8)))
    assert await refunds.refund_entries() == [("purchased", "-10"), ("bonus", "-1.5")]
    rows = await buying.rows("SELECT origin, status FROM refunds WHERE tenant_id = $1")
    assert [tuple(row) for row in rows] == [("stripe", "succeeded")]


async def test_a_pending_refund_takes_its_credits_and_ends_later(buying: Buying) -> None:
    refunds = await bought(buying, PENDS)
    refund_id = await refunds.refund()
    assert await refunds.status(refund_id) == "processing"
    assert await refunds.refund_entries() == WHOLE
    assert await refunds.purchase() == ("refunded", PAID)
    await buying.sandbox.end_refund((await refunds.at_stripe())[0]["id"])
    await buying.time_passes()  # no webhook: the follow-up finds it
    assert await refunds.status(refund_id) == "succeeded"
    await refunds.events()
    assert await refunds.refund_entries() == WHOLE
    following = (
        "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'refund.finish' AND convert_from(payload, 'UTF8') LIKE $1"
    )
    assert await buying.portal.inspector.fetchval(following, f"%{refund_id}%") == 0


@pytest.mark.parametrize("card", [PENDS, FAILS])
async def test_a_refund_that_fails_gives_its_credits_back(buying: Buying, card: str) -> None:
    refunds = await bought(buying, card)
    refund_id = await refunds.refund()
    await buying.sandbox.end_refund(
        (await refunds.at_stripe())[0]["id"], succeeded=False, failure_reason="lost_or_stolen_card"
    )
    await refunds.events()
    row = await refunds.row(refund_id)
    assert (row["status"], row["failure_code"]) == ("failed", "lost_or_stolen_card")
    assert await refunds.purchase() == ("completed", 0)
    assert await refunds.refund_entries() == [*WHOLE, ("purchased", "50"), ("bonus", "7.5")]
    assert await refunds.balance() == (D("7.5"), 50, 0)
    again = await refunds.refund()
    assert again != refund_id
    assert await refunds.purchase() == ("refunded", PAID)


async def test_a_refund_that_fails_after_its_credits_were_spent_and_owed(buying: Buying) -> None:
    refunds = await bought(buying, FAILS)
    await refunds.spend("56")  # of 63.5: 6 included, 7.5 bonus, 42.5 purchased
    await refunds.refund()
    assert await refunds.balance() == (0, 0, 50)
    await buying.buy(await buying.command(credits_amount="5"))
    assert (await refunds.balance())[2] == 45
    await buying.sandbox.end_refund((await refunds.at_stripe())[0]["id"], succeeded=False)
    await refunds.events()
    pool = await buying.pool()
    # 6 + 57.5 + 5 came, 56 were used: nothing is owed any more
    assert (pool["balance_available"], pool["shortfall_credits"]) == (D("12.5"), 0)


async def test_a_refund_made_at_stripes_dashboard(buying: Buying) -> None:
    refunds = await bought(buying)
    form = {"payment_intent": refunds.payment, "amount": "8500"}
    (await buying.sandbox.raw.post(REFUNDS, data=form)).raise_for_status()
    await refunds.events()
    assert await refunds.purchase() == ("partially_refunded", 8_500)
    assert await refunds.refund_entries() == [("purchased", "-10"), ("bonus", "-1.5")]
    with pytest.raises(RefundTooLarge):
        await refunds.refund(PAID - 8_499)
    await refunds.refund()
    assert await refunds.purchase() == ("refunded", PAID)


async def test_more_at_the_dashboard_than_was_known_here_is_stripes_refusal(buying: Buying) -> None:
    refunds = await bought(buying)
    (await buying.sandbox.raw.post(REFUNDS, data={"payment_intent": refunds.payment})).raise_for_status()
    refund_id = await refunds.refund(100)
    row = await refunds.row(refund_id)
    assert (row["status"], row["failure_code"]) == ("failed", "charge_already_refunded")
    assert await refunds.refund_entries() == []
    await refunds.events()
    assert await refunds.refund_entries() == WHOLE
    assert await refunds.purchase() == ("refunded", PAID)


async def test_news_of_a_refund_before_those_of_its_payment(buying: Buying) -> None:
    await buying.sandbox.fault("lose_answer", path="/v1/payment_intents")
    purchase_id = await buying.buy()
    (payment,) = [one["id"] for one in await buying.charges()]
    (await buying.sandbox.raw.post(REFUNDS, data={"payment_intent": payment})).raise_for_status()
    await buying.sandbox.webhooks(order="reversed")
    refunds = Refunds(buying, purchase_id, payment)
    await refunds.events()
    assert await refunds.purchase() == ("refunded", PAID)
    assert [entry[0] for entry in await buying.entries()] == [
        "subscription_grant",
        "purchase",
        "bonus_grant",
        "refund",
        "refund",
    ]
    await buying.sandbox.webhooks(order="sent")


async def test_an_old_refund_is_looked_up_never_made_again(buying: Buying) -> None:
    refunds = await bought(buying)
    await buying.sandbox.fault("lose_answer", path=REFUNDS)
    made = await refunds.refund(10_000)
    await buying.sandbox.fault("server_error", path=REFUNDS)
    never = await refunds.refund(5_000)
    await buying.portal.inspector.execute(
        "UPDATE refunds SET decided_at = decided_at - interval '23 hours 1 minute' WHERE tenant_id = $1",
        refunds.tenant_id,
    )
    await buying.sandbox.steer.delete("/requests")
    await buying.time_passes()
    assert await refunds.asked() == 0
    assert await refunds.status(made) == "succeeded"
    row = await refunds.row(never)
    assert (row["status"], row["failure_code"]) == ("failed", "never_made")
    assert await refunds.purchase() == ("partially_refunded", 10_000)


async def test_a_refund_that_was_given_up_and_turns_up_at_stripe_after_all(buying: Buying) -> None:
    refunds = await bought(buying)
    await buying.sandbox.fault("server_error", path=REFUNDS)
    refund_id = await refunds.refund(8_500)
    await buying.portal.inspector.execute(
        "UPDATE refunds SET decided_at = decided_at - interval '23 hours 1 minute' WHERE tenant_id = $1",
        refunds.tenant_id,
    )
    await buying.time_passes()
    assert await refunds.status(refund_id) == "failed"
    form = {"payment_intent": refunds.payment, "amount": "8500", "metadata[refund_id]": str(refund_id)}
    (await buying.sandbox.raw.post(REFUNDS, data=form)).raise_for_status()
    await refunds.events()
    row = await refunds.row(refund_id)
    assert (row["status"], row["failure_code"], row["failed_at"]) == ("succeeded", None, None)
    assert await refunds.refund_entries() == [("purchased", "-10"), ("bonus", "-1.5")]


async def test_stripe_down_for_minutes_and_back(buying: Buying) -> None:
    refunds = await bought(buying)
    await buying.sandbox.fault("server_error", path=REFUNDS, times=1000)
    refund_id = await refunds.refund()
    for _ in range(3):
        await buying.time_passes()
    assert await refunds.status(refund_id) == "pending"
    with pytest.raises(RefundTooLarge, match="nothing left"):
        await refunds.refund(1)
    (await buying.sandbox.steer.delete("/faults")).raise_for_status()
    await buying.time_passes()
    assert await refunds.status(refund_id) == "succeeded"
    assert len(await refunds.at_stripe()) == 1


async def test_a_wrong_api_key_fails_no_refund(buying: Buying) -> None:
    refunds = await bought(buying)
    right, wrong = buying.gateway, buying.sandbox.gateway()
    wrong._api_key = "sk_test_wrong"
    buying.gateway = wrong
    refund_id = await refunds.refund()
    assert await refunds.status(refund_id) == "pending"
    buying.gateway = right
    await refunds.refunding.finish(refunds.tenant_id, refund_id)
    assert await refunds.status(refund_id) == "succeeded"
    await wrong.close()


async def test_stripe_speaks_of_another_amount(buying: Buying) -> None:
    refunds = await bought(buying)
    await buying.sandbox.fault("server_error", path=REFUNDS)
    refund_id = await refunds.refund(10_000)
    form = {"payment_intent": refunds.payment, "amount": "9999", "metadata[refund_id]": str(refund_id)}
    (await buying.sandbox.raw.post(REFUNDS, data=form)).raise_for_status()
    with pytest.raises(RefundMismatch, match="is 10000 USD"):
        await refunds.refunding.refresh(refunds.tenant_id, refunds.purchase_id, refunds.payment)
    assert await refunds.refund_entries() == []
    await buying.portal.inspector.execute("DELETE FROM pgqueuer WHERE entrypoint = 'refund.finish'")
    await buying.portal.inspector.execute("DELETE FROM refunds WHERE id = $1", refund_id)
    await refunds.refunding.refresh(refunds.tenant_id, refunds.purchase_id, refunds.payment)
