"""segmentation: every specimen and structure is there, masks as stored on disk, or a reason why not."""

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from remembering import remembered

from sam2pal.config.checking import validated
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.dataset.files import check, read_json, write
from sam2pal.dataset.manifest import Specimen, build_manifest
from sam2pal.dataset.recalibration import Labelled, Recalibration
from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import Photograph, read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model.ensemble import largest
from sam2pal.model.tracker import Tracker
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen
from sam2pal.segmentation.annotations import Annotator
from sam2pal.segmentation.bank import read_templates, remember
from sam2pal.segmentation.shard import segment
from sam2pal.segmentation.tracking import Outcome, track_images

CPU = torch.device("cpu")
OPTIONS = SegmentationOptions(window="photograph")
UPRIGHT = SegmentationOptions(window="photograph", turns=(0,))
NAMES = ["head", "pronotum", "elytra", "legs", "horn"]
STRUCTURES = read_structures({name: {"exclusive": name != "legs"} for name in NAMES})
DRAWN = NAMES[:4]  # nobody has outlined a horn


@dataclasses.dataclass(frozen=True)
class Genus:
    """Photographs, their list, and two templates; the second was not annotated for its head."""

    specimens: list[Specimen]
    templates: list[AnnotatedSpecimen]


@pytest.fixture(scope="module")
def genus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genus")
    rng = np.random.default_rng(3)
    species, style = sample_species(rng, "beetle"), sample_style(rng)
    drawings = [
        draw_specimen(species, rng, 90, style=style, frame="fit", missing=()) for _ in range(8)
    ]
    names = ["a1", "a2", "b1", "b2", "b3", "b4", "c_changed", "c_gone"]
    for name, drawing in zip(names, drawings, strict=True):
        Image.fromarray(drawing.pixels).save(folder / f"{name}.png")
    (folder / "c_broken.png").write_bytes(b"not a photograph")
    # a photograph that lies on its side on disk, and says so
    exif = Image.Exif()
    exif[274] = 6
    sideways = Image.fromarray(np.ascontiguousarray(np.rot90(drawings[2].pixels)))
    sideways.save(folder / "d_turned.png", exif=exif)

    specimens = build_manifest(folder, None, 100).specimens
    assert [s.status for s in specimens].count("ok") == 9

    whole = (folder / "b1.png").read_bytes()
    (folder / "e_cut.png").write_bytes(whole[: len(whole) // 2])
    stat = (folder / "e_cut.png").stat()
    cut = Specimen("e_cut", str(folder / "e_cut.png"), stat.st_size, stat.st_mtime_ns, 9, 9, "0001")
    (folder / "c_gone.png").unlink()
    (folder / "c_changed.png").write_bytes(whole)

    templates = []
    for number, names in enumerate((DRAWN, DRAWN[1:])):
        path, masks = folder / f"a{number + 1}.png", drawings[number].masks
        height, width = masks["head"].shape
        templates.append(
            AnnotatedSpecimen(
                f"a{number + 1}",
                str(path),
                width,
                height,
                drawn_annotations({n: masks[n] for n in names}),
            )
        )
    return Genus([*specimens, cut], templates)


@pytest.fixture(scope="module")
def tracker(small_model):
    return Tracker(small_model)


def run(tracker, genus, options=OPTIONS, specimens=None, structures=STRUCTURES, templates=None):
    return segment(
        tracker,
        genus.specimens if specimens is None else specimens,
        genus.templates if templates is None else templates,
        structures,
        options,
        bundled=True,
    )


@pytest.fixture(scope="module")
def predictions(tracker, genus):
    return run(tracker, genus)


def of(predictions, specimen) -> dict[str, dict]:
    """The annotations of a specimen by structure."""
    names = {category["id"]: category["name"] for category in predictions["categories"]}
    (image,) = [image for image in predictions["images"] if image["specimen"] == specimen]
    return {
        names[annotation["category_id"]]: annotation
        for annotation in predictions["annotations"]
        if annotation["image_id"] == image["id"]
    }


def mask_of(annotation) -> np.ndarray:
    return decode_mask(annotation["segmentation"])


OF_INTEREST = ["a2", "b1", "b2", "b3", "b4", "d_turned"]  # what the model predicts something for


# ------------------------------------------------------------------ nothing is missing


def test_every_specimen_and_structure_in_the_order_of_the_list(genus, predictions):
    assert [i["specimen"] for i in predictions["images"]] == [s.specimen for s in genus.specimens]
    assert [image["id"] for image in predictions["images"]] == list(range(1, 12))
    assert [c["name"] for c in predictions["categories"]] == NAMES
    for image in predictions["images"]:
        found = [a for a in predictions["annotations"] if a["image_id"] == image["id"]]
        if image["status"] == "ok":
            assert [a["category_id"] for a in found] == [1, 2, 3, 4, 5], image
        else:
            assert found == [], image
    ids = [annotation["id"] for annotation in predictions["annotations"]]
    assert ids == list(range(1, len(ids) + 1))


def test_what_has_no_masks_is_listed_with_the_reason(predictions):
    left_out = {
        image["specimen"]: (image["status"], image["reason"])
        for image in predictions["images"]
        if image["status"] != "ok"
    }
    assert left_out.keys() == {"c_broken", "c_changed", "c_gone", "e_cut"}
    assert all(status == "unreadable" for status, _ in left_out.values())
    assert "not a photograph that can be read" in left_out["c_broken"][1]
    assert left_out["c_changed"][1].startswith("changed since it was listed")
    assert left_out["c_gone"][1].startswith("disappeared since it was listed")
    assert "truncated" in left_out["e_cut"][1]


def test_annotations_agree_with_their_masks(genus, predictions):
    sizes = {image["id"]: image for image in predictions["images"]}
    for annotation in predictions["annotations"]:
        image, mask = sizes[annotation["image_id"]], mask_of(annotation)
        assert mask.shape == (image["height"], image["width"])
        assert annotation["area"] == mask.sum()
        assert 0 <= annotation["score"] <= 1 and annotation["iscrowd"] == 0
        areas = annotation["areas"]
        assert areas["0.25"] >= areas["0.5"] >= areas["0.75"]
        if mask.any():
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            x, y, width, height = annotation["bbox"]
            assert (x, y) == (columns[0], rows[0])
            assert (x + width - 1, y + height - 1) == (columns[-1], rows[-1])
        else:
            assert annotation["bbox"] == [0, 0, 0, 0]


def test_the_model_predicts_something(predictions):
    """Random weights give masks of some size, or the other tests would compare empty ones."""
    areas = [
        mask_of(of(predictions, specimen)[name]).mean()
        for specimen in OF_INTEREST
        for name in ("head", "legs")
    ]
    assert min(areas) < 0.9 and max(areas) > 0.02, areas


def test_a_structure_that_no_template_shows(predictions):
    for specimen in ("a1", *OF_INTEREST):
        horn = of(predictions, specimen)["horn"]
        assert horn["flags"] == ["no_template"]
        assert horn["area"] == 0 and horn["score"] == 0


def test_empty_shard(tracker, genus, tmp_path):
    found = run(tracker, genus, specimens=[])
    assert found["images"] == found["annotations"] == []
    write(tmp_path / "0001.json", found)
    assert [
        c["name"] for c in check(read_json(tmp_path / "0001.json"), "the file")["categories"]
    ] == NAMES


# ------------------------------------------------------------------ templates


def test_a_template_keeps_what_was_drawn(genus, predictions):
    for template in genus.templates:
        found = of(predictions, template.specimen)
        for name, mask in template.masks.items():
            assert found[name]["segmentation"] == encode_mask(mask)
            assert (found[name]["source"], found[name]["score"]) == ("drawn", 1.0)
            assert found[name]["flags"] == []


def test_what_was_not_annotated_on_a_template_is_predicted_around_it(genus, predictions):
    found = of(predictions, "a2")
    assert found["head"]["source"] == "predicted"
    head = mask_of(found["head"])
    for name in ("pronotum", "elytra"):
        assert not (head & genus.templates[1].masks[name]).any()


def test_a_copy_of_a_template_under_another_name_is_one(tracker, genus, tmp_path):
    template = genus.templates[0]
    path = tmp_path / "copy.png"
    shutil.copy(template.path, path)
    (copied,) = build_manifest(tmp_path, None, 100).specimens
    found = of(run(tracker, genus, specimens=[copied]), "copy")
    assert {found[name]["source"] for name in DRAWN} == {"drawn"}


def test_drawn_as_absent_is_flagged(tracker, genus):
    first, second = genus.templates
    bare = dataclasses.replace(
        first,
        annotations=drawn_annotations({**first.masks, "head": np.zeros_like(first.masks["head"])}),
    )
    own = [s for s in genus.specimens if s.specimen == "a1"]
    found = of(run(tracker, genus, specimens=own, templates=[bare, second]), "a1")
    assert (found["head"]["flags"], found["head"]["source"]) == (["absent"], "drawn")
    # and a template says nothing about what it does not show: no template shows a head now
    some = [s for s in genus.specimens if s.specimen == "b1"]
    found = of(run(tracker, genus, specimens=some, templates=[bare, second]), "b1")
    assert found["head"]["flags"] == ["no_template"]


def test_only_templates_that_show_a_structure_are_asked(tracker, genus, predictions):
    """The head of the second template was not annotated: it is as if that template were not there."""
    some = [s for s in genus.specimens if s.specimen in ("b1", "b2")]
    alone, together = (
        run(tracker, genus, UPRIGHT, some, structures=STRUCTURES[:1], templates=templates)
        for templates in (genus.templates[:1], genus.templates)
    )
    for specimen in ("b1", "b2"):
        one, other = of(alone, specimen)["head"], of(together, specimen)["head"]
        assert (mask_of(one) == mask_of(other)).mean() > 0.999
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)


def with_a_speck(genus):
    """A template whose horn is a pixel of its photograph, far less than one of the square."""
    template = genus.templates[0]
    horn = np.zeros((template.height, template.width), bool)
    horn[template.height // 2, template.width // 2] = True
    masks = {name: template.masks[name] for name in DRAWN} | {"horn": horn}
    return dataclasses.replace(template, annotations=drawn_annotations(masks))


def test_a_structure_that_no_square_shows_is_named(tracker, genus, caplog):
    run(tracker, genus, UPRIGHT, genus.specimens[:1], templates=genus.templates[:1])
    assert "square" not in caplog.text  # nobody drew a horn there
    found = run(tracker, genus, UPRIGHT, genus.specimens[2:3], templates=[with_a_speck(genus)])
    assert "'horn' is on no template as large as a pixel of the model's square, 64 p" in caplog.text
    assert of(found, "b1")["horn"]["flags"] == ["no_template"]


def test_no_usable_template(tracker, genus):
    with pytest.raises(InputError, match="no template is left"):
        run(tracker, genus, templates=[])
    with pytest.raises(InputError, match="no template shows any of the structures horn"):
        run(tracker, genus, structures=STRUCTURES[4:])
    speck, small = with_a_speck(genus), "horn as large as a pixel of the model's square, 64 pixels"
    with pytest.raises(InputError, match=small):
        run(tracker, genus, structures=STRUCTURES[4:], templates=[speck])
    lost = dataclasses.replace(genus.templates[0], path="/nowhere/a1.png")
    with pytest.raises(InputError, match="/nowhere/a1.png"):
        run(tracker, genus, templates=[lost])


# ------------------------------------------------------------------ masks


def test_a_turned_photograph_has_its_masks_as_stored(genus, predictions):
    """`d_turned` is `b1` on its side: same masks, on their side."""
    turned = next(s for s in genus.specimens if s.specimen == "d_turned")
    upright = next(s for s in genus.specimens if s.specimen == "b1")
    assert (turned.width, turned.height) == (upright.height, upright.width)
    assert turned.width != turned.height
    assert read_photograph(turned.path).orientation == 6
    for name in DRAWN:
        one, other = of(predictions, "b1")[name], of(predictions, "d_turned")[name]
        agreement = (np.rot90(mask_of(one)) == mask_of(other)).mean()
        assert agreement > 0.999, name
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)


def test_exclusive_structures_share_no_pixel(tracker, genus, predictions):
    def overlaps(predictions, names):
        return [
            sum(mask_of(of(predictions, specimen)[name]).astype(int) for name in names).max() > 1
            for specimen in OF_INTEREST
        ]

    assert not any(overlaps(predictions, ("head", "pronotum", "elytra")))
    # legs may lie under anything; and without the rule random masks would share pixels
    assert any(overlaps(predictions, ("head", "pronotum", "elytra", "legs")))
    free = [dataclasses.replace(structure, exclusive=False) for structure in STRUCTURES]
    some = [s for s in genus.specimens if s.specimen in OF_INTEREST]
    shared = run(tracker, genus, specimens=some, structures=free)
    assert any(overlaps(shared, ("head", "pronotum", "elytra")))


def photograph(height=40, width=30, orientation=1) -> Photograph:
    return Photograph(np.zeros((height, width, 3), np.uint8), orientation, width, height)


def outcome(*logits, predicted_iou=0.8, object_score=2.0) -> Outcome:
    count = len(logits)
    return Outcome(
        4 * logits[0].shape[-1],
        np.stack(logits).astype(np.float32),
        np.full(count, predicted_iou),
        np.full(count, object_score),
    )


def entries(result, names=("head",), options=OPTIONS, exclusive=True, drawn=None, shape=(40, 30)):
    structures = read_structures({name: {"exclusive": exclusive} for name in names})
    return list(
        Annotator(structures, list(names), options).annotate(
            photograph(*shape), result, drawn or {}
        )
    )


def test_masks_lie_where_the_logits_say():
    # a square of 64, the photograph 64 x 48 in it; logits at a quarter, p = 0.5 along a straight line
    y, x = np.mgrid[:16, :16] + 0.5
    (entry,) = entries(outcome((x - 6.0) * 3), shape=(128, 96))
    mask = mask_of(entry)
    assert mask.shape == (128, 96)
    # x = 6 of 16 is 24 of 64, 16 right of the photograph's left edge there, 32 in its own pixels
    assert not mask[:, :32].any() and mask[:, 32:].all()
    (entry,) = entries(outcome((y - 4.0) * 3), shape=(128, 96))
    assert not mask_of(entry)[:32].any() and mask_of(entry)[32:].all()


@pytest.mark.parametrize(("height", "width"), [(400, 301), (301, 400), (400, 400)])
def test_masks_of_logits_as_fine_as_the_image_lie_where_the_image_lay(height, width):
    side = 96  # logits of an ensemble have the image's own side
    top, left, high, wide = Letterbox(height, width, side).box
    y, x = np.mgrid[:side, :side] + 0.5
    row, column = (y - top) * height / high, (x - left) * width / wide
    disc = 90 - np.hypot(row - 160, column - 140)
    (entry,) = entries(dataclasses.replace(outcome(disc), square=side), shape=(height, width))
    rows, columns = np.nonzero(mask_of(entry))
    assert rows.mean() + 0.5 == pytest.approx(160, abs=0.1)
    assert columns.mean() + 0.5 == pytest.approx(140, abs=0.1)
    assert len(rows) == pytest.approx(np.pi * 90**2, rel=0.005)


@pytest.mark.parametrize("ensemble", [1, 3])
def test_outcomes_know_the_square_on_which_the_specimen_was_seen(tracker, genus, ensemble):
    options = dataclasses.replace(OPTIONS, ensemble=ensemble)
    names = [structure.name for structure in STRUCTURES]
    bank = remember(tracker, read_templates(tracker, genus.templates, names, options), options)
    side = largest(bank.ways, tracker.image_size)
    (seen,) = track_images(tracker, bank, torch.zeros(1, 3, side, side), refine=False)
    assert seen.square == side == seen.logits.shape[-1] * (4 if ensemble == 1 else 1)


def test_masks_are_made_of_fitted_logits_and_confidences_of_the_models_own():
    logits = np.full((16, 16), -9.0)
    logits[:, 8:] = np.log(4)
    fitted = np.repeat(np.repeat(logits, 4, 0), 4, 1)[None].astype(np.float32)
    fitted[:, :, 44:] = 9
    fitted[:, :, :44] = -9
    plain = outcome(logits)
    (entry,) = entries(dataclasses.replace(plain, fitted=fitted), shape=(128, 128))
    (own,) = entries(plain, shape=(128, 128))
    mask = mask_of(entry)
    assert mask[:, 88:].all() and not mask[:, :88].any() and mask_of(own)[:, 67:].all()
    assert entry["confidence"]["mean_probability"] == pytest.approx(0.8, abs=1e-3)
    assert entry["confidence"]["stability"] == own["confidence"]["stability"]


def test_confidence_by_hand():
    logits = np.full((16, 16), -9.0)
    logits[:, 8:] = np.log(4)  # p = 0.8 on the right half
    (entry,) = entries(outcome(logits, predicted_iou=0.8, object_score=np.log(9)))
    confidence = entry["confidence"]
    assert confidence["predicted_iou"] == 0.8
    assert confidence["object_score"] == pytest.approx(0.9, abs=1e-4)
    assert confidence["mean_probability"] == pytest.approx(0.8, abs=0.02)
    assert confidence["stability"] == pytest.approx(1, abs=0.1)
    # 128 cells of 0.8, no rival, no shape to compare with; the outline has 48 sides
    assert confidence["expected_iou"] == pytest.approx(0.8, abs=0.01)
    assert confidence["thickness"] == pytest.approx(2 * 128 / 48, abs=1e-4)
    assert (confidence["contested"], confidence["shape_likeness"]) == (0, None)
    assert entry["score"] == confidence["unadapted"] > 0
    assert entry["flags"] == [] and entry["source"] == "predicted"
    assert entry["areas"]["0.5"] == entry["area"]


def test_a_surer_mask_has_a_higher_confidence():
    scores = []
    for sure in (0.3, 1.0, 4.0):
        logits = np.full((16, 16), -sure)
        logits[:, 8:] = sure
        scores.append(entries(outcome(logits))[0]["score"])
    assert scores == sorted(scores) and scores[0] < 0.3 < 0.8 < scores[-1]


def test_absent_is_an_empty_mask(tracker, genus):
    model = copy.deepcopy(tracker.model)
    with torch.no_grad():
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(-5)
    some = [s for s in genus.specimens if s.specimen == "b1"]
    found = of(run(Tracker(model), genus, specimens=some), "b1")
    for name in DRAWN:
        assert found[name]["flags"] == ["absent"]
        assert found[name]["area"] == 0 and not mask_of(found[name]).any()
        assert found[name]["confidence"]["object_score"] < 0.5
        json.dumps(found[name], allow_nan=False)


def test_specks_are_removed_and_holes_kept():
    logits = np.full((16, 16), -9.0)
    logits[2:12, 4:11] = 9
    logits[6:8, 6:8] = -9
    logits[14, 11] = 9
    (kept,) = entries(outcome(logits), options=SegmentationOptions(min_area=0.0), shape=(64, 64))
    (cleaned,) = entries(outcome(logits), shape=(64, 64))
    before, after = mask_of(kept), mask_of(cleaned)
    assert before[50:].any() and not after[50:].any()
    assert (before[:50] == after[:50]).all()
    assert not after[25:31, 25:31].any()


def test_threshold():
    logits = np.linspace(-4, 4, 256).reshape(16, 16)
    for threshold in (0.2, 0.5, 0.7):
        options = SegmentationOptions(threshold=threshold, min_area=0.0)
        (entry,) = entries(outcome(logits), options=options, shape=(16, 16))
        expected = 1 / (1 + np.exp(-logits)) > threshold
        assert (mask_of(entry) == expected).mean() > 0.98


@pytest.mark.parametrize(("logit", "wins"), [(2.0, True), (1.5, False)])
def test_a_pixel_is_worth_more_to_a_small_structure(logit, wins):
    large, small = np.full((16, 16), 3.0), np.full((16, 16), -9.0)
    small[4:8, 4:8] = logit  # a sixteenth of the area: half of its logarithm is 1.39
    found = entries(outcome(large, small), names=("elytra", "head"), shape=(16, 16))
    elytra, head = (mask_of(entry) for entry in found)
    assert head[4:8, 4:8].all() == wins and head.any() == wins
    assert not (elytra & head).any() and (elytra | head).all()
    contested = [entry["confidence"]["contested"] for entry in found]  # by the same rule
    assert contested == ([0.0625, 0.0] if wins else [0.0, None])


@pytest.mark.parametrize("own", [1.0, 6.0])
def test_fitting_gives_no_mask_to_what_the_model_gives_to_a_rival(own):
    body, eye = np.full((16, 16), 4.0), np.full((16, 16), -9.0)
    eye[6:10, 6:10] = own  # present, but more likely the body, or not
    fitted = np.stack([body, np.full_like(body, -9.0)]).repeat(4, 1).repeat(4, 2)
    fitted[1, 28:36, 28:36] = 9.0
    plain = outcome(body, eye)
    both = dataclasses.replace(plain, fitted=fitted.astype(np.float32))
    found = entries(both, names=("body", "eye"), shape=(128, 128))[1]
    if own > 4:
        assert 200 < mask_of(found).sum() < 300 and found["score"] > 0
    else:
        assert not mask_of(found).any() and found["score"] == 0
        assert found["flags"] == ["absent"] and found["areas"]["0.5"] == 0


@pytest.mark.parametrize("logit", [-0.5, -0.3])  # less and more than that of the other
def test_rivals_share_no_pixel_at_a_low_threshold(logit):
    large, small = np.full((16, 16), -0.4), np.full((16, 16), -9.0)
    small[4:8, 4:8] = logit
    options = SegmentationOptions(threshold=0.3, min_area=0.0)
    found = entries(outcome(large, small), ("elytra", "head"), options, shape=(16, 16))
    elytra, head = (mask_of(entry) for entry in found)
    assert not (elytra & head).any() and (elytra | head).all()
    assert head[4:8, 4:8].all() == (logit > -0.4)


def test_rivals_by_parent():
    strong, weak = np.full((16, 16), 3.0), np.full((16, 16), 1.0)
    part = np.where(np.arange(16) < 8, 5.0, -5.0) * np.ones((16, 1))
    structures = read_structures(
        {"body": {}, "leg": {}, "eye": {"parent": "body"}, "mouth": {"parent": "body"}}
    )
    names = [structure.name for structure in structures]
    body, leg, eye, mouth = (
        mask_of(entry)
        for entry in Annotator(structures, names, OPTIONS).annotate(
            photograph(), outcome(strong, weak, part, weak), {}
        )
    )
    assert body.all() and not leg.any()  # rivals
    assert not (eye & mouth).any() and (eye | mouth).all()  # rivals inside of the body
    assert eye[:, :14].all() and mouth[:, 16:].all()


# ------------------------------------------------------------------ several templates


def test_a_structure_that_one_template_lacks_is_tracked_from_the_other(tracker, genus):
    some = [next(s for s in genus.specimens if s.specimen == "b1")]
    alone = run(tracker, genus, specimens=some, templates=genus.templates[1:])
    assert of(alone, "b1")["head"]["flags"] == ["no_template"]


# ------------------------------------------------------------------ batches and memory


def assert_same_predictions(found, expected):
    assert found["images"] == expected["images"]
    assert len(found["annotations"]) == len(expected["annotations"])
    for one, other in zip(found["annotations"], expected["annotations"], strict=True):
        assert (one["image_id"], one["category_id"]) == (other["image_id"], other["category_id"])
        assert (mask_of(one) == mask_of(other)).mean() > 0.999
        assert one["score"] == pytest.approx(other["score"], abs=2e-3)
        assert one["flags"] == other["flags"]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_change_nothing(tracker, genus, predictions, batch_size):
    found = run(tracker, genus, dataclasses.replace(OPTIONS, batch_size=batch_size))
    assert_same_predictions(found, predictions)


@pytest.mark.parametrize("side", [96, 352])  # 1.5 times as many pixels are 128 and 512
def test_squares_whose_ways_are_no_multiple_of_its_cells(side):
    logits = np.zeros((1, 32 * round(side * 1.5 / 32), 32 * round(side * 1.5 / 32)), np.float32)
    logits[:, :, : logits.shape[-1] // 2] = 4
    colours = np.zeros((3, side // 4, side // 4), np.float32)
    cells = dataclasses.replace(outcome(logits[0]), colours=colours).cells
    assert cells.shape == (1, side // 4, side // 4)
    assert (cells[..., : side // 8] == 4).all() and (cells[..., -(side // 8) :] == 0).all()


def test_in_half_precision_it_finds_nearly_the_same(tracker, genus, predictions):
    with torch.autocast("cpu", torch.bfloat16):
        found = run(tracker, genus)
    alike = []
    for one, other in zip(found["annotations"], predictions["annotations"], strict=True):
        if other["area"]:
            alike.append((mask_of(one) == mask_of(other)).mean())
    assert len(alike) > 5 and 0.95 < np.mean(alike) < 1
    assert [one["view"] for one in found["images"] if "view" in one] == [
        one["view"] for one in predictions["images"] if "view" in one
    ]


def test_same_bytes_again(tracker, genus, predictions, tmp_path):
    write(tmp_path / "one.json", predictions)
    write(tmp_path / "two.json", run(tracker, genus))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


class Small(Tracker):
    """A device that holds no more than some images at a time."""

    def __init__(self, model, holds, error):
        super().__init__(model)
        self.holds, self.error, self.tried = holds, error, []

    def encode(self, images):
        self.tried.append(len(images))
        if len(images) > self.holds:
            raise self.error
        return super().encode(images)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory_halves_the_batches(genus, predictions, tracker, caplog, error):
    small = Small(tracker.model, 2, error)
    found = run(small, genus, dataclasses.replace(OPTIONS, batch_size=5))
    assert_same_predictions(found, predictions)
    assert "out of memory with 5 specimens per batch: going on with 2" in caplog.text
    # two templates; then five at once are tried, and from then on never more than two
    # and each template is found from the other
    assert small.tried == [1, 1, 1, 1, 5, 2, 2, 1, 1]
    assert caplog.text.count("out of memory with") == 1


def test_out_of_memory_halves_again(genus, predictions, tracker, caplog):
    small = Small(tracker.model, 1, torch.OutOfMemoryError("CUDA out of memory"))
    found = run(small, genus, dataclasses.replace(OPTIONS, batch_size=5))
    assert_same_predictions(found, predictions)
    assert small.tried == [1, 1, 1, 1, 5, 2, 1, 1, 1, 1, 1, 1]


def test_memory_for_not_even_one_specimen(genus, tracker):
    class Tiny(Small):
        def track(self, *arguments):
            raise self.error

    tiny = Tiny(tracker.model, 9, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(InputError, match="too small for one specimen.*`image_size`") as caught:
        run(tiny, genus)
    assert "template 'a1'" in str(caught.value)


def test_other_errors_are_not_swallowed(genus, tracker):
    with pytest.raises(RuntimeError, match="another thing"):
        run(Small(tracker.model, 1, RuntimeError("another thing")), genus)


def test_progress_counts_every_specimen(genus, tracker):
    ticks = []
    given = tracker, genus.specimens, genus.templates, STRUCTURES, OPTIONS
    segment(*given, lambda: ticks.append(1), bundled=True)
    assert len(ticks) == len(genus.specimens)


# ------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"batch_size": 0}, "batch_size: must be at least 1, found 0"),
        ({"threshold": 1}, "threshold: must be less than 1, found 1"),
        ({"min_area": -0.1}, "min_area: must be at least 0, found -0.1"),
        ({"treshold": 0.5}, "did you mean 'threshold'?"),
        ({"turns": [0, 45]}, "turns.1: 45 is not one of 0, 90, 180, 270"),
        ({"turns": []}, "turns: must not be empty"),
        ({"turns": [90, 90]}, "turns: lists 90 twice; remove one"),
        ({"area_range": 1}, "area_range: must be more than 1, found 1"),
        ({"place_margin": -0.1}, "place_margin: must be at least 0, found -0.1"),
    ],
)
def test_options_that_are_refused(values, expected):
    with pytest.raises(InputError) as caught:
        validated(SegmentationOptions, values, "segmentation")
    assert expected in str(caught.value) and str(caught.value).startswith("segmentation")


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            {"eye": {"parent": "haed"}, "head": {}},
            "structures.eye.parent: there is no structure 'haed' (did you mean 'head'?)",
        ),
        (
            {"a": {"parent": "b"}, "b": {"parent": "a"}},
            "'a' would be a part of itself (a in b in a)",
        ),
        ({"a": {"parent": "a"}}, "'a' would be a part of itself (a in a)"),
        ({"a": {"weight": 0}}, "structures.a.weight: must be more than 0, found 0"),
        ({"a": {"exclusiv": True}}, "did you mean 'exclusive'?"),
    ],
)
def test_structures_that_are_refused(mapping, expected):
    with pytest.raises(InputError) as caught:
        read_structures(mapping)
    assert expected in str(caught.value)


# ------------------------------------------------------------------ what templates say of one another


def test_each_template_is_found_from_the_others(tracker, genus, predictions):
    """As if it were a specimen and the other the only template."""
    first, second = genus.templates
    labelled = predictions["info"]["confidence"]["labelled"]
    # a head is shown by one template alone: nothing finds it
    assert {one["structure"] for one in labelled} <= {"pronotum", "elytra", "legs"}
    bank = remembered(tracker, genus.templates, NAMES, UPRIGHT)
    alone = remembered(tracker, [second], NAMES, UPRIGHT)
    without = bank.without(0)
    assert without.specimens == ("a2",) and without.followed.tolist() == [1, 2, 3]
    torch.testing.assert_close(without.memories[64].spatial, alone.memories[64].spatial)
    torch.testing.assert_close(without.shapes, alone.shapes)
    one = run(tracker, genus, specimens=[], templates=[first])
    assert one["info"]["confidence"] == {"labelled": []}


def test_known_masks_move_the_confidence(tracker, genus, predictions):
    labelled = [Labelled(**one) for one in predictions["info"]["confidence"]["labelled"]]
    assert len(labelled) >= 4
    move = Recalibration.learn(labelled)
    for specimen in OF_INTEREST:
        for name, entry in of(predictions, specimen).items():
            if entry["source"] == "predicted" and entry["area"]:
                expected = move(name, entry["confidence"]["unadapted"])
                assert entry["score"] == pytest.approx(expected, abs=2e-3)
