"""Stripe's events: registry.py says which module handles which type."""
