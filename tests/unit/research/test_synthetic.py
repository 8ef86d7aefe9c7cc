"""Drawn specimens: the same for the same seed, with masks that say what is to be seen."""

from dataclasses import replace

import numpy as np
import pytest

from sam2pal.research.synthetic.anatomy import Block, Limb, Plate, Species, Surface
from sam2pal.research.synthetic.canvas import Canvas, Pose
from sam2pal.research.synthetic.collection import draw_collection
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.limbs import LimbLayer
from sam2pal.research.synthetic.photograph import Style, sample_style
from sam2pal.research.synthetic.plates import outline, paint_plate
from sam2pal.research.synthetic.shading import Light, Lighting
from sam2pal.research.synthetic.species import KINDS, sample_relative, sample_species
from sam2pal.research.synthetic.specimen import draw_specimen, letterbox

LIGHTS = (Light((0.0, -0.6, 0.8), 1.0, "spot", 0.2, 1.0, 0.0),)
RED = Surface((0.8, 0.1, 0.1), (0.1, 0.1, 0.8), gloss=0.0)


def plain_style() -> Style:
    return replace(
        sample_style(np.random.default_rng(1)),
        backdrop="paper",
        crowd=0.0,
        pin=0.0,
        upright=True,
        tightness=0.0,
        shrink=1.0,
    )


def canvas(height: int, width: int) -> Canvas:
    return Canvas(np.ones((3, height, width), np.float32), np.zeros((height, width), np.uint8))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_same_seed_same_bytes(kind):
    def draw(seed: int):
        rng = np.random.default_rng(seed)
        return draw_specimen(sample_species(rng, kind), rng, 120)

    first, again, other = draw(3), draw(3), draw(4)
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert list(first.masks) == list(again.masks)
    assert all((first.masks[name] == again.masks[name]).all() for name in first.masks)
    assert first.pixels.tobytes() != other.pixels.tobytes()


def test_bytes_do_not_depend_on_what_was_drawn_before():
    def draw() -> bytes:
        rng = np.random.default_rng(8)
        return draw_specimen(sample_species(rng), rng, 100).pixels.tobytes()

    first = draw()
    rng = np.random.default_rng(9)
    for _ in range(5):
        draw_specimen(sample_species(rng), rng, 90)
    assert draw() == first


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_sizes(kind):
    rng = np.random.default_rng(5)
    species = sample_species(rng, kind)
    for size in (48, (90, 140), (121, 57)):
        drawing = draw_specimen(species, rng, size)
        height, width = (size, size) if isinstance(size, int) else size
        assert drawing.pixels.shape == (height, width, 3) and drawing.pixels.dtype == np.uint8
        assert tuple(drawing.masks) == species.structures
        for mask in drawing.masks.values():
            assert mask.shape == (height, width) and mask.dtype == bool


def test_frames():
    rng = np.random.default_rng(2)
    species = sample_species(rng, "beetle")
    style = replace(plain_style(), tightness=1.0)
    fit = draw_specimen(
        species,
        rng,
        200,
        style=style,
        frame="fit",
        orientation=(0, 0),
        missing=("legs", "antennae"),
    )
    assert fit.pixels.shape[0] == 200 and fit.pixels.shape[1] < 160
    boxed = letterbox(fit)
    assert boxed.pixels.shape == (200, 200, 3)
    assert (boxed.pixels[:, 0] == (124, 116, 104)).all()
    assert boxed.masks["elytra"].sum() == fit.masks["elytra"].sum()
    with pytest.raises(ValueError, match="frame"):
        draw_specimen(species, rng, 200, frame="round")


