"""What is known of a specimen that was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sam2pal.dataset.corrections import REFUSED
from sam2pal.dataset.dataset import MISSING, State
from sam2pal.dataset.states import DUPLICATE, NO_SPECIMEN, UNREADABLE
from sam2pal.morphometrics.measures.dictionary import (
    ABSENT,
    DOUBTFUL,
    FLAGS,
    HIDDEN,
    IMPLAUSIBLE,
    LOW,
    MEASURED,
    OUTSIDE,
    SPECIMEN,
    UNKNOWN,
)
from sam2pal.morphometrics.measures.intervals import Interval
from sam2pal.morphometrics.measures.scale import Scale

VERDICTS = (*REFUSED, "needs_correction", "", "accepted", *MISSING, "corrected")
"""From the one that needs most care to the one that needs least."""


@dataclass
class MeasureResult:
    """Measures of one structure, of the whole specimen, or one index: all in pixels.

    Attributes:
        intervals: while the threshold moves.
        calibrated: intervals that hold the drawn value.
        predicted: of a mask that a person accepted or corrected, the values before that.
    """

    status: str
    state: str = ""
    source: str = ""
    verdict: str = ""
    confidence: float | None = None
    signals: Mapping[str, float | None] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    calibrated: dict[str, Interval] = field(default_factory=dict)
    predicted: dict[str, float] = field(default_factory=dict)


@dataclass
class Measured:
    """One specimen: results by structure (the whole one under `SPECIMEN`) and by index.

    Attributes:
        as_predicted: the same of its masks before a person accepted or corrected any.
    """

    specimen: str
    scale: Scale
    structures: dict[str, MeasureResult]
    indices: dict[str, MeasureResult]
    reason: str = ""
    quantities: NDArray[np.float32] | None = None
    disordered: list[str] = field(default_factory=list)
    as_predicted: "Measured | None" = None

    @property
    def scale_doubtful(self) -> bool:
        """Whether a person gave a scale that does not fit, so that lengths in millimetres are doubtful."""
        flagged = IMPLAUSIBLE in self.structures[SPECIMEN].flags
        return flagged and self.scale.pixels_per_mm is not None


def combined(results: Sequence[MeasureResult]) -> MeasureResult:
    """Of a value made from several: worst status, lowest confidence, source and verdict of most care."""
    worst = (UNREADABLE, NO_SPECIMEN, DUPLICATE, *REFUSED, UNKNOWN, ABSENT, HIDDEN, LOW, OUTSIDE)
    status = min((result.status for result in results), key=(*worst, DOUBTFUL, MEASURED).index)
    states = ("", UNKNOWN, ABSENT, HIDDEN, OUTSIDE, State.FOUND)
    state = min((result.state for result in results), key=states.index)
    sources = {result.source for result in results}
    source = next((name for name in ("predicted", "corrected", "drawn") if name in sources), "")
    known = [result.confidence for result in results if result.confidence is not None]
    flags = [flag for result in results for flag in result.flags]
    verdicts = [result.verdict for result in results if result.source != "drawn"]
    return MeasureResult(
        status,
        state,
        source,
        min(verdicts, key=VERDICTS.index, default=""),
        min(known) if known else None,
        {},
        list(dict.fromkeys(flags)),
    )


def worst(signals: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The lowest of each signal that all masks have."""
    found: dict[str, float | None] = {}
    for name in signals[0] if signals else ():
        known = [value for of in signals if (value := of.get(name)) is not None]
        found[name] = min(known) if len(known) == len(signals) else None
    return found


def in_order(flags: Sequence[str]) -> list[str]:
    """Flags once each: the known ones in the order of `FLAGS`, then any others by name."""
    return [flag for flag in FLAGS if flag in flags] + sorted(set(flags) - set(FLAGS))
