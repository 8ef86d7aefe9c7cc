"""Which of many specimens to take first: by low confidence, and so that those taken are not alike."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def standardised(scores: Values) -> Values:
    """Scores [n, K] of each structure less their mean, by their standard deviation.

    Legs are never found as surely as elytra: what counts is how sure a mask is among those of its
    structure. NaN stays NaN; a structure whose scores are all the same gives 0.
    """
    known = np.isfinite(scores)
    count = np.maximum(known.sum(0), 1)
    centred = scores - np.where(known, scores, 0).sum(0) / count
    spread_ = np.sqrt(np.where(known, centred**2, 0).sum(0) / count)
    return centred / np.where(spread_ > 1e-9, spread_, 1)


def spread(alike: Values, to_templates: Values, weight: Values | None = None) -> list[int]:
    """An order in which each is as unlike the templates and all before it as can be.

    Args:
        alike: [n, n], likeness of the specimens, 1 for the same.
        to_templates: [n], likeness to the most alike template.
        weight: [n], standardised: how much each is wanted for itself; it counts as much as unlikeness.
    """
    nearest = to_templates.astype(float).copy()
    left, order = np.ones(len(nearest), bool), []
    for _ in range(len(nearest)):
        value = -_scaled(nearest)
        if weight is not None:
            value = value + _scaled(weight)
        best = int(np.argmax(np.where(left, value, -np.inf)))
        order.append(best)
        left[best] = False
        nearest = np.maximum(nearest, alike[best])
    return order


def cover(alike: Values, to_templates: Values, weight: Values | None = None) -> list[int]:
    """An order in which each adds most to how alike every specimen is to its nearest template.

    Args:
        alike, to_templates: as of `spread`.
        weight: [n], standardised: specimens of high values count more among those to be covered.
    """
    nearest = to_templates.astype(float).copy()
    counts = np.ones(len(nearest)) if weight is None else np.exp(_scaled(weight))
    left, order = np.ones(len(nearest), bool), []
    for _ in range(len(nearest)):
        gain = (np.maximum(alike, nearest) - nearest) @ counts
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        order.append(best)
        left[best] = False
        nearest = np.maximum(nearest, alike[best])
    return order


def _scaled(values: Values) -> Values:
    apart = values.std()
    return (values - values.mean()) / apart if apart > 1e-9 else values - values.mean()
