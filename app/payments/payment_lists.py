"""What Stripe has, listed: for reconciliation, which compares it with what the portal has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.payments.connection import StripeConnection
from app.payments.outcomes import GatewayError, Outcome, outcome_of

if TYPE_CHECKING:
    from stripe.params import PaymentIntentListParams

_PAGE = 100  # what Stripe gives at once


@dataclass(frozen=True, slots=True)
class StripePayment:
    """A PaymentIntent as Stripe has it now. `status` is Stripe's word, amounts are cents, `metadata` what its maker wrote on it."""

    id: str
    status: str
    amount_cents: int
    received_cents: int
    returned_cents: int  # refunded, whoever did it
    disputed: bool
    currency: str
    created_at: datetime
    metadata: Mapping[str, str]
    outcome: Outcome

    @property
    def paid(self) -> bool:
        return self.status == "succeeded"


class PaymentListCalls(StripeConnection):
    """Both raise GatewayUnavailable when Stripe does not answer, and GatewayError when it refuses the request."""

    async def payments_between(self, start: datetime, end: datetime) -> list[StripePayment]:
        """All payments made in [start, end), the newest first; the portal's and any others of the account."""
        found: list[StripePayment] = []
        which: PaymentIntentListParams = {
            "created": {"gte": int(start.timestamp()), "lt": int(end.timestamp())},
            "limit": _PAGE,
            "expand": ["data.latest_charge"],
        }
        while True:
            page = await self._call(lambda v1: v1.payment_intents.list_async(which))
            found += [payment_of(one) for one in page["data"]]
            if not page["has_more"]:
                return found
            which["starting_after"] = found[-1].id

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


def payment_of(intent: Mapping[str, Any]) -> StripePayment:
    """Read a PaymentIntent with its `latest_charge` expanded."""
    charge = intent.get("latest_charge")
    expanded: Mapping[str, Any] = charge if isinstance(charge, Mapping) else {}
    return StripePayment(
        id=intent["id"],
        status=intent["status"],
        amount_cents=intent["amount"],
        received_cents=intent.get("amount_received") or 0,
        returned_cents=expanded.get("amount_refunded") or 0,
        disputed=bool(expanded.get("disputed")),
        currency=intent["currency"],
        created_at=datetime.fromtimestamp(intent["created"], UTC),
        metadata=dict(intent.get("metadata") or {}),
        outcome=outcome_of(intent),
    )
