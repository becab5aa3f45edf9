"""Everything below /v1: who asks, what is asked, whether it was asked before, and Stripe's way of answering."""

import asyncio
import hashlib
import json
import re
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.embedded.stripe import (
    charges,
    customers,
    disputes,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
    subscriptions,
)
from app.embedded.stripe.calls import API_VERSION, Call, Operation
from app.embedded.stripe.faults import Fault, Faults, Journal
from app.embedded.stripe.parameters import decode
from app.embedded.stripe.refusals import Record, Refusal
from app.embedded.stripe.state import State, new_id
from app.embedded.stripe.webhooks import Webhooks

KEY_LIFE_SECONDS = 24 * 3600
MAX_BODY_BYTES = 1 << 20
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Stripe-Version",
    "Access-Control-Expose-Headers": "Request-Id, Idempotent-Replayed",
    "Access-Control-Max-Age": "300",
}
OPERATIONS: tuple[Operation, ...] = (
    *customers.OPERATIONS,
    *payment_methods.OPERATIONS,
    *setup_intents.OPERATIONS,
    *payment_intents.OPERATIONS,
    *charges.OPERATIONS,
    *refunds.OPERATIONS,
    *disputes.OPERATIONS,
    *subscriptions.OPERATIONS,
)
_ROUTES = [
    (operation, re.compile(re.escape(operation.path).replace(r"\{\}", "([A-Za-z0-9_-]+)"))) for operation in OPERATIONS
]


@dataclass(frozen=True)
class Keys:
    """The API keys that this sandbox accepts."""

    secret: str
    publishable: str


