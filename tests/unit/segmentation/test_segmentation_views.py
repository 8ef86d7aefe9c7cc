"""segmentation: turned and mirrored specimens, and which templates they are asked of."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from remembering import remembered

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.dataset.manifest import Specimen, build_manifest
from sam2pal.dataset.rle import decode_mask
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model.build import build_model
from sam2pal.model.ensemble import Alteration
from sam2pal.model.loading import resized, square_image
from sam2pal.model.masks import at_size_of
from sam2pal.model.similarity import Alignment, align, describe_bodies, near_duplicates
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.model.views import View, other_side, views_of
from sam2pal.research.benchmark.collection import read_collection
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen
from sam2pal.segmentation.shard import segment
from sam2pal.segmentation.tracking import choose_view, track_batch

CPU = torch.device("cpu")
NAMES = ["left_leg", "right_leg", "elytra"]
STRUCTURES = read_structures({name: {"exclusive": False} for name in NAMES})
VIEWS = views_of((0, 90, 180, 270), True)
OPTIONS = SegmentationOptions(window="photograph", mirrored=True, min_area=0.0)


@dataclass(frozen=True)
class Genus:
    """Two templates, and a copy of the first one in every view, by the view's name."""

    templates: list[AnnotatedSpecimen]
    copies: dict[str, Specimen]


@pytest.fixture(scope="module")
def genus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    rng = np.random.default_rng(5)
    species, style = sample_species(rng, "beetle"), sample_style(rng)
    templates = []
    for number in range(2):
        drawing = draw_specimen(species, rng, 96, style=style, frame="fit", missing=())
        # of the model's own size, so that nothing is resized and turning is exact
        pixels, legs, elytra = (
            np.array(Image.fromarray(part).resize((64, 64)))
            for part in (drawing.pixels, drawing.masks["legs"], drawing.masks["elytra"])
        )
        Image.fromarray(pixels).save(folder / f"template{number}.png")
        left = np.arange(64) < 32
        masks = [legs & left, legs & ~left, elytra]
        height, width = legs.shape
        templates.append(
            AnnotatedSpecimen(
                f"template{number}",
                str(folder / f"template{number}.png"),
                width,
                height,
                drawn_annotations(dict(zip(NAMES, masks, strict=True))),
            )
        )
    pixels = torch.from_numpy(np.array(Image.open(templates[0].path))).movedim(-1, 0)
    copies = folder / "copies"
    copies.mkdir()
    for view in VIEWS:
        turned = view.apply(pixels).movedim(0, -1).numpy()
        # another format, as a copy of a template keeps the drawn masks
        Image.fromarray(np.ascontiguousarray(turned)).save(copies / f"{view.name}.bmp")
    listed = build_manifest(copies, None, 100).specimens
    return Genus(templates, {specimen.specimen: specimen for specimen in listed})


@pytest.fixture(scope="module")
def tracker(small_model):
    return Tracker(small_model)


def run(tracker, genus, options=OPTIONS, names=None, templates=None):
    """Views and masks by copy and structure."""
    some = [genus.copies[name] for name in names or genus.copies]
    given = tracker, some, templates or genus.templates[:1], STRUCTURES, options
    found = segment(*given, bundled=True)
    images = {image["specimen"]: image for image in found["images"]}
    masks = {name: {} for name in images}
    for annotation in found["annotations"]:
        image = found["images"][annotation["image_id"] - 1]["specimen"]
        structure = NAMES[annotation["category_id"] - 1]
        masks[image][structure] = decode_mask(annotation["segmentation"])
    return images, masks


def other(name: str) -> str:
    return {"left_leg": "right_leg", "right_leg": "left_leg"}.get(name, name)


def test_views_are_undone():
    square = torch.arange(48.0).view(3, 4, 4)
    seen = set()
    for view in VIEWS:
        turned = view.apply(square)
        assert torch.equal(view.undo(turned), square)
        seen.add(tuple(turned.flatten().tolist()))
    assert len(seen) == 8 and len({view.name for view in VIEWS}) == 8
    # counterclockwise: what was right comes to the top
    assert View(90).apply(square)[0, 0].tolist() == square[0, :, -1].tolist()
    assert View(90, True).apply(square)[0, 0].tolist() == square[0, :, 0].tolist()


