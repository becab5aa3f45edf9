"""A person has credits bought by themselves: switched on, refused by name, paused, resumed, off again."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.browser import PHONE
from tests.e2e.conftest import Visiting
from tests.e2e.portal import RunningPortal

OWNER = "owner@northwind.example"
PAGE = "/payment"


class Pool:
    """The owner's pool with a saved card."""

    def __init__(self, portal: RunningPortal, tenant_id: UUID, pool_id: UUID, customer_id: str) -> None:
        self.portal = portal
        self.key = (tenant_id, pool_id)
        self.customer_id = customer_id

    async def set_plan(self, **values: Any) -> None:
        """What time or the bank would have changed."""
        columns = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 3))
        await self.portal.rows(
            f"UPDATE auto_purchase_settings SET {columns} WHERE (tenant_id, pool_id) = ($1, $2)",
            *self.key,
            *values.values(),
        )


@pytest.fixture
async def pool(portal: RunningPortal) -> Pool:
    [row] = await portal.rows(
        "SELECT p.tenant_id, p.id, p.stripe_customer_id FROM credit_pools p JOIN users u"
        " ON (u.tenant_id, u.id) = (p.tenant_id, p.owner_user_id) WHERE u.email = $1",
        OWNER,
    )
    headers = {"Authorization": "Bearer sk_test_sandbox", "X-Deliberately-Wrong": "yes"}
    async with httpx.AsyncClient(base_url=f"{portal.sandbox_url}/v1", headers=headers, trust_env=False) as stripe:
        found = await stripe.get(f"/customers/{row['stripe_customer_id']}")
        customer_id = row["stripe_customer_id"]
        if not found.is_success:
            customer_id = (await stripe.post("/customers", data={"email": OWNER})).raise_for_status().json()["id"]
            await portal.rows("UPDATE credit_pools SET stripe_customer_id = $2 WHERE id = $1", row["id"], customer_id)
        cards = (await stripe.get(f"/customers/{customer_id}/payment_methods")).raise_for_status().json()["data"]
        if not any(card["card"]["last4"] == "4242" for card in cards):
            (
                await stripe.post("/payment_methods/pm_card_visa/attach", data={"customer": customer_id})
            ).raise_for_status()
    await portal.rows("DELETE FROM auto_purchase_settings WHERE pool_id = $1", row["id"])
    await portal.rows("UPDATE credit_pools SET auto_purchase_below = NULL WHERE id = $1", row["id"])
    return Pool(portal, row["tenant_id"], row["id"], customer_id)


def section(page: Page) -> Locator:
    return page.get_by_role("region", name="Automatic purchases")


async def fill(page: Page, **typed: str) -> None:
    labels = {
        "threshold": "When fewer than",
        "quantity": "Buy",
        "money": "At most, a month",
        "credits": "And at most, a month",
    }
    for name, value in typed.items():
        await section(page).get_by_label(labels[name], exact=True).fill(value)


async def switched_on(page: Page) -> None:
    await section(page).get_by_role("switch").click()
    await fill(page, threshold="0.5", quantity="10", money="250")
    await section(page).get_by_label("Paid with").select_option(label="Visa ending in 4242")
    await expect(section(page).get_by_text("$95.00 at today’s prices, with 0.5 as a bonus")).to_be_visible()
    await section(page).get_by_role("button", name="Switch on").click()
    await expect(section(page).get_by_role("alert")).to_have_text("Automatic purchases are on.")


async def test_switched_on_changed_and_off(pool: Pool, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, PAGE)
    await expect(section(page).get_by_text("Nothing is bought by itself.")).to_be_visible()
    await section(page).get_by_role("switch").click()
    await fill(page, threshold="0", money="")
    await section(page).get_by_role("button", name="Switch on").click()
    await expect(section(page).get_by_text("More than 0.")).to_be_visible()
    await expect(section(page).get_by_text("A monthly cap is needed: in money, in credits, or both.")).to_be_visible()
    await section(page).get_by_role("switch").click()
    await switched_on(page)
    words = "Whenever fewer than 0.5 credits are available, 10 credits are bought: up to $250.00 a month."
    await expect(section(page).get_by_text(words)).to_be_visible()
    assert await visit.axe() == []
    await fill(page, money="50")
    await section(page).get_by_role("button", name="Save").click()
    await expect(section(page).get_by_text("A monthly cap of 50.00 is below the price of one purchase")).to_be_visible()
    await fill(page, money="500", credits="40")
    await section(page).get_by_role("button", name="Save").click()
    await expect(section(page).get_by_text("up to $500.00 and 40 credits a month.")).to_be_visible()
    await section(page).get_by_role("switch").click()
    await expect(section(page).get_by_text("Nothing is bought by itself.")).to_be_visible()
    [row] = await pool.portal.rows(
        "SELECT enabled, max_monthly_auto_purchase_cents FROM auto_purchase_settings WHERE (tenant_id, pool_id) = ($1, $2)",
        *pool.key,
    )
    assert (row["enabled"], row["max_monthly_auto_purchase_cents"]) == (False, 50_000)


async def test_why_it_stands_still_and_how_to_resume(pool: Pool, visiting: Visiting) -> None:
    visit = await visiting(color_scheme="dark")
    page = await visit.sign_in(OWNER, PAGE)
    await switched_on(page)
    now = datetime.now(UTC)
    for change, says in (
        ({"retry_after": now + timedelta(hours=1)}, "The last attempt was declined"),
        ({"retry_after": None, "cap_reached_at": now}, "This month’s cap is reached"),
        ({"cap_reached_at": None, "stopped_reason": "declined", "enabled": False}, "Switched off for you"),
        ({"stopped_reason": "authentication_required", "enabled": True}, "Paused until you act"),
    ):
        await pool.set_plan(**change)
        await page.reload()
        await expect(section(page).get_by_text(says)).to_be_visible()
        assert await visit.axe() == []
    await expect(section(page).get_by_text("Buy credits once and complete the bank's step")).to_be_visible()
    await section(page).get_by_role("button", name="Save and resume").click()
    await expect(section(page).get_by_text("Paused until you act")).to_be_hidden()
    await expect(section(page).get_by_text("On", exact=True)).to_be_visible()


async def test_on_a_phone_nothing_is_cut_off(pool: Pool, visiting: Visiting) -> None:
    assert pool.customer_id
    visit = await visiting(viewport=PHONE)
    page = await visit.sign_in(OWNER, PAGE)
    await switched_on(page)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await visit.axe() == []


async def test_members_who_may_not_change_it_read_it(pool: Pool, visiting: Visiting) -> None:
    owner = await visiting()
    await switched_on(await owner.sign_in(OWNER, PAGE))
    assert await pool.portal.rows("SELECT FROM auto_purchase_settings WHERE (tenant_id, pool_id) = ($1, $2)", *pool.key)
    page = await (await visiting()).sign_in("jonas@northwind.example", PAGE)
    await expect(section(page).get_by_text("10 credits are bought: up to $250.00 a month.")).to_be_visible()
    await expect(section(page).get_by_role("switch")).to_have_count(0)
    child = await (await visiting()).sign_in("kenji@northwind.example", PAGE)
    await expect(section(child).get_by_text("Only people who may see the balance")).to_be_visible()
