"""Nobody pays another price than the one on the page: what happens when a quote ends, or a price changes meanwhile."""

import json
from typing import Any

from playwright.async_api import Page, Route, expect

from tests.e2e.conftest import Visiting
from tests.e2e.portal import RunningPortal
from tests.e2e.test_buying import OWNER, PAYS, choose, pay_button, type_card

EXPIRED = {
    "data": {
        "creditsPurchase": {
            "__typename": "PurchasePayload",
            "purchase": None,
            "userErrors": [{"__typename": "UserError", "code": "QUOTE_EXPIRED", "message": "This price has expired."}],
        }
    }
}


class Interceptor:
    """Answers the first purchase with "expired"; can change the totals of the quotes that follow. Keeps what was sent."""

    def __init__(self, new_total: str | None = None) -> None:
        self.new_total = new_total
        self.sent: list[dict[str, Any]] = []

    async def __call__(self, route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        if "creditsPurchase" in body["query"]:
            self.sent.append(body["variables"])
            if len(self.sent) == 1:
                await route.fulfill(json=EXPIRED)
                return
        elif "creditQuote" in body["query"] and self.sent and self.new_total:
            response = await route.fetch()
            answer = await response.json()
            answer["data"]["creditQuote"]["quote"]["total"]["amount"] = self.new_total
            await route.fulfill(response=response, json=answer)
            return
        await route.continue_()


async def pay_ten(page: Page) -> None:
    await choose(page, "10", "$95.00")
    await type_card(page, PAYS)
    await pay_button(page).click()


async def test_an_expired_quote_is_renewed_silently_at_the_same_price(
    portal: RunningPortal, visiting: Visiting
) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    books = await portal.books(OWNER)
    interceptor = Interceptor()
    await page.route("**/graphql", interceptor)
    await pay_ten(page)
    await expect(page.get_by_role("heading", name="10.5 credits are yours")).to_be_visible()
    first, second = interceptor.sent
    assert first["paymentMethodId"] == second["paymentMethodId"]
    assert first["quoteId"] != second["quoteId"]
    assert first["idempotencyKey"] != second["idempotencyKey"]
    assert (await portal.books(OWNER))["completed"] == books["completed"] + 1


async def test_another_price_is_shown_and_not_charged(portal: RunningPortal, visiting: Visiting) -> None:
    visit = await visiting()
    page = await visit.sign_in(OWNER, "/buy")
    books = await portal.books(OWNER)
    interceptor = Interceptor(new_total="96.00")
    await page.route("**/graphql", interceptor)
    await pay_ten(page)
    await expect(page.get_by_role("alert")).to_contain_text("The price has changed")
    await expect(pay_button(page)).to_have_text("Pay $96.00")
    assert len(interceptor.sent) == 1
    assert await portal.books(OWNER) == books
