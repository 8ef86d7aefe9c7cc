"""Tables over all genera: what is in them, what is not, and why."""

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import aggregate
import plot_evaluation
from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.dataset.files import write as write_coco
from sam2pal.evaluation import plots
from sam2pal.evaluation.columns import COLUMNS
from sam2pal.evaluation.left_out import COLUMNS as LEFT_OUT
from sam2pal.evaluation.scores import ALL, PRESENCE, Scores
from sam2pal.evaluation.summary import (
    CALIBRATION,
    COMPARISON,
    RELIABILITY,
    SUMMARY,
    calibrate,
    compare_rounds,
    summarise,
)
from sam2pal.evaluation.up_to_date import STAGES, STATUS, Results, Run, expected_runs
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.tables.columns import COLUMNS as MORPHOMETRICS

STRUCTURES = ("head", "legs")
TABLES = {
    "evaluation": COLUMNS,
    "evaluation_summary": SUMMARY,
    "evaluation_presence": PRESENCE,
    "evaluation_rounds": COMPARISON,
    "evaluation_calibration": CALIBRATION,
    "evaluation_reliability": RELIABILITY,
    "leave_one_out": LEFT_OUT,
    "morphometrics": MORPHOMETRICS,
    "status": STATUS,
}


def read(path, columns, required=None):
    return tables.to_pandas(tables.read(path, columns, required))


def evaluation(genus, round_, n=30, gain=0.0, seed=0):
    """Rows of an evaluation: heads good, legs poor, one template, one missed, one unknown."""
    generator = np.random.default_rng([seed, n])
    rows = []
    for i in range(n):
        for structure in STRUCTURES:
            quality = generator.normal(0.85 if structure == "head" else 0.5, 0.1)
            noise, iou = generator.normal(0, 0.05), float(np.clip(quality + gain, 0, 1))
            row = {"genus": genus, "round": round_, "specimen": f"s{i:03d}"}
            row |= {"structure": structure, "status": "scored", "source": "predicted"}
            row |= {"iou": iou, "dice": 2 * iou / (1 + iou), "boundary_f": iou**2, "hd95_px": 3.5}
            row |= {"area_error": 0.01, "precision": iou, "recall": 1.0, "truth_area_px": 100}
            row |= {"confidence": float(np.clip(iou + noise, 0, 1)), "object_score": 9 * noise}
            if i == 0:
                row |= {"status": "template", "source": "drawn"}
                row |= dict.fromkeys(("iou", "dice", "precision", "recall"), None)
                row |= dict.fromkeys(("boundary_f", "hd95_px", "area_error"), None)
            if i == 1:
                row |= {"status": "missed", "iou": 0.0, "hd95_px": None, "precision": None}
            rows.append(row)
    return tables.table(rows, COLUMNS)


def measurements(genus, round_, n=30):
    rows = [
        {"genus": genus, "round": round_, "specimen": f"s{i:03d}", "structure": "head"}
        | {"measure": "length", "value": 1.5 * i, "unit": "px", "status": "measured"}
        for i in range(n)
    ]
    columns = ("genus", "round", "specimen", "structure", "measure", "value", "unit", "status")
    return tables.table(rows, {name: MORPHOMETRICS[name] for name in columns})


