"""Masks that look unlike the genus or its templates are told; others are not."""

import dataclasses
import itertools

import numpy as np
import pytest
from morphometric_shapes import annotated

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.morphometrics.geometry.shape import Shape
from sam2pal.morphometrics.measures.indices import parse_index
from sam2pal.morphometrics.measures.plausibility import Plausibility
from sam2pal.morphometrics.measures.scale import Scale
from sam2pal.morphometrics.measures.specimen import Measuring, SpecimenMasks
from sam2pal.morphometrics.tables import short
from sam2pal.morphometrics.tables.table import Layout, wide

BODY = ["head", "pronotum", "elytra"]


def ellipse(centre, half):
    y, x = np.mgrid[:400, :400] + 0.5
    return ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2 <= 1


def beetle(scale=1.0, head=(22, 16), at=60.0):
    """Head, pronotum and elytra from top to bottom; `at` is the middle of the head."""
    places = {"head": (at, head), "pronotum": (105, (34, 26)), "elytra": (200, (48, 68))}
    return {
        name: ellipse((200, 20 + scale * y), (scale * half[0], scale * half[1]))
        for name, (y, half) in places.items()
    }


def judged(odd, source="predicted", **changes):
    """Statuses and flags of one specimen beside eleven ordinary ones of several sizes."""
    formulas = {"ratio": "head.width / elytra.width", "neck": "pronotum.width / elytra.width"}
    index = [parse_index(name, formula, BODY) for name, formula in formulas.items()]
    template = {name: Shape.of(mask) for name, mask in beetle().items()}
    options = MeasurementOptions(body=BODY, colour=False)
    measuring = Measuring(BODY, options, index, templates=[template])
    sizes = np.linspace(0.5, 1.3, 11)
    all_masks = [beetle(scale, (22 + i % 3, 16 - i % 2)) for i, scale in enumerate(sizes)]
    cases = [
        SpecimenMasks(
            str(i), {n: annotated(m, source, score=0.9) for n, m in masks.items()}, Scale(None, "")
        )
        for i, masks in enumerate([*all_masks, odd])
    ]
    cases[-1] = dataclasses.replace(cases[-1], **changes)
    found = measuring.measure(cases)
    for measured in found:
        measuring.learn(measured)
    for measured in found:
        measuring.doubt(measured)
    return found


def test_ordinary_masks_of_all_sizes_are_measured():
    for measured in judged(beetle(0.4)):
        assert {result.status for result in measured.structures.values()} == {"measured"}


def ragged():
    masks = beetle()
    x = np.arange(400)[None]
    return masks | {"pronotum": masks["pronotum"] & (x % 6 < 3)}


def over_the_pronotum():
    masks = beetle()
    return masks | {"head": masks["head"] | ellipse((200, 110), (12, 45))}


@pytest.mark.parametrize(
    "masks, structure, flag",
    [
        (beetle(head=(58, 42), at=35), "head", "unusual_size"),
        (beetle(head=(58, 42), at=35), "head", "unlike_templates"),
        (beetle(head=(8, 6)), "head", "unusual_size"),
        (ragged(), "pronotum", "unusual_outline"),
        (over_the_pronotum(), "head", "overlaps_neighbour"),
        (beetle(at=290), "head", "out_of_order"),
    ],
)
def test_a_mask_unlike_the_others_is_doubtful(masks, structure, flag):
    *others, odd = judged(masks)
    assert flag in odd.structures[structure].flags
    statuses = {name: result.status for name, result in odd.structures.items()}
    assert statuses[structure] == statuses["specimen"] == "doubtful"
    assert statuses["elytra"] == "measured"
    assert odd.indices["ratio" if structure == "head" else "neck"].status == "doubtful"
    assert {result.status for one in others for result in one.structures.values()} == {"measured"}


@pytest.mark.parametrize("body", list(itertools.permutations(BODY)), ids="-".join)
def test_structures_are_in_order_however_they_are_configured(body):
    template, odd = (
        {name: Shape.of(mask) for name, mask in of.items()} for of in (beetle(), beetle(at=290))
    )
    plausibility = Plausibility(body, body, [template])
    assert plausibility.out_of_order(template) == []
    assert plausibility.out_of_order(odd) == ["head"]


def test_a_doubtful_mask_that_was_corrected_says_nothing_of_the_bias():
    wrong = beetle(head=(58, 42), at=35)
    right = {name: annotated(mask, verdict="accepted") for name, mask in wrong.items()}
    right["head"] = annotated(beetle()["head"], "corrected", verdict="corrected")
    predicted = {name: annotated(mask, score=0.9) for name, mask in wrong.items()}
    checked = judged(beetle(), drawn=right, predicted=predicted)[-1].structures
    assert checked["head"].status == checked["specimen"].status == "measured"
    assert checked["head"].predicted == checked["specimen"].predicted == {}
    assert checked["elytra"].predicted == checked["elytra"].values


