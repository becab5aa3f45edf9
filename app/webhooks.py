"""Stripe's endpoint: verify the raw body, store the event once, enqueue its handling, answer (ruling 21)."""

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.payments.gateway import Gateway
from app.payments.outcomes import BadSignature
from app.services.inbox import Inbox

MAX_BODY_BYTES = 256 * 1024
BODY_SECONDS = 10.0

log = structlog.get_logger("webhooks")


class StripeWebhook:
    """POST /webhooks/stripe. Anything that Stripe did not sign is refused, and nothing of it is kept."""

    def __init__(self, gateway: Gateway, inbox: Inbox, *, livemode: bool) -> None:
        self._gateway = gateway
        self._inbox = inbox
        self._livemode = livemode

    async def __call__(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _bounded_body(request)
        except TimeoutError:
            return _refused(408, "The body did not arrive within 10 seconds.")
        if body is None:
            return _refused(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        try:
            event = self._gateway.parse_event(body, request.headers.get("stripe-signature", ""))
        except BadSignature as error:
            log.warning("webhook.refused", reason=error.reason)
            return _refused(400, "The signature is missing, wrong or too old.")
        if event.livemode is not self._livemode:
            log.warning("webhook.refused", reason="livemode", event_id=event.id)
            mine, theirs = ("live", "test") if self._livemode else ("test", "live")
            return _refused(400, f"This portal takes events of {mine} mode; this one is of {theirs} mode.")
        new = await self._inbox.store(event)
        log.info("webhook.stored" if new else "webhook.repeated", event_id=event.id, event_type=event.type)
        return JSONResponse({"received": True})


async def _bounded_body(request: Request) -> bytes | None:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
