"""Intervals and tests over specimens.

The unit that is drawn is always the specimen with all its structures, because the structures of
one photograph are not independent. Values come as arrays [n, K, M]: specimens, structures,
measures; NaN where a specimen has no value. "All structures" is the unweighted mean over
structures of each structure's mean over specimens.
"""

import dataclasses
import itertools
import math
import zlib
from collections.abc import Iterator

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]
_CHUNK = 4_000_000  # weights held at a time
_BLOCKS = 4000  # of more specimens than this, random blocks are drawn: as good, and fast
_EXACT = 12  # up to so many specimens all sign flips are tried


@dataclasses.dataclass(frozen=True)
class Means:
    """Means over specimens with bootstrap intervals; each [K + 1, M], the last row all structures."""

    n: NDArray[np.int64]
    mean: Array
    lower: Array
    upper: Array
    replicates: Array


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for what `names` name, whatever else is computed before it."""
    return np.random.default_rng([seed, zlib.crc32("\0".join(names).encode())])


def bootstrap_means(
    values: Array, generator: np.random.Generator, replicates: int, level: float
) -> Means:
    """Means of values [n, K, M] over specimens, with expanded percentile intervals.

    The percentiles are moved outwards as Student's t is wider than the normal distribution, since
    plain ones are too narrow for few specimens (Hesterberg 2015, American Statistician 69: 371).
    One specimen gives no interval (NaN).
    """
    values = _three_dimensional(values)
    valid = np.isfinite(values)
    counts = _with_all_n(valid)
    flat, known = _flat(values, valid, generator)
    drawn = [
        _with_all(_divide(weights @ flat, weights @ known), values.shape[1:])
        for weights in _weights(len(flat), replicates, generator)
    ]
    boot = np.concatenate(drawn) if drawn else np.full((0, *counts.shape), np.nan)
    mean = _with_all(_divide(flat.sum(0), known.sum(0))[None], values.shape[1:])[0]
    lower, upper = percentile_interval(boot, counts, level)
    return Means(counts, mean, lower, upper, boot)


def percentile_interval(
    boot: Array, counts: NDArray[np.int64], level: float
) -> tuple[Array, Array]:
    """Expanded percentile interval of replicates [B, ...] of means over `counts` [...] values."""
    lower, upper = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    for index in np.ndindex(counts.shape):
        count, sample = int(counts[index]), boot[(slice(None), *index)]
        sample = sample[np.isfinite(sample)]
        if count < 2 or not len(sample):
            continue
        t = scipy.special.stdtrit(count - 1, (1 - level) / 2)
        tail = float(scipy.special.ndtr(np.sqrt(count / (count - 1)) * t))
        lower[index], upper[index] = np.quantile(sample, [tail, 1 - tail])
    return lower, upper


def sign_flip_p(changes: Array, generator: np.random.Generator, replicates: int) -> Array:
    """Two-sided p of "the mean change is zero" for paired changes [n, K, M]: [K + 1, M], the last for all.

    The sign of all changes of a specimen is flipped together: all 2^n ways for up to 12 specimens,
    otherwise at random. With five specimens no p is below 2/32: they never suffice at 0.05.
    """
    changes = _three_dimensional(changes)
    shape = changes.shape[1:]
    flat, known = _flat(changes, np.isfinite(changes), generator)
    n, counts = len(flat), known.sum(0)
    observed = _with_all(_divide(flat.sum(0), counts)[None], shape)[0]
    exceeding, tried = np.zeros_like(observed), 0
    for signs in _signs(n, replicates, generator):
        flipped = _with_all(_divide(signs @ flat, counts[None]), shape)
        exceeding += np.sum(np.abs(flipped) >= np.abs(observed) - 1e-12, axis=0)
        tried += len(signs)
    p = exceeding / tried if n <= _EXACT else (exceeding + 1) / (tried + 1)
    return np.where(np.isfinite(observed), p, np.nan)


def holm(p: Array) -> Array:
    """Holm's adjustment of p values [k] for their number; NaN stays NaN and does not count."""
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    order = [i for i in np.argsort(p, kind="stable") if np.isfinite(p[i])]
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p[i]))
        adjusted[i] = running
    return adjusted


