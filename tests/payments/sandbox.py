"""The Stripe sandbox for tests: on a free loopback port, in a thread of its own, with a handle to steer it.

Everything that any test sends to it is held against Stripe's published types afterwards (watching.py).
"""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from app.embedded.stripe import create_app
from app.embedded.stripe.calls import API_VERSION
from app.payments.gateway import Gateway
from tests.payments.watching import DELIBERATELY_WRONG, look_at_forgotten, watching

SECRET_KEY = "sk_test_of_the_tests"
PUBLISHABLE_KEY = "pk_test_of_the_tests"
WEBHOOK_SECRET = "whsec_of_the_tests"
_CONTROL_HEADERS = {"Authorization": f"Bearer {SECRET_KEY}"}


@dataclass
class Sandbox:
    """A running sandbox. `steer` reaches its controls; `raw` sends requests that may be wrong on purpose."""

    url: str
    steer: httpx.AsyncClient
    raw: httpx.AsyncClient
    secret_key: str = SECRET_KEY
    publishable_key: str = PUBLISHABLE_KEY
    webhook_secret: str = WEBHOOK_SECRET

    def gateway(self, **options: Any) -> Gateway:
        """A gateway to it: few retries, short waits. The caller closes it."""
        given: dict[str, Any] = {"timeout_seconds": 5.0, "max_network_retries": 0} | options
        return Gateway(api_key=SECRET_KEY, webhook_secret=WEBHOOK_SECRET, api_base=self.url, **given)

    async def fault(self, kind: str, **fields: Any) -> None:
        """Have a fault strike the next POST below /v1/: see app.embedded.stripe.faults.Fault for kinds and fields."""
        await self._post("/faults", {"kind": kind} | fields)

    async def calm(self) -> None:
        """No more faults."""
        (await self.steer.delete("/faults")).raise_for_status()

    async def webhooks(self, **behaviour: Any) -> None:
        """How events go out: url, mode ("auto" or "hold"), delay_seconds, copies, order. Tests start with "hold"."""
        await self._post("/webhooks", behaviour)

    async def deliver(self) -> list[dict[str, Any]]:
        """Deliver all waiting events now: [{"event": id, "type": type, "status": HTTP status or None}]."""
        delivered: list[dict[str, Any]] = await self._post("/deliver", {})
        return delivered

    async def settle(self, payment_intent_id: str, *, succeeded: bool = True) -> None:
        """End a payment that is in processing."""
        await self._post("/settle", {"payment_intent": payment_intent_id, "succeeded": succeeded})

    async def end_refund(self, refund_id: str, *, succeeded: bool = True, **more: Any) -> None:
        """End a pending refund, or (succeeded=False) let one fail, also after it had succeeded."""
        await self._post("/refunds", {"refund": refund_id, "succeeded": succeeded} | more)

    async def dispute(self, payment_intent_id: str, **more: Any) -> str:
        """Have a payment disputed (amount, reason, inquiry); the dispute's id."""
        return str((await self._post("/disputes", {"payment_intent": payment_intent_id} | more))["id"])

    async def decide(self, dispute_id: str, status: str | None = None, **more: Any) -> None:
        """The bank's word on a dispute: a status, another `amount`, cents `moved` back (below zero: taken)."""
        await self._post("/disputes/change", {"dispute": dispute_id, "status": status} | more)

    async def events(self, payment_intent_id: str | None = None) -> list[dict[str, Any]]:
        """All events in their order, or those about one payment and its charges."""
        found = (await self.steer.get("/events")).raise_for_status().json()
        about = [event["data"]["object"] for event in found]
        return [
            event
            for event, thing in zip(found, about, strict=True)
            if payment_intent_id in {None, thing["id"], thing.get("payment_intent")}
        ]

    async def requests(self) -> list[dict[str, Any]]:
        """What was sent in this test: method, path, items (form or query), headers."""
        sent: list[dict[str, Any]] = (await self.steer.get("/requests")).raise_for_status().json()
        return sent

    async def card(self, number: str = "4242424242424242", *, expires: tuple[int, int] | None = None) -> str:
        """A payment method from a card number, created as the page does it; its id. `expires`: month and year."""
        month, year = expires or (12, time.gmtime().tm_year + 2)
        form = {"type": "card", "card[number]": number, "card[exp_month]": str(month), "card[exp_year]": str(year)}
        answer = await self.from_page("/v1/payment_methods", form | {"card[cvc]": "123"})
        return str(answer.raise_for_status().json()["id"])

    async def save(
        self, client_secret: str, card: str, return_url: str = "http://portal.example/payment"
    ) -> httpx.Response:
        """Confirm the setup of a card (a pm_... id) as the page does it, with the publishable key."""
        setup_id = client_secret.partition("_secret_")[0]
        form = {"client_secret": client_secret, "payment_method": card, "return_url": return_url}
        return await self.from_page(f"/v1/setup_intents/{setup_id}/confirm", form)

    async def saved_card(
        self, customer_id: str, number: str = "4242424242424242", *, expires: tuple[int, int] | None = None
    ) -> str:
        """A card that is a customer's already; its id."""
        card = await self.card(number, expires=expires)
        answer = await self.raw.post(f"/v1/payment_methods/{card}/attach", data={"customer": customer_id})
        return str(answer.raise_for_status().json()["id"])

    async def from_page(self, path: str, form: dict[str, str]) -> httpx.Response:
        """What a page posts, with the key that everybody can read."""
        headers = {"Authorization": f"Bearer {PUBLISHABLE_KEY}", "Stripe-Version": API_VERSION}
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False) as page:
            return await page.post(path, data=form, headers=headers)

    async def authenticate(self, redirect_url: str, outcome: str = "complete") -> httpx.URL:
        """End the 3-D Secure step as the customer would; where the browser is sent then."""
        async with httpx.AsyncClient(trust_env=False, verify=False) as browser:
            secret = httpx.URL(redirect_url).params["client_secret"]
            answer = await browser.post(redirect_url, data={"client_secret": secret, "outcome": outcome})
        assert answer.status_code == 303, answer.text
        return httpx.URL(answer.headers["location"])

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.steer.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


