"""Asking for money back in a real browser, what an operator's word makes of it, and what a bank's dispute looks like."""

import asyncio
import os
import subprocess
import sys
from urllib.parse import urlsplit

from playwright.async_api import Page, expect

from app.config import PROJECT
from tests.e2e.browser import PHONE
from tests.e2e.conftest import Visiting
from tests.e2e.portal import RunningPortal
from tests.e2e.test_buying import OWNER, PAYS, choose, pay_button, type_card

DISPUTED = "4000 0000 0000 0259"


async def bought(page: Page, portal: RunningPortal, card: str = PAYS) -> None:
    """Two credits, and the page of the purchase."""
    await page.goto(f"{portal.url}/buy")
    await choose(page, "2", "$20.00")
    await type_card(page, card)
    await pay_button(page).click()
    await expect(page.get_by_role("region", name="What happened")).to_be_visible()


def operator(portal: RunningPortal, *arguments: str) -> str:
    """A command of the running portal; its output."""
    ports = {"PORTAL_PORT": urlsplit(portal.url).port, "PORTAL_SERVICES_PORT": urlsplit(portal.sandbox_url).port}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    own = {name: str(value) for name, value in ports.items()} | {
        "PORTAL_DATA_DIR": str(portal.data_dir),
        "PORTAL_POSTGRES_VERSION": os.environ.get("PORTAL_TEST_PG", "18"),
    }
    command = [sys.executable, "-m", "app.cli", *arguments]
    done = subprocess.run(
        command, cwd=PROJECT, env=inherited | own, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_a_refund_is_asked_for_and_given(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting(viewport=PHONE)
    page = await visit.sign_in(OWNER, "/buy")
    await bought(page, portal)
    refunds = page.get_by_role("region", name="Refunds")
    await refunds.get_by_role("button", name="Request a refund").click()
    dialog = page.get_by_role("dialog", name="Request a refund")
    await expect(dialog).to_contain_text("You ask for $20.00 back.")
    await dialog.get_by_role("button", name="Send the request").click()
    await expect(dialog.get_by_role("alert")).to_have_text("Say in a few words why.")
    await dialog.get_by_label("Why?").fill("Bought on the wrong account.")
    assert await visit.axe() == []
    await dialog.get_by_role("button", name="Send the request").click()
    await expect(dialog).to_be_hidden()
    await expect(refunds).to_contain_text("Requested")
    await expect(refunds).to_contain_text("waiting for a decision")
    await expect(refunds.get_by_role("button", name="Request a refund")).to_be_hidden()
    assert await visit.axe() == []

    [row] = await portal.rows("SELECT id FROM refunds WHERE status = 'requested' ORDER BY created_at DESC LIMIT 1")
    listed = await asyncio.to_thread(operator, portal, "refunds", "list")
    assert "Bought on the wrong account." in listed
    approved = await asyncio.to_thread(operator, portal, "refunds", "approve", str(row["id"]))
    assert "$20.00: succeeded" in approved
    await page.reload()
    await expect(page.get_by_role("heading", name="This purchase was refunded")).to_be_visible()
    await expect(refunds).to_contain_text("Given back")
    await expect(page.get_by_role("region", name="What happened")).to_contain_text("Money went back to the card")


async def test_a_dispute_says_what_to_do(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    await bought(page, portal, DISPUTED)
    refunds = page.get_by_role("region", name="Refunds")

    async def there() -> None:
        await page.reload()
        await expect(refunds).to_contain_text("This payment is disputed at your bank", timeout=2_000)

    for attempt in range(10):  # the webhook takes a moment
        try:
            await there()
            break
        except AssertionError:
            assert attempt < 9
    await expect(refunds).to_contain_text("$20.00: the cardholder did not make it.")
    await expect(refunds.get_by_role("button", name="Request a refund")).to_be_hidden()
    assert await visit.axe() == []
