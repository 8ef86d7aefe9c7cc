"""Which of the structures that claim a pixel of a photograph gets it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log

import numpy as np

from sam2pal.dataset.runs import Runs
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import Photograph
from sam2pal.model.loading import letterbox_of
from sam2pal.segmentation.level_sets import Likelihood, LogitSurface
from sam2pal.segmentation.signals import Grid, contrasts
from sam2pal.segmentation.tracking import Outcome

# times the logarithm of a structure's area, taken off its logits where rivals claim the same pixel: a pixel
# more or less changes the IoU of a small structure more
HANDICAP = 0.5


@dataclass(frozen=True)
class TrackedPhotograph:
    """What was tracked on a photograph.

    Attributes:
        box: of the photograph on the model's square.
        cells: logits on the grid of signals, [F, s, s].
        place: of each structure among the logits.
        told: logits of each as the model gives them.
        fitted: the same, fitted to the picture; as the model gives them, if they were not.
        contrasts: [F], None where there is none.
    """

    photograph: Photograph
    outcome: Outcome
    box: Letterbox
    cells: np.ndarray
    place: Mapping[str, int]
    told: Mapping[str, LogitSurface]
    fitted: Mapping[str, LogitSurface]
    contrasts: Sequence[float | None]

    @classmethod
    def of(
        cls, photograph: Photograph, outcome: Outcome, followed: Sequence[str]
    ) -> "TrackedPhotograph":
        box = letterbox_of(photograph, outcome.square)
        known = [True] * len(followed) if outcome.known is None else outcome.known
        place = {name: i for i, name in enumerate(followed) if known[i]}

        def over(logits: np.ndarray) -> dict[str, LogitSurface]:
            return {name: LogitSurface.over(logits[i], box) for name, i in place.items()}

        told = over(outcome.logits)
        fitted = told if outcome.fitted is None else over(outcome.fitted)
        apart, cells = [None] * len(followed), outcome.cells
        if outcome.colours is not None:
            apart = contrasts(outcome.colours, cells > 0)
        return cls(photograph, outcome, box, cells, place, told, fitted, apart)

    @cached_property
    def handicap(self) -> dict[str, float]:
        """Of each structure's logits where rivals claim the same pixel."""
        areas = {name: int((surface.values > 0).sum()) for name, surface in self.fitted.items()}
        return {name: HANDICAP * log(max(1, area)) for name, area in areas.items()}


@dataclass(frozen=True)
class Claim:
    """A structure that was tracked, and the rivals with which it shares no pixel.

    Attributes:
        rivals: those that were tracked; the larger logit wins.
        taken: pixels of those that were drawn.
        likely: probability above which a rival is likely.
    """

    tracked: TrackedPhotograph
    name: str
    rivals: Sequence[str]
    taken: tuple[Runs, ...]
    likely: float = 0.5

    @property
    def ahead(self) -> tuple[float, ...]:
        """What is added to the logits of each rival where it is likely."""
        handicap = self.tracked.handicap
        return tuple(handicap[self.name] - handicap[rival] for rival in self.rivals)

    @cached_property
    def told(self) -> Likelihood:
        """By the model's own logits."""
        return self._likelihood(self.tracked.told)

    @cached_property
    def fitted(self) -> Likelihood:
        """By those that were fitted to the picture, if they were."""
        of = self.tracked
        return self.told if of.fitted is of.told else self._likelihood(of.fitted)

    def _likelihood(self, surfaces: Mapping[str, LogitSurface]) -> Likelihood:
        place = self.tracked.place
        # of equal logits the first one wins
        first = sum(place[rival] < place[self.name] for rival in self.rivals)
        others = tuple(surfaces[rival] for rival in self.rivals)
        return Likelihood(surfaces[self.name], others, first, self.taken, self.ahead, self.likely)

    def cells(self) -> tuple[Grid, list[Grid]]:
        """Logits of the structure and of its rivals on the grid of signals."""
        cells, place = self.tracked.cells, self.tracked.place
        of_rivals = [cells[place[rival]] for rival in self.rivals]
        leads = zip(of_rivals, self.ahead, strict=True)
        return cells[place[self.name]], [of + lead * (of > 0) for of, lead in leads]
