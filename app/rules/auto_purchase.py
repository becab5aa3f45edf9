"""Automatic purchases: what may be set, when one is due, and what the end of one means for the next (section 43.4, ruling 23).

Credits are Decimal with 6 places, money whole cents, times aware. Months are the pool's own, in its time zone (ruling 13).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.rules.errors import Invalid
from app.rules.money import quoted, units
from app.rules.pool_settings import check_recipients
from app.rules.pricing import Price, check_quantity
from app.rules.spending_limits import ZERO, check_amount

BACKOFF = (
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)  # after the first, second, third decline in a row
LARGEST_CAP_CENTS = 100_000_000
PATH = ("patch", "autoPurchase")


class Stop(StrEnum):
    """Why it stands still until a person resumes it."""

    AUTHENTICATION_REQUIRED = "authentication_required"
    DECLINED = "declined"
    PAYMENT_METHOD_MISSING = "payment_method_missing"
    DISPUTED = "disputed"


class State(StrEnum):
    """What a person sees. PAUSED: still wanted, but somebody must act; OFF with a stop: switched off by the portal."""

    OFF = "off"
    ON = "on"
    BUYING = "buying"
    WAITING = "waiting"
    PAUSED = "paused"
    CAP_REACHED = "cap_reached"


class Verdict(StrEnum):
    """What is to be done now."""

    BUY = "buy"
    OFF = "off"
    IN_FLIGHT = "in_flight"
    WAIT = "wait"
    ENOUGH = "enough"
    CAP_REACHED = "cap_reached"


@dataclass(frozen=True, slots=True)
class Plan:
    """What people have set; the defaults are those of section 43.4. A month buys up to both caps; None: no cap of that kind."""

    enabled: bool = False
    threshold: Decimal = Decimal(1)
    quantity: Decimal = Decimal(10)
    cap_credits: Decimal | None = None
    cap_cents: int | None = None
    payment_method_id: str | None = None
    notify: bool = True
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What has come of it: bought in the month before `month_ends_at` (without bonus), declines in a row, why it waits or stands."""

    purchases: int = 0
    credits: Decimal = ZERO
    cents: int = 0
    month_ends_at: datetime | None = None
    bought_at: datetime | None = None
    failures: int = 0
    retry_after: datetime | None = None
    stop: Stop | None = None
    stopped_at: datetime | None = None
    cap_reached_at: datetime | None = None


def crossed(available: Decimal, below: Decimal | None) -> bool:
    """Whether what is available has fallen below the level that a pool is armed at; None: it is not armed. Equality is enough."""
    return below is not None and available < below


