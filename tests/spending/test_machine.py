"""Random histories of a tenant with two pools: the database says what the plain model says, and the audit is clean after every step.

PORTAL_TEST_EXAMPLES: how many histories (100; `make test-deep`: 2,000). PORTAL_TEST_SEED repeats those of a seed that was printed.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid5

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.auth.actor import ServicePrincipal
from app.rules.burn_order import Bucket
from app.rules.errors import InsufficientLedger, Refusal
from app.services.catalogue import CatalogueCache
from app.services.grants import adjust, reset_month, transfer
from app.services.ledger import Entry, EntryKind, lock_pool, post
from app.services.ledger_audit import audit
from app.services.spending.commands import Release, Settle
from app.services.spending.service import Spending
from app.tenancy import Database
from tests.conftest import Urls
from tests.factories import Household, make_household
from tests.spending.model import Hold, Member, Pool, Purchase
from tests.spending.till import Till, worth

EXAMPLES = int(os.environ.get("PORTAL_TEST_EXAMPLES", "100"))
STEPS = 15
CORNERS = (
    "held", "settled", "released", "expired", "NOT_FOUND", "IDEMPOTENCY_MISMATCH", "RESERVATION_CLOSED", "MEMBER_SUSPENDED", "SHORTFALL",
    "DAILY_LIMIT", "INSUFFICIENT_CREDITS", "refund", "refund failed", "owing after money went", "disputed", "dispute won",
)  # fmt: skip
SOLD = (("1", "0", 1), ("1.5", "0.1", 97), ("2", "0.333333", 3), ("5", "0.5", 4999))  # credits, bonus, cents
PEOPLE = ("olivia", "mia", "rosa")

AMOUNTS = tuple(
    map(Decimal, ("0.000001", "0.3", "0.7", "1", "1.5", "2", "3.000001", "5"))
)  # about as large as the balances
amounts = st.sampled_from(AMOUNTS)
pools = st.integers(0, 1)
people = st.sampled_from(PEOPLE)
chances = st.integers(0, 2**32 - 1).map(random.Random)


def commands(chance: random.Random, model: Pool, pool_id: UUID) -> Iterator[tuple[str, UUID, str, Decimal]]:
    """A list of commands as a busy gateway sends them: mostly about holds that there are, now and then about anything."""
    known = list(model.holds)
    for _ in range(chance.randint(1, 25)):
        (verb,) = chance.choices(("reserve", "settle", "release"), (5, 4, 2))
        who, amount = chance.choice(PEOPLE), chance.choice(AMOUNTS)
        new = uuid5(pool_id, str(chance.randrange(1000)))
        request_id = chance.choice(known) if known and chance.random() < (0.15 if verb == "reserve" else 0.9) else new
        hold = model.holds.get(request_id)
        if hold is not None and chance.random() < 0.5:  # the very same again, or what was estimated
            who, amount = hold.who, hold.settled or hold.amount
        known.append(request_id)
        yield verb, request_id, who, amount


class World:
    """The real thing: one process's service on a database, and a loop of its own to run it on."""

    def __init__(self, urls: Urls) -> None:
        self.runner = asyncio.Runner()
        self.urls = urls
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.database = Database(self.urls.app, pool_size=4)
        self.catalogue = CatalogueCache(self.database)
        self.spending = Spending(self.database, self.catalogue)
        self.inspector = await asyncpg.connect(self.urls.superuser.replace("+asyncpg", ""))

    async def _close(self) -> None:
        await self.inspector.close()
        await self.database.close()

    def close(self) -> None:
        self.runner.run(self._close())
        self.runner.close()

    async def household(self) -> tuple[Household, list[UUID], ServicePrincipal]:
        """A tenant with two pools of the same three people, at noon by their clocks: no day ends within a history."""
        noon = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
        made = await make_household(self.database, tier="ENTERPRISE_PLUS", included=Decimal(6), time_zone=noon)
        second = uuid5(made.pool_id, "second")
        for table, columns in (
            ("credit_pools", "name, pool_type, owner_user_id, time_zone, monthly_resets_at"),
            ("credit_pool_members", "user_id, role, permissions, joined_at"),
            ("subscriptions", ("user_id, tier_id, billing_cycle, seat_count, price_per_unit_cents, total_price_cents, stripe_customer_id, "
             "current_period_start, current_period_end")),
        ):  # fmt: skip
            key = {"credit_pools": "id", "credit_pool_members": "pool_id", "subscriptions": "credit_pool_id"}[table]
            await self.inspector.execute(
                f"INSERT INTO {table} (tenant_id, {key}, {columns}) SELECT tenant_id, $2, {columns} FROM {table} WHERE {key} = $1",
                made.pool_id, second,
            )  # fmt: skip
        key = await Till(self.database, self.spending, self.inspector, made).new_key("usage:write")
        return made, [made.pool_id, second], key


