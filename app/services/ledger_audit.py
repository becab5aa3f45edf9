"""The ledger's proof: for every pool, what ruling 9 says, computed anew from the entries. `portal ledger audit` prints what it finds.

Each proof is one statement a tenant that answers with the faults alone, so memory stays flat however long the ledger is; the chain is
walked along the index (tenant, pool, sequence).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from sqlalchemy import text

from app.services.ledger import SHORTFALL_PAID
from app.tenancy import ActorKind, Database, Scope, Transaction

MAX_FAULTS = 1_000  # of one proof and tenant: who has more has seen enough


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken promise: where, which, and the figures on both sides."""

    tenant_id: UUID
    pool_id: UUID
    proof: str
    detail: str


PROOFS = {
    "entries are numbered without gaps and balance_after is a chain": """
        SELECT pool_id, format('entry %s: follows entry %s at %s with an amount of %s, but says %s',
                               sequence, coalesce(before, 0), coalesce(balance_before, 0), amount, balance_after) AS detail
          FROM (SELECT pool_id, sequence, amount, balance_after,
                       lag(sequence) OVER chain AS before, lag(balance_after) OVER chain AS balance_before
                  FROM credit_transactions
                 WHERE tenant_id = :tenant
                WINDOW chain AS (PARTITION BY pool_id ORDER BY sequence)) entries
         WHERE sequence <> coalesce(before, 0) + 1 OR balance_after <> coalesce(balance_before, 0) + amount""",
    "the entries of each bucket add up to what it holds": """
        SELECT p.id AS pool_id, format('%s: the entries add up to %s, the pool says %s', b.bucket, coalesce(e.total, 0), b.held) AS detail
          FROM credit_pools p
         CROSS JOIN LATERAL (VALUES ('included', p.included_remaining), ('bonus', p.bonus_remaining),
                                    ('purchased', p.purchased_remaining)) AS b(bucket, held)
          LEFT JOIN (SELECT pool_id, source_type, sum(amount) AS total FROM credit_transactions
                      WHERE tenant_id = :tenant GROUP BY pool_id, source_type) e
                 ON e.pool_id = p.id AND e.source_type = b.bucket
         WHERE p.tenant_id = :tenant AND coalesce(e.total, 0) <> b.held""",
    "the buckets add up to available and reserved": """
        SELECT id AS pool_id, format('buckets %s, available %s, reserved %s',
               included_remaining + bonus_remaining + purchased_remaining, balance_available, balance_reserved) AS detail
          FROM credit_pools
         WHERE tenant_id = :tenant
           AND included_remaining + bonus_remaining + purchased_remaining <> balance_available + balance_reserved""",
    "the pool's counter is its last entry's number": """
        SELECT p.id AS pool_id, format('the last entry is %s, the counter says %s', coalesce(e.last, 0), p.ledger_sequence) AS detail
          FROM credit_pools p
          LEFT JOIN (SELECT pool_id, max(sequence) AS last FROM credit_transactions
                      WHERE tenant_id = :tenant GROUP BY pool_id) e ON e.pool_id = p.id
         WHERE p.tenant_id = :tenant AND p.ledger_sequence <> coalesce(e.last, 0)""",
    "held reservations add up to what is reserved": """
        SELECT p.id AS pool_id, format('held %s in %s, the pool says %s in %s', coalesce(r.held, 0), coalesce(r.holds, 0),
                                       p.balance_reserved, p.held_count) AS detail
          FROM credit_pools p
          LEFT JOIN (SELECT pool_id, sum(amount) AS held, count(*) AS holds FROM credit_reservations
                      WHERE tenant_id = :tenant AND status = 'held' GROUP BY pool_id) r ON r.pool_id = p.id
         WHERE p.tenant_id = :tenant
           AND (p.balance_reserved, p.held_count) IS DISTINCT FROM (coalesce(r.held, 0), coalesce(r.holds, 0))""",
    "held reservations add up to what each member has held": """
        SELECT m.pool_id, format('member %s: held %s, the member says %s', m.user_id, coalesce(r.held, 0), m.held_credits) AS detail
          FROM credit_pool_members m
          LEFT JOIN (SELECT pool_id, user_id, sum(amount) AS held FROM credit_reservations
                      WHERE tenant_id = :tenant AND status = 'held' GROUP BY pool_id, user_id) r
                 ON r.pool_id = m.pool_id AND r.user_id = m.user_id
         WHERE m.tenant_id = :tenant AND m.held_credits <> coalesce(r.held, 0)""",
    "whoever owes has nothing available": """
        SELECT id AS pool_id, format('owes %s, available %s', shortfall_credits, balance_available) AS detail
          FROM credit_pools
         WHERE tenant_id = :tenant AND shortfall_credits > 0 AND balance_available > 0""",
    "completed purchases are in the ledger once": """
        SELECT c.pool_id, format('purchase %s (%s): %s credits bought and given, %s in the ledger',
                                 c.id, c.status, c.total_credits, coalesce(e.total, 0)) AS detail
          FROM credit_purchases c
          LEFT JOIN (SELECT pool_id, source_id, sum(amount) AS total FROM credit_transactions
                      WHERE tenant_id = :tenant AND transaction_type IN ('purchase', 'bonus_grant') AND source_id IS NOT NULL
                      GROUP BY pool_id, source_id) e ON e.pool_id = c.pool_id AND e.source_id = c.id::text
         WHERE c.tenant_id = :tenant
           AND coalesce(e.total, 0) <> CASE WHEN c.status IN ('completed', 'refunded', 'partially_refunded')
                                            THEN c.total_credits ELSE 0 END""",
    "a purchase says what its refunds and disputes gave back": """
        SELECT pool_id, format('purchase %s (%s): says that %s cents went back, its refunds and disputes say %s',
                               id, status, said, back) AS detail
          FROM (SELECT c.pool_id, c.id, c.status, c.payment_amount_cents AS paid, c.refunded_cents AS said,
                       CASE WHEN c.status NOT IN ('completed', 'refunded', 'partially_refunded') THEN 0
                            ELSE least(coalesce(r.cents, 0) + coalesce(d.cents, 0), c.payment_amount_cents) END AS back
                  FROM credit_purchases c
                  LEFT JOIN (SELECT purchase_id, sum(amount_cents) AS cents FROM refunds
                              WHERE tenant_id = :tenant AND status IN ('processing', 'succeeded') GROUP BY purchase_id) r
                         ON r.purchase_id = c.id
                  LEFT JOIN (SELECT purchase_id, sum(withdrawn_cents) AS cents FROM disputes
                              WHERE tenant_id = :tenant GROUP BY purchase_id) d ON d.purchase_id = c.id
                 WHERE c.tenant_id = :tenant) purchases
         WHERE said <> back
            OR status IN ('completed', 'refunded', 'partially_refunded')
               AND status <> CASE back WHEN 0 THEN 'completed' WHEN paid THEN 'refunded' ELSE 'partially_refunded' END""",
    # div() is exact where / rounds: half up at 6 places is (2 * share in millionths + 1) div 2.
    "the credits of what went back were taken back": """
        SELECT pool_id, format('purchase %s: %s cents went back: %s and %s credits were due, %s and %s were reversed',
                               id, refunded_cents, due, due_bonus, taken, taken_bonus) AS detail
          FROM (SELECT c.pool_id, c.id, c.refunded_cents, coalesce(v.purchased, 0) AS taken, coalesce(v.bonus, 0) AS taken_bonus,
                       div(c.credits_amount * 2000000 * c.refunded_cents + c.payment_amount_cents, 2 * c.payment_amount_cents) * 0.000001
                           AS due,
                       div(c.bonus_credits * 2000000 * c.refunded_cents + c.payment_amount_cents, 2 * c.payment_amount_cents) * 0.000001
                           AS due_bonus
                  FROM credit_purchases c
                  LEFT JOIN (SELECT purchase_id, sum(purchased_credits) AS purchased, sum(bonus_credits) AS bonus
                               FROM credit_reversals WHERE tenant_id = :tenant GROUP BY purchase_id) v ON v.purchase_id = c.id
                 WHERE c.tenant_id = :tenant) purchases
         WHERE (due, due_bonus) <> (taken, taken_bonus)""",
    "reversed credits are in the ledger": """
        SELECT pool_id, format('purchase %s, %s: %s credits were reversed, refund entries say %s',
                               source_id, bucket, coalesce(v.total, 0), coalesce(e.total, 0)) AS detail
          FROM (SELECT pool_id, purchase_id::text AS source_id, bucket, sum(amount) AS total
                  FROM credit_reversals
                 CROSS JOIN LATERAL (VALUES ('purchased', from_purchased), ('bonus', from_bonus)) AS taken(bucket, amount)
                 WHERE tenant_id = :tenant GROUP BY 1, 2, 3) v
          FULL JOIN (SELECT pool_id, source_id, source_type AS bucket, -sum(amount) AS total
                       FROM credit_transactions
                      WHERE tenant_id = :tenant AND transaction_type = 'refund' AND source_id IS NOT NULL
                      GROUP BY pool_id, source_id, source_type) e USING (pool_id, source_id, bucket)
         WHERE coalesce(v.total, 0) <> coalesce(e.total, 0)""",
    "what is owed is what was used or reversed beyond the balance, less what was paid of it": f"""
        SELECT p.id AS pool_id, format('used %s and reversed %s beyond the balance, paid %s: the pool says that it owes %s',
               coalesce(u.total, 0), coalesce(v.total, 0), coalesce(e.total, 0), p.shortfall_credits) AS detail
          FROM credit_pools p
          LEFT JOIN (SELECT pool_id, sum(shortfall_credits) AS total FROM credit_usage
                      WHERE tenant_id = :tenant GROUP BY pool_id) u ON u.pool_id = p.id
          LEFT JOIN (SELECT pool_id, sum(shortfall_credits) AS total FROM credit_reversals
                      WHERE tenant_id = :tenant GROUP BY pool_id) v ON v.pool_id = p.id
          LEFT JOIN (SELECT pool_id, -sum(amount) AS total FROM credit_transactions
                      WHERE tenant_id = :tenant AND transaction_type = 'consumption' AND description = '{SHORTFALL_PAID}'
                      GROUP BY pool_id) e ON e.pool_id = p.id
         WHERE p.tenant_id = :tenant
           AND coalesce(u.total, 0) + coalesce(v.total, 0) - coalesce(e.total, 0) <> p.shortfall_credits""",  # noqa: S608  words of ours
    "usage is what the consumption entries of requests say": """
        SELECT coalesce(u.pool_id, e.pool_id) AS pool_id,
               format('request %s: usage %s, consumption entries %s',
                      coalesce(u.request_id, e.request_id), coalesce(u.total, 0), coalesce(e.total, 0)) AS detail
          FROM (SELECT pool_id, request_id, sum(credits_consumed - shortfall_credits) AS total FROM credit_usage
                 WHERE tenant_id = :tenant GROUP BY pool_id, request_id) u
          FULL JOIN (SELECT pool_id, request_id, -sum(amount) AS total FROM credit_transactions
                      WHERE tenant_id = :tenant AND transaction_type = 'consumption' AND request_id IS NOT NULL
                      GROUP BY pool_id, request_id) e USING (pool_id, request_id)
         WHERE coalesce(u.total, 0) <> coalesce(e.total, 0)""",
    "a settled reservation has its usage once": """
        SELECT r.pool_id, format('request %s: settled for %s, usage %s in %s', r.request_id, r.settled_amount,
                                 coalesce(u.total, 0), coalesce(u.times, 0)) AS detail
          FROM credit_reservations r
          LEFT JOIN (SELECT pool_id, request_id, sum(credits_consumed) AS total, count(*) AS times FROM credit_usage
                      WHERE tenant_id = :tenant GROUP BY pool_id, request_id) u USING (pool_id, request_id)
         WHERE r.tenant_id = :tenant
           AND (coalesce(u.total, 0), coalesce(u.times, 0)) IS DISTINCT FROM
               (coalesce(r.settled_amount, 0), CASE WHEN r.status = 'settled' THEN 1 ELSE 0 END)""",
    "rollups are the sums of usage": """
        SELECT coalesce(u.pool_id, r.pool_id) AS pool_id,
               format('hour %s: usage %s, rollups %s',
                      coalesce(u.hour, r.hour), coalesce(u.sums, 'none'), coalesce(r.sums, 'none')) AS detail
          FROM (SELECT pool_id, date_trunc('hour', created_at, 'UTC') AS hour, user_id, model_id, provider_id, request_type,
                       row(count(*)::numeric, sum(input_tokens)::numeric, sum(output_tokens)::numeric, sum(cached_tokens)::numeric,
                           sum(credits_consumed), sum(credits_from_included), sum(credits_from_bonus), sum(credits_from_purchased),
                           sum(shortfall_credits), sum(coalesce(latency_ms, 0))::numeric)::text AS sums
                  FROM credit_usage
                 WHERE tenant_id = :tenant GROUP BY pool_id, 2, user_id, model_id, provider_id, request_type) u
          FULL JOIN (SELECT pool_id, hour, user_id, model_id, provider_id, request_type,
                            row(requests::numeric, input_tokens::numeric, output_tokens::numeric, cached_tokens::numeric, credits,
                                from_included, from_bonus, from_purchased, shortfall_credits, latency_ms_total::numeric)::text AS sums
                       FROM usage_rollups WHERE tenant_id = :tenant) r
               USING (pool_id, hour, user_id, model_id, provider_id, request_type)
         WHERE u.sums IS DISTINCT FROM r.sums""",
}


async def audit(database: Database, tenant_id: UUID) -> AsyncIterator[Fault]:
    """Prove one tenant's ledger; yields what is wrong. Every figure is of the same instant."""
    async with database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
        for proof, statement in PROOFS.items():
            for fault in await _faults(tx, proof, statement):
                yield fault


async def _faults(tx: Transaction, proof: str, statement: str) -> list[Fault]:
    rows = await tx.rows(text(f"{statement} LIMIT {MAX_FAULTS}"), {"tenant": tx.tenant_id})
    return [Fault(tx.tenant_id, row.pool_id, proof, row.detail) for row in rows]


async def tenants(owner: asyncpg.Connection) -> list[UUID]:
    """Every tenant; only the owner's connection may list them (migrations, 08_global_grants.sql)."""
    return [row["id"] for row in await owner.fetch("SELECT id FROM tenants ORDER BY id")]
