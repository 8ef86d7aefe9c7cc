"""How much of a step a device can hold for the backward pass."""

import logging
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakIdKeyDictionary

from sam2pal.config.training import TrainingOptions
from sam2pal.model.adapters import frozen_by
from sam2pal.model.device import autocast, device_bytes
from sam2pal.model.encoder import Encoded, Frozen
from sam2pal.model.tracker import Features, Tracker
from sam2pal.training.data import Data
from sam2pal.training.feature_cache import FeaturesOnDisk, OnDemand
from sam2pal.training.palindrome import AnnotatedViews, object_losses, palindrome

log = logging.getLogger(__name__)

# what kernels take for themselves, and what is lost between tensors, as a factor
_BESIDE = 1.3
# a CPU takes structures one after another in the time that it takes them together
_ENOUGH_ON_CPU = 2 * 2**30
IMAGES = 3  # of a pair: a template, a specimen, another view of the template
# more than the palindrome of a structure takes in any SAM 2, for each pixel of the square: where so much
# fits, nothing needs to be measured
_MOST = 16 * 2**10


@dataclass
class StepMemory:
    """What is held at once; gets smaller when the device turns out to hold less.

    Attributes:
        whole: frames of a whole step, see `StepLoss.parts`.
        frames: of it, those that are held at once.
        checkpointed: the memory attention, and what is trained of the trunk, are computed again in the
            backward pass.
    """

    whole: int
    frames: int
    checkpointed: bool

    def __str__(self) -> str:
        again = ", the memory attention computed again" if self.checkpointed else ""
        return f"{max(1, self.frames // 2)} structures at once{again}"

    @property
    def at_once(self) -> int | None:
        """As `StepLoss.parts` takes it."""
        return None if self.frames >= self.whole else self.frames

    def less(self) -> bool:
        """Hold half as much; at the least one palindrome of one structure with the attention checkpointed."""
        frames = min(self.frames, self.whole)
        if frames > 2:
            self.frames = max(2, frames // 2)
        elif not self.checkpointed:
            self.frames, self.checkpointed = 2, True
        else:
            return False
        return True


# nearly all of the time of a step on a CPU; what they take is known from shapes alone
_COSTLY = {
    getattr(torch.ops.aten, name)
    for name in (
        *("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm"),
        *("_scaled_dot_product_flash_attention_for_cpu",),
        *("_scaled_dot_product_flash_attention_for_cpu_backward",),
    )
}


class _Alive(TorchDispatchMode):
    """Counts bytes of living tensors; without `compute` costly operations leave them uninitialised."""

    def __init__(self, compute: bool = True) -> None:
        super().__init__()
        self._compute = compute
        self.now = self.most = 0
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._ends: set[weakref.ref] = set()

    def __torch_dispatch__(self, operation, types, arguments=(), more=None):
        tensors = [t for t in tree_leaves((arguments, more)) if torch.is_tensor(t)]
        given = [t.untyped_storage() for t in tensors]
        on_cpu = all(t.device.type == "cpu" for t in tensors)
        if on_cpu and not self._compute and operation.overloadpacket in _COSTLY:
            result = _like_result(operation, arguments, more or {})
        else:
            result = operation(*arguments, **(more or {}))
        for tensor in tree_leaves(result):
            if torch.is_tensor(tensor):
                storage = tensor.untyped_storage()
                if storage not in self._known and not any(storage is own for own in given):
                    self._count(storage)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self._known[storage] = size
        self.now += size
        self.most = max(self.most, self.now)

        def end(reference: weakref.ref) -> None:
            self.now -= size
            self._ends.discard(reference)

        self._ends.add(weakref.ref(storage, end))


def _like_result(operation: Callable, arguments: tuple, more: dict) -> Any:
    """Tensors of the shapes that an operation on a CPU gives, with anything in them."""
    arguments, more = tree_map(lambda value: _on(value, "meta"), (arguments, more))
    return tree_map(lambda value: _on(value, "cpu"), operation(*arguments, **more))


def _on(value: Any, device: str) -> Any:
    if not torch.is_tensor(value):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)


def peak_bytes(call: Callable[[], object], compute: bool = True) -> int:
    """The most bytes that tensors made by a call, its backward pass included, take at any one time; without
    what a kernel takes for itself.

    Args:
        compute: False is much faster on a CPU; the values in the tensors then mean nothing.
    """
    with _Alive(compute) as alive:
        call()
    return alive.most