def crossed_means(
    values: Array,
    draws: NDArray[np.int64],
    generator: np.random.Generator,
    replicates: int,
    level: float,
) -> Means:
    """Means of values [R, n, K, M] of R runs on the same specimens, with both sources of chance.

    Template draws and specimens are resampled at the same time (Owen 2007, Annals of Applied
    Statistics 1: 386), so the interval covers another choice of templates as well as other
    specimens. Runs that share a template draw (seeds) stay together and share its weight. To compare
    two variants give the differences of their runs.

    Args:
        draws: the template draw of each run [R].

    Returns:
        as `bootstrap_means`; `n` counts specimens, and the interval is widened for the smaller
        of the numbers of specimens and draws. One draw alone gives no interval.
    """
    runs, n, structures, measures = values.shape
    labels, draw_of = np.unique(draws, return_inverse=True)
    share = 1 / np.bincount(draw_of)[draw_of]  # a draw counts once, however many seeds it has
    valid = np.isfinite(values)
    by_specimen = np.moveaxis(np.where(valid, values, 0.0), 0, 1).reshape(n, -1)
    known = np.moveaxis(valid, 0, 1).reshape(n, -1).astype(float)
    shape = (-1, runs, structures * measures)
    boot = []
    for weights in _weights(n, replicates, generator):
        per_draw = generator.multinomial(
            len(labels), np.full(len(labels), 1 / len(labels)), size=len(weights)
        )
        run_weights = (per_draw[:, draw_of] * share)[:, :, None]
        sums = ((weights @ by_specimen).reshape(shape) * run_weights).sum(1)
        counts = ((weights @ known).reshape(shape) * run_weights).sum(1)
        boot.append(_with_all(_divide(sums, counts), (structures, measures)))
    sums, counts = by_specimen.sum(0).reshape(shape[1:]), known.sum(0).reshape(shape[1:])
    mean = _with_all(_divide(share @ sums, share @ counts)[None], (structures, measures))[0]
    specimens = _with_all_n(valid.any(axis=0))
    replicate = np.concatenate(boot)
    lower, upper = percentile_interval(replicate, np.minimum(specimens, len(labels)), level)
    return Means(specimens, mean, lower, upper, replicate)


def _three_dimensional(values: Array) -> Array:
    values = np.asarray(values, float)
    return values.reshape(values.shape + (1,) * (3 - values.ndim))


def _flat(
    values: Array, valid: NDArray[np.bool_], generator: np.random.Generator
) -> tuple[Array, Array]:
    """Sums and numbers of the values of each specimen, or of random blocks of many specimens."""
    n = len(values)
    sums = np.where(valid, values, 0.0).reshape(n, math.prod(values.shape[1:]))
    counts = valid.reshape(sums.shape).astype(float)
    if n <= _BLOCKS:
        return sums, counts
    order = generator.permutation(n)
    starts = np.arange(_BLOCKS) * n // _BLOCKS
    return np.add.reduceat(sums[order], starts), np.add.reduceat(counts[order], starts)


def _divide(sums: Array, counts: Array) -> Array:
    counts = np.broadcast_to(counts, sums.shape)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def _with_all(means: Array, shape: tuple[int, int]) -> Array:
    """Append the mean over structures to means [B, K * M], giving [B, K + 1, M]."""
    means = means.reshape(-1, *shape)
    known = np.isfinite(means)
    everything = _divide(np.where(known, means, 0.0).sum(1), known.sum(1).astype(float))
    return np.concatenate([means, everything[:, None]], axis=1)


def _with_all_n(valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([valid.sum(0), valid.any(axis=1).sum(0)[None]]).astype(np.int64)


def _weights(n: int, replicates: int, generator: np.random.Generator) -> Iterator[Array]:
    """How often each of n specimens is drawn, in chunks [b, n] of all replicates."""
    if n == 0:
        return
    step = max(1, _CHUNK // n)
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        yield generator.multinomial(n, np.full(n, 1 / n), size=size).astype(float)


def _signs(n: int, replicates: int, generator: np.random.Generator) -> Iterator[Array]:
    if n <= _EXACT:
        yield np.array(list(itertools.product((1.0, -1.0), repeat=n))).reshape(2**n, n)
        return
    step = max(1, _CHUNK // n)
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        yield generator.integers(0, 2, size=(size, n)) * 2.0 - 1.0
