"""Where and in which precision a model runs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from sam2pal.config.model import OFFICIAL, ModelOptions
from sam2pal.io.errors import InputError
from sam2pal.io.memory import most_bytes

# of the memory of a graphics card, or of a machine that others use too
_SHARE = {"cuda": 0.85, "mps": 0.7, "cpu": 0.5}


def choose_device(wanted: str = "auto") -> torch.device:
    """`auto` takes cuda, then mps, then cpu; anything else is taken at its word.

    Raises:
        InputError: the device is unknown or not there.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device(next(name for name, here in present.items() if here))
    kind = wanted.split(":")[0]
    if kind not in present:
        raise InputError(f"device: '{wanted}' is unknown; use auto, cuda, mps or cpu")
    if not present[kind]:
        here = ", ".join(name for name, here in present.items() if here)
        raise InputError(f"device: '{wanted}' is not available on this machine; here are: {here}")
    return torch.device(wanted)


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 where the device computes in it, else full precision; on a CPU as it is round the call."""
    if device.type == "cpu":
        return nullcontext()
    supported = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=supported)


def device_bytes(device: torch.device) -> int:
    """What of the device's memory a training may use; the same in every process on the same machine."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
    elif device.type == "mps":
        total = torch.mps.recommended_max_memory()
    else:
        total = most_bytes()
    return int(total * _SHARE[device.type])


def half_on_cpu(wanted: bool | None, options: ModelOptions) -> AbstractContextManager:
    """bfloat16 on a CPU.

    Args:
        wanted: None for official models where the processor has instructions for it.
    """
    if wanted is None:
        official = options.name in OFFICIAL and options.config is None
        wanted = official and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether the device's memory was too small."""
    # only cuda has an error class of its own
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in text for words in ("out of memory", "can't allocate memory")
    )


@contextmanager
def enough_memory(what: str, device: torch.device) -> Iterator[None]:
    """Name what not even alone fits into the device's memory.

    Raises:
        InputError: the memory ran out.
    """
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise InputError(
            f"{what}: the memory of the device '{device}' is too small for one specimen; use a smaller "
            "model, a smaller `image_size`, fewer templates, or another device"
        ) from error


def seed_everything(seed: int) -> None:
    """Seed torch; numpy generators are made from the same seed where they are used."""
    torch.manual_seed(seed)
