"""What the database itself refuses, whoever writes: the invariants of the balances and the ledger (rulings 1, 9, 11, 23, 24)."""

from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from models import tenant_tables
from tests.database.rows import Row, fill, insert_row, new_row, snapshot

TABLES = {table.name: table for table in tenant_tables()}


@pytest.fixture(scope="module")
async def rows(inspector: asyncpg.Connection) -> dict[str, Row]:
    """One row in every tenant table of one tenant."""
    return await fill(inspector, uuid4())


async def _refused(inspector: asyncpg.Connection, row: Row, table: str, change: str, constraint: str) -> None:
    before = await snapshot(inspector, TABLES[table], row["tenant_id"])
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await inspector.execute(f"UPDATE {table} SET {change} WHERE tenant_id = $1", row["tenant_id"])
    assert refusal.value.as_dict()["constraint_name"] == constraint
    assert await snapshot(inspector, TABLES[table], row["tenant_id"]) == before


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("balance_available = 1", "balance_is_sum_of_buckets"),
        ("balance_reserved = 0.000001", "balance_is_sum_of_buckets"),
        ("purchased_remaining = 1", "balance_is_sum_of_buckets"),
        ("bonus_remaining = 1", "balance_is_sum_of_buckets"),
        ("monthly_included_total = 1", "balance_is_sum_of_buckets"),
        ("balance_available = -1, balance_reserved = 1", "balance_available_not_negative"),
        ("balance_available = 1, balance_reserved = -1", "balance_reserved_not_negative"),
        ("purchased_remaining = -1, bonus_remaining = 1", "purchased_remaining_not_negative"),
        ("purchased_remaining = 1, bonus_remaining = -1", "bonus_remaining_not_negative"),
        ("monthly_included_used = 1, bonus_remaining = 1", "included_remaining_not_negative"),
        ("shortfall_credits = -0.000001", "shortfall_credits_not_negative"),
        ("balance_available = 'NaN', purchased_remaining = 'NaN'", "balance_available_not_negative"),
        ("balance_reserved = 'NaN', bonus_remaining = 'NaN'", "balance_reserved_not_negative"),
        ("monthly_included_total = 'NaN', balance_available = 'NaN'", "balance_available_not_negative"),
        ("monthly_included_total = 'NaN', monthly_included_used = 'NaN'", "monthly_included_total_not_negative"),
        ("shortfall_credits = 'NaN'", "shortfall_credits_not_negative"),
        ("purchased_total = 'NaN'", "purchased_total_not_negative"),
        ("version = 0", "counters"),
    ],
)
async def test_a_pool_stays_balanced(
    change: str, constraint: str, rows: dict[str, Row], inspector: asyncpg.Connection
) -> None:
    before = await snapshot(inspector, TABLES["credit_pools"], rows["credit_pools"]["tenant_id"])
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await inspector.execute(
            f"UPDATE credit_pools SET {change} WHERE tenant_id = $1", rows["credit_pools"]["tenant_id"]
        )
    # Several are broken at once by some of these changes; PostgreSQL names the first in the alphabet.
    named = refusal.value.as_dict()["constraint_name"]
    assert named in {f"ck_credit_pools_{constraint}", "ck_credit_pools_balance_is_sum_of_buckets"}
    assert await snapshot(inspector, TABLES["credit_pools"], rows["credit_pools"]["tenant_id"]) == before


