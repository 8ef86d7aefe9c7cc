# A genus that fails stops no other (keep-going in the profiles), but Snakemake starts no job below a failed one, so
# `aggregate` would not run, and yesterday's tables would stay. No rule can wait for a job that may fail. So after a
# call that failed the tables of all genera are made from what is up to date, which the files tell, and the mark
# COMPLETE is removed, so that the next call makes them again. Handlers of a module do not run by themselves: the
# workflow that uses it calls that of the module in its own.
import shutil
import subprocess
from types import SimpleNamespace

from sam2pal.evaluation.ending import ERRORS, INCOMPLETE


def runs_and_their_inputs():
    """The runs, and the files that are not made for a genus or run but that its results are made from."""
    options = place(OPTIONS)
    for (genus, name), sources in PROJECT.runs.items():
        truth, round_ = PROJECT.genera[genus].truth, PROJECT.rounds[name]
        scales = place(f"<results>/{genus}/scale.csv") if CONFIG.measurement.seen else ""
        inputs = {
            "templates.json": [f"{options}/convert_templates.json"],
            "train_pool.tsv": [f"{options}/draw_pool.{name}.json"],
            "adapter": [f"{options}/train_palindrome.{name}.json", CHECKPOINT, MODEL_CONFIG],
            "shards": [f"{options}/segment_shard.json", CHECKPOINT, MODEL_CONFIG],
            "evaluation.csv": [f"{options}/evaluate.json", SPECIMEN_TABLE],
            "morphometrics.parquet": [f"{options}/measure.json", SPECIMEN_TABLE, scales],
            "truth.json": [truth],
            "corrections.json": [
                f"{options}/convert_corrections.json",
                *PROJECT.corrections.get(genus, []),
            ],
            "truth_morphometrics.parquet": [
                f"{options}/measure_truth.json",
                SPECIMEN_TABLE,
                scales,
            ],
        }
        if PROJECT.genera[genus].layout != "single":
            boxes = PROJECT.genera[genus].box_files
            inputs["specimens.json"] = [f"{options}/find_specimens.json", *boxes]
        if genus not in PROJECT.corrections:
            del inputs["corrections.json"]
        inputs = {output: [path for path in paths if path] for output, paths in inputs.items()}
        trained = {"trained": round_.train is not None, "init": round_.init}
        yield {"genus": genus, "round": name, "inputs": inputs} | trained


def unchanged():
    """Outputs that Snakemake need not make again, although an input that was only saved again is newer."""
    jobs = [job for job in workflow.dag.jobs if not workflow.dag.needrun(job)]
    return sorted({str(path) for job in jobs for path in job.output})


def nothing_measured():
    """Whether the tables have no measurements: no run came so far, and there is nothing to draw."""
    from pyarrow.parquet import read_metadata

    path = Path(place("<results>/tables/morphometrics.parquet"))
    return path.is_file() and not read_metadata(path).num_rows


def tables_of_what_is_up_to_date():
    from sam2pal.evaluation.up_to_date import Results, expected_runs

    for mark in (place(COMPLETE), *rules.provenance.output, *rules.plot_shapes.output):
        Path(mark).unlink(missing_ok=True)
    runs = list(runs_and_their_inputs())
    folders, current = (Path(place("<results>")), Path(place("<logs>"))), unchanged()
    results = Results(expected_runs(runs, "runs"), *folders, current)
    old = {run.genus for run in results.runs if results.check(run, "truth")[0] != "ok"}
    listed, kept = (folders[0] / "tables" / name for name in (".runs.json", ".unchanged"))
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text(json.dumps(runs), encoding="utf-8")
    kept.write_text("\n".join(current), encoding="utf-8")
    failed = ""  # what the others are made from
    for name, arguments in ARGUMENTS.items():
        of = getattr(rules, name)
        input, params = (SimpleNamespace(**dict(part.items())) for part in (of.input, of.params))
        params.program = params.program(None, None)
        if name == "aggregate":
            params.expected = listed
            arguments += f" --results {folders[0]} --logs {folders[1]} --unchanged {kept}"
        elif name == "summarize_morphometrics":
            input.truth = [
                place(path) for path in TRUTH_MEASURED if Path(path).parent.name not in old
            ]
        log = Path(place(f"<logs>/{name}.after_failure.log"))
        idle = name == "plot_morphometrics" and nothing_measured()
        try:
            if idle or (failed and name != "review_index"):
                raise subprocess.CalledProcessError(1, failed)
            log.parent.mkdir(parents=True, exist_ok=True)
            command = f"{{params.program}} {arguments} > {log} 2>&1"
            shell(command, input=input, params=params, output=of.output)
        except subprocess.CalledProcessError:
            for path in map(Path, of.output):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            if not failed and not idle:
                failed = f"{name} could not be run, so tables and figures are incomplete: {log}"
    listed.unlink()
    kept.unlink()
    if failed:
        print(failed, file=sys.stderr)


def show_summary():
    """Print what there is, what to look at and what went wrong: the last that a call says. Returns the text."""
    path = Path(place("<results>/summary.txt"))
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text:
        print("", text, sep="\n", file=sys.stderr)
    return text


onstart:
    # on a cluster too: the files that jobs keep lie in the shared folder
    if sys.stderr.isatty():
        from sam2pal.io.progress import watch

        watch(Path(place("<logs>")))


onsuccess:
    # an error is told again, and by the exit status, until it is mended: the mark that all is told is taken away
    if ERRORS in show_summary().splitlines() and Path(place(TOLD)).exists():
        Path(place(TOLD)).unlink()
        sys.exit(INCOMPLETE)


onerror:
    tables_of_what_is_up_to_date()
    show_summary()
    sys.exit(1)  # Snakemake, too, would end with 1, but its last words would hide the cause