def touch(path, seconds, content="x"):
    """A file of a stated age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(content)
    os.utime(path, (seconds, seconds))


def lay_out(results, genus, round_, start=1000.0, **options):
    """Everything the workflow would have made for a run, in its order."""
    folder = results / genus / round_
    touch(results / genus / "lists/.state.tsv", start)
    touch(results / genus / "lists/.listed", start)
    for i, shard in enumerate(("0000", "0001")):
        touch(results / genus / "lists" / f"{shard}.tsv", start + i)
        touch(folder / "shards" / f"{shard}.json", start + 40 + i)
    touch(folder / "templates.json", start + 10)
    if round_ != "untrained":
        touch(folder / "train_pool.tsv", start + 20)
        touch(folder / "adapter" / "adapter_config.json", start + 30)
    tables.write(evaluation(genus, round_, **options), folder / "evaluation.csv")
    tables.write(measurements(genus, round_), folder / "morphometrics.parquet")
    for name in STAGES.values():
        touch(folder / name, start + 60)


def run(monkeypatch, main, *arguments):
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, arguments)])
    main()


EXPECTED = ["Formica/untrained", "Formica/trained", "Lasius/untrained", "Lasius/trained"]
RUNS = [
    {"genus": genus, "round": round_, "trained": round_ == "trained"}
    for genus in ("Formica", "Lasius")
    for round_ in ("untrained", "trained")
]
OPTIONS = {"replicates": 300}


def run_aggregate(monkeypatch, results, expected=EXPECTED, *more):
    folder = results / "tables"
    arguments = ["--results", results, "--expected", json.dumps(expected), *more]
    options = results / "options.json"
    options.write_text(json.dumps({"evaluation": OPTIONS}))
    arguments += ["--options", options]
    run(monkeypatch, aggregate.main, *arguments, "--output-folder", folder)
    return read_tables(folder)


def read_tables(folder):
    long = {"morphometrics": "parquet"}
    return {n: read(folder / f"{n}.{long.get(n, 'csv')}", of, ()) for n, of in TABLES.items()}


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Results of two genera in two rounds, with their tables; not to be changed."""
    results = tmp_path_factory.mktemp("complete") / "results"
    for genus, seed in (("Formica", 1), ("Lasius", 2)):
        lay_out(results, genus, "untrained", seed=seed)
        lay_out(results, genus, "trained", seed=seed, gain=0.06)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_aggregate(monkeypatch, results)
    return results


@pytest.fixture(scope="module")
def out(complete):
    return read_tables(complete / "tables")


@pytest.fixture
def results(complete, tmp_path):
    """A copy, times included, that a test may change."""
    return shutil.copytree(complete, tmp_path / "results")


def statuses(status):
    return {(row.genus, row.round, row.stage): row.status for row in status.itertuples(index=False)}


def test_everything_is_in_the_tables(complete, out):
    assert set(out["status"]["status"]) == {"ok"} and len(out["status"]) == 10
    (of, _) = out["status"].iloc[8:].to_dict("records")
    assert (of["genus"], of["round"], of["stage"]) == ("Formica", "trained", "final_round")
    assert of["reason"].startswith("the best against truth (mean IoU 0.")
    assert out["status"]["rows"].tolist()[:2] == [60, 30]
    assert out["status"]["specimens"].tolist()[:2] == [30, 30]
    files = [complete / genus_round / "evaluation.csv" for genus_round in EXPECTED]
    whole = pd.concat([read(path, COLUMNS) for path in files], ignore_index=True)
    pd.testing.assert_frame_equal(out["evaluation"], whole)
    assert len(out["morphometrics"]) == 120 and out["morphometrics"]["value"].sum() == 4 * 652.5
    for name in TABLES:
        parquet = pd.read_parquet(complete / "tables" / f"{name}.parquet")
        assert parquet.columns.tolist() == out[name].columns.tolist()
        pd.testing.assert_frame_equal(
            parquet.fillna(-9), out[name].fillna(-9), check_dtype=False, check_exact=True
        )


def test_summaries_are_those_of_the_rows(out):
    rows = out["evaluation"]
    scored = rows[rows["status"].isin(["scored", "missed"])]
    summary = out["evaluation_summary"].set_index(["genus", "round", "structure", "measure"])
    for genus in ("Formica", "Lasius", ALL):
        chosen = scored[scored["round"] == "trained"]
        chosen = chosen if genus == ALL else chosen[chosen["genus"] == genus]
        by_structure = []
        for structure in STRUCTURES:
            iou = chosen["iou"][chosen["structure"] == structure]
            line = summary.loc[genus, "trained", structure, "iou"]
            assert line["n"] == len(iou) == (58 if genus == ALL else 29)
            assert line["mean"] == pytest.approx(iou.mean(), abs=1e-6)
            assert line["median"] == pytest.approx(iou.median(), abs=1e-6)
            assert line["share_good"] == pytest.approx((iou >= 0.75).mean(), abs=1e-6)
            assert line["lower"] < line["mean"] < line["upper"]
            by_structure.append(line)
        line = summary.loc[genus, "trained", ALL, "iou"]
        for name in ("mean", "median", "share_good"):
            assert line[name] == pytest.approx(np.mean([x[name] for x in by_structure]), abs=1e-6)
    assert (
        summary.loc["Formica", "trained", "head", "hd95_px"]["n"] == 28
    )  # the missed one has none
    presence = out["evaluation_presence"]
    assert (presence["true_present"] == 28).all() and (presence["false_absent"] == 1).all()
    assert (presence["template"] == 1).all() and (presence["n_known"] == 29).all()


