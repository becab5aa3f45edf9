"""A purchase as its buyer sees it: the state in words, the next step, and what has happened so far."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import PURCHASE, QUOTE
from tests.graphql.portal import Portal, node_id, pool_id
from tests.payments.sandbox import Sandbox

DECLINED, NEEDS_3DS = "4000000000009995", "4000000000003220"

DETAILS = """
query Details($id: ID!) { node(id: $id) { ... on CreditPurchase {
  status card base { amount } refunded { amount } createdAt nextActionUrl
  progress { title explanation nextStep nextStepBy }
  timeline { kind title detail at } } } }
"""


@pytest.fixture
async def household(database: Database, sandbox: Sandbox) -> Household:
    return await make_household(database, stripe_customer_id=None)


async def bought(portal: Portal, household: Household, method: str) -> dict[str, Any]:
    """Olivia buys 10 credits; the purchase as her page shows it."""
    quoted = await portal.ask(household, "olivia", QUOTE, pool=pool_id(household), credits="10")
    arguments = {"quote": quoted.data["creditQuote"]["quote"]["id"], "method": method, "key": str(uuid4())}
    answer = await portal.ask(household, "olivia", PURCHASE, **arguments)
    return await details(portal, household, answer.data["creditsPurchase"]["purchase"]["id"])


async def details(portal: Portal, household: Household, purchase_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await portal.ask(household, "olivia", DETAILS, id=purchase_id)).data["node"]
    return found


async def test_a_completed_purchase(portal: Portal, household: Household, sandbox: Sandbox) -> None:
    shown = await bought(portal, household, await sandbox.card())
    assert (shown["status"], shown["card"]) == ("COMPLETED", "Visa ending in 4242")
    assert (shown["base"]["amount"], shown["refunded"]["amount"]) == ("100.00", "0.00")
    assert shown["progress"] == {
        "title": "10.5 credits are yours",
        "explanation": "Paid $95.00. They are in the pool and never expire.",
        "nextStep": "NONE",
        "nextStepBy": None,
    }
    assert [moment["kind"] for moment in shown["timeline"]] == ["STARTED", "COMPLETED"]
    assert shown["timeline"][0]["at"] == shown["createdAt"]


async def test_a_declined_purchase_says_why_and_what_to_do(
    portal: Portal, household: Household, sandbox: Sandbox
) -> None:
    shown = await bought(portal, household, await sandbox.card(DECLINED))
    advice = "The card has insufficient funds. Use another card or a smaller quantity."
    assert shown["progress"]["explanation"] == f"{advice} Nothing was charged."
    assert shown["progress"]["nextStep"] == "TRY_ANOTHER_CARD"
    assert [(moment["kind"], moment["detail"]) for moment in shown["timeline"]] == [
        ("STARTED", None),
        ("FAILED", advice),
    ]


async def test_a_purchase_that_waits_for_the_bank(portal: Portal, household: Household, sandbox: Sandbox) -> None:
    shown = await bought(portal, household, await sandbox.card(NEEDS_3DS))
    assert shown["nextActionUrl"].startswith("http")
    assert shown["progress"]["nextStep"] == "CONFIRM_WITH_BANK"
    assert shown["progress"]["nextStepBy"][:10] > shown["createdAt"][:10], "a day from the beginning"
    assert [moment["kind"] for moment in shown["timeline"]] == ["STARTED", "REQUIRES_ACTION"]


async def test_other_events_of_a_purchase_are_not_for_its_buyer(
    portal: Portal, household: Household, sandbox: Sandbox, rows: asyncpg.Connection
) -> None:
    await bought(portal, household, await sandbox.card())
    key = await rows.fetchval("SELECT id FROM credit_purchases WHERE tenant_id = $1", household.tenant_id)
    await rows.execute(
        "INSERT INTO billing_events (tenant_id, pool_id, purchase_id, event_type) VALUES ($1, $2, $3, 'purchase.odd')",
        household.tenant_id,
        household.pool_id,
        key,
    )
    shown = await details(portal, household, node_id("CreditPurchase", key))
    assert [moment["kind"] for moment in shown["timeline"]] == ["STARTED", "COMPLETED"]
