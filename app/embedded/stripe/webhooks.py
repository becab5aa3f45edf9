"""Webhooks: signed events, delivered again with growing pauses until the portal answers 2xx."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import httpx

from app.embedded.stripe import attempts, refunds
from app.embedded.stripe.calls import Call
from app.embedded.stripe.refusals import Record
from app.embedded.stripe.state import State

PAUSES_SECONDS = (1, 2, 5, 15, 60, 300, 900, 3600)
POLL_SECONDS = 1.0
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Behaviour:
    """How events go out. `hold`: only when asked by hand, and no payment leaves processing by itself either."""

    url: str | None = None
    mode: Literal["auto", "hold"] = "auto"
    delay_seconds: float = 0.0
    copies: int = 1
    order: Literal["sent", "reversed", "shuffled"] = "sent"


def signature(payload: str, secret: str, timestamp: int) -> str:
    """Stripe's `Stripe-Signature` header: HMAC-SHA256 over `timestamp.payload`."""
    digest = hmac.new(secret.encode(), f"{timestamp}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Webhooks:
    """Delivers what the state has scheduled. Each delivery is one attempt at a time, never two."""

    def __init__(self, state: State, secret: str) -> None:
        self._state = state
        self._secret = secret
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def behaviour(self) -> Behaviour:
        """How events go out now."""
        return Behaviour(**self._state.setting("webhooks"))

    def change(self, **values: Any) -> Behaviour:
        """Change some of it; it survives a restart."""
        changed = replace(self.behaviour, **values)
        self._state.save_setting("webhooks", asdict(changed))
        self.wake()
        return changed

    def wake(self) -> None:
        """Look for deliveries now rather than at the next poll."""
        self._wake.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver in the background for as long as the block lasts."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if self.behaviour.mode == "auto":
                self._settle_due()
                await self._deliver(self._state.clock())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    def _settle_due(self) -> None:
        base_url = self._state.setting("base").get("url", "")
        with self._state.transaction():
            attempts.settle_due(Call(self._state, base_url))
            refunds.settle_due(Call(self._state, base_url))

    async def deliver(self) -> list[Record]:
        """Deliver everything that is still to be delivered, whatever its hour; how each attempt ended."""
        return await self._deliver(None)

    async def _deliver(self, due_before: float | None) -> list[Record]:
        async with self._turn:
            behaviour = self.behaviour
            pending = self._state.pending(due_before)
            if behaviour.url is None or not pending:
                return []
            if behaviour.order == "reversed":
                pending.reverse()
            elif behaviour.order == "shuffled":
                random.shuffle(pending)
            tls = behaviour.url.startswith("https:")  # reading the machine's certificates takes longer than delivering
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=tls) as client:
                return [
                    await self._attempt(client, behaviour.url, waiting, copy)
                    for waiting in pending
                    for copy in range(behaviour.copies)
                ]

    async def _attempt(self, client: httpx.AsyncClient, url: str, waiting: tuple[int, str, int], copy: int) -> Record:
        delivery, event_id, attempts_before = waiting
        event = self._state.find("event", event_id)
        payload = json.dumps(event, indent=2)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(payload, self._secret, self._state.now()),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            answer = await client.post(url, content=payload.encode(), headers=headers)
            status: int | None = answer.status_code
        except httpx.HTTPError:
            status = None
        if copy == 0:
            self._note(delivery, status, attempts_before)
        return {"event": event_id, "type": event["type"] if event else None, "status": status}

    def _note(self, delivery: int, status: int | None, attempts_before: int) -> None:
        if status is not None and 200 <= status < 300:
            self._state.delivered(delivery, "delivered", self._state.clock())
        elif attempts_before >= len(PAUSES_SECONDS):
            self._state.delivered(delivery, "given up", self._state.clock())
        else:
            self._state.delivered(delivery, None, self._state.clock() + PAUSES_SECONDS[attempts_before])
