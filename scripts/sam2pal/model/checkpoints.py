"""Checkpoints: fetched whole or not at all, loaded strictly and safely."""

import hashlib
import logging
import pickle
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from sam2pal.io import files
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.progress import Progress

log = logging.getLogger(__name__)

# parameters that SAM 2.1 has and SAM 2 lacks
_ONLY_IN_2_1 = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.weight")


def fetch(
    url: str,
    path: str | Path,
    sha256: str | None = None,
    progress: str | Path | None = None,
    timeout: float = 60.0,
    limit: float = 7200.0,
) -> Path:
    """Download `url` to `path`, which appears only when the file is whole and, if known, the right one.

    Args:
        progress: file to keep: how far it is.
        timeout: seconds without a byte from the server after which to give up.
        limit: seconds after which to give up in any case.

    Raises:
        InputError: the server cannot be reached, the transfer was cut or took too long, what came is a
            page or nothing, or the checksum is another.
    """
    import requests  # here, so that segmenting does not load it

    path, deadline = Path(path), time.monotonic() + limit
    kept = "nothing was kept"
    elsewhere = (
        f"{kept}. Without a connection, copy the file here by other means and name it in "
        "`model: checkpoint`"
    )
    with atomic(path) as temporary:
        digest, start = hashlib.sha256(), b""
        try:
            with (
                ExitStack() as stack,
                requests.get(url, stream=True, timeout=timeout) as response,
                temporary.open("wb") as file,
            ):
                response.raise_for_status()
                size = int(response.headers.get("content-length", 0))
                bar = stack.enter_context(Progress(progress, "MB", size // 10**6))
                for chunk in response.iter_content(2**16):
                    start = start or chunk[:512]
                    digest.update(chunk)
                    file.write(chunk)
                    bar.update(file.tell() // 10**6 - bar.done)
                    if time.monotonic() > deadline:
                        raise InputError(
                            f"{url}: the download failed (not whole after {limit:g} seconds); {elsewhere}"
                        )
        except requests.RequestException as error:  # an address without http:// too
            raise InputError(f"{url}: the download failed ({error}); {elsewhere}") from error
        if not start:
            raise InputError(f"{url}: the server sent an empty file; {elsewhere}")
        if is_page(start):
            raise InputError(
                f"{url}: the server sent a page, not a file: it may ask for a login or be the address of a "
                f"page; {elsewhere}"
            )
        if sha256 and digest.hexdigest() != sha256.lower():
            raise InputError(
                f"{url}: what was downloaded is not the expected file (its SHA-256 is not {sha256}); "
                f"{kept}. Correct `model: sha256`, or try again"
            )
    return path


def is_page(start: bytes) -> bool:
    """Whether a file that begins so is HTML or XML."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


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
            f"({_some('missing', missing)}; {_some('left over', unexpected)})"
        )
    other = [
        f"{key} {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if weights[key].shape != value.shape
    ]
    if other:
        raise InputError(
            f"{path}: these weights do not belong to model '{name}' ({_some('size', other)})"
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
                f"{path}: the weight {key} has values that are no numbers (NaN or infinite): training them "
                "diverged, or the file is damaged; use an earlier one"
            )


def _some(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what}: {', '.join(names[:3]) or 'none'}{more}"
