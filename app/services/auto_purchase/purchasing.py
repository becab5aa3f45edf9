"""Buying for a pool that has too little: decided under its lock, paid for on the same path as any purchase (rulings 20 and 23).

The decision writes the pending purchase, its key and the job that finishes it, all in one transaction. Any process may end between any
two steps: the follow-up asks Stripe with the same key, and the sweep finds pools whose decision was lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from sqlalchemy import and_, insert, or_, select
from sqlalchemy.exc import SQLAlchemyError

from app.auth.actor import utc_now
from app.payments.outcomes import GatewayError, PaymentMethod
from app.rules.auto_purchase import Plan, Standing, Stop, Verdict, decide
from app.rules.errors import NotFound, Refusal
from app.rules.money import units
from app.rules.pricing import Price, price
from app.rules.purchases import FIRST_FOLLOW_UP
from app.services import price_bands
from app.services.audit import record
from app.services.auto_purchase import books, outcomes
from app.services.auto_purchase.books import Books
from app.services.auto_purchase.notices import Happening, tell
from app.services.ledger import LockedPool, lock_pool
from app.services.payment_outcomes import PaymentMismatch
from app.services.purchases import Purchasing, sold
from app.services.queue import Job, enqueue
from app.tenancy import CONNECTION_ERRORS, ActorKind, Database, Scope, Transaction
from models.auto_purchase import AutoPurchaseSettings
from models.pools import CreditPool
from models.purchases import CreditPurchase

log = structlog.get_logger("auto_purchases")

TRIGGER = "threshold"  # credit_purchases.auto_purchase_trigger


@dataclass(frozen=True, slots=True)
class _Card:
    """What Stripe says of the plan's card, asked before the pool is locked. `method` None: it is not the pool's (any more)."""

    payment_method_id: str
    method: PaymentMethod | None


@dataclass(frozen=True, slots=True)
class AutoPurchasing:
    """Automatic purchases of one process."""

    purchasing: Purchasing

    @property
    def _database(self) -> Database:
        return self.purchasing.database

    async def run(self, tenant_id: UUID, pool_id: UUID) -> None:
        """Decide for one pool that is not armed, and do it. Any number of times: what is bought, or in flight, is not bought again.

        Raises GatewayUnavailable while Stripe can't be asked about the card; nothing has been written then.
        """
        scope, now = Scope(tenant_id, ActorKind.WORKER), utc_now()
        async with self._database.transaction(scope, read_only=True) as tx:
            pool = await tx.row(
                select(CreditPool.stripe_customer_id).where(CreditPool.tenant_id == tenant_id, CreditPool.id == pool_id)
            )
            if pool is None:
                raise NotFound("pool")
            plan = (await books.read(tx, pool_id)).plan
        card = await self._card(plan, pool.stripe_customer_id)
        async with self._database.transaction(scope) as tx:
            locked = await lock_pool(tx, pool_id)
            if locked.armed:
                return  # decided by another, or only a refund left too little
            found = (await books.read(tx, pool_id)).at(now)
            priced = price(found.plan.quantity, await price_bands.current(tx))
            purchase_id = await _Decision(tx, locked, found, priced, now).act(card)
        if purchase_id is not None:
            await self.purchasing.finish(tenant_id, purchase_id)

    async def sweep(self, tenants: Sequence[UUID]) -> int:
        """Decide for every pool that waits for a decision; how many there were. One pool's trouble never keeps another waiting."""
        pools = 0
        for tenant_id in tenants:
            async with self._database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
                due = await _due(tx)
            for pool_id in due:
                try:
                    await self.run(tenant_id, pool_id)
                except (PaymentMismatch, GatewayError, Refusal, SQLAlchemyError, *CONNECTION_ERRORS) as error:
                    said = f"{type(error).__name__}: {error}"  # some say nothing of themselves
                    log.warning("auto_purchase.failed", tenant_id=str(tenant_id), pool_id=str(pool_id), error=said)
            pools += len(due)
        return pools

    async def _card(self, plan: Plan, customer_id: str | None) -> _Card | None:
        if not plan.enabled or plan.payment_method_id is None:
            return None
        method = await self.purchasing.gateway.payment_method(plan.payment_method_id)
        own = method is not None and customer_id is not None and method.customer_id == customer_id
        return _Card(plan.payment_method_id, method if own else None)


