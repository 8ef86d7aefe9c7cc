"""pretraining: what a step sees, what the losses leave out, and that an interruption changes nothing."""

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from held_out import drawn_groups, judge, photographed_groups
from PIL import Image
from safetensors.torch import load_file, save_file
from weights import report_held_out

from sam2pal.config.checking import validated
from sam2pal.dataset.rle import encode_mask
from sam2pal.io.errors import InputError
from sam2pal.model.tracker import Tracked, Tracker
from sam2pal.research.pretraining import batches as batches_module
from sam2pal.research.pretraining.batches import SLIVER, make_batch, photographed_group, turn
from sam2pal.research.pretraining.loop import pretrain
from sam2pal.research.pretraining.optimizer import share_of_rate, trainable, update_average
from sam2pal.research.pretraining.options import PretrainingOptions
from sam2pal.research.pretraining.photographs import HELD_OUT, PictureSet
from sam2pal.research.pretraining.step import losses, presence
from sam2pal.research.pretraining.views import (
    MILD,
    STRONG,
    Strength,
    denormalised,
    normalised,
    view,
)
from sam2pal.research.synthetic.collection import draw_collection
from sam2pal.research.synthetic.species import JUDGING_PLANS

TINY = PretrainingOptions(
    steps=4,
    groups=1,
    views=3,
    structures=2,
    image_size=64,
    warmup=1,
    cooldown=2,
    workers=0,
    checkpoint_minutes=0,
    soft_memory=0.5,
)


def test_a_batch_depends_on_its_number_alone_and_has_sharp_masks():
    one, again, other = (make_batch(np.random.default_rng([5, i]), TINY) for i in (0, 0, 1))
    assert one.images.shape == (3, 3, 64, 64) and one.masks.shape == (3, 2, 64, 64)
    assert torch.equal(one.images, again.images) and torch.equal(one.masks, again.masks)
    assert not torch.equal(one.images, other.images)
    assert set(one.masks.unique().tolist()) == {0.0, 1.0}


def test_turning_moves_image_and_masks_alike():
    seen = set()
    rng = np.random.default_rng(0)
    mask = torch.zeros(2, 8, 8)
    mask[0, 1, 2:5], mask[1, 6, 0] = 1, 1
    image = torch.cat([mask, mask[:1]])
    for _ in range(60):
        turned, moved = turn(rng, image, mask)
        assert torch.equal(turned[:2], moved)
        seen.add(tuple(moved.flatten().tolist()))
    assert len(seen) == 8  # four turns, each also mirrored


def test_every_specimen_can_lack_a_structure():
    names = []
    for seed in range(6):
        drawings = draw_collection(np.random.default_rng(seed), 2, 48, "ant", lacking=1.0)
        for drawing in drawings:
            names += [name for name, mask in drawing.masks.items() if not mask.any()]
    assert len(set(names)) > 3


def test_a_sliver_is_neither_present_nor_absent():
    target = torch.zeros(3, 1, 16, 16)
    target[1].view(-1)[: SLIVER - 1] = 1
    target[2].view(-1)[:SLIVER] = 1
    present, clear = presence(target)
    assert present.tolist() == [False, False, True]
    assert clear.tolist() == [True, False, True]


def test_an_absent_structure_teaches_the_score_and_no_mask():
    logits = torch.zeros(3, 1, 4, 4, requires_grad=True)
    score = torch.zeros(3, requires_grad=True)
    estimate = torch.full((3,), 0.5, requires_grad=True)
    tracked = Tracked(logits, estimate, score, logits, estimate[:, None])
    target = torch.zeros(3, 1, 16, 16)
    target[0, :, :8] = 1
    target[2] = 1
    present = torch.tensor([True, False, True])
    known = torch.tensor([True, True, False])  # the third was not on its templates
    losses(tracked, target, present.float(), known.float(), TINY)[0].backward()
    touched = [logits.grad.flatten(1).abs().sum(1) > 0, estimate.grad != 0, score.grad != 0]
    assert [t.tolist() for t in touched] == [
        [True, False, False],
        [True, False, False],
        [True, True, False],
    ]
    assert score.grad[0] < 0 < score.grad[1]


