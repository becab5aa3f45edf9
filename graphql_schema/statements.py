"""The SQL behind the loaders, as SQL: pages of many pools by LATERAL read better so than built up in Python.

Each statement filters by tenant_id itself (the index, and one shard on Citus); row level security stands behind it. Keys come as arrays, so
that one statement serves any number of parents. A page asks for one row more than it shows: that one says that there is a next page.
"""

from collections.abc import Mapping

from app.tenancy import Read
from graphql_schema.rows import time_text

_POOLS = """
    SELECT p.id, p.name, p.pool_type, p.version, p.time_zone, p.currency, p.settings::text, p.stripe_customer_id,
           p.balance_available, p.balance_reserved, p.shortfall_credits,
           p.monthly_included_total, p.included_remaining, p.monthly_resets_at,
           p.purchased_total, p.purchased_remaining, p.bonus_total, p.bonus_remaining,
           o.id AS owner_id, o.email AS owner_email, o.display_name AS owner_display_name,
           s.id AS subscription_id, s.tier_id AS subscription_tier_id, s.status AS subscription_status,
           s.billing_cycle AS subscription_billing_cycle, s.seat_count AS subscription_seat_count,
           s.total_price_cents AS subscription_total_price_cents, s.currency AS subscription_currency,
           s.current_period_end AS subscription_current_period_end,
           s.cancel_at_period_end AS subscription_cancel_at_period_end,
           a.enabled AS auto_enabled, a.stripe_payment_method_id AS auto_payment_method_id{columns}
      FROM credit_pools p
      JOIN users o ON o.tenant_id = p.tenant_id AND o.id = p.owner_user_id
      LEFT JOIN subscriptions s ON s.tenant_id = p.tenant_id AND s.credit_pool_id = p.id
                               AND s.status NOT IN ('canceled', 'incomplete_expired')
      LEFT JOIN auto_purchase_settings a ON a.tenant_id = p.tenant_id AND a.pool_id = p.id{pages}
     WHERE p.tenant_id = :tenant AND p.id = {wanted}"""

POOLS = Read(_POOLS.format(columns="", pages="", wanted="ANY(CAST(:pools AS uuid[]))"))

_WRITTEN_PAGES = {
    "members": f"""
      CROSS JOIN LATERAL (SELECT (CAST(:now AS timestamptz) AT TIME ZONE p.time_zone)::date AS today OFFSET 0) d
      CROSS JOIN LATERAL (
           SELECT string_agg(to_json(n.node)::text, E'\\n') AS members, string_agg(n.key, E'\\n') AS members_keys
             FROM (SELECT {{node}} AS node, {time_text("r.created_at")} || ' ' || r.id AS key
                     FROM credit_pool_members r
                     JOIN users u ON u.tenant_id = r.tenant_id AND u.id = r.user_id
                    WHERE r.tenant_id = :tenant AND r.pool_id = p.id
                      AND (CAST(:member_id AS uuid) IS NULL
                           OR (r.created_at, r.id) > (CAST(:member_time AS timestamptz), CAST(:member_id AS uuid)))
                    ORDER BY r.created_at, r.id
                    LIMIT :member_rows) n) members_page""",  # noqa: S608
    "transactions": """
      CROSS JOIN LATERAL (
           SELECT string_agg(to_json(n.node)::text, E'\\n') AS transactions, string_agg(n.key, E'\\n') AS transactions_keys
             FROM (SELECT {node} AS node, r.sequence::text AS key
                     FROM credit_transactions r
                     LEFT JOIN users u ON u.tenant_id = r.tenant_id AND u.id = r.user_id
                    WHERE r.tenant_id = :tenant AND r.pool_id = p.id
                      AND r.sequence < coalesce(CAST(:sequence AS bigint), 9223372036854775807)
                      AND (CAST(:own AS uuid) IS NULL OR r.user_id = CAST(:own AS uuid))
                    ORDER BY r.sequence DESC
                    LIMIT :transaction_rows) n) transactions_page""",
}  # fmt: skip


def pool_with(nodes: Mapping[str, str]) -> Read:
    """One pool (`:pool`) with a page of each of its connections that are named, by the SQL for their nodes (rows.py). Of a page come the
    nodes as JSON and their keys for cursors, one a line, one more than is shown."""
    columns = "".join(f", {name}, {name}_keys" for name in nodes)
    pages = "".join(_WRITTEN_PAGES[name].format(node=node) for name, node in nodes.items())
    return Read(_POOLS.format(columns=columns, pages=pages, wanted=":pool"))


AUTO_PURCHASES = Read("""
    SELECT p.id AS pool, p.time_zone, p.currency, a.*,
           EXISTS (SELECT FROM credit_purchases c
                    WHERE c.tenant_id = p.tenant_id AND c.pool_id = p.id AND c.is_auto_purchase
                      AND c.status IN ('pending', 'processing', 'requires_action')) AS in_flight
      FROM credit_pools p
      LEFT JOIN auto_purchase_settings a ON a.tenant_id = p.tenant_id AND a.pool_id = p.id
     WHERE p.tenant_id = :tenant AND p.id = ANY(CAST(:pools AS uuid[]))
""")

