CREATE TABLE approval_requests (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    user_id UUID NOT NULL,
    amount NUMERIC(18, 6) NOT NULL,
    model_id VARCHAR(100) NOT NULL,
    provider_id VARCHAR(50),
    request_type VARCHAR(50) NOT NULL,
    reason TEXT,
    status VARCHAR(50) DEFAULT 'pending' NOT NULL,
    approved_amount NUMERIC(18, 6),
    decided_by UUID,
    decided_at timestamptz,
    decision_note TEXT,
    expires_at timestamptz NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_approval_requests PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_approval_requests_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_approval_requests_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_approval_requests_decided_by FOREIGN KEY (tenant_id, decided_by) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_approval_requests_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_approval_requests_status CHECK (status IN ('pending', 'approved', 'denied', 'expired', 'used')),
    CONSTRAINT ck_approval_requests_amount_not_negative CHECK (amount >= 0 AND amount <> 'NaN'),
    CONSTRAINT ck_approval_requests_approved_amount_not_negative CHECK (approved_amount >= 0 AND approved_amount <> 'NaN'),
    CONSTRAINT ck_approval_requests_approved_amount CHECK (status NOT IN ('approved', 'used') OR approved_amount IS NOT NULL)
);

CREATE INDEX idx_approval_requests_pool ON approval_requests (tenant_id, pool_id, status, created_at);

CREATE TABLE credit_reservations (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    user_id UUID NOT NULL,
    request_id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    amount NUMERIC(18, 6) NOT NULL,
    settled_amount NUMERIC(18, 6),
    settlement_hash BYTEA,
    status VARCHAR(50) DEFAULT 'held' NOT NULL,
    model_id VARCHAR(100) NOT NULL,
    provider_id VARCHAR(50) NOT NULL,
    request_type VARCHAR(50) NOT NULL,
    approval_request_id UUID,
    expires_at timestamptz NOT NULL,
    settled_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_credit_reservations PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_credit_reservations_request_id UNIQUE (tenant_id, request_id),
    CONSTRAINT fk_credit_reservations_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_credit_reservations_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_credit_reservations_approval_request_id FOREIGN KEY (tenant_id, approval_request_id) REFERENCES approval_requests (tenant_id, id),
    CONSTRAINT fk_credit_reservations_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_credit_reservations_status CHECK (status IN ('held', 'settled', 'released', 'expired')),
    CONSTRAINT ck_credit_reservations_amount_not_negative CHECK (amount >= 0 AND amount <> 'NaN'),
    CONSTRAINT ck_credit_reservations_settled_amount_not_negative CHECK (settled_amount >= 0 AND settled_amount <> 'NaN'),
    CONSTRAINT ck_credit_reservations_settled_amount CHECK ((status = 'settled') = (settled_amount IS NOT NULL))
);

CREATE INDEX idx_credit_reservations_held ON credit_reservations (tenant_id, expires_at) WHERE status = 'held';

CREATE INDEX idx_credit_reservations_pool ON credit_reservations (tenant_id, pool_id, user_id, created_at);

CREATE UNIQUE INDEX uq_credit_reservations_approval ON credit_reservations (tenant_id, approval_request_id) WHERE status IN ('held', 'settled');

