-- Roles belong to the whole cluster: another database may have made them already.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['portal_app', 'portal_worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another migration was a moment faster
            END;
        END IF;
        -- The walls between tenants hold only for roles that row level security holds for.
        IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = name) THEN
            RAISE EXCEPTION 'role % is SUPERUSER or BYPASSRLS: row level security would not hold for it', name;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', name);
    END LOOP;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
END $$;
