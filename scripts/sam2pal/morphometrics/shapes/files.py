"""Points in the files of programs for geometric morphometrics: TPS, MorphoJ, geomorph."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam2pal.io.files import atomic

DECIMALS = 4  # of pixels
MISSING = -1


@dataclass(frozen=True)
class LandmarkConfiguration:
    """The same points on one specimen.

    Attributes:
        points: [n, 2], (x, y) in pixels of the photograph as stored, y down; NaN where missing.
        height: of the photograph, pixels.
        pixels_per_mm: None if not known.
    """

    specimen: str
    image: str
    points: NDArray[np.float64]
    height: int
    pixels_per_mm: float | None

    @property
    def upwards(self) -> NDArray[np.float64]:
        """The points with y upwards from the lower edge of the photograph."""
        return self.points * (1, -1) + (0, self.height)


def write_tps(path: Path, configurations: Sequence[LandmarkConfiguration], fixed: int) -> None:
    """Write TPS (Rohlf): coordinates in pixels, y upwards, SCALE in mm a pixel, missing ones -1 -1.

    Args:
        fixed: the first points are landmarks, those after them one curve of semilandmarks.
    """

    def lines() -> Iterator[str]:
        for one in configurations:
            points = np.where(np.isnan(one.points), MISSING, one.upwards)
            yield f"LM={fixed}"
            yield from _rows(points[:fixed])
            if fixed < len(points):
                yield from ("CURVES=1", f"POINTS={len(points) - fixed}")
                yield from _rows(points[fixed:])
            yield from (f"IMAGE={one.image}", f"ID={one.specimen}")
            if one.pixels_per_mm:
                yield f"SCALE={1 / one.pixels_per_mm:.9g}"
            yield ""

    _write(path, lines())


def write_morphoj(path: Path, configurations: Sequence[LandmarkConfiguration]) -> None:
    """Write a text file for MorphoJ: a row per specimen, tabs, in mm if all scales are known, else in pixels.

    MorphoJ takes no missing points, so points that fewer than half of the specimens have are left out, and
    then specimens that lack one. Columns keep the points' numbers.
    """
    there = np.array([~np.isnan(one.points).any(1) for one in configurations])
    kept = there.mean(0) >= 0.5
    whole = [one for one, has in zip(configurations, there, strict=True) if has[kept].all()]
    known = all(one.pixels_per_mm for one in whole)  # sizes in two units cannot be compared

    def lines() -> Iterator[str]:
        for number, one in enumerate(whole):
            if not number:
                numbers = np.flatnonzero(kept) + 1
                yield "\t".join(["ID", *(f"{axis}{i}" for i in numbers for axis in "XY")])
            scaled = one.upwards[kept] / ((known and one.pixels_per_mm) or 1.0)
            yield "\t".join([one.specimen, *(f"{value:.7g}" for value in scaled.ravel())])

    _write(path, lines())


def columns(points: int) -> dict[str, type]:
    """Columns of the table of the points of one structure, which R reads with `arrayspecs`."""
    known: dict[str, type] = dict.fromkeys(("genus", "round", "specimen"), str)
    known |= {"pixels_per_mm": float}
    return known | {f"{axis}{i}": float for i in range(1, points + 1) for axis in "xy"}


def row(one: LandmarkConfiguration) -> Mapping[str, Any]:
    """The row of a specimen: pixels, y upwards; genus and round are not in it."""
    values = [None if np.isnan(v) else round(float(v), DECIMALS) for v in one.upwards.ravel()]
    names = list(columns(len(one.points)))[4:]
    return {
        "specimen": one.specimen,
        "pixels_per_mm": one.pixels_per_mm,
        **dict(zip(names, values, strict=True)),
    }


def sliders(points: int) -> list[dict[str, int]]:
    """What geomorph's `gpagen` takes as `curves`: each point of the closed outline but the first."""
    return [{"before": i - 1, "slide": i, "after": i % points + 1} for i in range(2, points + 1)]


def _rows(points: NDArray[np.float64]) -> list[str]:
    return [f"{x:.{DECIMALS}f} {y:.{DECIMALS}f}" for x, y in points]


def _write(path: Path, lines: Iterator[str]) -> None:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
