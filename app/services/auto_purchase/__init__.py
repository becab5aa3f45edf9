"""Automatic purchases (ruling 23): off by default, triggered in the transaction that passes the threshold, one in flight a pool."""
