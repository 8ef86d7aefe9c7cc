"""Confidence signals of predicted masks: the keys of `confidence` in a file of predictions."""

SIGNALS = (
    "predicted_iou",
    "object_score",
    "mean_probability",
    "stability",
    "contrast",
    "expected_iou",
    "thickness",
    "contested",
    "shape_likeness",
    "steadiness",
)
"""The confidence signals kept with every predicted mask, from which its confidence is made."""
GOOD_IOU = 0.75
"""A confidence is the probability that the IoU of a mask with the truth is at least this."""
UNADAPTED = "unadapted"
"""The confidence that they give before anything is known of the genus."""
UNLIKE_TEMPLATES = "unlike_templates"
"""The flag of masks of photographs, or of specimens, that do not look as the templates do."""
