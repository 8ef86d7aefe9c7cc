"""adapters: standard PEFT folders that give the same masks wherever they are loaded."""

import copy
import json
import shutil
from typing import get_args

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import nn

from sam2pal.config.checking import validated
from sam2pal.config.training import AdapterOptions, Target
from sam2pal.io.errors import InputError
from sam2pal.model import adapters
from sam2pal.model.adapters import BEHIND_ENCODER, ENCODER
from sam2pal.model.build import model_hash
from sam2pal.model.encoder import Frozen
from sam2pal.model.tracker import Tracker, drawn_logits

BEHIND = tuple(BEHIND_ENCODER)


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def masks(model, images) -> torch.Tensor:
    """Logits of two structures, remembered on the first image and tracked on the second."""
    drawn = torch.zeros(2, 1, 64, 64)
    drawn[0, :, 10:30, 10:40] = drawn[1, :, 40:55, 20:30] = 1
    tracker = Tracker(model)
    features = tracker.encode(images)
    return tracker.track(
        features[[1]], [tracker.memorize(features[[0]], drawn_logits(drawn))]
    ).logits


def randomise(model, seed=1, std=0.2):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=std, generator=generator)


@pytest.fixture(scope="module")
def trained(small_model, images, tmp_path_factory):
    """A model whose adapter has random values, its folder, and its masks."""
    options = AdapterOptions(rank=3, alpha=6.0, targets=BEHIND)
    return saved(small_model, images, options, tmp_path_factory)


@pytest.fixture(scope="module")
def reaching(small_model, images, tmp_path_factory):
    """The same with adapters in the whole image encoder too."""
    options = AdapterOptions(rank=3, alpha=6.0, targets=get_args(Target))
    return saved(small_model, images, options, tmp_path_factory, std=0.07)


def saved(model, images, options, tmp_path_factory, std=0.2):
    model = copy.deepcopy(model)
    config = adapters.inject(model, options)
    randomise(model, std=std)
    folder = tmp_path_factory.mktemp("adapter")
    adapters.save(model, config, folder)
    return model, config, folder, masks(model, images)


def test_inject_changes_nothing_and_leaves_gradient_to_the_adapter_alone(small_model, images):
    model = copy.deepcopy(small_model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapters.inject(model, AdapterOptions(rank=2))
    assert torch.equal(masks(model, images), masks(small_model, images))
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trainable and all(".lora_A." in name or ".lora_B." in name for name in trainable)
    after = {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
    for name, value in before.items():
        assert torch.equal(after[name], value), name


def test_targets(small_model):
    modules = dict(small_model.named_modules())
    names = adapters.target_modules(small_model, tuple(BEHIND_ENCODER))
    assert names == sorted(set(names))
    assert all(type(modules[name]) is nn.Linear for name in names)
    # score heads, mask tokens' networks and convolutions stay as they are
    heads = ("iou_prediction_head", "pred_obj_score_head", "hypernetworks", "obj_ptr", "dwconv")
    for part in heads:
        assert not [name for name in names if part in name], part
    for part in (
        "memory_attention.layers.0.self_attn.q_proj",
        "memory_attention.layers.1.cross_attn_image.out_proj",
        "memory_attention.layers.0.linear1",
        "memory_encoder.fuser.layers.0.pwconv1",
        "sam_mask_decoder.transformer.layers.0.mlp.layers.0",
        "sam_mask_decoder.transformer.final_attn_token_to_image.v_proj",
    ):
        assert part in names
    parts = [adapters.target_modules(small_model, (target,)) for target in BEHIND_ENCODER]
    assert sorted(sum(parts, [])) == names and all(parts)


def test_targets_in_the_image_encoder(small_model, hiera):
    official = hiera["sam2.1_hiera_tiny"]
    for model, stages, late in (
        (small_model, "image_encoder.trunk.body.blocks", {"3", "4", "5", "6"}),
        (official, "image_encoder.trunk.blocks", {str(block) for block in range(3, 12)}),
    ):
        modules = dict(model.named_modules())
        found = {name: adapters.target_modules(model, (name,)) for name in ENCODER}
        for target, blocks in (("encoder_late", late), ("encoder_early", None)):
            inside = {n.removeprefix(f"{stages}.").split(".")[0] for n in found[target]}
            assert inside == blocks if blocks else not inside & late
            assert all(name.startswith(f"{stages}.") for name in found[target])
        for name in sum(found.values(), []):
            layer = modules[name]
            pointwise = (
                isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
            )
            assert pointwise or type(layer) is nn.Linear, name
        assert {"image_encoder.neck.convs.0.conv", "sam_mask_decoder.conv_s1"} <= {*found["neck"]}
    assert "image_encoder.trunk.blocks.11.attn.qkv" in found["encoder_late"]
    assert "image_encoder.trunk.blocks.0.mlp.layers.1" in found["encoder_early"]
    expected = [Frozen.ENCODER, Frozen.TRUNK, Frozen.EARLY_STAGES, Frozen.NOTHING]
    given = [
        ("mask_decoder",),
        ("neck", "mask_decoder"),
        ("encoder_late", "neck"),
        get_args(Target),
    ]
    assert [adapters.frozen_by(targets) for targets in given] == expected


def test_another_trunk_cannot_be_adapted(small_model):
    model = copy.deepcopy(small_model)
    model.image_encoder.trunk = nn.Identity()
    with pytest.raises(InputError, match="this one is Identity; take encoder_late"):
        adapters.inject(model, AdapterOptions(targets=("encoder_late",)))
    assert adapters.target_modules(model, ("mask_decoder",))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"targets": ("image_encoder",)}, "targets.0: 'image_encoder' is not one of"),
        ({"targets": ()}, "targets: must not be empty"),
        ({"rank": 0}, "rank: must be at least 1, found 0"),
    ],
)
def test_options_that_are_refused(values, expected):
    with pytest.raises(InputError, match=expected):
        validated(AdapterOptions, values)


