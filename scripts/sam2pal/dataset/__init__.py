"""Annotations, masks and their encoding, the specimens of a genus and the shards they lie in."""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {
    "convert_templates": 11,
    "convert_corrections": 5,
    "find_specimens": 10,
    "list_specimens": 5,
    "draw_pool": 1,
}
