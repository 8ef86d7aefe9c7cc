"""Fitting and judging confidences: on masks whose probability of being good is known."""

from pathlib import Path

import numpy as np
import pytest
from judge_confidence import SCORES, judged, recognised, rescored, side_by_side, table
from PIL import Image

from sam2pal import research
from sam2pal.config.checking import validated
from sam2pal.config.configuration import Configuration
from sam2pal.config.stages import resolved_ensemble, resolved_refine
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.research.benchmark.protocol import read_protocol
from sam2pal.research.confidence.cases import Case
from sam2pal.research.confidence.fitting import ALIKE, ONCE, fit, fit_alikeness, fit_single
from sam2pal.research.confidence.foreign import background
from sam2pal.research.confidence.segmenting import OPTIONS, SegmentedCase, specimens_of
from sam2pal.segmentation.alikeness import COMBINED, Alikeness
from sam2pal.segmentation.confidence import Confidence, Logistic

BESIDE = {"thickness": 4.0, "contested": 0.1, "stability": 0.6, "shape_likeness": 0.7}
BESIDE |= {"predicted_iou": 0.5}


def known(count, seed, source="drawn", offset=0.0):
    """Masks with an `expected_iou` from which their IoU strays by a logistic noise of scale 0.5."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0.8, 1.0, count)
    iou = 1 / (1 + np.exp(-(odds + offset + rng.logistic(0, 0.5, count))))
    masks = [
        {
            "specimen": str(number),
            "structure": "head",
            "found": True,
            "iou": float(value),
            "score": 0.5,
            "signals": BESIDE | {"expected_iou": float(1 / (1 + np.exp(-of))), "object_score": 0.9},
        }
        for number, (of, value) in enumerate(zip(odds, iou, strict=True))
    ]
    return SegmentedCase(Case(source, source, ("head",), (), ()), masks, {}, {})


def test_masks_are_made_as_the_workflow_makes_them_with_the_bundled_model():
    least = {"genera": "g.tsv", "templates": "t.tsv", "structures": {"head": None}}
    configuration = validated(
        Configuration, least | {"rounds": {"untrained": {"templates": ["a"]}}}
    )
    ways = resolved_ensemble(configuration), resolved_refine(configuration)
    assert (OPTIONS.ensemble, OPTIONS.refine) == ways
    benchmark = read_protocol(Path(research.__file__).parents[2] / "research/benchmark.yaml")
    assert (benchmark.segmentation.ensemble, benchmark.segmentation.refine) == ways


def test_the_probability_that_a_mask_is_good():
    content = fit([known(3000, 1)], ONCE)
    assert (content["masks"], [of["name"] for of in content["features"]]) == (3000, list(ONCE))
    model = Logistic.of(content)
    for expected in (0.5, 0.7, 0.9):
        right = 1 / (1 + np.exp(-(np.log(expected / (1 - expected)) - np.log(3)) / 0.5))
        found = model(BESIDE | {"expected_iou": expected})
        assert found == pytest.approx(right, abs=0.04)


def test_sets_of_pictures_count_alike_however_many_they_are():
    """Half the weight is the drawings', the rest that of the real sets together."""
    many, few = known(2000, 2, offset=2), known(200, 3, "real", offset=-2)
    only = [Logistic.of(fit([of], ONCE)) for of in (many, few)]
    both = Logistic.of(fit([many, few], ONCE))
    low, high = sorted(of(BESIDE | {"expected_iou": 0.7}) for of in only)
    assert low + 0.15 < both(BESIDE | {"expected_iou": 0.7}) < high - 0.15


def test_judged_within_structures():
    found = known(400, 4)
    confidence = Confidence((Logistic.of(fit([known(3000, 5)], ONCE)),))
    rows = {row["score"]: row for row in judged([rescored(found, confidence)], SCORES)}
    assert rows["confidence"]["n"] == 400
    assert rows["confidence"]["ece"] < 0.06 < 0.09 < rows["predicted IoU"]["ece"]
    assert rows["confidence"]["noise"] == pytest.approx(rows["confidence"]["ece"], abs=0.03)
    assert rows["confidence"]["auroc"] > 0.8 and rows["confidence"]["brier"] > 0.3
    assert "| drawn | head | confidence | 400 |" in table(list(rows.values()))


def test_specimens_are_told_from_what_templates_do_not_show():
    def some(name, mean, apart, body=0.95, count=60):
        rng = np.random.default_rng(len(name))
        masks = [
            {
                "specimen": f"{name}/{number}",
                "structure": "head",
                "signals": {key: float(1 / (1 + np.exp(-rng.normal(mean, 1)))) for key in COMBINED},
            }
            for number in range(count)
        ]
        seen = {
            mask["specimen"]: {"apart": apart, "body_likeness": body + rng.normal(0, 0.02)}
            for mask in masks
        }
        return SegmentedCase(Case(name, "drawn", ("head",), (), ()), masks, seen, {})

    own, two = some("own", 2, 0.01), some("two", 2, 0.6)
    other = some("ants", -2, 0.01, body=0.6)
    side = some("side", 2, 0.01, body=0.8)  # masks as good as those of the specimens
    content = fit_alikeness([own], [other, side], ALIKE[0])
    assert (content["alike"], content["foreign"]) == (60, 120)
    single = fit_single([own], [other, two])
    assert (single["one"], single["two"]) == (60, 60)
    alikeness = Alikeness((Logistic.of(content),), (content["limit"],), Logistic.of(single))
    flagged = [alikeness(of)[1] for of in specimens_of(own).values()]
    assert not any(flagged)
    assert all(alikeness(of)[1] for of in specimens_of(side).values())
    without = Logistic.of(fit_alikeness([own], [other], ALIKE[1]))  # by the masks alone
    means = [np.mean([without(s) for s in specimens_of(of).values()]) for of in (own, other)]
    assert means[0] > 0.9 and means[1] < 0.1
    line = recognised([own], [other], alikeness).splitlines()[2]
    assert line == "| drawn | ants | 60 | 60 | 1.00 | 1.00 | 0.00 | 1.00 |"
    line = recognised([own], [two], alikeness).splitlines()[2]
    assert line == "| drawn | two | 60 | 60 | 1.00 | 1.00 | 0.00 | 1.00 |"


def test_a_background_shows_nothing_of_the_specimen(tmp_path):
    pixels = np.full((40, 60, 3), 200, np.uint8)
    pixels[5:35, 20:55] = 10
    folder = tmp_path / "genus/images"
    folder.mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "a.png")
    mask = np.zeros((40, 60), bool)
    mask[5:35, 20:55] = True
    one = AnnotatedSpecimen("a", str(folder / "a.png"), 60, 40, drawn_annotations({"body": mask}))
    bare = background(one, tmp_path / "backgrounds")
    shown = np.asarray(Image.open(bare.path))
    assert shown.min() == 200 and shown.shape[0] >= 40 and not bare.annotations
    pair = side_by_side(one, one, tmp_path / "two")
    assert (pair.width, pair.height) == (120, 40)