@pytest.mark.parametrize("adapter", ["trained", "reaching"])
def test_loaded_by_peft_alone_it_gives_the_same_masks(small_model, images, adapter, request):
    _, _, folder, expected = request.getfixturevalue(adapter)
    base = copy.deepcopy(small_model)
    untrained = masks(base, images)
    alone = PeftModel.from_pretrained(base, str(folder))
    found = masks(alone.base_model.model, images)
    # merged or not, sums are rounded differently, on each processor in its own way
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    # a key prefix that is missing would load silently as untrained
    assert (expected - untrained).abs().max() > 0.1


@pytest.mark.parametrize("adapter", ["trained", "reaching"])
def test_merged_is_unmerged(small_model, images, adapter, request):
    _, _, folder, expected = request.getfixturevalue(adapter)
    model = copy.deepcopy(small_model)
    adapters.load(model, folder)
    torch.testing.assert_close(masks(model, images), expected, atol=1e-4, rtol=1e-4)
    assert all(m.merged for m in model.modules() if isinstance(m, LoraLayer))
    assert not any(p.requires_grad for p in model.parameters())


def test_trainable_again(small_model, images, trained):
    model, _, folder, expected = trained
    again = copy.deepcopy(small_model)
    options = AdapterOptions(3, 6.0, BEHIND)
    adapters.load(again, folder, trainable=True, options=options)
    assert torch.equal(masks(again, images), expected)
    names = {name for name, p in again.named_parameters() if p.requires_grad}
    assert names == {name for name, p in model.named_parameters() if "lora_" in name}


# ------------------------------------------------------------------ on disk


def test_same_bytes_again(small_model, trained, tmp_path):
    model, config, folder, _ = trained
    adapters.save(model, config, tmp_path / "again")
    # and from a model that was loaded
    other = copy.deepcopy(small_model)
    loaded = adapters.load(other, folder, trainable=True)
    adapters.save(other, loaded, tmp_path / "loaded")
    for copied in ("again", "loaded"):
        assert sorted(path.name for path in (tmp_path / copied).iterdir()) == [
            "adapter_config.json",
            "adapter_model.safetensors",
        ]
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            assert (tmp_path / copied / name).read_bytes() == (folder / name).read_bytes(), name


def test_configuration_on_disk(small_model, trained):
    _, _, folder, _ = trained
    content = json.loads((folder / "adapter_config.json").read_text())
    assert content["peft_type"] == "LORA"
    assert (content["r"], content["lora_alpha"], content["inference_mode"]) == (3, 6.0, True)
    assert content["target_modules"] == adapters.target_modules(small_model, BEHIND)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("nothing", "not an adapter"),
        ("weights gone", "not an adapter"),
        ("weights cut", "not a readable adapter"),
        ("configuration cut", "not a readable adapter"),
        ("another rank", "do not fit"),
        ("a layer less", "do not fit"),
    ],
)
def test_damaged_folder_is_refused(small_model, trained, tmp_path, damage, expected):
    _, _, folder, _ = trained
    target = tmp_path / "adapter"
    config, weights = target / "adapter_config.json", target / "adapter_model.safetensors"
    if damage != "nothing":
        target.mkdir()
        for path in folder.iterdir():
            (target / path.name).write_bytes(path.read_bytes())
    if damage == "weights gone":
        weights.unlink()
    elif damage == "weights cut":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "configuration cut":
        config.write_text(config.read_text()[:100])
    elif damage in ("another rank", "a layer less"):
        content = json.loads(config.read_text())
        content["r"] = 4 if damage == "another rank" else 3
        if damage == "a layer less":
            content["target_modules"] = content["target_modules"][1:]
        config.write_text(json.dumps(content))
    with pytest.raises(InputError, match=expected) as caught:
        adapters.load(copy.deepcopy(small_model), target)
    assert str(target) in str(caught.value)


