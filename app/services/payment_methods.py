"""The pool's cards. Stripe keeps them and is the truth: nothing of them is copied here, and each is asked for when it is needed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from app.auth.actor import Principal, Session, acting
from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayError, GatewayUnavailable, PaymentMethod, Setup, SetupStatus
from app.rules.errors import Forbidden, NotFound, PaymentsUnavailable
from app.rules.payment_methods import CardUse, card_uses, check_removal
from app.rules.permissions import Permission
from app.services import customers
from app.services.audit import record
from app.services.card_lists import CardLists
from app.services.ledger import lock_pool
from app.tenancy import Database, Transaction
from models.auto_purchase import AutoPurchaseSettings
from models.pools import CreditPool
from models.subscriptions import Subscription

log = structlog.get_logger("payment_methods")

# Who may see the cards: those who pay with them, and those who decide what they pay for. Adding one takes the first, changing the second.
SEES_CARDS = (Permission.PURCHASE_CREDITS, Permission.MODIFY_SETTINGS)
_ENDED = ("canceled", "incomplete_expired")


@dataclass(frozen=True, slots=True)
class PaymentMethods:
    """Cards of the actor's own pools. A stranger's card, setup or pool reads as one that does not exist, and nothing is asked of it."""

    database: Database
    gateway: Gateway
    lists: CardLists

    async def start_setup(self, principal: Principal, pool_id: UUID) -> Setup:
        """Begin to save a card. Raises NotFound, Forbidden or PaymentsUnavailable."""
        async with acting(self.database, principal) as session:
            _require(session, pool_id, Permission.PURCHASE_CREDITS)
            pool = await customers.read(session.tx, pool_id)
            if pool is None:
                raise NotFound("pool", path=("poolId",))
            await _note(session, pool_id, "payment_method.setup_started", {})
        try:
            customer_id = await customers.ensure(self.database, self.gateway, pool)
            return await self.gateway.start_setup(tenant_id=pool.tenant_id, pool_id=pool_id, customer_id=customer_id)
        except GatewayUnavailable as error:
            raise _unavailable(error) from None
        except GatewayError as error:  # a customer that was deleted at Stripe, say
            log.warning("payment_methods.setup_refused", pool_id=str(pool_id), error=str(error))
            message = "Stripe takes no cards for this pool. Nothing was changed; ask support if it stays so."
            raise PaymentsUnavailable(message) from None

    async def finish_setup(self, principal: Principal, setup_id: str) -> tuple[Setup, UUID]:
        """How far a setup has come, and its pool; once it has succeeded, the first card of a pool becomes its default."""
        nothing = NotFound("card setup", path=("id",))
        await self._person(principal)
        try:
            setup = await self.gateway.setup(setup_id)
            if setup is None or setup.customer_id is None:
                raise nothing
            async with acting(self.database, principal, read_only=True) as session:
                pool_id = await customers.pool_of(session.tx, setup.customer_id)
                if pool_id is None:
                    raise nothing
                _require(session, pool_id, Permission.PURCHASE_CREDITS)
            await settle_setup(self.gateway, setup)
        except GatewayError as error:
            raise _unavailable(error) from None
        return setup, pool_id

    async def make_default(self, principal: Principal, method_id: str) -> UUID:
        """Pay invoices with this card from now on; its pool. Raises NotFound, Forbidden or PaymentsUnavailable."""
        card, pool_id = await self._own(principal, method_id)
        async with acting(self.database, principal) as session:
            _require(session, pool_id, Permission.MODIFY_SETTINGS)
            await _note(session, pool_id, "payment_method.default_chosen", _shown(card))
        try:
            await self.gateway.make_default(str(card.customer_id), card.id)
        except GatewayUnavailable as error:
            raise _unavailable(error) from None
        except GatewayError:
            raise _no_such_card() from None  # taken away meanwhile
        return pool_id

    async def remove(self, principal: Principal, method_id: str) -> UUID:
        """Take a card away for good; its pool. Raises PaymentMethodInUse, NotFound, Forbidden or PaymentsUnavailable."""
        card, pool_id = await self._own(principal, method_id)
        async with acting(self.database, principal) as session:
            _require(session, pool_id, Permission.MODIFY_SETTINGS)
            check_removal(await _uses(session.tx, pool_id, card))
            await _outdate(session.tx, pool_id)
            await _note(session, pool_id, "payment_method.removed", _shown(card))
        try:
            await self.gateway.detach(card.id)
        except GatewayError as error:
            raise _unavailable(error) from None
        return pool_id

    @staticmethod
    async def pool_that_shows(session: Session, card: PaymentMethod | None) -> UUID | None:
        """The pool of a card, if the actor sees that pool's cards; None for every other card, as for one that does not exist."""
        if card is None or card.customer_id is None:
            return None
        pool_id = await customers.pool_of(session.tx, card.customer_id)
        return pool_id if pool_id and any(session.actor.can(pool_id, one) for one in SEES_CARDS) else None

    async def _person(self, principal: Principal) -> None:
        """Somebody whom we know, before Stripe is asked anything."""
        async with acting(self.database, principal, read_only=True) as session:
            _check_person(session)

    async def _own(self, principal: Principal, method_id: str) -> tuple[PaymentMethod, UUID]:
        """The card and its pool, whose settings the actor may change."""
        await self._person(principal)
        try:
            card = await self.gateway.payment_method(method_id)
        except GatewayError as error:
            raise _unavailable(error) from None
        async with acting(self.database, principal, read_only=True) as session:
            pool_id = None
            if card is not None and card.customer_id is not None:
                pool_id = await customers.pool_of(session.tx, card.customer_id)
            if card is None or pool_id is None:
                raise _no_such_card()
            _require(session, pool_id, Permission.MODIFY_SETTINGS)
        return card, pool_id


