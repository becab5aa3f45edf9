"""Switches for tests and demonstrations, outside /v1: faults, webhooks by hand, what was sent, how a payment ends."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.embedded.stripe import attempts, disputes, refunds
from app.embedded.stripe.api import Api
from app.embedded.stripe.calls import Call
from app.embedded.stripe.faults import Fault
from app.embedded.stripe.refusals import Refusal, missing
from app.embedded.stripe.state import State
from app.embedded.stripe.webhooks import Webhooks

Endpoint = Callable[[Request], Awaitable[JSONResponse]]


class Controls:
    """The control endpoints over one sandbox; they take the secret key and JSON."""

    def __init__(self, state: State, api: Api, webhooks: Webhooks, secret_key: str) -> None:
        self._state = state
        self._api = api
        self._webhooks = webhooks
        self._secret_key = secret_key

    def routes(self) -> list[Route]:
        """Where each switch is."""
        switches: list[tuple[str, str, Endpoint]] = [
            ("GET", "/requests", self.requests),
            ("DELETE", "/requests", self.forget_requests),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("POST", "/webhooks", self.change_webhooks),
            ("POST", "/deliver", self.deliver),
            ("DELETE", "/deliver", self.forget_deliveries),
            ("GET", "/events", self.events),
            ("POST", "/settle", self.settle),
            ("POST", "/refunds", self.settle_refund),
            ("POST", "/disputes", self.open_dispute),
            ("POST", "/disputes/change", self.change_dispute),
        ]
        return [Route(path, self._guarded(endpoint), methods=[method]) for method, path, endpoint in switches]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> JSONResponse:
            if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {self._secret_key}"):
                return JSONResponse({"error": "The sandbox's secret key is needed"}, 401)
            try:
                return await endpoint(request)
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": str(error)}, 400)
            except Refusal as refusal:
                return JSONResponse({"error": refusal.message}, refusal.status)

        return guarded

    async def requests(self, _: Request) -> JSONResponse:
        """The latest requests, the oldest first."""
        return JSONResponse([asdict(seen) for seen in self._api.journal.requests])

    async def forget_requests(self, _: Request) -> JSONResponse:
        """Start the journal anew: {"requests": what stood in it, "lost": how many requests it had no room for}."""
        requests, lost = self._api.journal.take()
        return JSONResponse({"requests": [asdict(seen) for seen in requests], "lost": lost})

    async def add_fault(self, request: Request) -> JSONResponse:
        """Have a fault strike: the fields of `Fault`."""
        self._api.faults.add(Fault(**await _object(request)))
        return JSONResponse({})

    async def clear_faults(self, _: Request) -> JSONResponse:
        """No more faults."""
        self._api.faults.clear()
        return JSONResponse({})

    async def change_webhooks(self, request: Request) -> JSONResponse:
        """How events go out: the fields of `Behaviour`."""
        return JSONResponse(asdict(self._webhooks.change(**await _object(request))))

    async def deliver(self, _: Request) -> JSONResponse:
        """Deliver all waiting events now; the status of each attempt."""
        return JSONResponse(await self._webhooks.deliver())

    async def forget_deliveries(self, _: Request) -> JSONResponse:
        """Deliver nothing of what is still waiting."""
        self._state.forget_deliveries()
        return JSONResponse({})

    async def events(self, _: Request) -> JSONResponse:
        """All events, the oldest first."""
        return JSONResponse(list(self._state.newest("event"))[::-1])

    async def settle(self, request: Request) -> JSONResponse:
        """End a payment in processing: {"payment_intent": id, "succeeded": bool}."""
        asked = await _object(request)
        intent = self._state.find("payment_intent", str(asked.get("payment_intent")))
        if intent is None:
            raise missing("payment_intent", str(asked.get("payment_intent")), "payment_intent", status=404)
        with self._state.transaction():
            call = Call(self._state, self._api.base_url(request))
            settled = attempts.settle(call, intent, succeeded=bool(asked.get("succeeded", True)))
        self._webhooks.wake()
        return JSONResponse(settled)

    async def settle_refund(self, request: Request) -> JSONResponse:
        """End a refund, or let it fail later: {"refund": id, "succeeded": bool, "failure_reason": word}."""
        asked = await _object(request)
        refund = self._named("refund", asked.pop("refund", None))
        with self._state.transaction():
            ended = refunds.settle(Call(self._state, self._api.base_url(request)), refund, **asked)
        self._webhooks.wake()
        return JSONResponse(ended)

    async def open_dispute(self, request: Request) -> JSONResponse:
        """Dispute a payment: {"payment_intent": id, "amount": cents, "reason": word, "inquiry": bool}."""
        asked = await _object(request)
        intent = self._named("payment_intent", asked.pop("payment_intent", None))
        charge = self._named("charge", intent["latest_charge"])
        with self._state.transaction():
            opened = disputes.open_dispute(Call(self._state, self._api.base_url(request)), charge, **asked)
        self._webhooks.wake()
        return JSONResponse(opened)

    async def change_dispute(self, request: Request) -> JSONResponse:
        """Decide a dispute: {"dispute": id, "status": word, "amount": cents, "moved": cents given back or (below zero) taken}."""
        asked = await _object(request)
        dispute = self._named("dispute", asked.pop("dispute", None))
        with self._state.transaction():
            changed = disputes.change(Call(self._state, self._api.base_url(request)), dispute, **asked)
        self._webhooks.wake()
        return JSONResponse(changed)

    def _named(self, kind: str, object_id: Any) -> dict[str, Any]:
        found = self._state.find(kind, str(object_id))
        if found is None:
            raise missing(kind, str(object_id), kind, status=404)
        return found


async def _object(request: Request) -> dict[str, Any]:
    body = await request.json()
    if not isinstance(body, dict):
        raise TypeError("a JSON object is needed")
    return body
