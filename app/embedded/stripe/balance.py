"""Balance transactions: what a refund or a dispute moved on the merchant's account. Fees are left out."""

from app.embedded.stripe.calls import Call
from app.embedded.stripe.refusals import Record
from app.embedded.stripe.state import new_id


def moved(call: Call, source: Record, amount: int, *, kind: str, category: str) -> Record:
    """Keep a movement of `amount` (below zero: it left) on account of a refund or a dispute."""
    return call.state.add(
        {
            "id": new_id("txn_1", 23),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": call.state.now(),
            "balance_type": "payments",
            "created": call.state.now(),
            "currency": source["currency"],
            "description": None,
            "exchange_rate": None,
            "fee": 0,
            "fee_details": [],
            "net": amount,
            "reporting_category": category,
            "source": source["id"],
            "status": "available",
            "type": kind,
        }
    )
