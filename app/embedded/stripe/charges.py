"""Charges: what the bank answered to an attempt, and the receipt of what was taken."""

from app.embedded.stripe.calls import Call, Operation, expanded, get
from app.embedded.stripe.cards import Decline
from app.embedded.stripe.parameters import Parameters, texts
from app.embedded.stripe.refusals import Record
from app.embedded.stripe.state import new_id

# What a charge has, and the portal never sets.
_UNUSED: Record = {
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "failure_balance_transaction": None,
    "fraud_details": {},
    "livemode": False,
    "on_behalf_of": None,
    "receipt_number": None,
    "review": None,
    "shipping": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer_data": None,
    "transfer_group": None,
}


def attempt(call: Call, intent: Record, method: Record, *, status: str, decline: Decline | None = None) -> Record:
    """Keep the charge of an attempt: succeeded, pending or failed (then with the bank's reason)."""
    token = new_id("", 40)
    charge: Record = _UNUSED | {
        "id": new_id("ch_3", 23),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if status == "succeeded" else 0,
        "amount_refunded": 0,
        "balance_transaction": new_id("txn_3", 23) if status == "succeeded" else None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "BILLING PORTAL",
        "captured": status == "succeeded",
        "created": call.state.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "metadata": intent["metadata"],
        "outcome": _bank_answer(status, decline),
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card_details(method), "type": "card"},
        "receipt_email": intent["receipt_email"],
        "receipt_url": None,
        "refunded": False,
        "status": status,
    }
    if status == "succeeded":
        charge["receipt_url"] = f"{call.base_url}/receipts/{charge['id']}/{token}"
    call.state.add(charge, private={"receipt_token": token})
    call.emit(f"charge.{status}", charge)
    return charge


def settle(call: Call, charge: Record, decline: Decline | None) -> Record:
    """End a pending charge."""
    status = "failed" if decline else "succeeded"
    charge |= {"status": status, "paid": decline is None, "captured": decline is None}
    charge["outcome"] = _bank_answer(status, decline)
    if decline:
        charge |= {"failure_code": decline.code, "failure_message": decline.message}
    else:
        charge["amount_captured"] = charge["amount"]
        charge["balance_transaction"] = new_id("txn_3", 23)
        token = call.state.private(charge["id"])["receipt_token"]
        charge["receipt_url"] = f"{call.base_url}/receipts/{charge['id']}/{token}"
    call.state.save(charge)
    call.emit(f"charge.{status}", charge)
    return charge


def retrieve(call: Call) -> Record:
    """One charge."""
    return expanded(call, get(call, "charge", call.path_ids[0], "id"))


def _bank_answer(status: str, decline: Decline | None) -> Record:
    blocked = decline is not None and decline.decline_code == "fraudulent"
    words = {
        "succeeded": ("approved_by_network", "authorized", "Payment complete."),
        "pending": ("approved_by_network", "pending", "Payment in progress."),
        "failed": ("declined_by_network", "issuer_declined", "The bank returned a decline."),
    }
    network_status, kind, message = words[status]
    return {
        "network_status": "not_sent_to_network" if blocked else network_status,
        "reason": (decline.decline_code if decline else None),
        "risk_level": "highest" if blocked else "normal",
        "seller_message": message,
        "type": "blocked" if blocked else kind,
    }


def _card_details(method: Record) -> Record:
    card = method["card"]
    shown = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    return {name: card[name] for name in shown} | {"network": card["brand"], "three_d_secure": None}


OPERATIONS = (Operation("GET", "/v1/charges/{}", retrieve, Parameters(optional={"expand": texts})),)