@pytest.fixture(scope="module")
def turned(tracker, genus):
    return run(tracker, genus)


def test_a_turned_copy_has_the_turned_masks(genus, turned):
    images, masks = turned
    for view in VIEWS:
        image = images[view.name]
        assert image["view"] == view.name
        assert image["view_score"] == pytest.approx(1, abs=0.01) and image["view_margin"] > 0.01
        for name in NAMES:
            # the left leg of a mirrored specimen lies where the right one of the other does
            expected = masks["0"][other(name) if view.mirrored else name]
            expected = view.apply(torch.from_numpy(expected)).numpy()
            assert (masks[view.name][name] == expected).mean() > 0.999, (view, name)
    assert (masks["0"]["left_leg"] != masks["0"]["right_leg"]).any()
    assert 0.02 < masks["0"]["elytra"].mean() < 0.98


def test_without_turns_nothing_is_chosen(tracker, genus, turned):
    upright = SegmentationOptions(window="photograph", turns=(0,), min_area=0.0)
    images, masks = run(tracker, genus, upright, ["0", "90"])
    for name in ("0", "90"):
        assert images[name]["view"] == "0"
        assert images[name]["view_score"] is None and images[name]["view_margin"] is None
    assert (masks["0"]["elytra"] == turned[1]["0"]["elytra"]).mean() > 0.999
    assert (masks["90"]["elytra"] != turned[1]["90"]["elytra"]).mean() > 0.01


def test_one_encoding_a_specimen(genus, tracker):
    class Counting(Tracker):
        encoded = 0

        def encode(self, images):
            self.encoded += len(images)
            return super().encode(images)

    counting = Counting(tracker.model)
    run(counting, genus, OPTIONS, ["0", "90", "180"], genus.templates)
    # a template is remembered, and found as a specimen would be
    assert counting.encoded == 3 + 2 * len(genus.templates)


def test_templates_that_lie_differently_are_turned_alike(tracker, genus, tmp_path):
    first = genus.templates[0]
    masks = torch.stack([torch.from_numpy(first.masks[name]) for name in NAMES])
    square = torch.zeros(3, 96, 96)
    square[:, : masks.shape[1], : masks.shape[2]] = masks
    several = [view.apply(square.roll(5, -1)) for view in views_of((0, 90, 180, 270), False)]
    known = torch.ones(4, 3, dtype=torch.bool)
    assert align(several, known) == Alignment(0, (0, 270, 180, 90))
    # as most lie, not as the first does
    assert align([several[i] for i in (1, 0, 0)], known[:3]) == Alignment(1, (270, 0, 0))
    known[:] = torch.tensor([True, True, False])
    known[2] = torch.tensor([False, False, True])
    assert align(several, known).turns == (0, 270, 0, 90)  # nothing to compare

    # so a template on its side does no harm
    pixels = np.array(Image.open(first.path))
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(tmp_path / "side.png")
    side = AnnotatedSpecimen(
        "side",
        str(tmp_path / "side.png"),
        first.height,
        first.width,
        drawn_annotations({name: np.rot90(mask) for name, mask in first.masks.items()}),
    )
    images, found = run(tracker, genus, names=["180"], templates=[first, side])
    assert images["180"]["view"] == "180"
    _, twice = run(tracker, genus, names=["180"], templates=[first, first])
    for name in NAMES:
        assert (found["180"][name] == twice["180"][name]).mean() > 0.999


def test_sides():
    names = ["left antenna", "right antenna", "head", "Left_Eye", "Right_Eye", "cleft"]
    assert other_side(names) == [1, 0, 2, 4, 3, 5]
    with pytest.raises(InputError, match="'antenna_left' has no counterpart 'antenna_right'"):
        other_side(["head", "antenna_left"])


