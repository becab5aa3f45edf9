"""What is told of refunds and disputes: a billing event, an audit entry, and a notification and mail to the buyer, owner and admins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select, update

from app.rules.node_ids import node_id
from app.services.audit import record
from app.services.billing_events import note_step
from app.services.mail import Mailer
from app.services.notifications import notify_managers
from app.services.queue import Job, enqueue
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.notifications import Notification
from models.tenants import User


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to a refund or a dispute. `subject` and `lines` are for people; without them only the books are told."""

    kind: str  # of the billing event, the audit entry and the notification
    entity: tuple[str, UUID]
    data: dict[str, Any]
    subject: str | None = None
    lines: tuple[str, ...] = ()
    step: str = ""  # what makes it another notice of the same kind

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.entity[1]}{self.step and f':{self.step}'}"


async def announce(tx: Transaction, purchase: Row[Any], notice: Notice, now: datetime, by: UUID | None = None) -> None:
    """Tell it in the transaction that makes it true; people once. `by`: the person who did it."""
    await note_step(tx, purchase, notice.kind, notice.data, now)
    await record(
        tx,
        action=notice.kind,
        pool_id=purchase.pool_id,
        actor_user_id=by,
        entity=notice.entity,
        after=notice.data,
    )
    if notice.subject is None:
        return
    await notify_managers(
        tx,
        pool_id=purchase.pool_id,
        also=purchase.user_id,
        kind=notice.kind,
        parameters=notice.data
        | {"purchase_id": str(purchase.id), "subject": notice.subject, "lines": list(notice.lines)},
        dedupe_key=notice.dedupe_key,
    )
    await enqueue(tx, Job.MAIL_NOTICE, {"tenant_id": str(tx.tenant_id), "dedupe_key": notice.dedupe_key})


@dataclass(frozen=True, slots=True)
class NoticeMails:
    """Mails what `announce` (and who else enqueues MAIL_NOTICE) has told; `public_url` is where the mail's link leads."""

    database: Database
    mailer: Mailer
    public_url: str

    async def send(self, tenant_id: UUID, dedupe_key: str) -> None:
        """Mail a notice to everybody whom it was not mailed to yet. A crash after sending may send it again; it never stays unsent."""
        scope = Scope(tenant_id, ActorKind.WORKER)
        async with self.database.transaction(scope, read_only=True) as tx:
            rows = await tx.rows(
                _unsent().where(Notification.tenant_id == tenant_id, Notification.dedupe_key == dedupe_key)
            )
        for row in rows:
            await self.mailer.send(row.email, "notice", self._values(row.parameters))
            async with self.database.transaction(scope) as tx:
                await tx.execute(
                    update(Notification)
                    .where(Notification.tenant_id == tenant_id, Notification.id == row.id)
                    .values(emailed_at=func.now())
                )

    def _values(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """A notice may name the page that it is about; those of refunds and disputes are about their purchase."""
        path = parameters.get("path") or f"/purchases/{node_id('CreditPurchase', parameters['purchase_id'])}"
        return {
            "subject": parameters["subject"],
            "lines": parameters["lines"],
            "action": parameters.get("action", "View the purchase"),
            "url": f"{self.public_url}{path}",
        }


def _unsent() -> Any:
    return (
        select(Notification.id, Notification.parameters, User.email)
        .join(User, and_(User.tenant_id == Notification.tenant_id, User.id == Notification.user_id))
        .where(Notification.emailed_at.is_(None), User.disabled_at.is_(None))
        .order_by(Notification.user_id)
    )
