"""Which outlines and landmarks are written for geometric morphometrics."""

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictInt, model_validator

from sam2pal.config.fields import Name, Names, Share, options, unique
from sam2pal.io.spelling import nearest

Pair = Annotated[list[Name], Field(min_length=2, max_length=2), AfterValidator(unique)]


@options
class OutlineOptions:
    """Outlines and landmarks for geometric morphometrics, in `results/{genus}/shapes/`."""

    points: StrictInt = Field(64, ge=8, le=1000)
    """semilandmarks on an outline"""
    harmonics: StrictInt = Field(12, ge=1, le=100)
    """elliptic Fourier harmonics"""
    structures: Names = Field(default_factory=list)
    """structures whose outlines are written; if empty, all but those of `measurement.curved`.
    Only a structure in one piece has an outline"""
    axis: Pair | None = None
    """the front and the rear structure; `none` takes the first and the last of
    `measurement.body`"""
    pairs: list[Pair] = Field(default_factory=list)
    """pairs of a left and a right structure, such as `[left_wing, right_wing]`, whose areas are
    compared"""
    landmark_confidence: Share = 0.9
    """least confidence of a landmark that is taken over from templates: one below is missing in the files for
    TPS and MorphoJ; `landmarks.csv` has it"""

    @model_validator(mode="after")
    def _points_carry_harmonics(self) -> Self:
        if 2 * self.harmonics > self.points:
            raise ValueError(
                f"harmonics is {self.harmonics}, which needs {2 * self.harmonics} points or more, but points "
                f"is {self.points}; change one of them"
            )
        return self

    def ends(self, body: Sequence[str]) -> tuple[str, str]:
        """The front and the rear structure."""
        front, *_, rear = self.axis or body
        return front, rear

    def outlined(self, structures: Iterable[str], curved: Collection[str]) -> list[str]:
        """The structures whose outlines are written."""
        return self.structures or [name for name in structures if name not in curved]


def outline_problems(
    outlines: OutlineOptions, body: Sequence[str], structures: Collection[str]
) -> list[str]:
    """A line for each name that is no structure, and one if nothing says where forwards is."""
    problems = []
    named = {"structures": outlines.structures, "axis": outlines.axis or ()}
    named["pairs"] = [name for pair in outlines.pairs for name in pair]
    for key, names in named.items():
        problems += [
            f"outlines: {key}: unknown structure '{name}'{nearest(name, structures)}; known: "
            f"{', '.join(structures)}"
            for name in names
            if name not in structures
        ]
    if outlines.axis is None and len(body) < 2:
        problems.append(
            "outlines: the front and the rear structure are not known; write `axis: [FRONT, REAR]` with their"
            " names"
        )
    return problems
