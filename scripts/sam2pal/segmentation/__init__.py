"""Segmenting a shard: every structure of every specimen, at the photograph's own size, with a confidence."""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {"segment_shard": 35, "leave_one_out": 13}
