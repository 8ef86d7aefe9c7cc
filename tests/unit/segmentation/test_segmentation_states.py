"""segmentation: whether a specimen shows a structure."""

import numpy as np
import pytest

from sam2pal.images.reading import Photograph
from sam2pal.segmentation.limits import Limit
from sam2pal.segmentation.states import settle

# head, trunk and tail below each other on the templates, as shares of the square
LIMITS = [Limit(0, 1, (at - 0.1, 0.4, at + 0.1, 0.6)) for at in (0.2, 0.5, 0.8)]


def entry(box, state, source="predicted"):
    return {"bbox": list(box), "area": box[2] * box[3], "state": state, "source": source}


def photograph(orientation):
    """60 rows and 100 columns as displayed."""
    high, wide = 60, 100
    size = (wide, high) if orientation < 5 else (high, wide)
    return Photograph(np.zeros((high, wide, 3), np.uint8), orientation, *size)


def stored(box, orientation):
    """A box of the displayed photograph where it is stored."""
    mask = np.zeros((60, 100), np.uint8)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 1
    rows, columns = np.nonzero(photograph(orientation).to_stored(mask))
    return columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("row", "state"), [(10, "outside"), (40, "absent")])
def test_what_lies_beyond_the_photograph_is_not_absent(orientation, row, state):
    # trunk and tail lie 20 rows apart, so the head lies 20 rows above the trunk
    below = [stored((45, at, 10, 8), orientation) for at in (row - 4, row + 10)]
    entries = [entry((0, 0, 0, 0), "absent"), *(entry(box, "found") for box in below)]
    found = settle(entries, photograph(orientation), LIMITS)
    assert [one["state"] for one in found] == [state, "found", "found"]


def test_only_predictions_are_placed():
    boxes = [(45, 6, 10, 8), (45, 26, 10, 8)]
    entries = [entry((0, 0, 0, 0), "absent", "drawn"), *(entry(box, "found") for box in boxes)]
    assert settle(entries, photograph(1), LIMITS)[0]["state"] == "absent"
    entries[0] = entry((0, 0, 0, 0), "not_annotated")
    assert settle(entries, photograph(1), [None, *LIMITS[1:]])[0]["state"] == "not_annotated"


def test_masks_that_the_edge_cuts_say_little_of_places():
    # the cut tail would place the head inside
    entries = [entry((0, 0, 0, 0), "absent"), entry((45, 6, 10, 8), "found")]
    entries += [entry((45, 26, 10, 8), "found"), entry((0, 0, 10, 10), "outside")]
    limits = [*LIMITS, LIMITS[2]]
    assert settle(entries, photograph(1), limits)[0]["state"] == "outside"
