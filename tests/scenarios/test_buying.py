"""Buying credits to the end: what a success leaves behind, what a decline does not, and the customer's step at the bank."""

from decimal import Decimal
from email.message import EmailMessage
from uuid import UUID

import pytest

from app.rules.errors import Forbidden, NotFound
from app.rules.purchase_progress import decline_advice
from app.rules.purchases import purchase_page
from app.services.purchases import PurchaseCommand
from tests.factories import leave_shortfall
from tests.scenarios.portal import INTENTS, PUBLIC_URL, Buying


def receipts_to(buying: Buying, purchase_id: UUID) -> list[EmailMessage]:
    """The mails that lead to the purchase's page."""
    page = purchase_page(PUBLIC_URL, purchase_id)
    found = [buying.portal.mailbox.read(name) for name in buying.portal.mailbox.names()]
    return [mail for mail in found if mail is not None and page in text_of(mail)]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_a_success_with_bonus_is_in_every_book(buying: Buying) -> None:
    command = await buying.command(credits_amount="50")
    purchase_id = await buying.buy(command)
    bought = await buying.purchase(purchase_id)
    assert (bought["status"], bought["payment_amount_cents"], bought["payment_currency"]) == (
        "completed",
        42_500,
        "USD",
    )
    assert (bought["credits_amount"], bought["bonus_credits"], bought["total_credits"]) == (
        Decimal(50),
        Decimal("7.5"),
        Decimal("57.5"),
    )
    assert bought["completed_at"] is not None
    assert bought["updated_at"] > bought["created_at"]
    assert bought["stripe_charge_id"].startswith("ch_")
    assert bought["stripe_receipt_url"].startswith("http")
    assert (bought["failed_at"], bought["failure_reason"], bought["next_action_url"]) == (None, None, None)
    assert await buying.entries() == [
        ("subscription_grant", "included", "6", 1, "6"),
        ("purchase", "purchased", "50", 2, "56"),
        ("bonus_grant", "bonus", "7.5", 3, "63.5"),
    ]
    pool = await buying.pool()
    assert pool["balance_available"] == Decimal("63.5")
    assert (pool["purchased_remaining"], pool["bonus_remaining"]) == (Decimal(50), Decimal("7.5"))
    assert (pool["ledger_sequence"], pool["last_purchase_at"]) == (3, bought["completed_at"])
    rows = await buying.rows(
        "SELECT source_id, payment_intent_id, payment_amount_cents, user_id FROM credit_transactions"
        " WHERE tenant_id = $1 AND sequence > 1 ORDER BY sequence"
    )
    intent, olivia = bought["stripe_payment_intent_id"], buying.household.people["olivia"].user_id
    assert [tuple(row) for row in rows] == [
        (str(purchase_id), intent, 42_500, olivia),
        (str(purchase_id), intent, None, olivia),
    ]


async def test_a_success_tells_everybody_once(buying: Buying) -> None:
    purchase_id = await buying.buy()
    await buying.worked()
    events = await buying.rows("SELECT * FROM billing_events WHERE purchase_id = $2", purchase_id)
    assert [(event["event_type"], event["processed"]) for event in events] == [("purchase.completed", True)]
    audited = await buying.rows("SELECT * FROM audit_events WHERE tenant_id = $1 ORDER BY created_at")
    assert [(one["action"], one["actor_kind"], one["entity_id"]) for one in audited] == [
        ("purchase.started", "user", purchase_id),
        ("purchase.completed", "worker", purchase_id),
    ]
    told = await buying.rows("SELECT * FROM notifications WHERE tenant_id = $1")
    assert [(one["kind"], one["user_id"]) for one in told] == [
        ("purchase.completed", buying.household.people["olivia"].user_id)
    ]
    assert told[0]["emailed_at"] is not None
    [mail] = receipts_to(buying, purchase_id)
    assert (mail["To"], mail["Subject"]) == ("olivia@example.com", "Your receipt: 57.5 credits for Household")
    for line in ("50 credits: 500.00 USD", "Discount: -75.00 USD", "Total: 425.00 USD", "Bonus on top: 7.5 credits"):
        assert line in text_of(mail)
    assert mail.get_body(("html",)) is not None


