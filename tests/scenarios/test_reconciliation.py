"""Reconciliation over lost webhooks, lost answers and killed jobs: it puts right once, twice is a no-op; the unexplained it leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from app.payments import connection
from app.payments.outcomes import GatewayUnavailable, RequiresAction, Succeeded
from app.services.inbox import Inbox
from app.services.reconciliation import Reconciliation
from tests.factories import make_household
from tests.scenarios.portal import INTENTS, PUBLIC_URL, Buying, new_buying
from tests.scenarios.reconciling import Books

BOUGHT = ["subscription_grant", "purchase", "bonus_grant"]
POOR, NEEDS_3DS = "4000000000009995", "4000000000003220"


@pytest.fixture
async def books(buying: Buying) -> Books:
    return Books(buying)


# --- what a lost webhook, answer or job left open ---


async def paid_and_never_heard_of(books: Books) -> UUID:
    await books.buying.sandbox.fault("lose_answer", path=INTENTS)
    return await books.buying.buy()


async def declined_and_never_heard_of(books: Books) -> UUID:
    await books.buying.sandbox.fault("lose_answer", path=INTENTS)
    return await books.buying.buy(await books.buying.command(POOR))


async def confirmed_at_the_bank(books: Books) -> UUID:
    purchase_id = await books.buying.buy(await books.buying.command(NEEDS_3DS))
    await books.buying.sandbox.authenticate((await books.buying.purchase(purchase_id))["next_action_url"])
    return purchase_id


async def confirmed_after_the_day(books: Books) -> UUID:
    purchase_id = await confirmed_at_the_bank(books)
    await books.buying.aged(purchase_id, "25 hours")
    return purchase_id


async def refused_at_the_bank(books: Books) -> UUID:
    purchase_id = await books.buying.buy(await books.buying.command(NEEDS_3DS))
    url = (await books.buying.purchase(purchase_id))["next_action_url"]
    await books.buying.sandbox.authenticate(url, outcome="fail")
    return purchase_id


async def abandoned_at_the_bank(books: Books) -> UUID:
    purchase_id = await books.buying.buy(await books.buying.command(NEEDS_3DS))
    await books.buying.aged(purchase_id, "25 hours")
    return purchase_id


async def the_banks_step_never_heard_of(books: Books) -> UUID:
    await books.buying.sandbox.fault("lose_answer", path=INTENTS)
    return await books.buying.buy(await books.buying.command(NEEDS_3DS))


async def the_banks_step_never_heard_of_and_a_day_old(books: Books) -> UUID:
    purchase_id = await the_banks_step_never_heard_of(books)
    await books.buying.aged(purchase_id, "25 hours")
    return purchase_id


async def never_charged(books: Books) -> UUID:
    purchase_id = await books.buying.started()
    await books.buying.aged(purchase_id, "25 hours")
    return purchase_id


async def paid_though_it_was_called_failed(books: Books) -> UUID:
    purchase_id = await paid_and_never_heard_of(books)
    await books.sql(
        "UPDATE credit_purchases SET status = 'failed', failure_code = 'never_charged' WHERE id = $1", purchase_id
    )
    return purchase_id


async def older_than_the_window(books: Books) -> UUID:
    purchase_id = await never_charged(books)
    await books.buying.aged(purchase_id, "9 days")
    return purchase_id


@dataclass(frozen=True)
class Left:
    """How a purchase was left, and what it comes to."""

    by: Callable[[Books], Awaitable[UUID]]
    status: str
    what: str
    code: str | None = None


LEFT_OPEN = [
    Left(paid_and_never_heard_of, "completed", "credits given: the payment was taken (the purchase was processing)"),
    Left(
        paid_though_it_was_called_failed, "completed", "credits given: the payment was taken (the purchase was failed)"
    ),
    Left(declined_and_never_heard_of, "failed", "failed: insufficient_funds", "insufficient_funds"),
    Left(confirmed_at_the_bank, "completed", "credits given: the payment was taken (the purchase was requires_action)"),
    Left(
        confirmed_after_the_day, "completed", "credits given: the payment was taken (the purchase was requires_action)"
    ),
    Left(
        refused_at_the_bank,
        "failed",
        "failed: payment_intent_authentication_failure",
        "payment_intent_authentication_failure",
    ),
    Left(abandoned_at_the_bank, "failed", "failed: abandoned", "abandoned"),
    Left(the_banks_step_never_heard_of, "requires_action", "waits for the buyer's bank"),
    Left(the_banks_step_never_heard_of_and_a_day_old, "failed", "failed: abandoned", "abandoned"),
    Left(never_charged, "failed", "failed: never_charged", "never_charged"),
    Left(older_than_the_window, "failed", "failed: never_charged", "never_charged"),
]


@pytest.mark.parametrize("left", LEFT_OPEN, ids=lambda left: left.by.__name__)
async def test_what_was_left_open_is_put_right_once(books: Books, left: Left) -> None:
    purchase_id = await left.by(books)
    await books.nobody_else()
    await books.remember()
    planned = await books.found(dry_run=True)
    assert planned.explained
    assert planned.what.startswith("would ")
    await books.unchanged()

    finding = await books.found()
    assert (finding.explained, finding.subject, finding.what) == (True, f"purchase {purchase_id}", left.what)
    after = await books.buying.purchase(purchase_id)
    assert (after["status"], after["failure_code"]) == (left.status, left.code)
    assert await books.kinds() == (BOUGHT if left.status == "completed" else BOUGHT[:1])
    assert {one["status"] for one in await books.buying.charges()} <= {
        "completed": {"succeeded"},
        "failed": {"canceled", "requires_payment_method"},
        "requires_action": {"requires_action"},
    }[left.status]

    await books.remember()
    assert (await books.run()).findings == ()
    await books.unchanged()
    await books.sql("DELETE FROM pgqueuer WHERE entrypoint = 'purchase.finish'")


async def test_what_is_as_it_should_be_is_left_alone(books: Books) -> None:
    """Completed, declined, waiting for the bank, and one whose own job is still at it: never charged by reconciliation."""
    await books.buying.buy()
    await books.buying.buy(await books.buying.command(POOR))
    waiting = await books.buying.buy(await books.buying.command(NEEDS_3DS))
    young = await books.buying.started()
    await books.nobody_else()
    await books.remember()
    report = await books.run()
    assert (report.purchases, report.findings) == (4, ())
    await books.unchanged()
    for purchase_id in (waiting, young):
        await books.buying.aged(purchase_id, "25 hours")
    assert len((await books.run()).findings) == 2


async def test_ten_runs_at_once_credit_once(books: Books) -> None:
    await paid_and_never_heard_of(books)
    await books.nobody_else()
    reports = await asyncio.gather(*(books.run() for _ in range(10)))
    assert all(not report.unexplained for report in reports)
    assert await books.kinds() == BOUGHT


async def test_a_webhook_that_comes_after_all_changes_nothing(books: Books) -> None:
    purchase_id = await paid_and_never_heard_of(books)
    await books.sql("DELETE FROM pgqueuer WHERE entrypoint = 'purchase.finish'")
    assert (await books.found()).explained
    await books.buying.sandbox.deliver()
    await books.buying.worked()
    assert (await books.buying.purchase(purchase_id))["status"] == "completed"
    assert await books.kinds() == BOUGHT


async def test_all_pages_are_read(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAGE", 2)
    await books.buying.sandbox.fault("lose_answer", path=INTENTS, times=7)
    for _ in range(7):
        await books.buying.buy(await books.buying.command(credits_amount="1"))
    await books.nobody_else()
    report = await books.run()
    assert [finding.explained for finding in report.findings] == [True] * 7
    assert await books.kinds() == [BOUGHT[0], *["purchase"] * 7]
    pages = [one for one in await books.buying.sandbox.requests() if (one["method"], one["path"]) == ("GET", INTENTS)]
    assert len(pages) > 3


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "lose_answer"])
async def test_without_stripe_nothing_changes(books: Books, fault: str) -> None:
    await paid_and_never_heard_of(books)
    await books.nobody_else()
    await books.remember()
    await books.buying.sandbox.fault(fault, path=INTENTS, method="GET")
    with pytest.raises(GatewayUnavailable):
        await books.run()
    await books.unchanged()
    assert (await books.found()).explained


async def test_the_worker_does_it_for_every_tenant_by_its_schedule(books: Books) -> None:
    """As portal_worker it sees the tenants' ids and nothing more; as the worker of one tenant at a time it acts."""
    buying = books.buying
    other = Books(await new_buying(buying.portal, buying.sandbox, buying.gateway))
    left = {one: await paid_and_never_heard_of(one) for one in (books, other)}
    await books.nobody_else()
    inbox = Inbox(buying.portal.settings.database_worker_url)
    report = await Reconciliation(buying.portal.database, buying.gateway, buying.purchasing).run(inbox.tenants, days=3)
    await inbox.close()
    put_right = {finding.subject for finding in report.findings if finding.explained}
    assert put_right >= {f"purchase {purchase_id}" for purchase_id in left.values()}
    for one in left:
        assert await one.kinds() == BOUGHT
        await one.buying.balanced()
    scheduled = await buying.rows("SELECT expression FROM pgqueuer_schedules WHERE entrypoint = 'payments.reconcile'")
    assert [row["expression"] for row in scheduled] == ["43 * * * *"]


