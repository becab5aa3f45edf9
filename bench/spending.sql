-- One tenant with one hot pool (001) and 200 others (101 to 300), all of ENTERPRISE_PLUS, a hundred million purchased credits each, and an API key of scope usage:write.
-- The tier's caps on requests and tokens a minute are lifted: they are data, and what is measured is the machine.
SET session_replication_role = replica;
UPDATE subscription_tiers SET requests_per_minute = 2000000000, tokens_per_minute = 1000000000000 WHERE id = 'ENTERPRISE_PLUS';

INSERT INTO tenants (id, name) VALUES ('7e000000-0000-4000-8000-000000000001', 'Bench');

INSERT INTO users (tenant_id, id, subject, email, display_name)
VALUES ('7e000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'person', 'person@bench.example', 'Person');

INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id, balance_available, purchased_total, purchased_remaining, ledger_sequence)
VALUES ('7e000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'Bench', 'enterprise',
        'a0000000-0000-4000-8000-000000000001', 100000000, 100000000, 100000000, 1);

INSERT INTO credit_pool_members (tenant_id, id, pool_id, user_id, role, permissions)
VALUES ('7e000000-0000-4000-8000-000000000001', 'c0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
        'a0000000-0000-4000-8000-000000000001', 'owner', '{}');

INSERT INTO subscriptions (tenant_id, user_id, credit_pool_id, tier_id, billing_cycle, price_per_unit_cents, total_price_cents,
                           stripe_customer_id, current_period_start, current_period_end)
VALUES ('7e000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
        'ENTERPRISE_PLUS', 'monthly', 0, 0, 'cus_bench', now(), now() + interval '1 month');

INSERT INTO credit_transactions (tenant_id, pool_id, sequence, transaction_type, source_type, amount, balance_after)
VALUES ('7e000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 1, 'purchase', 'purchased', 100000000, 100000000);

CREATE TEMPORARY TABLE spread AS SELECT ('b0000000-0000-4000-8000-000000000' || number)::uuid AS pool_id FROM generate_series(101, 300) AS number;

INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id, balance_available, purchased_total, purchased_remaining, ledger_sequence)
SELECT tenant_id, pool_id, 'Spread', pool_type, owner_user_id, balance_available, purchased_total, purchased_remaining, ledger_sequence
  FROM credit_pools, spread;

INSERT INTO credit_pool_members (tenant_id, pool_id, user_id, role, permissions)
SELECT tenant_id, spread.pool_id, user_id, role, permissions FROM credit_pool_members, spread;

INSERT INTO subscriptions (tenant_id, user_id, credit_pool_id, tier_id, billing_cycle, price_per_unit_cents, total_price_cents,
                           stripe_customer_id, current_period_start, current_period_end)
SELECT tenant_id, user_id, spread.pool_id, tier_id, billing_cycle, price_per_unit_cents, total_price_cents,
       stripe_customer_id || spread.pool_id, current_period_start, current_period_end
  FROM subscriptions, spread;

INSERT INTO credit_transactions (tenant_id, pool_id, sequence, transaction_type, source_type, amount, balance_after)
SELECT tenant_id, spread.pool_id, sequence, transaction_type, source_type, amount, balance_after FROM credit_transactions, spread;
