DROP TABLE credit_price_band_changes;
