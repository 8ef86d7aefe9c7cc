"""The record of the demo: what differs from it is named."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[1] / "demo.py"
spec = importlib.util.spec_from_file_location("demo", PATH)
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)

TABLE = """genus,round,structure,measure,n,mean
(all),first,head,iou,4,0.6
A,first,head,iou,4,0.701
A,first,head,dice,4,0.8
A,first,head,area_error,4,-0.05
A,first,legs,iou,3,0.4
"""


def test_what_differs_from_the_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run make demo first"):
        demo.found_in(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/evaluation_summary.csv").write_text(TABLE)
    found = demo.found_in(tmp_path)
    assert found[("A", "first", "head")] == {"n": 4, "iou": 0.701, "area_error": -0.05}
    with pytest.raises(SystemExit, match="record.tsv is not there"):
        demo.recorded(tmp_path / "record.tsv")
    demo.write(found, tmp_path / "record.tsv")
    expected = demo.recorded(tmp_path / "record.tsv")
    assert expected == found and demo.differences(found, expected) == []
    expected[("A", "first", "head")]["iou"] = 0.712
    del expected[("A", "first", "legs")]
    assert demo.differences(found, expected) == [
        "A, first, head: iou is 0.701, recorded is 0.712",
        "A, first, legs: n is 3.0, recorded is None",
        "A, first, legs: iou is 0.4, recorded is None",
    ]