def test_ellipse_has_its_area_and_place():
    disc = Plate("disc", 0, -0.5, 0.5, ((0, 0.25), (1, 0.25)), RED, caps=(0.5, 0.5))
    for angle, (height, width) in ((0.0, (160, 120)), (np.pi / 2, (120, 160))):
        drawn = canvas(height, width)
        look = Lighting(LIGHTS, 0.4, 0.0).look(RED)
        paint_plate(drawn, disc, Pose(angle, width / 2, height / 2, 100.0), look, 0.0, 7)
        mask = drawn.labels == 7
        assert mask.sum() == pytest.approx(np.pi * 50 * 25, rel=0.02)
        rows, columns = np.nonzero(mask)
        assert rows.mean() + 0.5 == pytest.approx(height / 2, abs=0.5)
        assert columns.mean() + 0.5 == pytest.approx(width / 2, abs=0.5)
        tall = np.ptp(rows) + 1, np.ptp(columns) + 1
        expected = (100, 50) if angle == 0 else (50, 100)
        assert tall == pytest.approx(expected, abs=2)
        # red where the mask is, white paper elsewhere
        assert (drawn.pixels[0][mask] > 2 * drawn.pixels[1][mask]).mean() > 0.95
        assert (drawn.pixels[:, ~mask] > 0.5).mean() > 0.99