def test_the_weight_of_an_object_is_its_share_of_the_loss():
    logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
    estimate = torch.full((2,), 0.5)
    tracked = Tracked(logits, estimate, torch.zeros(2), logits, estimate[:, None])
    target = torch.ones(2, 1, 4, 4)
    losses(tracked, target, torch.ones(2), torch.tensor([1.0, 0.25]), TINY)[0].backward()
    one, other = logits.grad.flatten(1).norm(dim=1)
    assert float(other / one) == pytest.approx(0.25)


def test_the_trunk_learns_by_stage_and_its_first_stages_and_norms_never(small_model):
    model = deepcopy(small_model)
    options = replace(TINY, trunk_rate=0.4, trunk_decay=0.5, trunk_frozen=2)
    trunk = "image_encoder.trunk.body."
    rates = [share_of_rate(f"{trunk}blocks.{stage}.0.w", 7, options) for stage in range(7)]
    assert rates == [0, 0, *(pytest.approx(0.4 * 0.5**n) for n in (4, 3, 2, 1, 0))]
    assert share_of_rate(f"{trunk}conv_stem.weight", 7, options) == 0
    assert share_of_rate("sam_mask_decoder.x", 7, options) == 1
    groups = trainable(model, options)
    of = {id(p): group for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        norm = name.startswith(trunk) and ".bn" in name
        frozen = norm or share_of_rate(name, 7, options) == 0
        assert parameter.requires_grad == (id(parameter) in of) == (not frozen), name
        if not frozen:
            group = of[id(parameter)]
            assert group["rate"] == share_of_rate(name, 7, options)
            assert (group["weight_decay"] > 0) == (parameter.ndim > 1)
    trainable(model, replace(options, trunk_rate=0.0))
    body = model.image_encoder.trunk
    assert not any(parameter.requires_grad for parameter in body.parameters())


def test_the_average_follows_closely_at_first_and_slowly_later():
    model, average = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for module, value in ((model, 1.0), (average, 0.0)):
        for parameter in module.parameters():
            torch.nn.init.constant_(parameter, value)
    update_average(average, model, 0, 0.9)
    assert average.weight.item() == pytest.approx(0.9)
    torch.nn.init.constant_(average.weight, 0.0)
    update_average(average, model, 10**4, 0.9)
    assert average.weight.item() == pytest.approx(0.1)
    assert model.weight.item() == 1.0


def test_an_interrupted_pretraining_ends_as_an_uninterrupted_one(small_model, tmp_path):
    def run(folder, stop=None):
        model = deepcopy(small_model)

        def on_step(step, numbers):
            if step == stop:
                raise KeyboardInterrupt

        pretrain(model, TINY, tmp_path / folder, 7, on_step)
        return model.state_dict()

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("broken", stop=2)  # step 2 is in the log, and not in the checkpoint
    resumed = run("broken")
    averages = [
        torch.load(tmp_path / folder / "state.pt", weights_only=True)["average"]
        for folder in ("whole", "broken")
    ]
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
        assert torch.equal(averages[0][name], averages[1][name]), name
    moved = "memory_encoder.out_proj.weight"
    assert not torch.equal(averages[0][moved], whole[moved])
    changed = [n for n, v in small_model.state_dict().items() if not torch.equal(v, whole[n])]
    body = "image_encoder.trunk.body."
    learned = {name.removeprefix(body)[:8] for name in changed if name.startswith(body)}
    assert learned == {f"blocks.{stage}" for stage in range(TINY.trunk_frozen, 7)}
    for folder in ("whole", "broken"):
        lines = (tmp_path / folder / "training.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [0, 1, 2, 3]


# ------------------------------------------------------------------ real pictures


def picture_set(folder, number=12, side=(48, 64)):
    """Pictures of a red square (two annotations) and a blue bar on grey, at another place in each."""
    (folder / "images").mkdir(parents=True)
    names = ["square", "bar", "spot"]
    data = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names, 1)],
    }
    for n in range(number):
        pixels = np.full((*side, 3), 120, np.uint8)
        left, right, bar = (np.zeros(side, bool) for _ in range(3))
        left[10:22, 6 + n : 12 + n], right[10:22, 12 + n : 18 + n] = True, True
        bar[30:34, 5 : 30 + n] = True
        pixels[left | right], pixels[bar] = (220, 20, 20), (20, 20, 220)
        Image.fromarray(pixels).save(folder / "images" / f"{n:02}.png")
        size = {"width": side[1], "height": side[0]}
        data["images"].append({"id": n, "file_name": f"{n:02}.png", **size})
        for k, mask in ((1, left), (1, right), (2, bar), (3, bar)):
            row = {"id": len(data["annotations"]), "image_id": n, "category_id": k}
            data["annotations"].append({**row, "segmentation": encode_mask(mask)})
    (folder / "annotations.json").write_text(json.dumps(data))
    return folder


