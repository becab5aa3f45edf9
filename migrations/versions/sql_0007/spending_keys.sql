-- Nulls are never equal, so an entry for each hold without an approval kept nothing apart. First, while others still read: what comes after
-- it makes everybody wait, for a moment.
CREATE UNIQUE INDEX uq_credit_reservations_approved ON credit_reservations (tenant_id, approval_request_id)
    WHERE approval_request_id IS NOT NULL AND status IN ('held', 'settled');

DROP INDEX uq_credit_reservations_approval;

ALTER INDEX uq_credit_reservations_approved RENAME TO uq_credit_reservations_approval;

-- The key to the pool carries the tenant, may not be null, and the pool has a key to its tenant: another one checks nothing more, costs a
-- look-up for every row, and locks the tenant's row for each of the transactions that run at the same time.
ALTER TABLE credit_reservations DROP CONSTRAINT fk_credit_reservations_tenant_id;

ALTER TABLE credit_transactions DROP CONSTRAINT fk_credit_transactions_tenant_id;

ALTER TABLE credit_usage DROP CONSTRAINT fk_credit_usage_tenant_id;
