"""What people are told of automatic purchases: every charge and every refusal (ruling 23), on the page and by e-mail.

Each is a billing event, a notification to the owner and the admins, and a mail to the addresses that the pool has named, or else to the
same people. The event holds what the mail says, so that a mail that is late still tells what happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from app.auth.actor import utc_now
from app.rules.auto_purchase import Plan
from app.rules.permissions import Role
from app.services.audit import record
from app.services.billing_events import note
from app.services.mail import Mailer
from app.services.notifications import notify
from app.services.queue import Job, enqueue
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.billing_events import BillingEvent
from models.members import CreditPoolMember
from models.notifications import Notification
from models.pools import CreditPool
from models.tenants import User


class Happening(StrEnum):
    """What happened, by the name of its billing event and its notification."""

    BOUGHT = "auto_purchase.completed"
    DECLINED = "auto_purchase.declined"
    PAUSED = "auto_purchase.paused"
    SWITCHED_OFF = "auto_purchase.switched_off"
    CAP_REACHED = "auto_purchase.cap_reached"


async def tell(
    tx: Transaction,
    happening: Happening,
    plan: Plan,
    pool_id: UUID,
    data: dict[str, Any],
    *,
    purchase_id: UUID | None = None,
) -> None:
    """Record it and tell everybody whom it concerns, in the transaction that makes it true. `data` is JSON and fills in the mail."""
    event_id = await note(tx, happening, data, utc_now(), pool_id=pool_id, purchase_id=purchase_id)
    await record(tx, action=happening, pool_id=pool_id, actor_user_id=None, entity=("credit_pool", pool_id), after=data)
    people = await _people(tx, pool_id)
    for user_id in people:
        await notify(
            tx,
            user_id=user_id,
            pool_id=pool_id,
            kind=happening,
            parameters=data,
            dedupe_key=f"auto_purchase:{event_id}",
        )
    if happening is Happening.BOUGHT and not plan.notify:
        return  # the receipt goes to the owner all the same
    for address in plan.recipients or people.values():
        payload = {"tenant_id": str(tx.tenant_id), "event_id": str(event_id), "recipient": address}
        await enqueue(tx, Job.MAIL_AUTO_PURCHASE, payload)


async def _people(tx: Transaction, pool_id: UUID) -> dict[UUID, str]:
    """The owner and the active admins: user id and e-mail address."""
    rows = await tx.rows(
        select(CreditPoolMember.user_id, User.email)
        .join(User, (User.tenant_id == CreditPoolMember.tenant_id) & (User.id == CreditPoolMember.user_id))
        .where(
            CreditPoolMember.tenant_id == tx.tenant_id,
            CreditPoolMember.pool_id == pool_id,
            CreditPoolMember.role.in_([Role.OWNER.value, Role.ADMIN.value]),
            CreditPoolMember.status == "active",
            User.disabled_at.is_(None),
        )
        .order_by(CreditPoolMember.user_id)
    )
    return {row.user_id: row.email for row in rows}


@dataclass(frozen=True, slots=True)
class Words:
    subject: str
    lines: tuple[str, ...]
    action: str  # what the link's button says


def words(happening: Happening, pool: str, data: Mapping[str, Any]) -> Words:
    """What a mail says; `data` as it was given to `tell`."""
    lines: tuple[str, ...]
    match happening:
        case Happening.BOUGHT:
            bonus = f" and {data['bonus']} bonus credits" if data["bonus"] else ""
            subject = f"{data['credits']} credits bought automatically for {pool}"
            return Words(
                subject, (_charge(data, "was charged") + f" The credits{bonus} are in the pool now.",), "Settings"
            )
        case Happening.DECLINED:
            lines = (_charge(data, "could not be charged"), data["reason"])
            if data["retry_at"]:
                again = (
                    f"It will be tried again at {_time(data['retry_at'])} if the balance is still below the threshold."
                )
                lines = (*lines, again)
            return Words(f"An automatic purchase for {pool} was declined", lines, "Check the card")
        case Happening.PAUSED:
            tried = [_charge(data, "could not be charged")] if "card" in data else []
            lines = (*tried, data["reason"])
            return Words(f"Automatic purchases for {pool} are paused", lines, "Resume automatic purchases")
        case Happening.SWITCHED_OFF:
            lines = (f"Nothing is bought for {pool} by itself any more.", data["reason"])
            return Words(f"Automatic purchases for {pool} are switched off", lines, "Choose a card")
        case Happening.CAP_REACHED:
            lines = (
                f"{data['spent_credits']} credits for {data['spent']} {data['currency']} were bought automatically this month.",
                f"Another {data['credits']} credits for {data['total']} {data['currency']} would pass the cap of {data['cap']}.",
                f"Nothing more is bought by itself before {_time(data['month_ends_at'])}, unless you raise the cap.",
            )
            return Words(f"Automatic purchases for {pool} have reached their monthly cap", lines, "Change the cap")


def _charge(data: Mapping[str, Any], what: str) -> str:
    low = f"The balance fell below {data['threshold']} credits."
    return f"{low} {data['card']} {what}: {data['credits']} credits for {data['total']} {data['currency']}."


def _time(stored: str) -> str:
    return f"{datetime.fromisoformat(stored):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class AutoPurchaseMails:
    """Sends what `tell` has enqueued; `public_url` is where the mails' links lead."""

    database: Database
    mailer: Mailer
    public_url: str

    async def send(self, tenant_id: UUID, event_id: UUID, recipient: str) -> None:
        """Mail one event to one address. A crash after sending may send it again; it never stays unsent."""
        scope = Scope(tenant_id, ActorKind.WORKER)
        async with self.database.transaction(scope, read_only=True) as tx:
            event = await tx.row(
                select(BillingEvent.event_type, BillingEvent.data, CreditPool.id.label("pool_id"), CreditPool.name)
                .join(
                    CreditPool,
                    (CreditPool.tenant_id == BillingEvent.tenant_id) & (CreditPool.id == BillingEvent.pool_id),
                )
                .where(BillingEvent.tenant_id == tenant_id, BillingEvent.id == event_id)
            )
        if event is None:
            return
        said = words(Happening(event.event_type), event.name, event.data)
        values = {"subject": said.subject, "lines": said.lines, "action": said.action}
        await self.mailer.send(recipient, "notice", values | {"url": f"{self.public_url}/payment"})
        async with self.database.transaction(scope) as tx:
            await tx.execute(
                update(Notification)
                .where(
                    Notification.tenant_id == tenant_id,
                    Notification.dedupe_key == f"auto_purchase:{event_id}",
                    Notification.user_id.in_(
                        select(User.id).where(User.tenant_id == tenant_id, User.email == recipient)
                    ),
                )
                .values(emailed_at=func.now())
            )
