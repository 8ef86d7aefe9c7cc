"""The options of evaluation, the section `evaluation` of the configuration."""

import dataclasses
import zlib

import numpy as np


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """How masks are scored and how scores are summarised.

    Attributes:
        boundary_tolerance: how far apart two boundary pixels may lie and still count as the same
            boundary, as a fraction of the photograph's diagonal (never less than one pixel).
        unannotated: what a truth file means that says nothing about a structure of a photograph it
            lists: `unknown` (not scored, counted) or `absent` (an empty truth).
        good_iou: summaries give the share of specimens whose IoU is at least this.
        bad_iou: a confidence is judged by how well it tells masks with an IoU below this.
        bins: number of equally wide bins of a confidence in the reliability table.
        replicates: bootstrap replicates, and random sign flips where not all can be tried.
        level: coverage of intervals; a change with p < 1 - level may count as more than noise.
        seed: of the bootstrap.
    """

    boundary_tolerance: float = 0.008
    unannotated: str = "unknown"
    good_iou: float = 0.75
    bad_iou: float = 0.5
    bins: int = 10
    replicates: int = 2000
    level: float = 0.95
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("boundary_tolerance", "good_iou", "bad_iou", "level"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{name} is {value!r}; give a number")
        for name in ("bins", "replicates", "seed"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError(f"{name} is {value!r}; give a whole number")
        if not 0 < self.boundary_tolerance < 1:
            raise ValueError(
                f"boundary_tolerance is {self.boundary_tolerance}; it is a fraction of the "
                "photograph's diagonal, between 0 and 1"
            )
        if self.unannotated not in ("unknown", "absent"):
            raise ValueError(f"unannotated is {self.unannotated!r}; give unknown or absent")
        if not 0 <= self.good_iou <= 1 or not 0 <= self.bad_iou <= 1:
            raise ValueError("good_iou and bad_iou lie between 0 and 1")
        if not 0 < self.level < 1:
            raise ValueError(f"level is {self.level}; it lies between 0 and 1, such as 0.95")
        if self.bins < 2 or self.replicates < 100 or self.seed < 0:
            raise ValueError("at least 2 bins, 100 replicates and a seed that is not negative")

    def generator(self, *names: str) -> np.random.Generator:
        """A generator of its own for what `names` name, whatever else is computed before it."""
        return np.random.default_rng([self.seed, zlib.crc32("\0".join(names).encode())])
