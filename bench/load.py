"""The load: a process of its own that keeps N connections busy, one request at a time on each. The same for every HTTP server.

All connections are there before the first request is sent; a latency is the time from writing a request to the last byte of its answer.

`python -m bench.load` reads a plan (JSON) from stdin and writes the outcome (JSON) to stdout.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import uvloop

from app.embedded.processes import dies_with_parent

SETTLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the load saw. Latencies in milliseconds, seconds of wall time."""

    requests: int
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    answer_bytes: int  # of the last answer's body
    cpu_us: float  # the generator's own processor time for each request

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def run(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = 8,
    seconds: float = 0,
    total: int = 0,
    warm_up: Sequence[bytes] = (),
) -> Outcome:
    """Send the requests round robin for so many seconds or so many times; RuntimeError if any answer is not a clean 200.

    `warm_up` is sent before, once and on the same connections, and counts for nothing.
    """
    plan = {
        "port": port,
        "warm_up": [one.decode("latin-1") for one in warm_up],
        "requests": [one.decode("latin-1") for one in requests],
        "connections": connections,
        "seconds": seconds,
        "total": total,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(plan).encode(),
        capture_output=True,
        preexec_fn=dies_with_parent(),
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode().strip().splitlines()[-1])
    return Outcome(**json.loads(done.stdout))


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A whole POST request as it goes over the wire."""
    given = {"Host": "127.0.0.1", "Content-Type": "application/json", "Accept": "application/json", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next one."""

    def __init__(self) -> None:
        self._received = b""
        self._expected = 0  # bytes of the whole answer, once its headers are there
        self._body_at = 0
        self._sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        if not self._expected:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._received = data
                return
            length = int(data[:end].lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            self._body_at, self._expected = end + 4, end + 4 + length
        if len(data) < self._expected:
            self._received = data
            return
        took = time.perf_counter() - self._sent_at
        if not data.startswith(b"HTTP/1.1 200") or data.find(b'"errors"', self._body_at) >= 0:
            self._load.fail(data[:2000])
        self._load.answered(took, self._expected - self._body_at)
        self._received, self._expected = b"", 0
        self._send()

    def connection_lost(self, _: Exception | None) -> None:
        self._load.fail(b"the server closed the connection")

    def work_for(self, load: "_Load") -> None:
        self._load = load
        self._send()

    def _send(self) -> None:
        request = self._load.next()
        if request is not None:
            self._sent_at = time.perf_counter()
            self._transport.write(request)


class _Load:
    """One phase: requests that are sent so many times or, without a total, for so many seconds."""

    def __init__(self, requests: list[str], connections: int, *, total: int, seconds: float = 0.0) -> None:
        self._requests = [one.encode("latin-1") for one in requests]
        self._total = total
        self._seconds = seconds
        self._waiting = connections
        self._number = count()
        self._latencies: list[float] = []
        self._bytes = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def through(self, connections: list[_Connection]) -> None:
        """All connections work for it, until it is over."""
        self._began, self._used = time.perf_counter(), _used()
        self._until = self._began + self._seconds
        for connection in connections:
            connection.work_for(self)
        await self.over
        self._ended = time.perf_counter()

    def next(self) -> bytes | None:
        number = next(self._number)
        if number >= self._total if self._total else time.perf_counter() >= self._until:
            self._waiting -= 1
            if not self._waiting and not self.over.done():
                self.over.set_result(None)
            return None
        return self._requests[number % len(self._requests)]

    def answered(self, seconds: float, size: int) -> None:
        self._latencies.append(seconds)
        self._bytes = size

    def fail(self, what: bytes) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError(f"the answer was {what!r}"))

    def outcome(self) -> Outcome:
        ordered = sorted(self._latencies)
        return Outcome(
            requests=len(ordered),
            seconds=self._ended - self._began,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p90_ms=ordered[int(len(ordered) * 0.9)] * 1000,
            p99_ms=ordered[int(len(ordered) * 0.99)] * 1000,
            max_ms=ordered[-1] * 1000,
            answer_bytes=self._bytes,
            cpu_us=(_used() - self._used) / len(ordered) * 1e6,
        )


def _used() -> float:
    """Processor time, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _main() -> None:
    plan = json.load(sys.stdin)
    loop = asyncio.get_running_loop()
    connections = [_Connection() for _ in range(plan["connections"])]
    load = _Load(plan["requests"], len(connections), total=plan["total"], seconds=plan["seconds"])
    for connection in connections:
        await loop.create_connection(lambda one=connection: one, "127.0.0.1", plan["port"])
    await asyncio.sleep(SETTLE_SECONDS)  # until the server has accepted them all
    if plan["warm_up"]:
        await _Load(plan["warm_up"], len(connections), total=len(plan["warm_up"])).through(connections)
    await load.through(connections)
    sys.stdout.write(json.dumps(asdict(load.outcome())))


if __name__ == "__main__":
    uvloop.run(_main())
