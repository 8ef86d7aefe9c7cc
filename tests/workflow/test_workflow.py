"""The whole workflow on two tiny genera: what it computes, and what it computes again."""

import copy
import csv
import functools
import http.server
import json
import os
import re
import shutil
import signal
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from running import CONFIG, REPOSITORY, SQUARE, Project, correct, make_project, photographs

from sam2pal.evaluation.ending import ERRORS, INCOMPLETE
from sam2pal.images.address import content_hash

RUNS = [f"{genus}/{name}" for genus in ("Aus", "Bus") for name in CONFIG["rounds"]]
SUMMARIES = {"aggregate", "summarize_morphometrics", "plot_morphometrics", "plot_evaluation"}
SUMMARIES |= {"review_index", "tell"}
AFTER_MASKS = {*("evaluate", "measure", "review_page", "choose_next", "compare_masks"), *SUMMARIES}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after its first call; only copies of it are changed."""
    project = make_project(tmp_path_factory.mktemp("finished"))
    call = project.run()
    assert call.code == 0, call.text
    return project


@pytest.fixture
def again(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project."""
    shutil.copytree(finished.folder, tmp_path / "again", symlinks=True)
    return Project(tmp_path / "again")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def statuses(folder: Path) -> set[tuple[str, str]]:
    """Genus and status of what is in the tables or missing from them; not what else is told."""
    stages = ("evaluation", "morphometrics")
    table = rows(folder / "status.csv")
    return {(row["genus"], row["status"]) for row in table if row["stage"] in stages}


def test_results_are_whole(finished: Project) -> None:
    results = finished.folder / "results"
    for run in RUNS:
        predictions = json.loads((results / run / "shards/0001.json").read_text())
        assert [image["specimen"] for image in predictions["images"]] == [
            f"{n:04d}" for n in range(6)
        ]
        assert len(predictions["annotations"]) == 6 * len(CONFIG["structures"])
        drawn = {a["image_id"] for a in predictions["annotations"] if a["source"] == "drawn"}
        assert len(drawn) == {"Aus/refined": 4, "Bus/refined": 3}.get(run, 1)
        assert "<html" in (results / run / "review.html").read_text()
        assert f'href="{run}/review.html"' in (results / "index.html").read_text()
        assert (results / run / "adapter").is_dir() == (not run.endswith("untrained"))
    assert statuses(results / "tables") == {("Aus", "ok"), ("Bus", "ok")}
    text = (results / "summary.txt").read_text()
    assert all(run.split("/")[1] in text for run in RUNS) and "results/index.html" in text
    short = rows(results / "tables/measurements.csv")
    assert [(row["genus"], row["specimen"]) for row in short[5:7]] == [
        ("Aus", "0005"),
        ("Bus", "0000"),
    ]
    for table in ("evaluation", "morphometrics"):
        found = {f"{row['genus']}/{row['round']}" for row in rows(results / f"tables/{table}.csv")}
        assert found == set(RUNS)
    # Bus has no truth; of its three outlined specimens a round with one template has two to be asked of
    apart = rows(results / "tables/leave_one_out.csv")
    assert {(row["genus"], row["round"]) for row in apart} == {("Bus", "refined")}
    assert {row["specimen"] for row in apart} == {"0000", "0001", "0002"}
    # Aus has truth of two specimens, which are templates of the last round
    pairs = rows(results / "tables/morphometrics_pairs.csv")
    assert {(row["genus"], row["specimen"]) for row in pairs} == {("Aus", "0001"), ("Aus", "0002")}
    assert {row["round"] for row in pairs} == {"untrained", "trained"}
    areas = [row for row in pairs if (row["structure"], row["unit"]) == ("head", "mm2")]
    assert {float(row["drawn"]) for row in areas if row["measure"] == "area"} == {256 / 12.5**2}
    for path in (finished.folder / "logs").rglob("*.log"):
        assert "Traceback" not in path.read_text(), path


def test_photographs_that_could_not_be_read_end_every_call_with_an_error(again: Project) -> None:
    summary = again.folder / "results/summary.txt"
    said = "  Aus/untrained partial: 1 photograph could not be read: '0002'"
    summary.write_text(f"{summary.read_text()}\n{ERRORS}\n{said}\n")
    for _ in range(2):
        call = again.run()
        assert call.code == INCOMPLETE and call.names() == {"tell"}
        assert call.text.rstrip().endswith(said)


