"""Refunds and disputes of one payment against what Stripe has of it (ruling 22): put right by the same function that webhooks use."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from app.auth.actor import utc_now
from app.rules.money import money_text
from app.rules.purchases import KEY_LIVES
from app.rules.refunds import RefundStatus
from app.services.refunds import Refunding
from app.tenancy import ActorKind, Scope
from models.disputes import Dispute
from models.refunds import Refund

Sides = Mapping[str, str]  # Stripe's id: how it stands, in words that both sides use
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class RefundReconciliation:
    """Raises what Refunding.refresh raises, and GatewayError."""

    refunding: Refunding

    async def differences(self, tenant_id: UUID, purchase_id: UUID, payment_intent_id: str) -> str:
        """Where Stripe and the portal disagree about what went back, in words; "" if nowhere."""
        theirs = await self._theirs(payment_intent_id)
        ours, stuck = await self._ours(tenant_id, purchase_id)
        told = [
            f"{one}: Stripe has {theirs.get(one, _NOTHING)}, the portal {ours.get(one, _NOTHING)}"
            for one in sorted({*theirs, *ours})
            if theirs.get(one) != ours.get(one)
        ]
        told += [f"refund {one}: never made, and too old to be made now" for one in stuck]
        return "; ".join(told)

    async def put_right(self, tenant_id: UUID, purchase_id: UUID, payment_intent_id: str) -> None:
        """Bring the portal up to Stripe. No money is moved: a refund that is too old to be made is given up, none is made."""
        await self.refunding.refresh(tenant_id, purchase_id, payment_intent_id)
        _, stuck = await self._ours(tenant_id, purchase_id)
        for refund_id in stuck:
            await self.refunding.finish(tenant_id, refund_id)

    async def _theirs(self, payment_intent_id: str) -> Sides:
        gateway = self.refunding.gateway
        refunds = {
            one.id: f"{one.status} {money_text(one.amount_cents, one.currency)}"
            for one in await gateway.refunds(payment_intent_id)
        }
        disputes = {
            one.id: f"{one.status} {money_text(one.withdrawn_cents, one.currency)}"
            for one in await gateway.disputes(payment_intent_id)
        }
        return refunds | disputes

    async def _ours(self, tenant_id: UUID, purchase_id: UUID) -> tuple[Sides, list[UUID]]:
        """What the portal knows by Stripe's ids, and the refunds that Stripe never got and that are too old for their key."""
        async with self.refunding.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            refunds = await tx.rows(
                select(
                    Refund.id,
                    Refund.stripe_refund_id,
                    Refund.status,
                    Refund.amount_cents,
                    Refund.currency,
                    Refund.decided_at,
                ).where(Refund.tenant_id == tenant_id, Refund.purchase_id == purchase_id)
            )
            disputes = await tx.rows(
                select(
                    Dispute.stripe_dispute_id, Dispute.stripe_status, Dispute.withdrawn_cents, Dispute.currency
                ).where(Dispute.tenant_id == tenant_id, Dispute.purchase_id == purchase_id)
            )
        known = {
            one.stripe_refund_id: f"{one.status} {money_text(one.amount_cents, one.currency)}"
            for one in refunds
            if one.stripe_refund_id
        }
        known |= {
            one.stripe_dispute_id: f"{one.stripe_status} {money_text(one.withdrawn_cents, one.currency)}"
            for one in disputes
        }
        too_old = utc_now() - KEY_LIVES
        return known, [one.id for one in refunds if one.status == RefundStatus.PENDING and one.decided_at < too_old]
