"""Across tenants nothing is seen and nothing is changed: every verb on every tenant table, as portal_app, with real commits."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import Table

from app.tenancy import ActorKind, Scope
from models import tenant_tables
from tests.conftest import Urls, connecting
from tests.database.rows import Row, fill, insert_row, new_row, snapshot

TABLES = {table.name: table for table in tenant_tables()}
VERBS = ("select", "insert", "update", "delete")


@dataclass(frozen=True, slots=True)
class Town:
    """Two tenants with a row in every table: the tests act from outside on the first one's rows."""

    ours: UUID
    ours_rows: dict[str, Row]
    theirs: UUID
    theirs_rows: dict[str, Row]


@pytest.fixture(scope="module")
async def town(urls: Urls) -> Town:
    made = []
    async with connecting(urls.app) as app:
        for _ in range(2):
            tenant_id = uuid4()
            async with app.transaction():
                await app.execute(Scope(tenant_id, ActorKind.WORKER).statements())
                made.append((tenant_id, await fill(app, tenant_id)))
    return Town(*made[0], *made[1])


@pytest.fixture
async def app(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    """A fresh connection as portal_app: its settings have never been set."""
    async with connecting(urls.app) as connection:
        yield connection


def _scope(town: Town, kind: ActorKind) -> str:
    """The strongest scope of the other tenant: it even claims our people and our pools."""
    rows = town.ours_rows
    pools = frozenset({rows["credit_pools"]["id"], town.theirs_rows["credit_pools"]["id"]})
    return Scope(town.theirs, kind, rows["users"]["id"], pools, pools).statements()


def _outsider(town: Town, name: str) -> Sequence[str]:
    """What is executed in the outsider's transaction before it acts."""
    empty = "; ".join(
        f"SET LOCAL app.{setting} = ''"
        for setting in ("current_tenant_id", "current_user_id", "actor_kind", "member_pools", "visible_pools")
    )
    ours = Scope(town.ours, ActorKind.WORKER).statements()
    return {
        "no settings": [],
        "empty settings": [empty],
        "after our tenant": [],
        "our tenant without a kind": [ours, "SET LOCAL app.actor_kind = ''"],
        "our tenant, a kind of its own": [ours, "SET LOCAL app.actor_kind = 'superuser'"],
        "a user of theirs": [_scope(town, ActorKind.USER)],
        "a service of theirs": [_scope(town, ActorKind.SERVICE)],
        "a worker for theirs": [_scope(town, ActorKind.WORKER)],
    }[name]


OUTSIDERS = (
    "no settings",
    "empty settings",
    "after our tenant",
    "our tenant without a kind",
    "our tenant, a kind of its own",
    "a user of theirs",
    "a service of theirs",
    "a worker for theirs",
)


async def _attempt(connection: asyncpg.Connection, verb: str, table: Table, town: Town) -> int:
    """Try one verb on our tenant's rows; how many rows it saw or changed."""
    column = "id" if table.name == "tenants" else "tenant_id"
    if verb == "select":
        seen: int = await connection.fetchval(f"SELECT count(*) FROM {table.name} WHERE {column} = $1", town.ours)
        return seen
    if verb == "insert":  # a row that is there already: the policy is asked before the key is
        await insert_row(connection, table, town.ours_rows[table.name])
        return 1
    statement = {
        "update": f"UPDATE {table.name} SET created_at = created_at WHERE {column} = $1",
        "delete": f"DELETE FROM {table.name} WHERE {column} = $1",
    }[verb]
    if table.name == "usage_rollups":
        statement = statement.replace("created_at = created_at", "requests = requests + 1")
    return int((await connection.execute(statement, town.ours)).split()[-1])


@pytest.mark.parametrize("outsider", OUTSIDERS)
@pytest.mark.parametrize("name", TABLES)
async def test_an_outsider_meets_nothing(
    name: str, outsider: str, town: Town, app: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    table = TABLES[name]
    before = await snapshot(inspector, table, town.ours)
    assert before
    if outsider == "after our tenant":
        async with app.transaction():
            await app.execute(Scope(town.ours, ActorKind.WORKER).statements())
            assert await _attempt(app, "select", table, town) >= 1
    for verb in VERBS:
        transaction = app.transaction()
        await transaction.start()
        for statement in _outsider(town, outsider):
            await app.execute(statement)
        try:
            met = await _attempt(app, verb, table, town)
        except asyncpg.InsufficientPrivilegeError:  # no grant, or a row that the policy does not let in
            await transaction.rollback()
        else:
            assert verb != "insert", "the policy let a row of our tenant in"
            assert met == 0, f"{verb} met {met} rows of our tenant"
            await transaction.commit()
    assert await snapshot(inspector, table, town.ours) == before


@pytest.mark.parametrize("outsider", OUTSIDERS[:5])
@pytest.mark.parametrize("name", TABLES)
async def test_without_a_tenant_a_table_is_empty(name: str, outsider: str, town: Town, app: asyncpg.Connection) -> None:
    async with app.transaction():
        for statement in _outsider(town, outsider):
            await app.execute(statement)
        assert await app.fetchval(f"SELECT count(*) FROM {name}") == 0


@pytest.mark.parametrize("name", TABLES)
async def test_the_tenant_itself_may_what_it_is_granted(name: str, town: Town, app: asyncpg.Connection) -> None:
    """The control of the tests above: the same statements in our own scope do reach the rows, or lack the grant."""
    table = TABLES[name]
    for verb in VERBS:
        granted = await app.fetchval("SELECT has_table_privilege('portal_app', $1, $2)", name, verb)
        transaction = app.transaction()
        await transaction.start()
        await app.execute(Scope(town.ours, ActorKind.WORKER).statements())
        if granted and verb == "insert":
            with pytest.raises(asyncpg.UniqueViolationError):
                await _attempt(app, verb, table, town)
        elif granted:
            assert await _attempt(app, verb, table, town) >= 1
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                await _attempt(app, verb, table, town)
        await transaction.rollback()


@pytest.mark.parametrize("name", [name for name in TABLES if name != "tenants"])
async def test_a_row_cannot_be_moved_into_another_tenant(
    name: str, town: Town, app: asyncpg.Connection, inspector: asyncpg.Connection
) -> None:
    before = await snapshot(inspector, TABLES[name], town.ours)
    transaction = app.transaction()
    await transaction.start()
    await app.execute(Scope(town.theirs, ActorKind.WORKER).statements())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(f"UPDATE {name} SET tenant_id = $1 WHERE tenant_id = $2", town.ours, town.theirs)
    await transaction.rollback()
    assert await snapshot(inspector, TABLES[name], town.ours) == before


async def test_a_row_cannot_point_into_another_tenant(town: Town, app: asyncpg.Connection) -> None:
    """Foreign key checks are past row level security: only the composite key stops this."""
    member = new_row(TABLES["credit_pool_members"], town.theirs, town.theirs_rows) | {
        "pool_id": town.ours_rows["credit_pools"]["id"]
    }
    transaction = app.transaction()
    await transaction.start()
    await app.execute(Scope(town.theirs, ActorKind.WORKER).statements())
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="fk_credit_pool_members_pool_id"):
        await insert_row(app, TABLES["credit_pool_members"], member)
    await transaction.rollback()
