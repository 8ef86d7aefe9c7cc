"""The specimens of a collection with all that is known of them, each photograph encoded once for all runs."""

import hashlib
import re
from functools import cache
from pathlib import Path

import numpy as np
import torch

from sam2pal.coco import Template
from sam2pal.errors import InputError
from sam2pal.images import Photograph, read_photograph
from sam2pal.palindrome import View
from sam2pal.real import read_collection
from sam2pal.specimens import OK, Specimen
from sam2pal.tracker import Features, Tracker
from sam2pal.training import Data, encode_drawn, encode_template


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
            raise InputError(
                f"{folder}: needs annotated specimens with even and with odd numbers"
            )
        self._tracker, self.device = tracker, device
        files = [folder / "annotations.json", *(Path(s.path) for s in specimens)]
        self.digest = hashlib.sha256(
            b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)
        ).hexdigest()[:12]
        # on the instance, so that the features go when the collection goes
        for method in ("drawn", "_photograph", "_template"):
            setattr(self, method, cache(getattr(self, method)))

    def draw(self, templates: int, draw: int, seed: int) -> list[int]:
        """Positions among `tune` of the templates of a draw: specimens that show every structure.

        Raises:
            InputError: there are fewer such specimens.
        """
        complete = [i for i in range(len(self.tune)) if self._shows_all(i)]
        if len(complete) < templates:
            raise InputError(
                f"{self.folder}: only {len(complete)} specimens with an even number show every structure; "
                f"{templates} templates cannot be drawn"
            )
        rng = np.random.default_rng([seed, templates, draw])
        return sorted(rng.choice(complete, templates, replace=False).tolist())

    def _shows_all(self, position: int) -> bool:
        view = self.drawn(position)
        return bool((view.known & (view.masks.flatten(2).amax(2) > 0.5)).all())

    def drawn(self, position: int) -> View:
        """A specimen of `tune` as photographed."""
        return encode_drawn(self._tracker, self.tune[position], self.structures, self.device)

    def data(self, positions: list[int], views: int, seed: int) -> Data:
        """What a training with these templates looks at; the other specimens of `tune` are its pool."""
        encoded = [self._template(position, views, seed) for position in positions]
        drawn, others, unseen = (View.cat(part) for part in zip(*encoded, strict=True))
        pool = [i for i in range(len(self.tune)) if i not in positions] or positions
        features = Features.cat([self.drawn(i).features for i in pool])
        return Data(drawn, others, unseen, features)

    def listed(self, specimen: Template) -> tuple[Specimen, Photograph]:
        """A specimen as a shard has it."""
        size = specimen.width, specimen.height
        listed = Specimen(specimen.specimen, specimen.path, 0, 0, *size, "", OK, "")
        return listed, self._photograph(specimen.path)

    def _photograph(self, path: str) -> Photograph:
        return read_photograph(path)

    def _template(self, position: int, views: int, seed: int) -> tuple[View, View, View]:
        where = (seed, 3, position)
        return encode_template(
            self._tracker, self.tune[position], self.structures, views, where, self.device
        )


def _number(specimen: Template, folder: Path) -> int:
    digits = re.findall(r"\d+", specimen.specimen)
    if not digits:
        raise InputError(
            f"{folder}: the name of specimen '{specimen.specimen}' has no number, by which specimens are "
            "divided into those that are trained on and those that are scored"
        )
    return int(digits[-1])
