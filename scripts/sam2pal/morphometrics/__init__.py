"""Measuring masks: `geometry`, `scales` in photographs, `measures` taken from both, and `tables` of them."""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {
    "search_scale": 10,
    "find_scale": 2,
    "measure": 33,
    "summarize_morphometrics": 15,
    "plot_morphometrics": 4,
    "export_shapes": 12,
    "plot_shapes": 3,
    "export_darwin_core": 8,
}
