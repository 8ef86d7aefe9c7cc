"""Tables that are read and written in pieces, and the table of specimens."""

import csv

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.io import tables
from sam2pal.io.cells import inert, original
from sam2pal.io.errors import InputError

COLUMNS = {"genus": str, "specimen": str, "iou": float, "truth_area_px": int, "reason": str}


def rows(n=7):
    return [
        {
            "genus": "Formica",
            "specimen": f"00{i}",
            "iou": 1 / (i + 3) if i % 3 else None,
            "truth_area_px": i if i % 2 else None,
            "reason": 'a "quoted", word' if i == 4 else "",
        }
        for i in range(n)
    ]


def test_csv_and_parquet_hold_the_same(tmp_path):
    paths = [tmp_path / "t.csv", tmp_path / "t.parquet"]
    with tables.Writer(paths, COLUMNS) as writer:
        for start in range(0, 7, 3):
            writer.write(tables.table(rows()[start : start + 3], COLUMNS))
    assert writer.rows == 7
    read, parquet = tables.to_pandas(tables.read(paths[0], COLUMNS)), pd.read_parquet(paths[1])
    assert read["specimen"].tolist() == [f"00{i}" for i in range(7)]  # text, not numbers
    assert parquet["iou"].dtype == read["iou"].dtype == np.float64
    assert read["iou"].tolist()[1] == 1 / 4 and np.isnan(read["iou"][0])
    for name in COLUMNS:
        assert read[name].isna().tolist() == parquet[name].isna().tolist()
        assert read[name].dropna().tolist() == parquet[name].dropna().tolist()


def test_a_large_table_is_read_in_pieces(tmp_path):
    path = tmp_path / "t.csv"
    columns = {"genus": str, "iou": float}
    table = tables.table([{"genus": "x" * 90, "iou": i / 7} for i in range(30_000)], columns)
    tables.write(table, path)
    pieces = list(tables.read_chunks(path, columns, megabytes=1))
    assert len(pieces) >= 3 and all(len(piece) < 12_000 for piece in pieces)
    assert pa.concat_tables(pieces).equals(table)
    path.write_text(path.read_text() + "y,much\n")
    with pytest.raises(InputError, match="line 30002: 'much'"):
        list(tables.read_chunks(path, columns, megabytes=1))


def test_numbers_survive_to_the_last_digit(tmp_path):
    numbers = np.random.default_rng(0).random(500) * 10.0 ** np.arange(-12, 13).repeat(20)
    table = tables.table([{"value": x} for x in numbers], {"value": float})
    tables.write(table, tmp_path / "t.csv")
    read = tables.read(tmp_path / "t.csv", {"value": float})
    assert np.array_equal(read["value"], numbers)


def test_tables_without_rows_keep_their_types(tmp_path):
    paths = [tmp_path / "t.csv", tmp_path / "t.parquet"]
    tables.write(tables.table([], COLUMNS), *paths)
    assert paths[0].read_text() == ",".join(COLUMNS) + "\n"
    assert tables.read(paths[0], COLUMNS).schema == tables.table(rows(), COLUMNS).schema
    assert pd.read_parquet(paths[1])["iou"].dtype == float


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\n=1", "'=1", "''-x"]
HARMLESS = ["-0.5", "+3e-4", "-", "", "'", "'a", "a=b", "Ä-1"]


