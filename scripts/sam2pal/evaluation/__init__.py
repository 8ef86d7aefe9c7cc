"""Scores of masks against truth, their summaries, and the calibration of confidences."""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {"evaluate": 6, "aggregate": 16, "plot_evaluation": 4}