def test_rounds_are_compared_on_the_same_specimens(out):
    rows, table = out["evaluation"], out["evaluation_rounds"]
    key = ["genus", "round_before", "round_after", "structure", "measure"]
    line = table.set_index(key).loc["Lasius", "untrained", "trained", "legs", "iou"]
    wide = rows[(rows["genus"] == "Lasius") & (rows["structure"] == "legs")]
    wide = wide.pivot(index="specimen", columns="round", values="iou").dropna()
    change = wide["trained"] - wide["untrained"]
    assert line["n"] == len(change) == 29 and line["n_unpaired"] == 0
    assert line["change"] == pytest.approx(change.mean(), abs=1e-6)
    assert line["share_improved"] == pytest.approx((change > 0).mean(), abs=1e-6)
    assert line["after"] - line["before"] == pytest.approx(line["change"], abs=2e-6)
    assert 0 < line["lower"] < line["change"] < line["upper"]
    assert line["more_than_noise"] == "yes" and line["p"] <= line["p_holm"] < 0.05
    assert len(table) == 3 * 3 * 2  # both genera and all; two structures and all; two measures


def test_no_gain_is_no_gain():
    scores = Scores()
    scores.add(evaluation("Formica", "untrained", seed=3))
    scores.add(evaluation("Formica", "trained", seed=4))
    table = tables.to_pandas(compare_rounds(scores, EvaluationOptions(), 1))
    assert (table["more_than_noise"] == "no").all()
    assert (table["lower"] < 0).all() and (table["upper"] > 0).all()


def test_specimens_scored_once_are_not_compared():
    scores = Scores()
    scores.add(evaluation("Formica", "untrained", seed=3))
    after = tables.to_pandas(evaluation("Formica", "trained", seed=3, gain=0.1))
    after.loc[after["specimen"] == "s005", "status"] = "template"
    scores.add(tables.from_pandas(after, COLUMNS))
    table = tables.to_pandas(compare_rounds(scores, EvaluationOptions(), 1)).set_index(
        ["genus", "structure", "measure"]
    )
    assert table.loc[("Formica", "head", "iou"), ["n", "n_unpaired"]].tolist() == [28, 1]


def test_another_genus_changes_nothing_of_the_first():
    def summary(genera):
        scores = Scores()
        for seed, genus in enumerate(genera):
            scores.add(evaluation(genus, "untrained", seed=seed))
        table = tables.to_pandas(summarise(scores, EvaluationOptions(), 1))
        return table[table["genus"] == "Formica"].reset_index(drop=True)

    pd.testing.assert_frame_equal(summary(["Formica"]), summary(["Formica", "Lasius"]))


def test_a_specimen_scored_twice_is_refused():
    scores = Scores()
    scores.add(evaluation("Formica", "untrained"))
    scores.add(evaluation("Formica", "untrained"))
    with pytest.raises(InputError, match="'s001', structure 'head' is scored twice"):
        summarise(scores, EvaluationOptions(), 1)


def test_calibration_within_structures(out):
    table = (
        out["evaluation_calibration"]
        .set_index(["genus", "round", "structure", "signal"])
        .sort_index()
    )
    rows = out["evaluation"]
    rows = rows[rows["iou"].notna() & (rows["round"] == "untrained")]
    legs = rows[(rows["structure"] == "legs") & (rows["genus"] == "Formica")]
    line = table.loc["Formica", "untrained", "legs", "confidence"]
    assert line["n"] == 29 and line["n_bad"] == (legs["iou"] < 0.5).sum()
    spearman = legs["iou"].rank().corr(legs["confidence"].rank())
    assert line["spearman"] == pytest.approx(spearman, abs=1e-6)
    assert line["auroc_lower"] <= line["auroc"] <= line["auroc_upper"]
    pooled = table.loc[ALL, "untrained", ALL]
    assert pooled.loc["confidence", "auroc"] > 0.9 > 0.65 > pooled.loc["object_score", "auroc"]
    assert np.isnan(pooled.loc["object_score", ["ece", "brier_skill"]].astype(float)).all()
    good = rows["iou"] >= 0.75
    assert pooled.loc["confidence", "share_good"] == pytest.approx(good.mean(), abs=1e-6)
    brier = 1 - ((rows["confidence"] - good) ** 2).mean() / (good.mean() * (1 - good.mean()))
    assert pooled.loc["confidence", "brier_skill"] == pytest.approx(brier, abs=1e-5)
    bins = out["evaluation_reliability"]
    bins = bins[(bins["round"] == "untrained") & (bins["structure"] == ALL)]
    assert bins["n"].sum() == 116 and set(bins["signal"]) == {"confidence"}
    assert (bins["share_good"] * bins["n"]).sum() == pytest.approx(good.sum(), abs=1e-3)


