"""Inside a tenant: whose rows an actor meets, by pool and by person. Anna and Ben share the pool `first`, Carl has `second`."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.tenancy import ActorKind, Scope
from models import tenant_tables
from tests.conftest import Urls, connecting
from tests.database.rows import Row, insert_row, new_row, snapshot

TABLES = {table.name: table for table in tenant_tables()}
OF_A_PERSON = (
    "credit_pool_members",
    "credit_transactions",
    "credit_usage",
    "usage_rollups",
    "credit_reservations",
    "approval_requests",
)
OF_A_POOL = (
    "credit_purchases",
    "subscriptions",
    "auto_purchase_settings",
    "billing_events",
    "invitations",
    "api_keys",
    "audit_events",
)
ONE_A_POOL = {"subscriptions", "auto_purchase_settings"}


@dataclass(frozen=True, slots=True)
class Office:
    tenant: UUID
    first: UUID
    second: UUID
    anna: UUID
    ben: UUID
    carl: UUID

    def user(self, user: UUID | None, pools: Iterable[UUID] = (), visible: Iterable[UUID] = ()) -> Scope:
        return Scope(self.tenant, ActorKind.USER, user, frozenset(pools), frozenset(visible))

    def service(self, *pools: UUID) -> Scope:
        return Scope(self.tenant, ActorKind.SERVICE, None, frozenset(pools))

    @property
    def worker(self) -> Scope:
        return Scope(self.tenant, ActorKind.WORKER)

    @property
    def everything(self) -> set[tuple[UUID, UUID]]:
        return {(self.first, self.anna), (self.first, self.ben), (self.second, self.carl)}


@pytest.fixture(scope="module")
async def office(inspector: asyncpg.Connection) -> Office:
    """Every pool-bound table with a row of each person in their pool."""
    tenant = uuid4()
    rows: dict[str, Row] = {"tenants": {"id": tenant, "name": "Office"}}

    async def add(name: str, others: dict[str, Row], **values: object) -> Row:
        row = new_row(TABLES[name], tenant, others) | values
        await insert_row(inspector, TABLES[name], row)
        return row

    await insert_row(inspector, TABLES["tenants"], rows["tenants"])
    anna, ben, carl = [await add("users", rows) for _ in range(3)]
    first, second = [await add("credit_pools", rows | {"users": owner}) for owner in (anna, carl)]
    for number, (person, pool) in enumerate(((anna, first), (ben, first), (carl, second)), 1):
        own = rows | {"users": person, "credit_pools": pool}
        for name in (*OF_A_PERSON, *OF_A_POOL, "notifications"):
            if not (name in ONE_A_POOL and person is ben):
                await add(name, own, **({"sequence": number} if name == "credit_transactions" else {}))
    await add("credit_transactions", rows | {"users": anna, "credit_pools": first}, sequence=9, user_id=None)
    await add("audit_events", rows | {"credit_pools": first}, pool_id=None)
    return Office(tenant, first["id"], second["id"], anna["id"], ben["id"], carl["id"])


@pytest.fixture
async def app(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    async with connecting(urls.app) as connection:
        yield connection


async def _met(app: asyncpg.Connection, scope: Scope, table: str, *columns: str) -> list[tuple[UUID | None, ...]]:
    async with app.transaction():
        await app.execute(scope.statements())
        return [tuple(row) for row in await app.fetch(f"SELECT {', '.join(columns)} FROM {table}")]


@pytest.mark.parametrize("table", OF_A_PERSON)
async def test_rows_of_a_person(table: str, office: Office, app: asyncpg.Connection) -> None:
    async def met(scope: Scope) -> set[tuple[UUID | None, ...]]:
        rows = await _met(app, scope, table, "pool_id", "user_id")
        return {row for row in rows if row[1] is not None}

    pool = [office.first]
    annas, bens = (office.first, office.anna), (office.first, office.ben)
    assert await met(office.user(office.anna, pool)) == {annas}
    assert await met(office.user(office.anna, pool, pool)) == {annas, bens}
    assert await met(office.user(office.ben, pool)) == {bens}
    assert await met(office.user(office.anna, pool, [office.second])) == {
        annas
    }  # another pool's people need membership there
    assert await met(office.user(None, pool)) == set()
    assert await met(office.user(None)) == set()
    own_before_pools_are_known = {annas} if table == "credit_pool_members" else set()
    assert await met(office.user(office.anna)) == own_before_pools_are_known
    assert await met(office.service(office.first)) == {annas, bens}
    assert await met(office.service()) == office.everything
    assert await met(office.worker) == office.everything


async def test_ledger_entries_of_nobody_belong_to_those_who_see_others(office: Office, app: asyncpg.Connection) -> None:
    pool = [office.first]
    for scope, seen in (
        (office.user(office.anna, pool), []),
        (office.user(office.anna, pool, pool), [(None,)]),
        (office.user(office.carl, [office.second], [office.second]), []),
        (office.worker, [(None,)]),
    ):
        rows = await _met(app, scope, "credit_transactions", "user_id")
        assert [row for row in rows if row == (None,)] == seen


@pytest.mark.parametrize("table", ["credit_pools", *OF_A_POOL])
async def test_rows_of_a_pool(table: str, office: Office, app: asyncpg.Connection) -> None:
    column = {"credit_pools": "id", "subscriptions": "credit_pool_id"}.get(table, "pool_id")

    async def met(scope: Scope) -> set[UUID | None]:
        return {row[0] for row in await _met(app, scope, table, column)}

    of_no_pool = {None} if table == "audit_events" else set()
    assert await met(office.user(office.anna, [office.first])) == {office.first}
    assert await met(office.user(office.carl, [office.second])) == {office.second}
    assert await met(office.user(office.anna, [office.first, office.second])) == {office.first, office.second}
    assert await met(office.user(office.anna)) == set()
    assert await met(office.user(office.anna, [], [office.first])) == set()
    assert await met(office.service(office.second)) == {office.second}
    assert await met(office.service()) == {office.first, office.second} | of_no_pool
    assert await met(office.worker) == {office.first, office.second} | of_no_pool


async def test_notifications_are_for_one_person(
    office: Office, app: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    async def met(scope: Scope) -> set[UUID | None]:
        return {row[0] for row in await _met(app, scope, "notifications", "user_id")}

    anna = office.user(office.anna, [office.first], [office.first])
    assert await met(anna) == {office.anna}
    assert await met(office.user(None, [office.first], [office.first])) == set()
    assert await met(office.service()) == set()
    assert await met(office.worker) == {office.anna, office.ben, office.carl}
    before = await snapshot(inspector, TABLES["notifications"], office.tenant)
    async with app.transaction():
        await app.execute(anna.statements())
        assert (
            await app.execute("UPDATE notifications SET read_at = now() WHERE user_id = $1", office.ben) == "UPDATE 0"
        )
    assert await snapshot(inspector, TABLES["notifications"], office.tenant) == before
    async with app.transaction():  # yet what Anna does may be told to Ben
        await app.execute(anna.statements())
        await app.execute(
            "INSERT INTO notifications (tenant_id, user_id, kind) VALUES ($1, $2, 'told')", office.tenant, office.ben
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credit_pools SET name = 'mine' WHERE id = $2 AND tenant_id = $1",
        "UPDATE credit_pool_members SET daily_credit_limit = 0 WHERE pool_id = $2 AND tenant_id = $1",
        "DELETE FROM credit_pool_members WHERE pool_id = $2 AND tenant_id = $1",
        "UPDATE credit_purchases SET status = 'completed' WHERE pool_id = $2 AND tenant_id = $1",
        "UPDATE auto_purchase_settings SET threshold_credits = 5 WHERE pool_id = $2 AND tenant_id = $1",
        "UPDATE credit_pool_members SET pool_id = $2 WHERE tenant_id = $1 AND pool_id <> $2",
        """INSERT INTO credit_transactions
           (tenant_id, pool_id, sequence, transaction_type, amount, balance_after, source_type)
           VALUES ($1, $2, 99, 'adjustment', 5, 5, 'bonus')""",
        """INSERT INTO credit_pool_members (tenant_id, pool_id, user_id, role)
           SELECT $1, $2, id, 'admin' FROM users WHERE tenant_id = $1 LIMIT 1""",
    ],
)
async def test_nobody_writes_in_a_pool_of_others(
    statement: str, office: Office, app: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    tables = [TABLES[name] for name in ("credit_pools", "credit_purchases", "auto_purchase_settings", *OF_A_PERSON)]
    before = [await snapshot(inspector, table, office.tenant) for table in tables]
    scope = office.user(office.anna, [office.first], [office.first])
    transaction = app.transaction()
    await transaction.start()
    await app.execute(scope.statements())
    try:
        assert (await app.execute(statement, office.tenant, office.second)).endswith(" 0")
    except asyncpg.InsufficientPrivilegeError:
        await transaction.rollback()
    else:
        await transaction.commit()
    assert [await snapshot(inspector, table, office.tenant) for table in tables] == before