def test_a_spreadsheet_runs_nothing(tmp_path):
    columns = {"genus": str, "=HYPERLINK(1)": str, "iou": float}
    texts = [*FORMULAS, *HARMLESS]
    table = tables.table(
        [{"genus": text, "=HYPERLINK(1)": text, "iou": -0.5} for text in texts], columns
    )
    tables.write(table, tmp_path / "t.csv", tmp_path / "t.parquet")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        header, *cells = csv.reader(file)
    assert header == ["genus", "'=HYPERLINK(1)", "iou"]
    assert [row[0] for row in cells] == [f"'{text}" for text in FORMULAS] + HARMLESS
    assert {row[2] for row in cells} == {"-0.5"}
    assert [inert(text) for text in texts] == [row[0] for row in cells]
    assert [original(row[0]) for row in cells] == texts
    assert tables.read(tmp_path / "t.csv", columns).equals(table)
    assert pd.read_parquet(tmp_path / "t.parquet")["genus"].tolist() == texts


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    paths = [tmp_path / "t.csv", tmp_path / "t.parquet"]
    tables.write(tables.table(rows(), COLUMNS), *paths)
    before = [path.read_bytes() for path in paths]
    with pytest.raises(ZeroDivisionError), tables.Writer(paths, COLUMNS) as writer:
        writer.write(tables.table(rows(2), COLUMNS))
        raise ZeroDivisionError
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("genus,iou\nA,0.5\nA,high\n", "line 3: 'high' in the column 'iou' is not a number"),
        ("genus,truth_area_px\nA,1.5\n", "line 2: '1.5' .* is not a whole number"),
        ("specimen,iou\na,0.5\n", "no column 'genus'; found specimen, iou"),
        ("genus,iou,iou\nA,1,2\n", "'iou' occurs twice"),
        ("", "it is empty"),
        ("genus,iou\nA,0.5,7\n", "damaged table .*Expected 2 columns, got 3"),
        ("genus,iou\nA,0.5\nB\n", "damaged table .*Expected 2 columns, got 1"),
    ],
)
def test_damaged_tables(tmp_path, text, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        tables.read(path, COLUMNS, ["genus"])


def test_a_missing_table(tmp_path):
    with pytest.raises(InputError, match="nowhere.csv: cannot be read"):
        tables.read(tmp_path / "nowhere.csv", COLUMNS)


def test_columns_that_are_not_declared_are_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("genus,n,iou,mean\nA,007,0.5,1e3\n")
    columns = {"genus": str, "iou": float}
    assert tables.read(path, columns).to_pylist() == [
        {"genus": "A", "n": "007", "iou": 0.5, "mean": "1e3"}
    ]
    assert tables.read(path, columns, others=False).column_names == ["genus", "iou"]


def test_the_table_of_specimens_is_joined(tmp_path):
    path = tmp_path / "specimens.csv"
    path.write_text(
        "\ufeffspecimen,genus,sex,pixels_per_mm\na,Formica,female,12.5\n\nb,Formica,,\n",
        encoding="utf-8",
    )
    more = SpecimenTable(path)
    table = more.join(tables.table(rows(1) + [{"genus": "Formica", "specimen": "a"}], COLUMNS))
    assert table.column_names == [*COLUMNS, "sex", "pixels_per_mm"]
    assert table["sex"].to_pylist() == ["", "female"]
    assert table["pixels_per_mm"].to_pylist() == [None, 12.5]
    assert more.unmatched("Formica", ["a", "c"]) == (["c"], ["b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("genus,sex\nA,f\n", "no column 'specimen'"),
        ("genus,specimen,status\nA,a,1\n", "'status' has the name of a column of the results"),
        ("genus,specimen,iou\nA,a,1\n", "'iou' has the name of a column of the results"),
        ("genus,specimen\nA,a\nA,a\n", "line 3: 'a' of 'A' has a second row"),
        ("genus,specimen\nA,\n", "line 2: the column 'specimen' is empty; fill it in"),
    ],
)
def test_bad_tables_of_specimens(tmp_path, text, message):
    path = tmp_path / "specimens.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        SpecimenTable(path, ["status", "iou"])


def test_names_of_columns_of_other_tables_are_free(tmp_path):
    path = tmp_path / "specimens.csv"
    path.write_text("genus,specimen,n,mean,sd\nFormica,000,03,1e3,wide\n")
    joined = SpecimenTable(path, COLUMNS).join(tables.table(rows(1), COLUMNS)).to_pylist()
    assert [joined[0][name] for name in ("n", "mean", "sd")] == ["03", "1e3", "wide"]


def test_a_scale_that_is_no_number(tmp_path):
    path = tmp_path / "specimens.csv"
    path.write_text("genus,specimen,pixels_per_mm\nA,a,12\nA,b,12 mm\nA,c,-3\nA,d,inf\n")
    table = SpecimenTable(path)
    assert table.cells("A", "a") == {"pixels_per_mm": 12.0}
    with pytest.raises(InputError, match="line 3 .'b'.: column 'pixels_per_mm': '12 mm' is not a"):
        table.cells("A", "b")
    for name in "cd":
        with pytest.raises(InputError, match="is not a scale; give a number above 0"):
            table.cells("A", name)