def test_a_set_is_kept_letterboxed_with_all_instances_of_a_class_together(tmp_path):
    one = PictureSet.read(picture_set(tmp_path / "set"), 64)
    assert one.name == "set" and one.images.shape == (12, 64, 64, 3)
    assert one.boxes[0].tolist() == [8, 0, 48, 64]
    assert sorted(one.by_class) == ["bar", "square"]  # a crowd of spots is no structure
    square = one.mask("square", 3)
    assert square.sum() == 12 * 12 and square[18:30, 9:21].all()
    picture = one.picture(3)
    assert picture[:, :8].isnan().all() and not picture[:, 8:56].isnan().any()
    # red where the square is, which no mask was used for
    assert (picture[0, 18:30, 9:21] > 0.8).all() and picture[1, 18:30, 9:21].max() < 0.2


def test_a_set_without_pictures_is_named(tmp_path):
    (tmp_path / "set" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match=r"set: no pictures in its folder images"):
        PictureSet.read(tmp_path / "set", 64)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    sets = picture_set(folder / "marked", number=30), picture_set(folder / "few")
    return [PictureSet.read(one, 64) for one in sets]


def red_and_blue(images):
    colours = torch.stack([denormalised(image).nan_to_num(0.4) for image in images])
    return [colours[:, a] - colours[:, 2 - a] for a in (0, 2)]


def test_real_pictures_of_a_step_show_the_structures_of_their_masks(sets, monkeypatch):
    monkeypatch.setattr(batches_module, "STRONG", Strength(light=0))
    monkeypatch.setattr(batches_module, "MILD", Strength(light=0))
    seen = set()
    for seed in range(8):
        images, masks = photographed_group(np.random.default_rng(seed), TINY, sets)
        assert images.shape == (3, 3, 64, 64) and masks.shape == (3, 2, 64, 64)
        red, blue = red_and_blue(images)
        for k in range(2):
            mask = masks[:, k] > 0
            if mask.sum() < 40:
                continue
            colour = "red" if red[mask].mean() > 0 else "blue"
            seen.add(colour)
            assert (red if colour == "red" else blue)[mask].mean() > 0.5
    assert seen == {"red", "blue"}


def test_held_out_pictures_judge_and_never_teach(sets):
    marked = sets[0]
    judged = {n for n in range(30) if marked.held_out(n)}
    assert 2 <= len(judged) <= 2 * 30 / HELD_OUT
    asked: set[int] = set()

    class Spy:
        name, by_class, pictures = marked.name, marked.by_class, marked.pictures
        held_out, mask = marked.held_out, marked.mask

        def picture(self, number):
            asked.add(number)
            return marked.picture(number)

    for seed in range(40):
        photographed_group(np.random.default_rng(seed), TINY, [Spy()])
    assert asked and not asked & judged
    asked.clear()
    list(photographed_groups(0, 10, [Spy()]))
    assert asked <= judged and len(asked) > 1