def test_calibration_is_of_what_the_confidence_means():
    scores = Scores()
    scores.add(evaluation("Formica", "untrained"))
    every = [calibrate(scores, EvaluationOptions(good_iou=iou)) for iou in (0.75, 0.9)]
    assert every[0] == every[1]


def edit(path, text):
    """Write something into a file, as new as it was."""
    age = path.stat().st_mtime
    path.write_text(text)
    touch(path, age)


def remove_shard(results):
    (results / "Lasius/trained/shards/0001.json").unlink()


def newer_shard(results):
    touch(results / "Lasius/trained/shards/0001.json", 2000)


def newer_templates(results):
    touch(results / "Lasius/trained/templates.json", 2000)


def newer_pool(results):
    touch(results / "Lasius/trained/train_pool.tsv", 2000)


def newer_list(results):
    touch(results / "Lasius/lists/0002.tsv", 1000)


def remove_result(results):
    (results / "Lasius/trained/evaluation.csv").unlink()


def cut_result(results):
    path = results / "Lasius/trained/evaluation.csv"
    edit(path, path.read_text()[:-30])


def other_round(results):
    path = results / "Lasius/trained/evaluation.csv"
    edit(path, path.read_text().replace(",trained,", ",refined,"))


def fail_training(results):
    """Snakemake removes the adapter; the log ends with the error."""
    shutil.rmtree(results / "Lasius/trained/adapter")
    log = results.parent / "logs/Lasius/trained/train_palindrome.log"
    touch(log, 3000, "step 7\nerror: the loss is not a number\n")


def kill_training(results):
    """Nothing can be said by what is killed."""
    shutil.rmtree(results / "Lasius/trained/adapter")
    touch(results.parent / "logs/Lasius/trained/train_palindrome.log", 3000, "step 7\n")


def never_start_training(results):
    """Its log is of the last time."""
    shutil.rmtree(results / "Lasius/trained/adapter")
    touch(results.parent / "logs/Lasius/trained/train_palindrome.log", 900, "error: old\n")


def fail_listing(results):
    (results / "Lasius/lists/.listed").unlink()
    touch(results.parent / "logs/Lasius/list_specimens.log", 3000, "error: no such folder\n")


def fail_one_shard(results):
    (results / "Lasius/trained/shards/0001.json").unlink()
    log = results.parent / "logs/Lasius/trained/segment_shard/0001.log"
    touch(log, 3000, "Traceback\nRuntimeError: out of memory\n")


def fail_and_keep_the_output(results):
    """As with --keep-incomplete."""
    touch(results.parent / "logs/Lasius/trained/evaluate.log", 3000, "error: no truth\n\n")


