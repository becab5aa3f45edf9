"""Cards in a real browser: added with the bank's step, made the default, removed, refused, and used to pay."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, Page, Request, Route, expect

from app.config import Settings
from app.edge import content_security_policy
from tests.e2e.browser import DESKTOP, PHONE, Visit
from tests.e2e.conftest import Visiting
from tests.e2e.portal import RunningPortal
from tests.e2e.test_buying import DECLINED, PAYS, THREE_D_SECURE, choose, pay_button, type_card

PERSON = "sam@solo.example"  # a paid plan, and no card yet
NEWCOMER = "nia@new.example"
MASTERCARD = "5555 5555 5555 4444"
CARD_NAMES = {"3184": "Visa ending in 3184", "4444": "Mastercard ending in 4444"}


async def add(page: Page, number: str) -> None:
    """Type a card and hand it in; what comes of it, the test looks at."""
    await page.get_by_role("button", name="Add a card").click()
    await type_card(page, number)
    await page.get_by_role("button", name="Save the card").click()


def cards(page: Page) -> Locator:
    return page.get_by_role("list", name="Saved cards").get_by_role("listitem")


async def remove_the_only_one(page: Page) -> None:
    """Leave the pool as it was found."""
    await expect(cards(page)).to_have_count(1)
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(cards(page)).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_whole_life_of_a_card(theme: str, visiting: Visiting) -> None:
    visit = await visiting(color_scheme=theme, viewport=DESKTOP, reduced_motion="reduce")
    page = await visit.sign_in(NEWCOMER)
    await page.get_by_role("navigation").get_by_role("link", name="Payment methods").click()
    await expect(page.get_by_text("No card is saved yet.")).to_be_visible()
    assert await visit.axe() == []
    await add_with_the_bank(visit)
    await add(page, MASTERCARD)
    await expect(cards(page)).to_have_count(2)
    await prefer_one_and_remove_the_other(visit)
    await pay_with_the_saved_one(visit)
    await page.goto(visit.url + "/payment")
    await remove_the_only_one(page)


async def add_with_the_bank(visit: Visit) -> None:
    """First a declined card, then in the same form one that asks the bank."""
    page = visit.page
    visit.allow("402")  # how Stripe declines, and Chromium writes it to the console
    await add(page, DECLINED)
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    assert await visit.axe() == []
    await type_card(page, THREE_D_SECURE)
    await page.get_by_role("button", name="Save the card").click()
    await expect(page.get_by_role("heading", name="Confirm your card")).to_be_visible()
    await page.locator("button[value=complete]").click()
    await expect(page.get_by_role("alert")).to_contain_text("The card is saved.")
    await expect(cards(page)).to_have_count(1)
    await expect(cards(page).first).to_contain_text("Default")
    assert urlsplit(page.url).path == "/payment"
    assert urlsplit(page.url).query == "", "neither a secret nor an id stays in the address"


async def prefer_one_and_remove_the_other(visit: Visit) -> None:
    page = visit.page
    await page.get_by_role("button", name=f"Make default {CARD_NAMES['4444']}").click()
    await expect(cards(page).filter(has_text="4444")).to_contain_text("Default")
    await expect(cards(page).filter(has_text="3184")).not_to_contain_text("Default")
    assert await visit.axe() == []
    await page.get_by_role("button", name=f"Remove {CARD_NAMES['3184']}").click()
    dialog = page.get_by_role("dialog", name=f"Remove {CARD_NAMES['3184']}?")
    await expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    assert await visit.axe() == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(cards(page)).to_have_count(2)
    await page.get_by_role("button", name=f"Remove {CARD_NAMES['3184']}").click()
    await dialog.get_by_role("button", name="Remove").click()
    await expect(cards(page)).to_have_count(1)
    await page.reload()
    await expect(cards(page)).to_have_count(1)
    await expect(cards(page).first).to_contain_text("Mastercard ending in 4444")


async def pay_with_the_saved_one(visit: Visit) -> None:
    page = visit.page
    await page.get_by_role("navigation").get_by_role("link", name="Buy credits").click()
    await expect(page.get_by_role("radio", name="Mastercard ending in 4444")).to_be_checked()
    await choose(page, "1", "$10.00")
    assert await visit.axe() == []
    await pay_button(page).click()
    await expect(page.get_by_role("heading", name="1 credit is yours")).to_be_visible()


async def test_what_the_subscription_needs_stays_and_says_so(visiting: Visiting) -> None:
    visit = await visiting(reduced_motion="reduce")
    page = await visit.sign_in(PERSON, "/payment")
    await add(page, PAYS)
    await expect(cards(page)).to_have_count(1)
    await page.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Remove").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("make another card the default one first")
    assert await visit.axe() == []
    await expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(cards(page)).to_have_count(1)

    # A new card still pays, beside the saved one.
    await page.goto(visit.url + "/buy")
    await page.get_by_role("radio", name="A new card").check()
    await choose(page, "1", "$10.00")
    await type_card(page, PAYS)
    await pay_button(page).click()
    await expect(page.get_by_role("heading", name="1 credit is yours")).to_be_visible()


async def test_the_banks_no_saves_nothing(visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in("marco@rivera.example", "/payment")
    await add(page, THREE_D_SECURE)
    await page.locator("button[value=fail]").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The card was not saved")
    await expect(alert).to_contain_text("The confirmation with your bank was not completed.")
    await expect(cards(page)).to_have_count(0)


async def test_without_the_permission_no_cards_are_shown(visiting: Visiting) -> None:
    visit = await visiting(viewport=PHONE)
    page = await visit.sign_in("rosa@rivera.example", "/payment")
    await expect(page.get_by_text("Only people who may buy credits")).to_be_visible()
    await expect(page.get_by_role("button", name="Add a card")).to_have_count(0)
    assert await visit.axe() == []


async def test_the_page_stands_when_stripe_does_not_answer(visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in("marco@rivera.example")
    away = True

    async def without_stripe(route: Route) -> None:
        """The server's own answer for a Stripe that is away, on the real one."""
        if not away or "paymentMethods" not in (route.request.post_data or ""):
            await route.continue_()
            return
        response = await route.fetch()
        answer: dict[str, Any] = await response.json()
        answer["data"]["pool"]["paymentMethods"] = None
        error = {"message": "The cards can't be shown.", "path": ["pool", "paymentMethods"]}
        await route.fulfill(response=response, json=answer | {"errors": [error]})

    await page.route("**/graphql", without_stripe)
    await page.get_by_role("navigation").get_by_role("link", name="Payment methods").click()
    await expect(page.get_by_text("The cards can’t be shown just now")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Buy credits").click()
    await choose(page, "1", "$10.00")
    await expect(page.get_by_label("Card number")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Payment methods").click()
    away = False
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("No card is saved yet.")).to_be_visible()


async def test_with_real_keys_the_form_is_stripes(visiting: Visiting) -> None:
    """Stripe is not to be reached from tests: shown is that its script is asked for and let in, and what is said without it."""
    visit = await visiting()
    policy = content_security_policy(Settings(env="production", stripe_api_base=""))
    asked: list[str] = []

    async def real_keys(route: Route) -> None:
        await route.fulfill(json={"stripe": {"publishableKey": "pk_test_x", "apiBase": None}, "env": "production"})

    async def real_policy(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, headers=response.headers | {"content-security-policy": policy})

    async def stripe(route: Route) -> None:
        asked.append(route.request.url)
        await route.abort()

    page = await visit.sign_in("marco@rivera.example")
    visit.stops("https://js.stripe.com/")
    visit.allow("ERR_FAILED")
    await page.route("**/app-config", real_keys)
    await page.route("**/buy", real_policy)
    await page.route(re.compile("^https://"), stripe)
    await page.goto(visit.url + "/buy")
    await expect(page.get_by_text("Stripe’s card form couldn’t be loaded")).to_be_visible()
    assert set(asked) == {"https://js.stripe.com/endive/stripe.js"}
    before = len(asked)
    async with page.expect_request("https://js.stripe.com/**"):
        await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("Stripe’s card form couldn’t be loaded")).to_be_visible()
    assert len(asked) > before
    await expect(page.get_by_label("Card number")).to_have_count(0)


