CREATE TABLE tenants (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    name VARCHAR(100) NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_tenants PRIMARY KEY (id)
);

CREATE TABLE users (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    subject TEXT NOT NULL,
    email TEXT NOT NULL,
    display_name TEXT NOT NULL,
    locale TEXT DEFAULT 'en' NOT NULL,
    time_zone TEXT DEFAULT 'UTC' NOT NULL,
    disabled_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_users_subject UNIQUE (tenant_id, subject),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_users_email ON users (tenant_id, lower(email));

CREATE TABLE organizations (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    name VARCHAR(100) NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_organizations PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_organizations_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE TABLE credit_pools (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    name VARCHAR(100) NOT NULL,
    pool_type VARCHAR(50) NOT NULL,
    owner_user_id UUID NOT NULL,
    organization_id UUID,
    time_zone TEXT DEFAULT 'UTC' NOT NULL,
    currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    stripe_customer_id VARCHAR(100),
    version INTEGER DEFAULT 1 NOT NULL,
    balance_available NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    balance_reserved NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    monthly_included_total NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    monthly_included_used NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    included_remaining NUMERIC(18, 6) GENERATED ALWAYS AS (monthly_included_total - monthly_included_used) STORED NOT NULL,
    monthly_resets_at timestamptz,
    purchased_total NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    purchased_remaining NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    last_purchase_at timestamptz,
    bonus_total NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    bonus_remaining NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    shortfall_credits NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    ledger_sequence BIGINT DEFAULT 0 NOT NULL,
    held_count INTEGER DEFAULT 0 NOT NULL,
    traffic_day DATE,
    requests_today INTEGER DEFAULT 0 NOT NULL,
    traffic_minute timestamptz,
    requests_this_minute INTEGER DEFAULT 0 NOT NULL,
    tokens_this_minute BIGINT DEFAULT 0 NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_credit_pools PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_credit_pools_stripe_customer_id UNIQUE (tenant_id, stripe_customer_id),
    CONSTRAINT fk_credit_pools_owner_user_id FOREIGN KEY (tenant_id, owner_user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_credit_pools_organization_id FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    CONSTRAINT fk_credit_pools_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_credit_pools_pool_type CHECK (pool_type IN ('individual', 'family', 'team', 'organization', 'enterprise')),
    CONSTRAINT ck_credit_pools_balance_available_not_negative CHECK (balance_available >= 0 AND balance_available <> 'NaN'),
    CONSTRAINT ck_credit_pools_balance_reserved_not_negative CHECK (balance_reserved >= 0 AND balance_reserved <> 'NaN'),
    CONSTRAINT ck_credit_pools_monthly_included_total_not_negative CHECK (monthly_included_total >= 0 AND monthly_included_total <> 'NaN'),
    CONSTRAINT ck_credit_pools_monthly_included_used_not_negative CHECK (monthly_included_used >= 0 AND monthly_included_used <> 'NaN'),
    CONSTRAINT ck_credit_pools_purchased_total_not_negative CHECK (purchased_total >= 0 AND purchased_total <> 'NaN'),
    CONSTRAINT ck_credit_pools_purchased_remaining_not_negative CHECK (purchased_remaining >= 0 AND purchased_remaining <> 'NaN'),
    CONSTRAINT ck_credit_pools_bonus_total_not_negative CHECK (bonus_total >= 0 AND bonus_total <> 'NaN'),
    CONSTRAINT ck_credit_pools_bonus_remaining_not_negative CHECK (bonus_remaining >= 0 AND bonus_remaining <> 'NaN'),
    CONSTRAINT ck_credit_pools_shortfall_credits_not_negative CHECK (shortfall_credits >= 0 AND shortfall_credits <> 'NaN'),
    CONSTRAINT ck_credit_pools_included_remaining_not_negative CHECK (monthly_included_used <= monthly_included_total),
    CONSTRAINT ck_credit_pools_balance_is_sum_of_buckets CHECK (balance_available + balance_reserved = (monthly_included_total - monthly_included_used) + bonus_remaining + purchased_remaining),
    CONSTRAINT ck_credit_pools_counters CHECK (version > 0 AND ledger_sequence >= 0 AND held_count >= 0)
);

CREATE INDEX idx_credit_pools_org ON credit_pools (tenant_id, organization_id);

CREATE INDEX idx_credit_pools_owner ON credit_pools (tenant_id, owner_user_id);

CREATE TABLE credit_pool_members (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    user_id UUID NOT NULL,
    role VARCHAR(50) DEFAULT 'member' NOT NULL,
    permissions JSONB DEFAULT '{}' NOT NULL,
    daily_credit_limit NUMERIC(18, 6),
    monthly_credit_limit NUMERIC(18, 6),
    max_cost_per_request NUMERIC(18, 6),
    status VARCHAR(50) DEFAULT 'active' NOT NULL,
    invited_by UUID,
    invited_at timestamptz,
    joined_at timestamptz,
    suspended_at timestamptz,
    suspended_reason TEXT,
    usage_on DATE,
    usage_today NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    usage_this_week NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    usage_this_month NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    usage_all_time NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    held_credits NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    last_usage_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_credit_pool_members PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_credit_pool_members_user UNIQUE (tenant_id, pool_id, user_id),
    CONSTRAINT fk_credit_pool_members_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_credit_pool_members_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_credit_pool_members_invited_by FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_credit_pool_members_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_credit_pool_members_role CHECK (role IN ('owner', 'admin', 'member', 'restricted')),
    CONSTRAINT ck_credit_pool_members_status CHECK (status IN ('active', 'invited', 'suspended')),
    CONSTRAINT ck_credit_pool_members_daily_credit_limit_not_negative CHECK (daily_credit_limit >= 0 AND daily_credit_limit <> 'NaN'),
    CONSTRAINT ck_credit_pool_members_monthly_credit_limit_not_negative CHECK (monthly_credit_limit >= 0 AND monthly_credit_limit <> 'NaN'),
    CONSTRAINT ck_credit_pool_members_max_cost_per_request_not_negative CHECK (max_cost_per_request >= 0 AND max_cost_per_request <> 'NaN'),
    CONSTRAINT ck_credit_pool_members_usage_today_not_negative CHECK (usage_today >= 0 AND usage_today <> 'NaN'),
    CONSTRAINT ck_credit_pool_members_usage_this_week_not_negative CHECK (usage_this_week >= 0 AND usage_this_week <> 'NaN'),
    CONSTRAINT ck_credit_pool_members_usage_this_month_not_negative CHECK (usage_this_month >= 0 AND usage_this_month <> 'NaN'),
    CONSTRAINT ck_credit_pool_members_usage_all_time_not_negative CHECK (usage_all_time >= 0 AND usage_all_time <> 'NaN'),
    CONSTRAINT ck_credit_pool_members_held_credits_not_negative CHECK (held_credits >= 0 AND held_credits <> 'NaN')
);

CREATE INDEX idx_pool_members_user ON credit_pool_members (tenant_id, user_id);

CREATE UNIQUE INDEX uq_credit_pool_members_owner ON credit_pool_members (tenant_id, pool_id) WHERE role = 'owner';