@pytest.mark.parametrize(
    ("harm", "status", "reason"),
    [
        (remove_shard, "stale", "shards/0001.json is missing"),
        (newer_shard, "stale", "evaluation.csv is older than .*shards/0001.json"),
        (newer_templates, "stale", "train_pool.tsv is older than .*templates.json"),
        (newer_pool, "stale", "adapter is older than .*train_pool.tsv"),
        (newer_list, "stale", "shards/0002.json is missing"),
        (remove_result, "missing", "evaluation.csv is missing"),
        (cut_result, "damaged", "damaged table"),
        (other_round, "damaged", "round has 'refined' instead of 'trained'"),
        (fail_training, "failed", "^train_palindrome failed: the loss is not a number .*log"),
        (kill_training, "failed", "train_palindrome failed: step 7 .*train_palindrome.log"),
        (never_start_training, "stale", "Lasius/trained/adapter is missing"),
        (fail_listing, "failed", "list_specimens failed: no such folder"),
        (fail_one_shard, "failed", "segment_shard failed: RuntimeError: out of .*0001.log"),
        (fail_and_keep_the_output, "failed", "evaluate failed: no truth"),
    ],
)
def test_nothing_of_yesterday(results, monkeypatch, capsys, harm, status, reason):
    harm(results)
    out = run_aggregate(monkeypatch, results, RUNS, "--logs", results.parent / "logs")
    table = out["status"].set_index(["genus", "round", "stage"])
    line = table.loc["Lasius", "trained", "evaluation"]
    assert line["status"] == status
    assert pd.Series([line["reason"]]).str.contains(reason).all()
    assert statuses(out["status"])["Formica", "trained", "evaluation"] == "ok"
    for name in list(TABLES)[:-2]:
        of_genus = out[name][out[name]["genus"] == "Lasius"]
        rounds = of_genus.get("round", of_genus.get("round_after"))
        assert "trained" not in set(rounds), name
    assert f"Lasius/trained {status}: " in capsys.readouterr().err


def test_the_reason_of_a_failure_is_found_in_its_log(results, tmp_path, monkeypatch):
    remove_result(results)
    remove_shard(results)
    logs = tmp_path / "logs"
    log = logs / "Lasius/trained/segment_shard/0001.log"
    touch(log, 1100, "error: 0007.jpg is truncated\n")
    touch(logs / "Lasius/trained/train_palindrome.log", 50, "Traceback\nValueError: earlier\n")
    touch(logs / "Lasius/trained/measure.log", 1200, "all well\n")
    touch(logs / "Formica/trained/train_palindrome.log", 300, "error: not this one\n")
    out = run_aggregate(monkeypatch, results, EXPECTED, "--logs", logs)
    told = out["status"][out["status"]["stage"] != "final_round"]
    reasons = set(told["reason"])
    assert reasons == {"", f"segment_shard failed: 0007.jpg is truncated ({log})"}


def test_the_same_results_give_the_same_bytes(results, monkeypatch):
    before = {path.name: path.read_bytes() for path in (results / "tables").iterdir()}
    assert len(before) == 2 * len(TABLES) - 1  # the long one is Parquet alone
    run_aggregate(monkeypatch, results)
    assert before == {path.name: path.read_bytes() for path in (results / "tables").iterdir()}


def test_what_was_noticed_on_reading_is_counted(results, monkeypatch):
    for path, notes in (("untrained/templates.json", ["one", "two"]), ("truth.json", ["three"])):
        path = results / "Formica" / path
        touch(path, 1000)
        write_coco(path, {"info": {"notes": notes}, "images": [], "annotations": []})
        os.utime(path, (1000, 1000))
    status = run_aggregate(monkeypatch, results)["status"]
    counted = status.set_index(["genus", "round", "stage"])["notes"]
    folder = results / "unchecked"  # as the rule does: beside the runs, no folder of results
    run(monkeypatch, aggregate.main, "--expected", json.dumps(EXPECTED), "--output-folder", folder)
    named = pd.read_csv(folder / "status.csv").set_index(["genus", "round", "stage"])["notes"]
    assert named.dropna().to_dict() == counted.dropna().to_dict()
    assert counted["Formica", "untrained", "evaluation"] == 3
    assert counted["Formica", "untrained", "morphometrics"] == 2
    assert counted["Formica", "trained", "evaluation"] == 1
    assert counted["Lasius", "trained", "evaluation"] == 0


def test_the_long_table_is_csv_only_where_it_is_asked_for(results, monkeypatch):
    out = run_aggregate(monkeypatch, results, EXPECTED, "--long-csv")
    path = results / "tables/morphometrics.csv"
    assert tables.read(path, MORPHOMETRICS, ()).num_rows == len(out["morphometrics"]) == 120
    run_aggregate(monkeypatch, results)
    assert not path.exists()


def test_metadata_of_genera(results, monkeypatch):
    metadata = json.dumps({"Formica": {"country": "Chad"}})
    out = run_aggregate(monkeypatch, results, EXPECTED, "--metadata", metadata)
    for name in ("evaluation", "morphometrics"):
        countries = out[name].groupby("genus")["country"].unique()
        assert countries["Formica"].tolist() == ["Chad"]
        assert countries["Lasius"].tolist() == [""]
    wrong = json.dumps({"Formica": {"iou": "not theirs"}})
    with pytest.raises(InputError, match="'iou' has the name of a column"):
        run_aggregate(monkeypatch, results, EXPECTED, "--metadata", wrong)


