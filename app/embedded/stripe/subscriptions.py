"""Subscriptions: those that there are, listed."""

from app.embedded.stripe.calls import LIST_PARAMETERS, Call, Operation, created, listed
from app.embedded.stripe.parameters import Parameters, choice, text
from app.embedded.stripe.refusals import Record

_STATUSES = ("active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid")


def list_subscriptions(call: Call) -> Record:
    """The subscriptions, the newest first; without a status those that have not been canceled."""
    status = call.parameters.get("status")
    found = [
        one
        for one in call.state.newest("subscription", call.parameters.get("customer"))
        if status == "all" or one["status"] == status or (status is None and one["status"] != "canceled")
    ]
    return listed(call, found, "/v1/subscriptions")


_LIST = LIST_PARAMETERS | {"created": created, "customer": text, "status": choice(*_STATUSES, "all")}
OPERATIONS = (Operation("GET", "/v1/subscriptions", list_subscriptions, Parameters(optional=_LIST)),)
