"""Overlap and boundary measures against pycocotools and slow references."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy import ndimage

from sam2pal.config.checking import validated
from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.evaluation.boundary import boundary as boundary_of
from sam2pal.evaluation.boundary import boundary_distances, tolerance_px
from sam2pal.evaluation.columns import MEASURES
from sam2pal.evaluation.overlap import iou as iou_of
from sam2pal.evaluation.pair import evaluate_pair
from sam2pal.io.errors import InputError

# pycocotools' own call of numpy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def disc(height, width, y, x, radius):
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - y, columns - x) <= radius


def ring(height, width, y, x, outer, inner):
    return disc(height, width, y, x, outer) & ~disc(height, width, y, x, inner)


def blobs(seed, height=53, width=71):
    noise = np.random.default_rng(seed).normal(size=(height, width))
    return ndimage.gaussian_filter(noise, 3) > 0.04


PAIRS = [
    (disc(60, 80, 30, 40, 20), disc(60, 80, 31, 44, 18)),
    (ring(60, 80, 30, 40, 20, 8), disc(60, 80, 30, 40, 20)),
    (disc(60, 80, 5, 3, 20), disc(60, 80, 2, 70, 20)),  # cut by the frame, apart
    (blobs(1), blobs(2)),
    (blobs(3), ~blobs(3)),
    (blobs(4), np.ones((53, 71), bool)),
    (np.eye(40, dtype=bool), np.eye(40, dtype=bool)[::-1]),
]


def rle(mask):
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def slow_boundary(mask):
    """Boundary pixels one by one: a neighbour outside the mask or outside the photograph."""
    height, width = mask.shape
    found = []
    for y, x in zip(*np.nonzero(mask), strict=True):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= v < height and 0 <= u < width) or not mask[v, u]:
                found.append((y, x))
                break
    return np.array(found)


def slow_measures(predicted, truth, tolerance):
    """Boundary F and HD95 from all pairs of boundary pixels."""
    a, b = slow_boundary(predicted), slow_boundary(truth)
    distances = np.sqrt(((a[:, None].astype(float) - b[None]) ** 2).sum(-1))
    to_truth, to_predicted = distances.min(1), distances.min(0)
    precision = (to_truth <= tolerance).sum() / len(a)
    recall = (to_predicted <= tolerance).sum() / len(b)
    f = 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
    return f, max(np.percentile(to_truth, 95), np.percentile(to_predicted, 95))


@pytest.mark.parametrize(("predicted", "truth"), PAIRS)
def test_overlap_is_that_of_pycocotools(predicted, truth):
    result = evaluate_pair(predicted, truth, 0.008)
    expected = coco_mask.iou([rle(predicted)], [rle(truth)], [0])[0, 0]
    assert result["iou"] == pytest.approx(expected, abs=1e-12)
    assert iou_of(predicted, truth) == pytest.approx(expected, abs=1e-12)
    # with iscrowd, pycocotools divides by the area of the first mask
    assert result["precision"] == pytest.approx(
        coco_mask.iou([rle(predicted)], [rle(truth)], [1])[0, 0], abs=1e-12
    )
    assert result["recall"] == pytest.approx(
        coco_mask.iou([rle(truth)], [rle(predicted)], [1])[0, 0], abs=1e-12
    )
    assert result["dice"] == pytest.approx(2 * expected / (1 + expected), abs=1e-12)
    areas = coco_mask.area([rle(predicted), rle(truth)]).astype(int)
    assert [result["predicted_area_px"], result["truth_area_px"]] == list(areas)
    assert result["area_error"] == pytest.approx(areas[0] / areas[1] - 1)


@pytest.mark.parametrize(("predicted", "truth"), PAIRS)
@pytest.mark.parametrize("fraction", [0.008, 0.03])
def test_boundary_measures_are_those_of_all_pairs(predicted, truth, fraction):
    tolerance = max(1.0, fraction * np.hypot(*truth.shape))
    f, hd95 = slow_measures(predicted, truth, tolerance)
    result = evaluate_pair(predicted, truth, fraction)
    assert result["boundary_tolerance_px"] == pytest.approx(tolerance)
    assert result["boundary_f"] == pytest.approx(f, abs=1e-12)
    assert result["hd95_px"] == pytest.approx(hd95, abs=1e-9)


def test_boundary_distances_are_those_of_a_distance_transform():
    for predicted, truth in PAIRS:
        for mask in (predicted, truth):
            eroded = ndimage.binary_erosion(mask, border_value=0)
            assert np.array_equal(boundary_of(mask), mask & ~eroded)
        to_truth, to_predicted = boundary_distances(predicted, truth)
        field = ndimage.distance_transform_edt(~boundary_of(truth))
        assert np.allclose(to_truth, field[boundary_of(predicted)])
        field = ndimage.distance_transform_edt(~boundary_of(predicted))
        assert np.allclose(to_predicted, field[boundary_of(truth)])


def test_a_missing_hole_counts():
    truth, filled = ring(120, 120, 60, 60, 40, 10), disc(120, 120, 60, 60, 40)
    result = evaluate_pair(filled, truth, 0.008)
    # the outer outline agrees wholly; the hole's rim, about a fifth of the boundary, has no match
    assert result["boundary_f"] < 0.95
    assert result["hd95_px"] == pytest.approx(30, abs=1.5)


def test_known_values():
    truth = np.zeros((40, 50), bool)
    truth[10:20, 10:30] = True
    shifted = np.roll(truth, 4, axis=1)
    result = evaluate_pair(shifted, truth, 0.008)
    assert result["iou"] == pytest.approx(160 / 240)
    assert result["dice"] == result["precision"] == result["recall"] == pytest.approx(0.8)
    assert result["area_error"] == 0
    assert result["hd95_px"] == 4
    assert result["boundary_tolerance_px"] == 1  # 0.008 of the diagonal is half a pixel
    f, _ = slow_measures(shifted, truth, 1.0)
    assert result["boundary_f"] == pytest.approx(f)


def test_empty_masks():
    there, empty = disc(30, 30, 15, 15, 6), np.zeros((30, 30), bool)
    missed = evaluate_pair(empty, there, 0.008)
    assert [missed[k] for k in ("iou", "dice", "recall", "boundary_f", "area_error")] == [
        *(0, 0, 0, 0, -1)
    ]
    assert np.isnan(missed["precision"]) and np.isnan(missed["hd95_px"])
    for predicted in (there, empty):
        result = evaluate_pair(predicted, empty, 0.008)
        assert all(np.isnan(result[name]) for name in MEASURES)
        assert result["predicted_area_px"] == predicted.sum() and result["truth_area_px"] == 0
    assert np.isnan(iou_of(empty, empty)) and iou_of(there, empty) == 0


def test_iou_and_sizes_that_differ():
    masks = [disc(20, 30, 10, 12, r) for r in (0, 4, 7)]
    assert [iou_of(mask, mask) for mask in masks] == [1, 1, 1]
    assert iou_of(masks[1], masks[2]) == masks[1].sum() / masks[2].sum()
    with pytest.raises(ValueError, match="different size"):
        iou_of(masks[0], masks[0].T)
    with pytest.raises(ValueError, match="different size"):
        evaluate_pair(masks[0], masks[0].T, 0.008)


def test_the_tolerance_grows_with_the_photograph():
    assert tolerance_px(0.008, 3000, 4000) == pytest.approx(40)
    assert tolerance_px(0.008, 30, 40) == 1
    small, truth = disc(100, 100, 50, 50, 20), disc(100, 100, 50, 50, 22)
    crop = evaluate_pair(small, truth, 0.02)
    larger = evaluate_pair(np.pad(small, 50), np.pad(truth, 50), 0.02)
    assert larger["boundary_tolerance_px"] == 2 * crop["boundary_tolerance_px"]
    assert larger["boundary_f"] == 1 and crop["boundary_f"] > 0.99


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("boundary_tolerance", 8, "must be less than 1"),
        ("boundary_tolerance", "0.01", "expected a number, found '0.01'"),
        ("unannotated", "empty", "is not one of unknown, absent"),
        ("level", 95, "must be less than 1"),
        ("replicates", 1e4, "whole number"),
        ("replicates", 10, "must be at least 100"),
        ("good_iou", 75, "must be at most 1"),
    ],
)
def test_bad_options(key, value, message):
    with pytest.raises(InputError, match=f"evaluation.{key}: .*{message}"):
        validated(EvaluationOptions, {key: value}, "evaluation")
    with pytest.raises(InputError, match=f"evaluation.{key}: .*{message}"):
        validated(EvaluationOptions, {key: value}, "evaluation")
