"""The pages on which masks are judged and corrected, outlines over photographs, and contact sheets."""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {
    "review_page": 23,
    "review_index": 10,
    "draw_masks": 4,
    "choose_next": 5,
    "compare_masks": 7,
}