def test_what_a_person_said_stands_in_every_table(finished: Project) -> None:
    left, top, right, bottom = SQUARE
    for name in CONFIG["rounds"]:
        run = finished.folder / "results/Aus" / name
        head = {r["specimen"]: r for r in rows(run / "evaluation.csv") if r["structure"] == "head"}
        assert [(of["status"], of["source"], of["verdict"]) for of in head.values()][3:] == [
            ("corrected", "corrected", "corrected"),
            ("no_truth", "predicted", "rejected" if name == "trained" else ""),
            ("no_truth", "predicted", ""),
        ]
        areas = {
            row["specimen"]: row
            for row in rows(run / "morphometrics.csv")
            if (row["structure"], row["measure"], row["unit"]) == ("head", "area", "px2")
        }
        assert float(areas["0003"]["value"]) == (right - left) * (bottom - top)
        assert areas["0003"]["source"] == areas["0003"]["verdict"] == "corrected"
        if name == "trained":
            assert (areas["0004"]["value"], areas["0004"]["status"]) == ("", "rejected")
        wide = {row["specimen"]: row for row in rows(run / "morphometrics_wide.csv")}
        assert wide["0003"]["head.verdict"] == wide["0003"]["head.source"] == "corrected"


def test_a_changed_correction_runs_again_what_depends_on_it(again: Project) -> None:
    correct(again.folder, SQUARE, "needs_correction")
    call = again.run("--dry-run")
    assert call.names() == {"convert_corrections"} | AFTER_MASKS
    assert not [job for job in call.jobs if "Bus" in job]
    correct(again.folder, (4, 4, 22, 20))
    call = again.run("--dry-run")
    learnt = {"convert_templates", "draw_pool", "train_palindrome", "segment_shard"}
    assert call.names() == {"convert_corrections"} | AFTER_MASKS | learnt
    assert {job for job in call.jobs if job.split()[0] in learnt} == {
        *(f"{rule} Aus refined" for rule in learnt - {"segment_shard"}),
        "segment_shard Aus refined 0001",
    }


def test_a_verdict_segments_nothing_without_truth_either(project: Project) -> None:
    table = (project.folder / "config/genera.tsv").read_text().replace("data/Aus_second.json", "")
    learnt = {"templates": ["first", "second", "corrections"]}
    project.write(CONFIG | {"rounds": {"trained": {"templates": ["first"]}, "last": learnt}}, table)
    path = "results/Aus/trained/leave_one_out.csv"
    call = project.run(path)
    assert call.code == 0 and "leave_one_out Aus trained" in call.jobs, call.text
    asked = {(row["specimen"], row["begun_from"]) for row in rows(project.folder / path)}
    assert asked == {("0001", "no"), ("0002", "no"), ("0003", "yes")}
    correct(project.folder, SQUARE, "needs_correction")
    assert not project.run("--dry-run", path).jobs
    correct(project.folder, (4, 4, 22, 20))
    assert "leave_one_out Aus trained" in project.run("--dry-run", path).jobs


def test_a_second_call_does_nothing_also_if_a_template_was_saved_again(again: Project) -> None:
    path = again.folder / "data/Aus_first.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"info": {"date": "today"}}, indent=2)
    )
    call = again.run()
    assert call.code == 0 and "Nothing to be done" in call.text


def test_provenance_says_what_computed_the_tables(finished: Project) -> None:
    path = finished.folder / "results/provenance.json"
    record = json.loads(path.read_text())
    assert record["seed"] == CONFIG["seed"]
    assert record["configuration"]["rounds"] == CONFIG["rounds"]
    assert set(record["files_sha256"]) == {"config/genera.tsv", "config/templates.tsv"}
    assert re.fullmatch("[0-9a-f]{40}|unknown", record["workflow"]["commit"])
    trained = finished.folder / "results/Aus/trained/adapter/training.json"
    assert record["versions"]["torch"] == json.loads(trained.read_text())["versions"]["torch"]
    before = path.read_bytes()
    path.unlink()
    call = finished.run("results/provenance.json")
    assert call.code == 0 and call.jobs == ["provenance"] and path.read_bytes() == before


