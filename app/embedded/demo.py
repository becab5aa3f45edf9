"""The demo tenants: `seed` writes their past.

Everything is written as portal_app, in one transaction a tenant with the tenant's own scope: no grant or policy is stepped around, and a
seed that is interrupted leaves whole tenants behind. Called again it adds what is missing and touches nothing that is there.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import insert, select, text

from app.embedded.demo_history import History, Row, add_months, simulate
from app.embedded.demo_tenants import TENANTS, DemoTenant, demo_id
from app.payments.outcomes import GatewayError, Outcome, Succeeded
from app.rules.burn_order import Bucket
from app.rules.catalogue import TIERS
from app.rules.permissions import DEFAULT_PERMISSIONS, Permission
from app.rules.pricing import Price
from app.rules.tiers import billed_quantity
from app.tenancy import ActorKind, Database, Scope, Transaction
from models import (
    Base,
    CreditPool,
    CreditPoolMember,
    Organization,
    Subscription,
    Tenant,
)


class Payments(Protocol):
    """Stripe's part of the past; the gateway is one."""

    async def ensure_customer(self, *, tenant_id: UUID, pool_id: UUID, email: str, name: str) -> str: ...

    async def charge(
        self,
        *,
        amount_cents: int,
        currency: str,
        customer_id: str,
        payment_method_id: str,
        idempotency_key: str,
        metadata: Mapping[str, str],
        description: str,
        return_url: str | None,
    ) -> Outcome: ...


async def seed(database: Database, payments: Payments, *, now: datetime | None = None) -> None:
    """Write the demo tenants that are missing, with their history up to `now` (aware; default: the clock)."""
    now = now or datetime.now(UTC)
    for tenant in TENANTS:
        scope = Scope(tenant.id, ActorKind.WORKER)
        async with database.transaction(scope, read_only=True) as tx:
            if await tx.scalar(select(Tenant.id).where(Tenant.id == tenant.id)):
                continue
        history, customer, paid = simulate(tenant, now), None, {}
        if tenant.tier != "FREE":  # asked outside the transaction; the same answer if it is asked again
            customer = await payments.ensure_customer(
                tenant_id=tenant.id, pool_id=tenant.pool_id, email=tenant.owner.email, name=tenant.name
            )
            paid = {one[0]: await _pay(payments, tenant, customer, *one[:2]) for one in history.purchases}
        async with database.transaction(scope) as tx:
            await _write(tx, history, customer, paid)


async def _pay(payments: Payments, tenant: DemoTenant, customer: str, purchase_id: UUID, sold: Price) -> Succeeded:
    """Pay a purchase of the past now: it can be refunded, its receipt opened, and reconciliation finds it at Stripe."""
    outcome = await payments.charge(
        amount_cents=sold.total_cents,
        currency="USD",
        customer_id=customer,
        payment_method_id="pm_card_visa",
        idempotency_key=f"demo-{purchase_id}-{sold.total_cents}",
        metadata={"tenant_id": str(tenant.id), "pool_id": str(tenant.pool_id), "purchase_id": str(purchase_id)},
        description=f"{sold.credits.normalize():f} AI credits",
        return_url=None,
    )
    if not isinstance(outcome, Succeeded):
        raise GatewayError(f"the demo's purchase {purchase_id} could not be paid: {outcome}")
    return outcome


