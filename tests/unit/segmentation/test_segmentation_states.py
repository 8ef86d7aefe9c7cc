"""segmentation: whether a specimen shows a structure."""

import numpy as np
import pytest

from sam2pal.dataset.rle import decode_mask
from sam2pal.images.reading import Photograph
from sam2pal.segmentation.limits import Limit
from sam2pal.segmentation.states import Thresholds, decide_states

# head, trunk and tail below each other on the templates, as shares of the square
LIMITS = [Limit(0, 1, (at - 0.1, 0.4, at + 0.1, 0.6)) for at in (0.2, 0.5, 0.8)]


LEAST = [Thresholds(-9.0)] * 4


def entry(box, state, source="predicted", there=0.9):
    of_mask = {"bbox": list(box), "area": box[2] * box[3], "areas": {"0.5": box[2] * box[3]}}
    return of_mask | {
        "state": state, "source": source, "confidence": {"object_score": there}, "flags": [],
    }  # fmt: skip


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
    found = decide_states(entries, photograph(orientation), LIMITS, LEAST[:3])
    assert [one["state"] for one in found] == [state, "found", "found"]


def test_only_predictions_are_placed():
    boxes = [(45, 6, 10, 8), (45, 26, 10, 8)]
    entries = [entry((0, 0, 0, 0), "absent", "drawn"), *(entry(box, "found") for box in boxes)]
    assert decide_states(entries, photograph(1), LIMITS, LEAST[:3])[0]["state"] == "absent"
    entries[0] = entry((0, 0, 0, 0), "not_annotated")
    found = decide_states(entries, photograph(1), [None, *LIMITS[1:]], LEAST[:3])
    assert found[0]["state"] == "not_annotated"


def test_masks_that_the_edge_cuts_say_little_of_places():
    # the cut tail would place the head inside
    entries = [entry((0, 0, 0, 0), "absent"), entry((45, 6, 10, 8), "found")]
    entries += [entry((45, 26, 10, 8), "found"), entry((0, 0, 10, 10), "outside")]
    limits = [*LIMITS, LIMITS[2]]
    assert decide_states(entries, photograph(1), limits, LEAST)[0]["state"] == "outside"


def test_a_mask_is_dropped_where_the_model_doubts_that_the_structure_is_there():
    boxes = [(45, 6, 10, 8), (45, 26, 10, 8), (45, 46, 10, 8)]
    entries = [entry(box, "found", there=0.88) for box in boxes]  # a logit of 2.0
    entries[2] |= {"confidence": {}, "source": "drawn"}
    found = decide_states(
        entries, photograph(1), LIMITS, [Thresholds(2.1), Thresholds(1.9), Thresholds(2.1)]
    )
    assert [one["state"] for one in found] == ["absent", "found", "found"]
    gone = found[0]
    assert gone["area"] == 0 and gone["areas"] == {"0.5": 0} and gone["flags"] == ["absent"]
    assert decode_mask(gone["segmentation"]).shape == (60, 100) and gone["score"] == 0
    assert (
        decide_states(entries, photograph(1), LIMITS, [Thresholds(float("nan"))] * 3)[0]["state"]
        == "found"
    )


@pytest.mark.parametrize(
    "contrast, sure, met",
    [(0.4, 2.1, False), (0.6, 2.1, True), (0.4, 1.9, True), (None, 2.1, True)],
)
def test_a_faint_mask_is_dropped_unless_the_model_is_sure(contrast, sure, met):
    signals = {"object_score": 0.88, "contrast": contrast}
    assert Thresholds(0.5, 0.5, sure).is_met(signals) == met
    assert Thresholds(0.5).is_met(signals)
