DROP FUNCTION create_usage_partitions(date, date);

DROP TABLE idempotency_keys, audit_events, api_keys, notifications, invitations,
    usage_rollups, credit_usage, credit_reservations, approval_requests,
    billing_events, auto_purchase_settings, subscriptions, credit_purchases, credit_transactions,
    credit_pool_members, credit_pools, organizations, users, tenants,
    webhook_events, model_prices, credit_price_bands, subscription_add_ons, subscription_tiers;

DROP TABLE pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics;

DROP FUNCTION fn_pgqueuer_changed();

DROP TYPE pgqueuer_status;

REVOKE SELECT ON alembic_version FROM portal_app, portal_worker;

DO $$
DECLARE
    name text;
BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
    FOREACH name IN ARRAY ARRAY['portal_app', 'portal_worker'] LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA public FROM %I', name);
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), name);
        BEGIN
            EXECUTE format('DROP ROLE %I', name);
        EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
            NULL;  -- another database of the cluster uses it, or an administrator made it
        END;
    END LOOP;
END $$;