async def settle_setup(gateway: Gateway, setup: Setup) -> None:
    """What follows when a card has been saved: of a pool without a default it becomes the default. Any number of times."""
    if setup.status is not SetupStatus.SUCCEEDED or not setup.customer_id or not setup.payment_method_id:
        return
    cards = await gateway.payment_methods(setup.customer_id)
    if setup.payment_method_id in {one.id for one in cards} and not any(one.is_default for one in cards):
        await gateway.make_default(setup.customer_id, setup.payment_method_id)


async def _uses(tx: Transaction, pool_id: UUID, card: PaymentMethod) -> list[CardUse]:
    """What pays with the card, under the pool's lock: nothing begins to while this is decided."""
    await lock_pool(tx, pool_id)
    automatic = await tx.scalar(
        select(AutoPurchaseSettings.stripe_payment_method_id).where(
            AutoPurchaseSettings.tenant_id == tx.tenant_id,
            AutoPurchaseSettings.pool_id == pool_id,
            AutoPurchaseSettings.enabled,
        )
    )
    paid = await tx.scalar(
        select(Subscription.id).where(
            Subscription.tenant_id == tx.tenant_id,
            Subscription.credit_pool_id == pool_id,
            Subscription.tier_id != "FREE",
            Subscription.status.not_in(_ENDED),
        )
    )
    return card_uses(
        is_default=card.is_default, pays_auto_purchase=automatic == card.id, has_paid_subscription=paid is not None
    )


async def _outdate(tx: Transaction, pool_id: UUID) -> None:
    """Whoever has found the card at Stripe and is about to have automatic purchases use it has seen an older version now."""
    await tx.execute(
        update(CreditPool)
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
        .values(version=CreditPool.version + 1)
    )


def _require(session: Session, pool_id: UUID, permission: Permission) -> None:
    _check_person(session)
    session.actor.require(pool_id, permission)


def _check_person(session: Session) -> None:
    if session.actor.user_id is None:
        raise Forbidden("Only a person can manage cards; an API key can't.")


async def _note(session: Session, pool_id: UUID, action: str, after: dict[str, Any]) -> None:
    """Who asked for what, kept before Stripe is asked: a process that dies in between leaves no change without a name."""
    await record(
        session.tx,
        action=action,
        pool_id=pool_id,
        actor_user_id=session.actor.user_id,
        entity=("credit_pool", pool_id),
        after=after,
    )


def _shown(card: PaymentMethod) -> dict[str, Any]:
    return {"payment_method": card.id, "card": f"{card.brand} {card.last4}"}


def _no_such_card() -> NotFound:
    return NotFound("payment method", path=("id",))


def _unavailable(error: GatewayError) -> PaymentsUnavailable:
    """Stripe is away, or refuses for a reason of its own (a closed account): its words are for the log."""
    log.warning("payment_methods.unavailable", error=str(error))
    if not isinstance(error, GatewayUnavailable):
        return PaymentsUnavailable("Stripe refuses this. Look at the cards again; ask support if it stays so.")
    return PaymentsUnavailable(
        "Stripe can't be reached just now. Look at the cards again in a few minutes, then repeat this."
    )
