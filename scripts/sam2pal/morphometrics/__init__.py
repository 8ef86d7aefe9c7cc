"""Measuring masks: `geometry`, `measures` taken from it, and `tables` of them."""
