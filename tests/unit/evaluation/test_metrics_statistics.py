"""Bootstrap, sign flips and calibration against their definitions."""

import itertools

import numpy as np
import pytest
from scipy import stats

from sam2pal.evaluation.bootstrap import (
    bootstrap_means,
    crossed_means,
    holm,
    percentile_interval,
    sign_flip_p,
)
from sam2pal.evaluation.calibration import (
    auroc,
    auroc_interval,
    brier_skill,
    expected_calibration_error,
    reliability,
    spearman,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_means_over_specimens_and_structures():
    values = np.array([[0.2, 0.9], [0.4, np.nan], [0.6, 0.5]])
    means = bootstrap_means(values, rng(), 2000, 0.95)
    assert means.n[:, 0].tolist() == [3, 2, 3]
    assert means.mean[:, 0] == pytest.approx([0.4, 0.7, 0.55])
    assert np.all(means.lower <= means.mean) and np.all(means.mean <= means.upper)
    alone = bootstrap_means(values[:1], rng(), 2000, 0.95)
    assert alone.mean[:, 0] == pytest.approx([0.2, 0.9, 0.55])
    assert np.isnan(alone.lower).all() and np.isnan(alone.upper).all()


def test_the_bootstrap_is_that_of_a_loop():
    values = rng(3).normal(0.7, 0.1, (40, 2))
    means = bootstrap_means(values, rng(1), 4000, 0.95)
    loop, generator = [], rng(5)
    for _ in range(4000):
        drawn = values[generator.choice(40, 40)]
        loop.append([*drawn.mean(0), drawn.mean()])
    loop = np.array(loop)
    assert means.replicates[:, :, 0].std(0) == pytest.approx(loop.std(0), rel=0.05)
    lower, upper = percentile_interval(loop, np.full(3, 40), 0.95)
    assert means.lower[:, 0] == pytest.approx(lower, abs=0.004)
    assert means.upper[:, 0] == pytest.approx(upper, abs=0.004)
    # all structures together: less spread than one, as they are independent here
    assert loop.std(0)[2] < loop.std(0)[:2].min()


def test_many_specimens_are_drawn_in_blocks():
    values = rng(6).normal(0.7, 0.1, (9001, 2))
    values[::3, 1] = np.nan
    means = bootstrap_means(values, rng(), 1000, 0.95)
    assert means.n[:, 0].tolist() == [9001, 6000, 9001]
    assert means.mean[:2, 0] == pytest.approx(np.nanmean(values, axis=0))
    error = 0.1 / np.sqrt([9001, 6000])
    assert means.upper[:2, 0] - means.lower[:2, 0] == pytest.approx(2 * 1.96 * error, rel=0.1)
    change = rng(8).normal(0.0022, 0.1, 9001)
    p = sign_flip_p(change, rng(), 2000)[0, 0]
    assert p == pytest.approx(stats.ttest_1samp(change, 0).pvalue, abs=0.03)


def test_structures_of_a_specimen_are_drawn_together():
    column = rng(2).normal(0.6, 0.2, (30, 1))
    means = bootstrap_means(np.repeat(column, 5, axis=1), rng(), 2000, 0.95)
    assert means.lower[:, 0] == pytest.approx(means.lower[0, 0])
    assert means.upper[-1, 0] == pytest.approx(means.upper[0, 0])


def test_intervals_cover_the_truth_also_for_few_specimens():
    covered = {5: 0, 30: 0}
    for n in covered:
        for seed in range(300):
            values = rng([n, seed]).normal(0.7, 0.1, (n, 1))
            means = bootstrap_means(values, rng(seed), 500, 0.95)
            covered[n] += means.lower[0, 0] <= 0.7 <= means.upper[0, 0]
    # three standard errors of 300 trials are 0.038; plain percentiles reach about 0.84 with five
    assert all(0.90 <= hits / 300 <= 0.985 for hits in covered.values()), covered


def test_sign_flips_are_exact_for_few_specimens():
    change = np.array([0.1, 0.2, -0.05, 0.3, 0.15])
    observed = abs(change.mean())
    flips = [np.mean(change * s) for s in itertools.product((1, -1), repeat=5)]
    expected = np.mean([abs(value) >= observed - 1e-12 for value in flips])
    assert sign_flip_p(change, rng(), 10_000)[0, 0] == expected == 4 / 32
    assert sign_flip_p(np.full(5, 0.2), rng(), 10_000)[0, 0] == 2 / 32
    assert sign_flip_p(np.zeros(5), rng(), 10_000)[0, 0] == 1


def test_sign_flips_at_random_agree_with_a_t_test():
    change = rng(7).normal(0.02, 0.05, (60, 3, 1))
    p = sign_flip_p(change, rng(), 10_000)
    expected = stats.ttest_1samp(change[:, :, 0], 0).pvalue
    assert p[:3, 0] == pytest.approx(expected, abs=0.015)
    assert p[3, 0] == pytest.approx(stats.ttest_1samp(change.mean((1, 2)), 0).pvalue, abs=0.015)


def test_no_change_is_rarely_called_a_change():
    calls = 0
    for seed in range(300):
        change = rng([9, seed]).normal(0, 0.1, (10, 1))
        calls += sign_flip_p(change, rng(), 10_000)[0, 0] < 0.05
    assert calls <= 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95)


