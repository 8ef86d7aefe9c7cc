"""The short table, and reading tables with names as text."""

import importlib.util

import pandas as pd
import pytest

import summarize_morphometrics as script
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.checking import check_structures
from sam2pal.morphometrics.tables import short
from sam2pal.morphometrics.tables.table import Layout

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
        "head_width": 5.0, "body_length": 5.0, "ratio": 1.5,
        "head_state": "found", "legs_state": "outside", "antennae_state": "absent",
    }  # fmt: skip
    assert short.row(tidy(None), [])["unit"] == "px"
    assert short.row(tidy(None), [])["head_length"] == 50
    table = list(short.columns(STRUCTURES, ["ratio"], ["sex"]))
    assert table[9:12] == ["head_state", "head_length", "head_width"] and len(table) == 16
    assert "a_width" not in short.columns(list("abcdefg"), [], [])


def test_the_confidence_of_a_mask_that_a_person_refused_does_not_count():
    for verdict in ("rejected", "wrong_specimen"):
        rows = [r | {"status": verdict} if r["structure"] == "legs" else r for r in tidy()]
        row = short.row(rows, [])
        assert row["lowest_confidence"] == 0.9 and row["left_out"].startswith(f"legs: {verdict}")


def test_a_structure_called_body_is_not_the_whole_specimen():
    rows = [row | {"value": 70} for row in tidy() if row["structure"] == "head"]
    rows = [*(row | {"structure": "body"} for row in rows), *tidy()]
    row = short.row(rows, [])
    assert row["body_length"] == 70 and row["specimen_length"] == 5
    assert {*row} <= {*short.columns(["body", "head", "legs", "antennae"], ["ratio"], [])}
    assert short.described("specimen_length", [], []) == (
        "as the column unit",
        "length of the body, along its axis",
    )


@pytest.mark.parametrize("name", ["head_length", "head_state", "unit", "genus", "pixels_per_mm"])
def test_no_column_of_the_tables_is_written_twice(name):
    """A typed `head_length` would stand where none was measured."""
    options = MeasurementOptions(indices={name: "head.length / head.width"})
    with pytest.raises(
        InputError, match=f"'{name}' cannot be the name of an index: it is a column"
    ):
        short.taken(STRUCTURES, options, check_structures(options, STRUCTURES))
    assert name in short.taken(STRUCTURES, MeasurementOptions(), [])


def test_columns_of_indices_have_their_unit(tmp_path):
    options = MeasurementOptions(
        indices={
            "relative_length": "head.length / legs.length",
            "both": "head.length + legs.length",
            "box": "head.length * head.width",
        }
    )
    given = STRUCTURES, options, check_structures(options, STRUCTURES)
    layout = Layout(*given)
    columns = short.columns(STRUCTURES, options.indices, ["sex"])
    script.write_guide(tmp_path, columns, layout.wide_columns())
    guide = pd.read_csv(tmp_path / "columns.tsv", sep="\t", keep_default_na=False)
    guide = guide[guide["table"] == "measurements"].set_index("column")
    assert guide.loc[["relative_length", "both", "box", "sex", "head_width"], "unit"].tolist() == [
        "", "as the column unit", "as the column unit, to the power of 2", "", "as the column unit",
    ]  # fmt: skip
    assert guide.loc["relative_length", "meaning"].startswith("index of the configuration")
    assert guide.loc["head_width", "meaning"] == "width of the head, see measures.tsv"
    assert "it meets the photograph's edge" in guide.loc["head_state", "meaning"]
    assert {*layout.wide_columns(), *columns} - {"sex"} <= short.taken(*given)


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
