DROP INDEX uq_credit_reservations_approval;

CREATE UNIQUE INDEX uq_credit_reservations_approval ON credit_reservations (tenant_id, approval_request_id) WHERE status IN ('held', 'settled');

-- A key is checked as the owner, who sees no tenant while its policies hold for the owner too.
ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY;

ALTER TABLE credit_reservations ADD CONSTRAINT fk_credit_reservations_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id);

ALTER TABLE credit_transactions ADD CONSTRAINT fk_credit_transactions_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id);

ALTER TABLE credit_usage ADD CONSTRAINT fk_credit_usage_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id);

ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