def test_a_step_mixes_its_sources_by_their_shares(sets):
    options = replace(TINY, photographs=0.3, groups=60)
    batch = make_batch(np.random.default_rng(1), options, sets)
    counts = {source: batch.source.count(source) for source in ("drawn", "photographs")}
    assert sum(counts.values()) == 60 and min(counts.values()) > 8
    assert len(batch.images) == len(batch.masks) == 180
    with pytest.raises(ValueError, match="no set of photographs is given"):
        make_batch(np.random.default_rng(1), replace(TINY, photographs=1.0))
    with pytest.raises(InputError, match="photographs: must be at most 1, found 1.3"):
        validated(PretrainingOptions, {"photographs": 1.3})


# ------------------------------------------------------------------ views


def test_a_view_moves_picture_and_masks_alike():
    picture = torch.full((3, 64, 64), 0.3)
    masks = torch.zeros(2, 64, 64)
    masks[0, 10:30, 20:44], masks[1, 40:60, 8:30] = 1, 1
    picture[0] += 0.6 * masks[0]
    picture[2] += 0.6 * masks[1]
    moved = 0
    for seed in range(12):
        image, seen = view(picture, masks, np.random.default_rng(seed), Strength(light=0))
        assert set(seen.unique().tolist()) <= {0.0, 1.0}
        colours = denormalised(image).nan_to_num(0.3)
        for channel, mask in ((0, seen[0]), (2, seen[1])):
            there = colours[channel] > 0.6
            # a border that goes on shows the colour without the mask
            assert float((there & (mask > 0)).sum()) >= 0.9 * float(mask.sum())
        moved += not torch.equal(seen, masks)
    assert moved == 12


def test_light_changes_no_mask_and_a_margin_stays_a_margin():
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    picture[:, :6], picture[:, 26:] = torch.nan, torch.nan
    still = Strength(0, 0, 1, 1, 0, 0, light=1.0)
    masks = torch.ones(1, 32, 32)
    margins = 0
    for seed in range(6):
        image, seen = view(picture, masks, np.random.default_rng(seed), still)
        outside = (image == 0).all(0)
        margins += int(outside.sum())
        # moved by less than a sixth of the side, and nothing is a structure where there is no picture
        assert not seen[0][outside].any() and 13 * 27 <= seen.sum() <= 20 * 32
        assert image.isfinite().all()
    assert margins > 0


def test_normalising_and_back_keeps_colours_and_margin():
    picture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    picture[:, :4] = torch.nan
    image = normalised(picture)
    assert (image[:, :4] == 0).all()
    torch.testing.assert_close(denormalised(image), picture, equal_nan=True)


def test_a_strong_view_differs_more_than_a_mild_one():
    picture = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(2))
    picture = torch.nn.functional.interpolate(picture[None], (64, 64), mode="bilinear")[0]
    square = torch.zeros(1, 64, 64)
    square[:, 16:48, 16:40] = 1

    def difference(strength):
        shares = []
        for seed in range(40):
            _, seen = view(picture, square, np.random.default_rng(seed), strength)
            union = torch.maximum(seen, square).sum()
            shares.append(float((seen * square).sum() / union))
        return np.mean(shares)

    assert difference(STRONG) < difference(MILD)


# ------------------------------------------------------------------ judging


class Recognizer:
    """A tracker that finds what is red, and says that it is missing where nothing is."""

    def __init__(self):
        self.model = torch.nn.Linear(1, 1)
        self.memories = []

    def encode(self, images):
        return images

    def memorize(self, features, logits):
        return torch.arange(len(logits))

    def track(self, features, memories):
        self.memories.append([memory.tolist() for memory in memories])
        found = features[:, :1] > 1
        score = torch.where(found.flatten(1).any(1), 1.0, -1.0)
        logits = found * 20.0 - 10
        return Tracked(logits, score, score, logits, score[:, None])


