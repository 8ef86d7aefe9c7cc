"""Measuring masks: lengths, areas, shape, colour, indices and units, and tables of them.

Names are imported when they are first used: checking the options of a configuration needs none of
the numerical packages.
"""
