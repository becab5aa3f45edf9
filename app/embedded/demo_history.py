"""The demo's past: what each tenant was granted, bought and used, day by day, with the portal's own rules for prices and burn order.

The same tenant and the same `now` give the same history. Days have the rhythm of their people, in their pool's time zone; nobody
passes a limit of theirs, and when the balance gets low the owner buys credits.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import exp
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.embedded.demo_tenants import DemoTenant, Member
from app.rules.burn_order import Bucket, burn
from app.rules.catalogue import MODEL_PRICES, PRICE_BANDS, TIERS
from app.rules.money import round_credits
from app.rules.pricing import Band, Price, price
from app.rules.spending_limits import local_date, week_start
from app.rules.tiers import included_credits

BANDS = [Band(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents) for one in PRICE_BANDS]
PROVIDERS = {one.model_id: one.provider_id for one in MODEL_PRICES}
TEXT_MODELS = ("claude-sonnet-4-5", "gpt-5", "claude-haiku-4-5", "gemini-2.5-flash", "gpt-5-mini", "claude-opus-4-1")
TEXT_WEIGHTS = (30, 20, 18, 14, 12, 6)
OTHER_REQUESTS = (  # model, request type, credits of the smallest unit, units at most (section 43.3, consumption)
    ("gpt-image-1", "image", Decimal("0.02"), 2),
    ("gpt-image-1", "image_hd", Decimal("0.04"), 1),
    ("whisper-1", "transcription", Decimal("0.01"), 8),
    ("tts-1", "speech", Decimal("0.00001"), 3000),
)
LOW = Decimal("0.1")  # of the monthly included credits: then the owner buys

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    at: datetime
    member: Member
    model: str
    kind: str
    cost: Decimal
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    latency_ms: int = 0


@dataclass(slots=True)
class Spent:
    """One member's usage counters, in credits, with the pool-local date that they belong to (ruling 13)."""

    on: date | None = None
    today: Decimal = Decimal(0)
    week: Decimal = Decimal(0)
    month: Decimal = Decimal(0)
    all_time: Decimal = Decimal(0)
    last_at: datetime | None = None

    def roll(self, day: date) -> None:
        """Begin a new day, week or month where `day` is in one."""
        if self.on is not None and day != self.on:
            self.today = Decimal(0)
            self.week = self.week if week_start(day) == week_start(self.on) else Decimal(0)
            self.month = self.month if (day.year, day.month) == (self.on.year, self.on.month) else Decimal(0)
        self.on = day

    def add(self, cost: Decimal, at: datetime) -> None:
        self.today += cost
        self.week += cost
        self.month += cost
        self.all_time += cost
        self.last_at = at


@dataclass(slots=True)
class History:
    """Everything that happened in one pool, as rows, and what it came to. Amounts in credits."""

    tenant: DemoTenant
    random: Random
    period_start: datetime
    period_end: datetime
    remaining: dict[Bucket, Decimal] = field(default_factory=lambda: dict.fromkeys(Bucket, Decimal(0)))
    included_total: Decimal = Decimal(0)
    purchased_total: Decimal = Decimal(0)
    bonus_total: Decimal = Decimal(0)
    last_purchase_at: datetime | None = None
    ledger: list[Row] = field(default_factory=list)
    usage: list[Row] = field(default_factory=list)
    purchases: list[tuple[UUID, Price, datetime]] = field(default_factory=list)
    spent: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))

    @property
    def balance(self) -> Decimal:
        return sum(self.remaining.values(), Decimal(0))

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def enter(self, at: datetime, kind: str, bucket: Bucket, amount: Decimal, **values: Any) -> UUID:
        """One ledger entry: numbered, with the balance after it."""
        self.remaining[bucket] += amount
        entry = self.new_id()
        self.ledger.append(
            {
                "id": entry,
                "sequence": len(self.ledger) + 1,
                "transaction_type": kind,
                "source_type": bucket.value,
                "amount": amount,
                "balance_after": self.balance,
                "created_at": at,
                **values,
            }
        )
        return entry


def simulate(tenant: DemoTenant, now: datetime) -> History:
    """The history of a tenant from its beginning up to `now` (aware)."""
    start = (now - timedelta(days=tenant.days)).replace(hour=9, minute=0, second=0, microsecond=0)
    history = History(tenant, Random(tenant.key), start, start)  # noqa: S311 - invented usage, nothing secret
    requests = sorted(_requests(tenant, history.random, start, now), key=lambda one: one.at)
    months = 0
    for request in [*requests, None]:
        while (reset := add_months(start, months)) <= (request.at if request else now):
            _begin_month(history, reset, add_months(start, months + 1))
            months += 1
        if request is not None:
            _spend(history, request)
    return history


def add_months(start: datetime, months: int) -> datetime:
    """The same day `months` later; the 31st becomes a short month's last day (ruling 6)."""
    year, month = divmod(start.month - 1 + months, 12)
    first = start.replace(year=start.year + year, month=month + 1, day=1)
    last_day = ((first + timedelta(days=32)).replace(day=1) - timedelta(days=1)).day
    return first.replace(day=min(start.day, last_day))


