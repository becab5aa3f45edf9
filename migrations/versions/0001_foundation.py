"""Everything that the portal stands on: tables, roles, grants, policies, partitions, the queue and the catalogue."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from app.rules.catalogue import ADD_ONS, MODEL_PRICES, PRICE_BANDS, TIERS
from migrations.policies import Access, Sight, statements
from migrations.scripts import run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql_0001"

# The ledger, the usage, and the audit trail are append-only: nobody is granted UPDATE or DELETE on them.
ACCESS = (
    Access("tenants", Sight.TENANT, ("select", "insert", "update"), tenant="id"),
    Access("users", Sight.TENANT, ("select", "insert", "update")),
    Access("organizations", Sight.TENANT, ("select", "insert", "update")),
    Access("credit_pools", Sight.POOL, ("select", "insert", "update"), pool="id"),
    Access("credit_pool_members", Sight.MEMBER, ("select", "insert", "update", "delete")),
    Access("credit_transactions", Sight.PERSON, ("select", "insert")),
    Access("credit_purchases", Sight.POOL, ("select", "insert", "update")),
    Access("subscriptions", Sight.POOL, ("select", "insert", "update"), pool="credit_pool_id"),
    Access("auto_purchase_settings", Sight.POOL, ("select", "insert", "update")),
    Access("billing_events", Sight.POOL, ("select", "insert", "update")),
    Access("approval_requests", Sight.PERSON, ("select", "insert", "update")),
    Access("credit_reservations", Sight.PERSON, ("select", "insert", "update")),
    Access("credit_usage", Sight.PERSON, ("select", "insert")),
    Access("usage_rollups", Sight.PERSON, ("select", "insert", "update")),
    Access("invitations", Sight.POOL, ("select", "insert", "update")),
    Access("notifications", Sight.OWN, ("select", "insert", "update")),
    Access("api_keys", Sight.POOL, ("select", "insert", "update")),
    Access("audit_events", Sight.POOL, ("select", "insert")),
    Access("idempotency_keys", Sight.TENANT, ("select", "insert", "update", "delete")),
)


def upgrade() -> None:
    for script in sorted(SQL.glob("0*.sql")):
        run(script)
    citus = "citus" in set(op.get_bind().scalars(sa.text("SELECT extname FROM pg_extension")))
    for access in ACCESS:
        for statement in statements(access, citus=citus):
            op.execute(statement)
    seed_catalogue()


def downgrade() -> None:
    run(SQL / "downgrade.sql")


def seed_catalogue() -> None:
    for name, rows in (
        ("subscription_tiers", tiers()),
        ("subscription_add_ons", add_ons()),
        ("credit_price_bands", price_bands()),
        ("model_prices", model_prices()),
    ):
        listed = list(rows)
        columns = ", ".join(listed[0])
        values = ", ".join(f":{column}" for column in listed[0]).replace(":features", "CAST(:features AS jsonb)")
        op.get_bind().execute(sa.text(f"INSERT INTO {name} ({columns}) VALUES ({values})"), listed)  # noqa: S608 - names of ours


def tiers() -> Iterator[dict[str, object]]:
    for tier in TIERS.values():
        yield {
            "id": tier.id,
            "display_name": tier.display_name,
            "description": tier.description,
            "localization_key": tier.localization_key,
            "price_monthly": units(tier.pricing.monthly_cents),
            "price_annual": units(tier.pricing.annual_cents),
            "price_per_user": tier.pricing.per_user,
            "contact_sales": tier.pricing.contact_sales,
            "min_users": tier.pricing.min_users,
            "max_users": tier.pricing.max_users,
            "currency": tier.pricing.currency,
            "included_credits_per_user": tier.included_credits_per_user,
            "requests_per_minute": tier.rate_limits.requests_per_minute,
            "tokens_per_minute": tier.rate_limits.tokens_per_minute,
            "concurrent_requests": tier.rate_limits.concurrent_requests,
            "features": json.dumps(tier.features.as_json()),
            "available_add_ons": list(tier.available_add_ons),
            "is_public": tier.is_public,
            "sort_order": tier.sort_order,
            "badge": tier.badge,
        }


def add_ons() -> Iterator[dict[str, object]]:
    for add_on in ADD_ONS.values():
        yield {
            "id": add_on.id,
            "display_name": add_on.display_name,
            "description": add_on.description,
            "price_monthly_cents": add_on.monthly_cents,
            "price_annual_cents": add_on.annual_cents,
            "price_per_user": add_on.per_user,
            "available_for_tiers": list(add_on.available_for),
            "included_in_tiers": list(add_on.included_in),
            "features": json.dumps(dict.fromkeys(add_on.features, True)),
        }


def price_bands() -> Iterator[dict[str, object]]:
    for band in PRICE_BANDS:
        yield {
            "min_credits": band.min_credits,
            "discount_rate": band.discount_rate,
            "bonus_rate": band.bonus_rate,
            "unit_price_cents": band.unit_price_cents,
        }


def model_prices() -> Iterator[dict[str, object]]:
    for price in MODEL_PRICES:
        yield {
            "model_id": price.model_id,
            "provider_id": price.provider_id,
            "display_name": price.display_name,
            "credit_rate_multiplier": price.multiplier,
            "cached_input_rate": price.cached_input_rate,
        }


def units(cents: int | None) -> Decimal | None:
    """A price in units of its currency, as the specification's table keeps it."""
    return None if cents is None else Decimal(cents) / 100
