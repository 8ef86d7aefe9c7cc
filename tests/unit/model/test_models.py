"""models: names, strict and safe loading, and messages that name the reason."""

import hashlib
import importlib.resources
import json
import logging
import pickle
import shutil

import pytest
import torch
from safetensors.torch import save_file

import sam2pal.model.build as build
from sam2pal.config.checking import validated
from sam2pal.config.model import OFFICIAL, ModelOptions
from sam2pal.io.errors import InputError
from sam2pal.model.build import BUNDLED, build_model, model_hash
from sam2pal.model.checkpoints import load_weights, read_weights, verify
from sam2pal.model.device import autocast, choose_device, half_on_cpu


def hollow(model) -> dict[str, torch.Tensor]:
    """Weights of the right names and shapes that take no room on disk."""
    return {name: torch.zeros(()).expand(value.shape) for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def checkpoints(hiera, tmp_path_factory):
    """A checkpoint as SAM 2 publishes them, a release each."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, model in hiera.items():
        torch.save({"model": hollow(model)}, folder / f"{name}.pt")
    return folder


# ------------------------------------------------------------------ names


def test_official_names_have_a_configuration_and_an_address():
    assert set(OFFICIAL) == {
        f"{release}_hiera_{size}"
        for release in ("sam2", "sam2.1")
        for size in ("tiny", "small", "base_plus", "large")
    }
    files = importlib.resources.files("sam2")
    for name, (config, url) in OFFICIAL.items():
        assert files.joinpath(config).is_file(), config
        assert url.startswith("https://") and url.endswith(f"/{name}.pt")


def test_release_and_size_follow_the_name(hiera):
    for name, model in hiera.items():
        assert model.image_size == 128
        assert (model.no_obj_embed_spatial is not None) == name.startswith("sam2.1")
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())
        # SAM 2 postprocesses what comes of clicks; masks come from memories here
        assert not model.sam_mask_decoder.dynamic_multimask_via_stability


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "sam2.1_hiera_tinny"}, "did you mean 'sam2.1_hiera_tiny'?"),
        ({"name": "bundle"}, "did you mean 'bundled'?"),
        ({"name": "mine"}, "needs `config` and `checkpoint`"),
        ({"name": "mine", "config": "a.yaml"}, "'mine' has a `config` but no `checkpoint`"),
        ({"image_size": 100}, "image_size: must be a multiple of 32, found 100"),
        ({"image_size": 32}, "image_size: must be at least 64, found 32"),
        ({"imagesize": 64}, "did you mean 'image_size'?"),
    ],
)
def test_options_that_are_refused(options, expected):
    with pytest.raises(InputError) as caught:
        validated(ModelOptions, options, "model")
    assert expected in str(caught.value) and str(caught.value).startswith("model")


def test_official_model_without_its_checkpoint():
    with pytest.raises(InputError, match="fetch_checkpoint.py"):
        build_model(ModelOptions("sam2.1_hiera_large"))


def test_bundled_without_weights_says_loudly_that_they_are_random(tmp_path, monkeypatch, caplog):
    shutil.copy(BUNDLED / "config.yaml", tmp_path)
    monkeypatch.setattr(build, "BUNDLED", tmp_path)
    with caplog.at_level(logging.WARNING):
        first = build_model(ModelOptions(image_size=64))
    assert "RANDOM weights" in caplog.text and "weights.safetensors" in caplog.text
    caplog.clear()

    # with weights there is nothing to warn of, and they are the ones that are used
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    with caplog.at_level(logging.WARNING):
        second = build_model(ModelOptions(image_size=64))
    assert "RANDOM" not in caplog.text
    assert model_hash(second) == model_hash(first)


# ------------------------------------------------------------------ a model of one's own


def test_own_configuration_and_checkpoint(small_model, tmp_path):
    state = small_model.state_dict()
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(half, tmp_path / "own.safetensors")
    torch.save({"model": state}, tmp_path / "own.pt")
    shutil.copy(BUNDLED / "config.yaml", tmp_path / "own.yaml")
    sha256 = hashlib.sha256((tmp_path / "own.pt").read_bytes()).hexdigest()
    whole = build_model(
        ModelOptions(
            "mine", 64, str(tmp_path / "own.pt"), str(tmp_path / "own.yaml"), sha256.upper()
        )
    )
    assert model_hash(whole) == model_hash(small_model)

    rounded = build_model(ModelOptions("bundled", 64, str(tmp_path / "own.safetensors")))
    assert model_hash(rounded) != model_hash(small_model)
    for name, value in rounded.state_dict().items():
        assert value.dtype == state[name].dtype
        torch.testing.assert_close(value, state[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "does not exist"),
        ("model: [", "line 2, column 1: this is not YAML"),
        ("architecture: {}", "no mapping `model`"),
        ("model: {_target_: sam2.no_such.Thing}", "not a class that a model is built of"),
        ("model: {_target_: torch.nn.Linear}", "model: 'torch.nn.Linear' is not a class"),
        ("model: {_target_: sam2.modeling.memory_encoder.CXBlock, dim: 4}", "not a SAM2Base"),
    ],
)
def test_own_configuration_that_is_no_model(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "own.yaml").write_text(text)
    (tmp_path / "own.pt").write_bytes(b"")
    options = ModelOptions("mine", None, str(tmp_path / "own.pt"), str(tmp_path / "own.yaml"))
    with pytest.raises(InputError, match=expected) as caught:
        build_model(options)
    assert "own.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda value: value.to(torch.int8), "holds int8 numbers instead of floats"),
        (lambda value: value.to(torch.complex64), "holds complex64 numbers instead of floats"),
        (lambda value: value * torch.nan, "not numbers \\(NaN or infinite\\)"),
    ],
)
def test_weights_that_are_no_real_numbers_are_refused(tmp_path, change, expected):
    layer = torch.nn.Linear(2, 2)
    weights = {**layer.state_dict(), "weight": change(layer.state_dict()["weight"])}
    torch.save(weights, tmp_path / "own.pt")
    with pytest.raises(InputError, match=f"own.pt: the weight weight .*{expected}"):
        load_weights(layer, tmp_path / "own.pt", "own")


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", "empty"), (b"<html>", "page of a website")]
)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_file_that_is_no_checkpoint_at_all(tmp_path, content, expected, suffix):
    (tmp_path / f"sam.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=f"{expected}.*download the file again"):
        read_weights(tmp_path / f"sam.{suffix}")


def test_own_configuration_runs_nothing(tmp_path):
    mark = tmp_path / "ran"
    attack = {"_target_": "pathlib.Path.write_text", "_args_": [{"_target_": "pathlib.Path"}, "x"]}
    for nested in (
        {"_target_": "psutil.Popen", "args": ["touch", str(mark)]},
        {"_target_": "sam2.modeling.sam2_base.SAM2Base", "image_encoder": [{"a": attack}]},
        {"kind": "pickle.loads", "_target_": "${model.kind}"},
        {"_target_": ["os.system"]},
        {"_target_": "sam2.modeling.backbones.hieradet.Hiera", "weights_path": str(mark)},
    ):
        path = tmp_path / "own.yaml"
        path.write_text(json.dumps({"model": nested}))
        options = ModelOptions("mine", None, str(tmp_path / "own.pt"), str(path))
        with pytest.raises(InputError, match="is not a class that a model|weights_path"):
            build_model(options, random_weights=True)
    assert not mark.exists()


def test_checksum_is_verified_before_loading(tmp_path):
    path = tmp_path / "sam.pt"
    path.write_bytes(b"other weights")
    wrong = "0" * 64
    with pytest.raises(InputError) as caught:
        build_model(ModelOptions("sam2.1_hiera_tiny", 64, str(path), sha256=wrong))
    found = hashlib.sha256(b"other weights").hexdigest()
    assert all(part in str(caught.value) for part in (str(path), wrong, found, "model: sha256"))
    verify(path, found)
    verify(path, None)


# ------------------------------------------------------------------ strict loading


def test_both_releases_load_into_themselves_only(hiera, checkpoints):
    for name, model in hiera.items():
        for other in hiera:
            weights = read_weights(checkpoints / f"{other}.pt")
            if other == name:
                assert weights.keys() == model.state_dict().keys()
                continue
            with pytest.raises(InputError) as caught:
                load_weights(model, checkpoints / f"{other}.pt", name)
            message = str(caught.value)
            theirs, ours = ("SAM 2", "SAM 2.1") if "2.1" in name else ("SAM 2.1", "SAM 2")
            assert f"the checkpoint is {theirs}, but '{name}' is a {ours} configuration" in message
            assert str(checkpoints / f"{other}.pt") in message


def test_wrong_pairing_through_build_model(checkpoints):
    with pytest.raises(InputError, match="the checkpoint is SAM 2, but 'sam2.1_hiera_tiny' is a"):
        build_model(ModelOptions("sam2.1_hiera_tiny", 64, str(checkpoints / "sam2_hiera_tiny.pt")))


def change(state, how):
    state = dict(state)
    if how == "missing":
        del state["no_mem_embed"]
    elif how == "left over":
        state["head.weight"] = torch.zeros(1)
    else:
        state["no_mem_embed"] = torch.zeros(1, 1, 7)
    return state


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("missing", "missing: no_mem_embed; left over: none"),
        ("left over", "missing: none; left over: head.weight"),
        ("size", "size: no_mem_embed (1, 1, 7) instead of (1, 1, 128)"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(small_model, tmp_path, how, expected):
    before = model_hash(small_model)
    torch.save(change(hollow(small_model), how), tmp_path / "w.pt")
    with pytest.raises(InputError) as caught:
        load_weights(small_model, tmp_path / "w.pt", "bundled")
    assert expected in str(caught.value)
    assert "do not belong to model 'bundled'" in str(caught.value)
    assert "SAM 2" not in str(caught.value)  # not a matter of releases
    assert model_hash(small_model) == before


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_checkpoint_with_code_is_refused_and_the_code_does_not_run(tmp_path):
    sprung = tmp_path / "sprung"
    torch.save({"model": {"a": torch.zeros(1)}, "trap": Trap(sprung)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="would run code when read") as caught:
        read_weights(tmp_path / "w.pt")
    assert "weights_only" not in str(caught.value)  # no advice on how to run it all the same
    assert not sprung.exists()
    # the trap works: plain pickle springs it
    pickle.loads(pickle.dumps(Trap(sprung))).close()
    assert sprung.exists()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("gone.pt", None, "does not exist"),
        ("empty.pt", b"", "this is empty"),
        ("page.pt", b"<!DOCTYPE html><title>404</title>", "this is the page of a website"),
        ("cut.safetensors", b"\x80\x00\x00\x00\x00\x00\x00\x00{", "not a readable checkpoint"),
        ("text.safetensors", b"hello", "not a readable checkpoint"),
        ("list.pt", [torch.zeros(1)], "holds no model weights"),
        ("nothing.pt", {}, "holds no model weights"),
        ("state.pt", {"model": {"a": 1}}, "holds no model weights"),
        ("odd.pt", {"model": torch.zeros(1)}, "holds no model weights"),
    ],
)
def test_not_a_checkpoint(tmp_path, name, content, expected):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=expected) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)


# ------------------------------------------------------------------ device


def test_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device() == torch.device("cpu") == choose_device("cpu")
    with pytest.raises(InputError, match="'cuda' is not available on this machine; here are: cpu"):
        choose_device("cuda")
    with pytest.raises(InputError, match="'gpu' is unknown; use auto, cuda, mps or cpu"):
        choose_device("gpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device() == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("wanted", "options", "instructions", "expected"),
    [
        (None, ModelOptions("sam2.1_hiera_tiny"), True, True),
        (None, ModelOptions("sam2.1_hiera_tiny"), False, False),
        (None, ModelOptions(), True, False),
        (
            None,
            ModelOptions("sam2.1_hiera_tiny", config="own.yaml", checkpoint="own.pt"),
            True,
            False,
        ),
        (True, ModelOptions(), False, True),
        (False, ModelOptions("sam2.1_hiera_tiny"), True, False),
    ],
)
def test_half_precision_on_a_cpu(monkeypatch, wanted, options, instructions, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    some = torch.ones(2, 2)
    with half_on_cpu(wanted, options), autocast(torch.device("cpu")):
        assert (some @ some).dtype == (torch.bfloat16 if expected else torch.float32)
