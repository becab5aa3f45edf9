"""What spending ought to do, as a plain Python model of one tenant: no database, no clock, no sharing of code with what it checks."""

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

ZERO = Decimal(0)
BUCKETS = ("included", "bonus", "purchased")


@dataclass
class Hold:
    who: str
    amount: Decimal
    status: str = "held"
    settled: Decimal | None = None


@dataclass
class Member:
    daily_limit: Decimal | None = None
    suspended: bool = False
    held: Decimal = ZERO
    used: Decimal = ZERO


@dataclass
class Purchase:
    """Sold for `cents`; what went back of them, by whatever refund or dispute, and the millionths of a credit that followed."""

    credits: Decimal
    bonus: Decimal
    cents: int
    refunds: dict[str, int] = field(default_factory=dict)
    disputes: dict[str, int] = field(default_factory=dict)
    taken: tuple[Decimal, Decimal] = (ZERO, ZERO)

    def due(self) -> tuple[Decimal, Decimal]:
        back = min(sum(self.refunds.values()) + sum(self.disputes.values()), self.cents)
        return _part(self.credits, back, self.cents), _part(self.bonus, back, self.cents)


def _part(whole: Decimal, cents: int, of: int) -> Decimal:
    """A share, half up to a millionth, in whole numbers."""
    millionths = int(whole * 1_000_000)
    return Decimal((2 * millionths * cents + of) // (2 * of)) / 1_000_000


@dataclass
class Pool:
    """One pool. Credits."""

    left: dict[str, Decimal]
    members: dict[str, Member]
    holds: dict[UUID, Hold] = field(default_factory=dict)
    purchases: dict[UUID, Purchase] = field(default_factory=dict)
    reserved: Decimal = ZERO
    shortfall: Decimal = ZERO

    @property
    def available(self) -> Decimal:
        return sum(self.left.values(), ZERO) - self.reserved

    def reserve(self, request_id: UUID, who: str, amount: Decimal) -> str:
        """The status of the hold, or the code of the refusal."""
        earlier, member = self.holds.get(request_id), self.members[who]
        if earlier is not None:
            return earlier.status if (earlier.who, earlier.amount) == (who, amount) else "IDEMPOTENCY_MISMATCH"
        if member.suspended:
            return "MEMBER_SUSPENDED"
        if self.shortfall:
            return "SHORTFALL"
        if member.daily_limit is not None and member.used + member.held + amount > member.daily_limit:
            return "DAILY_LIMIT"
        if amount > self.available:
            return "INSUFFICIENT_CREDITS"
        self.holds[request_id] = Hold(who, amount)
        self.reserved += amount
        member.held += amount
        return "held"

    def settle(self, request_id: UUID, amount: Decimal) -> str:
        hold = self.holds.get(request_id)
        if hold is None:
            return "NOT_FOUND"
        if hold.status == "settled":
            return "settled" if hold.settled == amount else "IDEMPOTENCY_MISMATCH"
        self._end(hold, "settled")
        hold.settled = amount
        self.members[hold.who].used += amount
        self.shortfall += amount - self.take(min(amount, self.available))
        self.pay()
        return "settled"

    def release(self, request_id: UUID) -> str:
        hold = self.holds.get(request_id)
        if hold is None:
            return "NOT_FOUND"
        if hold.status == "settled":
            return "RESERVATION_CLOSED"
        if hold.status == "held":
            self._end(hold, "released")
            self.pay()
        return hold.status

    def expire(self, request_id: UUID) -> None:
        self._end(self.holds[request_id], "expired")
        self.pay()

    def add(self, bucket: str, amount: Decimal) -> bool:
        """Credits come (or, below zero, go, unless they are held or not there)."""
        if self.left[bucket] + amount < 0 or self.available + amount < 0:
            return False
        self.left[bucket] += amount
        self.pay()
        return True

    def money_went(self, purchase: Purchase) -> None:
        """The refunds or disputes of a purchase have changed: its credits go, or come back."""
        due = purchase.due()
        for bucket, now, before in zip(("purchased", "bonus"), due, purchase.taken, strict=True):
            going = now - before
            can = min(going, self.left[bucket], self.available) if going > 0 else going
            self.left[bucket] -= can
            self.shortfall += going - can
        purchase.taken = due
        self.pay()

    def transfer(self, other: "Pool", amount: Decimal) -> bool:
        purchased = min(amount, self.left["purchased"])
        bonus = amount - purchased
        if bonus > self.left["bonus"] or amount > self.available:
            return False
        for bucket, share in (("purchased", purchased), ("bonus", bonus)):
            self.left[bucket] -= share
            other.left[bucket] += share
        other.pay()
        return True

    def begin_month(self, granted: Decimal) -> None:
        self.left["included"] -= min(self.left["included"], self.available)
        self.left["included"] += granted
        self.pay()

    def take(self, amount: Decimal) -> Decimal:
        rest = amount
        for bucket in BUCKETS:
            share = min(rest, self.left[bucket])
            self.left[bucket] -= share
            rest -= share
        assert rest == 0
        return amount

    def pay(self) -> None:
        self.shortfall -= self.take(min(self.shortfall, self.available))

    def _end(self, hold: Hold, status: str) -> None:
        if hold.status == "held":
            self.reserved -= hold.amount
            self.members[hold.who].held -= hold.amount
        hold.status = status
