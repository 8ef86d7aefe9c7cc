"""Errors, files that appear whole or not at all, and tidy tables."""
