"""Drawn profiles, faces and wings, and the plans and photographs that collections are drawn from."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sam2pal.io.errors import InputError
from sam2pal.research.synthetic import collection, lateral
from sam2pal.research.synthetic.anatomy import Hairs, Plate, Surface
from sam2pal.research.synthetic.canvas import OTHER, Canvas, Pose
from sam2pal.research.synthetic.collection import draw_collection, sample_members
from sam2pal.research.synthetic.crops import Crop, cut_cuticle, cut_scene
from sam2pal.research.synthetic.hairs import paint_hairs
from sam2pal.research.synthetic.lateral import FAR, NEAR
from sam2pal.research.synthetic.mounts import add_scale_bar
from sam2pal.research.synthetic.photograph import sample_mounted_style
from sam2pal.research.synthetic.plates import paint_plate
from sam2pal.research.synthetic.shading import Light, Lighting
from sam2pal.research.synthetic.skeleton import Skeleton
from sam2pal.research.synthetic.species import JUDGING_PLANS, KINDS, TRAINING_PLANS, sample_species
from sam2pal.research.synthetic.specimen import all_names, draw_animal, draw_specimen

LIGHTS = (Light((0.0, -0.6, 0.8), 1.0, "spot", 0.2, 1.0, 0.0),)
RED = Surface((0.8, 0.1, 0.1), (0.1, 0.1, 0.8), gloss=0.0)
PROFILES = [kind for kind in KINDS if kind.endswith("in profile")]
PLANS = [*PROFILES, "ant face", "fly face", "wing"]
SMALL = ("eyes", "mandibles", "stigma", "antennae")


def bare_style():
    return replace(
        sample_mounted_style(np.random.default_rng(1)),
        bar=0.0,
        glue=0.0,
        scrap=0.0,
        tightness=0.0,
        upright=True,
        shrink=1.0,
    )


def draw(kind: str, seed: int, **more):
    rng = np.random.default_rng([seed, 3])
    species = sample_species(rng, kind)
    species = replace(species, limbs=tuple(replace(limb, lose=0.0) for limb in species.limbs))
    return species, draw_specimen(species, rng, 240, style=bare_style(), missing=(), **more).masks


@pytest.mark.parametrize("kind", PLANS)
def test_every_structure_shows(kind):
    for seed in range(5):
        _, masks = draw(kind, seed)
        for name, mask in masks.items():
            assert mask.sum() > (3 if name in SMALL else 30), (seed, name)


@pytest.mark.parametrize("kind", PLANS)
def test_structures_are_disjoint_unless_one_lies_within_the_other(kind):
    species, masks = draw(kind, 1)
    for name, mask in masks.items():
        for other, beyond in masks.items():
            if (name, other) in species.parents:
                assert not (mask & ~beyond).any()
            elif name != other and (other, name) not in species.parents:
                assert not (mask & beyond).any(), (name, other)


@pytest.mark.parametrize("kind", PROFILES)
def test_profiles_lie_on_their_legs_with_the_head_to_the_left(kind):
    for seed in range(4):
        species, masks = draw(kind, seed)
        assert species.heading == -90
        body = [m for name, m in masks.items() if name not in ("legs", "antennae", "wings")]
        middle = np.argwhere(np.logical_or.reduce(body)).mean(0)
        assert np.argwhere(masks["head"]).mean(0)[1] < middle[1]
        assert np.argwhere(masks["legs"]).mean(0)[0] > middle[0]


@pytest.mark.parametrize("kind", ["ant face", "fly face"])
def test_faces_have_the_mouth_below(kind):
    for seed in range(4):
        _, masks = draw(kind, seed)
        mouth = masks["mandibles" if kind == "ant face" else "proboscis"]
        assert np.argwhere(mouth).mean(0)[0] > np.argwhere(masks["head"]).mean(0)[0]


@pytest.mark.parametrize("kind", PROFILES)
def test_near_legs_hide_the_body_and_the_body_hides_far_ones(kind):
    species = sample_species(np.random.default_rng(5), kind)
    skeleton = Skeleton(species, np.random.default_rng(2), ())
    names = {name: k + 1 for k, name in enumerate(all_names(species))}
    plates = [names[plate.structure] for plate in species.plates if plate.opacity == 1]

    def body(limbs):
        skeleton.limbs = limbs
        blank = Canvas(np.ones((3, 300, 300), np.float32), np.zeros((300, 300), np.uint8), names)
        pose = Pose(-np.pi / 2, 60, 120, 160.0)
        lights = Lighting(LIGHTS, 0.4, 0.0)
        draw_animal(blank, skeleton, pose, lights, np.random.default_rng(0))
        return np.isin(blank.labels, plates)

    legs = [pair for pair in skeleton.limbs if pair[0].structure == "legs"]
    far = [pair for pair in legs if pair[0].layer == FAR]
    near = [pair for pair in legs if pair[0].layer == NEAR]
    assert len(far) + len(near) == len(legs) and far and near
    alone = body([])
    assert (body(far) == alone).all()
    crossed = body(near)
    assert not (crossed & ~alone).any()
    assert (alone & ~crossed).sum() > 30


@pytest.mark.parametrize("kind", PLANS)
def test_what_a_specimen_lacks_has_an_empty_mask(kind):
    rng = np.random.default_rng(8)
    species = sample_species(rng, kind)
    for name in species.structures:
        if name == species.essential:
            with pytest.raises(ValueError, match=name):
                draw_specimen(species, rng, 120, missing=(name,))
            continue
        masks = draw_specimen(species, rng, 120, style=bare_style(), missing=(name,)).masks
        assert not masks[name].any()
        if name == "head":
            assert not masks["eyes"].any() and not masks["antennae"].any()


def test_a_bent_plate_lies_between_its_lines_of_back_and_belly():
    contour = ((0.0, 0.25, 0.05), (0.5, 0.35, 0.15), (1.0, 0.25, 0.05))
    plate = lateral.plate(("body", 0, 5), (0.0, 1.0), contour, RED, caps=(0.0, 0.0))
    drawn = Canvas(np.ones((3, 140, 140), np.float32), np.zeros((140, 140), np.uint8))
    look = Lighting(LIGHTS, 0.4, 0.0).look(RED)
    paint_plate(drawn, plate, Pose(0.0, 20.0, 20.0, 100.0), look, 0.0, 4)
    for row, left, right in ((70, 35, 55), (25, 26, 46), (115, 26, 46)):
        columns = np.flatnonzero(drawn.labels[row] == 4)
        assert columns[0] == pytest.approx(left, abs=2)
        assert columns[-1] == pytest.approx(right, abs=2)


def test_hairs_and_scale_bars_belong_to_no_structure():
    canvas = Canvas(np.full((3, 120, 120), 0.5, np.float32), np.full((120, 120), 3, np.uint8))
    plate = Plate("body", 0, 0.2, 0.8, ((0, 0.2), (1, 0.2)), RED)
    pose = Pose(0.0, 60.0, 10.0, 100.0)
    hairs = Hairs(60, 0.1, (1.0, 1.0, 1.0))
    paint_hairs(canvas, [(plate, pose)], hairs, np.random.default_rng(1))
    brighter = (canvas.pixels[0] > 0.55).sum()
    assert 50 < brighter < 3000
    assert (canvas.labels == 3).all()
    add_scale_bar(canvas, np.random.default_rng(4))
    covered = canvas.labels == OTHER
    assert 10 < covered.sum() < 1200
    assert not covered[:60].any()


def test_no_plan_is_both_trained_on_and_judged():
    assert set(TRAINING_PLANS) | set(JUDGING_PLANS) == set(KINDS)
    assert not set(TRAINING_PLANS) & set(JUDGING_PLANS)
    rng = np.random.default_rng(2)
    drawn = {sample_species(rng).kind for _ in range(300)}
    assert drawn == set(TRAINING_PLANS)


def test_genera_of_one_plan_share_its_structures(monkeypatch):
    monkeypatch.setattr(collection, "SEVERAL", 1.0)
    rng = np.random.default_rng(7)
    for kind in KINDS:
        base = sample_species(rng, kind)
        members = sample_members(base, rng)
        assert {member.structures for member in members} == {base.structures}
        if kind != "compound":
            assert len(members) > 1 and members[1].genes.layers[0] != base.genes.layers[0]


@pytest.fixture
def folder(tmp_path):
    """Two photographs: grey at the corners, one red in the middle and one green."""
    for name, colour in (("a.png", (220, 20, 20)), ("b.jpg", (20, 200, 20))):
        pixels = np.full((300, 400, 3), 128, np.uint8)
        pixels[90:210, 120:280] = colour
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def test_cuticle_is_cut_from_the_middle_and_scenes_from_the_corners(folder):
    rng = np.random.default_rng(1)
    for _ in range(10):
        cuticle = cut_cuticle(rng, folder).light(20, 30)
        assert cuticle.shape == (3, 20, 30)
        assert np.abs(cuticle[0] - cuticle[1]).mean() > 0.25
        scene = cut_scene(rng, folder).light(30, 20)
        assert scene == pytest.approx(0.5, abs=0.02)
    assert Crop(str(folder / "a.png"), (0.4, 0.4, 0.6, 0.6)).light(4, 4)[0].min() > 0.8


def test_collections_are_clad_in_photographs_only_if_asked(folder):
    def colours(**more):
        found = []
        for seed in range(12):
            drawings = draw_collection(np.random.default_rng(seed), 2, 64, "beetle", **more)
            found.append(np.stack([drawing.pixels for drawing in drawings]))
        return found

    plain, textured = colours(), colours(photographs=folder)
    again = colours(photographs=folder)
    assert all((a == b).all() for a, b in zip(textured, again, strict=True))
    assert sum((a != b).any() for a, b in zip(plain, textured, strict=True)) > 3


def test_a_folder_without_photographs_is_named(tmp_path):
    with pytest.raises(InputError, match="found none"):
        draw_collection(np.random.default_rng(1), 1, 48, "ant", photographs=tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match="broken.jpg"):
        cut_cuticle(np.random.default_rng(1), tmp_path)