def test_adapter_of_another_model_is_refused(hiera, trained, tmp_path):
    _, _, folder, _ = trained
    model = hiera["sam2.1_hiera_tiny"]  # has all the layers of the bundled model, of other sizes
    before = model_hash(model)
    with pytest.raises(InputError, match="do not fit this model"):
        adapters.load(copy.deepcopy(model), folder)
    larger = copy.deepcopy(model)
    config = adapters.inject(larger, AdapterOptions(rank=2, targets=BEHIND))
    adapters.save(larger, config, tmp_path)
    small = copy.deepcopy(trained[0])
    with pytest.raises(
        InputError, match="belongs to another model .this one has no layer memory_att"
    ):
        adapters.load(small, tmp_path)
    assert model_hash(model) == before


# ------------------------------------------------------------------ another form


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (AdapterOptions(8, 6.0), "its rank is 3, this round's 8"),
        (AdapterOptions(3, 8.0), "its alpha is 6.0, this round's 8.0"),
        (AdapterOptions(3, 6.0, targets=("mask_decoder",)), "its number of adapted layers is"),
    ],
)
def test_going_on_with_another_form_is_refused(small_model, trained, options, expected):
    _, _, folder, _ = trained
    with pytest.raises(InputError, match=expected) as caught:
        adapters.load(copy.deepcopy(small_model), folder, trainable=True, options=options)
    assert "`init`" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"lora_alpha": 12.0},
            "changed since the training: its alpha is 12.0, the training's was 6.0",
        ),
        ({"lora_alpha": float("nan")}, "not an adapter of this program"),
        ({"lora_alpha": "6"}, "not an adapter of this program"),
        ({"r": 10**9}, "not an adapter of this program"),
        ({"r": True}, "not an adapter of this program"),
        ({"use_dora": True}, "not an adapter of this program"),
        ({"use_rslora": True}, "not an adapter of this program"),
        ({"bias": "all"}, "not an adapter of this program"),
        ({"alpha_pattern": {"qkv": 3}}, "not an adapter of this program"),
        ({"target_modules": "all-linear"}, "not an adapter of this program"),
        ({"target_modules": None}, "not an adapter of this program"),
        ({"peft_type": "IA3"}, "not an?( readable)? adapter"),
        (None, "has values that are not numbers"),
    ],
)
def test_an_edited_adapter_is_refused(small_model, trained, tmp_path, change, expected):
    _, _, folder, _ = trained
    target = tmp_path / "adapter"
    shutil.copytree(folder, target)
    record = {"options": {"method": "lora", "rank": 3, "alpha": 6.0}}
    (target / "training.json").write_text(json.dumps(record))
    config, weights = target / "adapter_config.json", target / "adapter_model.safetensors"
    if change is None:
        state = load_file(weights)
        next(iter(state.values())).fill_(float("nan"))
        save_file(state, weights)
    config.write_text(json.dumps(json.loads(config.read_text()) | (change or {})))
    with pytest.raises(InputError, match=expected) as caught:
        adapters.load(copy.deepcopy(small_model), target)
    assert str(target) in str(caught.value)


def test_adapter_of_other_weights_is_refused(small_model, trained, tmp_path):
    _, _, folder, _ = trained
    shutil.copytree(folder, tmp_path / "adapter")
    record = tmp_path / "adapter" / "training.json"
    record.write_text(json.dumps({"model_sha256": model_hash(small_model)}))
    adapters.load(copy.deepcopy(small_model), tmp_path / "adapter")
    other = copy.deepcopy(small_model)
    with torch.no_grad():
        other.no_mem_embed.add_(1)
    with pytest.raises(InputError, match="trained on other weights"):
        adapters.load(other, tmp_path / "adapter")
    record.write_text("{")
    with pytest.raises(InputError, match="training.json: not readable"):
        adapters.load(other, tmp_path / "adapter")