# Rows that an answer shows many of come as JSON, one text a page: read by orjson, 900 values take a tenth of what as many columns take.
# Credits are text in it, for JSON's numbers have no places, and times are in UTC.
_MEMBER = """
    SELECT m.id, m.pool_id, m.user_id, m.role, m.status, m.permissions::text,
           m.daily_credit_limit::text, m.monthly_credit_limit::text, m.max_cost_per_request::text, m.held_credits::text,
           m.usage_on, m.usage_today::text, m.usage_this_week::text, m.usage_this_month::text, m.usage_all_time::text,
           m.last_usage_at AT TIME ZONE 'UTC' AS last_usage_at, m.joined_at AT TIME ZONE 'UTC' AS joined_at,
           m.created_at AT TIME ZONE 'UTC' AS created_at, u.email, u.display_name
      FROM credit_pool_members m
      JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id"""

MEMBERS = Read(f"""
    SELECT m.id, m.pool_id, p.time_zone, to_json(m)::text AS member
      FROM ({_MEMBER}
     WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:members AS uuid[]))) m
      JOIN credit_pools p ON p.tenant_id = :tenant AND p.id = m.pool_id
""")  # noqa: S608  no value is written into it

MEMBERS_BY_USER = Read(f"""
    SELECT m.pool_id, m.user_id, p.time_zone, to_json(m)::text AS member
      FROM unnest(CAST(:pools AS uuid[]), CAST(:users AS uuid[])) AS wanted(pool_id, user_id)
     CROSS JOIN LATERAL ({_MEMBER}
     WHERE m.tenant_id = :tenant AND m.pool_id = wanted.pool_id AND m.user_id = wanted.user_id) m
      JOIN credit_pools p ON p.tenant_id = :tenant AND p.id = m.pool_id
""")  # noqa: S608

MEMBER_PAGES = Read(f"""
    SELECT p.id AS pool_id, p.time_zone,
           (SELECT json_agg(m) FROM ({_MEMBER}
             WHERE m.tenant_id = :tenant AND m.pool_id = p.id
               AND (wanted.after_id IS NULL OR (m.created_at, m.id) > (wanted.after_time, wanted.after_id))
             ORDER BY m.created_at, m.id
             LIMIT :rows) m)::text AS page
      FROM unnest(CAST(:pools AS uuid[]), CAST(:after_times AS timestamptz[]), CAST(:after_ids AS uuid[]))
           AS wanted(pool_id, after_time, after_id)
      JOIN credit_pools p ON p.tenant_id = :tenant AND p.id = wanted.pool_id
""")  # noqa: S608

MEMBER_COUNTS = Read("""
    SELECT pool_id, count(*) AS members
      FROM credit_pool_members
     WHERE tenant_id = :tenant AND pool_id = ANY(CAST(:pools AS uuid[]))
     GROUP BY pool_id
""")

# Seats are counted by who may see the members; open invitations promise a seat (ruling 15).
SEATS = Read("""
    SELECT wanted.pool_id,
           (SELECT count(*) FROM credit_pool_members m
             WHERE m.tenant_id = :tenant AND m.pool_id = wanted.pool_id AND m.status <> 'invited') AS used,
           (SELECT count(*) FROM invitations i
             WHERE i.tenant_id = :tenant AND i.pool_id = wanted.pool_id
               AND i.status = 'pending' AND i.expires_at > now()) AS pending
      FROM unnest(CAST(:pools AS uuid[])) AS wanted(pool_id)
""")

_ENTRY = """
    SELECT t.id, t.pool_id, t.sequence, t.user_id, t.transaction_type, t.source_type, t.amount::text, t.balance_after::text,
           t.model_id, t.input_tokens, t.output_tokens, t.description, t.created_at AT TIME ZONE 'UTC' AS created_at,
           u.email, u.display_name
      FROM credit_transactions t
      LEFT JOIN users u ON u.tenant_id = t.tenant_id AND u.id = t.user_id"""

# `own` limits a pool's page to the viewer's entries: they lack VIEW_OTHER_USAGE there.
TRANSACTION_PAGES = Read(f"""
    SELECT wanted.pool_id,
           (SELECT json_agg(t) FROM ({_ENTRY}
             WHERE t.tenant_id = :tenant AND t.pool_id = wanted.pool_id
               AND t.sequence < coalesce(wanted.after_sequence, 9223372036854775807)
               AND (wanted.own IS NULL OR t.user_id = wanted.own)
             ORDER BY t.sequence DESC
             LIMIT :rows) t)::text AS page
      FROM unnest(CAST(:pools AS uuid[]), CAST(:after_sequences AS bigint[]), CAST(:own AS uuid[]))
           AS wanted(pool_id, after_sequence, own)
""")  # noqa: S608

TRANSACTION = Read(f"""
    SELECT t.pool_id, t.user_id, to_json(t)::text AS entry
      FROM ({_ENTRY}
     WHERE t.tenant_id = :tenant AND t.id = :id) t
""")  # noqa: S608