class LostAnswer(Response):
    """An answer that breaks off: its length is announced, its body never comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the head alone; the server closes the connection then."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class Api:
    """Answers a request below /v1 as Stripe would."""

    def __init__(self, state: State, keys: Keys, webhooks: Webhooks, public_url: str | None = None) -> None:
        self._state = state
        self._keys = keys
        self._webhooks = webhooks
        self._public_url = public_url
        self._in_flight: set[str] = set()
        self.faults = Faults()
        self.journal = Journal()

    async def answer(self, request: Request) -> Response:
        """The whole way of one request."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=CORS)
        request_id = new_id("req_", 14)
        try:
            return await self._answer(request, request_id)
        except Refusal as refusal:
            return self._response(refusal.status, _body({"error": refusal.error()}), request_id)

    async def _answer(self, request: Request, request_id: str) -> Response:
        items = await _items(request)
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        self.journal.note(request.method, path, items, dict(request.headers))
        operation, path_ids = _route(request.method, path)
        items, publishable = self._authorise(request, operation, items)
        _check_version(request.headers.get("stripe-version"))
        raw = decode(items)
        call = Call(self._state, self.base_url(request), request_id, path_ids=path_ids, publishable=publishable)
        struck = self.faults.strike(request.method, path)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is None:
            await _before(struck)
            response = self._perform(call, operation, raw, None)
        else:
            call.idempotency_key = key
            self._enter(key)
            try:
                await _before(struck)
                response = self._once(call, operation, path, raw, key)
            finally:
                self._in_flight.discard(key)
        self._webhooks.wake()
        return await _after(struck, response)

    def base_url(self, request: Request) -> str:
        """Where a browser finds the hosted pages; remembered for payments that end in the background."""
        host = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
        base = self._public_url or host
        if self._state.setting("base").get("url") != base:
            self._state.save_setting("base", {"url": base})
        return base

    def _enter(self, key: str) -> None:
        if len(key) > 255:
            raise Refusal("Idempotency keys can be up to 255 characters long.", kind="idempotency_error")
        if key in self._in_flight:
            raise Refusal(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                f"submitted twice, and the other request is still going through): {key}. Please try again later.",
                status=409,
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        self._in_flight.add(key)

    def _once(self, call: Call, operation: Operation, path: str, raw: Record, key: str) -> Response:
        fingerprint = hashlib.sha256(json.dumps([path, raw], sort_keys=True).encode()).hexdigest()
        found = self._state.remembered(key, KEY_LIFE_SECONDS)
        if found is None:
            return self._perform(call, operation, raw, (key, path, fingerprint))
        first_path, first_fingerprint, status, body, first_request = found
        advice = f"Try using a key other than '{key}' if you meant to execute a different request."
        if first_path != path:
            endpoints = f"('{path}' vs '{first_path}')"
            raise Refusal(
                f"Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"{endpoints}. {advice}",
                kind="idempotency_error",
            )
        if first_fingerprint != fingerprint:
            raise Refusal(
                f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"{advice}",
                kind="idempotency_error",
            )
        response = self._response(status, body, call.request_id or "", key)
        response.headers["Idempotent-Replayed"] = "true"
        response.headers["Original-Request"] = first_request
        return response

    def _perform(self, call: Call, operation: Operation, raw: Record, once: tuple[str, str, str] | None) -> Response:
        """Do the work and remember its answer in one transaction; a refusal that keeps nothing is not remembered."""
        with self._state.transaction():
            call.parameters = operation.parameters.read(raw)
            try:
                status, body = 200, _body(operation.answer(call))
            except Refusal as refusal:
                if not refusal.kept:
                    raise
                status, body = refusal.status, _body({"error": refusal.error()})
            if once is not None:
                self._state.remember(*once, status=status, body=body, request_id=call.request_id or "")
        return self._response(status, body, call.request_id or "", once[0] if once else None)

    def _authorise(
        self, request: Request, operation: Operation, items: list[tuple[str, str]]
    ) -> tuple[list[tuple[str, str]], bool]:
        """Check the key, which stands in the header or, from a page, among the parameters; the others, and whether it is the page's."""
        given = _bearer(request.headers.get("authorization", "")) or dict(items).get("key", "")
        if not given:
            raise Refusal(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if given not in {self._keys.secret, self._keys.publishable}:
            raise Refusal(f"Invalid API Key provided: {given[:8]}****{given[-4:]}", status=401)
        publishable = given == self._keys.publishable
        if publishable and not operation.publishable:
            raise Refusal(
                "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a "
                "list of your API keys at https://dashboard.stripe.com/account/apikeys.",
                status=401,
                code="secret_key_required",
            )
        return [(name, value) for name, value in items if name != "key"], publishable

    @staticmethod
    def _response(status: int, body: str, request_id: str, idempotency_key: str | None = None) -> Response:
        headers = CORS | {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return Response(body, status, headers, "application/json")


async def _items(request: Request) -> list[tuple[str, str]]:
    if request.method != "POST":
        return parse_qsl(request.url.query, keep_blank_values=True)
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise Refusal("The request is too large.", status=413)
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Refusal(f"Invalid request body: {error}") from None


def _route(method: str, path: str) -> tuple[Operation, tuple[str, ...]]:
    for operation, pattern in _ROUTES:
        match = pattern.fullmatch(path)
        if match and operation.method == method:
            return operation, match.groups()
    raise Refusal(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        status=404,
    )


def _bearer(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return b64decode(value).decode().partition(":")[0]
        except ValueError:
            return ""
    return value.strip() if scheme.lower() == "bearer" else ""


def _check_version(version: str | None) -> None:
    if version not in {None, API_VERSION}:
        raise Refusal(f"Invalid Stripe API version: {version}; this sandbox speaks {API_VERSION}.")


async def _before(struck: list[Fault]) -> None:
    for fault in struck:
        if fault.kind == "slow_before":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "rate_limit":
            raise Refusal("Too many requests hit the API too quickly.", status=429, code="rate_limit")
        elif fault.kind == "refuse":
            raise Refusal("Your account cannot currently do this. Please contact us for details.")
        elif fault.kind == "server_error":
            raise Refusal("An unknown error occurred.", status=500, kind="api_error")


async def _after(struck: list[Fault], response: Response) -> Response:
    for fault in struck:
        if fault.kind == "slow_after":
            await asyncio.sleep(fault.seconds)
    return LostAnswer() if any(fault.kind == "lose_answer" for fault in struck) else response


def _body(record: Record) -> str:
    return json.dumps(record, indent=2)