def test_two_specimens_as_one_are_unlike_the_templates():
    pair = {name: mask | np.roll(mask, 120, axis=1) for name, mask in beetle().items()}
    odd = judged(pair)[-1]
    assert all("unlike_templates" in odd.structures[name].flags for name in BODY)
    *_, one = judged(beetle() | {"head": pair["head"]})
    assert "unlike_templates" not in one.structures["elytra"].flags


def test_what_a_person_drew_is_not_doubted():
    odd = judged(beetle(head=(58, 42), at=35), source="drawn")[-1]
    assert odd.structures["head"].status == "measured" and not odd.structures["head"].flags


def test_of_few_specimens_only_templates_tell():
    template = {name: Shape.of(mask) for name, mask in beetle().items()}
    plausibility = Plausibility(BODY, BODY, [template])
    odd = {name: Shape.of(mask) for name, mask in beetle(head=(58, 42), at=35).items()}
    for shapes in (template, odd):
        plausibility.add(plausibility.quantities(shapes))
    assert plausibility.flags(plausibility.quantities(template)) == {}
    assert plausibility.flags(plausibility.quantities(odd)) == {"head": ["unlike_templates"]}


RATIO = [parse_index("ratio", "head.width / elytra.width", BODY)]


def scaled(scales, sizes, source="bar"):
    """The last of specimens of these sizes and scales, and its body's length in pixels."""
    measuring = Measuring(BODY, MeasurementOptions(body=BODY, colour=False), RATIO)
    cases = [
        SpecimenMasks(
            str(i),
            {n: annotated(m, "drawn") for n, m in beetle(size).items()},
            Scale(scale, source),
        )
        for i, (size, scale) in enumerate(zip(sizes, scales, strict=True))
    ]
    found = measuring.measure(cases)
    for measured in found:
        measuring.learn(measured)
    for measured in found:
        measuring.doubt(measured)
    assert all("implausible_scale" not in of.structures["head"].flags for of in found[:-1])
    return found[-1]


ORDINARY = [0.9, 1.0, 1.05, 0.95, 1.1, 1.0, 0.92, 1.03]


def test_a_scale_that_makes_a_giant_of_a_specimen_is_not_trusted():
    odd = scaled([20.0] * 8 + [4.0], [*ORDINARY, 1.0])  # a fifth of the bar was taken for the bar
    assert odd.scale.pixels_per_mm is None and odd.scale.reason == odd.reason
    assert "at 4 pixels per mm, but the median of 9 specimens is" in odd.reason
    for name in (*BODY, "specimen"):
        assert {"implausible_scale", "scale_refused"} <= {*odd.structures[name].flags}
        assert odd.structures[name].status == "measured"  # the mask is right


def test_a_scale_that_a_person_typed_is_flagged_and_kept():
    odd = scaled([20.0] * 8 + [4.0], [*ORDINARY, 1.0], "specimen_table")
    assert odd.scale.pixels_per_mm == 4.0 and "is the scale right?" in odd.reason
    assert "implausible_scale" in odd.structures["head"].flags
    assert "scale_refused" not in odd.structures["head"].flags
    options = MeasurementOptions(body=BODY, colour=False)
    rows = Layout(BODY, options, RATIO).tidy("G", "r", odd)
    status = {row["unit"]: set() for row in rows}
    for row in rows:
        status[row["unit"]].add(row["status"])
    doubtful = {unit for unit, of in status.items() if of == {"doubtful"}}
    assert doubtful == {unit for unit in status if unit.startswith("mm")} >= {"mm", "mm2"}
    assert all(of == {"measured"} for unit, of in status.items() if unit not in doubtful)
    assert wide(rows)["head.status"] == "doubtful" and wide(rows)["head.length_mm"] > 0
    brief = short.row(rows, [])
    assert (
        brief["unit"] == "mm"
        and brief["measured"] == 0
        and "head: doubtful scale" in brief["left_out"]
    )
    assert "head_length" not in brief and "body_length" not in brief and brief["ratio"] > 0


@pytest.mark.parametrize(
    ("scale", "size", "others"),
    [
        (40.0, 2.0, ORDINARY),  # seen larger, and as long as the others
        (20.0, 0.45, ORDINARY),  # small at everyone's scale: the specimen, or its mask
        (14.0, 1.0, ORDINARY),  # within what a genus may differ by
        (4.0, 1.0, ORDINARY[:6]),  # too few to tell
    ],
)
def test_a_scale_that_may_be_right_is_kept(scale, size, others):
    odd = scaled([20.0] * len(others) + [scale], [*others, size])
    assert odd.scale.pixels_per_mm == scale and odd.reason == ""
