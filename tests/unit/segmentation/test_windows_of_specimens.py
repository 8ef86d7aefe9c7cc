"""Specimens that are small in their photographs: found, segmented and trained on, or named as not found."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.dataset.manifest import build_manifest
from sam2pal.dataset.rle import decode_mask
from sam2pal.dataset.runs import Runs
from sam2pal.images.foreground import overlap
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import Photograph, look_closer, read_photograph
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.model.build import build_model
from sam2pal.model.finding import Finder, FoundWindow, _box
from sam2pal.model.loading import square_image
from sam2pal.model.templates import FILLED, TemplateSet, specimen_on
from sam2pal.model.tracker import Tracker
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen
from sam2pal.segmentation.annotations import make_room
from sam2pal.segmentation.parents import OUTSIDE, flag_outside, levels_of
from sam2pal.segmentation.shard import segment
from sam2pal.segmentation.states import Thresholds
from sam2pal.training.unlabelled import Unlabelled

NAMES = ["head", "pronotum", "elytra"]
SIZE = 700, 1000


@pytest.fixture(scope="module")
def tracker():
    return Tracker(build_model(ModelOptions()))


@pytest.fixture(scope="module")
def drawings():
    """Beetles of one species on paper, cut to them."""
    rng = np.random.default_rng(3)
    species = sample_species(rng, "beetle")
    style = replace(sample_style(rng), backdrop="paper", crowd=0.0, pin=0.0, scrap=0.0, bar=0.0)
    return [
        draw_specimen(species, rng, 260, style=style, frame="fit", missing=()) for _ in range(3)
    ]


def placed(drawing, top, left):
    """A beetle in a photograph with a label and a dark card, and its masks."""
    high, wide = drawing.pixels.shape[:2]
    colour = np.median(drawing.pixels[:3].reshape(-1, 3), 0)
    pixels = np.full((*SIZE, 3), colour, np.uint8)
    pixels[40:160, 60:260] = 250
    for row in range(50, 150, 20):
        pixels[row : row + 9, 70:250:13] = pixels[row : row + 9, 73:253:13] = 20
    pixels[560:640, 60:220] = (40, 90, 160)
    pixels[top : top + high, left : left + wide] = drawing.pixels
    masks = {name: np.zeros(SIZE, bool) for name in NAMES}
    for name in NAMES:
        masks[name][top : top + high, left : left + wide] = drawing.masks[name]
    return pixels, masks


@pytest.fixture(scope="module")
def genus(tmp_path_factory, drawings):
    """A template, `there`, `cut` to its specimen, and `empty` without one."""
    folder = tmp_path_factory.mktemp("genus")
    pixels, masks = placed(drawings[0], 300, 500)
    Image.fromarray(pixels).save(folder / "template.png")
    template = AnnotatedSpecimen(
        "template", str(folder / "template.png"), *SIZE[::-1], drawn_annotations(masks)
    )
    (folder / "specimens").mkdir()
    pixels, truth = placed(drawings[1], 380, 420)
    Image.fromarray(pixels).save(folder / "specimens" / "there.png")
    Image.fromarray(drawings[2].pixels).save(folder / "specimens" / "cut.png")
    empty, _ = placed(drawings[1], 380, 420)
    empty[380:, 420:] = empty[-1, -1]
    empty[380:, 420:] = pixels[200, 600]
    Image.fromarray(empty).save(folder / "specimens" / "empty.png")
    return template, build_manifest(folder / "specimens", None, 100).specimens, truth


def test_a_shard(tracker, genus):
    template, specimens, truth = genus
    options = SegmentationOptions(window="specimen", turns=(0,))
    given = tracker, specimens, [template], read_structures(dict.fromkeys(NAMES)), options
    found = segment(*given, bundled=True)
    images = {image["specimen"]: image for image in found["images"]}
    # cut to the body, as the template is
    width, height = images["cut"]["width"], images["cut"]["height"]
    assert images["cut"]["status"] == "ok"
    assert 0.3 < overlap(images["cut"]["window"], (0, 0, width, height)) <= 1

    assert (
        images["empty"]["status"] == "no_specimen"
        and "no specimen found" in images["empty"]["reason"]
    )
    assert not [a for a in found["annotations"] if a["image_id"] == images["empty"]["id"]]

    left, top, width, height = images["there"]["window"]
    union = np.logical_or.reduce(list(truth.values()))
    rows, columns = (np.flatnonzero(union.any(axis)) for axis in (1, 0))
    box = rows[0], columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1
    assert images["there"]["window_by"] == "foreground" and images["there"]["window_quality"] > 0.3
    assert overlap((top, left, height, width), Window.around(box, FILLED, SIZE)) > 0.5
    for annotation in found["annotations"]:
        if annotation["image_id"] == images["there"]["id"]:
            mask = decode_mask(annotation["segmentation"])
            drawn_ = truth[NAMES[annotation["category_id"] - 1]]
            assert mask.shape == SIZE
            assert (mask & drawn_).sum() > 0.5 * (mask | drawn_).sum()

    whole = replace(options, window="photograph")
    found = segment(*given[:-1], whole, bundled=True)
    assert all(image["status"] == "ok" and "window" not in image for image in found["images"])


def test_a_training_pool_is_cut_as_the_templates_are(tracker, genus):
    template, specimens, _ = genus
    known = TemplateSet.read([template], NAMES, 256, aligned=False, window="specimen")
    box, _ = specimen_on(template, read_photograph(template.path))
    window = Window.around(box, FILLED, SIZE)
    cut = look_closer(template.path, read_photograph(template.path), window, 256)
    assert torch.equal(known.images[0], square_image(cut, 256))
    options = TrainingOptions(turns=(0,))
    paths = {one.specimen: one.path for one in specimens}
    pool = Unlabelled(tracker, options, known, [paths["there"], paths["empty"]], 256)
    seen = pool[1]  # which the next one stands in for
    assert "no specimen" in pool.left_out[0] and "empty.png" in pool.left_out[0]
    # of the window that segmentation takes
    finder = pool._finder
    photograph = read_photograph(paths["there"])
    place = finder.find(paths["there"], photograph, finder.regions(photograph))
    closer = look_closer(paths["there"], photograph, place.window, 256)
    assert torch.equal(seen, square_image(closer, 256)) and torch.equal(seen, pool[0])
    with pytest.raises(InputError, match="no photograph of the training pool can be read"):
        Unlabelled(tracker, options, known, [paths["empty"]], 256)[0]


def test_a_template_drawn_only_in_part_is_cut_to_the_whole_specimen(genus):
    template, _, _ = genus
    part = replace(template, annotations={"head": template.annotations["head"]})
    photograph = read_photograph(template.path)
    whole, _ = specimen_on(template, photograph)
    (top, left, height, width), _ = specimen_on(part, photograph)
    # legs are not drawn on the template, but they stand out, too
    assert top <= whole[0] + 5 and left <= whole[1] + 5
    assert top + height >= whole[0] + whole[2] - 5 and left + width >= whole[1] + whole[3] - 5
    assert max(height, width) < 1.5 * max(whole[2:])
    nothing = replace(template, annotations=drawn_annotations({"head": np.zeros(SIZE, bool)}))
    assert specimen_on(nothing, photograph) == ((0, 0, *SIZE), None)


def test_parts_are_looked_for_in_windows_round_their_structure(tracker, genus, monkeypatch):
    # heads of these beetles are large
    monkeypatch.setattr("sam2pal.model.templates.ROUND_A_WHOLE", 0.6)
    template, specimens, truth = genus
    head = template.masks["head"]
    rows = np.flatnonzero(head.any(1))
    template = with_masks(template, front=head & (np.arange(SIZE[0]) < rows.mean())[:, None])
    there = [one for one in specimens if one.specimen == "there"]
    options = SegmentationOptions(turns=(0,))
    structures = read_structures({"head": None, "front": {"parent": "head"}, "elytra": None})
    names = [structure.name for structure in structures]
    encoded, encode = [], tracker.encode
    tracker.encode = lambda images: encoded.append(len(images)) or encode(images)
    try:
        found = segment(tracker, there, [template], structures, options, bundled=True)
    finally:
        del tracker.encode
    # the template as a whole, for the finder and cut to its head; the specimen alike
    assert encoded == [1, 1, 1, 1, 1, 1]
    (image,) = found["images"]
    (left, top, width, height), outer = image["part_windows"]["head"], image["window"]
    head, front, _ = found["annotations"]
    assert outer[0] <= left and left + width <= outer[0] + outer[2] and width < 0.8 * outer[2]
    x, y, wide, high = head["bbox"]
    assert left <= x and x + wide <= left + width and top <= y and y + high <= top + height
    mask = decode_mask(front["segmentation"])
    assert mask.any() and (mask & truth["head"]).sum() > 0.5 * mask.sum()
    assert OUTSIDE not in front["flags"]

    # what is asked of a mask is asked there too
    def asked(bank, _):
        return [Thresholds(99.0 if len(bank.sure) == 1 else -99.0)] * len(bank.sure)

    with monkeypatch.context() as patch:
        patch.setattr(Thresholds, "of", staticmethod(asked))
        patch.setattr("sam2pal.segmentation.batches._trust", lambda one: not one["area"])
        gone = segment(tracker, there, [template], structures, options, bundled=True)["annotations"]
    assert [one["state"] for one in gone] == ["found", "absent", "found"]

    known = TemplateSet.read([template], names, 256, aligned=True, window="specimen")
    cut = known.within("head", ["front"], [template])
    window, whole = cut.windows[0], known.windows[0]
    assert window.side < 0.8 * whole.side and cut.turns == known.turns
    # the same place as in the template's own window
    scale = 256 / whole.side
    first, start = (
        round((window.top - whole.top) * scale),
        round((window.left - whole.left) * scale),
    )
    side = round(window.side * scale)
    part = known.masks[0, 1:2, first : first + side, start : start + side]
    small = torch.nn.functional.interpolate(cut.masks[:, :1], (side, side), mode="area")[0]
    assert (small - part).abs().sum() < 0.1 * part.sum()
    # drawn without its structure, or in one as large as the specimen: it has no window of its own
    alone = replace(template, annotations={"front": template.annotations["front"]})
    assert known.within("head", ["front"], [alone]) is None
    body = with_masks(template, body=np.ones(SIZE, bool))
    assert known.within("body", ["front"], [body]) is None


def with_masks(template, **masks):
    return replace(template, annotations={**template.annotations, **drawn_annotations(masks)})


def test_a_part_too_small_for_its_own_window_stops_nothing(tracker, genus):
    template, _, _ = genus
    large, speck = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    large[100:500, 100:500] = True
    speck[300, 300] = True
    template = replace(template, annotations=drawn_annotations({"head": large, "front": speck}))
    known = TemplateSet.read([template], ["head", "front"], 256, aligned=False)
    structures = read_structures({"head": None, "front": {"parent": "head"}})
    assert levels_of(tracker, known, [template], structures, SegmentationOptions(turns=(0,))) == []


def test_what_lies_apart_from_its_structure_is_flagged_and_the_less_sure_make_room():
    structures = read_structures(
        {"head": None, "eye": {"parent": "head"}, "mouth": {"parent": "head"}}
    )

    def entry(top, left, score):
        mask = np.zeros((60, 80), bool)
        mask[top : top + 10, left : left + 20] = True
        runs = Runs.of(mask, 60, 80)
        box = {"bbox": list(runs.bbox()), "area": runs.area, "segmentation": runs.rle()}
        areas = {"0.25": runs.area, "0.5": runs.area}
        return box | {"flags": [], "source": "predicted", "score": score, "areas": areas}

    found = {"head": entry(0, 0, 1.0), "eye": entry(8, 15, 0.5), "mouth": entry(12, 24, 0.7)}
    flag_outside(found, structures, margin=0.15)
    assert [one["flags"] for one in found.values()] == [[], [], [OUTSIDE]]
    make_room(found, structures[1:])
    assert found["mouth"]["area"] == 200 and found["eye"]["area"] == 200 - 6 * 11
    assert not (
        decode_mask(found["eye"]["segmentation"]) & decode_mask(found["mouth"]["segmentation"])
    ).any()
    # one that is left without a pixel has no confidence either
    found = {"eye": entry(12, 24, 0.5), "mouth": entry(12, 24, 0.7)}
    make_room(found, structures[1:])
    assert found["mouth"]["area"] == 200 and found["mouth"]["score"] == 0.7
    assert found["eye"]["area"] == 0 and found["eye"]["flags"] == ["absent"]
    assert found["eye"]["score"] == 0 and found["eye"]["areas"] == {"0.25": 0, "0.5": 0}


@pytest.mark.parametrize(("height", "width"), [(400, 206), (333, 500), (700, 1000)])
def test_a_box_of_masks_lies_where_the_letterbox_laid_the_photograph(height, width):
    errors = []
    for top, left in np.random.default_rng(0).integers(0, [height // 2, width // 2], (100, 2)):
        mask = np.zeros((height, width), bool)
        mask[top : top + height // 3, left : left + width // 3] = True
        square = torch.from_numpy(Letterbox(height, width, 256).mask_to_square(mask))
        cells = torch.nn.functional.avg_pool2d(square[None], 4)[0] > 0.5
        photograph = Photograph(np.zeros((height, width, 3), np.uint8), 1, width, height)
        first, start, high, wide = _box(cells, photograph, 256)
        middle = top + height // 3 / 2, left + width // 3 / 2
        errors.append((first + high / 2 - middle[0], start + wide / 2 - middle[1]))
    assert np.abs(np.mean(errors, 0)).max() < 0.1 * max(height, width) / 64  # of a cell


def test_a_window_that_cuts_limbs_off_is_widened():
    finder, asked = Finder.__new__(Finder), []
    finder._filled = 0.95

    def judge(photograph, window, by):
        asked.append(window)
        return FoundWindow(window, by, 0.9, boxes.pop(0))

    finder._judge = judge
    photograph = SimpleNamespace(displayed_shape=(1000, 1000))
    first = FoundWindow(Window(400, 400, 100, 100), "foreground", 0.9, (400, 410, 90, 60))
    whole = (340, 410, 150, 60)
    boxes = [(370, 410, 120, 60), whole]
    assert finder._whole_of(first, photograph) == whole
    assert 100 < asked[0].side < asked[1].side and not boxes
    boxes = [(395, 410, 95, 60)]  # hardly longer: the specimen stays as large as it was
    assert finder._whole_of(first, photograph) == first.box
    inside = first._replace(box=(410, 410, 70, 70))
    assert finder._whole_of(inside, photograph) == inside.box and len(asked) == 3
