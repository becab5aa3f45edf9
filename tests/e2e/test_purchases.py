"""The purchases in a real browser: the list, one purchase and its history, what to do next, and the ways that lead there."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from app.rules.purchases import purchase_page
from tests.e2e.conftest import Visiting
from tests.e2e.portal import RunningPortal, start_portal
from tests.e2e.test_buying import DECLINED, OWNER, PAYS, THREE_D_SECURE, choose, pay_button, type_card

NEWCOMER = "nia@new.example"


async def buy(page: Page, credits: str, total: str, card: str) -> None:
    await choose(page, credits, total)
    await type_card(page, card)
    await pay_button(page).click()


async def test_the_list_leads_to_each_purchase(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    await buy(page, "3", "$30.00", PAYS)
    await expect(page.get_by_role("heading", name="3 credits are yours")).to_be_visible()
    history = page.get_by_role("region", name="What happened")
    await expect(history.get_by_role("listitem")).to_have_count(2)
    await expect(history).to_contain_text("Paid, and the credits added")

    await page.get_by_role("navigation").get_by_role("link", name="Purchases").click()
    newest = page.get_by_role("row").nth(1)
    for words in ("3 credits", "Elena Rivera", "Paid", "$30.00"):
        await expect(newest).to_contain_text(words)
    async with visit.context.expect_page() as opened:
        await newest.get_by_role("link", name="Stripe receipt for 3 credits").click()
    receipt = await opened.value
    await expect(receipt.get_by_text("$30.00").first).to_be_visible()
    await receipt.close()
    address = await newest.get_by_role("link", name="PDF receipt for 3 credits").get_attribute("href")
    pdf = await page.request.get(f"{portal.url}{address}")
    assert (pdf.status, pdf.headers["content-type"]) == (200, "application/pdf")
    assert (await pdf.body()).startswith(b"%PDF-")

    await newest.get_by_role("link", name="3 credits", exact=True).click()
    await expect(page.get_by_text("Visa ending in 4242")).to_be_visible()
    await expect(page.get_by_text("Elena Rivera", exact=True)).to_be_visible()


async def test_a_bank_step_left_open_is_taken_later_from_the_list(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    books = await portal.books(OWNER)
    await buy(page, "4", "$40.00", THREE_D_SECURE)
    await page.locator("button[value=complete]").wait_for()
    await page.goto(f"{portal.url}/purchases")  # never mind the bank for now
    row = page.get_by_role("row").nth(1)
    await expect(row).to_contain_text("Waiting for you")
    await row.get_by_role("link", name="4 credits", exact=True).click()
    await expect(page.get_by_text("Possible until")).to_be_visible()
    await page.get_by_role("link", name="Confirm with your bank").click()
    await page.locator("button[value=complete]").click()
    await expect(page.get_by_role("heading", name="4 credits are yours")).to_be_visible()
    [row] = await portal.rows("SELECT id FROM credit_purchases ORDER BY created_at DESC LIMIT 1")
    assert page.url == purchase_page(portal.url, row["id"])
    assert (await portal.books(OWNER))["available"] == books["available"] + 4


async def test_a_declined_purchase_says_why_and_leads_to_another_card(
    portal: RunningPortal, visiting: Visiting
) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    await buy(page, "2", "$20.00", DECLINED)
    await expect(page.get_by_role("alert")).to_contain_text("declined")
    await page.get_by_role("navigation").get_by_role("link", name="Purchases").click()
    row = page.get_by_role("row").nth(1)
    await expect(row).to_contain_text("Failed")
    await row.get_by_role("link", name="2 credits", exact=True).click()
    await expect(page.get_by_role("region", name="What happened")).to_contain_text("The bank declined the card.")
    await page.get_by_role("link", name="Try another card").click()
    await expect(page).to_have_url(re.compile(r"/buy"))


async def test_what_is_nobodys_purchase_reads_so(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER)
    for address in (f"{portal.url}/purchases/nonsense", purchase_page(portal.url, uuid4())):
        await page.goto(address)
        await expect(page.get_by_role("heading", name="There is no such purchase")).to_be_visible()


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[RunningPortal]:
    """A portal of its own: other tests buy for whoever had bought nothing."""
    running = start_portal(tmp_path)
    try:
        yield running
    finally:
        running.stop()


async def test_before_the_first_purchase(untouched: RunningPortal, visiting: Visiting) -> None:
    for theme in ("light", "dark"):
        visit = await visiting(url=untouched.url, color_scheme=theme, reduced_motion="reduce")
        page = await visit.sign_in(NEWCOMER, "/purchases")
        await expect(page.get_by_role("heading", name="No purchases yet")).to_be_visible()
        assert await visit.axe() == []
    await page.get_by_role("main").get_by_role("link", name="Buy credits").click()
    await expect(page.get_by_role("heading", name="Buy credits")).to_be_visible()


async def test_further_pages(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/purchases")
    [there] = await portal.rows(
        "SELECT count(*) FROM credit_purchases c JOIN users u ON u.id = c.user_id WHERE u.email = $1", OWNER
    )
    await portal.rows(
        """
        INSERT INTO credit_purchases (tenant_id, pool_id, user_id, idempotency_key, credits_amount, total_credits,
                                      unit_price_cents, base_cents, payment_amount_cents, status, created_at)
        SELECT p.tenant_id, p.pool_id, p.user_id, gen_random_uuid(), 1, 1, 1000, 1000, 1000, 'failed',
               p.created_at - number * interval '1 minute'
          FROM (SELECT c.* FROM credit_purchases c JOIN users u ON u.id = c.user_id AND u.email = $1
                 ORDER BY c.created_at LIMIT 1) p, generate_series(1, 30) number
        """,
        OWNER,
    )
    await page.reload()
    await expect(page.get_by_role("row")).to_have_count(1 + 20)
    while await (more := page.get_by_role("button", name="Show more purchases")).count():
        shown = await page.get_by_role("row").count()
        await more.click()
        await expect(page.get_by_role("row").nth(shown)).to_be_visible()
    await expect(page.get_by_role("row")).to_have_count(1 + there["count"] + 30)
    await portal.rows("DELETE FROM credit_purchases WHERE status = 'failed' AND stripe_payment_method_id IS NULL")
