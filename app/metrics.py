"""Figures for Prometheus: what one process has counted, and of the inbox what the database knows. Off unless a setting asks for them.

The library takes 70 ms to import, so it is imported when they are on.
"""

import hmac
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.services.inbox import Backlog, Inbox
from app.tenancy import CONNECTION_ERRORS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

log = structlog.get_logger("metrics")

_MANY = "PROMETHEUS_MULTIPROC_DIR"  # of the library: where processes that share a port write their counts
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What this process counts."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram  # noqa: PLC0415

        self.registry = CollectorRegistry()
        self._answered = Counter("portal_webhooks", "Stripe webhooks answered.", ["outcome"], registry=self.registry)
        self._seconds = Histogram(
            "portal_webhook_seconds",
            "From the request to the answer of a Stripe webhook.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._handled = Counter(
            "portal_stripe_events",
            "Tries to handle an event of Stripe's.",
            ["type", "result"],
            registry=self.registry,
        )

    def webhook_answered(self, outcome: str, seconds: float) -> None:
        """`outcome`: stored, repeated, or why it was refused."""
        self._answered.labels(outcome).inc()
        self._seconds.observe(seconds)

    def event_tried(self, event_type: str, result: str) -> None:
        """`result`: handled, unknown, foreign, failed, parked."""
        self._handled.labels(event_type, result).inc()

    def page(self, backlog: Backlog | None = None) -> bytes:
        """Everything in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        counted = generate_latest(_all_processes() or self.registry)
        if backlog is None:
            return counted
        of_inbox = CollectorRegistry()
        of_inbox.register(_BacklogFigures(backlog))
        return counted + generate_latest(of_inbox)

    def serve_on_loopback(self, port: int) -> None:
        """Serve the page at 127.0.0.1:`port` by a thread of its own, for a process that has no other server."""
        from prometheus_client import start_http_server  # noqa: PLC0415

        start_http_server(port, "127.0.0.1", self.registry)


class MetricsPage:
    """GET /metrics for whoever has the token."""

    def __init__(self, metrics: Metrics, inbox: Inbox, token: str) -> None:
        self._metrics = metrics
        self._inbox = inbox
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, self._expected):
            message = "The metrics need PORTAL_METRICS_TOKEN as a bearer token."
            return JSONResponse({"error": message}, 401, {"WWW-Authenticate": "Bearer"})
        try:
            backlog = await self._inbox.backlog()
        except CONNECTION_ERRORS as error:  # the counts are worth having all the same, then more than ever
            log.warning("metrics.no_backlog", error=repr(error))
            backlog = None
        return Response(self._metrics.page(backlog), media_type="text/plain; version=0.0.4; charset=utf-8")


@contextmanager
def counted_together() -> Iterator[None]:
    """Processes started within the block count together: any of them answers for all."""
    with tempfile.TemporaryDirectory(prefix="portal-metrics-") as directory:
        os.environ[_MANY] = directory
        yield


def _all_processes() -> "CollectorRegistry | None":
    if _MANY not in os.environ:
        return None
    from prometheus_client import CollectorRegistry  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


class _BacklogFigures:
    """The inbox as a collector: read anew for each page, so no process keeps a figure that another has changed."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import GaugeMetricFamily  # noqa: PLC0415

        for name, about, value in (
            ("waiting", "Events of Stripe's that wait for their first try.", self._backlog.waiting),
            ("failing", "Events whose last try failed; they are tried again.", self._backlog.failing),
            ("parked", "Events that wait for an operator (portal events list --parked).", self._backlog.parked),
            ("oldest_open_seconds", "Age of the oldest event that waits or is failing.", self._backlog.oldest_seconds),
        ):
            yield GaugeMetricFamily(f"portal_stripe_events_{name}", about, value)
