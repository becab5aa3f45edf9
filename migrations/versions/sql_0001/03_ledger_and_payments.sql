CREATE TABLE credit_transactions (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    user_id UUID,
    transaction_type VARCHAR(50) NOT NULL,
    amount NUMERIC(18, 6) NOT NULL,
    balance_after NUMERIC(18, 6) NOT NULL,
    source_type VARCHAR(50) NOT NULL,
    source_id VARCHAR(100),
    model_id VARCHAR(100),
    request_id UUID,
    input_tokens INTEGER,
    output_tokens INTEGER,
    payment_intent_id VARCHAR(100),
    payment_amount_cents INTEGER,
    payment_currency VARCHAR(50),
    description TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT uq_credit_transactions_sequence UNIQUE (tenant_id, pool_id, sequence),
    CONSTRAINT fk_credit_transactions_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_credit_transactions_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_credit_transactions_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_credit_transactions_transaction_type CHECK (transaction_type IN ('purchase', 'subscription_grant', 'bonus_grant', 'consumption', 'refund', 'adjustment', 'transfer_in', 'transfer_out', 'expiration')),
    CONSTRAINT ck_credit_transactions_source_type CHECK (source_type IN ('included', 'purchased', 'bonus')),
    CONSTRAINT ck_credit_transactions_amount CHECK (amount <> 0 AND amount <> 'NaN'),
    CONSTRAINT ck_credit_transactions_amount_sign CHECK (CASE WHEN transaction_type IN ('purchase', 'subscription_grant', 'bonus_grant', 'transfer_in') THEN amount > 0 WHEN transaction_type IN ('consumption', 'transfer_out', 'expiration') THEN amount < 0 ELSE true END),
    CONSTRAINT ck_credit_transactions_balance_after_not_negative CHECK (balance_after >= 0 AND balance_after <> 'NaN'),
    CONSTRAINT ck_credit_transactions_sequence CHECK (sequence > 0)
);

CREATE INDEX idx_credit_transactions_created ON credit_transactions (tenant_id, pool_id, created_at);

CREATE INDEX idx_credit_transactions_type ON credit_transactions (tenant_id, pool_id, transaction_type, sequence);

CREATE INDEX idx_credit_transactions_user ON credit_transactions (tenant_id, pool_id, user_id, sequence);

-- The last index on purpose: between indexes of equal cost the planner takes the newest. Until the table is analyzed for the first time all
-- of them look equal for (tenant_id, id), and the checks of credit_usage's foreign key would read all of a tenant's entries each time.
ALTER TABLE credit_transactions ADD CONSTRAINT pk_credit_transactions PRIMARY KEY (tenant_id, id);

CREATE TABLE credit_purchases (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    user_id UUID NOT NULL,
    quote_id UUID,
    idempotency_key UUID NOT NULL,
    credits_amount NUMERIC(18, 6) NOT NULL,
    bonus_credits NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    total_credits NUMERIC(18, 6) NOT NULL,
    unit_price_cents INTEGER NOT NULL,
    base_cents INTEGER NOT NULL,
    discount_cents INTEGER DEFAULT 0 NOT NULL,
    discount_rate NUMERIC(6, 4) DEFAULT 0 NOT NULL,
    bonus_rate NUMERIC(6, 4) DEFAULT 0 NOT NULL,
    payment_amount_cents INTEGER NOT NULL,
    payment_currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    refunded_cents INTEGER DEFAULT 0 NOT NULL,
    payment_method VARCHAR(50),
    stripe_payment_method_id VARCHAR(100),
    stripe_payment_intent_id VARCHAR(100),
    stripe_charge_id VARCHAR(100),
    stripe_invoice_id VARCHAR(100),
    stripe_receipt_url TEXT,
    next_action_url TEXT,
    status VARCHAR(50) DEFAULT 'pending' NOT NULL,
    completed_at timestamptz,
    failed_at timestamptz,
    failure_code VARCHAR(100),
    failure_reason TEXT,
    is_auto_purchase BOOLEAN DEFAULT false NOT NULL,
    auto_purchase_trigger VARCHAR(50),
    metadata JSONB DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_credit_purchases PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_credit_purchases_quote_id UNIQUE (tenant_id, quote_id),
    CONSTRAINT uq_credit_purchases_idempotency_key UNIQUE (tenant_id, idempotency_key),
    CONSTRAINT idx_credit_purchases_stripe UNIQUE (tenant_id, stripe_payment_intent_id),
    CONSTRAINT fk_credit_purchases_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_credit_purchases_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_credit_purchases_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_credit_purchases_status CHECK (status IN ('pending', 'processing', 'requires_action', 'completed', 'failed', 'refunded', 'partially_refunded')),
    CONSTRAINT ck_credit_purchases_credits_amount CHECK (credits_amount BETWEEN 1 AND 10000 AND credits_amount = round(credits_amount, 2)),
    CONSTRAINT ck_credit_purchases_bonus_credits_not_negative CHECK (bonus_credits >= 0 AND bonus_credits <> 'NaN'),
    CONSTRAINT ck_credit_purchases_discount_rate_not_negative CHECK (discount_rate >= 0 AND discount_rate <> 'NaN'),
    CONSTRAINT ck_credit_purchases_bonus_rate_not_negative CHECK (bonus_rate >= 0 AND bonus_rate <> 'NaN'),
    CONSTRAINT ck_credit_purchases_total_credits CHECK (total_credits = credits_amount + bonus_credits),
    CONSTRAINT ck_credit_purchases_payment_amount_cents CHECK (discount_cents >= 0 AND payment_amount_cents > 0 AND payment_amount_cents = base_cents - discount_cents),
    CONSTRAINT ck_credit_purchases_refunded_cents CHECK (refunded_cents BETWEEN 0 AND payment_amount_cents)
);

