-- 50 tenants with one pool each and nothing in it.
SET session_replication_role = replica;

INSERT INTO tenants (id, name)
SELECT ('7e000000-0000-4000-8000-0000000001' || n)::uuid, 'Bench ' || n FROM generate_series(10, 59) AS n;

INSERT INTO users (tenant_id, id, subject, email, display_name)
SELECT ('7e000000-0000-4000-8000-0000000001' || n)::uuid, ('a0000000-0000-4000-8000-0000000001' || n)::uuid, 'person-' || n,
       'person-' || n || '@bench.example', 'Person ' || n
FROM generate_series(10, 59) AS n;

INSERT INTO credit_pools (tenant_id, id, name, pool_type, owner_user_id)
SELECT ('7e000000-0000-4000-8000-0000000001' || n)::uuid, ('b0000000-0000-4000-8000-0000000001' || n)::uuid, 'Bench ' || n, 'individual',
       ('a0000000-0000-4000-8000-0000000001' || n)::uuid
FROM generate_series(10, 59) AS n;

INSERT INTO credit_pool_members (tenant_id, pool_id, user_id, role, permissions)
SELECT ('7e000000-0000-4000-8000-0000000001' || n)::uuid, ('b0000000-0000-4000-8000-0000000001' || n)::uuid,
       ('a0000000-0000-4000-8000-0000000001' || n)::uuid, 'owner', '{}'
FROM generate_series(10, 59) AS n;
