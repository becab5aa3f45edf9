-- 200 tenants, each with one pool of 25 members, 1,000 ledger entries and 5,000 usages: 200,000 entries and 1,000,000 usages in all.
-- The ledger adds up: 500 included, 10,000 purchased and 500 bonus credits come in, then 997 entries take 1.25 each, in burn order;
-- the usages are the same 1,246.25 credits in 5,000 parts of 0.24925. Ids end in the tenant's number, 100 to 299.
SET session_replication_role = replica;  -- no foreign key checks: every reference below is right by construction
TRUNCATE credit_transactions, credit_usage, usage_rollups CASCADE;  -- emptied in this very transaction: their rows need no WAL

CREATE FUNCTION pg_temp.id(kind text, tenant int) RETURNS uuid IMMUTABLE LANGUAGE sql
    AS $$ SELECT (kind || '-0000-4000-8000-000000000' || tenant)::uuid $$;

INSERT INTO tenants (id, name)
SELECT pg_temp.id('7e000000', t), 'Tenant ' || t FROM generate_series(100, 299) t;

INSERT INTO users (tenant_id, id, subject, email, display_name)
SELECT pg_temp.id('7e000000', t), pg_temp.id('a00000' || m, t), 'person-' || m, 'person' || m || '@tenant' || t || '.example', 'Person Number ' || m
  FROM generate_series(100, 299) t, generate_series(10, 34) m;

INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id, balance_available, monthly_included_total, monthly_included_used,
                          monthly_resets_at, purchased_total, purchased_remaining, bonus_total, bonus_remaining, ledger_sequence)
SELECT pg_temp.id('7e000000', t), pg_temp.id('b0000000', t), 'Pool ' || t, 'team', pg_temp.id('a0000010', t), 9753.75, 500, 500,
       date_trunc('month', now()) + interval '1 month', 10000, 9753.75, 500, 0, 1000
  FROM generate_series(100, 299) t;

INSERT INTO credit_pool_members (tenant_id, id, pool_id, user_id, role, permissions, daily_credit_limit, monthly_credit_limit, joined_at,
                                 usage_on, usage_today, usage_this_week, usage_this_month, usage_all_time, last_usage_at, created_at)
SELECT pg_temp.id('7e000000', t), pg_temp.id('c00000' || m, t), pg_temp.id('b0000000', t), pg_temp.id('a00000' || m, t),
       CASE m WHEN 10 THEN 'owner' WHEN 11 THEN 'admin' ELSE 'member' END,
       jsonb_build_object('canPurchaseCredits', m < 12, 'canViewPoolBalance', true, 'canViewOtherUsage', m < 12,
                          'canInviteMembers', m < 12, 'canRemoveMembers', m < 12, 'canModifySettings', m < 12),
       100, 1000, now() - interval '90 days', current_date, 0.55, 3.85, 16.5, 49.85, now(), now() - interval '90 days' + make_interval(mins => m)
  FROM generate_series(100, 299) t, generate_series(10, 34) m;

INSERT INTO subscriptions (tenant_id, id, user_id, credit_pool_id, tier_id, billing_cycle, seat_count, price_per_unit_cents, total_price_cents,
                           stripe_customer_id, current_period_start, current_period_end)
SELECT pg_temp.id('7e000000', t), pg_temp.id('d0000000', t), pg_temp.id('a0000010', t), pg_temp.id('b0000000', t), 'TEAM', 'monthly', 30, 2500,
       75000, 'cus_bench' || t, date_trunc('month', now()), date_trunc('month', now()) + interval '1 month'
  FROM generate_series(100, 299) t;

INSERT INTO credit_transactions (tenant_id, pool_id, sequence, user_id, transaction_type, source_type, amount, balance_after,
                                 model_id, request_id, input_tokens, output_tokens, description, created_at)
SELECT pg_temp.id('7e000000', t), pg_temp.id('b0000000', t), s, pg_temp.id('a00000' || 10 + s % 25, t),
       (ARRAY['subscription_grant', 'purchase', 'bonus_grant', 'consumption'])[least(s, 4)],
       CASE WHEN s = 1 OR s BETWEEN 4 AND 403 THEN 'included' WHEN s = 3 OR s BETWEEN 404 AND 803 THEN 'bonus' ELSE 'purchased' END,
       (ARRAY[500, 10000, 500, -1.25])[least(s, 4)],
       CASE s WHEN 1 THEN 500 WHEN 2 THEN 10500 ELSE 11000 - 1.25 * (s - 3) END,
       CASE WHEN s > 3 THEN 'claude-sonnet-4-5' END, CASE WHEN s > 3 THEN gen_random_uuid() END, CASE WHEN s > 3 THEN 1200 + s END, CASE WHEN s > 3 THEN 350 END,
       CASE WHEN s > 3 THEN 'Conversation ' || s ELSE 'Credits' END,
       now() - interval '90 days' + s * interval '129 minutes'
  FROM generate_series(100, 299) t, generate_series(1, 1000) s;

-- Each person works 50 requests in an hour, then somebody else does: few rollups, as real use has.
INSERT INTO credit_usage (tenant_id, pool_id, user_id, request_id, request_type, model_id, provider_id, input_tokens, output_tokens,
                          credits_consumed, credits_from_purchased, latency_ms, created_at)
SELECT pg_temp.id('7e000000', t), pg_temp.id('b0000000', t), pg_temp.id('a00000' || 10 + u / 50 % 25, t), gen_random_uuid(), 'chat',
       'claude-sonnet-4-5', 'anthropic', 240, 70, 0.24925, 0.24925, 900,
       date_trunc('hour', now(), 'UTC') - interval '90 days' + u / 50 * interval '20 hours' + u % 50 * interval '1 minute'
  FROM generate_series(100, 299) t, generate_series(0, 4999) u;

INSERT INTO usage_rollups (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type, requests, input_tokens, output_tokens,
                           credits, from_purchased, latency_ms_total)
SELECT tenant_id, pool_id, date_trunc('hour', created_at, 'UTC'), user_id, model_id, provider_id, request_type, count(*), sum(input_tokens),
       sum(output_tokens), sum(credits_consumed), sum(credits_from_purchased), sum(latency_ms)
  FROM credit_usage GROUP BY 1, 2, 3, 4, 5, 6, 7;
