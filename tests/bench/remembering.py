"""Templates as a job of the workflow remembers them."""

from collections.abc import Sequence

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.bank import Bank, read_templates, remember


def remembered(
    tracker: Tracker,
    templates: Sequence[AnnotatedSpecimen],
    names: list[str],
    options: SegmentationOptions,
) -> Bank:
    """The templates, read and memorized."""
    return remember(tracker, read_templates(tracker, templates, names, options), options)
