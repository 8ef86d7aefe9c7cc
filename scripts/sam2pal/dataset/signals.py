"""What a predicted mask is judged by; the keys of `confidence` in a file of predictions."""

SIGNALS = (
    "predicted_iou",
    "object_score",
    "mean_probability",
    "stability",
    "agreement",
    "roundtrip_iou",
)
"""The confidence signals kept with every predicted mask, from which its confidence is made."""
