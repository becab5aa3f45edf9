"""Money that goes back: refunds asked of Stripe, and what Stripe says of a payment's refunds and disputes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.payments.connection import StripeConnection
from app.payments.outcomes import GatewayError
from app.rules.disputes import withdrawn_cents
from app.rules.refunds import RefundStatus

if TYPE_CHECKING:
    import stripe
    from stripe.params import RefundCreateParams

# Stripe's words; `requires_action` waits for the customer, `canceled` went back to the merchant.
_STATUSES = {
    "pending": RefundStatus.PROCESSING,
    "requires_action": RefundStatus.PROCESSING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class StripeRefund:
    """A refund as Stripe has it now. Amount in cents; `metadata` is what its maker wrote on it."""

    id: str
    status: RefundStatus
    amount_cents: int
    currency: str
    failure_code: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StripeDispute:
    """A dispute as Stripe has it now. `withdrawn_cents` of `amount_cents` are with the bank; `reason` and `status` are Stripe's words."""

    id: str
    status: str
    reason: str
    amount_cents: int
    withdrawn_cents: int
    currency: str
    evidence_due_at: datetime | None
    opened_at: datetime


class RefundCalls(StripeConnection):
    """Every call raises GatewayUnavailable when nobody knows whether it was done, and GatewayError when Stripe refuses it."""

    async def refund(
        self,
        *,
        payment_intent_id: str,
        amount_cents: int,
        idempotency_key: str,
        metadata: Mapping[str, str],
        wanted_by_customer: bool,
    ) -> StripeRefund:
        """Give `amount_cents` of a payment back. The key must be stored before the call: the same key never refunds twice."""
        if type(amount_cents) is not int or amount_cents <= 0:
            raise GatewayError(
                f"The amount must be a positive whole number of cents, not {amount_cents!r}", param="amount"
            )
        params: RefundCreateParams = {
            "payment_intent": payment_intent_id,
            "amount": amount_cents,
            "metadata": dict(metadata),
        }
        if wanted_by_customer:
            params["reason"] = "requested_by_customer"
        options: stripe.RequestOptions = {"idempotency_key": idempotency_key}
        return refund_of(await self._call(lambda v1: v1.refunds.create_async(params, options)))

    async def refunds(self, payment_intent_id: str) -> list[StripeRefund]:
        """All refunds of a payment, whoever made them, the newest first."""
        found = await self._all(
            lambda page: lambda v1: v1.refunds.list_async({"payment_intent": payment_intent_id, **page})
        )
        return [refund_of(one) for one in found]

    async def disputes(self, payment_intent_id: str) -> list[StripeDispute]:
        """All disputes of a payment, the newest first."""
        found = await self._all(
            lambda page: lambda v1: v1.disputes.list_async({"payment_intent": payment_intent_id, **page})
        )
        return [dispute_of(one) for one in found]

    async def payment_metadata(self, payment_intent_id: str) -> dict[str, str]:
        """What was written on a payment when it was made: whose it is."""
        found = await self._call(lambda v1: v1.payment_intents.retrieve_async(payment_intent_id))
        return dict(found.get("metadata") or {})

    async def payment_of_charge(self, charge_id: str) -> str | None:
        """The payment that a charge belongs to."""
        found = await self._call(lambda v1: v1.charges.retrieve_async(charge_id))
        intent: str | None = found.get("payment_intent")
        return intent


def refund_of(found: Mapping[str, Any]) -> StripeRefund:
    """Read a Refund. A word that is not known yet is one that Stripe still works on."""
    status = found.get("status") or "pending"
    return StripeRefund(
        id=found["id"],
        status=_STATUSES.get(status, RefundStatus.PROCESSING),
        amount_cents=found["amount"],
        currency=found["currency"],
        failure_code="merchant_request" if status == "canceled" else found.get("failure_reason"),
        metadata=dict(found.get("metadata") or {}),
    )


def dispute_of(found: Mapping[str, Any]) -> StripeDispute:
    """Read a Dispute with its balance transactions: they say what money has moved."""
    moved = found.get("balance_transactions") or []
    due = (found.get("evidence_details") or {}).get("due_by")
    return StripeDispute(
        id=found["id"],
        status=found["status"],
        reason=found["reason"],
        amount_cents=found["amount"],
        withdrawn_cents=withdrawn_cents(
            found["amount"],
            [one["amount"] for one in moved],
            won=found["status"] == "won",
            same_currency=all(one["currency"] == found["currency"] for one in moved),
        ),
        currency=found["currency"],
        evidence_due_at=datetime.fromtimestamp(due, UTC) if due else None,
        opened_at=datetime.fromtimestamp(found["created"], UTC),
    )
