"""Stripe's endpoint: verify the raw body, store the event once, enqueue its handling, answer (ruling 21)."""

import asyncio
import time

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from app.metrics import Metrics
from app.payments.gateway import Gateway
from app.payments.outcomes import BadSignature, EventRefused, StripeEvent
from app.services.inbox import Inbox, NotStored

MAX_BODY_BYTES = 256 * 1024
BODY_SECONDS = 10.0
_RECEIVED = b'{"received":true}'

log = structlog.get_logger("webhooks")


class _Refused(Exception):
    """What was posted is not taken, and nothing of it kept. `outcome` is a word for log and metrics."""

    def __init__(self, status: int, outcome: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.outcome = outcome
        self.message = message


class StripeWebhook:
    """POST /webhooks/stripe. Anything that Stripe did not sign is refused, and nothing of it is kept."""

    def __init__(self, gateway: Gateway, inbox: Inbox, *, livemode: bool, metrics: Metrics | None = None) -> None:
        self._gateway = gateway
        self._inbox = inbox
        self._livemode = livemode
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As a bare ASGI application: a thousand events may come at once, and what stands around a request costs more than the rest."""
        began = time.perf_counter()
        try:
            event = self._read(await _body(receive), _signature(scope))
            outcome, status, answer = await self._store(event), 200, _RECEIVED
        except _Refused as refused:
            outcome, status, answer = refused.outcome, refused.status, orjson.dumps({"error": refused.message})
            log.warning("webhook.refused", outcome=outcome, reason=refused.message)
        if self._metrics:
            self._metrics.webhook_answered(outcome, time.perf_counter() - began)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _read(self, body: bytes, signature: str) -> StripeEvent:
        try:
            event = self._gateway.parse_event(body, signature)
        except EventRefused as error:
            outcome = "bad_signature" if isinstance(error, BadSignature) else "bad_event"
            raise _Refused(400, outcome, error.reason) from None
        if event.livemode is not self._livemode:
            mine, theirs = ("live", "test") if self._livemode else ("test", "live")
            message = f"This portal takes events of {mine} mode; {event.id} is of {theirs} mode."
            raise _Refused(400, "other_mode", message)
        if event.account is not None:
            # Only an endpoint for connected accounts gets these. They may be signed with the right secret all the same.
            message = f"This portal takes events of its own Stripe account; {event.id} comes from a connected account."
            raise _Refused(400, "other_account", message)
        return event

    async def _store(self, event: StripeEvent) -> str:
        try:
            return "stored" if await self._inbox.store(event) else "repeated"
        except NotStored:
            message = f"{event.id} could not be stored just now. Please send it again."
            raise _Refused(503, "not_stored", message) from None


def _signature(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"stripe-signature":
            return str(value, "latin-1")
    return ""


async def _body(receive: Receive) -> bytes:
    """The raw bytes, as many as an event may have."""
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Refused(400, "cut_off", "The connection broke before the body was complete.")
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise _Refused(413, "too_large", f"The body is larger than {MAX_BODY_BYTES} bytes (256 KiB).")
                more = message.get("more_body", False)
    except TimeoutError:
        raise _Refused(408, "too_slow", f"The body did not arrive within {BODY_SECONDS:g} seconds.") from None
    return bytes(body)
