"""What Stripe has, listed: for reconciliation, which compares it with what the portal has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.payments.connection import StripeConnection
from app.payments.outcomes import GatewayError, Outcome, outcome_of


@dataclass(frozen=True, slots=True)
class StripePayment:
    """A PaymentIntent as Stripe has it now. `status` is Stripe's word, amounts are cents, `metadata` what its maker wrote on it."""

    id: str
    status: str
    amount_cents: int
    received_cents: int
    currency: str
    metadata: Mapping[str, str]
    outcome: Outcome

    @property
    def paid(self) -> bool:
        return self.status == "succeeded"


class PaymentListCalls(StripeConnection):
    """All raise GatewayUnavailable when Stripe does not answer, and GatewayError when it refuses the request."""

    async def payments_between(self, start: datetime, end: datetime) -> list[StripePayment]:
        """All payments made in [start, end), the newest first; the portal's and any others of the account."""
        which = {"created": _within(start, end), "expand": ["data.latest_charge"]}
        found = await self._all(lambda page: lambda v1: v1.payment_intents.list_async(which | page))
        return [payment_of(one) for one in found]

    async def given_back_between(self, start: datetime, end: datetime) -> frozenset[str]:
        """The ids of the payments of which a refund or a dispute began in [start, end)."""
        which = {"created": _within(start, end)}
        refunds = await self._all(lambda page: lambda v1: v1.refunds.list_async(which | page))
        disputes = await self._all(lambda page: lambda v1: v1.disputes.list_async(which | page))
        return frozenset(one["payment_intent"] for one in refunds + disputes if one.get("payment_intent"))

    async def stored_payment(self, payment_intent_id: str) -> StripePayment | None:
        """One payment, or None: Stripe has no such one."""
        try:
            found = await self._call(
                lambda v1: v1.payment_intents.retrieve_async(payment_intent_id, {"expand": ["latest_charge"]})
            )
        except GatewayError as error:
            if error.code == "resource_missing":
                return None
            raise
        return payment_of(found)


def _within(start: datetime, end: datetime) -> dict[str, int]:
    return {"gte": int(start.timestamp()), "lt": int(end.timestamp())}


def payment_of(intent: Mapping[str, Any]) -> StripePayment:
    """Read a PaymentIntent with its `latest_charge` expanded."""
    return StripePayment(
        id=intent["id"],
        status=intent["status"],
        amount_cents=intent["amount"],
        received_cents=intent.get("amount_received") or 0,
        currency=intent["currency"],
        metadata=dict(intent.get("metadata") or {}),
        outcome=outcome_of(intent),
    )
