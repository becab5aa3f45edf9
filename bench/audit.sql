-- 20 pools of one tenant, each with the entries numbered bench.first to bench.last: a purchase of 1 credit and a consumption of 0.4 in turn.
-- Every tenth entry is of a request: with its settled reservation, its usage and its share of a rollup. What was there before goes on.
-- Written set by set, without the checks of foreign keys; the ids ascend, so that the indexes grow at their ends.
SET session_replication_role = replica;
SET synchronous_commit = off;

INSERT INTO tenants (id, name) VALUES ('7e000000-0000-4000-8000-000000000001', 'Bench') ON CONFLICT DO NOTHING;

INSERT INTO users (tenant_id, id, subject, email, display_name)
VALUES ('7e000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'person', 'person@bench.example', 'Person')
    ON CONFLICT DO NOTHING;

CREATE TEMPORARY TABLE entries AS
SELECT '7e000000-0000-4000-8000-000000000001'::uuid AS tenant_id, 'a0000000-0000-4000-8000-000000000001'::uuid AS user_id,
       ('b' || lpad(pool::text, 7, '0') || '-0000-4000-8000-000000000001')::uuid AS pool_id,
       ('e' || lpad(pool::text, 7, '0') || '-0000-4000-8000-' || lpad(to_hex(number), 12, '0'))::uuid AS id,
       number AS sequence, number % 2 = 1 AS bought,
       CASE WHEN number % 2 = 1 THEN 1 ELSE -0.4 END AS amount,
       (number + 1) / 2 - 0.4 * (number / 2) AS balance_after,
       CASE WHEN number % 10 = 0 THEN
           ('d' || lpad(pool::text, 7, '0') || '-0000-4000-8000-' || lpad(to_hex(number), 12, '0'))::uuid END AS request_id,
       date_trunc('month', now()) + number * interval '0.1 second' AS created_at
  FROM generate_series(1, 20) AS pool
 CROSS JOIN generate_series(current_setting('bench.first')::bigint, current_setting('bench.last')::bigint) AS number
 ORDER BY pool, number;

INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id, balance_available, purchased_total, purchased_remaining, ledger_sequence)
SELECT tenant_id, pool_id, 'Bench', 'enterprise', user_id, balance_after, balance_after, balance_after, sequence
  FROM entries WHERE sequence = current_setting('bench.last')::bigint
    ON CONFLICT (tenant_id, id) DO UPDATE SET balance_available = excluded.balance_available, purchased_total = excluded.purchased_total,
       purchased_remaining = excluded.purchased_remaining, ledger_sequence = excluded.ledger_sequence;

INSERT INTO credit_pool_members (tenant_id, pool_id, user_id, role)
SELECT tenant_id, id, owner_user_id, 'owner' FROM credit_pools ON CONFLICT DO NOTHING;

INSERT INTO credit_transactions (tenant_id, id, pool_id, sequence, user_id, transaction_type, source_type, amount, balance_after, request_id, created_at)
SELECT tenant_id, id, pool_id, sequence, user_id, CASE WHEN bought THEN 'purchase' ELSE 'consumption' END, 'purchased', amount, balance_after,
       request_id, created_at
  FROM entries;

INSERT INTO credit_reservations (tenant_id, id, pool_id, user_id, request_id, request_hash, amount, settled_amount, status, model_id, provider_id,
                                 request_type, expires_at, settled_at, created_at)
SELECT tenant_id, id, pool_id, user_id, request_id, '', -amount, -amount, 'settled', 'gpt-5', 'openai', 'text', created_at, created_at, created_at
  FROM entries WHERE request_id IS NOT NULL;

INSERT INTO credit_usage (tenant_id, created_at, id, pool_id, user_id, transaction_id, request_id, request_type, model_id, provider_id,
                          input_tokens, output_tokens, credits_consumed, credits_from_purchased, latency_ms)
SELECT tenant_id, created_at, id, pool_id, user_id, id, request_id, 'text', 'gpt-5', 'openai', 200000, 50000, -amount, -amount, 300
  FROM entries WHERE request_id IS NOT NULL;

DELETE FROM usage_rollups;

INSERT INTO usage_rollups (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type, requests, input_tokens, output_tokens,
                           credits, from_purchased, latency_ms_total)
SELECT tenant_id, pool_id, date_trunc('hour', created_at, 'UTC'), user_id, model_id, provider_id, request_type, count(*), sum(input_tokens),
       sum(output_tokens), sum(credits_consumed), sum(credits_from_purchased), sum(latency_ms)
  FROM credit_usage GROUP BY 1, 2, 3, 4, 5, 6, 7;

DROP TABLE entries;
