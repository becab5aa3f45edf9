"""Disputes: opened by a test card or a test, decided by a test; the money moves as Stripe moves it."""

from app.embedded.stripe import balance
from app.embedded.stripe.calls import LIST_PARAMETERS, Call, Operation, created, expanded, get, listed
from app.embedded.stripe.parameters import Parameters, text, texts
from app.embedded.stripe.refusals import Record, Refusal
from app.embedded.stripe.state import new_id

_DAYS_TO_ANSWER = 9
STATUSES = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "won",
    "lost",
)
_CLOSED = ("warning_closed", "won", "lost")
_TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure", "cancellation_rebuttal",
    "customer_communication", "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
    "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt",
    "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "service_documentation",
    "shipping_address", "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
    "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def open_dispute(
    call: Call, charge: Record, *, amount: int | None = None, reason: str = "fraudulent", inquiry: bool = False
) -> Record:
    """The cardholder questions a charge. An inquiry moves no money; else the disputed amount is withdrawn at once."""
    if charge["status"] != "succeeded":
        raise Refusal(f"Charge {charge['id']} can't be disputed: it is {charge['status']}.", param="charge")
    disputed = charge["amount"] if amount is None else amount
    if not 0 < disputed <= charge["amount"]:
        raise Refusal(f"A dispute of {disputed} does not fit a charge of {charge['amount']}.", param="amount")
    dispute = call.state.add(_new_dispute(call, charge, disputed, reason, inquiry=inquiry))
    charge["disputed"] = True
    call.state.save(charge)
    if not inquiry:
        _move(call, dispute, -disputed)
    call.emit("charge.dispute.created", dispute)
    if not inquiry:
        call.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def change(
    call: Call, dispute: Record, *, status: str | None = None, amount: int | None = None, moved: int | None = None
) -> Record:
    """What the bank decides. `amount`: another sum is disputed. `moved`: cents that are given back (below zero: taken).

    A status of `won` gives back what is gone, unless `moved` says otherwise.
    """
    if status is not None and status not in STATUSES:
        raise Refusal(f"Invalid status: must be one of {', '.join(STATUSES)}", param="status")
    if amount is not None:
        dispute["amount"] = amount
    if moved is None:
        moved = _gone(dispute) if status == "won" else 0
    if moved:
        _move(call, dispute, moved)
    dispute["status"] = status or dispute["status"]
    call.state.save(dispute)
    call.emit("charge.dispute.closed" if status in _CLOSED else "charge.dispute.updated", dispute)
    if moved:
        call.emit(f"charge.dispute.funds_{'reinstated' if moved > 0 else 'withdrawn'}", dispute)
    return dispute


def retrieve(call: Call) -> Record:
    """One dispute."""
    return expanded(call, get(call, "dispute", call.path_ids[0], "dispute"))


def list_disputes(call: Call) -> Record:
    """The disputes, of a charge or a payment if named, the newest first."""
    wanted = {name: call.parameters[name] for name in ("charge", "payment_intent") if name in call.parameters}
    found = [one for one in call.state.newest("dispute") if all(one[name] == value for name, value in wanted.items())]
    return listed(call, found, "/v1/disputes")


def _gone(dispute: Record) -> int:
    return -sum(int(one["amount"]) for one in dispute["balance_transactions"])


def _move(call: Call, dispute: Record, amount: int) -> None:
    category = "dispute_reversal" if amount > 0 else "dispute"
    dispute["balance_transactions"].append(balance.moved(call, dispute, amount, kind="adjustment", category=category))
    call.state.save(dispute)


def _new_dispute(call: Call, charge: Record, amount: int, reason: str, *, inquiry: bool) -> Record:
    card = charge["payment_method_details"]["card"]
    return {
        "id": new_id("du_1", 23),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.state.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(_TEXTS) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": call.state.now() + _DAYS_TO_ANSWER * 24 * 3600,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10",
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": card["brand"],
                "network_reason_code": "10",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


OPERATIONS = (
    Operation(
        "GET",
        "/v1/disputes",
        list_disputes,
        Parameters(optional=LIST_PARAMETERS | {"charge": text, "created": created, "payment_intent": text}),
    ),
    Operation("GET", "/v1/disputes/{}", retrieve, Parameters(optional={"expand": texts})),
)
