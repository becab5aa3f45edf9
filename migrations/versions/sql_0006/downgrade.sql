-- The older shape has no word for it: such a pool is switched off, so that nothing is charged again unasked.
UPDATE auto_purchase_settings SET enabled = false, stopped_reason = 'declined' WHERE stopped_reason = 'disputed';

ALTER TABLE auto_purchase_settings
    DROP CONSTRAINT ck_auto_purchase_settings_stopped_reason,
    ADD CONSTRAINT ck_auto_purchase_settings_stopped_reason
        CHECK (stopped_reason IN ('authentication_required', 'declined', 'payment_method_missing'));
