"""The portal's own processes, to be killed: `portal serve` and `portal worker` on a test database, and a buyer over HTTP."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from app.config import PROJECT, Settings, variable
from app.embedded.processes import dies_with_parent
from tests.scenarios.portal import START_SECONDS, until

BUY = """
mutation Buy($quote: ID!, $card: ID!, $key: UUID!) {
  creditsPurchase(quoteId: $quote, paymentMethodId: $card, idempotencyKey: $key) {
    purchase { id status totalCredits }
    userErrors { code message }
  }
}
"""


@dataclass
class Process:
    """One command of the portal, with its arguments; `log` is where its output goes."""

    command: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, unless it runs; it dies with the tests, however they end."""
        if not self.runs:
            with self.log.open("ab") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "app.cli", *self.command.split()],
                    cwd=PROJECT,
                    env=self.environment,
                    stdout=output,
                    stderr=output,
                    preexec_fn=dies_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one system call, no lock
                )

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it at once (kill -9), or by another signal; returns when it is gone."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=20)
            self.process = None


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process with these settings."""
    given = {
        variable(name): str(value)
        for name, value in settings.model_dump(exclude_unset=True).items()
        if value is not None
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")} | given


async def command(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    """Run a command of the portal to its end: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", *arguments, cwd=PROJECT, env=environment(settings),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, output.decode(), errors.decode()


@contextmanager
def ready(command: str, settings: Settings, directory: Path) -> Iterator[Process]:
    """A command that can be started and killed at will; it ends with the block."""
    one = Process(command, environment(settings), directory / f"{command.split(maxsplit=1)[0]}.log")
    try:
        yield one
    finally:
        one.kill()


@dataclass
class Client:
    """A buyer's program: sends its command, and sends it again when no answer came."""

    url: str
    token: str

    async def serves(self) -> bool:
        try:
            async with self._http() as http:
                return (await http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def up(self) -> None:
        await until(self.serves, "the server serves", START_SECONDS)

    async def buy(self, quote: str, card: str, key: UUID) -> dict[str, Any]:
        """The payload of creditsPurchase. Raises httpx.TransportError when the answer never comes."""
        return await self.ask(BUY, quote=quote, card=card, key=str(key))

    async def ask(self, document: str, **variables: str) -> dict[str, Any]:
        """The first field of an answer without errors. Raises httpx.TransportError when it never comes."""
        async with self._http() as http:
            answer = await http.post("/graphql", json={"query": document, "variables": variables})
        found = answer.json()
        assert "errors" not in found, found
        payload: dict[str, Any] = next(iter(found["data"].values()))
        return payload

    def _http(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, trust_env=False, verify=False)


async def unanswered(attempt: asyncio.Task[dict[str, Any]]) -> None:
    """The attempt's connection broke: the client knows nothing."""
    done = await asyncio.gather(attempt, return_exceptions=True)
    assert isinstance(done[0], httpx.TransportError), done
