"""Drawn insects, pretraining and the benchmark: for the demo and the developers, never for a user's run."""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {"draw_specimens": 2}