async def _write(tx: Transaction, history: History, customer: str | None, paid: Mapping[UUID, Succeeded]) -> None:
    tenant = history.tenant
    began = history.ledger[0]["created_at"]
    await tx.execute(insert(Tenant).values(id=tenant.id, name=tenant.name, created_at=began))
    await _insert_many(tx, "users", [_user(tenant, began, number) for number in range(len(tenant.members))])
    if tenant.company:
        organization = {"tenant_id": tenant.id, "id": demo_id(tenant.key, "organization"), "name": tenant.name}
        await tx.execute(insert(Organization).values(**organization))
    await tx.execute(insert(CreditPool).values(**_pool(history, customer, began)))
    await tx.execute(insert(CreditPoolMember), [_member(history, number) for number in range(len(tenant.members))])
    await tx.execute(insert(Subscription).values(**_subscription(history, customer, began)))
    of_pool = {"tenant_id": tenant.id, "pool_id": tenant.pool_id}
    await _insert_many(tx, "credit_purchases", [of_pool | row for row in _purchases(history, paid)])
    await _insert_many(tx, "billing_events", [of_pool | row for row in _payments(history)])
    await _insert_many(tx, "credit_transactions", [of_pool | row for row in _ledger(history, paid)])
    await _insert_many(tx, "credit_usage", [of_pool | row for row in history.usage])
    await _insert_many(tx, "usage_rollups", [of_pool | row for row in rollups(history.usage)])


def _user(tenant: DemoTenant, began: datetime, number: int) -> Row:
    member = tenant.members[number]
    return {
        "tenant_id": tenant.id,
        "id": tenant.user_id(member),
        "subject": tenant.subject(member),
        "email": member.email,
        "display_name": member.name,
        "time_zone": tenant.time_zone,
        "created_at": began,
    }


def _pool(history: History, customer: str | None, began: datetime) -> Row:
    tenant, remaining = history.tenant, history.remaining
    return {
        "tenant_id": tenant.id,
        "id": tenant.pool_id,
        "name": tenant.pool_name,
        "pool_type": tenant.pool_type,
        "owner_user_id": tenant.user_id(tenant.owner),
        "organization_id": demo_id(tenant.key, "organization") if tenant.company else None,
        "time_zone": tenant.time_zone,
        "stripe_customer_id": customer,
        "balance_available": history.balance,
        "monthly_included_total": history.included_total,
        "monthly_included_used": history.included_total - remaining[Bucket.INCLUDED],
        "monthly_resets_at": history.period_end,
        "purchased_total": history.purchased_total,
        "purchased_remaining": remaining[Bucket.PURCHASED],
        "bonus_total": history.bonus_total,
        "bonus_remaining": remaining[Bucket.BONUS],
        "last_purchase_at": history.last_purchase_at,
        "ledger_sequence": len(history.ledger),
        "settings": tenant.settings.dump(),
        "created_at": began,
    }


def _member(history: History, number: int) -> Row:
    tenant = history.tenant
    member = tenant.members[number]
    spent = history.spent[member.key]
    joined = history.ledger[0]["created_at"] + timedelta(
        minutes=number
    )  # lists show people in the order they came: the owner first
    return {
        "tenant_id": tenant.id,
        "id": demo_id(tenant.key, "member", member.key),
        "pool_id": tenant.pool_id,
        "user_id": tenant.user_id(member),
        "role": member.role.value,
        "permissions": {one.value: one in DEFAULT_PERMISSIONS[member.role] for one in Permission},
        "daily_credit_limit": member.daily,
        "monthly_credit_limit": member.monthly,
        "max_cost_per_request": member.per_request,
        "invited_by": tenant.user_id(tenant.owner) if number else None,
        "invited_at": joined if number else None,
        "joined_at": joined,
        "usage_on": spent.on,
        "usage_today": spent.today,
        "usage_this_week": spent.week,
        "usage_this_month": spent.month,
        "usage_all_time": spent.all_time,
        "last_usage_at": spent.last_at,
        "created_at": joined,
    }


def _subscription(history: History, customer: str | None, began: datetime) -> Row:
    tenant = history.tenant
    tier, seats, annual = TIERS[tenant.tier], len(tenant.members), tenant.cycle == "annual"
    unit = (tier.pricing.annual_cents if annual else tier.pricing.monthly_cents) or 0
    return {
        "tenant_id": tenant.id,
        "id": demo_id(tenant.key, "subscription"),
        "user_id": tenant.user_id(tenant.owner),
        "organization_id": demo_id(tenant.key, "organization") if tenant.company else None,
        "credit_pool_id": tenant.pool_id,
        "tier_id": tenant.tier,
        "billing_cycle": tenant.cycle,
        "seat_count": billed_quantity(tier, seats),
        "price_per_unit_cents": unit,
        "total_price_cents": unit * billed_quantity(tier, seats),
        "stripe_customer_id": customer,
        "current_period_start": began if annual else history.period_start,
        "current_period_end": add_months(began, 12) if annual else history.period_end,
        "created_at": began,
    }


