"""A person buys credits in a real browser: the whole way, from the sign-in to the ledger."""

from decimal import Decimal

from playwright.async_api import Page, Route, expect

from tests.e2e.conftest import Visiting
from tests.e2e.portal import RunningPortal

OWNER = "owner@rivera.example"
PAYS = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"
TOO_LITTLE = "4000 0000 0000 9995"
THREE_D_SECURE = "4000 0027 6000 3184"


async def choose(page: Page, credits: str, total: str) -> None:
    """Type a quantity and wait for the server's price."""
    await page.get_by_label("Credits", exact=True).fill(credits)
    await expect(pay_button(page)).to_have_text(f"Pay {total}")
    await expect(pay_button(page)).to_be_enabled()


async def type_card(page: Page, number: str) -> None:
    await page.get_by_label("Card number").fill(number)
    await page.get_by_label("Expiry").fill("12 / 34")
    await page.get_by_label("Security code").fill("123")


def pay_button(page: Page):  # type: ignore[no-untyped-def]
    return page.get_by_role("button", name="Pay", exact=False).and_(page.locator("[type=submit]"))


async def shown_balance(page: Page) -> Decimal:
    """The available credits on the overview, exactly."""
    figure = page.get_by_role("region", name="Balance").locator("p > span").first
    exact = figure.locator(".sr-only")  # there if two places don't say all
    text = await (exact if await exact.count() else figure).inner_text()
    return Decimal(text.replace(",", ""))


async def test_bought_credits_are_on_the_receipt_the_overview_and_in_the_ledger(
    portal: RunningPortal, visiting: Visiting
) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER)
    await expect(page.get_by_role("region", name="Balance")).to_be_visible()
    before, books = await shown_balance(page), await portal.books(OWNER)
    assert before == books["available"]

    await page.get_by_role("main").get_by_role("link", name="Buy credits").click()
    await choose(page, "50", "$425.00")
    order = page.get_by_role("region", name="Your order")
    for line in ("$500.00", "\u2212$75.00", "+7.5", "57.5 credits"):
        await expect(order.get_by_text(line, exact=True)).to_be_visible()
    await type_card(page, PAYS)
    await pay_button(page).click()

    await expect(page.get_by_role("heading", name="57.5 credits are yours")).to_be_visible()
    await expect(page.get_by_text("$425.00", exact=True)).to_be_visible()
    receipt = page.get_by_role("link", name="Stripe’s receipt")
    await expect(receipt).to_be_visible()
    after = before + Decimal("57.5")
    now = await portal.books(OWNER)
    assert (now["available"], now["entries"], now["completed"]) == (after, books["entries"] + 2, books["completed"] + 1)

    await page.get_by_role("link", name="To the overview").click()
    await expect(page.get_by_role("region", name="Balance").get_by_text(f"{after:,.6f}"[:-4]).first).to_be_visible()
    assert await shown_balance(page) == after
    newest = page.get_by_role("region", name="Ledger").get_by_role("row")
    rows = [await newest.nth(1).inner_text(), await newest.nth(2).inner_text()]
    assert any("Purchase" in row and "+50.00" in row for row in rows), rows
    assert any("Bonus" in row and "+7.50" in row for row in rows), rows


async def test_a_declined_card_says_why_and_changes_nothing(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    books = await portal.books(OWNER)
    for card, reason in ((DECLINED, "declined"), (TOO_LITTLE, "insufficient funds")):
        await choose(page, "10", "$95.00")
        await type_card(page, card)
        await pay_button(page).click()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text(reason)
        await expect(alert).to_contain_text("Nothing was charged")
    now = await portal.books(OWNER)
    assert (now["available"], now["entries"], now["completed"]) == (
        books["available"],
        books["entries"],
        books["completed"],
    )
    assert now["failed"] == books["failed"] + 2

    # The next card is another attempt, with a quote and a key of its own.
    await type_card(page, PAYS)
    await expect(pay_button(page)).to_be_enabled()
    await pay_button(page).click()
    await expect(page.get_by_role("heading", name="10.5 credits are yours")).to_be_visible()


async def test_3d_secure_completed_brings_the_credits(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    books = await portal.books(OWNER)
    await choose(page, "5", "$50.00")
    await type_card(page, THREE_D_SECURE)
    await pay_button(page).click()
    await page.locator("button[value=complete]").click()
    await expect(page.get_by_role("heading", name="5 credits are yours")).to_be_visible()
    assert page.url.startswith(f"{portal.url}/purchases/")
    assert "secret" not in page.url
    assert (await portal.books(OWNER))["available"] == books["available"] + 5


async def test_3d_secure_failed_charges_nothing(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    books = await portal.books(OWNER)
    await choose(page, "5", "$50.00")
    await type_card(page, THREE_D_SECURE)
    await pay_button(page).click()
    await page.locator("button[value=fail]").click()
    await expect(page.get_by_role("heading", name="The payment didn’t go through")).to_be_visible()
    await expect(page.get_by_role("link", name="Try another card")).to_be_visible()
    now = await portal.books(OWNER)
    assert (now["available"], now["entries"]) == (books["available"], books["entries"])


async def test_a_lost_answer_and_a_double_click_pay_once(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    books = await portal.books(OWNER)
    visit.allow("ERR_FAILED")
    lost = []

    async def lose_the_first_answer(route: Route) -> None:
        if "creditsPurchase" in (route.request.post_data or "") and not lost:
            lost.append(await route.fetch())
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/graphql", lose_the_first_answer)
    await choose(page, "1", "$10.00")
    await type_card(page, PAYS)
    await pay_button(page).dblclick()
    await expect(page.get_by_role("alert")).to_contain_text("didn’t hear")
    # Even a reload of the page does not forget that something is open.
    await page.reload()
    await page.get_by_role("button", name="Ask again").click()
    await expect(page.get_by_role("heading", name="1 credit is yours")).to_be_visible()
    now = await portal.books(OWNER)
    assert (now["available"], now["completed"]) == (books["available"] + 1, books["completed"] + 1)


async def test_the_cheaper_larger_quantity_is_one_click_away(visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    await choose(page, "9.99", "$99.90")
    await expect(page.get_by_text("10 credits cost $4.90 less")).to_be_visible()
    await page.get_by_role("button", name="Take 10").click()
    await expect(pay_button(page)).to_have_text("Pay $95.00")


async def test_what_is_no_quantity_is_refused_beside_the_field(visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    field = page.get_by_label("Credits", exact=True)
    for typed in ("0", "0.99", "-5", "0.001", "10000.01", "1e3", "NaN", ""):
        await field.fill(typed)
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(pay_button(page)).to_be_disabled()


async def test_a_mistyped_card_never_leaves_the_page(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    await choose(page, "5", "$50.00")
    sent.clear()
    await type_card(page, "4242 4242 4242 4241")
    await pay_button(page).click()
    await expect(page.get_by_text("Check the card number.")).to_be_visible()
    assert sent == []
