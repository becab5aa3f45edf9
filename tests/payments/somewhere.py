"""Where a payment scenario runs: in the sandbox, and in Stripe's own test mode when STRIPE_API_KEY=sk_test_... is set.

Both are asked the same through the same gateway and the same hands; what differs is the address, the key and how long to wait.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import pytest

from app.embedded.stripe.calls import API_VERSION
from app.payments.gateway import Gateway
from tests.payments.sandbox import SECRET_KEY, Sandbox

STRIPE = "https://api.stripe.com"
UNSET = "STRIPE_API_KEY=sk_test_... is not set: not tried against Stripe's test mode"
_LOOKS = 30
_Found = TypeVar("_Found")


class NotOfTestMode(Exception):
    """A live key, which moves real money, or no secret key at all: no scenario runs with it."""


def key_of_test_mode(environment: Mapping[str, str]) -> str | None:
    """The key of Stripe's test mode, None if none is set. Raises NotOfTestMode, which shows no more of the key than its kind."""
    key = environment.get("STRIPE_API_KEY", "").strip()
    if not key:
        return None
    if key.startswith("sk_test_"):
        return key
    if key.startswith(("sk_live_", "rk_live_")):
        raise NotOfTestMode(
            f"STRIPE_API_KEY is a live key ({key[:8]}...): these scenarios charge cards. Use sk_test_..."
        )
    raise NotOfTestMode("STRIPE_API_KEY is no secret key of Stripe's test mode: use sk_test_...")


@dataclass(frozen=True, slots=True)
class Somewhere:
    """A gateway, and hands that ask what the portal leaves to the page, Stripe's dashboard or a bank."""

    another: Callable[[type[Gateway]], Gateway]  # of a kind of its own; the caller closes it
    gateway: Gateway
    hands: httpx.AsyncClient
    patience_seconds: float  # how long Stripe may take for what it does by itself: disputes, its search

    async def by_hand(self, path: str, **form: str) -> dict[str, Any]:
        """What a POST answers, whatever it is; names of nested fields as forms have them."""
        answer = await self.hands.post(path, data=form)
        found: dict[str, Any] = answer.json()
        return found

    async def seen(self, look: Callable[[], Awaitable[_Found]]) -> _Found:
        """What there is to see once there is something; or still nothing, when patience has ended."""
        for _ in range(_LOOKS):
            if found := await look():
                return found
            await asyncio.sleep(self.patience_seconds / _LOOKS)
        return await look()


@asynccontextmanager
async def in_sandbox(sandbox: Sandbox) -> AsyncIterator[Somewhere]:
    """In the sandbox, where everything has happened by the time of the answer."""
    async with _asking(sandbox.url, SECRET_KEY, 0.5) as somewhere:
        yield somewhere


@asynccontextmanager
async def in_test_mode(key: str) -> AsyncIterator[Somewhere]:
    """In Stripe's test mode: its search lags by up to a minute, a dispute comes within moments."""
    async with _asking(STRIPE, key, 90.0) as somewhere:
        yield somewhere


@asynccontextmanager
async def _asking(base: str, key: str, patience_seconds: float) -> AsyncIterator[Somewhere]:
    def another(kind: type[Gateway]) -> Gateway:
        return kind(api_key=key, webhook_secret="unused", api_base=base, timeout_seconds=30)

    headers = {"Authorization": f"Bearer {key}", "Stripe-Version": API_VERSION}
    gateway = another(Gateway)
    try:
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30, trust_env=base == STRIPE) as hands:
            yield Somewhere(another, gateway, hands, patience_seconds)
    finally:
        await gateway.close()


def key_or_skip(environment: Mapping[str, str]) -> str:
    """The key of test mode; skips the test when there is none, and fails it for a key that is not of test mode."""
    refused = ""
    try:
        key = key_of_test_mode(environment)
    except NotOfTestMode as error:
        key, refused = None, str(error)
    if refused:
        pytest.fail(refused, pytrace=False)
    if key is None:
        pytest.skip(UNSET)
    return key
