"""What `portal up` runs: PostgreSQL, the embedded services, the server and the worker, started and stopped in order.

Every child ends with this process, however it ends (app/embedded/processes.py). Their output goes to files in the data directory.
"""

import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from app.config import PROJECT, Settings, variable
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.processes import dies_with_parent

_LAST_WORDS = 15  # lines of a child's log that are shown when it ends unexpectedly
_LONGEST_LOG = 10_000_000  # bytes; a longer one is set aside at the start


class SupervisorError(Exception):
    """Something did not start or ended by itself; the message is for people."""


class StopRequested(Exception):
    """Ctrl-C or SIGTERM came; raised out of whatever waits, so that the start can stop where it is."""


@dataclass(slots=True)
class Child:
    """A running part of the portal."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_WORDS:]
        return "\n".join(f"  {line}" for line in lines)


@dataclass(slots=True)
class Supervisor:
    """The portal's processes in development. Synchronous, on the main thread."""

    settings: Settings
    postgres: EmbeddedPostgres | None = None
    _stopping: bool = False
    _children: list[Child] = field(default_factory=list)
    _lock: IO[bytes] | None = None

    def take_signals(self) -> None:
        """From here on Ctrl-C and SIGTERM ask for an orderly stop instead of ending this process where it stands."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def claim(self, ports: Mapping[str, tuple[str, int]]) -> None:
        """Make the data directory ours and see that the ports (field of Settings -> address) are free.

        SupervisorError in one line otherwise.
        """
        lock = (self.settings.data_dir / "portal.lock").open("a+b")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SupervisorError(
                f"the portal is already running with {self.settings.data_dir} (process {lock.read().decode()}); "
                f"stop it first, or set {variable('data_dir')}"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
        lock.flush()
        self._lock = lock
        for name, (host, port) in ports.items():
            _require_free(name, host, port)

    def start(self, name: str, *command: str) -> Child:
        """Start `portal COMMAND...` as a child that is watched from now on."""
        child = self._spawn(name, command)
        self._children.append(child)
        return child

    def run(self, name: str, *command: str) -> None:
        """Run `portal COMMAND...` to its end; SupervisorError with its last words if it fails."""
        child = self._spawn(name, command)
        self._children.append(child)
        while child.process.poll() is None:
            self._pause(0.02)
        self._children.remove(child)
        if child.process.returncode != 0:
            raise SupervisorError(f"{name} failed ({child.log}):\n{child.last_words()}")

    def wait_for(self, path: str, host: str, port: int, seconds: float = 60) -> None:
        """Wait until a GET is answered with 200, watching the children meanwhile."""
        deadline = time.monotonic() + seconds
        while not _answers(host, port, path):
            self.check()
            if time.monotonic() > deadline:
                raise SupervisorError(f"http://{host}:{port}{path} does not answer with 200 after {seconds:.0f} s")
            self._pause(0.02)

    def watch(self) -> None:
        """Watch until StopRequested; SupervisorError when a part ends by itself."""
        while True:
            self.check()
            self._pause(0.1)

    def check(self) -> None:
        """SupervisorError if a part has ended by itself."""
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                raise SupervisorError(
                    f"{child.name} ended by itself with {_in_words(status)} ({child.log}):\n{child.last_words()}"
                )
        if self.postgres and self.postgres.poll() is not None:
            raise SupervisorError(f"PostgreSQL ended by itself ({self.postgres.log})")

    def _pause(self, seconds: float) -> None:
        if self._stopping:
            raise StopRequested
        time.sleep(seconds)

    def stop(self) -> None:
        """Stop everything, the last started first; PostgreSQL after all that use it."""
        self._stopping = True
        for child in reversed(self._children):
            child.process.terminate()
            try:
                child.process.wait(15)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children.clear()
        if self.postgres:
            self.postgres.stop()
        if self._lock:
            self._lock.close()

    def _spawn(self, name: str, command: tuple[str, ...]) -> Child:
        logs = self.settings.data_dir / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        log = logs / f"{name}.log"
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program and arguments
                [sys.executable, "-m", "app.cli", *command],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A session of its own: Ctrl-C reaches this process alone, which stops the others in order.
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one system call, nothing of Python's state
            )
        return Child(name, process, log)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True


def _require_free(name: str, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SupervisorError(
                f"{variable(name)}={port} can't be used on {host}: {(error.strerror or str(error)).lower()}; set it to a free port"
            ) from None


def _answers(host: str, port: int, url_path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", url_path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _in_words(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
