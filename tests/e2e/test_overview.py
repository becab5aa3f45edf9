"""The overview in a real browser: who sees what, and how one moves about."""

from playwright.async_api import expect

from tests.e2e.conftest import Visiting
from tests.e2e.portal import RunningPortal

OWNER = "owner@rivera.example"
TEAM_OWNER = "owner@northwind.example"


async def child_of(portal: RunningPortal) -> str:
    """The e-mail of a restricted member of the Rivera family."""
    rows = await portal.rows(
        """
        SELECT u.email FROM credit_pool_members m JOIN users u ON (u.tenant_id, u.id) = (m.tenant_id, m.user_id)
        WHERE m.role = 'restricted' AND m.status = 'active'
          AND m.tenant_id = (SELECT tenant_id FROM users WHERE email = $1)
        ORDER BY u.email
        """,
        OWNER,
    )
    return str(rows[0]["email"])


async def test_a_child_sees_its_own_use_and_no_balance(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    answers: list[str] = []
    page = visit.page
    await visit.sign_in(await child_of(portal))
    await expect(page.get_by_role("region", name="Your credits")).to_be_visible()
    await expect(page.get_by_role("region", name="Balance")).to_have_count(0)
    await expect(page.get_by_role("main").get_by_role("link", name="Buy credits")).to_have_count(0)

    # Nor does the API tell more than the page shows.
    async with page.expect_response("**/graphql") as answer:
        await page.reload()
    answers.append(await (await answer.value).text())
    assert all('"available"' not in text for text in answers)

    await page.get_by_role("navigation").get_by_role("link", name="Buy credits").click()
    await expect(page.get_by_role("heading", name="You can’t buy credits for this pool")).to_be_visible()
    await expect(page.get_by_role("link", name=OWNER)).to_be_visible()


async def test_more_entries_come_page_by_page_without_gaps(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(TEAM_OWNER)
    ledger = page.get_by_role("region", name="Ledger")
    rows = ledger.locator("tbody tr")
    await expect(rows).to_have_count(20)
    await ledger.get_by_role("button", name="Show more entries").click()
    await expect(rows).to_have_count(40)
    shown = [text.replace("\u2212", "-").replace("+", "").replace(",", "") for text in await amounts(ledger)]
    written = await portal.rows(
        """
        SELECT t.amount FROM credit_transactions t
        JOIN credit_pools p ON (p.tenant_id, p.id) = (t.tenant_id, t.pool_id)
        JOIN users u ON (u.tenant_id, u.id) = (p.tenant_id, p.owner_user_id)
        WHERE u.email = $1 ORDER BY t.sequence DESC LIMIT 40
        """,
        TEAM_OWNER,
    )
    assert [float(text) for text in shown] == [float(row["amount"]) for row in written]


async def amounts(ledger):  # type: ignore[no-untyped-def]
    """The exact amounts as screen readers get them."""
    return await ledger.locator("tbody tr td:nth-child(4) .sr-only").all_inner_texts()


async def test_everybody_sees_the_members_of_a_team(visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(TEAM_OWNER)
    members = page.get_by_role("region", name="Members")
    await expect(members.locator("tbody tr")).to_have_count(12)
    await expect(members.get_by_text("(you)")).to_have_count(1)


async def test_the_theme_is_chosen_in_the_menu_and_remembered(visiting: Visiting) -> None:
    visit = await visiting(color_scheme="light")
    page = await visit.sign_in(OWNER)
    await page.get_by_role("button", name="Account of").click()
    await page.get_by_role("menuitemradio", name="Dark").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_signing_out_ends_the_session(visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER)
    await page.get_by_role("button", name="Account of").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_role("link", name="Continue to sign in")).to_be_visible()
    await page.goto(visit.url + "/buy")
    await expect(page.get_by_role("link", name="Continue to sign in")).to_be_visible()


async def test_the_keyboard_reaches_the_content_first(visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER)
    await expect(page.get_by_role("region", name="Balance")).to_be_visible()
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("main").get_by_role("link", name="Buy credits")).to_be_focused()


async def test_graphiql_runs_its_first_query(visiting: Visiting) -> None:
    visit = await visiting()
    page = visit.page
    await page.goto(visit.url + "/graphql")
    await page.get_by_role("button", name=OWNER).click()
    # The editor and the schema come by themselves; only then does a click on the button mean this query.
    await expect(page.locator(".graphiql-query-editor .view-lines")).to_contain_text("MyPools")
    await expect(page.get_by_role("button", name="Re-fetch GraphQL schema")).to_be_enabled()
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".graphiql-response")).to_contain_text(OWNER)
