"""Committed rows beyond a household's first ones, and what a refusal must leave as it was."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import insert

from app.auth.api_keys import generate
from app.rules.burn_order import Bucket
from app.rules.catalogue import TierCode
from app.rules.permissions import Role
from app.services.ledger import Entry, EntryKind, lock_pool, post
from app.tenancy import Database, Transaction
from models import ApiKey, CreditPoolMember, CreditPurchase, tenant_tables
from tests.database.rows import snapshot
from tests.factories import Household, Person, _add_people, _add_pool


async def add_pool(
    database: Database, household: Household, people: Mapping[str, Role], *, tier: TierCode = "TEAM"
) -> Household:
    """Another pool of the same tenant, with some of its people (exactly one as the owner)."""
    members = {name: replace(household.people[name], member_id=uuid4(), role=role) for name, role in people.items()}
    other = Household(household.tenant_id, uuid4(), members)
    async with database.transaction(household.worker) as tx:
        await _add_pool(tx, other, tier, {})
    return other


async def add_members(database: Database, household: Household, count: int) -> None:
    """Restricted members, each new to the tenant, each a transaction: they come one after the other."""
    for number in range(count):
        name = f"new{number}-{uuid4().hex[:6]}"
        person = Person(uuid4(), uuid4(), f"subject-{name}", f"{name}@example.com", Role.RESTRICTED)
        async with database.transaction(household.worker) as tx:
            await _add_people(tx, Household(household.tenant_id, household.pool_id, {name: person}))
            await _insert_member(tx, household, person)


async def _insert_member(tx: Transaction, household: Household, person: Person) -> None:
    await tx.execute(
        insert(CreditPoolMember).values(
            tenant_id=household.tenant_id,
            id=person.member_id,
            pool_id=household.pool_id,
            user_id=person.user_id,
            role=person.role.value,
            joined_at=datetime.now(UTC),
        )
    )


async def add_entries(database: Database, household: Household, *entries: tuple[str | None, str]) -> None:
    """Ledger entries of the included bucket: (whose, amount in credits)."""
    async with database.transaction(household.worker) as tx:
        pool = await lock_pool(tx, household.pool_id)
        await post(
            tx,
            pool,
            [
                Entry(
                    EntryKind.CONSUMPTION if Decimal(amount) < 0 else EntryKind.SUBSCRIPTION_GRANT,
                    Bucket.INCLUDED,
                    Decimal(amount),
                    user_id=household.people[name].user_id if name else None,
                )
                for name, amount in entries
            ],
        )


async def add_purchases(database: Database, household: Household, name: str, count: int) -> list[UUID]:
    """Pending purchases of 10 credits, each in a transaction of its own, the oldest first."""
    made = []
    for _ in range(count):
        made.append(uuid4())
        async with database.transaction(household.worker) as tx:
            await tx.execute(
                insert(CreditPurchase).values(
                    tenant_id=household.tenant_id,
                    id=made[-1],
                    pool_id=household.pool_id,
                    user_id=household.people[name].user_id,
                    quote_id=uuid4(),
                    idempotency_key=uuid4(),
                    credits_amount=Decimal(10),
                    bonus_credits=Decimal("0.5"),
                    total_credits=Decimal("10.5"),
                    unit_price_cents=1000,
                    base_cents=10000,
                    discount_cents=500,
                    payment_amount_cents=9500,
                )
            )
    return made


async def add_api_key(database: Database, household: Household, *scopes: str, pool_id: UUID | None = None) -> str:
    """An API key's text; without a pool it serves the whole tenant."""
    key = generate(household.tenant_id)
    async with database.transaction(household.worker) as tx:
        await tx.execute(
            insert(ApiKey).values(
                tenant_id=household.tenant_id,
                id=key.key_id,
                pool_id=pool_id,
                name="a service",
                key_hash=key.secret_hash,
                prefix=key.prefix,
                scopes=list(scopes),
            )
        )
    return key.text


async def everything(rows: asyncpg.Connection, *households: Household) -> dict[str, list[str]]:
    """Every row of these tenants in every table, and all jobs: equal before and after means that nothing has changed."""
    found = {
        f"{table.name} of {household.tenant_id}": await snapshot(rows, table, household.tenant_id)
        for household in households
        for table in tenant_tables()
    }
    jobs = await rows.fetch("SELECT entrypoint || ' ' || convert_from(payload, 'UTF8') FROM pgqueuer ORDER BY 1")
    return found | {"jobs": [job[0] for job in jobs]}


async def audited(rows: asyncpg.Connection, household: Household) -> list[asyncpg.Record]:
    """The audit events of a tenant, in order."""
    events: list[asyncpg.Record] = await rows.fetch(
        "SELECT * FROM audit_events WHERE tenant_id = $1 ORDER BY created_at, id", household.tenant_id
    )
    return events
