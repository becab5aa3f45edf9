DROP TABLE credit_reversals, disputes, refunds;
