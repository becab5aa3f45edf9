"""What the system catalogue must say of every tenant table: keys, indexes, foreign keys, policies, grants, no triggers."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from models import Base, tenant_tables
from tests.conftest import Urls, connecting

TENANT = sorted(table.name for table in tenant_tables())
GLOBAL = {
    "subscription_tiers",
    "subscription_add_ons",
    "credit_price_bands",
    "credit_price_band_changes",
    "model_prices",
    "webhook_events",
    "alembic_version",
    "pgqueuer",
    "pgqueuer_log",
    "pgqueuer_schedules",
    "pgqueuer_statistics",
}
Connection = asyncpg.Connection

_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
_INDEXES = """
    SELECT c.relname AS name, i.indisprimary AS primary, i.indisunique AS unique, a.attname AS first
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = $1::text::regclass ORDER BY c.relname
"""
_FOREIGN_KEYS = """
    SELECT k.conname AS name, k.confrelid::regclass::text AS target,
        array(SELECT (here.attname || '>' || there.attname)::text
              FROM unnest(k.conkey, k.confkey) AS pair(h, t)
              JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attnum = pair.h
              JOIN pg_attribute there ON there.attrelid = k.confrelid AND there.attnum = pair.t) AS pairs,
        (SELECT bool_and(attnotnull) FROM pg_attribute WHERE attrelid = k.conrelid AND attnum = ANY(k.conkey)) AS required
    FROM pg_constraint k
    WHERE k.conrelid = $1::text::regclass AND k.contype = 'f'
"""
_POLICIES = """
    SELECT p.polname AS name, p.polcmd::text AS command, p.polpermissive AS permissive,
        pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS checks,
        EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)
                AND d.refobjid <> p.polrelid) AS reads_elsewhere
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    -- What is for the owner alone is the operator's: `portal ledger audit` lists the tenants. The worker lists their ids (test_grants.py).
    WHERE c.oid = $1::text::regclass AND p.polroles <> ARRAY[c.relowner] AND p.polroles <> ARRAY['portal_worker'::regrole::oid]
    ORDER BY p.polcmd DESC
