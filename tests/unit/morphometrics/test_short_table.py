"""The short table, and reading tables with names as text."""

import importlib.util

import pandas as pd

import summarize_morphometrics as script
from sam2pal.io import tables
from sam2pal.morphometrics.tables import short

STRUCTURES = ["head", "legs"]


def tidy(scale=10.0):
    """Rows of specimen 0160: a head that is measured, legs that are doubtful, no antennae."""
    rows = []
    for structure, status, state, confidence in (
        ("head", "measured", "found", 0.9),
        ("legs", "doubtful", "outside", 0.6),
        ("antennae", "absent", "absent", None),
        ("specimen", "measured", "found", 0.9),
    ):
        for measure in ("length", "width", "area"):
            for unit, factor in (("px", 1), ("mm", 1 / scale if scale else None)):
                value = None if factor is None or status == "absent" else 50 * factor
                rows.append({"genus": "Aus", "specimen": "0160", "round": "one", "structure": structure,
                             "measure": measure, "unit": unit, "status": status, "state": state,
                             "value": value, "confidence": confidence, "pixels_per_mm": scale,
                             "sex": "f"})  # fmt: skip
    index = rows[-1] | {"measure": "ratio", "unit": "1", "value": 1.5}
    return [*rows, index]


def test_only_what_is_measured_has_values_and_the_rest_is_named():
    row = short.row(tidy(), ["sex"])
    assert row == {
        "genus": "Aus", "specimen": "0160", "round": "one", "sex": "f", "unit": "mm", "measured": 1,
        "left_out": "legs: doubtful; antennae: absent", "lowest_confidence": 0.6, "head_length": 5.0,
        "head_width": 5.0, "body_length": 5.0, "body_width": 5.0, "ratio": 1.5,
        "head_state": "found", "legs_state": "outside", "antennae_state": "absent",
    }  # fmt: skip
    assert short.row(tidy(None), [])["unit"] == "px"
    assert short.row(tidy(None), [])["head_length"] == 50
    table = list(short.columns(STRUCTURES, ["ratio"], ["sex"]))
    assert table[9:12] == ["head_state", "head_length", "head_width"] and len(table) == 16
    assert "it meets the photograph's edge" in short.meaning("head_state")
    assert "a_width" not in short.columns(list("abcdefg"), [], [])


def test_names_stay_text_in_pandas(tmp_path):
    columns = short.columns(STRUCTURES, ["ratio"], ["sex"])
    tables.write(tables.table([short.row(tidy(), ["sex"])], columns), tmp_path / "measurements.csv")
    wide = dict.fromkeys(("specimen", "head.status", "sex"), str)
    wide |= dict.fromkeys(("head.length_mm", "head.area_px2", "head.orientation", "ratio"), float)
    script.write_guide(tmp_path, columns, wide)
    spec = importlib.util.spec_from_file_location("read_results", tmp_path / "read_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module.read_results(tmp_path / "measurements.csv")
    assert table.loc[0, "specimen"] == "0160" and table.loc[0, "head_length"] == 5.0
    guide = pd.read_csv(tmp_path / "columns.tsv", sep="\t")
    assert guide["meaning"].notna().all()
    summary = guide[guide["table"] == "morphometrics_summary"].set_index("column")
    assert (
        summary.loc["bias", "unit"] == "as the column unit" and summary.loc["n", "type"] == "number"
    )
    assert "whose structure is absent" in summary.loc["state_absent", "meaning"]
    assert (
        not guide["meaning"].str.startswith("index of").loc[guide["table"] == "publication"].any()
    )
    units = guide[guide["table"] == "morphometrics_wide"].set_index("column")["unit"].dropna()
    known = {"head.length_mm": "mm", "head.area_px2": "px2", "head.orientation": "degree"}
    assert units.to_dict() == known
    assert guide.set_index("column").loc["head_length", "unit"] == "as the column unit"
    text = set(guide.loc[guide["type"] == "text", "column"])
    assert text >= {"specimen", "sex", "left_out", "legs_state"}
    assert (tmp_path / "read_results.R").read_text().count("colClasses") == 2
