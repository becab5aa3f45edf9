"""Stripe's events as they come in: first the signature over the raw bytes, then what the bytes say. The gateway is the door to it."""

import hmac
import re
import time
from typing import Any

import orjson

from app.payments.outcomes import BadEvent, BadSignature, StripeEvent

TOLERANCE_SECONDS = 300
MAX_DEPTH = 100  # Stripe's own events are some ten deep
_ID = re.compile(r"[A-Za-z0-9_]{1,100}")
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # in JSON; after an even number of backslashes


def verify(raw_body: bytes, header: str, secret: str) -> None:
    """Raise BadSignature unless Stripe signed exactly these bytes, at most 300 seconds ago.

    As Stripe describes it (docs.stripe.com/webhooks, "Verify webhook signatures manually"): HMAC-SHA256 over `timestamp.body`. Its
    library says the same of every header, and takes three times as long.
    """
    if not header:
        raise BadSignature("There is no Stripe-Signature header.")
    if not secret.strip():
        raise BadSignature("No webhook secret is set (PORTAL_STRIPE_WEBHOOK_SECRET): no signature can be checked.")
    parts = [part.partition("=") for part in header.split(",")]
    try:
        signed_at = int(next(value for name, _, value in parts if name == "t"))
    except (StopIteration, ValueError):
        raise BadSignature("The Stripe-Signature header is not of the form t=...,v1=...") from None
    signatures = [value.encode("latin-1", "replace") for name, _, value in parts if name == "v1"]
    if not signatures:
        raise BadSignature("The Stripe-Signature header has no signature of the scheme v1.")
    right = hmac.digest(secret.encode(), b"%d.%b" % (signed_at, raw_body), "sha256").hex().encode()
    if not any(hmac.compare_digest(right, signature) for signature in signatures):
        raise BadSignature("The signature does not fit this body and this endpoint's signing secret.")
    if signed_at < time.time() - TOLERANCE_SECONDS:
        raise BadSignature(f"The signature is older than {TOLERANCE_SECONDS} seconds.")


def read(raw_body: bytes) -> StripeEvent:
    """Read the event out of a body whose signature was right. Raises BadEvent, saying what is wrong with it."""
    try:
        text = raw_body.decode()
    except UnicodeDecodeError:
        raise BadEvent("The body is not UTF-8.") from None
    if "\\u0000" in text:  # PostgreSQL keeps no NUL character; whoever put one into a name must not cost us the event
        text = _NUL.sub(r"\1\\ufffd", text)
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadEvent(f"The body is not JSON: {error.msg}.") from None
    # Splitting takes half the time of counting: most events have few of them.
    if len(raw_body.split(b"{", MAX_DEPTH) + raw_body.split(b"[", MAX_DEPTH)) > MAX_DEPTH and _depth(event) > MAX_DEPTH:
        raise BadEvent(f"The body is nested deeper than {MAX_DEPTH} levels.")
    about = _object(_object(_object(event, "it").get("data"), "its data").get("object"), "its data.object")
    if not isinstance(event.get("id"), str) or not _ID.fullmatch(event["id"]):
        raise BadEvent("The body is no event of Stripe's: it has no id of letters, digits and underscores.")
    for name, kind in (("type", str), ("livemode", bool), ("created", int)):
        if not isinstance(event.get(name), kind):
            raise BadEvent(f"The body is no event of Stripe's: its {name} is missing or wrong.")
    return StripeEvent(
        id=event["id"],
        type=event["type"],
        livemode=event["livemode"],
        created=event["created"],
        account=event.get("account"),
        object_type=str(about.get("object", "")),
        object_id=str(about.get("id", "")),
        payload=event,
        text=text,
    )


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadEvent(f"The body is no event of Stripe's: {what} is no object.")
    return value


def _depth(value: Any) -> int:
    """How deep objects and lists stand in each other; without recursion, which is what a deep body is after."""
    level, depth = [value], 0
    while level:
        depth += 1
        insides = (one.values() if isinstance(one, dict) else one for one in level)
        level = [inside for members in insides for inside in members if isinstance(inside, dict | list)]
    return depth
