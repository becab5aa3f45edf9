"""A running portal and a real browser, for the session; a watched browser context for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e.browser import DESKTOP, Visit, launch
from tests.e2e.portal import RunningPortal, start_portal

Visiting = Callable[..., Awaitable[Visit]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    """`portal up` with the demo tenants."""
    running = start_portal(tmp_path_factory.mktemp("portal"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    expect.set_options(timeout=15_000)
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()


@pytest.fixture
async def visiting(portal: RunningPortal, chromium: Browser) -> AsyncIterator[Visiting]:
    """Opens a browser for one person (of another portal by its `url`); at the end no page may have complained or asked another machine."""
    visits: list[Visit] = []

    async def visit(*, url: str = portal.url, **options: Any) -> Visit:
        context = await chromium.new_context(**{"viewport": DESKTOP, "locale": "en-US"} | options)
        context.set_default_timeout(15_000)
        one = Visit(context, await context.new_page(), url)
        one.watch()
        visits.append(one)
        return one

    yield visit
    for one in visits:
        await one.context.close()
    assert [complaint for one in visits for complaint in one.complaints] == []
