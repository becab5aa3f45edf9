"""The receipt of a purchase by e-mail: sent once, after the credits are there."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select, update

from app.rules.money import units
from app.rules.purchases import purchase_page
from app.services.mail import Mailer
from app.tenancy import ActorKind, Database, Scope
from models.notifications import Notification
from models.pools import CreditPool
from models.purchases import CreditPurchase
from models.tenants import User

KIND = "purchase.completed"


def dedupe_key(purchase_id: UUID) -> str:
    """One receipt a purchase."""
    return f"receipt:{purchase_id}"


@dataclass(frozen=True, slots=True)
class Receipts:
    """Sends receipts; `public_url` is where the mail's link leads."""

    database: Database
    mailer: Mailer
    public_url: str

    async def send(self, tenant_id: UUID, purchase_id: UUID) -> None:
        """Mail the receipt unless it was mailed before. A crash after sending may send it again; it never stays unsent."""
        scope = Scope(tenant_id, ActorKind.WORKER)
        async with self.database.transaction(scope) as tx:
            row = await tx.row(
                _statement().where(CreditPurchase.tenant_id == tenant_id, CreditPurchase.id == purchase_id)
            )
        if row is None:
            return
        await self.mailer.send(row.email, "receipt", self._values(row))
        async with self.database.transaction(scope) as tx:
            await tx.execute(
                update(Notification)
                .where(Notification.tenant_id == tenant_id, Notification.id == row.notification_id)
                .values(emailed_at=func.now())
            )

    def _values(self, row: Row[Any]) -> dict[str, Any]:
        return {
            "name": row.display_name,
            "pool": row.pool_name,
            "credits": f"{row.credits_amount.normalize():f}",
            "bonus": f"{row.bonus_credits.normalize():f}" if row.bonus_credits else None,
            "total_credits": f"{row.total_credits.normalize():f}",
            "base": f"{units(row.base_cents)}",
            "discount": f"{units(row.discount_cents)}" if row.discount_cents else None,
            "total": f"{units(row.payment_amount_cents)}",
            "currency": row.payment_currency,
            "completed_at": row.completed_at,
            "receipt_url": row.stripe_receipt_url,
            "url": purchase_page(self.public_url, row.id),
        }


def _statement() -> Any:
    """The purchase with its buyer and the notification that has not been mailed yet."""
    return (
        select(
            CreditPurchase.id,
            CreditPurchase.credits_amount,
            CreditPurchase.bonus_credits,
            CreditPurchase.total_credits,
            CreditPurchase.base_cents,
            CreditPurchase.discount_cents,
            CreditPurchase.payment_amount_cents,
            CreditPurchase.payment_currency,
            CreditPurchase.completed_at,
            CreditPurchase.stripe_receipt_url,
            CreditPool.name.label("pool_name"),
            User.email,
            User.display_name,
            Notification.id.label("notification_id"),
        )
        .join(User, and_(User.tenant_id == CreditPurchase.tenant_id, User.id == CreditPurchase.user_id))
        .join(
            CreditPool, and_(CreditPool.tenant_id == CreditPurchase.tenant_id, CreditPool.id == CreditPurchase.pool_id)
        )
        .join(
            Notification,
            and_(
                Notification.tenant_id == CreditPurchase.tenant_id,
                Notification.user_id == CreditPurchase.user_id,
                Notification.dedupe_key == func.concat("receipt:", CreditPurchase.id),
                Notification.emailed_at.is_(None),
            ),
        )
    )
