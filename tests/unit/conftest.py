"""Small models with random weights, built once for all tests that need torch."""

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def awaken(model):
    """Make random weights a test: what is remembered must matter to the masks, and no structure be absent.

    Untrained, SAM 2's residual scales are 1e-6, its empty embeddings tiny, and its masks hardly depend on the
    memories, so that mixed-up memories would pass for rounding.
    """
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(0.5)
            if "no_obj" in name or "tpos" in name:
                parameter.normal_(std=0.5)
            if "cross_attn_image" in name and name.endswith("proj.weight"):
                parameter.mul_(8)
            if name.startswith("sam_mask_decoder.transformer") and name.endswith("proj.weight"):
                parameter.mul_(2)
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(5)
    return model


@pytest.fixture(scope="session")
def awake():
    return awaken


@pytest.fixture(scope="session")
def small_model():
    """The bundled architecture, 64 pixels, random weights; copy it (`copy.deepcopy`) before changing it."""
    import torch

    from sam2pal.config.model import ModelOptions
    from sam2pal.model.build import build_model

    torch.manual_seed(0)  # of a few the weights whose masks depend most on what is remembered
    return awaken(build_model(ModelOptions(image_size=64), random_weights=True))


@pytest.fixture(scope="session")
def hiera():
    """The two releases of the smallest official model, 128 pixels, random weights; not to be changed."""
    import torch

    from sam2pal.config.model import ModelOptions
    from sam2pal.model.build import build_model

    models = {}
    for name in ("sam2.1_hiera_tiny", "sam2_hiera_tiny"):
        torch.manual_seed(0)
        models[name] = awaken(build_model(ModelOptions(name, image_size=128), random_weights=True))
    return models


@pytest.fixture
def in_double(monkeypatch):
    """SAM 2 and the losses compute in single precision here and there: make these places double."""
    import torch
    from sam2.modeling.position_encoding import PositionEmbeddingRandom

    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    encode = PositionEmbeddingRandom._pe_encoding
    monkeypatch.setattr(
        PositionEmbeddingRandom,
        "_pe_encoding",
        lambda self, coords: encode(self, coords.to(self.positional_encoding_gaussian_matrix)),
    )


@dataclass
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def by_hand(monkeypatch, capsys):
    """Run `scripts/{name}.py` as by hand, without the cost of a new process."""

    def run(name: str, *arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        return Done(code, *capsys.readouterr())

    return run