def test_held_out_groups_are_judged_by_others_of_the_group_and_absence_counts_apart():
    images, masks = torch.zeros(3, 3, 8, 8), torch.zeros(3, 1, 8, 8)
    for number, width in enumerate((4, 4, 0)):
        images[number, 0, :6, :width], masks[number, 0, :6, :width] = 2.0, 1
    masks[1, 0, :6, :8] = 1  # half of it is found
    tracker = Recognizer()
    one = judge(tracker, [(images, masks)])
    assert tracker.memories == [[[2, 0, 1]]]
    # the first has the third as its template, which lacks the structure: nothing is asked
    assert one == {"iou": 0.5, "present_missed": 0.0, "absent_seen": 1.0}
    masks[2, 0, :6, :4] = 1
    judge(tracker, [(images, masks)], templates=2)
    assert tracker.memories[1] == [[2, 0, 1], [1, 2, 0]]


def test_turned_specimens_are_judged_by_turned_masks_from_upright_templates():
    images, masks = torch.zeros(3, 3, 8, 8), torch.zeros(3, 2, 8, 8)
    images[:, 0, :2], masks[:, 0, :2], masks[:, 1, :4] = 2.0, 1, 1
    seen = []

    class Turned(Recognizer):
        def encode(self, images):
            seen.append(images[0, 0].clone())
            return images

        def track(self, features, memories):
            found = super().track(features.repeat_interleave(2, 0), memories)
            return found

    for quarters in range(4):
        seen.clear()
        assert judge(Turned(), [(images, masks)], quarters=quarters)["iou"] == 0.75
        assert torch.equal(seen[0], images[0, 0])
        assert torch.equal(seen[-1], torch.rot90(images[0, 0], quarters))


def test_a_report_names_drawings_and_sets_and_whether_a_set_taught(sets, small_model):
    table = report_held_out(Tracker(small_model), [replace(sets[0], left_out=True), sets[0]], 1)
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    names = ["| drawn, plans that teach", "| drawn, plans that only judge"]
    names += ["| real, left out: marked", "| real, held-out pictures: marked"]
    assert [row[0] for row in rows] == [name for name in names for _ in range(3)]
    assert [row[1] for row in rows] == ["1", "5", "1, turned by 90 degrees"] * 4
    assert all(0 <= float(row[2]) <= 1 for row in rows)


def test_drawings_to_be_judged_on_are_the_same_every_time_and_of_plans_that_are_held_out(
    monkeypatch,
):
    kinds = []
    original = batches_module.draw_collection

    def spy(rng, number, size, kind, **options):
        kinds.append(kind)
        return original(rng, number, size, kind, **options)

    monkeypatch.setattr(batches_module, "draw_collection", spy)
    first, again = (list(drawn_groups(0, 3, 48, held_out=True)) for _ in range(2))
    for (images, masks), (others, their_masks) in zip(first, again, strict=True):
        assert torch.equal(images, others) and torch.equal(masks, their_masks)
    assert set(kinds) <= set(JUDGING_PLANS)
    kinds.clear()
    list(drawn_groups(0, 3, 48, held_out=False))
    assert not set(kinds) & set(JUDGING_PLANS)


def test_the_mean_of_weights_is_exported(small_model, by_hand, tmp_path):
    state = dict(small_model.state_dict())
    moved = "memory_encoder.out_proj.weight"
    for number in (0, 3, 6):
        one = state | {moved: torch.full_like(state[moved], float(number))}
        save_file({k: v.contiguous() for k, v in one.items()}, tmp_path / f"{number}.safetensors")
    files = [tmp_path / f"{number}.safetensors" for number in (0, 3, 6)]
    done = by_hand("research/pretrain", "--mean", *files, "--export", tmp_path / "mean.safetensors")
    assert done.code == 0, done.err
    mean = load_file(tmp_path / "mean.safetensors")
    assert mean.keys() == state.keys() and (mean[moved] == 3).all()
    for name in state.keys() - {moved}:
        assert torch.equal(mean[name], state[name].to(mean[name].dtype)), name