def test_bodies_are_described_whatever_the_background():
    low = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 8, 4, 4)))
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[:, :8, :8] = True
    told = describe_bodies(low, mask)
    assert told.shape == (1, 8) and told.norm() == pytest.approx(1)
    elsewhere = low.clone()
    elsewhere[..., 2:, :] = low[..., 2:, :].flip(-1)
    assert torch.allclose(describe_bodies(elsewhere + 3.0, mask), told, atol=1e-5)
    assert (describe_bodies(low, ~mask) @ told.T).item() < 0
    assert describe_bodies(low, torch.zeros_like(mask)).isfinite().all()


def test_near_duplicates_are_pointed_out(tracker, genus, caplog):
    first, second = TemplateSet.read(genus.templates, NAMES, 64, aligned=False).images
    lighter = first * 1.1 + 0.2
    assert near_duplicates([first, second, lighter], ["a", "b", "c"]) == [("a", "c")]
    copy = dataclasses.replace(genus.templates[0], specimen="copy", path=genus.copies["0"].path)
    bank = remembered(tracker, [*genus.templates, copy], NAMES, OPTIONS)
    assert bank.duplicates == [("template0", "copy")]
    assert "templates 'template0' and 'copy' are nearly the same photograph" in caplog.text


# ------------------------------------------------------------------ the bundled model, real specimens


@pytest.mark.real
@torch.no_grad()
def test_the_view_of_real_specimens(carabidae):
    """Turned copies of even-numbered pinned beetles: which view is taken, of those that are true."""
    tracker = Tracker(build_model(ModelOptions()))
    names = ["head", "pronotum", "elytra", "legs", "antennae"]
    templates = read_collection(carabidae / "pinned", "templates_1.json")
    bank = remembered(tracker, templates, names, SegmentationOptions())
    specimens = [
        specimen
        for specimen in read_collection(carabidae / "pinned", "annotations.json")
        if int(specimen.specimen) % 2 == 0 and specimen.specimen != templates[0].specimen
    ][::10]
    for specimen in specimens:
        image = square_image(read_photograph(specimen.path), 256)
        turned = torch.stack([view.apply(image) for view in bank.views])
        assert choose_view(tracker, bank, turned).view.tolist() == [0, 1, 2, 3], specimen.specimen


@torch.no_grad()
def test_the_mean_is_taken_of_masks_that_are_seen_in_several_ways(tracker, genus):
    once, often = (dataclasses.replace(OPTIONS, ensemble=count) for count in (1, 3))
    single, several = (
        remembered(tracker, genus.templates[:1], NAMES, some) for some in (once, often)
    )
    assert (len(single.ways), len(several.ways)) == (1, 3)
    assert sorted(single.memories) == [64] and sorted(several.memories) == [64, 96]
    photographs = [read_photograph(genus.copies[name].path, 96) for name in ("0", "180")]
    images = torch.stack([square_image(photograph, 96) for photograph in photographs])
    found = track_batch(tracker, several, images)
    turned = [single.views[view] for view in found.match.view.tolist()]
    lying = torch.stack([view.undo(image) for view, image in zip(turned, images, strict=True)])
    first = dataclasses.replace(found.match, view=torch.zeros(2, dtype=torch.long))
    masks = []
    for way in several.ways:
        seen = way.apply(resized(lying, way.side(64)))
        bank = dataclasses.replace(several, ways=[Alteration(pixels=way.pixels)])
        logits = track_batch(tracker, bank, seen, first).logits
        assert logits.shape[-1] == way.side(64) // 4
        masks.append(way.undo(at_size_of(logits, images).sigmoid()))
    expected = torch.stack(masks).mean(0)
    expected = torch.stack([view.apply(m) for view, m in zip(turned, expected, strict=True)])
    torch.testing.assert_close(found.logits.sigmoid(), expected, atol=1e-4, rtol=0)
    assert found.decision.steadiness.shape == (6,)
    assert found.logits.shape[-1] == 96
