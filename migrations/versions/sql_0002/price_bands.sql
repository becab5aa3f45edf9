-- Who changed the price bands when, from what to what (ruling 4). Global like the bands; operators alone (the owner) read and write it.
-- The clock, not the transaction's start: an operator may have waited for the one before.
CREATE TABLE credit_price_band_changes (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    changed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    changed_by VARCHAR(100) NOT NULL,
    bands_before JSONB NOT NULL,
    bands_after JSONB NOT NULL,
    CONSTRAINT pk_credit_price_band_changes PRIMARY KEY (id),
    CONSTRAINT ck_credit_price_band_changes_changed_by CHECK (btrim(changed_by) <> ''),
    CONSTRAINT ck_credit_price_band_changes_bands CHECK (bands_after <> bands_before)
);