async def test_another_tenants_purchase_is_not_touched(books: Books) -> None:
    other = Books(await new_buying(books.buying.portal, books.buying.sandbox, books.buying.gateway))
    await paid_and_never_heard_of(other)
    await other.nobody_else()
    await other.remember()
    assert (await books.run()).findings == ()
    await other.unchanged()
    assert (await other.found()).explained


# --- what nobody can explain ---


async def charged_for(
    books: Books, purchase_id: UUID, *, card: str = "4242424242424242", tenant: UUID | None = None
) -> str:
    """A payment that bears this purchase's name, made by nobody of the portal; its id."""
    buying = books.buying
    metadata = {"tenant_id": str(tenant or buying.household.tenant_id), "purchase_id": str(purchase_id)}
    customer = (await buying.pool())["stripe_customer_id"] or await buying.gateway.ensure_customer(
        tenant_id=buying.household.tenant_id, pool_id=buying.household.pool_id, email="x@example.com", name="X"
    )
    outcome = await buying.gateway.charge(
        amount_cents=42_500,
        currency="usd",
        customer_id=customer,
        payment_method_id=await buying.sandbox.card(card),
        idempotency_key=str(uuid4()),
        metadata=metadata,
        description="Nobody's",
        return_url=PUBLIC_URL,
    )
    assert isinstance(outcome, Succeeded | RequiresAction)
    return outcome.payment_intent_id


