"""Factories that commit real rows: a tenant with one pool, its people and its credits, by the same ledger code as the portal's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import insert

from app.auth.actor import UserPrincipal
from app.rules.burn_order import Bucket
from app.rules.catalogue import TIERS, TierCode
from app.rules.permissions import DEFAULT_PERMISSIONS, Permission, Role
from app.rules.tiers import billed_quantity
from app.services.ledger import Entry, EntryKind, lock_pool, post
from app.tenancy import ActorKind, Database, Scope, Transaction
from models import CreditPool, CreditPoolMember, Subscription, Tenant, User

_POOL_TYPES: dict[TierCode, str] = {
    "FREE": "individual",
    "INDIVIDUAL": "individual",
    "FAMILY": "family",
    "TEAM": "team",
    "BUSINESS": "organization",
    "ENTERPRISE": "enterprise",
    "ENTERPRISE_PLUS": "enterprise",
}
DEFAULT_PEOPLE: Mapping[str, Role] = {
    "olivia": Role.OWNER,
    "adam": Role.ADMIN,
    "mia": Role.MEMBER,
    "rosa": Role.RESTRICTED,
}


@dataclass(frozen=True, slots=True)
class Person:
    user_id: UUID
    member_id: UUID
    subject: str
    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class Household:
    """A tenant with one pool. `people` by name; everybody's e-mail is name@example.com."""

    tenant_id: UUID
    pool_id: UUID
    people: Mapping[str, Person]

    def principal(self, name: str) -> UserPrincipal:
        """What the person's verified token says."""
        return UserPrincipal(self.tenant_id, self.people[name].subject, datetime.now(UTC) + timedelta(hours=1))

    def scope(self, name: str, *, sees_others: bool = False) -> Scope:
        """The person's transaction scope, as acting() sets it."""
        pools = frozenset({self.pool_id})
        visible = pools if sees_others else frozenset[UUID]()
        return Scope(self.tenant_id, ActorKind.USER, self.people[name].user_id, pools, visible)

    @property
    def worker(self) -> Scope:
        return Scope(self.tenant_id, ActorKind.WORKER)


async def make_household(
    database: Database,
    *,
    tier: TierCode = "FAMILY",
    people: Mapping[str, Role] = DEFAULT_PEOPLE,
    included: Decimal = Decimal(6),
    purchased: Decimal = Decimal(0),
    bonus: Decimal = Decimal(0),
    **pool: Any,
) -> Household:
    """Commit a tenant with a pool, a subscription of `tier`, its people (exactly one owner) and opening credits, all in the ledger.

    `pool` overrides columns of the credit_pools row.
    """
    household = Household(uuid4(), uuid4(), {name: _person(name, role) for name, role in people.items()})
    async with database.transaction(household.worker) as tx:
        await tx.execute(insert(Tenant).values(id=household.tenant_id, name="Household"))
        await _add_people(tx, household)
        await _add_pool(tx, household, tier, pool)
        locked = await lock_pool(tx, household.pool_id)
        opening = (
            Entry(EntryKind.SUBSCRIPTION_GRANT, Bucket.INCLUDED, included),
            Entry(EntryKind.PURCHASE, Bucket.PURCHASED, purchased),
            Entry(EntryKind.BONUS_GRANT, Bucket.BONUS, bonus),
        )
        await post(tx, locked, [entry for entry in opening if entry.amount])
    return household


def _person(name: str, role: Role) -> Person:
    return Person(uuid4(), uuid4(), f"subject-{name}-{uuid4().hex[:8]}", f"{name}@example.com", role)


async def _add_people(tx: Transaction, household: Household) -> None:
    rows = [
        {
            "tenant_id": household.tenant_id,
            "id": person.user_id,
            "subject": person.subject,
            "email": person.email,
            "display_name": name.capitalize(),
        }
        for name, person in household.people.items()
    ]
    await tx.execute(insert(User), rows)


async def _add_pool(tx: Transaction, household: Household, tier: TierCode, overrides: Mapping[str, Any]) -> None:
    owner = next(person for person in household.people.values() if person.role is Role.OWNER)
    now = datetime.now(UTC)
    customer = None if tier == "FREE" else f"cus_{household.pool_id.hex[:14]}"
    await tx.execute(
        insert(CreditPool).values(
            {
                "tenant_id": household.tenant_id,
                "id": household.pool_id,
                "name": "Household",
                "pool_type": _POOL_TYPES[tier],
                "owner_user_id": owner.user_id,
                "stripe_customer_id": customer,
                "monthly_resets_at": now + timedelta(days=20),
                **overrides,
            }
        )
    )
    await _add_members(tx, household, now)
    await _add_subscription(tx, household, tier, customer, now)


async def _add_members(tx: Transaction, household: Household, now: datetime) -> None:
    members = [
        {
            "tenant_id": household.tenant_id,
            "id": person.member_id,
            "pool_id": household.pool_id,
            "user_id": person.user_id,
            "role": person.role.value,
            "permissions": {one.value: one in DEFAULT_PERMISSIONS[person.role] for one in Permission},
            "joined_at": now,
        }
        for person in household.people.values()
    ]
    await tx.execute(insert(CreditPoolMember), members)


async def _add_subscription(
    tx: Transaction, household: Household, tier: TierCode, customer: str | None, now: datetime
) -> None:
    owner = next(person for person in household.people.values() if person.role is Role.OWNER)
    seats = max(len(household.people), TIERS[tier].pricing.min_users or 1)
    price = TIERS[tier].pricing.monthly_cents or 0
    await tx.execute(
        insert(Subscription).values(
            tenant_id=household.tenant_id,
            user_id=owner.user_id,
            credit_pool_id=household.pool_id,
            tier_id=tier,
            billing_cycle="monthly",
            seat_count=seats,
            price_per_unit_cents=price,
            total_price_cents=price * billed_quantity(TIERS[tier], seats),
            stripe_customer_id=customer,
            current_period_start=now - timedelta(days=10),
            current_period_end=now + timedelta(days=20),
        )
    )


_USED = """
    WITH used AS (
        INSERT INTO credit_usage (tenant_id, pool_id, created_at, user_id, request_id, request_type, model_id, provider_id, input_tokens,
                                  output_tokens, cached_tokens, credits_consumed, credit_rate_multiplier, shortfall_credits)
        SELECT tenant_id, id, now(), owner_user_id, gen_random_uuid(), 'text', 'gpt-x', 'openai', 0, 0, 0, $2, 1, $2
          FROM credit_pools WHERE id = $1
     RETURNING tenant_id, pool_id, created_at, user_id), summed AS (
        INSERT INTO usage_rollups AS r (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type, requests, credits,
                                        shortfall_credits)
        SELECT tenant_id, pool_id, date_trunc('hour', created_at, 'UTC'), user_id, 'gpt-x', 'openai', 'text', 1, $2, $2 FROM used
            ON CONFLICT (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type) DO UPDATE
           SET requests = r.requests + 1, credits = r.credits + $2, shortfall_credits = r.shortfall_credits + $2)
    UPDATE credit_pools SET shortfall_credits = shortfall_credits + $2 WHERE id = $1"""


async def leave_shortfall(superuser: asyncpg.Connection, pool_id: UUID, owed: Decimal) -> None:
    """Usage of the owner's that nothing covered: its row, its sum of the hour, and what the pool owes. Credits."""
    if owed:
        await superuser.execute(_USED, pool_id, owed)