CREATE INDEX idx_credit_purchases_pool ON credit_purchases (tenant_id, pool_id, created_at, id);

CREATE INDEX idx_credit_purchases_status ON credit_purchases (tenant_id, status, created_at);

CREATE INDEX idx_credit_purchases_user ON credit_purchases (tenant_id, user_id);

CREATE UNIQUE INDEX uq_credit_purchases_auto_in_flight ON credit_purchases (tenant_id, pool_id) WHERE is_auto_purchase AND status IN ('pending', 'processing', 'requires_action');

CREATE TABLE subscriptions (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    organization_id UUID,
    credit_pool_id UUID NOT NULL,
    tier_id VARCHAR(50) NOT NULL,
    billing_cycle VARCHAR(50) NOT NULL,
    seat_count INTEGER DEFAULT 1 NOT NULL,
    add_ons JSONB DEFAULT '[]' NOT NULL,
    price_per_unit_cents INTEGER NOT NULL,
    total_price_cents INTEGER NOT NULL,
    currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    stripe_subscription_id VARCHAR(100),
    stripe_customer_id VARCHAR(100),
    stripe_price_id VARCHAR(100),
    current_period_start timestamptz NOT NULL,
    current_period_end timestamptz NOT NULL,
    trial_start timestamptz,
    trial_end timestamptz,
    status VARCHAR(50) DEFAULT 'active' NOT NULL,
    past_due_since timestamptz,
    cancel_at_period_end BOOLEAN DEFAULT false NOT NULL,
    canceled_at timestamptz,
    cancellation_reason TEXT,
    pending_tier_id VARCHAR(50),
    pending_billing_cycle VARCHAR(50),
    pending_seat_count INTEGER,
    metadata JSONB DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_subscriptions PRIMARY KEY (tenant_id, id),
    CONSTRAINT idx_subscriptions_stripe UNIQUE (tenant_id, stripe_subscription_id),
    CONSTRAINT fk_subscriptions_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_subscriptions_organization_id FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations (tenant_id, id),
    CONSTRAINT fk_subscriptions_credit_pool_id FOREIGN KEY (tenant_id, credit_pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_subscriptions_tier_id FOREIGN KEY (tier_id) REFERENCES subscription_tiers (id),
    CONSTRAINT fk_subscriptions_pending_tier_id FOREIGN KEY (pending_tier_id) REFERENCES subscription_tiers (id),
    CONSTRAINT fk_subscriptions_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_subscriptions_billing_cycle CHECK (billing_cycle IN ('monthly', 'annual')),
    CONSTRAINT ck_subscriptions_pending_billing_cycle CHECK (pending_billing_cycle IN ('monthly', 'annual')),
    CONSTRAINT ck_subscriptions_status CHECK (status IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused')),
    CONSTRAINT ck_subscriptions_paid_tier_has_customer CHECK (tier_id = 'FREE' OR stripe_customer_id IS NOT NULL),
    CONSTRAINT ck_subscriptions_seat_count CHECK (seat_count > 0 AND (pending_seat_count IS NULL OR pending_seat_count > 0)),
    CONSTRAINT ck_subscriptions_prices CHECK (price_per_unit_cents >= 0 AND total_price_cents >= 0),
    CONSTRAINT ck_subscriptions_current_period CHECK (current_period_end > current_period_start)
);

CREATE INDEX idx_subscriptions_org ON subscriptions (tenant_id, organization_id);

CREATE INDEX idx_subscriptions_pool ON subscriptions (tenant_id, credit_pool_id, created_at);

CREATE INDEX idx_subscriptions_status ON subscriptions (tenant_id, status, current_period_end);

CREATE INDEX idx_subscriptions_user ON subscriptions (tenant_id, user_id);

CREATE UNIQUE INDEX uq_subscriptions_live ON subscriptions (tenant_id, credit_pool_id) WHERE status NOT IN ('canceled', 'incomplete_expired');

CREATE TABLE auto_purchase_settings (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pool_id UUID NOT NULL,
    enabled BOOLEAN DEFAULT false NOT NULL,
    threshold_credits NUMERIC(18, 6) DEFAULT 1.0 NOT NULL,
    purchase_credits NUMERIC(18, 6) DEFAULT 10.0 NOT NULL,
    max_monthly_auto_purchase NUMERIC(18, 6),
    stripe_payment_method_id VARCHAR(100),
    auto_purchases_this_month INTEGER DEFAULT 0 NOT NULL,
    auto_purchase_spend_this_month BIGINT DEFAULT 0 NOT NULL,
    last_auto_purchase_at timestamptz,
    month_reset_at timestamptz,
    consecutive_failures INTEGER DEFAULT 0 NOT NULL,
    retry_after timestamptz,
    notify_on_auto_purchase BOOLEAN DEFAULT true NOT NULL,
    notification_emails TEXT[],
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_auto_purchase_settings PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_auto_purchase_settings_pool_id UNIQUE (tenant_id, pool_id),
    CONSTRAINT fk_auto_purchase_settings_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_auto_purchase_settings_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_auto_purchase_settings_enabled_needs_method_and_cap CHECK (NOT enabled OR (stripe_payment_method_id IS NOT NULL AND max_monthly_auto_purchase IS NOT NULL)),
    CONSTRAINT ck_auto_purchase_settings_threshold_credits_not_negative CHECK (threshold_credits >= 0 AND threshold_credits <> 'NaN'),
    CONSTRAINT ck_auto_purchase_settings_max_monthly_auto_purchase_not_9cd7 CHECK (max_monthly_auto_purchase >= 0 AND max_monthly_auto_purchase <> 'NaN'),
    CONSTRAINT ck_auto_purchase_settings_purchase_credits CHECK (purchase_credits BETWEEN 1 AND 10000),
    CONSTRAINT ck_auto_purchase_settings_counters CHECK (auto_purchases_this_month >= 0 AND auto_purchase_spend_this_month >= 0 AND consecutive_failures >= 0)
);

CREATE TABLE billing_events (
    tenant_id UUID NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    event_type VARCHAR(50) NOT NULL,
    stripe_event_id VARCHAR(100),
    pool_id UUID,
    user_id UUID,
    subscription_id UUID,
    purchase_id UUID,
    data JSONB DEFAULT '{}' NOT NULL,
    processed BOOLEAN DEFAULT false NOT NULL,
    processed_at timestamptz,
    error TEXT,
    retry_count INTEGER DEFAULT 0 NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_billing_events PRIMARY KEY (tenant_id, id),
    CONSTRAINT idx_billing_events_stripe UNIQUE (tenant_id, stripe_event_id),
    CONSTRAINT fk_billing_events_pool_id FOREIGN KEY (tenant_id, pool_id) REFERENCES credit_pools (tenant_id, id),
    CONSTRAINT fk_billing_events_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_billing_events_subscription_id FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT fk_billing_events_purchase_id FOREIGN KEY (tenant_id, purchase_id) REFERENCES credit_purchases (tenant_id, id),
    CONSTRAINT fk_billing_events_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE INDEX idx_billing_events_pool ON billing_events (tenant_id, pool_id, created_at);

CREATE INDEX idx_billing_events_processed ON billing_events (tenant_id, created_at) WHERE NOT processed;

CREATE INDEX idx_billing_events_type ON billing_events (tenant_id, event_type, created_at);