async def another_amount(books: Books) -> str:
    purchase_id = await paid_and_never_heard_of(books)
    await books.sql(
        "UPDATE credit_purchases SET payment_amount_cents = 42501, base_cents = 50001 WHERE id = $1", purchase_id
    )
    return "the purchase is $425.01, the payment (succeeded) $425.00"


async def another_currency(books: Books) -> str:
    purchase_id = await paid_and_never_heard_of(books)
    await books.sql("UPDATE credit_purchases SET payment_currency = 'EUR' WHERE id = $1", purchase_id)
    return "the purchase is €425.00, the payment (succeeded) $425.00"


async def no_such_purchase(books: Books) -> str:
    await charged_for(books, uuid4())
    return "$425.00 were taken, and the portal has no such purchase"


async def a_neighbours_purchase(books: Books) -> str:
    """A payment that names a purchase of another tenant under this one's name credits neither."""
    other = await new_buying(books.buying.portal, books.buying.sandbox, books.buying.gateway)
    await charged_for(books, await other.started())
    return "$425.00 were taken, and the portal has no such purchase"


async def paid_twice(books: Books) -> str:
    second = await charged_for(books, await books.buying.buy())
    return f"2 payments for one purchase: {second} (succeeded), "


async def two_payments_for_an_open_purchase(books: Books) -> str:
    second = await charged_for(books, await paid_and_never_heard_of(books))
    return f"2 payments for one purchase: {second} (succeeded), "


