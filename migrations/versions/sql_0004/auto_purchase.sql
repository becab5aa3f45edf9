-- Null: nothing triggers. Kept beside the balance, in the row that every debit locks and reads anyway: asking costs a debit nothing.
ALTER TABLE credit_pools
    ADD COLUMN auto_purchase_below NUMERIC(18, 6),
    ADD CONSTRAINT ck_credit_pools_auto_purchase_below_not_negative
        CHECK (auto_purchase_below >= 0 AND auto_purchase_below <> 'NaN');

ALTER TABLE auto_purchase_settings
    ADD COLUMN max_monthly_auto_purchase_cents BIGINT,
    ADD COLUMN auto_purchase_credits_this_month NUMERIC(18, 6) DEFAULT 0 NOT NULL,
    ADD COLUMN stopped_reason VARCHAR(50),
    ADD COLUMN stopped_at timestamptz,
    ADD COLUMN cap_reached_at timestamptz,
    DROP CONSTRAINT ck_auto_purchase_settings_enabled_needs_method_and_cap,
    ADD CONSTRAINT ck_auto_purchase_settings_enabled_needs_method_and_cap CHECK (
        NOT enabled OR (
            stripe_payment_method_id IS NOT NULL
            AND (max_monthly_auto_purchase IS NOT NULL OR max_monthly_auto_purchase_cents IS NOT NULL)
        )
    ),
    ADD CONSTRAINT ck_auto_purchase_settings_cap_cents CHECK (max_monthly_auto_purchase_cents > 0),
    ADD CONSTRAINT ck_auto_purchase_settings_credits_this_month
        CHECK (auto_purchase_credits_this_month >= 0 AND auto_purchase_credits_this_month <> 'NaN'),
    ADD CONSTRAINT ck_auto_purchase_settings_stopped_reason
        CHECK (stopped_reason IN ('authentication_required', 'declined', 'payment_method_missing'));
