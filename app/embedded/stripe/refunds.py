"""Refunds: given back at once, pending, or failing afterwards, as the test card says or a test asks."""

from app.embedded.stripe import balance, payment_methods
from app.embedded.stripe.calls import LIST_PARAMETERS, Call, Operation, created, expanded, get, listed
from app.embedded.stripe.parameters import Parameters, choice, integer, metadata, text, texts
from app.embedded.stripe.refusals import Record, Refusal, documentation, missing
from app.embedded.stripe.state import new_id

SETTLES_AFTER_SECONDS = 10
_OPEN = ("pending", "requires_action")


def create(call: Call) -> Record:
    """Give a charge back, wholly or in part."""
    given = call.parameters
    charge = _charge(call)
    left = charge["amount"] - charge["amount_refunded"]
    _check_refundable(call, charge, left)
    amount = given.get("amount", left)
    _check_amount(amount, left, charge["currency"])
    method = call.state.find("payment_method", charge["payment_method"])
    behaviour = payment_methods.behaviour(call, method).refund if method else "succeeds"
    refund = call.state.add(_new_refund(call, charge, amount, "pending" if behaviour == "pends" else "succeeded"))
    if behaviour == "pends":
        refund["pending_reason"] = "processing"
    if behaviour != "succeeds":
        ends = "succeeded" if behaviour == "pends" else "failed"
        call.state.save_private(refund["id"], settles_at=call.state.clock() + SETTLES_AFTER_SECONDS, settles_as=ends)
    _move(call, refund, -amount, "refund")
    _count(call, charge, amount)
    call.emit("refund.created", refund)
    call.emit("charge.refunded", charge)
    return expanded(call, refund)


def retrieve(call: Call) -> Record:
    """One refund."""
    return expanded(call, get(call, "refund", call.path_ids[0], "id"))


def list_refunds(call: Call) -> Record:
    """The refunds, of a charge or a payment if named, the newest first."""
    wanted = {name: call.parameters[name] for name in ("charge", "payment_intent") if name in call.parameters}
    found = [
        refund for refund in call.state.newest("refund") if all(refund[name] == value for name, value in wanted.items())
    ]
    return listed(call, found, "/v1/refunds")


def settle(call: Call, refund: Record, *, succeeded: bool, failure_reason: str = "lost_or_stolen_card") -> Record:
    """End a pending refund, or let one fail that had succeeded."""
    if refund["status"] not in (*_OPEN, "succeeded") or (succeeded and refund["status"] == "succeeded"):
        raise Refusal(f"The refund {refund['id']} has ended: {refund['status']}", param="refund")
    refund.pop("pending_reason", None)
    call.state.save_private(refund["id"], settles_at=None)
    if succeeded:
        refund["status"] = "succeeded"
        call.state.save(refund)
        call.emit("refund.updated", refund)
        call.emit("charge.refund.updated", refund)
        return refund
    refund |= {"status": "failed", "failure_reason": failure_reason}
    refund["failure_balance_transaction"] = balance.moved(
        call, refund, refund["amount"], kind="refund_failure", category="refund_failure"
    )["id"]
    call.state.save(refund)
    charge = get(call, "charge", refund["charge"], "charge")
    _count(call, charge, -refund["amount"])
    call.emit("refund.failed", refund)
    call.emit("refund.updated", refund)
    call.emit("charge.refund.updated", refund)
    call.emit("charge.updated", charge)
    return refund


def settle_due(call: Call) -> None:
    """End every refund whose time has come."""
    for status in ("pending", "succeeded"):
        for refund in call.state.with_status("refund", status):
            private = call.state.private(refund["id"])
            if private.get("settles_at") and private["settles_at"] <= call.state.clock():
                settle(call, refund, succeeded=private["settles_as"] == "succeeded")


def _new_refund(call: Call, charge: Record, amount: int, status: str) -> Record:
    return {
        "id": new_id("re_3", 23),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.state.now(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": call.parameters.get("metadata", {}),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": call.parameters.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }


def _charge(call: Call) -> Record:
    given = call.parameters
    if ("charge" in given) == ("payment_intent" in given):
        raise Refusal("One of the following params should be provided for this request: payment_intent or charge.")
    if "charge" in given:
        charge = call.state.find("charge", given["charge"])
        if charge is None:
            raise missing("charge", given["charge"], "charge", status=404)
        return charge
    intent = call.state.find("payment_intent", given["payment_intent"])
    if intent is None:
        raise missing("payment_intent", given["payment_intent"], "payment_intent", status=404)
    charge = call.state.find("charge", intent["latest_charge"]) if intent["status"] == "succeeded" else None
    if charge is None:
        raise Refusal(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", param="payment_intent"
        )
    return charge


def _disputes(call: Call, charge: Record) -> list[Record]:
    return [one for one in call.state.newest("dispute") if one["charge"] == charge["id"] and one["status"] != "won"]


def _check_refundable(call: Call, charge: Record, left: int) -> None:
    if charge["status"] != "succeeded":
        raise Refusal(f"Charge {charge['id']} can't be refunded: it is {charge['status']}.", param="charge")
    if left == 0:
        code = "charge_already_refunded"
        raise Refusal(f"Charge {charge['id']} has already been refunded.", code=code)
    if any(not dispute["is_charge_refundable"] for dispute in _disputes(call, charge)):
        raise Refusal(
            f"Charge {charge['id']} has been charged back; cannot issue a refund. See {documentation('charge_disputed')}.",
            code="charge_disputed",
        )


def _check_amount(amount: int, left: int, currency: str) -> None:
    if amount < 1:
        raise Refusal(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount > left:
        raise Refusal(
            f"Refund amount ({_units(amount, currency)}) is greater than unrefunded amount on charge ({_units(left, currency)})",
            param="amount",
        )


def _units(cents: int, currency: str) -> str:
    return f"${cents / 100:.2f}" if currency == "usd" else f"{cents / 100:.2f} {currency}"


def _move(call: Call, refund: Record, amount: int, category: str) -> None:
    refund["balance_transaction"] = balance.moved(call, refund, amount, kind="refund", category=category)["id"]
    call.state.save(refund)


def _count(call: Call, charge: Record, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    call.state.save(charge)


_CREATE = Parameters(
    optional={
        "amount": integer,
        "charge": text,
        "expand": texts,
        "metadata": metadata,
        "payment_intent": text,
        "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
    }
)
OPERATIONS = (
    Operation("POST", "/v1/refunds", create, _CREATE),
    Operation(
        "GET",
        "/v1/refunds",
        list_refunds,
        Parameters(optional=LIST_PARAMETERS | {"charge": text, "created": created, "payment_intent": text}),
    ),
    Operation("GET", "/v1/refunds/{}", retrieve, Parameters(optional={"expand": texts})),
)
