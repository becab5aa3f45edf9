-- The catalogue has no tenant: everybody reads it, only an operator (the owner) changes it.
GRANT SELECT ON subscription_tiers, subscription_add_ons, credit_price_bands, model_prices TO portal_app;

-- The inbox comes before any tenant is known. Events are kept: nobody deletes.
GRANT SELECT, INSERT, UPDATE ON webhook_events TO portal_worker;

-- Readiness compares it with the code.
GRANT SELECT ON alembic_version TO portal_app, portal_worker;

-- Operators' commands walk all tenants (portal ledger audit): the owner may list their names, and acts in one at a time like everyone.
CREATE POLICY tenants_listed_by_owner ON tenants FOR SELECT TO CURRENT_USER USING (true);

-- Scheduled jobs visit every tenant: the worker may list their ids, and acts in one at a time like everyone.
GRANT SELECT (id) ON tenants TO portal_worker;

CREATE POLICY tenants_listed_by_worker ON tenants FOR SELECT TO portal_worker USING (true);