@pytest.mark.parametrize(
    ("table", "change", "constraint"),
    [
        ("credit_transactions", "amount = 0", "amount"),
        ("credit_transactions", "amount = 'NaN'", "amount"),
        ("credit_transactions", "balance_after = 'NaN'", "balance_after_not_negative"),
        ("credit_transactions", "balance_after = -1", "balance_after_not_negative"),
        ("credit_transactions", "transaction_type = 'consumption'", "amount_sign"),
        ("credit_transactions", "transaction_type = 'purchase', amount = -1", "amount_sign"),
        ("credit_transactions", "transaction_type = 'gift'", "transaction_type"),
        ("credit_transactions", "source_type = 'pocket'", "source_type"),
        ("credit_transactions", "sequence = 0", "sequence"),
        ("credit_pool_members", "daily_credit_limit = -1", "daily_credit_limit_not_negative"),
        ("credit_pool_members", "daily_credit_limit = 'NaN'", "daily_credit_limit_not_negative"),
        ("credit_pool_members", "usage_today = 'NaN'", "usage_today_not_negative"),
        ("credit_pool_members", "role = 'king'", "role"),
        ("credit_purchases", "credits_amount = 'NaN', total_credits = 'NaN'", "credits_amount"),
        ("credit_purchases", "credits_amount = 0.99, total_credits = 0.99", "credits_amount"),
        ("credit_purchases", "credits_amount = 1.005, total_credits = 1.005", "credits_amount"),
        ("credit_purchases", "credits_amount = 10000.01, total_credits = 10000.01", "credits_amount"),
        ("credit_purchases", "total_credits = 2", "total_credits"),
        ("credit_purchases", "payment_amount_cents = 2", "payment_amount_cents"),
        ("credit_purchases", "payment_amount_cents = 0, discount_cents = 1", "payment_amount_cents"),
        ("credit_purchases", "refunded_cents = 2", "refunded_cents"),
        ("credit_purchases", "status = 'paid'", "status"),
        ("credit_reservations", "amount = 'NaN'", "amount_not_negative"),
        ("credit_reservations", "status = 'settled'", "settled_amount"),
        ("credit_usage", "credits_consumed = 1", "consumed_is_sum_of_sources"),
        ("credit_usage", "credits_from_bonus = 'NaN', credits_consumed = 'NaN'", "credits_consumed_not_negative"),
        ("usage_rollups", "hour = hour + interval '1 minute'", "hour"),
        ("subscriptions", "tier_id = 'TEAM'", "paid_tier_has_customer"),
        ("subscriptions", "seat_count = 0", "seat_count"),
        ("subscriptions", "current_period_end = current_period_start", "current_period"),
        ("auto_purchase_settings", "enabled = true", "enabled_needs_method_and_cap"),
        ("auto_purchase_settings", "enabled = true, stripe_payment_method_id = 'pm_x'", "enabled_needs_method_and_cap"),
        ("approval_requests", "status = 'approved'", "approved_amount"),
    ],
)
async def test_a_row_keeps_its_checks(
    table: str, change: str, constraint: str, rows: dict[str, Row], inspector: asyncpg.Connection
) -> None:
    await _refused(inspector, rows[table], table, change, f"ck_{table}_{constraint}")


@pytest.mark.parametrize(
    ("table", "same", "constraint"),
    [
        ("credit_transactions", {"sequence"}, "uq_credit_transactions_sequence"),
        ("credit_purchases", {"idempotency_key"}, "uq_credit_purchases_idempotency_key"),
        ("credit_reservations", {"request_id"}, "uq_credit_reservations_request_id"),
        ("subscriptions", set(), "uq_subscriptions_live"),
        ("auto_purchase_settings", set(), "uq_auto_purchase_settings_pool_id"),
        ("credit_pool_members", set(), "uq_credit_pool_members_user"),
        ("invitations", {"email"}, "uq_invitations_open"),
        ("api_keys", {"key_hash"}, "uq_api_keys_key_hash"),
        ("users", {"subject"}, "uq_users_subject"),
    ],
)
async def test_what_may_be_there_once(
    table: str, same: set[str], constraint: str, rows: dict[str, Row], inspector: asyncpg.Connection
) -> None:
    tenant = rows[table]["tenant_id"]
    before = await snapshot(inspector, TABLES[table], tenant)
    again = new_row(TABLES[table], tenant, rows) | {column: rows[table][column] for column in same}
    with pytest.raises(asyncpg.UniqueViolationError) as refusal:
        await insert_row(inspector, TABLES[table], again)
    assert refusal.value.as_dict()["constraint_name"] == constraint
    assert await snapshot(inspector, TABLES[table], tenant) == before


async def test_a_pool_has_one_owner(rows: dict[str, Row], inspector: asyncpg.Connection) -> None:
    tenant = rows["users"]["tenant_id"]
    for expected in (None, "uq_credit_pool_members_owner"):
        user = new_row(TABLES["users"], tenant, rows)
        await insert_row(inspector, TABLES["users"], user)
        owner = new_row(TABLES["credit_pool_members"], tenant, rows | {"users": user}) | {"role": "owner"}
        if expected is None:
            await insert_row(inspector, TABLES["credit_pool_members"], owner)
            continue
        with pytest.raises(asyncpg.UniqueViolationError, match=expected):
            await insert_row(inspector, TABLES["credit_pool_members"], owner)


async def test_included_remaining_follows_by_itself(rows: dict[str, Row], inspector: asyncpg.Connection) -> None:
    pool = rows["credit_pools"]
    included = await inspector.fetchval(
        "UPDATE credit_pools SET monthly_included_total = 6, monthly_included_used = 2.5, balance_available = 3,"
        " balance_reserved = 0.5 WHERE tenant_id = $1 RETURNING included_remaining",
        pool["tenant_id"],
    )
    assert included == Decimal("3.5")
    await inspector.execute(
        "UPDATE credit_pools SET monthly_included_total = 0, monthly_included_used = 0, balance_available = 0,"
        " balance_reserved = 0 WHERE tenant_id = $1",
        pool["tenant_id"],
    )
