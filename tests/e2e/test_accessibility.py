"""axe-core finds nothing, in light and in dark; nothing is wider than a phone."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import DESKTOP, PHONE, Visit
from tests.e2e.conftest import Visiting
from tests.e2e.test_buying import DECLINED, OWNER, PAYS, choose, pay_button, type_card
from tests.e2e.test_overview import child_of

Step = Callable[[Page], Awaitable[None]]


async def overview(page: Page) -> None:
    await expect(page.get_by_role("region", name="Ledger")).to_be_visible()


async def account_menu(page: Page) -> None:
    await page.get_by_role("button", name="Account of").click()
    await expect(page.get_by_role("menu")).to_be_visible()
    await page.wait_for_timeout(300)  # the menu fades in; half-way its contrast is no one's
    # axe is asked about the menu below; then it is closed again.


async def buying(page: Page) -> None:
    if await page.get_by_role("menu").count():
        await page.keyboard.press("Escape")
    await page.get_by_role("navigation").get_by_role("link", name="Buy credits").click()
    await choose(page, "9.99", "$99.90")
    await page.wait_for_timeout(300)


async def wrong_input(page: Page) -> None:
    await type_card(page, "4242 4242 4242 4241")
    await pay_button(page).click()
    await expect(page.get_by_text("Check the card number.")).to_be_visible()


async def declined(page: Page) -> None:
    await type_card(page, DECLINED)
    await pay_button(page).click()
    await expect(page.get_by_role("alert")).to_contain_text("declined")
    await expect(pay_button(page)).to_be_enabled()
    await page.wait_for_timeout(300)


async def receipt(page: Page) -> None:
    await choose(page, "1", "$10.00")
    await type_card(page, PAYS)
    await pay_button(page).click()
    await expect(page.get_by_role("link", name="Stripe’s receipt")).to_be_visible()


async def purchases(page: Page) -> None:
    await page.get_by_role("link", name="All purchases").click()
    await expect(page.get_by_role("table").get_by_text("Failed").first).to_be_visible()


async def failed_purchase(page: Page) -> None:
    await page.get_by_role("row", name="Failed").first.get_by_role("link").click()
    await expect(page.get_by_role("heading", name="The payment didn’t go through")).to_be_visible()


async def cards(page: Page) -> None:
    await page.get_by_role("navigation").get_by_role("link", name="Payment methods").click()
    await page.get_by_role("button", name="Add a card").click()
    await expect(page.get_by_label("Card number")).to_be_visible()


async def absent(page: Page) -> None:
    await page.goto(page.url.split("/payment")[0] + "/no-such-page")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


JOURNEY: list[Step] = [
    overview,
    account_menu,
    buying,
    wrong_input,
    declined,
    receipt,
    purchases,
    failed_purchase,
    cards,
    absent,
]


async def steps(visit: Visit) -> AsyncIterator[str]:
    """Walk through every page and state, signed out first; yields where the page is."""
    await visit.page.goto(visit.url)
    await expect(visit.page.get_by_role("link", name="Continue to sign in")).to_be_visible()
    yield "sign-in"
    await visit.sign_in(OWNER)
    for step in JOURNEY:
        await step(visit.page)
        yield step.__name__


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(theme: str, visiting: Visiting) -> None:
    visit = await visiting(color_scheme=theme, viewport=DESKTOP, reduced_motion="reduce")
    found = {name: problems async for name in steps(visit) if (problems := await visit.axe())}
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_on_a_childs_pages(theme: str, portal, visiting: Visiting) -> None:  # type: ignore[no-untyped-def]
    visit = await visiting(color_scheme=theme, viewport=PHONE, reduced_motion="reduce")
    page = await visit.sign_in(await child_of(portal))
    await expect(page.get_by_role("region", name="Your credits")).to_be_visible()
    assert await visit.axe() == []
    await page.get_by_role("navigation").get_by_role("link", name="Buy credits").click()
    await expect(page.get_by_role("heading", name="You can’t buy credits for this pool")).to_be_visible()
    assert await visit.axe() == []


@pytest.mark.parametrize("width", [320, 390])
async def test_nothing_is_wider_than_a_phone(width: int, visiting: Visiting) -> None:
    visit = await visiting(viewport={"width": width, "height": 844}, is_mobile=True, has_touch=True)
    wide: dict[str, int] = {}
    async for name in steps(visit):
        full = await visit.page.evaluate("document.documentElement.scrollWidth")
        if full > width:
            wide[name] = full
    assert wide == {}
