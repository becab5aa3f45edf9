"""Receipts as PDF over HTTP: for whoever may see the purchase, and for nobody else so much as a hint."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import typst

from app.rules.permissions import Role
from app.rules.receipts import receipt
from app.services import receipt_documents
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.documents import NODE
from tests.graphql.portal import Portal, node_id
from tests.graphql.rows import add_api_key, add_pool, add_purchases
from tests.rules.test_receipts import SOLD

PAID = datetime(2026, 11, 6, 9, 5, tzinfo=UTC)


@pytest.fixture
async def household(database: Database) -> Household:
    return await make_household(database)


async def paid(database: Database, rows: asyncpg.Connection, household: Household, name: str = "olivia") -> UUID:
    """A purchase of 10 credits that was paid; its id."""
    [purchase_id] = await add_purchases(database, household, name, 1)
    await rows.execute(
        "UPDATE credit_purchases SET status = 'completed', completed_at = $2, payment_method = 'visa 4242' WHERE id = $1",
        purchase_id,
        PAID,
    )
    return purchase_id


async def get(portal: Portal, purchase: UUID | str, **headers: str) -> httpx.Response:
    key = node_id("CreditPurchase", purchase) if isinstance(purchase, UUID) else purchase
    return await portal.client.get(f"/receipts/{key}.pdf", headers=headers)


async def asked_by(portal: Portal, household: Household, name: str, purchase: UUID | str) -> httpx.Response:
    return await get(portal, purchase, Authorization=f"Bearer {portal.token(household, name)}")


async def test_the_buyer_gets_the_same_document_each_time(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection
) -> None:
    purchase_id = await paid(database, rows, household)
    answers = [await asked_by(portal, household, "olivia", purchase_id) for _ in range(2)]
    number = f"R-20261106-{purchase_id.hex[:12].upper()}"
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == f'inline; filename="receipt-{number}.pdf"'
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.content.startswith(b"%PDF-")
    assert answers[0].content == answers[1].content
    await rows.execute("UPDATE credit_purchases SET refunded_cents = 100 WHERE id = $1", purchase_id)
    disputed = await asked_by(portal, household, "olivia", purchase_id)
    assert disputed.content != answers[0].content
    await rows.execute(
        "INSERT INTO refunds (tenant_id, pool_id, purchase_id, origin, status, amount_cents, reason, stripe_refund_id, succeeded_at)"
        " VALUES ($1, $2, $3, 'operator', 'succeeded', 100, 'bought twice', 're_1', $4)",
        household.tenant_id,
        household.pool_id,
        purchase_id,
        PAID,
    )
    refunded = await asked_by(portal, household, "olivia", purchase_id)
    assert refunded.status_code == 200
    assert refunded.content != disputed.content, "the refund is named with its day"


async def test_the_page_gets_it_with_its_session(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection
) -> None:
    purchase_id = await paid(database, rows, household)
    answer = await get(portal, purchase_id, Cookie=f"portal_session={portal.token(household, 'olivia')}")
    assert answer.status_code == 200


async def test_who_sees_a_purchase_gets_its_receipt_and_nobody_else(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection
) -> None:
    olivias, mias = await paid(database, rows, household), await paid(database, rows, household, "mia")
    for name, purchase_id, status in (
        ("olivia", mias, 200),
        ("adam", olivias, 200),  # an admin sees the pool's balance
        ("rosa", olivias, 404),  # restricted
        ("mia", mias, 200),
    ):
        answer = await asked_by(portal, household, name, purchase_id)
        node = await portal.ask(household, name, NODE, id=node_id("CreditPurchase", purchase_id))
        assert (answer.status_code, node.data["node"] is not None) == (status, status == 200), name


async def test_a_foreign_receipt_answers_exactly_as_none(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection
) -> None:
    stranger = await make_household(database)
    neighbours = await add_pool(database, household, {"mia": Role.OWNER})
    foreign = [await paid(database, rows, stranger), await paid(database, rows, neighbours, "mia")]
    asked: list[UUID | str] = [*foreign, *await add_purchases(database, stranger, "olivia", 1), uuid4()]
    asked += [node_id("CreditPool", foreign[0]), node_id("CreditPurchase", "no-uuid"), str(foreign[0]), "x", "%C3%A9"]
    answers = [await asked_by(portal, household, "olivia", one) for one in asked]
    assert {(one.status_code, one.text) for one in answers} == {(404, "There is no such receipt.")}
    told = {
        frozenset((name, value) for name, value in one.headers.items() if name != "x-request-id") for one in answers
    }
    assert len(told) == 1


async def test_without_a_session_there_is_nothing(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection
) -> None:
    purchase_id = await paid(database, rows, household)
    program = await get(portal, purchase_id)
    assert (program.status_code, program.headers["www-authenticate"]) == (401, 'Bearer realm="billing-portal"')
    assert (await get(portal, purchase_id, Authorization="Bearer nonsense", Accept="text/html")).status_code == 401
    unknown = portal.token(household, "olivia", sub="nobody-we-know")
    assert (await get(portal, purchase_id, Authorization=f"Bearer {unknown}")).status_code == 401
    assert (await get(portal, "x", Authorization=f"Bearer {unknown}")).status_code == 401
    browser = await get(portal, purchase_id, Accept="text/html,*/*")
    back = f"/receipts/{node_id('CreditPurchase', purchase_id)}.pdf"
    assert browser.status_code == 303
    assert httpx.URL(browser.headers["location"]).params["return_to"] == back


async def test_an_api_key_reads_it_with_the_scope_for_reading(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection
) -> None:
    purchase_id = await paid(database, rows, household)
    for scope, status in (("pool:read", 200), ("usage:write", 404)):
        key = await add_api_key(database, household, scope)
        assert (await get(portal, purchase_id, Authorization=f"Bearer {key}")).status_code == status


@pytest.mark.parametrize("status", ["pending", "processing", "requires_action", "failed"])
async def test_what_is_not_paid_has_no_receipt(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection, status: str
) -> None:
    [purchase_id] = await add_purchases(database, household, "olivia", 1)
    await rows.execute("UPDATE credit_purchases SET status = $2 WHERE id = $1", purchase_id, status)
    answer = await asked_by(portal, household, "olivia", purchase_id)
    assert (answer.status_code, answer.text) == (409, "This purchase is not paid: it has no receipt.")


async def test_many_at_once_are_made_one_after_the_other(
    portal: Portal, database: Database, household: Household, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase_id = await paid(database, rows, household)
    answers = await asyncio.gather(*(asked_by(portal, household, "olivia", purchase_id) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    monkeypatch.setattr(receipt_documents, "PATIENCE_SECONDS", 0.0)
    answers = await asyncio.gather(*(asked_by(portal, household, "olivia", purchase_id) for _ in range(12)))
    told = {answer.status_code for answer in answers}
    assert 503 in told
    assert told <= {200, 503}
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.headers["retry-after"] == "5"


def test_everything_in_it_is_printed_and_nothing_is_read_as_markup() -> None:
    """The template asks for each value: without any one of them there is no document."""
    content = receipt(SOLD, "x")
    for name in content:
        left_out = {key: value for key, value in content.items() if key != name}
        with pytest.raises(typst.TypstError, match=name):
            made(left_out)
    strange = {"billed_to": ['#panic("read as markup")', "*_$`@<x>//", '#import "a.typ"', "Ελένη Ривера"]}
    assert made(content | strange).startswith(b"%PDF-")


def made(content: dict[str, Any]) -> bytes:
    return receipt_documents._compile(json.dumps(content), 0)
