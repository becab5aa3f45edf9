"""Buying credits: pending row and idempotency key committed, then Stripe, then the outcome applied exactly once (ruling 20).

Any of the three steps may be the last one of a process. The job FINISH_PURCHASE, enqueued with the pending row, takes up whatever was
left open; the webhook applies the same outcome by the same function. Whoever comes first wins, the others find nothing left to do.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy.dialects.postgresql import insert

from app.auth.actor import Actor, Principal, acting, utc_now
from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayUnavailable, Outcome, PaymentMethod
from app.rules.errors import Forbidden, NotFound, PaymentsUnavailable, QuoteUsed
from app.rules.permissions import Permission
from app.rules.pricing import Price
from app.rules.purchases import FIRST_FOLLOW_UP, follow_up_delay
from app.services import customers, idempotency, payment_outcomes
from app.services.audit import record
from app.services.queue import Job, enqueue
from app.services.quotes import Quote, QuoteSigner
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.purchases import CreditPurchase

log = structlog.get_logger("purchases")

OPERATION = "creditsPurchase"


@dataclass(frozen=True, slots=True)
class PurchaseCommand:
    """What a buyer sends: a quote's token, Stripe's id of a payment method, and a key that makes repeating safe."""

    quote_token: str
    payment_method_id: str
    idempotency_key: UUID

    @property
    def digest(self) -> bytes:
        return idempotency.request_hash(OPERATION, {"quote": self.quote_token, "method": self.payment_method_id})


@dataclass(frozen=True, slots=True)
class Purchasing:
    """What buying needs: the database, the door to Stripe, the signer of quotes, and where buyers return from their bank."""

    database: Database
    gateway: Gateway
    signer: QuoteSigner
    public_url: str

    async def buy(self, principal: Principal, command: PurchaseCommand) -> UUID:
        """Buy by a quote; the purchase's id, whatever became of it. The same command again gives the same purchase and charges nothing.

        Refusals (NotFound, Forbidden, QuoteExpired, QuoteUsed, IdempotencyMismatch, PaymentsUnavailable) come before anything is written.
        """
        async with acting(self.database, principal, read_only=True) as session:
            earlier = await idempotency.find(session.tx, command.idempotency_key, command.digest)
            if earlier is not None:
                return earlier
            quote = self._read_quote(session.actor, command)
            buyer = await _buyer(session.tx, quote)
        try:
            method = await self._method(command, buyer.customer_id)
            customer_id = await customers.ensure(self.database, self.gateway, buyer)
        except GatewayUnavailable as error:
            log.warning("purchase.payments_unavailable", error=str(error))
            raise PaymentsUnavailable from None
        async with acting(self.database, principal) as session:
            self._read_quote(session.actor, command)  # a permission taken or a quote expired meanwhile
            purchase_id, is_new = await _open(session.tx, command, quote, customer_id, method)
        if is_new:
            await self.finish(principal.tenant_id, purchase_id)
        return purchase_id

    async def finish(self, tenant_id: UUID, purchase_id: UUID) -> None:
        """Drive an open purchase one step on: ask Stripe (never charging twice) and apply what it says."""
        scope = Scope(tenant_id, ActorKind.WORKER)
        async with self.database.transaction(scope, read_only=True) as tx:
            purchase = await payment_outcomes.open_purchase(tx, purchase_id)
        if purchase is None:
            return
        outcome = await payment_outcomes.ask_stripe(self.gateway, purchase, self.public_url, utc_now())
        async with self.database.transaction(scope) as tx:
            await payment_outcomes.apply(tx, purchase_id, outcome, utc_now())

    async def follow_up(self, tenant_id: UUID, purchase_id: UUID) -> timedelta | None:
        """Drive an open purchase on; when to do so again, None once it has ended."""
        await self.finish(tenant_id, purchase_id)
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            purchase = await payment_outcomes.open_purchase(tx, purchase_id)
        return follow_up_delay(utc_now() - purchase.created_at) if purchase is not None else None

    async def apply(self, tenant_id: UUID, purchase_id: UUID, outcome: Outcome) -> None:
        """Apply what a webhook or reconciliation has learnt."""
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER)) as tx:
            await payment_outcomes.apply(tx, purchase_id, outcome, utc_now())

    def _read_quote(self, actor: Actor, command: PurchaseCommand) -> Quote:
        if actor.user_id is None:
            raise Forbidden("Only a person can buy credits; an API key can't.")
        pools = frozenset(one.pool_id for one in actor.memberships)
        quote = self.signer.read(command.quote_token, actor.tenant_id, pools, actor.user_id, utc_now())
        actor.require(quote.pool_id, Permission.PURCHASE_CREDITS)
        return quote

    async def _method(self, command: PurchaseCommand, customer_id: str | None) -> PaymentMethod:
        """Checked before a customer is made: a card that is wrong must leave nothing behind. Without a customer no card is the pool's."""
        method = await self.gateway.payment_method(command.payment_method_id)
        if method is None or method.customer_id not in {None, customer_id}:
            # A stranger's card reads as one that does not exist.
            raise NotFound("payment method", path=("paymentMethodId",))
        return method


async def _buyer(tx: Transaction, quote: Quote) -> customers.PoolCustomer:
    found = await customers.read(tx, quote.pool_id)
    if found is None:
        raise NotFound("quote", path=("quoteId",))
    return found


async def _open(
    tx: Transaction, command: PurchaseCommand, quote: Quote, customer_id: str, method: PaymentMethod
) -> tuple[UUID, bool]:
    """Write the pending purchase, its key and the job that finishes it, all or none; (id, whether it is new)."""
    purchase_id = uuid4()
    owner = await idempotency.claim(tx, command.idempotency_key, OPERATION, command.digest, purchase_id)
    if owner != purchase_id:
        return owner, False
    price = quote.price
    written = await tx.scalar(
        insert(CreditPurchase)
        .values(
            tenant_id=tx.tenant_id,
            id=purchase_id,
            idempotency_key=command.idempotency_key,
            payment_method=f"{method.brand} {method.last4}",
            stripe_payment_method_id=command.payment_method_id,
            metadata_={"stripe_customer_id": customer_id},
            pool_id=quote.pool_id,
            user_id=quote.user_id,
            quote_id=quote.quote_id,
            **sold(price),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "quote_id"])
        .returning(CreditPurchase.id)
    )
    if written is None:
        raise QuoteUsed
    await enqueue(
        tx,
        Job.FINISH_PURCHASE,
        {"tenant_id": str(tx.tenant_id), "purchase_id": str(purchase_id)},
        after=FIRST_FOLLOW_UP,
    )
    await record(
        tx,
        action="purchase.started",
        pool_id=quote.pool_id,
        actor_user_id=quote.user_id,
        entity=("credit_purchase", purchase_id),
        after={"credits": f"{price.credits:f}", "total_cents": price.total_cents},
    )
    return purchase_id, True


def sold(price: Price) -> dict[str, Any]:
    """What is sold at which price: a purchase keeps it, whatever the bands say later (ruling 4)."""
    return {
        "credits_amount": price.credits,
        "bonus_credits": price.bonus_credits,
        "total_credits": price.total_credits,
        "unit_price_cents": price.band.unit_price_cents,
        "base_cents": price.base_cents,
        "discount_cents": price.discount_cents,
        "discount_rate": price.band.discount_rate,
        "bonus_rate": price.band.bonus_rate,
        "payment_amount_cents": price.total_cents,
    }
