"""The demo's indices, end to end in millimetres, against what was drawn."""

import csv
import json
import sys
from pathlib import Path

import draw_specimens
import numpy as np
import pytest
import yaml

import measure
from sam2pal.dataset.files import check, read_json
from sam2pal.io import tables
from sam2pal.morphometrics.tables.columns import COLUMNS

CONFIG = yaml.safe_load((Path(__file__).parents[3] / "config/config.yaml").read_text())
BODY = ["head", "pronotum", "elytra"]


def extent(mask: np.ndarray, along: np.ndarray) -> float:
    """Extent of the pixels' centres in a direction, and half a pixel at either end."""
    rows, columns = np.nonzero(mask)
    return float(np.ptp(columns * along[0] + rows * along[1])) + 1


def test_indices_in_millimetres_are_those_of_the_drawing(tmp_path, monkeypatch):
    drawings = []
    draw = draw_specimens.draw_whole

    def remember(*arguments):
        drawings.append(draw(*arguments))
        return drawings[-1]

    monkeypatch.setattr(draw_specimens, "draw_whole", remember)
    words = ["--genus", "Fictocarabus", "--kind", "ground beetle", "--structures", ",".join(BODY)]
    words += ["--specimens", "6", "--templates", "1", "--size", "400", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["draw_specimens.py", *words])
    draw_specimens.main()
    (tmp_path / "options.json").write_text(
        json.dumps({"measurement": CONFIG["measurement"] | {"colour": False, "curved": []}})
    )
    words = ["--predictions", str(tmp_path / "truth.json"), "--genus", "Fictocarabus"]
    words += ["--round", "drawn", "--specimen-table", str(tmp_path / "specimens.tsv")]
    words += ["--options", str(tmp_path / "options.json"), "--output", str(tmp_path / "m.csv")]
    monkeypatch.setattr(sys, "argv", ["measure.py", *words])
    measure.main()

    rows = tables.to_pandas(tables.read(tmp_path / "m.csv", COLUMNS)).set_index(
        ["specimen", "structure", "measure", "unit"]
    )
    with (tmp_path / "specimens.tsv").open(encoding="utf-8", newline="") as file:
        scales = {
            row["specimen"]: float(row["pixels_per_mm"])
            for row in csv.DictReader(file, delimiter="\t")
        }
    truth = check(read_json(tmp_path / "truth.json"), "the file")
    lost = 0
    for image, drawing in zip(truth["images"], drawings, strict=True):
        specimen = Path(image["file_name"]).stem
        values = rows.loc[specimen]["value"]
        if not drawing.masks["head"].any():
            lost += 1
            assert np.isnan(values["specimen", "standard_body_length", "mm"])
            continue
        body = np.nonzero(np.logical_or.reduce([drawing.masks[name] for name in BODY]))[::-1]
        along = np.linalg.eigh(np.cov(np.stack(body)))[1][:, -1]
        lengths = [extent(drawing.masks[name], along) for name in BODY]
        expected = sum(lengths) / scales[specimen]
        found = values["specimen", "standard_body_length", "mm"]
        assert found == pytest.approx(expected, rel=0.01)
        # the drawing says about how many pixels the body is long
        millimetres = drawing.scale / scales[specimen]
        assert values["specimen", "length", "mm"] == pytest.approx(millimetres, rel=0.1)
        across = np.array([-along[1], along[0]])
        ratio = extent(drawing.masks["pronotum"], across) / lengths[1]
        assert values["specimen", "pronotum_ratio", "1"] == pytest.approx(ratio, rel=0.02)
    assert lost == 1
