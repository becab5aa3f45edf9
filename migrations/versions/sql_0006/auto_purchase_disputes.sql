ALTER TABLE auto_purchase_settings
    DROP CONSTRAINT ck_auto_purchase_settings_stopped_reason,
    ADD CONSTRAINT ck_auto_purchase_settings_stopped_reason
        CHECK (stopped_reason IN ('authentication_required', 'declined', 'payment_method_missing', 'disputed'));
