"""Cards when things go wrong at Stripe, when its webhook is the only one to speak, and when a card's end comes near."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.payments.gateway import Gateway
from app.payments.outcomes import PaymentMethod, SetupStatus
from app.rules.errors import PaymentsUnavailable
from app.services.card_lists import CardLists
from app.services.card_notices import KIND, CardNotices
from app.services.payment_methods import PaymentMethods
from tests.factories import Household, make_household
from tests.payments.sandbox import Sandbox
from tests.scenarios.portal import Portal, new_buying, until

ADMINS = {"olivia@example.com", "adam@example.com"}


@dataclass
class Wallet:
    """A household whose cards something happens to."""

    portal: Portal
    sandbox: Sandbox
    gateway: Gateway
    household: Household

    @property
    def methods(self) -> PaymentMethods:
        return PaymentMethods(self.portal.database, self.gateway, CardLists(self.gateway, connections=16))

    async def customer(self) -> str | None:
        found: str | None = await self.portal.inspector.fetchval(
            "SELECT stripe_customer_id FROM credit_pools WHERE id = $1", self.household.pool_id
        )
        return found

    async def cards(self) -> list[PaymentMethod]:
        customer_id = await self.customer()
        return await self.gateway.payment_methods(customer_id) if customer_id else []

    async def defaults(self) -> list[str]:
        return [card.id for card in await self.cards() if card.is_default]

    async def save(self, card: str) -> None:
        """Save a card at Stripe; the page never comes back to say so."""
        setup = await self.methods.start_setup(self.household.principal("olivia"), self.household.pool_id)
        (await self.sandbox.save(setup.client_secret, card)).raise_for_status()

    async def told(self) -> list[tuple[str, str]]:
        """(whom, of which card), as the notifications have it."""
        rows = await self.portal.inspector.fetch(
            "SELECT u.email, n.parameters ->> 'payment_method' FROM notifications n"
            " JOIN users u ON (u.tenant_id, u.id) = (n.tenant_id, n.user_id)"
            " WHERE n.tenant_id = $1 AND n.kind = $2 ORDER BY n.created_at, u.email",
            self.household.tenant_id,
            KIND,
        )
        return [(row[0], row[1]) for row in rows]


@pytest.fixture
async def wallet(portal: Portal, sandbox: Sandbox, gateway: Gateway) -> Wallet:
    buying = await new_buying(portal, sandbox, gateway)  # events of earlier scenarios are out of the way
    household = await make_household(portal.database, tier="FREE", stripe_customer_id=None)
    return Wallet(portal, sandbox, buying.gateway, household)


async def test_the_webhook_alone_makes_the_first_card_the_default(wallet: Wallet) -> None:
    first, second = await wallet.sandbox.card(), await wallet.sandbox.card()
    await wallet.save(first)
    await wallet.sandbox.webhooks(copies=2)
    await wallet.sandbox.deliver()
    await until(wallet.defaults, "the first card is the default")
    await wallet.save(second)
    await wallet.gateway.make_default(str(await wallet.customer()), second)
    await wallet.sandbox.webhooks(order="reversed")
    await wallet.sandbox.deliver()

    async def handled() -> bool:
        open_events = "SELECT count(*) FROM webhook_events WHERE processed_at IS NULL"
        return not await wallet.portal.inspector.fetchval(open_events)

    await until(handled, "all events are handled")
    assert await wallet.defaults() == [second], "what a person has chosen stays"
    parked = await wallet.portal.inspector.fetchval("SELECT count(*) FROM webhook_events WHERE parked_at IS NOT NULL")
    assert parked == 0


@pytest.mark.parametrize("fault", ["server_error", "lose_answer"])
async def test_one_failure_is_got_over_and_nothing_is_there_twice(wallet: Wallet, fault: str) -> None:
    wallet.gateway = wallet.sandbox.gateway(max_network_retries=2)
    for path in ("/v1/customers", "/v1/setup_intents"):
        await wallet.sandbox.fault(fault, path=path)
    setup = await wallet.methods.start_setup(wallet.household.principal("olivia"), wallet.household.pool_id)
    assert setup.status is SetupStatus.REQUIRES_PAYMENT_METHOD
    made = [
        event
        for event in await wallet.sandbox.events()
        if event["type"] in {"customer.created", "setup_intent.created"}
    ]
    mine = [
        event["type"]
        for event in made
        if event["data"]["object"]["metadata"].get("pool_id") == str(wallet.household.pool_id)
    ]
    assert mine == ["customer.created", "setup_intent.created"]
    card = await wallet.sandbox.card()
    await wallet.sandbox.save(setup.client_secret, card)
    await wallet.sandbox.fault(fault, path=f"/v1/customers/{await wallet.customer()}")
    await wallet.methods.finish_setup(wallet.household.principal("olivia"), setup.id)
    assert await wallet.defaults() == [card]
    await wallet.sandbox.fault(fault, path=f"/v1/payment_methods/{card}/detach")
    await wallet.methods.remove(wallet.household.principal("olivia"), card)
    assert await wallet.cards() == []
    await wallet.gateway.close()


@pytest.mark.parametrize(
    ("fault", "options"),
    [("rate_limit", {}), ("server_error", {}), ("lose_answer", {}), ("slow_after", {"seconds": 1.5})],
)
async def test_a_customer_whose_making_was_not_answered_is_the_same_next_time(
    wallet: Wallet, fault: str, options: dict[str, Any]
) -> None:
    wallet.gateway = wallet.sandbox.gateway(timeout_seconds=0.5)
    owner = wallet.household.principal("olivia")
    await wallet.sandbox.fault(fault, path="/v1/customers", **options)
    with pytest.raises(PaymentsUnavailable):
        await wallet.methods.start_setup(owner, wallet.household.pool_id)
    assert await wallet.customer() is None

    async def begun() -> bool:
        try:
            await wallet.methods.start_setup(owner, wallet.household.pool_id)
        except PaymentsUnavailable:  # the first request is still under way at Stripe
            return False
        return True

    await until(begun, "the setup begins")
    customers = [
        event["data"]["object"]["id"]
        for event in await wallet.sandbox.events()
        if event["type"] == "customer.created"
        and event["data"]["object"]["metadata"].get("pool_id") == str(wallet.household.pool_id)
    ]
    assert customers == [await wallet.customer()]
    await wallet.gateway.close()


async def expiring_cards(wallet: Wallet, today: datetime) -> tuple[str, str]:
    """The default card ends this month, that of automatic purchases next month; another two cards concern nobody."""
    customer_id = await wallet.gateway.ensure_customer(
        tenant_id=wallet.household.tenant_id, pool_id=wallet.household.pool_id, email="olivia@example.com", name="H"
    )
    await wallet.portal.inspector.execute(
        "UPDATE credit_pools SET stripe_customer_id = $2 WHERE id = $1", wallet.household.pool_id, customer_id
    )
    following = today.replace(day=1) + timedelta(days=32)
    default = await wallet.sandbox.saved_card(customer_id, expires=(today.month, today.year))
    automatic = await wallet.sandbox.saved_card(customer_id, expires=(following.month, following.year))
    await wallet.sandbox.saved_card(customer_id, expires=(today.month, today.year))
    await wallet.sandbox.saved_card(customer_id, expires=(12, today.year + 3))
    await wallet.gateway.make_default(customer_id, default)
    await wallet.portal.inspector.execute(
        "INSERT INTO auto_purchase_settings (tenant_id, pool_id, enabled, stripe_payment_method_id, max_monthly_auto_purchase)"
        " VALUES ($1, $2, true, $3, 100)",
        wallet.household.tenant_id,
        wallet.household.pool_id,
        automatic,
    )
    return default, automatic


async def test_cards_that_end_are_told_of_once_a_month(wallet: Wallet) -> None:
    today = datetime.now(UTC).replace(day=15)
    default, automatic = await expiring_cards(wallet, today)
    notices = CardNotices(wallet.portal.database, wallet.gateway)
    stranger = await make_household(wallet.portal.database, stripe_customer_id=f"cus_{uuid4().hex[:14]}")
    tenants = [wallet.household.tenant_id, stranger.tenant_id]
    told = await asyncio.gather(*(notices.remind(tenants, today) for _ in range(4)))
    assert sum(told) == 2, "four workers at once tell of two cards"
    expected = {(whom, card) for whom in ADMINS for card in (default, automatic)}
    assert set(await wallet.told()) == expected
    assert await notices.remind(tenants, today) == 0
    assert len(await wallet.told()) == 4
    next_month = today + timedelta(days=31)
    assert await notices.remind(tenants, next_month) == 1, "the other one has ended"
    assert [card for _, card in await wallet.told()].count(automatic) == 4

    mails: list[Any] = []

    async def arrived() -> bool:
        box = wallet.portal.mailbox
        found = [box.read(name) for name in box.names()]
        mails[:] = [one for one in found if one is not None and one["Subject"] == "A card of Household expires soon"]
        return len(mails) >= 6

    await until(arrived, "everybody has a mail for each")
    assert {one["To"] for one in mails} == ADMINS
    text = mails[0].get_body(("plain",)).get_content()
    assert "Visa ending in 4242 is good until" in text
    assert "http://portal.example/payment?pool=" in text
    assert len(mails) == 6


async def test_when_stripe_is_away_the_next_round_tells(wallet: Wallet) -> None:
    today = datetime.now(UTC).replace(day=15)
    default, automatic = await expiring_cards(wallet, today)
    notices = CardNotices(wallet.portal.database, wallet.gateway)
    tenants = [wallet.household.tenant_id]
    await wallet.sandbox.fault("server_error", path="/v1/customers", method="GET")
    assert await notices.remind(tenants, today) == 0
    assert await wallet.told() == []
    assert await notices.remind(tenants, today) == 2
    assert {card for _, card in await wallet.told()} == {default, automatic}