async def completed_and_not_paid(books: Books) -> str:
    purchase_id = await books.buying.started()
    unpaid = await charged_for(books, purchase_id, card=NEEDS_3DS)
    await books.sql(
        "UPDATE credit_purchases SET status = 'completed', stripe_payment_intent_id = $2 WHERE id = $1",
        purchase_id,
        unpaid,
    )
    return "the purchase is completed, its payment requires_action"


async def unknown_to_stripe(books: Books) -> str:
    purchase_id = await books.buying.started()
    await books.sql(
        "UPDATE credit_purchases SET status = 'completed', stripe_payment_intent_id = 'pi_no' || left($1::text, 9) WHERE id = $1",
        purchase_id,
    )
    return "Stripe has no payment pi_no"


async def completed_without_a_payment(books: Books) -> str:
    purchase_id = await books.buying.started()
    await books.sql("UPDATE credit_purchases SET status = 'completed' WHERE id = $1", purchase_id)
    return "the purchase is completed without any payment"


UNEXPLAINED = [
    another_amount,
    another_currency,
    no_such_purchase,
    a_neighbours_purchase,
    paid_twice,
    two_payments_for_an_open_purchase,
    completed_and_not_paid,
    unknown_to_stripe,
    completed_without_a_payment,
]


@pytest.mark.parametrize("made", UNEXPLAINED, ids=lambda made: made.__name__)
async def test_what_nobody_can_explain_is_named_and_left_as_it_is(
    books: Books, made: Callable[[Books], Awaitable[str]]
) -> None:
    books.buying.unbalanced = True
    what = await made(books)
    await books.nobody_else()
    await books.remember()
    for dry_run in (True, False, False):
        report = await books.run(dry_run=dry_run)
        assert report.findings == report.unexplained
        [finding] = report.findings
        assert finding.what.startswith(what)
    await books.unchanged()
    await books.sql("UPDATE credit_purchases SET status = 'failed' WHERE status = 'completed' AND completed_at IS NULL")


async def test_a_subscription_that_stripe_does_not_have_is_named_and_left(books: Books) -> None:
    mine = "WHERE tenant_id = $1", books.buying.household.tenant_id
    await books.sql(f"UPDATE subscriptions SET stripe_subscription_id = 'sub_' || id {mine[0]}", mine[1])
    await books.remember()
    finding = await books.found()
    assert (finding.explained, finding.what) == (False, "Stripe has no such subscription")
    assert finding.stripe_id is not None
    assert finding.stripe_id.startswith("sub_")
    await books.unchanged()


async def test_however_many_subscriptions_differ_stripe_is_asked_twice(books: Books) -> None:
    portal = books.buying.portal
    tenants = [books.buying.household.tenant_id, *[(await make_household(portal.database)).tenant_id for _ in range(3)]]
    await books.sql(
        "UPDATE subscriptions SET stripe_subscription_id = 'sub_' || id WHERE tenant_id = ANY ($1::uuid[])", tenants
    )
    await books.buying.sandbox.steer.delete("/requests")

    async def these() -> list[UUID]:
        return tenants

    work = Reconciliation(portal.database, books.buying.gateway, books.buying.purchasing)
    report = await work.run(these, days=3, whole=False)
    assert [(one.tenant_id, one.what) for one in report.findings] == [
        (tenant_id, "Stripe has no such subscription") for tenant_id in tenants
    ]
    asked = [one for one in await books.buying.sandbox.requests() if one["path"] == "/v1/subscriptions"]
    assert len(asked) == 2, "once, and once more because of the differences"