def test_the_report_carries_labelled_tables_and_pictures(finished: Project) -> None:
    metadata = str(REPOSITORY / "workflow/report/metadata.yaml")
    call = finished.run("--report", "report.zip", "--report-metadata", metadata)
    assert call.code == 0, call.text
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        page = archive.read("report/report.html").decode("utf-8")
        names = archive.namelist()
    assert str(finished.folder) in page  # the project, of the metadata
    begin = page.index("var categories = ") + len("var categories = ")
    categories = json.JSONDecoder().raw_decode(page, begin)[0]
    short = {"tables/measurements.csv", "plots/morphometrics_distributions.svg", "summary.txt"}
    assert min(categories) == "Begin here"  # they are listed by name
    assert set(categories["Begin here"]["Other"]) == {f"results/{name}" for name in short}
    labels = dict(re.findall(r'"results/([^"]+)": \{"name": [^{}]*"labels": (\{[^{}]*\})', page))
    assert json.loads(labels["tables/status.csv"]) == {"table": "status"}
    assert json.loads(labels["tables/evaluation_summary.csv"]) == {"table": "evaluation_summary"}
    figures = {
        "morphometrics_distributions": "distributions by genus",
        "morphometrics_allometry": "allometry",
        "morphometrics_concordance": "predicted against drawn",
        "iou_by_structure": "IoU by structure and round",
        "reliability": "IoU by confidence",
    }
    for figure, label in figures.items():
        assert json.loads(labels[f"plots/{figure}.svg"]) == {"figure": label}
    assert json.loads(labels["tables/morphometrics_summary.csv"]) == {"table": "summary by genus"}
    for run in RUNS:
        genus, name = run.split("/")
        dictionary = {"table": "dictionary", "genus": genus, "round": name}
        assert json.loads(labels[f"{run}/measures.tsv"]) == dictionary
        assert json.loads(labels[f"{run}/review.png"]) == {"genus": genus, "round": name}
        assert json.loads(labels[f"{run}/review/index.html"]) == {"genus": genus, "round": name}
    assert sum(name.endswith("/index.html") for name in names) == len(RUNS)
    assert any(name.endswith("/pictures/000/000001.jpg") for name in names)
    assert "provenance.json" in labels and "tables/morphometrics.csv" not in labels


