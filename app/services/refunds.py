"""Giving money back: row and idempotency key committed, then Stripe, then the outcome applied exactly once (rulings 11 and 22).

A refund is an operator's (command line, or an API key with refunds:write), or a buyer's request that an operator decides. As with
purchases, any step may be a process' last: the job FINISH_REFUND takes up what was left open, webhooks apply the same outcome by the same
function.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import Row, select

from app.auth.actor import Actor, Principal, acting, utc_now
from app.auth.api_keys import ApiScope
from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayError, GatewayUnavailable, IdempotencyMismatch, Unknown
from app.payments.refunds import StripeRefund
from app.rules.errors import Forbidden, NotFound
from app.rules.permissions import Permission
from app.rules.purchases import CREDITED, KEY_LIVES, PurchaseStatus, follow_up_delay
from app.rules.refunds import RefundOrigin, check_reason
from app.services import disputes, refund_orders, refund_outcomes, reversals
from app.services.purchases import Purchasing
from app.services.refund_orders import RefundCommand
from app.services.refund_outcomes import Refused
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.purchases import CreditPurchase

log = structlog.get_logger("refunds")

Operator: TypeAlias = Principal | UUID  # an API key, or at the command line the tenant itself
_FETCHES = 5  # of a payment's refunds and disputes, while others change them


class NotAnswered(Exception):
    """Stripe did not say how things stand, or they changed while it was asked: try again."""


@dataclass(frozen=True, slots=True)
class Refunding:
    """What refunding needs: the database, the door to Stripe, and the purchases, whose payments come first."""

    database: Database
    gateway: Gateway
    purchasing: Purchasing

    async def refund(self, operator: Operator, command: RefundCommand) -> UUID:
        """Give money back by an operator's word; the refund's id, whatever became of it. The same command again is the same refund.

        Refusals (NotFound, Forbidden, Invalid, RefundTooLarge, RefundNotPossible, IdempotencyMismatch) come before Stripe is asked.
        """
        async with self._operating(operator) as tx:
            refund_id, is_new = await refund_orders.open_refund(tx, command, RefundOrigin.OPERATOR)
        if is_new:
            await self.finish(_tenant(operator), refund_id)
        return refund_id

    async def request(self, principal: Principal, command: RefundCommand) -> UUID:
        """Ask for all that is left of a purchase, as its buyer or as somebody who may buy for the pool; the request's id.

        An operator decides. Raises as `refund` does.
        """
        async with acting(self.database, principal) as session:
            if session.actor.user_id is None:
                raise Forbidden("Only a person can request a refund; an API key gives one (`purchaseRefund`).")
            purchase = await _visible(session.tx, session.actor, command.purchase_id)
            buys = session.actor.can(purchase.pool_id, Permission.PURCHASE_CREDITS)
            if purchase.user_id != session.actor.user_id and not buys:
                raise Forbidden(
                    "Only the buyer, or somebody who may buy credits for this pool, can request this refund."
                )
            refund_id, _ = await refund_orders.open_refund(
                session.tx, command, RefundOrigin.REQUEST, by=session.actor.user_id
            )
        return refund_id

    async def approve(self, operator: Operator, refund_id: UUID, amount_cents: int | None = None) -> None:
        """Approve a request, wholly (all that is left) or in part, and give the money back. Approving it again changes nothing.

        Raises NotFound, Forbidden, Invalid, RefundTooLarge, or RefundNotPossible if it was decided otherwise.
        """
        async with self._operating(operator) as tx:
            await refund_orders.approve(tx, refund_id, amount_cents)
        await self.finish(_tenant(operator), refund_id)

    async def reject(self, operator: Operator, refund_id: UUID, reason: str) -> None:
        """Decline a request; its buyer is told why. Again changes nothing. Raises as `approve` does."""
        note = check_reason(reason)
        async with self._operating(operator) as tx:
            await refund_orders.reject(tx, refund_id, note)

    async def finish(self, tenant_id: UUID, refund_id: UUID) -> None:
        """Drive an unfinished refund one step on: ask Stripe (never refunding twice) and apply what it says."""
        scope = Scope(tenant_id, ActorKind.WORKER)
        async with self.database.transaction(scope, read_only=True) as tx:
            refund = await refund_orders.unfinished(tx, refund_id)
        if refund is None:
            return
        told = await self._ask(refund)
        if told is None:
            return  # nobody knows: the job asks again
        async with self.database.transaction(scope) as tx:
            purchase = await reversals.lock_purchase(tx, refund.purchase_id)
            if isinstance(told, Refused):
                await refund_outcomes.refuse(tx, purchase, refund_id, told, utc_now())
            else:
                await refund_outcomes.apply(tx, purchase, told, utc_now())

    async def follow_up(self, tenant_id: UUID, refund_id: UUID) -> timedelta | None:
        """Drive an unfinished refund on; when to do so again, None once it has ended."""
        await self.finish(tenant_id, refund_id)
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            refund = await refund_orders.unfinished(tx, refund_id)
        return follow_up_delay(utc_now() - refund.since) if refund is not None else None

    async def refresh(self, tenant_id: UUID, purchase_id: UUID, payment_intent_id: str) -> None:
        """Bring a purchase's refunds and disputes up to what Stripe has: for webhooks, in any order, and for reconciliation.

        Refunds made at Stripe's dashboard are found too. Raises NotAnswered, GatewayError, RefundMismatch, PaymentMismatch.
        """
        for _ in range(_FETCHES):
            seen = await self._seen(tenant_id, purchase_id, payment_intent_id)
            if seen is None:
                log.info("refunds.no_purchase", purchase_id=str(purchase_id), payment_intent_id=payment_intent_id)
                return
            refunds = await self.gateway.refunds(payment_intent_id)
            disputed = await self.gateway.disputes(payment_intent_id)
            async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER)) as tx:
                purchase = await reversals.lock_purchase(tx, purchase_id)
                if purchase.row.stripe_payment_intent_id != payment_intent_id:
                    # A second payment under the purchase's name brought no credits, so none go back with it.
                    log.warning("refunds.other_payment", purchase_id=str(purchase_id), payment=payment_intent_id)
                    return
                if disputes.is_stale(disputed, seen, await disputes.versions(tx, purchase_id)):
                    continue
                for refund in reversed(refunds):
                    await refund_outcomes.apply(tx, purchase, refund, utc_now())
                for dispute in reversed(disputed):
                    await disputes.apply(tx, purchase, dispute, utc_now())
                return
        raise NotAnswered(f"the disputes of purchase {purchase_id} kept changing")

    async def _seen(self, tenant_id: UUID, purchase_id: UUID, payment_intent_id: str) -> dict[str, int] | None:
        """What is known before Stripe is asked. News of a refund may come before those of the payment: that one is completed first."""
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            purchase = await tx.row(
                select(CreditPurchase.status).where(
                    CreditPurchase.tenant_id == tenant_id, CreditPurchase.id == purchase_id
                )
            )
            seen = await disputes.versions(tx, purchase_id)
        if purchase is None:
            return None
        if PurchaseStatus(purchase.status) not in CREDITED:
            outcome = await self.gateway.payment(payment_intent_id)
            if isinstance(outcome, Unknown):
                raise NotAnswered(outcome.reason)
            await self.purchasing.apply(tenant_id, purchase_id, outcome)
        return seen

    async def _ask(self, refund: Row[Any]) -> StripeRefund | Refused | None:
        """What became of it: made with the stored key if nothing is known of it yet, never once that key may be forgotten."""
        try:
            if refund.stripe_refund_id is None and utc_now() - refund.since <= KEY_LIVES:
                return await self._make(refund)
            found = await self.gateway.refunds(refund.stripe_payment_intent_id)
        except (GatewayUnavailable, IdempotencyMismatch) as error:
            # No answer, or an answer about another request under this key: neither says that no money has left.
            log.warning("refund.not_answered", refund_id=str(refund.id), error=str(error))
            return None
        except GatewayError as error:
            log.warning("refund.refused", refund_id=str(refund.id), error=str(error))
            return Refused(error.code or "refused") if refund.stripe_refund_id is None else None
        mine = [one for one in found if str(refund.id) == one.metadata.get("refund_id")]
        mine += [one for one in found if one.id == refund.stripe_refund_id]
        if mine:
            return mine[0]
        return Refused("never_made") if refund.stripe_refund_id is None else None

    async def _make(self, refund: Row[Any]) -> StripeRefund:
        return await self.gateway.refund(
            payment_intent_id=refund.stripe_payment_intent_id,
            amount_cents=refund.amount_cents,
            idempotency_key=f"refund-{refund.id}",
            metadata={
                "tenant_id": str(refund.tenant_id),
                "purchase_id": str(refund.purchase_id),
                "refund_id": str(refund.id),
            },
            wanted_by_customer=refund.origin == RefundOrigin.REQUEST,
        )

    @asynccontextmanager
    async def _operating(self, operator: Operator) -> AsyncIterator[Transaction]:
        """The transaction in which an operator acts: a key sees the pools that it serves. Raises Forbidden."""
        if isinstance(operator, UUID):
            async with self.database.transaction(Scope(operator, ActorKind.WORKER)) as tx:
                yield tx
            return
        async with acting(self.database, operator) as session:
            if ApiScope.REFUNDS_WRITE not in session.actor.scopes:
                raise Forbidden(f"This needs an API key with the scope {ApiScope.REFUNDS_WRITE}.")
            yield session.tx


def _tenant(operator: Operator) -> UUID:
    return operator if isinstance(operator, UUID) else operator.tenant_id


async def _visible(tx: Transaction, actor: Actor, purchase_id: UUID) -> Row[Any]:
    """The purchase, if it exists for the actor. Raises NotFound."""
    found = await tx.row(
        select(CreditPurchase.pool_id, CreditPurchase.user_id).where(
            CreditPurchase.tenant_id == tx.tenant_id, CreditPurchase.id == purchase_id
        )
    )
    if found is None or not actor.sees_purchase(found.pool_id, found.user_id):
        raise NotFound("purchase", path=("id",))
    return found
