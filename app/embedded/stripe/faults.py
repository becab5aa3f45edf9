"""Faults on request: what a network and a busy Stripe do now and then, done when a test asks for it."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["lose_answer", "server_error", "rate_limit", "refuse", "slow_before", "slow_after"]


@dataclass
class Fault:
    """Strikes `times` requests whose method and path begin so.

    lose_answer: the work is done, the connection breaks. server_error, rate_limit, refuse: 500, 429 or 400 and nothing is done.
    slow_before, slow_after: `seconds` pass before or after the work; the work is done even if the caller is gone.
    """

    kind: FaultKind
    path: str = "/v1/"
    method: str = "POST"
    times: int = 1
    seconds: float = 0.0


class Faults:
    """The faults still to strike."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Have a fault strike."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()

    def strike(self, method: str, path: str) -> list[Fault]:
        """The faults that strike this request; each is used up by one time."""
        struck = [fault for fault in self._waiting if fault.method == method and path.startswith(fault.path)]
        for fault in struck:
            fault.times -= 1
        self._waiting = [fault for fault in self._waiting if fault.times > 0]
        return struck


@dataclass(frozen=True)
class Seen:
    """A request as it came in: its form or query items, card numbers and security codes masked."""

    method: str
    path: str
    items: tuple[tuple[str, str], ...]
    headers: dict[str, str]


class Journal:
    """The latest requests, for tests that look at what was sent."""

    def __init__(self, length: int = 5000) -> None:
        self.requests: deque[Seen] = deque(maxlen=length)
        self._noted = 0

    def note(self, method: str, path: str, items: list[tuple[str, str]], headers: dict[str, str]) -> None:
        """Keep a request."""
        masked = tuple((name, "*" * len(value) if name in _SECRET else value) for name, value in items)
        kept = {name: value for name, value in headers.items() if name in _KEPT_HEADERS}
        self.requests.append(Seen(method, path, masked, kept))
        self._noted += 1

    def take(self) -> tuple[list[Seen], int]:
        """The requests since the last time, and how many more there were than are kept. Forgets them."""
        taken, lost = list(self.requests), self._noted - len(self.requests)
        self.requests.clear()
        self._noted = 0
        return taken, lost


_SECRET = {"card[number]", "card[cvc]", "key"}
_KEPT_HEADERS = {"user-agent", "stripe-version", "idempotency-key", "x-deliberately-wrong"}
