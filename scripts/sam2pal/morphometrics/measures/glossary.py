"""What the columns, statuses and flags of the tables mean, for the column dictionary."""

COLUMNS = {
    "genus": "the genus, as in genera.tsv",
    "round": "the round of the configuration whose masks were measured; truth: drawn masks of "
    "specimens with truth",
    "specimen": "the photograph's path within the folder of the genus, without its extension",
    "structure": "what was measured; 'specimen' is the whole specimen, where the indices stand too",
    "measure": "name of the measure or index",
    "value": "the measure in the unit of this row; empty if there is none, see status and flags",
    "unit": "px: pixels, px2: square pixels, mm, mm2, degree, CIELAB, 1: a plain number",
    "low_by_threshold": "lowest value while the threshold of probability, from which a pixel belongs to "
    "the structure, goes from 0.25 to 0.75; empty for drawn masks and for what is no length or area. "
    "The range from here to high_by_threshold says how sharp the edge of the mask is and nothing else. "
    "It is not a confidence interval: it knows nothing of a structure that was taken for another, cut "
    "short or missed, and the true value may lie outside it more often than inside. How far measures "
    "are from drawn ones is in morphometrics_concordance, wherever there is truth",
    "high_by_threshold": "highest value while the threshold goes from 0.25 to 0.75, see "
    "low_by_threshold",
    "status": "whether the value can be used, see the rows of kind 'status'",
    "source": "who made the mask: predicted, drawn or corrected; of a value made from several masks "
    "predicted if one is, else corrected if one is",
    "confidence": "of the mask, 0 to 1; the lowest of them for a value made from several; empty for "
    "masks made by hand",
    "predicted_iou": "the model's own estimate of the agreement (IoU) with the truth",
    "object_score": "the model's probability that the structure is on the photograph",
    "mean_probability": "mean probability of the pixels of the mask",
    "stability": "IoU of the masks at a higher and a lower threshold of probability",
    "agreement": "agreement of the masks that different templates give",
    "roundtrip_iou": "IoU, on the template, of its drawn mask and the one found by going from the "
    "specimen back to it",
    "flags": "what to look at, separated by semicolons, see the rows of kind 'flag'",
    "pixels_per_mm": "scale of the photograph; empty if it is not known, and so are all values in mm",
    "scale_source": "where the scale is from: specimen_table, genus or exif",
    "reason": "why a photograph could not be read, its colour not be measured, or its scale not be "
    "used",
}
STATUSES = {
    "measured": "the structure is there",
    "low_confidence": "it is there, but the confidence of its mask is below "
    "`measurement.low_confidence`: values are given, summaries and figures leave them out",
    "absent": "the structure is not on the photograph (an empty mask); for an index: something it is "
    "computed from is not there",
    "not_annotated": "nothing is known: no template shows the structure, or the annotations do not "
    "mention it",
    "unreadable": "the photograph could not be read",
}
FLAGS = {
    "no_template": "no template shows the structure, so it was not looked for",
    "low_confidence": "see the status of this name",
    "touches_border": "the mask reaches the border of the photograph: part of it may be cut off",
    "fragments": "more separate pieces than in any template",
    "specks": "pieces smaller than `measurement.min_part` of the structure were not measured",
    "outside_template_range": "its share of the specimen's area, or largest over smallest Feret "
    "diameter, is more than `measurement.template_range` times beyond those of all templates",
    "no_colour": "fewer than nine pixels are left inside, or the photograph cannot be read",
    "body_incomplete": "a structure of the body is missing, so the body axis is that of the others",
    "body_axis_from_inertia": "`measurement.body_axis` is 'ends', but one of the ends is missing",
    "scale_refused": "a scale was found and not used, see reason",
}
