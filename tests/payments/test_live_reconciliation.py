"""What reconciliation lists and puts right, in the sandbox and in Stripe's own test mode: the same scenarios in both."""

from datetime import timedelta
from uuid import UUID, uuid4

from app.auth.actor import utc_now
from app.payments.outcomes import Declined, Succeeded
from app.payments.payment_lists import StripePayment
from app.services.reconciliation import Reconciliation
from tests.payments.buyer import CREDITED, Deaf, NewBuyer
from tests.payments.charging import charge
from tests.payments.somewhere import Somewhere

SOON = timedelta(minutes=5)  # Stripe's clock is not ours


async def test_the_list_has_what_was_paid_and_what_was_not(somewhere: Somewhere) -> None:
    gateway, ours = somewhere.gateway, str(uuid4())
    paid = await charge(gateway, metadata={"purchase_id": ours})
    declined = await charge(gateway, payment_method_id="pm_card_visa_chargeDeclined", metadata={"purchase_id": ours})
    assert isinstance(paid, Succeeded)
    assert isinstance(declined, Declined)

    async def listed() -> list[StripePayment]:
        found = await gateway.payments_between(utc_now() - SOON, utc_now() + SOON)
        mine = [one for one in found if one.metadata.get("purchase_id") == ours]
        return mine if len(mine) == 2 else []

    by_id = {one.id: one for one in await somewhere.seen(listed)}
    good, bad = by_id[paid.payment_intent_id], by_id[str(declined.payment_intent_id)]
    assert (good.status, good.amount_cents, good.received_cents) == ("succeeded", 9500, 9500)
    assert (good.currency, good.outcome) == ("usd", paid)
    assert (bad.status, bad.amount_cents, bad.received_cents) == ("requires_payment_method", 9500, 0)
    assert await gateway.stored_payment(good.id) == good
    assert await gateway.stored_payment(f"pi_{uuid4().hex}") is None


async def test_a_payment_whose_answer_was_lost_is_put_right_once(somewhere: Somewhere, new_buyer: NewBuyer) -> None:
    deaf = somewhere.another(Deaf)
    try:
        buyer = await new_buyer(deaf)
        purchase_id = await buyer.buy(buyer.command("pm_card_visa"))
        assert (await buyer.purchase(purchase_id))["status"] == "processing"

        async def mine() -> list[UUID]:
            return [buyer.household.tenant_id]

        work = Reconciliation(buyer.purchasing.database, deaf, buyer.purchasing)
        first = await work.run(mine, days=1, whole=False)
        again = await work.run(mine, days=1, whole=False)
    finally:
        await deaf.close()
    assert [one.explained for one in first.findings] == [True]
    assert (first.purchases, again.findings) == (1, ())
    assert (await buyer.purchase(purchase_id))["status"] == "completed"
    assert (await buyer.credited(), await buyer.charged()) == (CREDITED, [9500])
