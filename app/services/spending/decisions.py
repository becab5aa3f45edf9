"""What becomes of each command, one after the other, on the books of a locked pool. No I/O: the books are read before and written after.

A refusal changes nothing in the books, so one item's refusal never spoils the others.
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.rules.burn_order import Bucket, burn
from app.rules.consumption import Cost, ModelRate, RequestType, cost
from app.rules.errors import IdempotencyMismatch, NotFound
from app.rules.pool_settings import Family, PoolSettings
from app.rules.spending_gate import (
    Request,
    SpendingMember,
    SpendingPool,
    SpendLimit,
    TierCaps,
    Traffic,
    check,
    limits,
    standing,
)
from app.rules.spending_limits import ZERO, Limits, Usage, local_date, roll_over
from app.services.identifiers import new_id
from app.services.ledger import SHORTFALL_PAID
from app.services.spending.books import ApprovalBook, Books, HoldBook, MemberBook
from app.services.spending.commands import Release, Reservation, ReservationClosed, Reserve, Settle

_REQUEST_TYPES = {one.value: one for one in RequestType}


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Rates by model, and providers; a model that is not listed has the default rate."""

    rates: dict[str, ModelRate]
    providers: dict[str, str]

    def rate(self, model_id: str) -> ModelRate:
        return self.rates.get(model_id, ModelRate())

    def provider(self, model_id: str) -> str:
        return self.providers.get(model_id, "unknown")


