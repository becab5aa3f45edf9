"""Metrics as Prometheus reads them: of two serving processes together, of the inbox, and of the worker."""

import json
import re
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import stripe
from starlette.applications import Starlette
from starlette.routing import Route

from app.metrics import Metrics, MetricsPage
from app.services.inbox import Inbox
from tests.auth.serving import new_browser, serving
from tests.conftest import Urls
from tests.payments.sandbox import WEBHOOK_SECRET
from tests.scenarios.portal import START_SECONDS, free_port, settings_for, until
from tests.scenarios.processes import ready

TOKEN = "a-token-that-only-prometheus-knows"


def figures(page: str) -> dict[str, float]:
    """Name with labels -> value."""
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def client(port: int) -> httpx.AsyncClient:
    # A connection for each request, so that each of the serving processes gets some.
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {TOKEN}", "Connection": "close"},
        trust_env=False,
        verify=False,
    )


async def post(http: httpx.AsyncClient, event: dict[str, Any], secret: str = WEBHOOK_SECRET) -> int:
    body = json.dumps(event)
    signature = stripe.WebhookSignature.generate_signature_header(body, secret, int(time.time()))
    return (await http.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature})).status_code


def event(kind: str, **about: Any) -> dict[str, Any]:
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": kind,
        "livemode": False,
        "created": 1,
        "data": {"object": {"id": "x", "object": "x"} | about},
    }


async def test_server_and_worker_count(
    urls: Urls, inspector: asyncpg.Connection, sandbox_url: str, tmp_path: Path
) -> None:
    port, worker_port = free_port(), free_port()
    settings = settings_for(
        urls, sandbox_url, 9, data_dir=tmp_path, port=port, metrics_token=TOKEN, worker_metrics_port=worker_port
    )
    with ready("serve --workers 2", settings, tmp_path) as server, ready("worker", settings, tmp_path) as worker:
        server.start()
        async with client(port) as http:
            await until(lambda: serves(http), "the server serves", START_SECONDS)
            same = event("made.up")
            for _ in range(20):
                assert await post(http, same) == 200
            for _ in range(20):
                assert await post(http, event("made.up")) == 200
            assert await post(http, event("made.up"), secret="whsec_wrong") == 400
            troubled = event("payment_intent.succeeded", id="pi_x", metadata={"tenant_id": str(uuid4())})
            assert await post(http, troubled | {"id": "evt_foreign"}) == 200
            pages = [figures((await http.get("/metrics")).raise_for_status().text) for _ in range(6)]
        for page in pages:  # whichever process answered
            assert page['portal_webhooks_total{outcome="stored"}'] == 22
            assert page['portal_webhooks_total{outcome="repeated"}'] == 19
            assert page['portal_webhooks_total{outcome="bad_signature"}'] == 1
            assert page["portal_webhook_seconds_count"] == 42
            assert page['portal_webhook_seconds_bucket{le="+Inf"}'] == 42
            assert (page["portal_stripe_events_waiting"], page["portal_stripe_events_parked"]) == (22, 0)
            assert page["portal_stripe_events_oldest_open_seconds"] > 0
        await inspector.execute("UPDATE webhook_events SET parked_at = now(), error = 'x' WHERE id = $1", same["id"])
        worker.start()
        async with client(worker_port) as http:
            counted = await until(lambda: tried(http), "the worker has handled what is open", START_SECONDS)
        assert counted['portal_stripe_events_total{result="unknown",type="made.up"}'] == 20
        assert counted['portal_stripe_events_total{result="handled",type="payment_intent.succeeded"}'] == 1
        async with client(port) as http:
            page = figures((await http.get("/metrics")).raise_for_status().text)
            assert (page["portal_stripe_events_waiting"], page["portal_stripe_events_parked"]) == (0, 1)
            refused = await http.get("/metrics", headers={"Authorization": "Bearer guessed"})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json() == {"error": "The metrics need PORTAL_METRICS_TOKEN as a bearer token."}


async def serves(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def tried(http: httpx.AsyncClient) -> dict[str, float] | None:
    """The worker's counts, once it has tried all 21 events that are open."""
    try:
        page = figures((await http.get("/metrics")).text)
    except httpx.TransportError:
        return None
    counts = [value for name, value in page.items() if re.match(r"portal_stripe_events_total\{", name)]
    return page if sum(counts) == 21 else None


async def test_nobody_asked_for_metrics(urls: Urls, sandbox_url: str, tmp_path: Path) -> None:
    port = free_port()
    with ready("serve", settings_for(urls, sandbox_url, 9, data_dir=tmp_path, port=port), tmp_path) as server:
        server.start()
        async with client(port) as http:
            await until(lambda: serves(http), "the server serves", START_SECONDS)
            answer = await http.get("/metrics")
    assert "portal_webhook" not in answer.text  # the page answers, or says why there is none


async def test_without_a_database_the_counts_are_still_there() -> None:
    metrics, inbox = Metrics(), Inbox("postgresql://portal_worker@127.0.0.1:9/nowhere")
    metrics.webhook_answered("not_stored", 0.2)
    page = MetricsPage(metrics, inbox, TOKEN)
    async with serving(lambda _: Starlette(routes=[Route("/metrics", page.__call__)])) as url, new_browser() as browser:
        answer = await browser.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    found = figures(answer.raise_for_status().text)
    assert found['portal_webhooks_total{outcome="not_stored"}'] == 1
    assert "portal_stripe_events_parked" not in found
    await inbox.close()
