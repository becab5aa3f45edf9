CREATE TABLE refunds (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    purchase_id UUID NOT NULL,
    origin VARCHAR(50) NOT NULL,
    status VARCHAR(50) NOT NULL,
    amount_cents INTEGER NOT NULL,
    currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    reason TEXT NOT NULL,
    requested_by UUID,
    decision_note TEXT,
    decided_at timestamptz,
    stripe_refund_id VARCHAR(100),
    failure_code VARCHAR(100),
    succeeded_at timestamptz,
    failed_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_refunds PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_refunds_status CHECK (status IN ('requested', 'rejected', 'pending', 'processing', 'succeeded', 'failed')),
    CONSTRAINT ck_refunds_origin CHECK (origin IN ('request', 'operator', 'stripe')),
    CONSTRAINT ck_refunds_amount_cents CHECK (amount_cents > 0),
    CONSTRAINT ck_refunds_stripe_refund_id CHECK (CASE WHEN status IN ('requested', 'rejected') THEN origin = 'request' AND stripe_refund_id IS NULL WHEN status IN ('processing', 'succeeded') THEN stripe_refund_id IS NOT NULL ELSE true END),
    CONSTRAINT fk_refunds_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_refunds_purchase_id FOREIGN KEY (tenant_id, purchase_id) REFERENCES credit_purchases (tenant_id, id),
    CONSTRAINT fk_refunds_requested_by FOREIGN KEY (tenant_id, requested_by) REFERENCES users (tenant_id, id),
    CONSTRAINT uq_refunds_stripe_refund_id UNIQUE (tenant_id, stripe_refund_id),
    CONSTRAINT fk_refunds_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_refunds_pool ON refunds (tenant_id, pool_id, created_at);

CREATE INDEX idx_refunds_purchase ON refunds (tenant_id, purchase_id, created_at);

CREATE INDEX idx_refunds_status ON refunds (tenant_id, status, created_at);

CREATE UNIQUE INDEX uq_refunds_requested ON refunds (tenant_id, purchase_id) WHERE status = 'requested';

CREATE TABLE disputes (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    purchase_id UUID NOT NULL,
    stripe_dispute_id VARCHAR(100) NOT NULL,
    stripe_status VARCHAR(50) NOT NULL,
    reason VARCHAR(50) NOT NULL,
    amount_cents INTEGER NOT NULL,
    withdrawn_cents INTEGER DEFAULT 0 NOT NULL,
    currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    evidence_due_at timestamptz,
    opened_at timestamptz NOT NULL,
    version INTEGER DEFAULT 0 NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_disputes PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_disputes_withdrawn_cents CHECK (amount_cents >= 0 AND withdrawn_cents BETWEEN 0 AND amount_cents),
    CONSTRAINT fk_disputes_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_disputes_purchase_id FOREIGN KEY (tenant_id, purchase_id) REFERENCES credit_purchases (tenant_id, id),
    CONSTRAINT uq_disputes_stripe_dispute_id UNIQUE (tenant_id, stripe_dispute_id),
    CONSTRAINT fk_disputes_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_disputes_pool ON disputes (tenant_id, pool_id, created_at);

CREATE INDEX idx_disputes_purchase ON disputes (tenant_id, purchase_id, created_at);

CREATE TABLE credit_reversals (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    purchase_id UUID NOT NULL,
    refund_id UUID,
    dispute_id UUID,
    returned_cents INTEGER NOT NULL,
    purchased_credits NUMERIC(18, 6) NOT NULL,
    bonus_credits NUMERIC(18, 6) NOT NULL,
    from_purchased NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    from_bonus NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    shortfall_credits NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_credit_reversals PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_credit_reversals_shortfall_credits_not_negative CHECK (shortfall_credits >= 0 AND shortfall_credits <> 'NaN'),
    CONSTRAINT ck_credit_reversals_adds_up CHECK (purchased_credits + bonus_credits = from_purchased + from_bonus + shortfall_credits AND 'NaN' NOT IN (purchased_credits, bonus_credits, from_purchased, from_bonus)),
    CONSTRAINT ck_credit_reversals_returned_cents CHECK (returned_cents >= 0),
    CONSTRAINT fk_credit_reversals_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_credit_reversals_purchase_id FOREIGN KEY (tenant_id, purchase_id) REFERENCES credit_purchases (tenant_id, id),
    CONSTRAINT fk_credit_reversals_refund_id FOREIGN KEY (tenant_id, refund_id) REFERENCES refunds (tenant_id, id),
    CONSTRAINT fk_credit_reversals_dispute_id FOREIGN KEY (tenant_id, dispute_id) REFERENCES disputes (tenant_id, id),
    CONSTRAINT fk_credit_reversals_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_credit_reversals_pool ON credit_reversals (tenant_id, pool_id);

CREATE INDEX idx_credit_reversals_purchase ON credit_reversals (tenant_id, purchase_id, created_at);
