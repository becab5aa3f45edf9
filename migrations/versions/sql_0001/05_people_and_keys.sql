CREATE TABLE invitations (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    email TEXT NOT NULL,
    role VARCHAR(50) NOT NULL,
    permissions JSONB,
    daily_credit_limit NUMERIC(18, 6),
    monthly_credit_limit NUMERIC(18, 6),
    max_cost_per_request NUMERIC(18, 6),
    token_hash BYTEA NOT NULL,
    status VARCHAR(50) DEFAULT 'pending' NOT NULL,
    invited_by UUID NOT NULL,
    sent_count INTEGER DEFAULT 0 NOT NULL,
    last_sent_at timestamptz,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by UUID,
    revoked_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_invitations_token_hash UNIQUE (tenant_id, token_hash),
    CONSTRAINT fk_invitations_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_invitations_invited_by FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_invitations_accepted_by FOREIGN KEY (tenant_id, accepted_by) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_invitations_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_invitations_role CHECK (role IN ('admin', 'member', 'restricted')),
    CONSTRAINT ck_invitations_status CHECK (status IN ('pending', 'accepted', 'revoked', 'expired')),
    CONSTRAINT ck_invitations_daily_credit_limit_not_negative CHECK (daily_credit_limit >= 0 AND daily_credit_limit <> 'NaN'),
    CONSTRAINT ck_invitations_monthly_credit_limit_not_negative CHECK (monthly_credit_limit >= 0 AND monthly_credit_limit <> 'NaN'),
    CONSTRAINT ck_invitations_max_cost_per_request_not_negative CHECK (max_cost_per_request >= 0 AND max_cost_per_request <> 'NaN')
);

CREATE INDEX idx_invitations_pool ON invitations (tenant_id, pool_id, created_at);

CREATE UNIQUE INDEX uq_invitations_open ON invitations (tenant_id, pool_id, lower(email)) WHERE status = 'pending';

CREATE TABLE notifications (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    pool_id UUID,
    kind VARCHAR(50) NOT NULL,
    parameters JSONB DEFAULT '{}' NOT NULL,
    dedupe_key TEXT,
    read_at timestamptz,
    emailed_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_notifications PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_notifications_dedupe_key UNIQUE (tenant_id, user_id, dedupe_key),
    CONSTRAINT fk_notifications_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_notifications_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_notifications_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_notifications_unsent ON notifications (tenant_id, created_at) WHERE emailed_at IS NULL;

CREATE INDEX idx_notifications_user ON notifications (tenant_id, user_id, created_at);

CREATE TABLE api_keys (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID,
    name VARCHAR(100) NOT NULL,
    key_hash BYTEA NOT NULL,
    prefix VARCHAR(50) NOT NULL,
    scopes TEXT[] DEFAULT '{}' NOT NULL,
    created_by UUID,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_api_keys_key_hash UNIQUE (tenant_id, key_hash),
    CONSTRAINT fk_api_keys_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_api_keys_created_by FOREIGN KEY (tenant_id, created_by) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_api_keys_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_api_keys_pool ON api_keys (tenant_id, pool_id);

CREATE TABLE audit_events (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID,
    actor_kind VARCHAR(50) NOT NULL,
    actor_user_id UUID,
    actor_api_key_id UUID,
    action VARCHAR(100) NOT NULL,
    entity_type VARCHAR(50) NOT NULL,
    entity_id UUID,
    before JSONB,
    after JSONB,
    correlation_id VARCHAR(100),
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_audit_events PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_audit_events_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_audit_events_actor_user_id FOREIGN KEY (tenant_id, actor_user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_audit_events_actor_api_key_id FOREIGN KEY (tenant_id, actor_api_key_id) REFERENCES api_keys (tenant_id, id),
    CONSTRAINT fk_audit_events_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_audit_events_actor_kind CHECK (actor_kind IN ('user', 'service', 'worker'))
);

CREATE INDEX idx_audit_events_entity ON audit_events (tenant_id, entity_type, entity_id, created_at);

CREATE INDEX idx_audit_events_pool ON audit_events (tenant_id, pool_id, created_at, id);

CREATE TABLE idempotency_keys (
    tenant_id UUID NOT NULL,
    key UUID NOT NULL,
    operation VARCHAR(50) NOT NULL,
    request_hash BYTEA NOT NULL,
    resource_id UUID,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (tenant_id, key),
    CONSTRAINT fk_idempotency_keys_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_idempotency_keys_created ON idempotency_keys (tenant_id, created_at);