async def test_the_receipt_is_not_mailed_again_when_its_job_runs_twice(buying: Buying) -> None:
    purchase_id = await buying.buy()
    await buying.worked()
    await buying.portal.inspector.execute(
        "INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after, updated, created, heartbeat)"
        " VALUES (0, 'purchase.mail_receipt', convert_to(json_build_object('tenant_id', $1::text, 'purchase_id', $2::text)::text,"
        " 'UTF8'), 'queued', now(), now(), now(), now())",
        str(buying.household.tenant_id),
        str(purchase_id),
    )
    await buying.worked()
    assert len(receipts_to(buying, purchase_id)) == 1


async def test_a_success_without_bonus_writes_one_entry(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command(credits_amount="2.5"))
    assert (await buying.purchase(purchase_id))["payment_amount_cents"] == 2_500
    assert (await buying.entries())[1:] == [("purchase", "purchased", "2.5", 2, "8.5")]
    await buying.worked()
    [mail] = receipts_to(buying, purchase_id)
    assert "Bonus" not in text_of(mail)
    assert "Discount" not in text_of(mail)


async def test_incoming_credits_pay_a_shortfall_first(buying: Buying) -> None:
    await leave_shortfall(buying.portal.inspector, buying.household.pool_id, Decimal("8.25"))
    await buying.buy(await buying.command(credits_amount="10"))
    assert (await buying.entries())[1:] == [
        ("purchase", "purchased", "10", 2, "16"),
        ("bonus_grant", "bonus", "0.5", 3, "16.5"),
        ("consumption", "included", "-6", 4, "10.5"),
        ("consumption", "bonus", "-0.5", 5, "10"),
        ("consumption", "purchased", "-1.75", 6, "8.25"),
    ]
    pool = await buying.pool()
    assert (pool["shortfall_credits"], pool["balance_available"]) == (Decimal(0), Decimal("8.25"))


DECLINES = {
    "4000000000000002": "generic_decline",
    "4000000000009995": "insufficient_funds",
    "4000000000009987": "lost_card",
    "4000000000009979": "stolen_card",
    "4000000000000069": "expired_card",
    "4000000000000127": "incorrect_cvc",
    "4000000000000119": "processing_error",
    "4000000000006975": "card_velocity_exceeded",
    "4100000000000019": "fraudulent",
}


@pytest.mark.parametrize(("card", "code"), DECLINES.items(), ids=list(DECLINES.values()))
async def test_a_declined_card_credits_nothing_and_says_why(buying: Buying, card: str, code: str) -> None:
    before = await buying.pool()
    purchase_id = await buying.buy(await buying.command(card))
    failed = await buying.purchase(purchase_id)
    assert (failed["status"], failed["failure_code"]) == ("failed", code)
    assert failed["failure_reason"] == decline_advice("card_declined", code)
    assert failed["failed_at"] is not None
    after = await buying.pool()
    assert {name for name, value in before.items() if value != after[name]} <= {"stripe_customer_id", "updated_at"}
    assert (await buying.entries())[1:] == []
    await buying.sandbox.deliver()
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "failed"
    assert await buying.rows("SELECT * FROM notifications WHERE tenant_id = $1") == []
    events = await buying.rows("SELECT * FROM billing_events WHERE purchase_id = $2", purchase_id)
    assert [event["event_type"] for event in events] == ["purchase.failed"]


async def test_after_a_decline_another_card_buys_by_a_new_quote(buying: Buying) -> None:
    await buying.buy(await buying.command("4000000000009995"))
    purchase_id = await buying.buy()
    assert (await buying.purchase(purchase_id))["status"] == "completed"