async def test_no_card_number_reaches_the_portal(portal: RunningPortal, visiting: Visiting) -> None:
    """The whole way of a purchase and of a saved card: nothing that the portal was sent, logged or kept has the number."""
    visit = await visiting()
    sent_to_portal: list[str] = []
    sent_elsewhere: list[str] = []

    async def keep(request: Request) -> None:
        where = sent_to_portal if request.url.startswith(visit.url) else sent_elsewhere
        where.append(f"{request.url} {await request.all_headers()} {request.post_data}")

    reading: list[asyncio.Task[None]] = []
    visit.context.on("request", lambda request: reading.append(asyncio.create_task(keep(request))))
    page = await visit.sign_in(NEWCOMER, "/buy")
    await choose(page, "1", "$10.00")
    await type_card(page, MASTERCARD)
    await pay_button(page).click()
    await expect(page.get_by_role("heading", name="1 credit is yours")).to_be_visible()
    await page.goto(visit.url + "/payment")
    await add(page, MASTERCARD)
    await expect(cards(page)).to_have_count(1)
    await remove_the_only_one(page)
    await asyncio.gather(*reading)

    assert sum(_has_number(one) for one in sent_elsewhere) == 2, "the sandbox got it, once a form"
    assert len(sent_to_portal) > 10
    assert [one for one in sent_to_portal if _has_number(one)] == []
    files = [file for file in portal.data_dir.rglob("*") if file.is_file() and "postgres" not in file.parts]
    assert any(file.suffix == ".log" for file in files)
    assert [file for file in files if _has_number(file.read_bytes().decode("latin-1"))] == []
    assert [row async for row in _rows(portal) if _has_number(row)] == []


def _has_number(text: str) -> bool:
    """In any of the ways in which a number is written or encoded."""
    plain = text.replace("%20", "").replace("+", "").replace(" ", "").replace("-", "")
    return MASTERCARD.replace(" ", "") in plain


async def _rows(portal: RunningPortal) -> AsyncIterator[str]:
    """Every row of every table, as text."""
    tables = await portal.rows(
        "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert len(tables) > 20
    for table in tables:
        for row in await portal.rows(f"SELECT t::text AS row FROM {table['name']} t"):
            yield row["row"]
