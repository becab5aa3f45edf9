"""One request on its way through the sandbox: what it asks, and what it may use to answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import eq, ge, gt, le, lt
from typing import Any

from app.embedded.stripe.parameters import Parameters, choice, integer, text, texts
from app.embedded.stripe.refusals import Record, Refusal, missing
from app.embedded.stripe.state import State, new_id

API_VERSION = "2026-10-28.endive"
EXPANDABLE = {
    "payment_intent": {"latest_charge": "charge", "customer": "customer", "payment_method": "payment_method"},
    "charge": {"customer": "customer", "payment_intent": "payment_intent"},
    "payment_method": {"customer": "customer"},
    "refund": {"charge": "charge", "payment_intent": "payment_intent"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "setup_intent": {"customer": "customer", "payment_method": "payment_method"},
}
LIST_PARAMETERS = {"limit": integer, "starting_after": text, "ending_before": text, "expand": texts}


@dataclass
class Call:
    """`path_ids` come out of the path, `parameters` are read and checked, `base_url` leads a browser to the sandbox.

    `publishable`: a page asks, with the key that everybody can read.
    """

    state: State
    base_url: str
    request_id: str | None = None
    idempotency_key: str | None = None
    path_ids: tuple[str, ...] = ()
    parameters: Record = field(default_factory=dict)
    publishable: bool = False

    def emit(self, event_type: str, about: Record) -> None:
        """Record an event about an object as it is now, to be delivered after the request has been committed."""
        hooks = self.state.setting("webhooks")
        event: Record = {
            "id": new_id("evt_3" if about["object"] in {"payment_intent", "charge"} else "evt_1", 23),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.state.now(),
            "data": {"object": about},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": event_type,
        }
        self.state.add(event)
        self.state.schedule(event["id"], hooks.get("delay_seconds", 0.0))


@dataclass(frozen=True)
class Operation:
    """One call of Stripe's API: `path` holds `{}` where an id stands; `publishable`: the page's key may call it."""

    method: str
    path: str
    answer: Callable[[Call], Record]
    parameters: Parameters = Parameters()  # noqa: RUF009 - frozen itself
    publishable: bool = False


def get(call: Call, kind: str, object_id: str, param: str, words: str | None = None) -> Record:
    """The object that the path names, or Stripe's 404."""
    found = call.state.find(kind, object_id)
    if found is None:
        raise missing(words or kind, object_id, param, status=404)
    return found


def expanded(call: Call, record: Record) -> Record:
    """Replace ids by objects where the request's `expand` says so; `data.` goes into each entry of a list."""
    for path in call.parameters.get("expand", []):
        _expand(call.state, record, path, path)
    return record


def _expand(state: State, record: Record, path: str, whole: str) -> None:
    name, _, rest = path.partition(".")
    if name == "data" and isinstance(record.get("data"), list):
        for entry in record["data"]:
            _expand(state, entry, rest, whole)
        return
    kind = EXPANDABLE.get(record["object"], {}).get(name)
    if kind is None:
        raise Refusal(f"This property cannot be expanded ({whole}).", param="expand")
    if isinstance(record[name], str):
        record[name] = state.find(kind, record[name])
    if rest and isinstance(record[name], dict):
        _expand(state, record[name], rest, whole)


def listed(call: Call, records: list[Record], url: str) -> Record:
    """A page of a list, the newest first, 10 entries unless asked for up to 100; `created` leaves out what is older or newer."""
    limit = call.parameters.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Refusal("Invalid limit: must be between 1 and 100", code="parameter_invalid_integer", param="limit")
    after, before = call.parameters.get("starting_after"), call.parameters.get("ending_before")
    if after is not None and before is not None:
        raise Refusal("You may only specify one of these parameters: starting_after, ending_before.")
    within = call.parameters.get("created", {})
    records = [record for record in records if all(holds(record["created"], bound) for holds, bound in within.items())]
    ids = [record["id"] for record in records]
    if after is not None:
        records = records[_place(ids, after, "starting_after") + 1 :]
        page, has_more = records[:limit], len(records) > limit
    else:
        # The page before a cursor is the one next to it.
        records = records[: _place(ids, before, "ending_before")] if before is not None else records
        page, has_more = (records[-limit:] if before is not None else records[:limit]), len(records) > limit
    return expanded(call, {"object": "list", "data": page, "has_more": has_more, "url": url})


def _place(ids: list[str], cursor: str, name: str) -> int:
    if cursor not in ids:
        raise missing("object", cursor, name)
    return ids.index(cursor)


_COMPARISONS: dict[str, Callable[[int, int], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_BOUNDS = Parameters(optional=dict.fromkeys(_COMPARISONS, integer))


def created(name: str, raw: Any) -> dict[Callable[[int, int], bool], int]:
    """When something was made: a second, or bounds in `gt`, `gte`, `lt`, `lte`; as the comparisons that must hold."""
    if isinstance(raw, dict):
        return {_COMPARISONS[word]: bound for word, bound in _BOUNDS(name, raw).items()}
    return {eq: integer(name, raw)}


def billing_details(given: Record | None = None) -> Record:
    """Stripe's billing details with every field, empty where nothing was given."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    details: dict[str, Any] = {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}
    given = dict(given or {})
    details["address"] = address | given.pop("address", {})
    return details | given


ALLOW_REDISPLAY = choice("always", "limited", "unspecified")
