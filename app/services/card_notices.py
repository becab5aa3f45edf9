"""Cards that end: owner and admins are told once a card and month, this month and the one before, on the page and by e-mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, and_, select

from app.auth.actor import utc_now
from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayError, GatewayUnavailable, PaymentMethod
from app.rules.node_ids import node_id
from app.rules.payment_methods import CardExpiry, expires_on, expiry
from app.rules.spending_limits import local_date
from app.services.ledger import lock_pool
from app.services.notifications import notify_managers
from app.services.queue import Job, enqueue
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.auto_purchase import AutoPurchaseSettings
from models.notifications import Notification
from models.pools import CreditPool

log = structlog.get_logger("card_notices")

KIND = "payment_method.expiring"


@dataclass(frozen=True, slots=True)
class CardNotices:
    """Looks through the cards that pay without anybody at hand: each pool's default and that of its automatic purchases."""

    database: Database
    gateway: Gateway

    async def remind(self, tenants: Sequence[UUID], now: datetime | None = None) -> int:
        """Tell of every such card that ends this month or next; of how many. When Stripe is away the next round does it."""
        told = 0
        for tenant_id in tenants:
            async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
                pools = await tx.rows(_pools().where(CreditPool.tenant_id == tenant_id))
            for pool in pools:
                try:
                    cards = await self.gateway.payment_methods(pool.stripe_customer_id)
                except GatewayUnavailable as error:
                    log.warning("card_notices.put_off", tenant_id=str(tenant_id), error=str(error))
                    return told
                except GatewayError as error:  # of this customer alone
                    log.warning("card_notices.refused", pool_id=str(pool.id), error=str(error))
                    continue
                today = local_date(now or utc_now(), pool.time_zone)
                for card in _ending(cards, pool.automatic, today):
                    told += await self._tell(tenant_id, pool, card, today)
        return told

    async def _tell(self, tenant_id: UUID, pool: Row[Any], card: PaymentMethod, today: date) -> bool:
        """Tell of one card, under the pool's lock; False if it was told this month."""
        key = f"{KIND}:{card.id}:{today:%Y-%m}"
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER)) as tx:
            await lock_pool(tx, pool.id)
            if await _was_told(tx, key):
                return False
            await notify_managers(
                tx,
                pool_id=pool.id,
                also=pool.owner_user_id,
                kind=KIND,
                parameters=_words(pool, card),
                dedupe_key=key,
            )
            await enqueue(tx, Job.MAIL_NOTICE, {"tenant_id": str(tenant_id), "dedupe_key": key})
        return True


def _ending(cards: list[PaymentMethod], automatic: str | None, today: date) -> list[PaymentMethod]:
    needed = [card for card in cards if card.is_default or card.id == automatic]
    return [card for card in needed if expiry(expires_on(card.exp_month, card.exp_year), today) is CardExpiry.EXPIRING]


def _words(pool: Row[Any], card: PaymentMethod) -> dict[str, Any]:
    """The notification's parameters; a mail says the same."""
    name, last_day = f"{card.brand.title()} ending in {card.last4}", expires_on(card.exp_month, card.exp_year)
    uses = ["It is the default card."] if card.is_default else []
    if card.id == pool.automatic:
        uses.append("Automatic purchases are paid with it.")
    return {
        "payment_method": card.id,
        "subject": f"A card of {pool.name} expires soon",
        "lines": [
            f"{name} is good until {last_day.day} {last_day:%B %Y}. {' '.join(uses)}",
            "Add a new card and choose it in its place before then, so that nothing is interrupted.",
        ],
        "action": "Look at the cards",
        "path": f"/payment?pool={node_id('CreditPool', pool.id)}",
    }


async def _was_told(tx: Transaction, key: str) -> bool:
    query = select(Notification.id).where(Notification.tenant_id == tx.tenant_id, Notification.dedupe_key == key)
    return await tx.scalar(query.limit(1)) is not None


def _pools() -> Any:
    """Pools that have a customer, with the card of automatic purchases where they are on."""
    return (
        select(
            CreditPool.id,
            CreditPool.name,
            CreditPool.owner_user_id,
            CreditPool.stripe_customer_id,
            CreditPool.time_zone,
            AutoPurchaseSettings.stripe_payment_method_id.label("automatic"),
        )
        .outerjoin(
            AutoPurchaseSettings,
            and_(
                AutoPurchaseSettings.tenant_id == CreditPool.tenant_id,
                AutoPurchaseSettings.pool_id == CreditPool.id,
                AutoPurchaseSettings.enabled,
            ),
        )
        .where(CreditPool.stripe_customer_id.is_not(None))
        .order_by(CreditPool.id)
    )
