"""Checkpoints, loaded strictly and safely."""

import logging
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from sam2pal.io import files
from sam2pal.io.errors import InputError, first_few
from sam2pal.model.fetching import is_page

log = logging.getLogger(__name__)

# parameters that SAM 2.1 has and SAM 2 lacks
_ONLY_IN_2_1 = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.weight")


def verify(path: Path, sha256: str | None) -> None:
    """Raise `InputError` unless the file's SHA-256 is `sha256` (None: anything goes)."""
    if sha256 is None:
        return
    if not path.is_file():
        raise InputError(f"{path}: the checkpoint does not exist")
    found = files.sha256(path)
    if found != sha256.lower():
        raise InputError(
            f"{path}: its SHA-256 is {found}, but `model: sha256` says {sha256}: the file is damaged, or "
            "another one"
        )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from .safetensors, or from .pt with `weights_only=True` so that no code runs.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    if not path.is_file():
        raise InputError(f"{path}: the checkpoint does not exist")
    with path.open("rb") as file:
        start = file.read(512)
    if not start or is_page(start):
        found = "the page of a website" if start else "empty"
        raise InputError(f"{path}: this is {found}, not a checkpoint; download the file again")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own message tells how to run the code
        raise InputError(
            f"{path}: not a checkpoint of weights alone: it is damaged, or holds objects that would run "
            "code when read. Copy or download it again; of your own model, save the state dict alone"
        ) from error
    except Exception as error:  # whatever a damaged file makes torch or safetensors raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a readable checkpoint ({reason})") from error
    weights = content.get("model", content) if isinstance(content, dict) else None
    if (
        not isinstance(weights, dict)
        or not weights
        or not all(isinstance(value, torch.Tensor) for value in weights.values())
    ):
        raise InputError(f"{path}: holds no model weights (expected SAM 2's form, a dict `model`)")
    return weights


def load_weights(model: nn.Module, path: str | Path, name: str) -> None:
    """Load a checkpoint strictly; half-precision weights become the model's single precision.

    Raises:
        InputError: a weight is missing, left over or of another size; the message says when the
            checkpoint is SAM 2 and the configuration SAM 2.1, or the reverse.
    """
    path = Path(path)
    weights = read_weights(path)
    expected = model.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    unexpected = sorted(weights.keys() - expected.keys())
    if missing or unexpected:
        hint = ""
        if any(key in missing for key in _ONLY_IN_2_1):
            hint = f": the checkpoint is SAM 2, but '{name}' is a SAM 2.1 configuration"
        elif any(key in unexpected for key in _ONLY_IN_2_1):
            hint = f": the checkpoint is SAM 2.1, but '{name}' is a SAM 2 configuration"
        raise InputError(
            f"{path}: these weights do not belong to model '{name}'{hint} "
            f"(missing: {first_few(missing, 3, '')}; left over: {first_few(unexpected, 3, '')})"
        )
    other = [
        f"{key} {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if weights[key].shape != value.shape
    ]
    if other:
        raise InputError(
            f"{path}: these weights do not belong to model '{name}' (size: {first_few(other, 3, '')})"
        )
    check_values(weights, expected, path)
    model.load_state_dict(weights)
    log.info("loaded %s", path)


def check_values(
    weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Raise `InputError` for weights that are no finite real numbers where the model has such."""
    for key, value in weights.items():
        if not expected[key].is_floating_point():
            continue
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise InputError(
                f"{path}: the weight {key} holds {kind} numbers instead of floats: it was quantised or "
                "damaged; export the weights in single or half precision"
            )
        if not bool(torch.isfinite(value).all()):
            raise InputError(
                f"{path}: the weight {key} has values that are not numbers (NaN or infinite): training them "
                "diverged, or the file is damaged; use an earlier one"
            )