def palindrome_bytes(
    tracker: Tracker, template: AnnotatedViews, specimens: Features | Encoded, back: AnnotatedViews
) -> int:
    """`peak_bytes` of a palindrome and its backward pass."""
    parameters = [p for p in tracker.model.parameters() if p.requires_grad]

    def run() -> None:
        followed = palindrome(tracker, template, specimens, back)
        torch.autograd.grad(object_losses(followed).sum(), parameters, allow_unused=True)

    with torch.enable_grad():
        return peak_bytes(run, compute=False)


def fit_to_memory(
    tracker: Tracker, data: Data, options: TrainingOptions, limit: int | None = None
) -> StepMemory:
    """What the device can hold of a step: all of it, or fewer structures at once, or with the memory
    attention computed again.

    Args:
        limit: bytes for a step. If not given, the device's own less what is kept between steps, on a CPU at
            most `_ENOUGH_ON_CPU`.
    """
    structures = data.drawn.known.shape[1]
    frames = 2  # of a palindrome
    ways = frames * (options.palindrome > 0) + (options.self_pair > 0) + (options.direct > 0)
    # on a palindrome's own way it needs no other
    ways += options.palindrome == 0 and options.distillation > 0
    whole = ways * options.pairs * structures
    if options.micro_batch > 0:
        return StepMemory(whole, frames * options.micro_batch, options.checkpoint_attention)
    if limit is None:
        device = data.drawn.masks.device
        limit = device_bytes(device) - kept_bytes(tracker, data)
        limit = min(limit, _ENOUGH_ON_CPU) if device.type == "cpu" else limit
    frozen = frozen_by(options.targets) == Frozen.ENCODER
    if frozen and tracker.image_size**2 * _MOST * whole / 2 <= limit:
        return StepMemory(whole, whole, options.checkpoint_attention)
    for checkpointed in sorted({options.checkpoint_attention, True}):
        found = taken(tracker, data, options, checkpointed)
        structure, image = (_BESIDE * part for part in found)
        free = limit - image * IMAGES * options.pairs
        if structure * whole / frames <= free:
            memory = StepMemory(whole, whole, checkpointed)
        else:
            held = frames * max(1, math.floor(free / structure))
            memory = StepMemory(whole, min(held, whole - 1), checkpointed)
        least = max(structure, image)  # in parts, images go back through the encoder one at a time
        if least <= limit:
            break
    else:
        log.warning(
            "a structure's palindrome takes %.1f GB and the device has %.1f GB for it: it may run out",
            least / 2**30,
            limit / 2**30,
        )
    if memory.at_once is not None:
        log.info("a structure's palindrome takes %.2f GB: %s", structure / 2**30, memory)
    return memory


def kept_bytes(tracker: Tracker, data: Data) -> int:
    """What a training keeps on the device between steps: weights, encoded images, drawn masks."""
    kept = [tensor.nbytes for tensor in tracker.model.parameters()]
    if data.pseudo_labels is not None:
        kept.append(data.pseudo_labels.nbytes)
    kept += [view.masks.nbytes for view in (data.drawn, data.views, data.unseen)]
    for features in (data.drawn.features, data.pool, data.views.features, data.unseen.features):
        own = isinstance(features, OnDemand | FeaturesOnDisk)
        kept.append(features.nbytes if own else sum(tensor.nbytes for tensor in features.maps))
    return sum(kept)


def taken(
    tracker: Tracker, data: Data, options: TrainingOptions, checkpointed: bool
) -> tuple[int, int]:
    """`peak_bytes` of a structure's palindrome, and of an image in the trained layers of the encoder."""
    template, structure = data.drawn.shown.nonzero()[0].tolist()
    start = data.drawn[[template]].of_structures([structure])
    specimen = data.pool[[0]]
    parameters = [p for p in tracker.model.parameters() if p.requires_grad]

    def encode() -> None:
        maps = tracker.finish(specimen).maps
        torch.autograd.grad(sum(level.sum() for level in maps), parameters, allow_unused=True)

    before = tracker.checkpoint_attention
    tracker.checkpoint_attention = checkpointed
    try:
        with autocast(data.drawn.masks.device):
            if isinstance(specimen, Features):
                return palindrome_bytes(tracker, start, specimen, start), 0
            with torch.enable_grad():
                image = peak_bytes(encode, compute=False)
            start = replace(start, features=_encoded(tracker, start.features))
            return palindrome_bytes(tracker, start, _encoded(tracker, specimen), start), image
    finally:
        tracker.checkpoint_attention = before


def _encoded(tracker: Tracker, encoded: Features | Encoded) -> Features:
    """Features that gather a gradient, their values uncomputed."""
    with torch.no_grad(), _Alive(compute=False):
        done = tracker.finish(encoded)
    return done.with_maps([level.requires_grad_() for level in done.maps])