class Machine(RuleBasedStateMachine):
    """Each rule does a thing to both sides and compares the answers; then all figures are compared and the ledger audited."""

    world: World
    answers: ClassVar[Counter[str | None]] = (
        Counter()
    )  # of all histories: that they come to every corner is a claim too

    @initialize()
    def begin(self) -> None:
        self.household, self.pool_ids, self.key = self._run(self.world.household())
        self.pools = [
            Pool(
                {"included": included, "bonus": Decimal(0), "purchased": Decimal(0)}, {who: Member() for who in PEOPLE}
            )
            for included in (Decimal(6), Decimal(0))
        ]
        self.till = Till(self.world.database, self.world.spending, self.world.inspector, self.household)
        self._buy_by_card(0, "1.5", "0.1", 97)
        self._buy_by_card(1, "5", "0.5", 4999)
        self._compare()

    @rule(pool=pools, chance=chances)
    def spend(self, pool: int, chance: random.Random) -> None:
        """A list of commands in one call; a settlement may come before its hold, a request_id again."""
        model, real, expected = self.pools[pool], [], []
        for verb, request_id, who, amount in commands(chance, model, self.pool_ids[pool]):
            if verb == "reserve":
                real.append(self.till.reserving(amount, who=who, request_id=request_id))
                expected.append(model.reserve(request_id, who, amount))
            elif verb == "settle":
                real.append(Settle(request_id, worth(amount)))
                expected.append(model.settle(request_id, amount))
            else:
                real.append(Release(request_id))
                expected.append(model.release(request_id))
        answers = self._run(self.world.spending.submit(self.key, [(self.pool_ids[pool], one) for one in real]))
        got = [one.code.value if isinstance(one, Refusal) else getattr(one, "status", None) for one in answers]
        assert got == expected
        self.answers.update(got)
        self._compare()

    @rule(pool=pools, chance=chances)
    def spend_more(self, pool: int, chance: random.Random) -> None:
        """Spending is what happens most."""
        self.spend(pool, chance)

    @rule(pool=pools, chance=chances)
    def let_expire(self, pool: int, chance: random.Random) -> None:
        """Some holds become overdue; a job, or the next spend, gives them back."""
        held = [key for key, hold in self.pools[pool].holds.items() if hold.status == "held"]
        overdue = [key for key in held if chance.random() < 0.5]
        if not overdue:
            return
        self._execute(
            "UPDATE credit_reservations SET expires_at = now() - interval '1 s' WHERE request_id = ANY($1)", overdue
        )
        for request_id in overdue:
            self.pools[pool].expire(request_id)
        self.answers["expired"] += len(overdue)
        if chance.random() < 0.5:
            self._run(self.world.spending.expire(self.household.tenant_id, self.pool_ids[pool]))
            self._compare()
        else:
            self.spend(pool, chance)

    @rule(pool=pools, amount=amounts, bonus=amounts, chance=chances)
    def purchase(self, pool: int, amount: Decimal, bonus: Decimal, chance: random.Random) -> None:
        """Credits without a purchase's row, of any amount; or by card, so that the money may go back."""
        if chance.random() < 0.5:
            self._buy(pool, amount, bonus)
        else:
            self._buy_by_card(pool, *chance.choice(SOLD))
        self._compare()

    def _buy(self, pool: int, amount: Decimal, bonus: Decimal) -> None:
        async def buy() -> None:
            async with self.world.database.transaction(self.household.worker) as tx:
                bought = Entry(EntryKind.PURCHASE, Bucket.PURCHASED, amount)
                given = Entry(EntryKind.BONUS_GRANT, Bucket.BONUS, bonus)
                await post(tx, await lock_pool(tx, self.pool_ids[pool]), (bought, given))

        self._run(buy())
        self.pools[pool].left["purchased"] += amount
        assert self.pools[pool].add("bonus", bonus)

    def _buy_by_card(self, pool: int, amount: str, bonus: str, cents: int) -> None:
        purchase_id = self._run(self.till.buy(amount, bonus, cents, pool_id=self.pool_ids[pool]))
        self.pools[pool].purchases[purchase_id] = Purchase(Decimal(amount), Decimal(bonus), cents)
        self.pools[pool].left["purchased"] += Decimal(amount)
        assert self.pools[pool].add("bonus", Decimal(bonus))

    @rule(pool=pools, chance=chances, share=st.floats(0, 1))
    def money_goes_back(self, pool: int, chance: random.Random, share: float) -> None:
        """By refunds and disputes of a purchase, whatever went back of it before; and the other way."""
        purchase_id, purchase = chance.choice(list(self.pools[pool].purchases.items()))
        for _ in range(chance.randint(1, 4)):
            (self._refund if chance.random() < 0.5 else self._dispute)(pool, purchase_id, purchase, chance, share)
        self.answers["owing after money went"] += self.pools[pool].shortfall > 0
        self._compare()

    def _refund(self, pool: int, purchase_id: UUID, purchase: Purchase, chance: random.Random, share: float) -> None:
        """Some of what is left goes back, or a refund fails that had gone back; told once, twice, or out of order."""
        gone = [name for name, cents in purchase.refunds.items() if cents]
        left = purchase.cents - sum(purchase.refunds.values())
        failed = bool(gone) and (left == 0 or chance.random() < 0.5)
        if failed:
            name = chance.choice(gone)
            cents, purchase.refunds[name] = purchase.refunds[name], 0
        else:
            name, cents = f"re_{purchase_id}_{len(purchase.refunds)}", max(round(left * share), 1)
            purchase.refunds[name] = cents
        self.pools[pool].money_went(purchase)
        self._run(self.till.tell_refund(purchase_id, name, cents, failed=failed))
        if failed or chance.random() < 0.5:  # an old word, or the same again
            self._run(self.till.tell_refund(purchase_id, name, cents))
        self.answers["refund failed" if failed else "refund"] += 1

    def _dispute(self, pool: int, purchase_id: UUID, purchase: Purchase, chance: random.Random, share: float) -> None:
        """A bank takes some of a purchase's money, more or less of it, or gives it back; told once or twice."""
        name = f"du_{purchase_id}_{chance.randrange(2)}"
        withdrawn = chance.choice((0, round(purchase.cents * share), purchase.cents))
        purchase.disputes[name] = withdrawn
        self.pools[pool].money_went(purchase)
        for _ in range(chance.randint(1, 2)):
            status = "lost" if withdrawn else "won"
            self._run(self.till.tell_dispute(purchase_id, name, purchase.cents, withdrawn, status))
        self.answers["disputed" if withdrawn else "dispute won"] += 1

    @rule(pool=pools, bucket=st.sampled_from(Bucket), amount=amounts, taken=st.booleans())
    def adjust(self, pool: int, bucket: Bucket, amount: Decimal, *, taken: bool) -> None:
        async def change() -> bool:
            try:
                async with self.world.database.transaction(self.household.worker) as tx:
                    signed = -amount if taken else amount
                    await adjust(tx, self.pool_ids[pool], bucket, signed, reason="machine", actor_user_id=None)
            except InsufficientLedger:
                return False
            return True

        assert self._run(change()) == self.pools[pool].add(bucket.value, -amount if taken else amount)
        self._compare()

    @rule(source=pools, amount=amounts)
    def transfer(self, source: int, amount: Decimal) -> None:
        async def move() -> bool:
            try:
                async with self.world.database.transaction(self.household.worker) as tx:
                    await transfer(tx, self.pool_ids[source], self.pool_ids[1 - source], amount, actor_user_id=None)
            except InsufficientLedger:
                return False
            return True

        assert self._run(move()) == self.pools[source].transfer(self.pools[1 - source], amount)
        self._compare()

    @rule(pool=pools, months=st.integers(1, 3))
    def begin_months(self, pool: int, months: int) -> None:
        async def begin() -> tuple[int, Decimal]:
            catalogue = await self.world.catalogue.current()
            async with self.world.database.transaction(self.household.worker) as tx:
                due = await reset_month(tx, self.pool_ids[pool], catalogue, datetime.now(UTC))
            tier = catalogue.tier("ENTERPRISE_PLUS")
            seats = await self.world.inspector.fetchval(
                "SELECT seat_count FROM subscriptions WHERE credit_pool_id = $1", self.pool_ids[pool]
            )
            return due, tier.included_credits_per_user * seats

        start = datetime.now(UTC) - timedelta(days=31 * months - 5)
        self._execute("UPDATE subscriptions SET created_at = $2 WHERE credit_pool_id = $1", self.pool_ids[pool], start)
        self._execute("UPDATE credit_pools SET monthly_resets_at = $2 WHERE id = $1", self.pool_ids[pool], start)
        periods, granted = self._run(begin())
        assert months <= periods <= months + 1
        for _ in range(periods):
            self.pools[pool].begin_month(granted)
        self._compare()

    @rule(
        pool=pools,
        who=people,
        limit=st.sampled_from((None, None, "2", "6")),
        chance=chances,
        suspended=st.booleans(),
    )
    def change_member(self, pool: int, who: str, limit: str | None, chance: random.Random, *, suspended: bool) -> None:
        self._execute(
            "UPDATE credit_pool_members SET daily_credit_limit = $3, status = $4 WHERE pool_id = $1 AND user_id = $2",
            self.pool_ids[pool], self.till.user(who), limit and Decimal(limit), "suspended" if suspended else "active",
        )  # fmt: skip
        member = self.pools[pool].members[who]
        member.daily_limit, member.suspended = limit and Decimal(limit), suspended
        self.spend(pool, chance)

    def _run(self, coroutine: Any) -> Any:
        return self.world.runner.run(coroutine)

    def _execute(self, statement: str, *arguments: Any) -> None:
        assert self._run(self.world.inspector.execute(statement, *arguments)).startswith("UPDATE ")

    def _compare(self) -> None:
        """Every figure of every pool, member and hold is the model's, and the ledger proves itself."""
        self._run(self._compare_all())

    async def _compare_all(self) -> None:
        tenant, see = self.household.tenant_id, self.world.inspector.fetch
        rows = await see(
            "SELECT id, included_remaining, bonus_remaining, purchased_remaining, balance_available, balance_reserved, shortfall_credits "
            "FROM credit_pools WHERE tenant_id = $1",
            tenant,
        )
        assert {row["id"]: tuple(row)[1:] for row in rows} == {
            pool_id: (*pool.left.values(), pool.available, pool.reserved, pool.shortfall)
            for pool_id, pool in zip(self.pool_ids, self.pools, strict=True)
        }
        rows = await see(
            "SELECT pool_id, user_id, held_credits, usage_today, usage_all_time FROM credit_pool_members WHERE tenant_id = $1",
            tenant,
        )
        assert {tuple(row)[:2]: tuple(row)[2:] for row in rows if row["user_id"] != self.till.user("adam")} == {
            (pool_id, self.till.user(who)): (member.held, member.used, member.used)
            for pool_id, pool in zip(self.pool_ids, self.pools, strict=True)
            for who, member in pool.members.items()
        }
        rows = await see(
            "SELECT request_id, amount, status, settled_amount FROM credit_reservations WHERE tenant_id = $1", tenant
        )
        holds: dict[UUID, Hold] = {key: hold for pool in self.pools for key, hold in pool.holds.items()}
        assert {row["request_id"]: tuple(row)[1:] for row in rows} == {
            key: (hold.amount, hold.status, hold.settled) for key, hold in holds.items()
        }
        assert [fault async for fault in audit(self.world.database, tenant)] == []


@pytest.fixture
def world(urls: Urls) -> Iterator[World]:
    opened = World(urls)
    yield opened
    opened.close()


def test_random_histories(world: World) -> None:
    number = int(os.environ.get("PORTAL_TEST_SEED", random.randrange(2**32)))
    print(f"PORTAL_TEST_SEED={number} ({EXAMPLES} histories)")  # noqa: T201  pytest shows it when the test fails
    Machine.world = world
    run_state_machine_as_test(
        seed(number)(Machine),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(Machine.answers))  # noqa: T201
    if EXAMPLES >= 100:
        assert min(Machine.answers[corner] for corner in CORNERS) >= 1, Machine.answers