def _begin_month(history: History, at: datetime, end: datetime) -> None:
    """The unused rest of the included credits leaves, the new month's come (ruling 6)."""
    rest = history.remaining[Bucket.INCLUDED]
    if rest:
        history.enter(at, "expiration", Bucket.INCLUDED, -rest, description="Unused included credits")
    tier = TIERS[history.tenant.tier]
    granted = included_credits(tier, len(history.tenant.members))
    history.enter(
        at, "subscription_grant", Bucket.INCLUDED, granted, description=f"Included credits of {tier.display_name}"
    )
    history.included_total, history.period_start, history.period_end = granted, at, end


def _spend(history: History, request: Request) -> None:
    """One request, if limits and balance allow it: usage, ledger entries a bucket, the member's counters."""
    tenant, member = history.tenant, request.member
    spent = history.spent[member.key]
    spent.roll(local_date(request.at, tenant.time_zone))
    if tenant.top_up and history.balance < LOW * history.included_total:
        _buy(history, tenant.top_up, request.at - timedelta(seconds=40))
    limits = ((member.daily, spent.today), (member.monthly, spent.month), (member.per_request, Decimal(0)))
    over = any(limit is not None and used + request.cost > limit for limit, used in limits)
    blocked = request.model in tenant.settings.access_control.blocked_models
    if over or blocked or request.cost > history.balance or request.cost <= 0:
        return
    taken, _ = burn(request.cost, history.remaining)
    request_id = history.new_id()
    about = {
        "user_id": tenant.user_id(member),
        "request_id": request_id,
        "model_id": request.model,
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
    }
    entries = [history.enter(request.at, "consumption", bucket, -share, **about) for bucket, share in taken.items()]
    history.usage.append(
        {
            "id": history.new_id(),
            **about,
            "transaction_id": entries[0],
            "request_type": request.kind,
            "provider_id": PROVIDERS[request.model],
            "cached_tokens": request.cached_tokens,
            "credits_consumed": request.cost,
            "credits_from_included": taken.get(Bucket.INCLUDED, Decimal(0)),
            "credits_from_bonus": taken.get(Bucket.BONUS, Decimal(0)),
            "credits_from_purchased": taken.get(Bucket.PURCHASED, Decimal(0)),
            "latency_ms": request.latency_ms,
            "created_at": request.at,
        }
    )
    spent.add(request.cost, request.at)


def _buy(history: History, quantity: Decimal, at: datetime) -> None:
    bought, purchase = price(quantity, BANDS), history.new_id()
    buyer = history.tenant.user_id(history.tenant.owner)
    about = {"user_id": buyer, "source_id": str(purchase)}
    paid = {"payment_amount_cents": bought.total_cents, "payment_currency": "USD"}
    history.enter(at, "purchase", Bucket.PURCHASED, quantity, description="Purchase of credits", **about, **paid)
    if bought.bonus_credits:
        history.enter(
            at, "bonus_grant", Bucket.BONUS, bought.bonus_credits, description="Bonus of the purchase", **about
        )
    history.purchases.append((purchase, bought, at))
    history.purchased_total += quantity
    history.bonus_total += bought.bonus_credits
    history.last_purchase_at = at


def _requests(tenant: DemoTenant, random: Random, start: datetime, now: datetime) -> Iterator[Request]:
    zone = ZoneInfo(tenant.time_zone)
    for number in range(tenant.days + 2):
        day = start.astimezone(zone).date() + timedelta(days=number)
        for member in tenant.members:
            habit = member.habit
            mean = habit.weekend if day.weekday() >= 5 else habit.weekday
            for _ in range(_poisson(random, mean)):
                at = _moment(random, day, habit.hours, zone)
                if start < at < now:
                    yield _request(random, member, at)


def _poisson(random: Random, mean: float) -> int:
    """How many of rare, independent events happen (Knuth)."""
    limit, product, count = exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


def _moment(random: Random, day: date, hours: tuple[int, int], zone: ZoneInfo) -> datetime:
    """A moment of the day, likeliest in the middle of the hours."""
    first, last = hours
    seconds = int(random.betavariate(2, 2) * (last - first) * 3600)
    begin = datetime.combine(day, time(first), zone)
    return (begin + timedelta(seconds=seconds)).astimezone(UTC)


def _request(random: Random, member: Member, at: datetime) -> Request:
    latency = int(random.lognormvariate(7.2, 0.5))
    if random.random() < 0.12:
        model, kind, unit, most = random.choice(OTHER_REQUESTS)
        return Request(
            at, member, model, kind, round_credits(unit * random.randint(max(1, most // 3), most)), latency_ms=latency
        )
    model = random.choices(TEXT_MODELS, TEXT_WEIGHTS)[0]
    prompt = max(20, int(random.lognormvariate(8.6, 0.9) * member.habit.size))
    answer = max(10, int(random.lognormvariate(7.0, 0.8) * member.habit.size))
    cost = round_credits(Decimal(prompt) / 1_000_000 + Decimal(answer) / 250_000)  # ruling 3, multiplier 1.0
    cached = int(prompt * 0.6) if random.random() < 0.3 else 0
    return Request(at, member, model, "text", cost, prompt, answer, cached, latency)