def test_specimens_whose_scale_does_not_fit_are_told_once(results, monkeypatch):
    for round_ in ("untrained", "trained"):
        path = results / "Lasius" / round_ / "morphometrics.parquet"
        table, age = tables.read(path, MORPHOMETRICS, ()), os.stat(path).st_mtime
        flags = ["fragments;implausible_scale" if i == 7 else "" for i in range(len(table))]
        columns = {name: MORPHOMETRICS[name] for name in (*table.column_names, "flags")}
        rows = [row | {"flags": of} for row, of in zip(table.to_pylist(), flags, strict=True)]
        tables.write(tables.table(rows, columns), path)
        os.utime(path, (age, age))
    status = run_aggregate(monkeypatch, results)["status"]
    said = status[status["stage"] == "scale"]
    assert said["genus"].tolist() == ["Lasius"] and "1 specimens are far" in said["reason"].iloc[0]
    assert "'s007'" in said["reason"].iloc[0] and "in no mean" in said["reason"].iloc[0]


def test_columns_that_only_some_genera_have(results, monkeypatch):
    path = results / "Lasius/trained/evaluation.csv"
    table = tables.read(path, COLUMNS)
    tables.write(table.append_column("sex", pa.array(["female"] * len(table))), path)
    touch(path, 1060)
    out = run_aggregate(monkeypatch, results)["evaluation"]
    assert out.columns.tolist() == [*COLUMNS, "sex"]
    assert out.groupby("genus")["sex"].unique()["Formica"].tolist() == [""]
    assert (out["sex"] == "female").sum() == 60


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"a": 1}, "expected a list"),
        (["Formica"], "'Formica'|not a genus and a round"),
        ([{"genus": "A", "round": "b", "input": []}], "unknown key 'input' .*'inputs'"),
        (["A/b", {"genus": "A", "round": "b"}], "A/b is named twice"),
    ],
)
def test_bad_lists_of_runs(expected, message):
    with pytest.raises(InputError, match=message):
        expected_runs(expected, "--expected")


def test_a_run_may_require_more(results, monkeypatch):
    given = [str(results / "nothing")]
    expected = [{"genus": "Formica", "round": "trained", "inputs": {"shards": given}}]
    out = run_aggregate(monkeypatch, results, expected)
    assert set(out["status"]["status"]) == {"stale"}


def test_files_from_outside_count_for_what_is_made_from_them(results, tmp_path):
    truth, made = tmp_path / "truth.json", results / "Formica"
    run = Run("Formica", "trained", inputs={"truth.json": [str(truth)]})
    touch(made / "manifest.tsv", 1000)
    touch(made / "truth.json", 1020)
    touch(made / "truth_morphometrics.parquet", 1030)
    for seconds, expected in ((1000, "ok"), (2000, "stale")):
        touch(truth, seconds)
        found = Results([run], results)
        assert found.check(run, "evaluation")[0] == found.check(run, "truth")[0] == expected
        assert found.check(run, "morphometrics") == ("ok", "")
    touch(made / "truth.json", 2010)
    assert "evaluation.csv is older than" in found.check(run, "evaluation")[1]
    assert "truth_morphometrics.parquet is older than" in found.check(run, "truth")[1]


def test_what_is_made_from_a_file_that_was_saved_again_is_kept(results, tmp_path, monkeypatch):
    newer_templates(results)  # Snakemake compares what they hold
    shards = [f"shards/{number:04d}.json" for number in range(3)]
    made = ("train_pool.tsv", "adapter", *shards, "evaluation.csv")
    kept = tmp_path / "kept"
    kept.write_text("".join(f"{results / 'Lasius/trained' / name}\n" for name in made))
    arguments = "--unchanged", kept
    for expected in ("ok", "missing"):
        out = run_aggregate(monkeypatch, results, RUNS, *arguments)
        found = statuses(out["status"])
        assert found["Lasius", "trained", "evaluation"] == expected
        assert found["Lasius", "trained", "morphometrics"] == "stale"  # which is not in the list
        remove_result(results) if expected == "ok" else None