"""
_COMMANDS = {"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}


async def faults(connection: Connection, table: str) -> list[str]:
    """What is wrong with a tenant table; empty when it stands behind the wall."""
    return [
        *await _key_faults(connection, table),
        *await _foreign_key_faults(connection, table),
        *await _policy_faults(connection, table),
        *await _other_faults(connection, table),
    ]


async def _key_faults(connection: Connection, table: str) -> list[str]:
    leading = "id" if table == "tenants" else "tenant_id"
    indexes = await connection.fetch(_INDEXES, table)
    found = [f"{index['name']} leads with {index['first']}" for index in indexes if index["first"] != leading]
    if not any(index["primary"] for index in indexes):
        found.append("no primary key")
    return found


async def _foreign_key_faults(connection: Connection, table: str) -> list[str]:
    keys = await connection.fetch(_FOREIGN_KEYS, table)
    found = []
    for key in keys:
        if key["target"] in GLOBAL:
            continue
        wanted = "tenant_id>id" if key["target"] == "tenants" else "tenant_id>tenant_id"
        if wanted not in key["pairs"]:
            found.append(f"{key['name']} does not carry tenant_id")
    # A pool has its tenant: what must have a pool has it too.
    if table != "tenants" and not any(
        key["target"] == "tenants" or (key["target"] == "credit_pools" and key["required"]) for key in keys
    ):
        found.append("no foreign key to tenants")
    return found


async def _policy_faults(connection: Connection, table: str) -> list[str]:
    found = []
    secured = "SELECT {} FROM pg_class WHERE oid = $1::text::regclass"
    if not await connection.fetchval(secured.format("relrowsecurity"), table):
        found.append("row level security is off")
    if not await connection.fetchval(secured.format("relforcerowsecurity"), table):
        found.append("row level security is not forced")
    policies = await connection.fetch(_POLICIES, table)
    for verb, command in _COMMANDS.items():
        allowed = await granted(connection, "portal_app", table, verb)
        if allowed and not any(policy["command"] in {command, "*"} for policy in policies):
            found.append(f"{verb} is granted without a policy")
    for policy in policies:
        clauses = [clause for clause in (policy["using"], policy["checks"]) if clause is not None]
        if any("app.current_tenant_id" not in clause for clause in clauses):
            found.append(f"{policy['name']} does not ask for the tenant")
        if policy["reads_elsewhere"]:
            found.append(f"{policy['name']} reads another table or a function of ours")
    return found


async def granted(connection: Connection, role: str, table: str, verb: str) -> bool:
    return bool(
        await connection.fetchval("SELECT has_table_privilege($1, $2::text, $3)", role, table, verb)
        or (
            verb != "DELETE"
            and await connection.fetchval("SELECT has_any_column_privilege($1, $2::text, $3)", role, table, verb)
        )
    )


async def _other_faults(connection: Connection, table: str) -> list[str]:
    triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal"
    may = "SELECT has_table_privilege('portal_app', $1::text, $2)"
    return [
        *[f"trigger {row['tgname']}" for row in await connection.fetch(triggers, table)],
        *[
            f"portal_app may {verb}"
            for verb in ("TRUNCATE", "REFERENCES", "TRIGGER")
            if await connection.fetchval(may, table, verb)
        ],
        *[
            f"portal_worker may {verb}"
            for verb in _COMMANDS
            if (table, verb) != ("tenants", "SELECT") and await granted(connection, "portal_worker", table, verb)
        ],
    ]


async def test_every_table_is_a_tenants_or_known_to_be_global(inspector: Connection) -> None:
    tables = {row["relname"] for row in await inspector.fetch(_TABLES)}
    assert tables == GLOBAL | set(TENANT)
    assert set(Base.metadata.tables) <= tables


@pytest.mark.parametrize("table", TENANT)
async def test_a_tenant_table_stands_behind_the_wall(table: str, inspector: Connection) -> None:
    assert await faults(inspector, table) == []


async def test_nobody_reads_a_partition_by_its_own_name(inspector: Connection) -> None:
    partitions = await inspector.fetch(
        "SELECT oid, relname, relrowsecurity FROM pg_class WHERE relispartition AND relkind = 'r'"
    )
    assert len(partitions) >= 8
    for partition in partitions:
        assert partition["relrowsecurity"], partition["relname"]
        for role in ("portal_app", "portal_worker"):
            for verb in _COMMANDS:
                assert not await granted(inspector, role, partition["relname"], verb), partition["relname"]


async def test_the_roles_cannot_step_over_the_wall(inspector: Connection) -> None:
    roles = await inspector.fetch(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles "
        "WHERE rolname IN ('portal_app', 'portal_worker') ORDER BY rolname"
    )
    assert [tuple(role) for role in roles] == [
        (name, False, False, False, False, True) for name in ("portal_app", "portal_worker")
    ]
    memberships = await inspector.fetchval(
        "SELECT count(*) FROM pg_auth_members WHERE member IN ('portal_app'::regrole, 'portal_worker'::regrole)"
    )
    assert memberships == 0
    owned = await inspector.fetchval(
        "SELECT count(*) FROM pg_class WHERE relowner IN ('portal_app'::regrole, 'portal_worker'::regrole)"
    )
    assert owned == 0


async def test_the_check_sees_each_fault(new_database: Callable[[], Awaitable[Urls]]) -> None:
    """The test of the test: a table that does everything wrong is told so, fault by fault."""
    async with connecting((await new_database()).superuser) as connection:
        await connection.execute("""
            CREATE TABLE loose (
                id uuid CONSTRAINT loose_key PRIMARY KEY,
                tenant_id uuid,
                pool_id uuid CONSTRAINT loose_unique UNIQUE,
                user_tenant_id uuid,
                user_id uuid,
                CONSTRAINT loose_user FOREIGN KEY (user_tenant_id, user_id) REFERENCES users (tenant_id, id),
                CONSTRAINT loose_pool FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id)
            );
            CREATE INDEX loose_index ON loose (pool_id);
            CREATE FUNCTION loose_function() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER loose_trigger AFTER INSERT ON loose EXECUTE FUNCTION loose_function();
            GRANT SELECT, UPDATE (pool_id), DELETE, TRUNCATE ON loose TO portal_app;
            GRANT SELECT ON loose TO portal_worker;
            CREATE POLICY loose_select ON loose FOR SELECT USING (true);
            CREATE POLICY loose_delete ON loose FOR DELETE USING (
                current_setting('app.current_tenant_id', true) <> '' AND EXISTS (SELECT FROM credit_pools)
            );
        """)
        found = await faults(connection, "loose")
    assert found == [
        *sorted(f"{name} leads with {first}" for name, first in _LOOSE_INDEXES.items()),
        "loose_user does not carry tenant_id",
        "no foreign key to tenants",
        "row level security is off",
        "row level security is not forced",
        "UPDATE is granted without a policy",
        "loose_select does not ask for the tenant",
        "loose_delete reads another table or a function of ours",
        "trigger loose_trigger",
        "portal_app may TRUNCATE",
        "portal_worker may SELECT",
    ]


_LOOSE_INDEXES = {"loose_index": "pool_id", "loose_key": "id", "loose_unique": "pool_id"}