def test_outline_follows_the_given_widths():
    plate = Plate("x", 0, 0, 1, ((0, 0.1), (0.5, 0.3), (1, 0.2)), RED, caps=(0.0, 0.0))
    table = outline(plate)
    assert table[0] == pytest.approx(0.1)
    assert table[len(table) // 2] == pytest.approx(0.3, abs=0.005)
    assert table[-1] == pytest.approx(0.2)


def test_limb_is_as_long_and_wide_as_asked():
    drawn = canvas(60, 120)
    layer = LimbLayer()
    code = layer.code(3, Lighting(LIGHTS, 0.4, 0.0).look(RED))
    layer.add(np.array([[20.0, 30.0, 100.0, 30.0]]), np.array([[4.0, 4.0, 4.0]]), np.zeros(1), code)
    layer.paint(drawn)
    mask = drawn.labels == 3
    assert mask[:, 60].sum() == pytest.approx(8, abs=1)
    assert mask[30].sum() == pytest.approx(80, abs=4)
    assert mask[:, :15].sum() == 0


def test_thin_limb_has_no_gaps():
    drawn = canvas(100, 100)
    layer = LimbLayer()
    code = layer.code(3, Lighting(LIGHTS, 0.4, 0.0).look(RED))
    layer.add(np.array([[10.0, 12.0, 90.0, 83.0]]), np.full((1, 3), 0.3), np.zeros(1), code)
    layer.paint(drawn)
    assert (drawn.labels[:, 12:88] == 3).any(0).all()


def test_pin_makes_a_hole():
    rng = np.random.default_rng(11)
    species = sample_species(rng, "beetle")
    holes = 0
    for seed in range(6):
        masks = [
            draw_specimen(species, np.random.default_rng(seed), 240, style=style).masks["elytra"]
            for style in (plain_style(), replace(plain_style(), pin=1.0))
        ]
        assert not (masks[1] & ~masks[0]).any()
        holes += (masks[0] & ~masks[1]).sum() > 20
    assert holes >= 5


@pytest.mark.parametrize("lost", ["head", "antennae", "legs"])
def test_lost_structure_has_an_empty_mask(lost):
    rng = np.random.default_rng(13)
    species = sample_species(rng, "beetle")
    drawing = draw_specimen(species, rng, 160, style=plain_style(), missing=(lost,))
    assert not drawing.masks[lost].any()
    assert drawing.masks["elytra"].sum() > 300
    if lost == "head":
        assert not drawing.masks["eyes"].any() and not drawing.masks["antennae"].any()


def test_children_lie_within_their_parent():
    rng = np.random.default_rng(17)
    for _ in range(4):
        species = sample_species(rng, "ant")
        masks = draw_specimen(species, rng, 200, style=plain_style(), missing=()).masks
        assert masks["eyes"].sum() > 0
        assert not (masks["eyes"] & ~masks["head"]).any()
        assert not (masks["head"] & masks["mesosoma"]).any()


def test_strangers_are_not_annotated():
    species = sample_species(np.random.default_rng(3), "beetle")

    def draw(crowd: float) -> float:
        total, style = 0, replace(plain_style(), crowd=crowd)
        for seed in range(5):
            rng = np.random.default_rng(seed)
            masks = draw_specimen(species, rng, 120, style=style).masks
            total += masks["elytra"].sum()
        return total

    assert draw(1.0) == pytest.approx(draw(0.0), rel=0.25)


def test_mirrored_is_the_mirror_image():
    species = sample_species(np.random.default_rng(3), "beetle")
    plain, mirrored = (
        draw_specimen(species, np.random.default_rng(6), 100, style=plain_style(), mirrored=flag)
        for flag in (False, True)
    )
    assert (plain.pixels[:, ::-1] == mirrored.pixels).all()
    assert (plain.masks["head"][:, ::-1] == mirrored.masks["head"]).all()


def test_orientation_turns_the_head():
    species = sample_species(np.random.default_rng(21), "beetle")
    for degrees, axis, sign in ((0, 0, -1), (90, 1, 1), (180, 0, 1), (270, 1, -1)):
        masks = draw_specimen(
            species,
            np.random.default_rng(2),
            160,
            style=plain_style(),
            missing=(),
            orientation=(degrees, degrees),
        ).masks
        head, elytra = (np.argwhere(masks[name]).mean(0) for name in ("head", "elytra"))
        assert sign * (head - elytra)[axis] > 3 * abs((head - elytra)[1 - axis])


def test_relatives_share_a_body_plan_and_differ():
    rng = np.random.default_rng(4)
    species = sample_species(rng, "beetle")
    same = sample_relative(species, rng, 0.0, 0.0)
    other = sample_relative(species, rng, 0.5, 0.5)
    assert same.plates == species.plates and same.limbs == species.limbs
    assert other.structures == species.structures
    assert other.plates != species.plates


def test_genes_are_reproducible_and_named():
    genes = Genes(((5, 1.0, 1.0),))
    assert genes.unit("a") == Genes(((5, 1.0, 1.0),)).unit("a") != genes.unit("b")
    changed = genes.mutated(6, 0.0, 1.0)
    assert changed.unit("a") == genes.unit("a")
    assert changed.unit("surface.a") != genes.unit("surface.a")
    values = [genes.between(str(k), 2.0, 4.0) for k in range(400)]
    assert 2.9 < np.mean(values) < 3.1 and min(values) >= 2 and max(values) <= 4


def test_unknown_kind():
    with pytest.raises(ValueError, match="beetle"):
        sample_species(np.random.default_rng(1), "dragon")


def test_hand_made_species_can_be_drawn():
    species = Species(
        kind="beetle",
        blocks=(Block(-1, 0.0),),
        plates=(Plate("body", 0, 0.0, 1.0, ((0, 0.3), (1, 0.3)), RED),),
        limbs=(
            Limb("legs", 0, 0.2, 0.5, ((0.4, 0.03, 0.03, 0.03),), (1.57,), (0.0,), RED, lose=0),
        ),
        structures=("body", "legs"),
        genes=Genes(((1, 1.0, 1.0),)),
    )
    masks = draw_specimen(
        species, np.random.default_rng(1), 100, style=plain_style(), missing=()
    ).masks
    assert masks["body"].sum() > 5 * masks["legs"].sum() > 0


def test_limbs_of_supple_collections_lie_elsewhere_and_others_stay():
    def drawn(**more):
        return [
            draw_collection(np.random.default_rng(n), 2, 64, "beetle", **more) for n in range(4)
        ]

    def differ(some, others):
        return [
            any((a.pixels != b.pixels).any() for a, b in zip(x, y, strict=True))
            for x, y in zip(some, others, strict=True)
        ]

    assert differ(drawn(supple=0, bend=1.0), drawn(supple=0, bend=3.5)) == [False] * 4
    assert differ(drawn(supple=1, bend=1.0), drawn(supple=1, bend=3.5)) == [True] * 4


def test_collection_shares_structures():
    drawings = draw_collection(np.random.default_rng(3), 4, 96)
    assert {tuple(drawing.masks) for drawing in drawings} == {tuple(drawings[0].masks)}
    assert {drawing.pixels.shape for drawing in drawings} == {(96, 96, 3)}
    again = draw_collection(np.random.default_rng(3), 4, 96)
    for first, second in zip(drawings, again, strict=True):
        assert (first.pixels == second.pixels).all()
