"""A real Chromium and the watch over it: no console errors, nothing leaves this machine."""

import re
import shutil
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

from app.config import PROJECT

_AXE = PROJECT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# Nobody is signed in yet: /auth/session says so by its status, and Chromium writes every 401 to the console.
_EXPECTED = re.compile(r"status of 401")

DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}


async def launch(playwright: Playwright) -> Browser:
    """The machine's own Chromium; AssertionError that says what to do where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "these tests drive a real browser: install chromium (apt-get install chromium)"
    return await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


@dataclass
class Visit:
    """One person's browser: a context of its own, watched."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.context.on("request", self._on_request)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def allow(self, pattern: str) -> None:
        """Expect a console error that this test provokes."""
        self.allowed.append(pattern)

    def stops(self, address: str) -> None:
        """Requests to this address are the test's subject: it stops them itself, so none leaves the machine."""
        self.stopped.append(address)

    async def sign_in(self, email: str, path: str = "/") -> Page:
        """Open a page, sign in by the development issuer, and be back on that page."""
        await self.page.goto(self.url + path)
        await self.page.get_by_role("link", name="Continue to sign in").click()
        await self.page.get_by_role("button", name=email).click()
        await self.page.wait_for_url(self.url + path)
        return self.page

    async def axe(self) -> list[str]:
        """What axe-core finds wrong on the page as it stands, one line a rule."""
        assert _AXE.is_file(), "axe-core is not installed: run `npm ci` in frontend/"
        await self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        result: dict[str, Any] = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']} {[node['target'] for node in one['nodes']]}" for one in result["violations"]
        ]

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if (
            parts.scheme not in {"data", "blob"}
            and parts.hostname not in _LOOPBACK
            and not request.url.startswith(tuple(self.stopped))
        ):
            self.complaints.append(f"a request left this machine: {request.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        expected = _EXPECTED.search(message.text) or any(re.search(one, message.text) for one in self.allowed)
        if message.type in {"error", "warning"} and not expected:
            self.complaints.append(f"console {message.type}: {message.text}")
