CREATE TABLE subscription_tiers (
    id VARCHAR(50) NOT NULL,
    display_name VARCHAR(100) NOT NULL,
    description TEXT,
    localization_key VARCHAR(100) NOT NULL,
    price_monthly NUMERIC(10, 2),
    price_annual NUMERIC(10, 2),
    price_per_user BOOLEAN DEFAULT false NOT NULL,
    contact_sales BOOLEAN DEFAULT false NOT NULL,
    min_users INTEGER DEFAULT 1,
    max_users INTEGER,
    currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    included_credits_per_user NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    requests_per_minute INTEGER NOT NULL,
    tokens_per_minute BIGINT NOT NULL,
    concurrent_requests INTEGER,
    features JSONB DEFAULT '{}' NOT NULL,
    available_add_ons TEXT[] DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    is_public BOOLEAN DEFAULT true NOT NULL,
    sort_order INTEGER DEFAULT 0 NOT NULL,
    badge VARCHAR(50),
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_subscription_tiers PRIMARY KEY (id),
    CONSTRAINT ck_subscription_tiers_price_monthly_not_negative CHECK (price_monthly >= 0 AND price_monthly <> 'NaN'),
    CONSTRAINT ck_subscription_tiers_price_annual_not_negative CHECK (price_annual >= 0 AND price_annual <> 'NaN'),
    CONSTRAINT ck_subscription_tiers_included_credits_per_user_not_negative CHECK (included_credits_per_user >= 0 AND included_credits_per_user <> 'NaN'),
    CONSTRAINT ck_subscription_tiers_rate_limits CHECK (requests_per_minute > 0 AND tokens_per_minute > 0 AND concurrent_requests > 0),
    CONSTRAINT ck_subscription_tiers_users CHECK (min_users > 0 AND max_users >= coalesce(min_users, 1))
);

CREATE TABLE subscription_add_ons (
    id VARCHAR(50) NOT NULL,
    display_name VARCHAR(100) NOT NULL,
    description TEXT,
    price_monthly_cents INTEGER NOT NULL,
    price_annual_cents INTEGER,
    price_per_user BOOLEAN DEFAULT false NOT NULL,
    available_for_tiers TEXT[] NOT NULL,
    included_in_tiers TEXT[] DEFAULT '{}' NOT NULL,
    features JSONB DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_subscription_add_ons PRIMARY KEY (id),
    CONSTRAINT ck_subscription_add_ons_prices CHECK (price_monthly_cents >= 0 AND price_annual_cents >= 0)
);

CREATE TABLE credit_price_bands (
    min_credits NUMERIC(18, 6) NOT NULL,
    discount_rate NUMERIC(6, 4) DEFAULT 0 NOT NULL,
    bonus_rate NUMERIC(6, 4) DEFAULT 0 NOT NULL,
    unit_price_cents INTEGER NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_credit_price_bands PRIMARY KEY (min_credits),
    CONSTRAINT ck_credit_price_bands_min_credits_not_negative CHECK (min_credits >= 0 AND min_credits <> 'NaN'),
    CONSTRAINT ck_credit_price_bands_discount_rate_not_negative CHECK (discount_rate >= 0 AND discount_rate <> 'NaN'),
    CONSTRAINT ck_credit_price_bands_bonus_rate_not_negative CHECK (bonus_rate >= 0 AND bonus_rate <> 'NaN'),
    CONSTRAINT ck_credit_price_bands_unit_price_cents CHECK (discount_rate < 1 AND unit_price_cents > 0)
);

CREATE TABLE model_prices (
    model_id VARCHAR(100) NOT NULL,
    provider_id VARCHAR(50) NOT NULL,
    display_name VARCHAR(100) NOT NULL,
    credit_rate_multiplier NUMERIC(6, 4) DEFAULT 1.0 NOT NULL,
    cached_input_rate NUMERIC(6, 4) DEFAULT 1.0 NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_model_prices PRIMARY KEY (model_id),
    CONSTRAINT ck_model_prices_credit_rate_multiplier_not_negative CHECK (credit_rate_multiplier >= 0 AND credit_rate_multiplier <> 'NaN'),
    CONSTRAINT ck_model_prices_cached_input_rate_not_negative CHECK (cached_input_rate >= 0 AND cached_input_rate <> 'NaN')
);

CREATE TABLE webhook_events (
    id VARCHAR(255) NOT NULL,
    event_type VARCHAR(100) NOT NULL,
    livemode BOOLEAN DEFAULT false NOT NULL,
    payload JSONB DEFAULT '{}' NOT NULL,
    received_at timestamptz DEFAULT now() NOT NULL,
    processed_at timestamptz,
    error TEXT,
    retry_count INTEGER DEFAULT 0 NOT NULL,
    parked_at timestamptz,
    CONSTRAINT pk_webhook_events PRIMARY KEY (id)
);

CREATE INDEX idx_webhook_events_open ON webhook_events (received_at) WHERE processed_at IS NULL AND parked_at IS NULL;

CREATE INDEX idx_webhook_events_parked ON webhook_events (parked_at) WHERE parked_at IS NOT NULL;
