"""Cards through the API: who may see, add, prefer and remove them; a stranger's is one that does not exist."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from app.payments.gateway import Gateway
from app.rules.permissions import Role
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import NODE, PURCHASE, QUOTE
from tests.graphql.portal import Portal, node_id, pool_id
from tests.graphql.purse import (
    CARDS,
    DECLINED,
    DEFAULT,
    FINISH,
    NO_CARD,
    REMOVE,
    SETUP,
    THREE_D_SECURE,
    Purse,
    new_purse,
    refused,
)
from tests.graphql.rows import add_api_key, add_pool, audited, everything
from tests.payments.sandbox import Sandbox


@pytest.fixture
async def purse(portal: Portal, database: Database, sandbox: Sandbox, gateway: Gateway) -> Purse:
    return await new_purse(portal, database, sandbox, gateway)


async def test_a_card_is_added_with_the_bank_and_is_the_first_default(
    portal: Portal, database: Database, sandbox: Sandbox, rows: asyncpg.Connection
) -> None:
    household = await make_household(database, tier="FREE", stripe_customer_id=None)
    purse = Purse(portal, sandbox, household, "")
    begun = await purse.ask(SETUP, pool=pool_id(household))
    assert begun["userErrors"] == []
    assert begun["setup"] | {"id": ""} == {
        "id": "",
        "status": "REQUIRES_PAYMENT_METHOD",
        "nextActionUrl": None,
        "failureReason": None,
    }
    card = await sandbox.card(THREE_D_SECURE)
    await sandbox.save(begun["clientSecret"], card)
    asked = await purse.ask(FINISH, id=begun["setup"]["id"])
    assert asked["setup"]["status"] == "REQUIRES_ACTION"
    assert asked["pool"]["paymentMethods"] == []
    await sandbox.authenticate(asked["setup"]["nextActionUrl"])
    done = await purse.ask(
        FINISH, id=begun["clientSecret"].partition("_secret_")[0]
    )  # as Stripe's return address names it
    assert done["setup"]["status"] == "SUCCEEDED"
    assert done["clientSecret"] is None
    assert done["pool"]["paymentMethods"] == [{"id": node_id("PaymentMethod", card), "isDefault": True}]
    second = await purse.ask(SETUP, pool=pool_id(household))
    await sandbox.save(second["clientSecret"], await sandbox.card())
    again = await purse.ask(FINISH, id=second["setup"]["id"])
    assert [one["isDefault"] for one in again["pool"]["paymentMethods"]] == [False, True], "the first one stays"
    customers = await rows.fetchval("SELECT stripe_customer_id FROM credit_pools WHERE id = $1", household.pool_id)
    assert customers.startswith("cus_")
    assert [event["action"] for event in await audited(rows, household)] == ["payment_method.setup_started"] * 2


async def test_a_declined_card_is_not_saved_and_says_what_to_do(purse: Purse) -> None:
    begun = await purse.ask(SETUP, pool=pool_id(purse.household))
    await purse.sandbox.save(begun["clientSecret"], await purse.sandbox.card(DECLINED))
    failed = await purse.ask(FINISH, id=begun["setup"]["id"])
    assert failed["setup"]["status"] == "REQUIRES_PAYMENT_METHOD"
    assert (
        failed["setup"]["failureReason"] == "The bank did not let the card be saved. Use another card or ask your bank."
    )
    assert failed["pool"]["paymentMethods"] == []


async def test_ten_setups_at_once_make_one_customer(
    portal: Portal, database: Database, sandbox: Sandbox, rows: asyncpg.Connection
) -> None:
    household = await make_household(database, tier="FREE", stripe_customer_id=None)
    purse = Purse(portal, sandbox, household, "")
    begun = await asyncio.gather(*(purse.ask(SETUP, pool=pool_id(household)) for _ in range(10)))
    setups = [
        (await sandbox.raw.get(f"/v1/setup_intents/{one['clientSecret'].partition('_secret_')[0]}")).json()
        for one in begun
    ]
    kept = await rows.fetchval("SELECT stripe_customer_id FROM credit_pools WHERE id = $1", household.pool_id)
    assert {one["customer"] for one in setups} == {kept}


async def test_cards_are_listed_with_their_end(purse: Purse) -> None:
    today = datetime.now(UTC)
    later = await purse.saved("5555555555554444")
    soon = await purse.saved(expires=(today.month, today.year))
    cards = await purse.cards()
    assert cards is not None
    assert [
        (one["id"], one["brand"], one["last4"], one["expiry"], one["isDefault"], one["usedBy"]) for one in cards
    ] == [
        (soon, "visa", "4242", "EXPIRING", False, []),
        (later, "mastercard", "4444", "VALID", False, []),
    ]
    assert cards[0]["expiresOn"].startswith(f"{today:%Y-%m}-")
    assert cards[1]["expiresOn"] == f"{today.year + 2}-12-31"


async def test_who_sees_the_cards(purse: Purse, rows: asyncpg.Connection) -> None:
    card = await purse.saved()
    for name, sees in (("olivia", True), ("adam", True), ("mia", False), ("rosa", False)):
        cards = await purse.cards(name)
        assert (cards is not None) is sees, name
        node = (await purse.portal.ask(purse.household, name, NODE, id=card)).data["node"]
        assert (node is not None) is sees, name
    for permission in ("canPurchaseCredits", "canModifySettings"):
        await rows.execute(
            "UPDATE credit_pool_members SET permissions = jsonb_build_object($2::text, true) WHERE id = $1",
            purse.household.people["mia"].member_id,
            permission,
        )
        assert await purse.cards("mia") is not None


async def test_a_default_is_chosen_and_a_card_removed(purse: Purse, rows: asyncpg.Connection) -> None:
    first, second = await purse.saved(), await purse.saved()
    for chosen in (first, second):
        payload = await purse.ask(DEFAULT, "adam", id=chosen)
        assert payload["userErrors"] == []
        assert {one["id"] for one in payload["pool"]["paymentMethods"] if one["isDefault"]} == {chosen}
    payload = await purse.ask(REMOVE, id=second)
    assert payload["userErrors"] == []
    assert payload["pool"]["paymentMethods"] == [{"id": first, "isDefault": False}]
    assert len(await purse.kept()) == 1
    events = await audited(rows, purse.household)
    assert [event["action"] for event in events] == [
        "payment_method.default_chosen",
        "payment_method.default_chosen",
        "payment_method.removed",
    ]
    again = await purse.ask(REMOVE, id=second)
    assert again == {"pool": None, "userErrors": [NO_CARD]}, "it is gone"


@pytest.mark.parametrize("name", ["mia", "rosa"])
async def test_without_the_permission_nothing_is_changed(purse: Purse, rows: asyncpg.Connection, name: str) -> None:
    card = await purse.saved()
    for document, given, permission in (
        (SETUP, {"pool": pool_id(purse.household)}, "PURCHASE_CREDITS"),
        (DEFAULT, {"id": card}, "MODIFY_SETTINGS"),
        (REMOVE, {"id": card}, "MODIFY_SETTINGS"),
    ):
        error = await refused(purse, rows, document, name, **given)
        assert (error["code"], error["message"]) == (
            "FORBIDDEN",
            f"This needs the permission {permission} in this pool. Its owner or an admin can grant it.",
        )


async def test_a_buyer_adds_cards_and_does_not_change_them(purse: Purse, rows: asyncpg.Connection) -> None:
    await rows.execute(
        "UPDATE credit_pool_members SET permissions = '{\"canPurchaseCredits\": true}' WHERE id = $1",
        purse.household.people["mia"].member_id,
    )
    begun = await purse.ask(SETUP, "mia", pool=pool_id(purse.household))
    await purse.sandbox.save(begun["clientSecret"], await purse.sandbox.card())
    done = await purse.ask(FINISH, "mia", id=begun["setup"]["id"])
    (card,) = done["pool"]["paymentMethods"]
    assert (await refused(purse, rows, REMOVE, "mia", id=card["id"]))["code"] == "FORBIDDEN"


async def test_a_strangers_card_is_one_that_does_not_exist(
    purse: Purse, database: Database, gateway: Gateway, rows: asyncpg.Connection
) -> None:
    stranger = await new_purse(purse.portal, database, purse.sandbox, gateway)
    neighbours = await add_pool(database, purse.household, {"mia": Role.OWNER}, tier="FREE")
    theirs = await gateway.ensure_customer(tenant_id=uuid4(), pool_id=uuid4(), email="n@example.com", name="N")
    await rows.execute("UPDATE credit_pools SET stripe_customer_id = $2 WHERE id = $1", neighbours.pool_id, theirs)
    wrong = [
        await stranger.saved(),
        node_id("PaymentMethod", await purse.sandbox.saved_card(theirs)),
        node_id("PaymentMethod", await purse.sandbox.card()),  # nobody's
        node_id("PaymentMethod", "pm_absent"),
        node_id("PaymentMethod", "../customers"),
        node_id("PaymentMethod", ""),
        node_id("CreditPool", purse.household.pool_id),
        "pm_absent",
        "",
        "é",
        "x" * 5000,
    ]
    for document in (DEFAULT, REMOVE):
        for one in wrong:
            assert await refused(purse, rows, document, id=one) == NO_CARD, one
    for one in wrong:
        answer = await purse.portal.ask(purse.household, "olivia", NODE, id=one)
        if one != node_id("CreditPool", purse.household.pool_id):
            assert answer.body == {"data": {"node": None}}, one
    assert len(await stranger.kept()) == 1


async def test_a_strangers_setup_and_pool_do_not_exist(
    purse: Purse, database: Database, gateway: Gateway, rows: asyncpg.Connection
) -> None:
    stranger = await new_purse(purse.portal, database, purse.sandbox, gateway)
    begun = await stranger.ask(SETUP, pool=pool_id(stranger.household))
    await purse.sandbox.save(begun["clientSecret"], await purse.sandbox.card())
    for one in (begun["setup"]["id"], node_id("PaymentMethodSetup", "seti_absent"), "seti_absent", "", "../customers"):
        error = await refused(purse, rows, FINISH, id=one)
        assert (error["code"], error["path"], error["message"]) == ("NOT_FOUND", ["id"], "There is no such card setup.")
    for one in (pool_id(stranger.household), node_id("CreditPool", uuid4()), "nonsense", ""):
        error = await refused(purse, rows, SETUP, pool=one)
        assert (error["code"], error["path"], error["message"]) == ("NOT_FOUND", ["poolId"], "There is no such pool.")
    cards = await stranger.cards()
    assert cards is not None
    assert [one["isDefault"] for one in cards] == [False], "nobody who may has asked"


async def test_an_api_key_has_no_cards(purse: Purse, database: Database, rows: asyncpg.Connection) -> None:
    key = await add_api_key(database, purse.household, "pool:read")
    card = await purse.saved()
    before = await everything(rows, purse.household)
    pool = (await purse.portal.send(key, CARDS, id=pool_id(purse.household))).data["pool"]
    assert pool["paymentMethods"] is None
    for document, given in (
        (SETUP, {"pool": pool_id(purse.household)}),
        (DEFAULT, {"id": card}),
        (REMOVE, {"id": card}),
    ):
        payload = next(iter((await purse.portal.send(key, document, **given)).data.values()))
        assert payload["userErrors"][0]["message"] == "Only a person can manage cards; an API key can't."
    assert await everything(rows, purse.household) == before


async def use_for_auto_purchase(rows: asyncpg.Connection, household: Household, method: str, *, enabled: bool) -> None:
    await rows.execute(
        "INSERT INTO auto_purchase_settings (tenant_id, pool_id, enabled, stripe_payment_method_id, max_monthly_auto_purchase)"
        " VALUES ($1, $2, $3, $4, 100) ON CONFLICT (tenant_id, pool_id) DO UPDATE SET enabled = $3",
        household.tenant_id,
        household.pool_id,
        enabled,
        method,
    )


async def test_a_card_that_automatic_purchases_use_stays(purse: Purse, rows: asyncpg.Connection) -> None:
    card = await purse.sandbox.saved_card(purse.customer_id)
    await use_for_auto_purchase(rows, purse.household, card, enabled=True)
    cards = await purse.cards()
    assert cards is not None
    assert [one["usedBy"] for one in cards] == [["AUTO_PURCHASE"]]
    error = await refused(purse, rows, REMOVE, id=node_id("PaymentMethod", card))
    assert error == {
        "code": "PAYMENT_METHOD_IN_USE",
        "path": ["id"],
        "message": "This card is used by automatic purchases: choose another card there first, or switch them off.",
        "messageKey": "error.payment_method_in_use",
    }
    assert await purse.kept() == [card]
    await use_for_auto_purchase(rows, purse.household, card, enabled=False)
    assert (await purse.ask(REMOVE, id=card))["userErrors"] == []
    assert await purse.kept() == []


@pytest.mark.parametrize(
    ("status", "stays"), [("active", True), ("past_due", True), ("trialing", True), ("canceled", False)]
)
async def test_the_default_card_of_a_paid_subscription_stays(
    portal: Portal,
    database: Database,
    sandbox: Sandbox,
    gateway: Gateway,
    rows: asyncpg.Connection,
    status: str,
    stays: bool,
) -> None:
    purse = await new_purse(portal, database, sandbox, gateway, tier="FAMILY")
    await rows.execute("UPDATE subscriptions SET status = $2 WHERE tenant_id = $1", purse.household.tenant_id, status)
    default, other = await purse.saved(), await purse.saved()
    await purse.ask(DEFAULT, id=default)
    if stays:
        error = await refused(purse, rows, REMOVE, id=default)
        assert error["message"] == "This card pays the subscription: make another card the default one first."
        await purse.ask(DEFAULT, id=other)
    assert (await purse.ask(REMOVE, id=default))["userErrors"] == []


async def test_a_saved_card_buys(purse: Purse) -> None:
    card = await purse.saved()
    for method in (card, await purse.sandbox.saved_card(purse.customer_id)):
        quote = await purse.ask(QUOTE, pool=pool_id(purse.household), credits="10")
        bought = await purse.ask(PURCHASE, quote=quote["quote"]["id"], method=method, key=str(uuid4()))
        assert (bought["userErrors"], bought["purchase"]["status"]) == ([], "COMPLETED")