_PURCHASE_COLUMNS = """
    c.id, c.pool_id, c.user_id, c.status, c.credits_amount, c.bonus_credits, c.total_credits, c.unit_price_cents,
    c.base_cents, c.discount_cents, c.payment_amount_cents, c.payment_currency, c.refunded_cents, c.payment_method,
    c.is_auto_purchase, c.stripe_receipt_url, c.failure_code, c.failure_reason, c.next_action_url, c.created_at, c.completed_at"""

PURCHASE_PAGES = Read(f"""
    SELECT c.*, u.email, u.display_name
      FROM unnest(CAST(:pools AS uuid[]), CAST(:after_times AS timestamptz[]), CAST(:after_ids AS uuid[]), CAST(:own AS uuid[]))
           AS wanted(pool_id, after_time, after_id, own)
     CROSS JOIN LATERAL (
           SELECT {_PURCHASE_COLUMNS}
             FROM credit_purchases c
            WHERE c.tenant_id = :tenant AND c.pool_id = wanted.pool_id
              AND (wanted.after_id IS NULL OR (c.created_at, c.id) < (wanted.after_time, wanted.after_id))
              AND (wanted.own IS NULL OR c.user_id = wanted.own)
            ORDER BY c.created_at DESC, c.id DESC
            LIMIT :rows) c
      JOIN users u ON u.tenant_id = :tenant AND u.id = c.user_id
     ORDER BY c.created_at DESC, c.id DESC
""")  # noqa: S608

PURCHASE = Read(f"""
    SELECT {_PURCHASE_COLUMNS}, u.email, u.display_name
      FROM credit_purchases c
      JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id
     WHERE c.tenant_id = :tenant AND c.id = :id
""")  # noqa: S608

# The beginning stands in the purchase itself; the rest in its billing events. Kinds that no buyer needs to read are left out.
PURCHASE_MOMENTS = Read("""
    SELECT purchase_id, kind, detail, at
      FROM (SELECT c.id AS purchase_id, 'started' AS kind, NULL AS detail, c.created_at AS at, 0 AS later
              FROM credit_purchases c
             WHERE c.tenant_id = :tenant AND c.id = ANY (CAST(:purchases AS uuid[]))
             UNION ALL
            SELECT e.purchase_id, substr(e.event_type, 10), e.data ->> 'reason', e.created_at, 1
              FROM billing_events e
             WHERE e.tenant_id = :tenant AND e.purchase_id = ANY (CAST(:purchases AS uuid[]))
               AND e.event_type = ANY (CAST(:types AS text[]))) moments
     ORDER BY purchase_id, later, at
""")

_REFUND_COLUMNS = """
    r.id, r.purchase_id, r.status, r.origin, r.amount_cents, r.currency, r.reason, r.decision_note, r.failure_code, r.created_at,
    r.decided_at, r.succeeded_at, r.failed_at,
    (SELECT coalesce(sum(v.purchased_credits + v.bonus_credits), 0) FROM credit_reversals v
      WHERE v.tenant_id = r.tenant_id AND v.purchase_id = r.purchase_id AND v.refund_id = r.id) AS credits_taken"""

REFUNDS = Read(f"""
    SELECT {_REFUND_COLUMNS}
      FROM refunds r
     WHERE r.tenant_id = :tenant AND r.purchase_id = ANY (CAST(:purchases AS uuid[]))
     ORDER BY r.created_at DESC, r.id DESC
""")  # noqa: S608

REFUND = Read(f"SELECT {_REFUND_COLUMNS} FROM refunds r WHERE r.tenant_id = :tenant AND r.id = :id")  # noqa: S608

_DISPUTE_COLUMNS = "id, purchase_id, stripe_status, reason, amount_cents, withdrawn_cents, currency, opened_at"

DISPUTES = Read(f"""
    SELECT {_DISPUTE_COLUMNS}
      FROM disputes
     WHERE tenant_id = :tenant AND purchase_id = ANY (CAST(:purchases AS uuid[]))
     ORDER BY opened_at DESC, id DESC
""")  # noqa: S608

DISPUTE = Read(f"SELECT {_DISPUTE_COLUMNS} FROM disputes WHERE tenant_id = :tenant AND id = :id")  # noqa: S608

VIEWER = Read("""
    SELECT u.id, u.email, u.display_name, u.locale, u.time_zone, t.id AS tenant_id, t.name AS tenant_name
      FROM users u
      JOIN tenants t ON t.id = u.tenant_id
     WHERE u.tenant_id = :tenant AND u.id = :user
""")

TENANT_USER = Read("""
    SELECT u.id, u.email, u.display_name
      FROM users u
     WHERE u.tenant_id = :tenant AND u.id = :id
       AND (u.id = :viewer OR EXISTS (
           SELECT FROM credit_pool_members m WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id))
""")

TENANT = Read("SELECT name FROM tenants WHERE id = :tenant")

SUBSCRIPTION_POOL = Read("SELECT credit_pool_id FROM subscriptions WHERE tenant_id = :tenant AND id = :id")
