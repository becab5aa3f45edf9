"""The ledger's proof: for every pool, what ruling 9 says, computed anew from the entries. `portal ledger audit` prints what it finds.

Each proof is one statement a tenant that answers with the faults alone, so memory stays flat however long the ledger is; the chain is
walked along the index (tenant, pool, sequence).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from sqlalchemy import text

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
        SELECT p.id AS pool_id, format('held %s, reserved %s', coalesce(r.held, 0), p.balance_reserved) AS detail
          FROM credit_pools p
          LEFT JOIN (SELECT pool_id, sum(amount) AS held FROM credit_reservations
                      WHERE tenant_id = :tenant AND status = 'held' GROUP BY pool_id) r ON r.pool_id = p.id
         WHERE p.tenant_id = :tenant AND p.balance_reserved <> coalesce(r.held, 0)""",
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
    "usage is what the consumption entries of requests say": """
        SELECT coalesce(u.pool_id, e.pool_id) AS pool_id,
               format('usage %s, consumption entries %s', coalesce(u.total, 0), coalesce(e.total, 0)) AS detail
          FROM (SELECT pool_id, sum(credits_consumed - shortfall_credits) AS total FROM credit_usage
                 WHERE tenant_id = :tenant GROUP BY pool_id) u
          FULL JOIN (SELECT pool_id, -sum(amount) AS total FROM credit_transactions
                      WHERE tenant_id = :tenant AND transaction_type = 'consumption' AND request_id IS NOT NULL
                      GROUP BY pool_id) e ON e.pool_id = u.pool_id
         WHERE coalesce(u.total, 0) <> coalesce(e.total, 0)""",
    "rollups are the sums of usage": """
        SELECT coalesce(u.pool_id, r.pool_id) AS pool_id,
               format('usage %s credits in %s requests, rollups %s in %s',
                      coalesce(u.total, 0), coalesce(u.requests, 0), coalesce(r.total, 0), coalesce(r.requests, 0)) AS detail
          FROM (SELECT pool_id, sum(credits_consumed) AS total, count(*) AS requests FROM credit_usage
                 WHERE tenant_id = :tenant GROUP BY pool_id) u
          FULL JOIN (SELECT pool_id, sum(credits) AS total, sum(requests) AS requests FROM usage_rollups
                      WHERE tenant_id = :tenant GROUP BY pool_id) r ON r.pool_id = u.pool_id
         WHERE (coalesce(u.total, 0), coalesce(u.requests, 0)) <> (coalesce(r.total, 0), coalesce(r.requests, 0))""",
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
