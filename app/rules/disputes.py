"""Disputes: a bank takes a payment back, wholly or in part, and may return it (ruling 22)."""

from collections.abc import Sequence
from enum import StrEnum


class DisputeState(StrEnum):
    """How it stands: the bank asks (no money moved), money withdrawn and not decided, decided for us or for the cardholder, dropped."""

    INQUIRY = "inquiry"
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"


_STATES = {
    "warning_needs_response": DisputeState.INQUIRY,
    "warning_under_review": DisputeState.INQUIRY,
    "warning_closed": DisputeState.CLOSED,
    "prevented": DisputeState.CLOSED,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}

ENDED = frozenset(word for word, found in _STATES.items() if found is not DisputeState.INQUIRY)  # Stripe's words


def state(stripe_status: str) -> DisputeState:
    """Stripe's status in our words. One that is not known yet is an open dispute: its money says the rest."""
    return _STATES.get(stripe_status, DisputeState.OPEN)


def withdrawn_cents(amount_cents: int, movements: Sequence[int], *, won: bool, same_currency: bool = True) -> int:
    """What the bank holds of a payment now: 0 to `amount_cents` (the disputed amount).

    `movements`: what it took (below zero) and returned, in the smallest unit of the account's currency; where that is another one than
    the payment's, the part that is still gone counts. A dispute that is won is returned whole, also before the money has moved.
    """
    taken = -sum(one for one in movements if one < 0)
    gone = max(taken - sum(one for one in movements if one > 0), 0)
    if taken == 0 or (won and gone == taken):
        return 0
    if same_currency:
        return min(gone, amount_cents)
    return min((amount_cents * gone * 2 + taken) // (taken * 2), amount_cents)  # half up


_REASONS = {
    "bank_cannot_process": "the bank could not process it",
    "check_returned": "the check was returned",
    "credit_not_processed": "a refund that was promised did not come",
    "debit_not_authorized": "the debit was not authorised",
    "duplicate": "it was charged twice",
    "fraudulent": "the cardholder did not make it",
    "general": "no reason was given",
    "incorrect_account_details": "the account's details were wrong",
    "insufficient_funds": "the account had insufficient funds",
    "product_not_received": "what was paid for did not come",
    "product_unacceptable": "what came is not what was paid for",
    "subscription_canceled": "the subscription had been cancelled",
    "unrecognized": "the cardholder does not recognise it",
}


def reason_text(reason: str) -> str:
    """What the cardholder says of the payment, by Stripe's word; one that is not known yet is shown as it is."""
    return _REASONS.get(reason, reason.replace("_", " "))


_ADVICE = {
    DisputeState.INQUIRY: "Your bank has asked about this payment. No money moved. If you know the payment, tell your bank so.",
    DisputeState.OPEN: "Your bank took this payment back; its credits left with it. If that was a mistake, withdraw the dispute there.",
    DisputeState.WON: "The dispute was decided in favour of the payment. Its credits are back in the pool; there is nothing to do.",
    DisputeState.LOST: "The bank returned this payment to the cardholder, and its credits were taken back. Buy credits again to go on.",
    DisputeState.CLOSED: "Your bank has closed its question about this payment. There is nothing to do.",
}


def advice(now: DisputeState) -> str:
    """What the buyer should know of a dispute, and what to do next."""
    return _ADVICE[now]
