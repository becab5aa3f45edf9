-- A cap in money alone has no place in the older shape: such a pool is switched off rather than left without any cap.
UPDATE auto_purchase_settings SET enabled = false WHERE max_monthly_auto_purchase IS NULL;

ALTER TABLE auto_purchase_settings
    DROP CONSTRAINT ck_auto_purchase_settings_enabled_needs_method_and_cap,
    DROP CONSTRAINT ck_auto_purchase_settings_cap_cents,
    DROP CONSTRAINT ck_auto_purchase_settings_credits_this_month,
    DROP CONSTRAINT ck_auto_purchase_settings_stopped_reason,
    DROP COLUMN max_monthly_auto_purchase_cents,
    DROP COLUMN auto_purchase_credits_this_month,
    DROP COLUMN stopped_reason,
    DROP COLUMN stopped_at,
    DROP COLUMN cap_reached_at,
    ADD CONSTRAINT ck_auto_purchase_settings_enabled_needs_method_and_cap CHECK (
        NOT enabled OR (stripe_payment_method_id IS NOT NULL AND max_monthly_auto_purchase IS NOT NULL)
    );

ALTER TABLE credit_pools
    DROP CONSTRAINT ck_credit_pools_auto_purchase_below_not_negative,
    DROP COLUMN auto_purchase_below;