def _purchases(history: History, paid: Mapping[UUID, Succeeded]) -> Iterable[Row]:
    buyer = history.tenant.user_id(history.tenant.owner)
    for purchase_id, price, at in history.purchases:
        yield {
            "id": purchase_id,
            "user_id": buyer,
            "quote_id": history.new_id(),
            "idempotency_key": history.new_id(),
            "credits_amount": price.credits,
            "bonus_credits": price.bonus_credits,
            "total_credits": price.total_credits,
            "unit_price_cents": price.band.unit_price_cents,
            "base_cents": price.base_cents,
            "discount_cents": price.discount_cents,
            "discount_rate": price.band.discount_rate,
            "bonus_rate": price.band.bonus_rate,
            "payment_amount_cents": price.total_cents,
            "payment_method": "visa 4242",
            "stripe_payment_intent_id": paid[purchase_id].payment_intent_id,
            "stripe_charge_id": paid[purchase_id].charge_id,
            "stripe_receipt_url": paid[purchase_id].receipt_url,
            "status": "completed",
            "completed_at": at,
            "created_at": at,
        }


def _ledger(history: History, paid: Mapping[UUID, Succeeded]) -> Iterable[Row]:
    """The entries; those of a purchase name its payment."""
    intents = {str(purchase_id): one.payment_intent_id for purchase_id, one in paid.items()}
    for entry in history.ledger:
        yield entry | {"payment_intent_id": intents.get(entry.get("source_id", ""))}


def _payments(history: History) -> Iterable[Row]:
    """Of each purchase the billing event that its credits came with."""
    for purchase_id, _, at in history.purchases:
        yield {
            "id": history.new_id(),
            "user_id": history.tenant.user_id(history.tenant.owner),
            "purchase_id": purchase_id,
            "event_type": "purchase.completed",
            "processed": True,
            "processed_at": at,
            "created_at": at,
        }


_GROUP = ("hour", "user_id", "model_id", "provider_id", "request_type")
_SUMS = {  # column of usage_rollups: column of credit_usage that it sums
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cached_tokens",
    "credits": "credits_consumed",
    "from_included": "credits_from_included",
    "from_bonus": "credits_from_bonus",
    "from_purchased": "credits_from_purchased",
    "latency_ms_total": "latency_ms",
}


def rollups(usage: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The hourly sums of usage rows."""
    groups: dict[tuple[Any, ...], Row] = defaultdict(lambda: dict.fromkeys(("requests", *_SUMS), 0))
    for row in usage:
        hour = row["created_at"].replace(minute=0, second=0, microsecond=0)
        sums = groups[hour, *(row[column] for column in _GROUP[1:])]
        sums["requests"] += 1
        for column, summed in _SUMS.items():
            sums[column] += row[summed]
    return [dict(zip(_GROUP, group, strict=True)) | sums for group, sums in groups.items()]


_ARRAYS = {
    UUID: "uuid[]",
    bool: "boolean[]",
    str: "text[]",
    int: "bigint[]",
    Decimal: "numeric[]",
    datetime: "timestamptz[]",
}


async def _insert_many(tx: Transaction, name: str, rows: list[Row]) -> None:
    """Insert thousands of rows in one statement: an array a column (COPY does not exist under row level security)."""
    if not rows:
        return
    table = Base.metadata.tables[name]
    columns = sorted({column for row in rows for column in row})
    arrays = ", ".join(f"CAST(:{column} AS {_ARRAYS[table.c[column].type.python_type]})" for column in columns)
    statement = f"INSERT INTO {name} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608 - the models' names
    await tx.execute(text(statement), {column: [row.get(column) for row in rows] for column in columns})