@contextlib.contextmanager
def on_loopback(app: Starlette) -> Iterator[str]:
    """Serve an application on a free loopback port, in a thread, as long as the block lasts; its base URL."""
    # An answer that is lost on purpose is an error in the server's eyes: it need not say so.
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, name="on-loopback")
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop"


@contextlib.contextmanager
def serving(state_path: Path | str = ":memory:") -> Iterator[str]:
    """Serve a sandbox of its own over `state_path`; its base URL."""
    keys = {"secret_key": SECRET_KEY, "publishable_key": PUBLISHABLE_KEY, "webhook_secret": WEBHOOK_SECRET}
    with on_loopback(create_app(state_path, **keys)) as url:
        yield url


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Sandbox]:
    """A handle on the sandbox at `url`."""
    wrong, forgotten = _CONTROL_HEADERS | {DELIBERATELY_WRONG: "yes"}, {"response": [look_at_forgotten]}
    async with (
        httpx.AsyncClient(
            base_url=f"{url}/_control", headers=_CONTROL_HEADERS, event_hooks=forgotten, trust_env=False
        ) as steer,
        httpx.AsyncClient(base_url=url, headers=wrong, trust_env=False) as raw,
    ):
        with watching(url, SECRET_KEY):
            yield Sandbox(url, steer, raw)


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The base URL of the session's sandbox, for what is set up once (a server under test)."""
    with serving() as url, watching(url, SECRET_KEY):
        yield url


@pytest.fixture(scope="session")
async def sandbox_handle(sandbox_url: str) -> AsyncIterator[Sandbox]:
    """The handle of the session's sandbox, as it was left; most tests want `sandbox`."""
    async with connected(sandbox_url) as handle:
        yield handle


@pytest.fixture
async def sandbox(sandbox_handle: Sandbox) -> Sandbox:
    """The session's sandbox without faults, and with webhooks of this test alone, that wait to be delivered by hand."""
    for forgotten in ("/faults", "/deliver"):
        (await sandbox_handle.steer.delete(forgotten)).raise_for_status()
    await sandbox_handle.webhooks(url=None, mode="hold", delay_seconds=0.0, copies=1, order="sent")
    return sandbox_handle


@pytest.fixture
async def gateway(sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway to the sandbox."""
    opened = sandbox.gateway()
    yield opened
    await opened.close()
