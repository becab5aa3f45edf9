"""What a handler of Stripe's events is and what it may use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from app.payments.gateway import Gateway
from app.services.purchases import Purchasing
from app.services.refunds import Refunding
from app.tenancy import Database

Event: TypeAlias = dict[str, Any]  # as Stripe sent it, its signature verified


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an event is about. Ids are as somebody wrote them on Stripe's object: rows with them may be missing."""

    tenant_id: UUID
    pool_id: UUID | None = None
    purchase_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with."""

    gateway: Gateway
    database: Database
    purchasing: Purchasing

    @property
    def refunding(self) -> Refunding:
        return Refunding(self.database, self.gateway, self.purchasing)


@dataclass(frozen=True, slots=True)
class Handler:
    """Two steps, so that a failure of the second is shown to the tenant that the first has found.

    `subject`: whom the event is about; None, and no more is done: it is not of this portal. `act`: does it, in any order with other
    events and any number of times. What either raises is kept with the event, which is tried again (ruling 21).
    """

    subject: Callable[[Event, Services], Awaitable[Subject | None]]
    act: Callable[[Event, Subject, Services], Awaitable[None]]


class NotAnswered(Exception):
    """Stripe did not say what has become of the event's object: try again."""


async def by_metadata(event: Event, _: Services) -> Subject | None:
    """The subject that the portal wrote on the event's own object: on customers, payments and whatever else it makes."""
    return subject_of(event["data"]["object"].get("metadata") or {})


def subject_of(metadata: dict[str, str]) -> Subject | None:
    """The subject in metadata of the portal's (`tenant_id`, `pool_id`, `purchase_id`); None if that is not ours."""
    try:
        return Subject(UUID(metadata["tenant_id"]), _id(metadata.get("pool_id")), _id(metadata.get("purchase_id")))
    except (KeyError, ValueError):
        return None


def _id(written: str | None) -> UUID | None:
    return UUID(written) if written else None