def month_end(now: datetime, time_zone: str) -> datetime:
    """The first instant of the next month in the zone, in UTC; where the clocks skip midnight, the first instant there is."""
    local = now.astimezone(ZoneInfo(time_zone))
    year, month = (local.year, local.month + 1) if local.month < 12 else (local.year + 1, 1)
    return datetime(year, month, 1, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def roll_over(standing: Standing, now: datetime, time_zone: str) -> Standing:
    """The counters as they read now: what belongs to an earlier month counts no more, and its cap binds no more."""
    if standing.month_ends_at is not None and now < standing.month_ends_at:
        return standing
    ends = month_end(now, time_zone)
    return replace(standing, purchases=0, credits=ZERO, cents=0, month_ends_at=ends, cap_reached_at=None)


def decide(
    plan: Plan, standing: Standing, *, available: Decimal, in_flight: bool, price: Price, now: datetime
) -> Verdict:
    """What is to be done now, `standing` rolled over. What is in flight ends before another is decided, so the caps count all."""
    if not plan.enabled or standing.stop is not None:
        return Verdict.OFF
    if in_flight:
        return Verdict.IN_FLIGHT
    if standing.retry_after is not None and now < standing.retry_after:
        return Verdict.WAIT
    if not crossed(available, plan.threshold):
        return Verdict.ENOUGH
    return Verdict.BUY if within_caps(plan, standing, price) else Verdict.CAP_REACHED


def within_caps(plan: Plan, standing: Standing, price: Price) -> bool:
    """Whether the month's caps allow one more purchase; equality is allowed."""
    credits_fit = plan.cap_credits is None or standing.credits + price.credits <= plan.cap_credits
    return credits_fit and (plan.cap_cents is None or standing.cents + price.total_cents <= plan.cap_cents)


def armed_below(plan: Plan, standing: Standing, *, in_flight: bool) -> Decimal | None:
    """The level that debits are held against; None while nothing may be triggered."""
    waits = standing.stop or standing.retry_after or standing.cap_reached_at
    return None if not plan.enabled or waits or in_flight else plan.threshold


def state(plan: Plan, standing: Standing, *, in_flight: bool) -> State:
    """The one word for all of it, `standing` rolled over."""
    if not plan.enabled:
        return State.OFF
    if standing.stop is not None:
        return State.PAUSED
    if in_flight:
        return State.BUYING
    if standing.retry_after is not None:
        return State.WAITING
    return State.CAP_REACHED if standing.cap_reached_at is not None else State.ON


def after_completion(standing: Standing, *, credits: Decimal, cents: int, now: datetime) -> Standing:
    """One more bought in this month, `standing` rolled over; declines before it count no more."""
    return replace(
        standing,
        purchases=standing.purchases + 1,
        credits=standing.credits + credits,
        cents=standing.cents + cents,
        bought_at=now,
        failures=0,
        retry_after=None,
    )


def after_failure(plan: Plan, standing: Standing, code: str, now: datetime) -> tuple[Plan, Standing]:
    """A bank that wants its customer pauses it at once; a card that is gone, and the fourth decline in a row, switch it off."""
    failed = replace(standing, failures=standing.failures + 1, retry_after=None)
    if code == Stop.AUTHENTICATION_REQUIRED:
        return plan, replace(failed, stop=Stop.AUTHENTICATION_REQUIRED, stopped_at=now)
    if code == Stop.PAYMENT_METHOD_MISSING:
        return replace(plan, enabled=False), replace(failed, stop=Stop.PAYMENT_METHOD_MISSING, stopped_at=now)
    if failed.failures > len(BACKOFF):
        return replace(plan, enabled=False), replace(failed, stop=Stop.DECLINED, stopped_at=now)
    return plan, replace(failed, retry_after=now + BACKOFF[failed.failures - 1])


def after_dispute(plan: Plan, standing: Standing, now: datetime) -> Standing:
    """Who disputes a payment is charged nothing by itself until a person resumes it."""
    if not plan.enabled or standing.stop is not None:
        return standing
    return replace(standing, stop=Stop.DISPUTED, stopped_at=now, retry_after=None)


def after_change(before: Plan, after: Plan, standing: Standing, *, switched_on: bool) -> Standing:
    """Switching on, or another card, begins anew; a cap that was reached binds no more once it, or the quantity, is another."""
    if after.enabled and (switched_on or after.payment_method_id != before.payment_method_id):
        standing = replace(standing, failures=0, retry_after=None, stop=None, stopped_at=None)
    same = (after.quantity, after.cap_credits, after.cap_cents) == (
        before.quantity,
        before.cap_credits,
        before.cap_cents,
    )
    return standing if same else replace(standing, cap_reached_at=None)


_ADVICE = {
    Stop.AUTHENTICATION_REQUIRED: "Your bank wants you to confirm payments with this card yourself. Buy credits once and complete the "
    "bank's step, or choose another card; then resume automatic purchases.",
    Stop.DECLINED: "The bank declined the card four times in a row. Choose another card, or settle it with your bank; then switch "
    "automatic purchases on again.",
    Stop.PAYMENT_METHOD_MISSING: "The card is no longer among this pool's payment methods. Choose another one; then switch automatic "
    "purchases on again.",
    Stop.DISPUTED: "A payment for credits is disputed at the bank. Nothing more is charged without you: settle it with whoever holds the "
    "card, then resume automatic purchases.",
}


def advice(stop: Stop) -> str:
    """Why it stands still, and what a person can do about it."""
    return _ADVICE[stop]


def check(plan: Plan, price: Price) -> None:
    """A plan that may be stored; `price` is what one purchase of its quantity costs now. Raises Invalid, naming the field."""
    check_amount(plan.threshold, path=(*PATH, "thresholdCredits"))
    if plan.threshold == 0:
        raise Invalid(
            "thresholdCredits must be above 0: a balance is never below 0, so nothing would ever be bought.",
            path=(*PATH, "thresholdCredits"),
            reason="threshold",
        )
    check_recipients(plan.recipients, path=(*PATH, "recipients"))
    _check_caps(plan, price)
    if not plan.enabled:
        return
    if plan.payment_method_id is None:
        raise Invalid(
            "Automatic purchases need a payment method: name one of the pool's cards in paymentMethodId.",
            path=(*PATH, "paymentMethodId"),
            reason="payment_method_needed",
        )
    if plan.cap_credits is None and plan.cap_cents is None:
        raise Invalid(
            "Automatic purchases need a monthly cap: set monthlyCap (money), monthlyCapCredits, or both.",
            path=(*PATH, "monthlyCap"),
            reason="cap_needed",
        )


def checked_quantity(quantity: Decimal) -> Decimal:
    """What one purchase buys: as any purchase, 1 to 10,000 credits in steps of 0.01. Raises Invalid."""
    try:
        return check_quantity(quantity)
    except Invalid as refusal:
        message = refusal.message.replace("credits", "purchaseCredits", 1)
        raise Invalid(message, path=(*PATH, "purchaseCredits"), reason="quantity") from None


def cap_cents(amount: Decimal) -> int:
    """A cap as a person writes it ('250.00') in cents. Raises Invalid."""
    largest = units(LARGEST_CAP_CENTS)
    if not amount.is_finite() or not 0 < amount <= largest or amount != amount.quantize(Decimal("0.01")):
        raise Invalid(
            f"monthlyCap must be an amount from 0.01 to {largest:,} with at most 2 decimal places; {quoted(amount)} is not.",
            path=(*PATH, "monthlyCap"),
            reason="cap",
        )
    return int(amount.scaleb(2))


def _check_caps(plan: Plan, price: Price) -> None:
    """A cap below one purchase would never buy anything: that is a mistake, not a wish."""
    if plan.cap_credits is not None:
        check_amount(plan.cap_credits, path=(*PATH, "monthlyCapCredits"))
        if plan.cap_credits < plan.quantity:
            raise Invalid(
                f"A monthly cap of {plan.cap_credits:f} credits is below one purchase of {plan.quantity:f}: nothing would "
                "ever be bought. Raise monthlyCapCredits or lower purchaseCredits.",
                path=(*PATH, "monthlyCapCredits"),
                reason="cap_below_purchase",
            )
    if plan.cap_cents is not None and plan.cap_cents < price.total_cents:
        raise Invalid(
            f"A monthly cap of {units(plan.cap_cents)} is below the price of one purchase of {plan.quantity:f} credits, "
            f"{units(price.total_cents)}: nothing would ever be bought. Raise monthlyCap or lower purchaseCredits.",
            path=(*PATH, "monthlyCap"),
            reason="cap_below_purchase",
        )