CREATE TABLE credit_usage (
    tenant_id UUID NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    user_id UUID NOT NULL,
    transaction_id UUID,
    request_id UUID NOT NULL,
    request_type VARCHAR(50) NOT NULL,
    model_id VARCHAR(100) NOT NULL,
    provider_id VARCHAR(50) NOT NULL,
    input_tokens INTEGER DEFAULT 0 NOT NULL,
    output_tokens INTEGER DEFAULT 0 NOT NULL,
    cached_tokens INTEGER DEFAULT 0 NOT NULL,
    credits_consumed NUMERIC(18, 6) NOT NULL,
    credit_rate_multiplier NUMERIC(6, 4) DEFAULT 1.0 NOT NULL,
    credits_from_included NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    credits_from_purchased NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    credits_from_bonus NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    shortfall_credits NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    latency_ms INTEGER,
    CONSTRAINT pk_credit_usage PRIMARY KEY (tenant_id, created_at, id),
    CONSTRAINT fk_credit_usage_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_credit_usage_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_credit_usage_transaction_id FOREIGN KEY (tenant_id, transaction_id) REFERENCES credit_transactions (tenant_id, id),
    CONSTRAINT fk_credit_usage_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_credit_usage_credits_consumed_not_negative CHECK (credits_consumed >= 0 AND credits_consumed <> 'NaN'),
    CONSTRAINT ck_credit_usage_credit_rate_multiplier_not_negative CHECK (credit_rate_multiplier >= 0 AND credit_rate_multiplier <> 'NaN'),
    CONSTRAINT ck_credit_usage_credits_from_included_not_negative CHECK (credits_from_included >= 0 AND credits_from_included <> 'NaN'),
    CONSTRAINT ck_credit_usage_credits_from_purchased_not_negative CHECK (credits_from_purchased >= 0 AND credits_from_purchased <> 'NaN'),
    CONSTRAINT ck_credit_usage_credits_from_bonus_not_negative CHECK (credits_from_bonus >= 0 AND credits_from_bonus <> 'NaN'),
    CONSTRAINT ck_credit_usage_shortfall_credits_not_negative CHECK (shortfall_credits >= 0 AND shortfall_credits <> 'NaN'),
    CONSTRAINT ck_credit_usage_consumed_is_sum_of_sources CHECK (credits_consumed = credits_from_included + credits_from_bonus + credits_from_purchased + shortfall_credits),
    CONSTRAINT ck_credit_usage_tokens CHECK (input_tokens >= 0 AND output_tokens >= 0 AND cached_tokens >= 0)
)
 PARTITION BY RANGE (created_at);

CREATE INDEX idx_credit_usage_model ON credit_usage (tenant_id, pool_id, model_id, created_at);

CREATE INDEX idx_credit_usage_pool ON credit_usage (tenant_id, pool_id, created_at);

CREATE INDEX idx_credit_usage_user ON credit_usage (tenant_id, pool_id, user_id, created_at);

CREATE TABLE usage_rollups (
    tenant_id UUID NOT NULL,
    pool_id UUID NOT NULL,
    hour timestamptz NOT NULL,
    user_id UUID NOT NULL,
    model_id VARCHAR(100) NOT NULL,
    provider_id VARCHAR(50) NOT NULL,
    request_type VARCHAR(50) NOT NULL,
    requests BIGINT DEFAULT 0 NOT NULL,
    input_tokens BIGINT DEFAULT 0 NOT NULL,
    output_tokens BIGINT DEFAULT 0 NOT NULL,
    cached_tokens BIGINT DEFAULT 0 NOT NULL,
    credits NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    from_included NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    from_bonus NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    from_purchased NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    shortfall_credits NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    latency_ms_total BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_usage_rollups PRIMARY KEY (tenant_id, pool_id, hour, user_id, model_id, provider_id, request_type),
    CONSTRAINT fk_usage_rollups_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_usage_rollups_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_usage_rollups_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_usage_rollups_credits_not_negative CHECK (credits >= 0 AND credits <> 'NaN'),
    CONSTRAINT ck_usage_rollups_from_included_not_negative CHECK (from_included >= 0 AND from_included <> 'NaN'),
    CONSTRAINT ck_usage_rollups_from_bonus_not_negative CHECK (from_bonus >= 0 AND from_bonus <> 'NaN'),
    CONSTRAINT ck_usage_rollups_from_purchased_not_negative CHECK (from_purchased >= 0 AND from_purchased <> 'NaN'),
    CONSTRAINT ck_usage_rollups_shortfall_credits_not_negative CHECK (shortfall_credits >= 0 AND shortfall_credits <> 'NaN'),
    CONSTRAINT ck_usage_rollups_hour CHECK (date_trunc('hour', hour, 'UTC') = hour)
);

CREATE INDEX idx_usage_rollups_user ON usage_rollups (tenant_id, pool_id, user_id, hour);