CHANGES = {
    "segmentation threshold": (
        {"segmentation": {"threshold": 0.4}},
        {"segment_shard", "leave_one_out"} | AFTER_MASKS,
    ),
    "batch size": ({"segmentation": {"batch_size": 2}}, set()),
    "a default written down": ({"segmentation": {"threshold": 0.5}, "device": "auto"}, set()),
    "evaluation": (
        {"evaluation": {"good_iou": 0.9}},
        {"evaluate", "review_page", "compare_masks"} | SUMMARIES,
    ),
    "measurement": (
        {"measurement": {"colour": False}},
        {"measure", "measure_truth", "compare_masks", "review_page"} | SUMMARIES,
    ),
    "scale bar": (
        {"measurement": {"scale": ["bar"], "scale_search": {"bar_length": 1}}},
        {"search_scale", "find_scale", "measure", "measure_truth", "compare_masks", "review_page"}
        | SUMMARIES,
    ),
    "final round": (
        {"final_round": "trained"},
        SUMMARIES,  # the status says which round is the final one
    ),
    "review": ({"review": {"side": 200}}, {"review_page", "review_index"}),
    "low confidence": (
        {"low_confidence": 0.4},
        {"measure", "measure_truth", "review_page", "compare_masks"} | SUMMARIES,
    ),
    "training": (
        {"training": {"steps": 3, "views": 1, "pool_size": 2}},
        {"train_palindrome", "segment_shard", "leave_one_out"} | AFTER_MASKS,
    ),
    "device": ({"device": "cpu"}, set()),
    "seed": (
        {"seed": 2},
        {"draw_pool", "train_palindrome", "segment_shard", "leave_one_out"} | AFTER_MASKS,
    ),
    "weight of a structure": (
        {"structures": {"head": {"weight": 2}, "eye": {"parent": "head", "exclusive": False}}},
        {"train_palindrome", "segment_shard", "leave_one_out"} | AFTER_MASKS,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_key_runs_again_what_depends_on_it(again: Project, name: str) -> None:
    change, expected = CHANGES[name]
    again.write(copy.deepcopy(CONFIG) | change)
    call = again.run("--dry-run")
    assert call.code == 0 and call.names() == expected
    if name in ("training", "weight of a structure"):
        assert not [job for job in call.jobs if "untrained" in job]


def test_a_changed_configuration_of_the_model_builds_another_one(project: Project) -> None:
    for name in ("own.yaml", "own.pt"):
        (project.folder / name).touch()
    own = {"name": "own", "config": "own.yaml", "checkpoint": "own.pt"}
    project.write(copy.deepcopy(CONFIG) | {"model": own})
    text = project.run("--dry-run").text
    for rule in ("train_palindrome", "leave_one_out"):  # segment_shard waits for the listing
        inputs = re.findall(rf"^rule {rule}:\n    input: (.*)", text, re.MULTILINE)
        assert inputs and all("own.yaml" in of.split(", ") for of in inputs)


def test_a_changed_round_runs_again_itself_and_what_starts_from_it(again: Project) -> None:
    config = copy.deepcopy(CONFIG)
    config["rounds"]["refined"]["train"] = {"steps": 3}
    again.write(config)
    call = again.run("--dry-run")
    assert {job.split()[-1] for job in call.jobs if job.startswith("train")} == {"refined"}
    assert not [job for job in call.jobs if job.endswith("trained")]
    config = copy.deepcopy(CONFIG)
    config["rounds"]["trained"]["train"] = {"steps": 3}
    again.write(config)
    call = again.run("--dry-run")
    assert {job.split()[-1] for job in call.jobs if job.startswith("train")} == {
        "trained",
        "refined",
    }


def test_outlines_are_written_once_they_are_asked_for(again: Project) -> None:
    outlines = {"points": 16, "harmonics": 4, "axis": ["head", "eye"]}
    again.write(copy.deepcopy(CONFIG) | {"outlines": outlines, "darwin_core": True})
    assert "review_index" in again.run("--dry-run").names()  # it links to the figure
    call = again.run("results/plots/shape_space.svg", "results/Aus/darwin_core")
    assert call.code == 0, call.text
    exports = {"export_shapes Aus", "export_shapes Bus", "export_darwin_core Aus"}
    assert set(call.jobs) == exports | {"plot_shapes"}
    assert rows(again.folder / "results/Aus/darwin_core/measurement_or_fact.csv")
    for genus in ("Aus", "Bus"):
        table = rows(again.folder / f"results/{genus}/shapes/outlines.csv")
        assert len(table) == 12 and {row["structure"] for row in table} == {"head", "eye"}
        drawn = [row for row in table if row["status"] == "measured"]
        assert drawn and all(row["d4"] for row in drawn)


def test_edited_landmarks_are_read_again(again: Project) -> None:
    outlines = {"points": 16, "harmonics": 4, "axis": ["head", "eye"]}
    again.write(copy.deepcopy(CONFIG) | {"outlines": outlines})
    table = again.folder / "config/genera.tsv"
    header, aus, *others = table.read_text().splitlines()
    lines = [f"{header}\tlandmarks", f"{aus}\tdata/points", *others]
    table.write_text("".join(f"{line}\n" for line in lines))
    shape = {"label": "tip", "points": [[5, 6]], "shape_type": "point"}
    points = {"version": "5.5.0", "imagePath": "0000.png", "imageWidth": 32, "imageHeight": 24}
    place = again.folder / "data/points/0000.json"
    place.parent.mkdir()
    place.write_text(json.dumps(points | {"shapes": [shape]}))
    call = again.run("results/Aus/shapes")
    assert call.code == 0 and call.jobs == ["export_shapes Aus"], call.text
    assert not again.run("results/Aus/shapes", "--dry-run").jobs
    place.write_text(json.dumps(points | {"shapes": [shape | {"points": [[7, 6]]}]}))
    assert again.run("results/Aus/shapes", "--dry-run").jobs == ["export_shapes Aus"]


def test_the_scale_of_a_genus_concerns_its_measures_alone(again: Project) -> None:
    table = again.folder / "config/genera.tsv"
    table.write_text(table.read_text().replace("12.5", "13", 1))
    call = again.run("--dry-run")
    assert set(call.jobs) - SUMMARIES - {"all", "provenance"} == {
        "measure_truth Aus",
        *(f"{rule} Aus {name}" for rule in ("measure", "review_page") for name in CONFIG["rounds"]),
        *(f"compare_masks Aus {name}" for name in ("trained", "refined")),
    }


def test_new_and_replaced_photographs_concern_their_shards_alone(again: Project) -> None:
    photographs(again.folder / "data/Aus", range(100, 103))
    assert again.run("--until", "list_specimens").names() == {"list_specimens"}
    call = again.run("--dry-run")
    assert {job for job in call.jobs if job.startswith("segment")} == {
        f"segment_shard Aus {name} 0002" for name in CONFIG["rounds"]
    }
    converted = {"convert_truth", "measure_truth", "convert_corrections"}
    assert call.names() == {"segment_shard"} | converted | AFTER_MASKS

    photographs(again.folder / "data/Bus", range(5, 6), seed=99)
    assert again.run("--until", "list_specimens").jobs == ["list_specimens Bus"]
    call = again.run("--dry-run")
    assert {job for job in call.jobs if job.startswith("segment") and "Bus" in job} == {
        f"segment_shard Bus {name} 0001" for name in CONFIG["rounds"]
    }
    assert "train_palindrome" not in call.names()


def test_specimens_of_a_tray_are_found_segmented_and_teach_when_corrected(again: Project) -> None:
    place = again.folder
    photographs(place / "data/trays", range(1))
    square = np.asarray(Image.open(place / "data/trays/0000.png"))
    tray = np.random.default_rng(7).integers(225, 250, (100, 120, 3), np.uint8)
    for top in (8, 60):
        for left in (10, 70):
            tray[top : top + 24, left : left + 32] = square
    (place / "data/trays/0000.png").unlink()
    Image.fromarray(tray).save(place / "data/trays/T.png")
    rounds = {"untrained": {"templates": ["first"]}}
    rounds |= {"taught": {"templates": ["first", "corrections"]}}
    header = "genus\tspecimens\ttruth\tpixels_per_mm\tlayout\tboxes\n"
    table = f"{header}Cus\tdata/trays\t\t\tmany\t"
    drawn = "genus\tround\tannotations\tphotographs\nCus\tfirst\tdata/Aus_first.json\tdata/Aus\n"
    again.write(CONFIG | {"rounds": rounds}, table + "\n", drawn)
    shutil.rmtree(place / "config/corrections/Aus")
    call = again.run("results/Cus/untrained/evaluation.csv")
    assert call.code == 0, call.text
    assert {"find_specimens", "segment_shard"} <= call.names()
    page = place / "results/Cus/trays"
    assert Image.open(page / "pictures/T.jpg").size == (120, 100)
    told = (page / "data.js").read_text()
    assert all(name in told for name in ("T#0101", "T#0102", "T#0201", "T#0202")), told
    shard = json.loads((place / "results/Cus/untrained/shards/0001.json").read_text())
    names = [image["specimen"] for image in shard["images"]]
    assert names == ["T#0101", "T#0102", "T#0201", "T#0202"]

    one = shard["images"][2]
    hash_of = {"sha256": content_hash(f"{place}/{one['path']}"), "genus": "Cus"}
    said = {"id": 1, "image_id": one["id"], "category_id": 1, "verdict": "corrected", "iscrowd": 0}
    said |= {"segmentation": [[1, 1, 15, 1, 15, 15, 1, 15]], "source": "corrected"}
    data = {"images": [one | hash_of], "annotations": [said], "categories": shard["categories"]}
    (place / "config/corrections/Cus").mkdir()
    (place / "config/corrections/Cus/corrections.json").write_text(json.dumps(data))
    call = again.run("results/Cus/taught/evaluation.csv")
    assert call.code == 0, call.text
    assert call.names() == {"convert_templates", "convert_corrections", "segment_shard", "evaluate"}
    shard = json.loads((place / "results/Cus/taught/shards/0001.json").read_text())
    sources = [a["source"] for a in shard["annotations"] if a["category_id"] == 1]
    assert sources == ["predicted", "predicted", "drawn", "predicted"]
    assert {"Aus/0000", "0000", "T#0201"} & set(shard["images"][0]["templates"])

    # two boxes become one, and that which teaches keeps its own
    found = json.loads((place / "results/Cus/specimens.json").read_text())
    kept = found["annotations"][2]
    both = {"id": 9, "image_id": 1, "category_id": 1, "bbox": [8, 6, 100, 30]}
    (place / "boxes.json").write_text(json.dumps(found | {"annotations": [kept, both]}))
    again.write(CONFIG | {"rounds": rounds}, f"{table}boxes.json\n")
    call = again.run("--until", "list_specimens")
    assert call.code == 0 and {"find_specimens", "list_specimens"} <= call.names(), call.text
    listed = (place / "results/Cus/manifest.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in listed] == ["T#0101", "T#0201"]
    assert "segment_shard Cus taught 0001" in again.run("--dry-run").jobs


def test_a_failed_genus_stops_no_other_and_leaves_no_old_tables(again: Project) -> None:
    again.write(copy.deepcopy(CONFIG) | {"evaluation": {"good_iou": 0.9}})
    outline = again.folder / "data/Bus_first.json"
    whole = outline.read_text()
    outline.write_text(whole[: len(whole) // 2])
    call = again.run()
    assert call.code == 1
    assert "Bus" in call.text and "Bus_first.json" in call.text
    assert {f"evaluate Aus {name}" for name in CONFIG["rounds"]} <= set(call.jobs)
    tables = again.folder / "results/tables"
    assert statuses(tables) == {("Aus", "ok"), ("Bus", "failed")}
    end = call.text[call.text.index("NOT IN THE TABLES:") :]
    assert "Bus/untrained failed: convert_templates failed: " in end
    reasons = {row["reason"] for row in rows(tables / "status.csv") if row["genus"] == "Bus"}
    assert all("convert_templates failed" in reason for reason in reasons)
    for table in ("evaluation", "morphometrics"):
        assert {row["genus"] for row in rows(tables / f"{table}.csv")} == {"Aus"}
    assert not list((again.folder / "results").rglob("*.failed"))
    for table in ("summary", "wide"):
        assert {row["genus"] for row in rows(tables / f"morphometrics_{table}.csv")} == {"Aus"}
    made = (again.folder / "results/plots/morphometrics_distributions.svg").stat().st_mtime
    assert made > (tables / "morphometrics_wide.csv").stat().st_mtime > outline.stat().st_mtime

    call = again.run("--dry-run")  # looks into every annotation
    assert call.code == 1 and "Bus_first.json" in call.text
    outline.write_text(whole)
    call = again.run("--dry-run")
    assert {job.split()[1] for job in call.jobs if job.startswith("segment")} == {"Bus"}
    again.write(copy.deepcopy(CONFIG) | {"rounds": {"untrained": CONFIG["rounds"]["untrained"]}})
    call = again.run()
    assert call.code == 0, call.text
    assert {status for _, status in statuses(tables)} == {"ok"}


def test_a_module_leaves_no_old_tables_either(again: Project) -> None:
    lines = [
        'configfile: "config/config.yaml"',
        "module sam2pal:",
        f'    snakefile: "{REPOSITORY}/workflow/Snakefile"',
        "    config: config",
        "use rule * from sam2pal as sam2pal_*",
        "rule all:",
        "    default_target: True",
        "    input: rules.sam2pal_all.input",
        "onerror:",
        "    sam2pal.onerror()",
    ]
    (again.folder / "Snakefile").write_text("\n".join(lines) + "\n")
    outline = again.folder / "data/Bus_first.json"
    outline.write_text(outline.read_text()[:100])
    call = again.run("--snakefile", str(again.folder / "Snakefile"))
    assert call.code == 1 and "sam2pal_convert_templates Bus untrained" in call.jobs
    assert statuses(again.folder / "results/tables") == {("Aus", "ok"), ("Bus", "failed")}


def test_a_hosted_module_runs_under_a_prefix_with_pathvars(project: Project) -> None:
    """Fetched file by file over HTTP; the library is the one that Python finds, as if installed."""
    handler = functools.partial(QuietHandler, directory=str(REPOSITORY))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lines = [
            'configfile: "config/config.yaml"',
            "module sam2pal:",
            f'    snakefile: "http://127.0.0.1:{server.server_port}/workflow/Snakefile"',
            "    config: config",
            '    prefix: "beetles"',
            "    pathvars:",
            '        results="found",',
            '        logs="protocols",',
            "use rule * from sam2pal as sam2pal_*",
            "rule all:",
            "    default_target: True",
            "    input: rules.sam2pal_all.input",
        ]
        (project.folder / "Snakefile").write_text("\n".join(lines) + "\n")
        arguments = ("--snakefile", str(project.folder / "Snakefile"))
        target, library = "beetles/found/Aus/untrained/templates.json", str(REPOSITORY / "scripts")
        call = project.run(target, *arguments, PYTHONPATH=library)
        assert call.code == 0 and call.jobs == ["sam2pal_convert_templates Aus untrained"], (
            call.text
        )
        assert (project.folder / target).is_file()
        assert (project.folder / "beetles/protocols/Aus/untrained/convert_templates.log").is_file()
        call = project.run(*arguments, "--dry-run", PYTHONPATH=library)
        server.shutdown()
    assert call.code == 0 and "sam2pal_aggregate" in call.jobs
    assert "beetles/found/tables/status.csv" in call.text
    assert not (project.folder / "results").exists()


def test_a_second_configuration_has_its_own_folder_and_the_clone_is_only_read(
    project: Project,
) -> None:
    places = {name: f"coarse/{name}" for name in ("results", "logs", "benchmarks", "resources")}
    own = project.folder / "config/coarse.yaml"
    own.write_text(yaml.safe_dump({"pathvars": places, "shard_size": 2}))
    before = {path for path in REPOSITORY.glob("*") if path.name != "build"}
    call = project.run("--dry-run", "--printshellcmds", "--configfile", str(own))
    assert call.code == 0 and "list_specimens Aus" in call.jobs, call.text
    outputs = re.findall("^    output: (.*)", call.text, re.MULTILINE)
    assert outputs and all(
        path.startswith("coarse/results/") for line in outputs for path in line.split(", ")
    )
    assert "--manifest coarse/results/Aus/manifest.tsv" in call.text
    assert json.loads((project.folder / "coarse/results/options/list_specimens.json").read_text())
    assert not (project.folder / "results").exists()
    assert {path for path in REPOSITORY.glob("*") if path.name != "build"} == before


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_job_that_failed_is_tried_again(again: Project) -> None:
    """Snakemake notes the parameters of a failed job as if it had run."""
    lines = ["genus,specimen,ac:scaleConversionFactor", "Aus,0001,10 mm", "Bus,0001,10 mm", ""]
    (again.folder / "data/specimens.csv").write_text("\n".join(lines))
    again.write(copy.deepcopy(CONFIG) | {"specimen_table": "data/specimens.csv"})
    call = again.run()
    assert call.code == 1 and "'10 mm' is not a number" in call.text
    call = again.run("--dry-run")
    assert {f"measure {run.replace('/', ' ')}" for run in RUNS} <= set(call.jobs)
    assert "aggregate" in call.jobs


def test_a_killed_call_is_taken_up(again: Project) -> None:
    config = copy.deepcopy(CONFIG) | {"seed": 2}
    again.write(config)
    log = again.folder / "logs/Aus/untrained/segment_shard/0001.log"
    before = log.stat().st_mtime_ns
    with (again.folder / "first.log").open("w") as output:
        page = "results/Aus/untrained/review.html"
        process = again.start(output, page, start_new_session=True)
        try:
            deadline = time.monotonic() + 120
            while not log.exists() or log.stat().st_mtime_ns == before:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert not (again.folder / "results/Aus/untrained/shards/0001.json").exists()
    call = again.run("results/Aus/untrained/review.html")
    assert call.code == 1 and "--unlock" in call.text
    assert again.run("--unlock").code == 0
    call = again.run("results/Aus/untrained/review.html")
    assert call.code == 0, call.text
    told = {"evaluate", "measure", "choose_next"}  # what the page tells
    assert call.names() == {"segment_shard", "review_page"} | told


@pytest.mark.parametrize("folder", ["config", ".test/config"])
def test_the_demo_can_be_planned(tmp_path: Path, folder: str) -> None:
    shutil.copytree(REPOSITORY / folder, tmp_path / "config")
    call = Project(tmp_path).run("--dry-run")
    assert call.code == 0
    assert call.jobs.count("aggregate") == 1 and "draw_specimens Fictocarabus" in call.jobs


def test_real_configuration_is_sound(carabidae: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((Path(__file__).parents[1] / "real/config/config.yaml").read_text())
    assert list(config["rounds"]) == ["untrained", "trained", "refined"]
    folder = tmp_path / "a/b"
    shutil.copytree(Path(__file__).parents[1] / "real/config", folder / "config")
    for table in (folder / "config").glob("*.tsv"):
        relative = "../../../shared/data/carabidae"
        table.write_text(table.read_text().replace(relative, str(carabidae)))
    call = Project(folder).run("--dry-run")
    assert call.code == 0 and "list_specimens tray" in call.jobs
