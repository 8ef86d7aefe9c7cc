"""Fitting and judging the confidence in masks: where truth is known, and the bundled model never learned."""
