"""SAM 2 models by name: the official ones, any checkpoint with its configuration, and the bundled one."""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {"fetch_checkpoint": 1}