def test_holm():
    assert holm([0.01, 0.04, 0.03, np.nan]).tolist()[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert np.isnan(holm([np.nan, 0.2])[0]) and holm([np.nan, 0.2])[1] == 0.2


def test_template_draws_widen_the_interval():
    generator = rng(4)
    of_draw = np.repeat(generator.normal(0, 0.1, 5), 3)[:, None, None]
    runs = 0.05 + of_draw + generator.normal(0, 0.01, (15, 40, 2))
    draws = np.repeat(np.arange(5), 3)
    crossed = crossed_means(runs[..., None], draws, rng(), 2000, 0.95)
    assert crossed.mean[:, 0] == pytest.approx([*runs.mean((0, 1)), runs.mean()])
    assert crossed.n[:, 0].tolist() == [40, 40, 40]
    only_specimens = bootstrap_means(runs.mean(0), rng(), 2000, 0.95)
    width = (crossed.upper - crossed.lower)[-1, 0]
    assert width > 10 * (only_specimens.upper - only_specimens.lower)[-1, 0]
    # draws dominate here: the interval is about that of Student's t over the five draws
    by_draw = runs.reshape(5, -1).mean(1)
    assert width == pytest.approx(2 * 2.776 * by_draw.std(ddof=1) / np.sqrt(5), rel=0.35)
    # a draw that has more seeds than the others weighs no more
    more = np.concatenate([runs, runs[:3]])[..., None]
    uneven = crossed_means(more, np.concatenate([draws, draws[:3]]), rng(), 2000, 0.95)
    assert uneven.mean == pytest.approx(crossed.mean) and uneven.lower == pytest.approx(
        crossed.lower
    )
    single = crossed_means(runs[:3, ..., None], draws[:3], rng(), 2000, 0.95)
    assert np.isnan(single.lower).all()


def slow_auroc(warning, bad):
    wins = [(b > g) + 0.5 * (b == g) for b in warning[bad] for g in warning[~bad]]
    return np.mean(wins)


def test_auroc_counts_pairs():
    generator = rng(11)
    bad = generator.random(60) < 0.3
    warning = np.round(bad * 0.4 + generator.normal(0, 0.5, 60), 1)  # with ties
    assert auroc(warning, bad) == pytest.approx(slow_auroc(warning, bad))
    assert auroc(bad.astype(float), bad) == 1
    assert auroc(np.zeros(60), bad) == 0.5
    assert np.isnan(auroc(warning, np.zeros(60, bool)))


def test_auroc_interval_against_a_bootstrap_over_specimens():
    generator = rng(12)
    specimen = np.repeat(np.arange(80), 4)
    hard = np.repeat(generator.normal(0, 1, 80), 4)
    bad = hard + generator.normal(0, 0.7, 320) > 0.8
    warning = hard + generator.normal(0, 1.0, 320)
    lower, upper = auroc_interval(warning, bad, specimen, 0.95)
    boot = []
    for _ in range(1500):
        rows = (generator.integers(0, 80, 80)[:, None] * 4 + np.arange(4)).ravel()
        boot.append(auroc(warning[rows], bad[rows]))
    assert [lower, upper] == pytest.approx(np.quantile(boot, [0.025, 0.975]), abs=0.015)
    narrower = auroc_interval(warning, bad, np.arange(320), 0.95)
    assert narrower[1] - narrower[0] < 0.9 * (upper - lower)
    assert np.isnan(auroc_interval(bad.astype(float), bad, specimen, 0.95)).all()


@pytest.mark.parametrize("count", [2, 3, 20])
def test_auroc_interval_of_one_mask_a_specimen_is_delongs(count):
    warning, bad = rng(13).normal(0, 1, 50), np.arange(50) < count
    wins = (warning[bad][:, None] > warning[~bad]).astype(float)
    variance = wins.mean(1).var(ddof=1) / count + wins.mean(0).var(ddof=1) / (50 - count)
    area = wins.mean()
    reach = 1.959964 * np.sqrt(variance) / (area * (1 - area))
    ends = [1 / (1 + np.exp(sign * reach - np.log(area / (1 - area)))) for sign in (1, -1)]
    assert auroc_interval(warning, bad, np.arange(50), 0.95) == pytest.approx(ends, rel=1e-5)
    one_specimen = np.maximum(np.arange(50), count)  # has all bad masks
    assert np.isnan(auroc_interval(warning, bad, one_specimen, 0.95)).all()


def test_reliability_and_calibration_error():
    confidence = np.array([0.05, 0.95, 1.0, 0.91, 0.55])
    good = np.array([False, True, True, False, False])
    table = reliability(confidence, good, 10)
    assert [(row["low"], row["n"]) for row in table] == [(0.0, 1), (0.5, 1), (0.9, 3)]
    assert table[-1]["share_good"] == pytest.approx(2 / 3)
    expected = (0.05 + 0.55 + 3 * abs(2.86 / 3 - 2 / 3)) / 5
    assert expected_calibration_error(confidence, good, 10) == pytest.approx(expected)
    assert np.isnan(expected_calibration_error(confidence * 5, good, 10))


def test_brier_skill():
    good = np.array([True, True, False, False])
    assert brier_skill(good.astype(float), good) == 1
    assert brier_skill(np.full(4, 0.5), good) == pytest.approx(0)
    assert brier_skill(np.array([0.9, 0.7, 0.2, 0.4]), good) == pytest.approx(1 - 0.075 / 0.25)
    assert np.isnan(brier_skill(np.full(4, 0.5), np.ones(4, bool)))


def test_spearman():
    confidence = np.array([0.1, 0.4, 0.3, 0.9])
    assert spearman(confidence, confidence**3) == pytest.approx(1)
    assert spearman(confidence, np.array([1.0, 3, 2, 0])) == pytest.approx(-0.2)
    assert np.isnan(spearman(np.ones(4), confidence))
