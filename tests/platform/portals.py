"""A whole portal of its own for a test: `portal up` in a data directory and on ports that nobody else uses."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from app.config import PREFIX
from app.embedded.postgres import EmbeddedPostgres
from tests.payments.watching import is_watched, unwatch, watch

_SECONDS = 90  # for a start on a busy machine


def three_free_ports() -> int:
    """A port that is free together with the two above it: the portal's, the services' and the mailbox's.

    Below the range that the system takes for outgoing connections: they stay free while the portal is stopped.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        if all(_free(port + step) for step in range(3)):
            return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@dataclass
class Portal:
    """Runs `portal COMMAND` with settings of its own."""

    data_dir: Path
    port: int = field(default_factory=three_free_ports)
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}/stripe"

    @property
    def postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.data_dir)

    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        own = {"PORTAL_DATA_DIR": str(self.data_dir), "PORTAL_PORT": str(self.port)}
        return {**clean, **own, **self.settings}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self._argv(*command), env=self.environment(), capture_output=True, text=True, timeout=_SECONDS, check=False
        )

    def up(self) -> float:
        """Start `portal up` and wait until it says that it has started; seconds until /readyz answered 200."""
        began = time.monotonic()
        process = self.start("up")
        while not self._answers():
            assert process.poll() is None, self.output.read_text()
            assert time.monotonic() - began < _SECONDS, self.output.read_text()
            time.sleep(0.02)
        ready = time.monotonic() - began
        while "Ctrl-C stops everything" not in self.output.read_text():
            assert process.poll() is None, self.output.read_text()
            time.sleep(0.02)
        watch(self.sandbox_url, "sk_test_sandbox")
        return ready

    @property
    def output(self) -> Path:
        """What `portal up` printed."""
        return self.data_dir / "up.txt"

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command that runs on; it is the one that `family` and `end` mean from now on."""
        self.data_dir.mkdir(exist_ok=True)
        with self.output.open("w") as output:
            argv, environment = self._argv(*command), self.environment()
            self.process = subprocess.Popen(argv, env=environment, stdout=output, stderr=output, text=True)
        return self.process

    def wait_until_alive(self) -> None:
        """Wait until /healthz answers."""
        deadline = time.monotonic() + _SECONDS
        while not self._answers("/healthz"):
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        """`portal up` and every process below it."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def end(self, number: signal.Signals) -> int:
        """Send the signal to `portal up` and wait for its end; its exit status."""
        assert self.process is not None
        if is_watched(self.sandbox_url):
            unwatch(self.sandbox_url)
        self.process.send_signal(number)
        return self.process.wait(30)

    def clean_up(self) -> None:
        """Leave nothing behind, whatever the test did."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.end(signal.SIGTERM)
        finally:
            self.postgres.destroy()

    def _argv(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "app.cli", *command]

    def _answers(self, path: str = "/readyz") -> bool:
        try:
            return httpx.get(f"{self.url}{path}", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def gone(processes: list[psutil.Process], seconds: float = 10) -> bool:
    """Whether all of them end within some seconds."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
