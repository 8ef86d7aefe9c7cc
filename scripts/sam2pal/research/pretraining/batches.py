"""What a step sees: groups of images that show the same structures, from two sources."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from sam2pal.images.letterbox import Letterbox
from sam2pal.research.pretraining.options import PretrainingOptions
from sam2pal.research.pretraining.photographs import PictureSet
from sam2pal.research.pretraining.views import (
    MILD,
    STRONG,
    Strength,
    denormalised,
    normalised,
    view,
)
from sam2pal.research.synthetic.collection import draw_collection
from sam2pal.research.synthetic.specimen import DrawnPhotograph

# how often a structure is asked for: eyes and mandibles are a few pixels at this size and would take the
# place of what can be learned; thin limbs are what needs most practice
CHANCE = {"eyes": 0.35, "mandibles": 0.25, "antennae": 2.0, "legs": 2.0}
_ENOUGH = 30  # a set of fewer pictures is asked for less
_VIEWS_OF_ONE = 0.35  # share of the groups of real masks that are views of one picture
# a structure that shows fewer pixels than this is neither present nor absent
SLIVER = 12


@dataclass(frozen=True)
class Batch:
    """`G` groups of `V` images that show the same `K` structures.

    Attributes:
        images: [G * V, 3, S, S], group by group.
        masks: [G * V, K, S, S], 0 or 1. At S/4 a limb covers less than half of every cell, so that
            neither a memory nor a mask would show it.
        source: of each group: `drawn` or `photographs`.
    """

    images: Tensor
    masks: Tensor
    source: tuple[str, ...]

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(self.images.to(device), self.masks.to(device), self.source)


class Batches(IterableDataset):
    """An endless stream of batches; batch `i` depends on the seed and `i` alone, so it can be resumed."""

    def __init__(
        self,
        options: PretrainingOptions,
        seed: int,
        start: int = 0,
        photographs: Sequence[PictureSet] = (),
    ) -> None:
        self.options, self.seed, self.start = options, seed, start
        self.photographs = photographs

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        index, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        index += self.start
        while True:
            rng = np.random.default_rng([self.seed, index])
            yield make_batch(rng, self.options, self.photographs)
            index += stride


def make_batch(
    rng: np.random.Generator, options: PretrainingOptions, photographs: Sequence[PictureSet] = ()
) -> Batch:
    """The images of one step; every group's source is drawn by the shares of the options.

    Raises:
        ValueError: the options ask for photographs, and there are none.
    """
    groups, sources = [], []
    for _ in range(options.groups):
        chance = rng.random()
        if chance < options.photographs:
            groups.append(photographed_group(rng, options, photographs))
            sources.append("photographs")
        else:
            groups.append(drawn_group(rng, options))
            sources.append("drawn")
    images, masks = (torch.cat(part) for part in zip(*groups, strict=True))
    return Batch(images, masks, tuple(sources))


# ------------------------------------------------------------------ drawings


def drawn_group(
    rng: np.random.Generator, options: PretrainingOptions, kind: str | None = None
) -> tuple[Tensor, Tensor]:
    """Specimens of a drawn genus: images [V, 3, S, S], masks [V, K, S, S]; `kind` chosen if not given."""
    if kind is None and rng.random() < options.ground_beetles:
        kind = "ground beetle"
    textures = Path(options.textures) if options.textures else None
    drawings = draw_collection(
        rng,
        options.views,
        options.image_size,
        kind,
        lacking=options.lacking,
        supple=options.supple,
        bend=options.bend,
        photographs=textures,
    )
    turned, altered = rng.random() < options.turned, rng.random() < options.altered
    images, masks = [], []
    for image, mask in _to_tensors(drawings, rng, options):
        if turned:
            image, mask = turn(rng, image, mask)
        if altered:
            image, mask = view(denormalised(image), mask, rng, MILD)
        images.append(image)
        masks.append(mask)
    return torch.stack(images), torch.stack(masks)


def _to_tensors(
    drawings: list[DrawnPhotograph], rng: np.random.Generator, options: PretrainingOptions
) -> Iterator[tuple[Tensor, Tensor]]:
    shown = {name: sum(d.masks[name].any() for d in drawings) for name in drawings[0].masks}
    present = [name for name, number in shown.items() if number > 1]
    # what some specimen lacks is asked for more often: absence is learned from it
    chance = np.array(
        [CHANCE.get(name, 1.0) * (2.0 if shown[name] < len(drawings) else 1.0) for name in present]
    )
    names = rng.choice(
        present,
        options.structures,
        replace=len(present) < options.structures,
        p=chance / chance.sum(),
    )
    for drawing in drawings:
        box = Letterbox(*drawing.pixels.shape[:2], options.image_size)
        image = torch.from_numpy(box.image_to_square(drawing.pixels))
        mask = torch.from_numpy(np.stack([box.mask_to_square(drawing.masks[n]) for n in names]))
        yield image, mask


def turn(rng: np.random.Generator, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """An image [3, S, S] and its masks [K, S, S] turned by quarters of a circle, half of them mirrored."""
    quarters, mirrored = int(rng.integers(4)), rng.random() < 0.5
    both = (torch.rot90(part, quarters, (1, 2)) for part in (image, mask))
    image, mask = (part.flip(2) if mirrored else part for part in both)
    return image.contiguous(), mask.contiguous()


# ------------------------------------------------------------------ real pictures


def photographed_group(
    rng: np.random.Generator,
    options: PretrainingOptions,
    photographs: Sequence[PictureSet],
    judged: bool = False,
) -> tuple[Tensor, Tensor]:
    """Pictures of a set that show the same classes, or views of one; held out ones as they are (`judged`)."""
    if not photographs:
        raise ValueError("no set of photographs is given")
    size = np.array([min(len(one.pictures), _ENOUGH) for one in photographs], float)
    chosen = photographs[int(rng.choice(len(photographs), p=size / size.sum()))]
    shows = {
        name: [number for number in numbers if chosen.held_out(number) == judged]
        for name, numbers in chosen.by_class.items()
    }
    shows = {name: numbers for name, numbers in shows.items() if len(numbers) > 1 or not judged}
    shows = {name: numbers for name, numbers in shows.items() if numbers}
    # a class to start from, then others that stand on enough of the same pictures
    first = str(rng.choice(sorted(shows)))
    names, together = [first], shows[first]
    for name in rng.permutation(sorted(shows)):
        both = sorted(set(together) & set(shows[name]))
        if name != first and len(names) < options.structures and len(both) >= options.views:
            names, together = [*names, str(name)], both
    names = [names[i % len(names)] for i in range(options.structures)]
    if not judged and (rng.random() < _VIEWS_OF_ONE or len(together) < 2):
        pictures, strength = [int(rng.choice(together))] * options.views, STRONG
    else:
        enough = len(together) >= options.views
        pictures = rng.choice(together, options.views, replace=not enough).tolist()
        strength = None if judged else MILD
    masks = [torch.stack([chosen.mask(name, number) for name in names]) for number in pictures]
    return _views([chosen.picture(number) for number in pictures], masks, rng, strength)


def _views(
    pictures: list[Tensor], masks: list[Tensor], rng: np.random.Generator, strength: Strength | None
) -> tuple[Tensor, Tensor]:
    if strength is None:
        return torch.stack([normalised(picture) for picture in pictures]), torch.stack(masks)
    pairs = [view(p, m, rng, strength) for p, m in zip(pictures, masks, strict=True)]
    images, targets = zip(*pairs, strict=True)
    return torch.stack(images), torch.stack(targets)