async def test_3d_secure_completed_credits_by_the_webhook(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000000000003220"))
    waiting = await buying.purchase(purchase_id)
    assert waiting["status"] == "requires_action"
    assert (await buying.entries())[1:] == []
    back = await buying.sandbox.authenticate(waiting["next_action_url"])
    assert str(back).startswith(f"{purchase_page(PUBLIC_URL, purchase_id)}?payment_intent=")
    await buying.sandbox.deliver()
    await buying.worked()
    done = await buying.purchase(purchase_id)
    assert (done["status"], done["next_action_url"]) == ("completed", None)
    assert [entry[0] for entry in await buying.entries()] == ["subscription_grant", "purchase", "bonus_grant"]


async def test_3d_secure_completed_credits_without_any_webhook(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000000000003220"))
    await buying.time_passes()
    waiting = await buying.purchase(purchase_id)
    assert waiting["status"] == "requires_action"
    await buying.sandbox.authenticate(waiting["next_action_url"])
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "completed"


async def test_3d_secure_failed_fails_the_purchase(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000000000003220"))
    await buying.sandbox.authenticate((await buying.purchase(purchase_id))["next_action_url"], outcome="fail")
    await buying.sandbox.deliver()
    await buying.worked()
    failed = await buying.purchase(purchase_id)
    assert (failed["status"], failed["failure_code"]) == ("failed", "payment_intent_authentication_failure")
    assert (failed["next_action_url"], (await buying.entries())[1:]) == (None, [])


async def test_3d_secure_passed_on_a_card_that_is_then_declined(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000008260003178"))
    await buying.sandbox.authenticate((await buying.purchase(purchase_id))["next_action_url"])
    await buying.sandbox.deliver()
    await buying.worked()
    failed = await buying.purchase(purchase_id)
    assert (failed["status"], failed["failure_code"]) == ("failed", "insufficient_funds")
    assert (await buying.entries())[1:] == []


async def test_3d_secure_abandoned_is_given_up_after_a_day(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000000000003220"))
    url = (await buying.purchase(purchase_id))["next_action_url"]
    await buying.aged(purchase_id, "23 hours 59 minutes")
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "requires_action"
    await buying.aged(purchase_id, "24 hours 1 minute")
    await buying.time_passes()
    failed = await buying.purchase(purchase_id)
    assert (failed["status"], failed["failure_code"]) == ("failed", "abandoned")
    [intent] = await buying.charges()
    assert intent["status"] == "canceled"  # so that nobody can pay it any more
    assert url
    await buying.sandbox.deliver()
    await buying.worked()
    assert (await buying.purchase(purchase_id))["status"] == "failed"


async def test_a_payment_in_processing_credits_when_it_settles(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000000000070005"))
    waiting = await buying.purchase(purchase_id)
    assert (waiting["status"], (await buying.entries())[1:]) == ("processing", [])
    await buying.sandbox.settle(waiting["stripe_payment_intent_id"])
    await buying.sandbox.deliver()
    await buying.worked()
    assert (await buying.purchase(purchase_id))["status"] == "completed"


async def test_a_payment_in_processing_that_fails_credits_nothing(buying: Buying) -> None:
    purchase_id = await buying.buy(await buying.command("4000000000070005"))
    intent = (await buying.purchase(purchase_id))["stripe_payment_intent_id"]
    await buying.sandbox.settle(intent, succeeded=False)
    await buying.time_passes()
    assert (await buying.purchase(purchase_id))["status"] == "failed"


async def refused(buying: Buying, command: PurchaseCommand, refusal: type[Exception], buyer: str = "olivia") -> None:
    """The command is refused, and neither the portal nor Stripe has anything to show for it."""
    await buying.sandbox.steer.delete("/requests")
    with pytest.raises(refusal):
        await buying.buy(command, buyer)
    assert await buying.rows("SELECT 1 FROM credit_purchases WHERE tenant_id = $1") == []
    assert await buying.rows("SELECT 1 FROM idempotency_keys WHERE tenant_id = $1") == []
    sent = [(one["method"], one["path"]) for one in await buying.sandbox.requests()]
    assert ("POST", INTENTS) not in sent


async def test_who_may_not_buy_is_refused(buying: Buying) -> None:
    command = PurchaseCommand(
        buying.quote(buyer="rosa"), await buying.sandbox.card(), (await buying.command()).idempotency_key
    )
    await refused(buying, command, Forbidden, "rosa")


async def test_somebody_elses_quote_does_not_exist(buying: Buying) -> None:
    await refused(buying, await buying.command(), NotFound, "adam")


async def test_an_unknown_card_is_refused_before_anything_is_written(buying: Buying) -> None:
    for card in ("pm_nobody", "no card at all", "", "../v1/customers"):
        command = PurchaseCommand(buying.quote(), card, (await buying.command()).idempotency_key)
        await refused(buying, command, NotFound)
