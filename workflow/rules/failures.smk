# A genus that fails stops no other (keep-going in the profiles), but Snakemake starts no job below a failed one, so
# `aggregate` would not run, and yesterday's tables would stay. No rule can wait for a job that may fail. A wrapper
# that hides failures would have to do so for time and memory limits too, which end the wrapper itself, and for the
# retries of a cluster. But the main process knows at the end what failed and what else is not up to date: it makes
# the tables then, without those, and removes the mark COMPLETE, so that the next call makes them again. (Handlers
# of a module do not run: there the old tables stay, with their old dates, and Snakemake's error is all there is.)
import subprocess


def unfinished_runs():
    """The runs whose results are not up to date at the end of a call, and why."""
    dag = workflow.dag
    failed = {
        job
        for entry in workflow.scheduler.failed
        for job in (entry if entry.is_group() else [entry])
    }
    unfinished = {}
    for job in dag.jobs:
        if (
            job.rule.name not in ("evaluate", "measure")
            or not dag.needrun(job)
            or dag.finished(job)
        ):
            continue
        causes = [cause for cause in dag.bfs(dag.dependencies, job) if cause in failed]
        run = f"{job.wildcards.genus}/{job.wildcards.round}"
        if causes:
            unfinished[run] = "; ".join(sorted({cause_of_failure(cause) for cause in causes}))
        else:
            unfinished.setdefault(run, "not computed: the call ended before")
    return unfinished if failed else {}


def cause_of_failure(job):
    """Which rule failed, and the error its log ends with."""
    for log in job.log:
        try:
            lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        errors = [line for line in lines if line.startswith("error: ")] or lines[-1:]
        if errors:
            return f"{job.rule.name} failed: {errors[-1].removeprefix('error: ')} ({log})"
    return f"{job.rule.name} failed: see the messages above"


def tables_without(unfinished):
    """Make the tables of all genera again without the runs that are not up to date.

    The script leaves out a run beside whose results a note *.failed lies, and says so in status.csv.
    """
    if not any(job.rule.name == "aggregate" for job in workflow.dag.jobs) or not unfinished:
        return
    Path(COMPLETE).unlink(missing_ok=True)
    Path("results/provenance.json").unlink(missing_ok=True)
    notes = []
    for run, reason in unfinished.items():
        notes.append(Path("results", run, "run.failed"))
        notes[-1].parent.mkdir(parents=True, exist_ok=True)
        notes[-1].write_text(f"{reason}\n", encoding="utf-8")
    command = [sys.executable, SCRIPTS / "aggregate.py", "--expected", json.dumps(RUNS)]
    command += ["--metadata", json.dumps(METADATA), "--options", f"{OPTIONS}/aggregate.json"]
    try:
        done = subprocess.run(
            [*command, "--output-folder", "results/tables"], stdin=subprocess.DEVNULL
        )
    finally:
        for note in notes:
            note.unlink(missing_ok=True)
    if done.returncode == 0:
        print("results/tables is without these runs, and says so in status.csv.", file=sys.stderr)
        return
    for table in TABLES:
        Path(table).unlink(missing_ok=True)
    print("The tables could not be made without them; the old ones were removed.", file=sys.stderr)
    for run, reason in unfinished.items():
        print(f"  {run}: {reason}", file=sys.stderr)


def waiting(*names):
    """The jobs of these rules that were due and did not run to their end."""
    dag = workflow.dag
    return [
        job
        for job in dag.jobs
        if job.rule.name in names and dag.needrun(job) and not dag.finished(job)
    ]


def made_from_tables():
    """Make the summaries and figures again, from the tables as they are; remove what cannot be made."""
    due = waiting("summarize_morphometrics", "plot_evaluation", "plot_morphometrics")
    if not due or not workflow.scheduler.failed:
        return
    old = {path for job in waiting("measure_truth") for path in job.output}
    truth = [path for path in TRUTH_MEASURED if path not in old and Path(path).exists()]
    tables = Path("results/tables")
    measured = tables / "morphometrics.csv"
    commands = {
        "summarize_morphometrics": [
            *("--tables", measured, "--evaluation", tables / "evaluation.csv"),
            *("--compare", measured, "--against", *truth, "--output-folder", tables),
        ],
        "plot_morphometrics": [
            *("--tables", measured, "--evaluation", tables / "evaluation.csv"),
            *("--pairs", tables / "morphometrics_pairs.csv"),
            *("--output", *rules.plot_morphometrics.output),
        ],
        "plot_evaluation": [
            *("--tables", tables),
            *("--output", *rules.plot_evaluation.output),
        ],
    }
    for name, arguments in commands.items():
        outputs = getattr(rules, name).output
        if not any(job.rule.name == name for job in due):
            continue
        done = measured.exists() and subprocess.run(
            [
                *(sys.executable, SCRIPTS / f"{name}.py", *arguments),
                *("--options", f"{OPTIONS}/{name}.json"),
            ],
            stdin=subprocess.DEVNULL,
        )
        if not done or done.returncode:
            for path in outputs:
                Path(path).unlink(missing_ok=True)
            print(
                f"{name} could not be run without them; its old files were removed.",
                file=sys.stderr,
            )


onerror:
    tables_without(unfinished_runs())
    made_from_tables()