class Decisions:
    """The decisions of one flush."""

    def __init__(self, books: Books, settings: PoolSettings, prices: PriceBook, caps: TierCaps) -> None:
        self.books = books
        self._prices = prices
        self._caps = caps
        self._settings = settings
        access = settings.access_control
        self._blocked_models = frozenset(access.blocked_models)
        self._allowed_models = None if access.allowed_models is None else frozenset(access.allowed_models)
        self._today = local_date(books.now, books.pool.time_zone)
        self._by_request = {hold.request_id: hold for hold in books.holds}
        self._by_id = {hold.id: hold for hold in books.holds}
        self._included_last = not standing(self._pool(), books.now)

    def expire(self) -> None:
        """Give back every hold that is overdue."""
        for hold in self.books.holds:
            if hold.pool_id == self.books.pool.id and hold.status == "held" and hold.expires_at <= self.books.now:
                self._give_back(hold)
                self._close(hold, "expired")
        self._pay_shortfall()

    def reserve(self, command: Reserve) -> Reservation:
        """Take a hold, if the gate lets it pass. The same request again is the same hold; another one under its id is refused."""
        earlier = self._by_request.get(command.request_id)
        if earlier is not None:
            if earlier.request_hash != command.digest or earlier.pool_id != self.books.pool.id:
                raise IdempotencyMismatch("requestId", path=("requestId",))
            return self._view(earlier)
        member = self._member(command.user_id)
        priced = cost(command.request_type, command.figures, self._prices.rate(command.model_id))
        approval = self._approval_for(command.user_id, command.model_id, priced.credits)
        approved = approval.approved_amount if approval else None
        request = Request(priced.credits, command.model_id, priced.tokens, approved)
        self._roll_traffic()
        check(request, self._spender(member), self._pool(), self._caps, self._traffic(), now=self.books.now)
        used_approval = approval.id if approval and self._needs_approval(priced) else None
        return self._view(self._hold(command, priced, member, used_approval))

    def settle(self, command: Settle, user_id: UUID | None = None) -> Reservation:
        """Consume what was used, whatever has become of the hold meanwhile, once (ruling 10)."""
        hold = self._found(command.reference, user_id)
        if hold.status == "settled":
            if hold.settlement_hash != command.digest:
                raise IdempotencyMismatch("requestId", path=("requestId",))
            return self._view(hold)
        priced = cost(_REQUEST_TYPES[hold.request_type], command.figures, self._prices.rate(hold.model_id))
        if hold.status == "held":
            self._give_back(hold)
        taken, shortfall = self._consume(priced.credits)
        first_entry = self._append_entries(taken, hold, (priced.input_tokens, priced.output_tokens))
        self._write_usage(hold, priced, taken, shortfall, first_entry, command.latency_ms)
        self._count_usage(self.books.members.get(hold.user_id), priced.credits)
        hold.settled_amount, hold.settlement_hash = priced.credits, command.digest
        self._close(hold, "settled")
        self._pay_shortfall()
        return self._view(hold)

    def release(self, command: Release, user_id: UUID | None = None) -> Reservation:
        """Give the hold back at no cost; again, or after it expired, is no error."""
        hold = self._found(command.reference, user_id)
        if hold.status == "settled":
            raise ReservationClosed("The reservation is settled; what was consumed can't be released.")
        if hold.status == "held":
            self._give_back(hold)
            self._close(hold, "released")
            self._pay_shortfall()
        return self._view(hold)

    def quote(self, command: Reserve) -> tuple[Cost, list[SpendLimit]]:
        """What the request would cost now, and every limit as it stands for it."""
        priced = cost(command.request_type, command.figures, self._prices.rate(command.model_id))
        return priced, self.limits(command.user_id, command.model_id, priced.credits, priced.tokens)

    def limits(self, user_id: UUID, model_id: str | None, credits: Decimal, tokens: int = 0) -> list[SpendLimit]:
        """Every limit as it stands for a spend by this member now, on a model or (None) apart from models."""
        member = self._member(user_id)
        approval = self._approval_for(user_id, model_id, credits)
        request = Request(credits, model_id, tokens, approval.approved_amount if approval else None)
        self._roll_traffic()
        return list(
            limits(request, self._spender(member), self._pool(), self._caps, self._traffic(), now=self.books.now)
        )

    def _found(self, reference: UUID, user_id: UUID | None) -> HoldBook:
        hold = self._by_id.get(reference) or self._by_request.get(reference)
        if hold is None or hold.pool_id != self.books.pool.id or user_id not in {None, hold.user_id}:
            raise NotFound("reservation", path=("reservationId",))
        return hold

    def _member(self, user_id: UUID) -> MemberBook:
        member = self.books.members.get(user_id)
        if member is None or member.status == "invited":
            raise NotFound("member of this pool", path=("memberId",))
        return member

    def _spender(self, member: MemberBook) -> SpendingMember:
        return SpendingMember(
            member.status == "active" and member.disabled_at is None,
            Limits(member.daily_credit_limit, member.monthly_credit_limit, member.max_cost_per_request),
            _usage(member),
            member.held_credits,
        )

    def _pool(self) -> SpendingPool:
        pool, access = self.books.pool, self._settings.access_control
        return SpendingPool(
            available=pool.available,
            included_remaining=pool.included_total - pool.included_used,
            shortfall=pool.shortfall,
            time_zone=pool.time_zone,
            subscription_status=pool.subscription_status,
            past_due_since=pool.past_due_since,
            approval_required_above=access.approval_required_above,
            blocked_models=self._blocked_models,
            allowed_models=self._allowed_models,
        )

    def _traffic(self) -> Traffic:
        pool = self.books.pool
        return Traffic(
            models_this_month=self.books.models_this_month,
            requests_today=pool.requests_today,
            concurrent=pool.held_count,
            requests_this_minute=pool.requests_this_minute,
            tokens_this_minute=pool.tokens_this_minute,
        )

    def _roll_traffic(self) -> None:
        """Counters of an earlier day or minute count no more."""
        pool, minute = self.books.pool, self.books.now.replace(second=0, microsecond=0)
        if pool.traffic_day != self._today:
            pool.traffic_day, pool.requests_today = self._today, 0
        if pool.traffic_minute != minute:
            pool.traffic_minute, pool.requests_this_minute, pool.tokens_this_minute = minute, 0, 0

    def _needs_approval(self, priced: Cost) -> bool:
        threshold = self._settings.access_control.approval_required_above
        return threshold is not None and priced.credits > threshold

    def _approval_for(self, user_id: UUID, model_id: str | None, credits: Decimal) -> ApprovalBook | None:
        """The smallest approval that covers the request: it lets exactly one hold through (ruling 16)."""
        usable = (
            one
            for one in self.books.approvals
            if one.user_id == user_id
            and one.id not in self.books.used_approvals
            and one.approved_amount >= credits
            and one.model_id == model_id
        )
        return next(usable, None)

    def _hold(self, command: Reserve, priced: Cost, member: MemberBook, approval_id: UUID | None) -> HoldBook:
        pool = self.books.pool
        hold = HoldBook(
            id=new_id(),
            pool_id=pool.id,
            user_id=command.user_id,
            request_id=command.request_id,
            request_hash=command.digest,
            amount=priced.credits,
            settled_amount=None,
            settlement_hash=None,
            status="held",
            model_id=command.model_id,
            provider_id=command.provider_id or self._prices.provider(command.model_id),
            request_type=command.request_type.value,
            expires_at=self.books.now + command.hold_for,
            approval_request_id=approval_id,
        )
        pool.available -= priced.credits
        pool.reserved += priced.credits
        pool.held_count += 1
        pool.requests_today += 1
        pool.requests_this_minute += 1
        pool.tokens_this_minute += priced.tokens
        member.held_credits += priced.credits
        self._touch(member)
        if approval_id is not None:
            self.books.used_approvals.append(approval_id)
        self.books.opened.append(hold)
        self.books.models_this_month.add(hold.model_id)
        self._by_request[hold.request_id] = self._by_id[hold.id] = hold
        return hold

    def _give_back(self, hold: HoldBook) -> None:
        pool, member = self.books.pool, self.books.members.get(hold.user_id)
        pool.reserved -= hold.amount
        pool.available += hold.amount
        pool.held_count -= 1
        if member is not None:  # who has left the pool since is counted no more
            # Whoever has left and come back since has nothing held any more; that must not stop the pool.
            member.held_credits = max(member.held_credits - hold.amount, ZERO)
            self._touch(member)

    def _close(self, hold: HoldBook, status: str) -> None:
        """The hold's end. One that was opened in this very flush is written first and closed after: both statements run."""
        hold.status = status
        self.books.closed[hold.id] = hold

    def _consume(self, credits: Decimal) -> tuple[dict[Bucket, Decimal], Decimal]:
        """Take credits from the buckets, never more than is available; the rest is the shortfall, which the pool owes."""
        taken = self._burn(min(credits, self.books.pool.available))
        shortfall = credits - sum(taken.values(), ZERO)
        self.books.pool.shortfall += shortfall
        return taken, shortfall

    def _pay_shortfall(self) -> None:
        """What comes back into a pool that owes pays that first, as new credits do (ruling 10): who owes has nothing available."""
        pool = self.books.pool
        owed = min(pool.shortfall, pool.available) if pool.shortfall else ZERO
        if owed > 0:
            pool.shortfall -= owed
            self._append_entries(self._burn(owed), description=SHORTFALL_PAID)

    def _burn(self, payable: Decimal) -> dict[Bucket, Decimal]:
        """Take what is available from the buckets in their order."""
        pool = self.books.pool
        remaining = {
            Bucket.INCLUDED: pool.included_total - pool.included_used,
            Bucket.BONUS: pool.bonus_remaining,
            Bucket.PURCHASED: pool.purchased_remaining,
        }
        taken, _ = burn(payable, remaining, included_last=self._included_last)
        pool.included_used += taken.get(Bucket.INCLUDED, ZERO)
        pool.bonus_remaining -= taken.get(Bucket.BONUS, ZERO)
        pool.purchased_remaining -= taken.get(Bucket.PURCHASED, ZERO)
        pool.available -= payable
        return taken

    def _append_entries(
        self,
        taken: dict[Bucket, Decimal],
        hold: HoldBook | None = None,
        tokens: tuple[int | None, int | None] = (None, None),
        description: str | None = None,
    ) -> UUID | None:
        """One entry a bucket (ruling 8); the tokens stand on the first. Its id, or None if nothing could be taken."""
        pool, first = self.books.pool, None
        user_id, model_id, request_id = (hold.user_id, hold.model_id, hold.request_id) if hold else (None, None, None)
        balance = pool.available + pool.reserved + sum(taken.values(), ZERO)
        for bucket, share in taken.items():
            balance -= share
            pool.sequence += 1
            entry_id = new_id()
            read, written = tokens if first is None else (None, None)
            first = first or entry_id
            what = (user_id, -share, balance, bucket.value, model_id, request_id, read, written, description)
            self.books.entries.append((entry_id, pool.sequence, *what))
        return first

    def _write_usage(  # noqa: PLR0917  one row, all of it
        self,
        hold: HoldBook,
        priced: Cost,
        taken: dict[Bucket, Decimal],
        shortfall: Decimal,
        entry_id: UUID | None,
        latency_ms: int | None,
    ) -> None:
        self.books.models_this_month.add(hold.model_id)
        self.books.usage.append(
            (
                hold.user_id,
                entry_id,
                hold.request_id,
                hold.request_type,
                hold.model_id,
                hold.provider_id,
                priced.input_tokens,
                priced.output_tokens,
                priced.cached_tokens,
                priced.credits,
                priced.multiplier,
                taken.get(Bucket.INCLUDED, ZERO),
                taken.get(Bucket.BONUS, ZERO),
                taken.get(Bucket.PURCHASED, ZERO),
                shortfall,
                latency_ms,
            )
        )

    def _touch(self, member: MemberBook) -> None:
        """Roll the member's counters to today; they will be written."""
        member.changed = True
        if member.usage_on == self._today:
            return
        used = roll_over(_usage(member), self._today)
        member.usage_on = self._today
        member.usage_today, member.usage_this_week, member.usage_this_month = (
            used.today,
            used.this_week,
            used.this_month,
        )

    def _count_usage(self, member: MemberBook | None, credits: Decimal) -> None:
        if member is None:
            return
        self._touch(member)
        member.usage_today += credits
        member.usage_this_week += credits
        member.usage_this_month += credits
        member.usage_all_time += credits
        member.used_at = self.books.now

    def _view(self, hold: HoldBook) -> Reservation:
        return as_reservation(hold, self._settings.family)


def as_reservation(hold: HoldBook, family: Family | None) -> Reservation:
    """A hold as its caller sees it."""
    return Reservation(
        id=hold.id,
        pool_id=hold.pool_id,
        user_id=hold.user_id,
        request_id=hold.request_id,
        request_type=_REQUEST_TYPES[hold.request_type],
        model_id=hold.model_id,
        amount=hold.amount,
        status=hold.status,
        expires_at=hold.expires_at,
        settled=hold.settled_amount,
        content_filtering=_filtering(family, hold.user_id) if family else None,
    )


def _filtering(family: Family, user_id: UUID) -> str:
    """What the AI gateway is to filter (ruling 16): the family's setting for underage members, while parental controls are on."""
    if not family.parental_controls:
        return "off"
    return family.content_filtering.value if user_id in family.underage_members else "off"


def _usage(member: MemberBook) -> Usage:
    return Usage(
        member.usage_today, member.usage_this_week, member.usage_this_month, member.usage_all_time, member.usage_on
    )
