"""How one measure grows with another: straight lines on logarithmic axes."""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

COLUMNS = {
    **dict.fromkeys(("genus", "round", "x", "y", "unit_x", "unit_y"), str),
    "n": int,
    **dict.fromkeys(("slope", "slope_low", "slope_high", "intercept", "r"), float),
    **dict.fromkeys(("reduced_slope", "reduced_low", "reduced_high"), float),
}
"""Columns of the table of allometries."""
LEVEL = 0.95  # coverage of the intervals


@dataclass(frozen=True)
class Allometry:
    """log10 y = intercept + slope log10 x.

    Attributes:
        slope, slope_low, slope_high: least squares slope and its interval (Student's t).
        reduced_slope, reduced_low, reduced_high: slope of the reduced major axis, sd(y) / sd(x) with
            the sign of r, which treats both measures alike, and its interval (McArdle 1988).
    """

    n: int
    slope: float
    slope_low: float
    slope_high: float
    intercept: float
    r: float
    reduced_slope: float
    reduced_low: float
    reduced_high: float


def allometry(x: NDArray, y: NDArray) -> Allometry | None:
    """Fit the allometry of paired values; None if there are fewer than three different ones.

    Args:
        x, y: [n]; pairs that are not both positive and finite are left out.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    good = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    x, y = np.log10(x[good]), np.log10(y[good])
    n = len(x)
    if n < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    # `scipy.stats` has this line and these quantiles, but takes a second to import
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    reduced = math.copysign(float(y.std() / x.std()), r)
    slope = abs(r) * reduced
    t = scipy.special.stdtrit(n - 2, (1 + LEVEL) / 2)
    half = t * abs(reduced) * math.sqrt((1 - r**2) / (n - 2))
    b = scipy.special.fdtri(1, n - 2, LEVEL) * (1 - r**2) / (n - 2)
    low, high = sorted(reduced * (math.sqrt(b + 1) + sign * math.sqrt(b)) for sign in (-1, 1))
    slopes = (float(slope + sign * half) for sign in (0, -1, 1))
    return Allometry(n, *slopes, float(y.mean() - slope * x.mean()), r, reduced, low, high)
