"""Restore a pool's balances from its ledger: they are a cache of the entries and of the holds (ruling 9). The entries stay as they are.

What the pool owes is restored too: what was used or reversed beyond the balance, less the entries that paid of it.
"""

from uuid import UUID

from sqlalchemy import text

from app.rules.errors import Invalid
from app.services.audit import record
from app.services.ledger import SHORTFALL_PAID, lock_pool
from app.tenancy import Transaction

# What a pool may have of a bucket in its lifetime comes from what was bought, given or sent to it; what is used of a month's included
# credits, from the consumption since the month's grant.
_BALANCES = text("""
    WITH entries AS (
        SELECT coalesce(sum(amount) FILTER (WHERE source_type = 'included'), 0) AS included,
               coalesce(sum(amount) FILTER (WHERE source_type = 'bonus'), 0) AS bonus,
               coalesce(sum(amount) FILTER (WHERE source_type = 'purchased'), 0) AS purchased,
               coalesce(sum(amount) FILTER (WHERE source_type = 'bonus' AND transaction_type = ANY(:adding)), 0) AS bonus_total,
               coalesce(sum(amount) FILTER (WHERE source_type = 'purchased' AND transaction_type = ANY(:adding)), 0) AS purchased_total,
               coalesce(-sum(amount) FILTER (WHERE source_type = 'included' AND transaction_type = 'consumption' AND sequence > month), 0)
                   AS used,
               coalesce(max(sequence), 0) AS last
          FROM credit_transactions,
               (SELECT coalesce(max(sequence), 0) AS month FROM credit_transactions
                 WHERE tenant_id = :tenant AND pool_id = :pool AND transaction_type = 'subscription_grant') months
         WHERE tenant_id = :tenant AND pool_id = :pool
    ), holds AS (
        SELECT coalesce(sum(amount), 0) AS reserved, count(*) AS holds
          FROM credit_reservations
         WHERE tenant_id = :tenant AND pool_id = :pool AND status = 'held'
    ), owed AS (
        SELECT (SELECT coalesce(sum(shortfall_credits), 0) FROM credit_usage WHERE tenant_id = :tenant AND pool_id = :pool)
             + (SELECT coalesce(sum(shortfall_credits), 0) FROM credit_reversals WHERE tenant_id = :tenant AND pool_id = :pool)
             + (SELECT coalesce(sum(amount), 0) FROM credit_transactions
                 WHERE tenant_id = :tenant AND pool_id = :pool AND transaction_type = 'consumption' AND description = :paid) AS shortfall
    )
    SELECT included, bonus, purchased, bonus_total, purchased_total, used, last, reserved, holds, shortfall,
           included + bonus + purchased - reserved AS available
      FROM entries, holds, owed""")
_RESTORE = text("""
    UPDATE credit_pools
       SET balance_available = :available, balance_reserved = :reserved,
           monthly_included_total = CAST(:included AS numeric) + CAST(:used AS numeric), monthly_included_used = :used,
           bonus_remaining = :bonus, bonus_total = :bonus_total, purchased_remaining = :purchased,
           purchased_total = :purchased_total, ledger_sequence = :last, shortfall_credits = :shortfall,
           held_count = :holds, updated_at = now()
     WHERE tenant_id = :tenant AND id = :pool""")
_RESTORE_MEMBERS = text("""
    UPDATE credit_pool_members m
       SET held_credits = coalesce((SELECT sum(r.amount) FROM credit_reservations r
                                     WHERE r.tenant_id = :tenant AND r.pool_id = :pool AND r.user_id = m.user_id AND r.status = 'held'), 0)
     WHERE m.tenant_id = :tenant AND m.pool_id = :pool""")
_ADDING = ["purchase", "bonus_grant", "transfer_in"]


async def rebuild(tx: Transaction, pool_id: UUID) -> dict[str, str]:
    """Write the balances that the entries and the holds give, under the pool's lock; what they are now (credits).

    Raises NotFound, or Invalid where the entries themselves cannot be: then only the audit's list of faults helps.
    """
    await lock_pool(tx, pool_id)
    of_pool = {"tenant": tx.tenant_id, "pool": pool_id}
    found = (await tx.execute(_BALANCES, of_pool | {"adding": _ADDING, "paid": SHORTFALL_PAID})).one()._asdict()
    if min(found[name] for name in ("included", "bonus", "purchased", "available", "used", "shortfall")) < 0:
        raise Invalid("The entries give a balance below zero; `portal ledger audit` names the entries that are wrong.")
    await tx.execute(_RESTORE, found | of_pool)
    await tx.execute(_RESTORE_MEMBERS, of_pool)
    restored = {name: f"{found[name]:f}" for name in ("included", "bonus", "purchased", "available", "reserved")}
    await record(
        tx, action="pool.rebuilt", pool_id=pool_id, actor_user_id=None, entity=("credit_pool", pool_id), after=restored
    )
    return restored