@dataclass(frozen=True, slots=True)
class _Decision:
    """One decision on a locked pool: its books as of `now`, and what one purchase costs."""

    tx: Transaction
    pool: LockedPool
    books: Books
    price: Price
    now: datetime

    async def act(self, card: _Card | None) -> UUID | None:
        """Do what the plan says now; the pending purchase, if one was written."""
        plan, standing = self.books.plan, self.books.standing
        verdict = decide(
            plan,
            standing,
            available=self.pool.available,
            in_flight=self.books.in_flight,
            price=self.price,
            now=self.now,
        )
        log.info("auto_purchase.decided", pool_id=str(self.pool.id), verdict=verdict.value)
        if verdict is Verdict.BUY and card is not None and card.payment_method_id == plan.payment_method_id:
            if card.method is not None:
                return await self._open(card.method)
            missing = Stop.PAYMENT_METHOD_MISSING
            await outcomes.switch_off(self.tx, self.books, missing, self.pool.available, self.now)
            return None
        if verdict is Verdict.ENOUGH:
            standing = replace(standing, retry_after=None)
        elif verdict is Verdict.CAP_REACHED and standing.cap_reached_at is None:
            standing = replace(standing, cap_reached_at=self.now)
            data = _cap(plan, standing, self.price)
            await tell(self.tx, Happening.CAP_REACHED, plan, self.pool.id, data)
        if plan.enabled:
            # Armed again, or (the card was changed between asking and locking) triggered again.
            await books.write(self.tx, replace(self.books, standing=standing), self.pool.available)
        return None

    async def _open(self, method: PaymentMethod) -> UUID:
        """Write the pending purchase, its key and the job that finishes it, all or none. It is the owner's: they get the receipt."""
        tx, purchase_id = self.tx, uuid4()
        owner_id = await tx.scalar(
            select(CreditPool.owner_user_id).where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == self.pool.id)
        )
        await tx.execute(
            insert(CreditPurchase).values(
                tenant_id=tx.tenant_id,
                id=purchase_id,
                pool_id=self.pool.id,
                user_id=owner_id,
                idempotency_key=uuid4(),
                payment_method=f"{method.brand} {method.last4}",
                stripe_payment_method_id=method.id,
                is_auto_purchase=True,
                auto_purchase_trigger=TRIGGER,
                metadata_={"stripe_customer_id": method.customer_id},
                **sold(self.price),
            )
        )
        payload = {"tenant_id": str(tx.tenant_id), "purchase_id": str(purchase_id)}
        await enqueue(tx, Job.FINISH_PURCHASE, payload, after=FIRST_FOLLOW_UP)
        standing = replace(self.books.standing, retry_after=None)
        await books.write(tx, replace(self.books, standing=standing, in_flight=True), self.pool.available)
        await record(
            tx,
            action="purchase.started",
            pool_id=self.pool.id,
            actor_user_id=None,
            entity=("credit_purchase", purchase_id),
            after={"credits": f"{self.price.credits:f}", "total_cents": self.price.total_cents, "automatic": True},
        )
        return purchase_id


def _cap(plan: Plan, standing: Standing, priced: Price) -> dict[str, str]:
    caps = [] if plan.cap_credits is None else [f"{plan.cap_credits.normalize():f} credits"]
    caps += [] if plan.cap_cents is None else [f"{units(plan.cap_cents)} USD"]
    return {
        "credits": f"{plan.quantity.normalize():f}",
        "total": f"{units(priced.total_cents)}",
        "spent_credits": f"{standing.credits.normalize():f}",
        "spent": f"{units(standing.cents)}",
        "currency": "USD",
        "cap": " and ".join(caps),
        "month_ends_at": standing.month_ends_at.isoformat() if standing.month_ends_at else "",
    }


async def _due(tx: Transaction) -> list[UUID]:
    """Pools that may buy now and are not armed: no decision is coming for them by itself.

    What triggers disarms, so a decision that is due, waits or was lost leaves NULL. A pool that is armed and has too little is one whose
    money went back: that is no reason to take more, and what triggers next is a spend by its members.
    """
    settings, now = AutoPurchaseSettings, utc_now()
    rows = await tx.rows(
        select(CreditPool.id)
        .join(settings, and_(settings.tenant_id == CreditPool.tenant_id, settings.pool_id == CreditPool.id))
        .where(
            CreditPool.tenant_id == tx.tenant_id,
            settings.enabled,
            settings.stopped_reason.is_(None),
            or_(settings.retry_after.is_(None), settings.retry_after <= now),
            or_(settings.cap_reached_at.is_(None), settings.month_reset_at <= now),
            CreditPool.auto_purchase_below.is_(None),
            ~books.in_flight(),
        )
        .order_by(CreditPool.id)
    )
    return [row.id for row in rows]
