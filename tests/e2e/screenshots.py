"""The README's pictures: `make screenshots` runs a portal with the demo data and writes them to docs/screenshots/."""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from app.config import PROJECT
from tests.e2e.browser import DESKTOP, PHONE, Visit, launch
from tests.e2e.portal import RunningPortal, start_portal
from tests.e2e.test_auto_purchase import switched_on
from tests.e2e.test_buying import choose, pay_button, type_card
from tests.e2e.test_payment_methods import add, cards

FOLDER = PROJECT / "docs" / "screenshots"
LARGEST = 300_000  # bytes: a README loads fast
OWNER = "owner@rivera.example"


async def visit(browser: Browser, portal: RunningPortal, theme: str, viewport: dict[str, int]) -> Page:
    """The overview of the family, signed in."""
    context = await browser.new_context(
        viewport=viewport,  # type: ignore[arg-type]
        color_scheme=theme,  # type: ignore[arg-type]
        device_scale_factor=2,
        reduced_motion="reduce",
        locale="en-US",
    )
    one = Visit(context, await context.new_page(), portal.url)
    page = await one.sign_in(OWNER)
    await expect(page.get_by_role("region", name="Ledger")).to_be_visible()
    await page.evaluate("document.fonts.ready")
    return page


async def save(page: Page, name: str) -> None:
    """Write one picture; AssertionError if it is too large for the README."""
    path = FOLDER / f"{name}.png"
    await page.screenshot(path=path)
    assert path.stat().st_size < LARGEST, f"{path} has {path.stat().st_size} bytes"


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="portal-screenshots-") as directory:
        portal = start_portal(Path(directory))
        try:
            async with async_playwright() as playwright:
                browser = await launch(playwright)
                page = await visit(browser, portal, "light", DESKTOP)
                await page.get_by_role("main").get_by_role("link", name="Buy credits").click()
                await choose(page, "25", "$225.00")
                await type_card(page, "4242 4242 4242 4242")
                await page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
                await save(page, "buy")
                await pay_button(page).click()
                await expect(page.get_by_role("link", name="Stripe’s receipt")).to_be_visible()
                await page.get_by_role("navigation").get_by_role("link", name="Purchases").click()
                await page.get_by_role("link", name="25 credits").first.click()
                await expect(page.get_by_role("heading", level=1)).to_be_visible()
                await save(page, "purchase")
                await page.get_by_role("navigation").get_by_role("link", name="Payment methods").click()
                await add(page, "4242 4242 4242 4242")
                await expect(cards(page)).to_have_count(1)
                await switched_on(page)
                await page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
                await save(page, "payment")
                for theme in ("light", "dark"):
                    await save(await visit(browser, portal, theme, DESKTOP), f"overview-{theme}")
                await save(await visit(browser, portal, "light", PHONE), "phone")
                await browser.close()
        finally:
            portal.stop()


if __name__ == "__main__":
    asyncio.run(main())
