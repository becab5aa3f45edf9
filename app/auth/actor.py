"""Principal (who presented what) -> Actor (who that is in the tenant, read inside the very transaction that acts)."""