def test_a_round_is_as_old_as_the_round_it_starts_from(results):
    shutil.copytree(results / "Lasius/trained", results / "Lasius/refined")
    refined = Run("Lasius", "refined", trained=True, init="trained")
    found = Results([Run("Lasius", "trained", trained=True), refined], results)
    assert found.check(refined, "evaluation") == ("ok", "")
    newer_pool(results)
    status, reason = found.check(refined, "evaluation")
    assert status == "stale" and "trained/adapter is older than" in reason


def test_figures(complete, monkeypatch, tmp_path):
    paths = [tmp_path / "figures" / f"{name}.svg" for name in plots.FIGURES]
    arguments = ["--tables", complete / "tables", "--output"]
    run(monkeypatch, plot_evaluation.main, *arguments, *paths, tmp_path / "reliability.png")
    for path in paths:
        assert ElementTree.fromstring(path.read_bytes()).tag.endswith("svg")
    before = paths[0].read_bytes()
    run(monkeypatch, plot_evaluation.main, *arguments, paths[0])
    assert paths[0].read_bytes() == before
    with pytest.raises(InputError, match="did you mean 'reliability'"):
        run(monkeypatch, plot_evaluation.main, *arguments, tmp_path / "reliabilty.png")


def test_figures_without_any_truth(results, monkeypatch, tmp_path):
    run_aggregate(monkeypatch, results, ["Nobody/untrained"])
    table = read(results / "tables" / "evaluation_summary.csv", SUMMARY)
    assert len(table) == 0
    figure = plots.iou_by_structure(table)
    assert "nothing to score" in figure.axes[0].texts[0].get_text()
    paths = [tmp_path / f"{name}.svg" for name in plots.FIGURES]
    run(monkeypatch, plot_evaluation.main, "--tables", results / "tables", "--output", *paths)
    assert all(path.stat().st_size > 1000 for path in paths)


def test_what_the_figures_show(out):
    axes = plots.iou_by_structure(out["evaluation_summary"]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        *("all structures", "head", "legs")
    ]
    assert axes.get_legend_handles_labels()[1] == ["untrained", "trained"]
    pooled = out["evaluation_summary"].query("genus == '(all)' and measure == 'iou'")
    shown = sorted(
        y for c in axes.collections if c.get_label() == "trained" for _, y in c.get_offsets()
    )
    assert shown == pytest.approx(sorted(pooled["mean"][pooled["round"] == "trained"]))
    texts = plots.iou_by_genus(out["evaluation_summary"]).axes[0].texts
    assert len(texts) == 2 * 3
    rows = plots.change_between_rounds(out["evaluation_rounds"]).axes[0].get_yticklabels()
    assert len(rows) == 3 and "untrained to trained: head, n = 58" in rows[0].get_text()


def test_rounds_of_a_genus_without_truth_are_compared_by_specimens_left_out(results, monkeypatch):
    for name, iou in (("untrained", 0.9), ("trained", 0.7)):
        rows = [
            {"genus": "Lasius", "round": name, "specimen": f"s{n}", "structure": "head"}
            | {"iou": iou + 0.01 * (n % 2), "trained_on": "no", "begun_from": "no"}
            for n in range(4)
        ]
        tables.write(tables.table(rows, LEFT_OUT), results / f"Lasius/{name}/leave_one_out.csv")
    files = [
        results / f"{genus}/leave_one_out.csv" for genus in ("Lasius/untrained", "Lasius/trained")
    ]
    out = run_aggregate(monkeypatch, results, EXPECTED, "--left-out", *files)
    assert len(out["leave_one_out"]) == 8
    (row,) = out["evaluation_rounds"].query("measure == 'iou_left_out'").to_dict("records")
    assert (row["genus"], row["n"], row["more_than_noise"]) == ("Lasius", 4, "yes")
    assert row["change"] == pytest.approx(-0.2)
    worse = out["status"].query("status == 'worse'")["reason"].tolist()
    assert any("worse than the round 'untrained' by leave-one-out" in reason for reason in worse)
    # what failed is said, and the other rounds are compared
    files[1].unlink()
    status = run_aggregate(monkeypatch, results, EXPECTED, "--left-out", *files)["status"]
    (row,) = status.query("stage == 'leave_one_out'").to_dict("records")
    assert (row["round"], row["status"]) == ("trained", "missing")
