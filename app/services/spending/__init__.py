"""Spending: hold, settle, release (rulings 3 and 8 to 13), group-committed per pool.

commands.py what callers ask and get; lanes.py who goes together in one flush; books.py what a flush reads and writes; decisions.py what
becomes of each command in between.
"""
