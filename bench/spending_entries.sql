-- $1: entries for each of the spread pools from number $2 to number $3; $4: their time. A valid chain: sequence and balance_after go on where
-- the pool's ledger stands. The ids ascend with time, as the portal's own do.
WITH pools AS MATERIALIZED (
    SELECT tenant_id, id, ledger_sequence, balance_available + balance_reserved AS balance
      FROM credit_pools
     WHERE id BETWEEN ('b0000000-0000-4000-8000-000000000' || $2::int)::uuid AND ('b0000000-0000-4000-8000-000000000' || $3::int)::uuid
), pay AS (
    UPDATE credit_pools p
       SET balance_available = balance_available - $1::int * 0.000001, purchased_remaining = purchased_remaining - $1::int * 0.000001,
           ledger_sequence = p.ledger_sequence + $1::int
      FROM pools
     WHERE p.tenant_id = pools.tenant_id AND p.id = pools.id
)
INSERT INTO credit_transactions (tenant_id, pool_id, id, sequence, user_id, transaction_type, source_type, amount, balance_after,
                                 model_id, request_id, input_tokens, output_tokens, created_at)
SELECT tenant_id, pools.id, uuidv7(), ledger_sequence + number, 'a0000000-0000-4000-8000-000000000001', 'consumption', 'purchased',
       -0.000001, balance - number * 0.000001, 'gpt-5', gen_random_uuid(), 900, 300, $4::timestamptz + number * interval '1 second'
  FROM pools, generate_series(1, $1::int) AS number
