"""morphometrics: intervals that hold the drawn value."""

import math

import pytest

from sam2pal.morphometrics.measures import calibrated as module
from sam2pal.morphometrics.measures.calibrated import (
    COLUMNS,
    TABLE,
    TRAINED,
    UNTRAINED,
    calibrated,
    features,
)

SURE = {"predicted_iou": 0.95, "object_score": 1.0, "mean_probability": 0.9}
UNSURE = {"predicted_iou": 0.5, "object_score": 0.8, "mean_probability": 0.7}


@pytest.fixture
def lines(tmp_path, monkeypatch):
    path = tmp_path / "calibrated.tsv"
    rows = [
        "\t".join(COLUMNS),
        "untrained\tstructure\tarea\tlow\t0.1\t-1\t0\t-1\t0",
        "untrained\tstructure\tarea\thigh\t-0.5\t1\t0\t0\t2",
    ]
    path.write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(module, "TABLE", path)
    module.shipped_intervals.cache_clear()
    yield
    module.shipped_intervals.cache_clear()


def test_the_ends_follow_the_lines_and_hold_the_value(lines):
    low, high = calibrated(UNSURE, {"area": 100.0}, {"area": (80.0, 110.0)})["area"]
    unsure = 1 - 0.5 * 0.8
    assert low == pytest.approx(100 * math.exp(0.1 - unsure - math.log(100 / 80)))
    assert high == pytest.approx(100 * math.exp(-0.5 + unsure + 2 * math.log(1.1)))
    # a line on the wrong side of the value ends at it
    assert calibrated(SURE, {"area": 100.0}, {"area": (100.0, 100.0)})["area"] == (100.0, 100.0)


def test_nothing_is_said_without_signals_or_lines(lines):
    assert calibrated({}, {"area": 100.0}, {"area": (80.0, 110.0)}) == {}
    assert calibrated(SURE | {"object_score": None}, {"area": 1.0}, {"area": (0.5, 1.5)}) == {}
    assert calibrated(SURE, {"length": 5.0}, {"length": (4.0, 6.0)}) == {}
    assert calibrated(SURE, {"area": 5.0}, {"area": (4.0, 6.0)}, "specimen") == {}
    assert calibrated(SURE, {"area": 5.0}, {"area": (4.0, 6.0)}, round=TRAINED) == {}
    assert features(SURE, 0.0, (0.0, 0.0)) is None


@pytest.mark.parametrize("round", [UNTRAINED, TRAINED])
def test_what_is_shipped_says_more_of_surer_masks(round):
    shipped = module.shipped_intervals()
    for of in ("structure", "specimen"):
        assert {(round, of, name) for name in ("area", "length", "width")} <= set(shipped)
    assert len(TABLE.read_text().splitlines()) == 1 + 2 * len(shipped)
    for measure in ("area", "length"):
        ranges = []
        for signals in (SURE, UNSURE):
            known = signals, {measure: 100.0}, {measure: (95.0, 105.0)}
            low, high = calibrated(*known, round=round)[measure]
            assert low <= 100 <= high
            ranges.append(high / low)
        assert ranges[0] < ranges[1] < 60
