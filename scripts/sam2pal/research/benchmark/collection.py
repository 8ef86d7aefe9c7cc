"""The specimens of a collection with all that is known of them, each photograph encoded once for all runs."""

import hashlib
import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, Dataset
from sam2pal.io.errors import InputError
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.training.data import Data, prepare, square_of_training


def read_collection(folder: Path, name: str) -> list[AnnotatedSpecimen]:
    """The annotated specimens of a COCO file whose photographs lie in `folder/images`."""
    specimens = Dataset(folder / name, source="drawn").specimens
    return [replace(one, path=str(folder / "images" / one.file_name)) for one in specimens]


class Collection:
    """Annotated specimens: those with an even number may be trained on, those with an odd one are scored.

    Args:
        folder: holds `images/` and `annotations.json`.
        tracker: of the model before training; its encoder is frozen, so its features serve all runs.
        score: `odd`, or `even` to choose settings without a look at the odd ones: the specimens that are
            trained on unlabelled are then scored.

    Attributes:
        tune: specimens whose number is even.
        scored: those that are scored, if they are not among the templates.
        digest: of the annotations and the photographs.

    Raises:
        InputError: it has no annotated specimen of one of both kinds, or one without a number.
    """

    def __init__(
        self,
        folder: Path,
        structures: list[str],
        tracker: Tracker,
        device: torch.device,
        score: str = "odd",
    ) -> None:
        specimens = read_collection(folder, "annotations.json")
        parity = [_number(specimen, folder) % 2 for specimen in specimens]
        self.folder, self.structures = folder, structures
        self.tune = [s for s, odd in zip(specimens, parity, strict=True) if not odd]
        odd = [s for s, odd in zip(specimens, parity, strict=True) if odd]
        self.scored = self.tune if score == "even" else odd
        if not self.tune or not odd:
            raise InputError(f"{folder}: needs annotated specimens with even and with odd numbers")
        self._tracker, self.device = tracker, device
        files = [folder / "annotations.json", *(Path(s.path) for s in specimens)]
        self.digest = hashlib.sha256(
            b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)
        ).hexdigest()[:12]
        # on the instance: it goes when the collection goes
        self._shows_all = cache(self._shows_all)

    def draw(self, templates: int, draw: int, seed: int) -> list[int]:
        """Positions among `tune` of the templates of a draw: specimens that show every structure.

        No two draws are of the same templates as long as there are others.

        Raises:
            InputError: there are fewer such specimens.
        """
        complete = [i for i in range(len(self.tune)) if self._shows_all(i)]
        if len(complete) < templates:
            raise InputError(
                f"{self.folder}: only {len(complete)} specimens with an even number show every structure; "
                f"{templates} templates cannot be drawn"
            )
        drawn: set[tuple[int, ...]] = set()
        for number in range(1, draw + 1):
            if len(drawn) == math.comb(len(complete), templates):
                drawn.clear()
            rng = np.random.default_rng([seed, templates, number])
            while True:
                chosen = tuple(sorted(rng.choice(complete, templates, replace=False).tolist()))
                if chosen not in drawn:
                    break
            drawn.add(chosen)
        return list(chosen)

    def _shows_all(self, position: int) -> bool:
        """Whether it has every structure, large enough for a training to follow."""
        side = self._tracker.image_size
        one = TemplateSet.read([self.tune[position]], self.structures, side, aligned=False)
        seen = torch.nn.functional.avg_pool2d(one.masks[0], 4).flatten(1).amax(1) > 0.5
        return bool((one.annotated[0] & seen).all())

    def data(self, positions: list[int], options: TrainingOptions, seed: int) -> Data:
        """What a training with these templates looks at; the other specimens of `tune` are its pool."""
        chosen = [self.tune[i] for i in positions]
        side = square_of_training(options, self.structures, self._tracker.image_size)
        aligned = len(options.turns) > 1
        templates = TemplateSet.read(chosen, self.structures, side, aligned=aligned)
        pool = [specimen.path for i, specimen in enumerate(self.tune) if i not in positions]
        pool = pool or [specimen.path for specimen in self.tune]  # nothing is left unlabelled
        return prepare(self._tracker, templates, pool, options, seed)


def _number(specimen: AnnotatedSpecimen, folder: Path) -> int:
    digits = re.findall(r"\d+", specimen.specimen)
    if not digits:
        raise InputError(
            f"{folder}: the name of specimen '{specimen.specimen}' has no number, by which specimens are "
            "divided into those that are trained on and those that are scored"
        )
    return int(digits[-1])
