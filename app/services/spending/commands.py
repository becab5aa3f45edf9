"""What callers ask of spending, and what they get."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from app.rules.consumption import Figures, RequestType
from app.rules.errors import ErrorCode, Refusal

DEFAULT_HOLD = timedelta(minutes=10)
LONGEST_HOLD = timedelta(hours=24)
MAX_LIST = 500


class Reserve(NamedTuple):
    """Hold what a request will cost at most. `figures` are the gateway's estimate; one `request_id` is one hold, ever."""

    user_id: UUID
    request_id: UUID
    request_type: RequestType
    model_id: str
    figures: Figures
    provider_id: str | None = None
    hold_for: timedelta = DEFAULT_HOLD

    @property
    def digest(self) -> bytes:
        return digest(self.user_id, self.request_type, self.model_id, self.provider_id, self.hold_for, self.figures)


class Settle(NamedTuple):
    """Consume what a request has really used. Named by its reservation's id or its request_id."""

    reference: UUID
    figures: Figures
    latency_ms: int | None = None

    @property
    def digest(self) -> bytes:
        return digest(self.figures)


class Release(NamedTuple):
    """Give a hold back at no cost."""

    reference: UUID


@dataclass(frozen=True, slots=True)
class Expire:
    """Give back what is held beyond its time."""


Command = Reserve | Settle | Release | Expire


class Reservation(NamedTuple):
    """A hold as it stands. Credits; `settled` and `shortfall` once it is settled."""

    id: UUID
    pool_id: UUID
    user_id: UUID
    request_id: UUID
    request_type: RequestType
    model_id: str
    amount: Decimal
    status: str
    expires_at: datetime
    settled: Decimal | None = None
    content_filtering: str | None = None


class ReservationClosed(Refusal):
    """The reservation has ended in a way that does not allow this."""

    code = ErrorCode.RESERVATION_CLOSED
    message_key = "error.reservation_closed"


class NotBooked(Refusal):
    """The database would not take this item. It changed nothing; the log says why."""

    code = ErrorCode.NOT_BOOKED
    message_key = "error.not_booked"

    def __init__(self) -> None:
        super().__init__("This item could not be booked and has changed nothing. Ask the portal's operator.")


def digest(*parts: object) -> bytes:
    """What makes two requests the same."""
    return hashlib.sha256(repr(parts).encode()).digest()
