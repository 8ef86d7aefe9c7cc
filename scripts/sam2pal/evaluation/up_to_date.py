"""Which results are up to date, as their files say, and why the others are not.

Snakemake removes the outputs of a job that fails, and what it does not reach stays as it was, older
than what it is made from. So a result is up to date if every file on the way to it is there and not
older than its inputs, unless these were only saved again (Snakemake compares what they hold):

    lists/*.tsv, templates.json -> train_pool.tsv -> adapter/ -> shards/*.json -> evaluation.csv
    manifest.tsv -> truth.json -> evaluation.csv, truth_morphometrics.parquet
    manifest.tsv -> corrections.json -> evaluation.csv, morphometrics.parquet
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sam2pal.io.errors import InputError
from sam2pal.io.spelling import nearest

STAGES = {"evaluation": "evaluation.csv", "morphometrics": "morphometrics.parquet"}
STATUS = {
    **dict.fromkeys(("genus", "round", "stage", "status"), str),
    **dict.fromkeys(("specimens", "rows", "notes"), int),
    **dict.fromkeys(("measured", "low_confidence", "doubtful", "outside", "hidden"), int),
    **dict.fromkeys(("absent", "unreadable", "no_specimen"), int),
    **dict.fromkeys(("specimens_doubtful", "specimens_unlike"), int),
    "reason": str,
}
"""Columns of status.csv.

Of the stages evaluation and morphometrics the status is `ok`, `partial` (photographs could not be read),
`missing`, `stale`, `failed` or `damaged`; of others `note`, `doubtful`, `unchanged`, `unmatched` or `worse`,
and there is only a row if there is something to say. The stage `final_round` says which round is the result
of a genus. Masks are counted by their status, photographs if `unreadable` or if they show `no_specimen`;
`specimens_doubtful` counts specimens of which no mask is `measured`, `specimens_unlike` those all of whose
masks have the flag `unlike_templates`.
`notes` is how many things were noticed when templates (of the evaluation: also the truth) were read.
"""
USABLE = ("ok", "partial")

_RULES = {"evaluation": "evaluate", "morphometrics": "measure"}
_SLACK = 2.0  # seconds that the clocks of a cluster's machines may disagree
_ERROR = re.compile(r"^(error: .*|[\w.]*(Error|Exception|Killed)\b.*)$")


@dataclasses.dataclass(frozen=True)
class Run:
    """A genus in a round.

    Attributes:
        trained: whether the round trains an adapter; None: if there is one.
        init: the round whose adapter its training starts from.
        inputs: files from outside results/, by the name of what is made from them, such as
            `templates.json`, `shards` or `truth.json` (without which there is no truth).
    """

    genus: str
    round: str
    trained: bool | None = None
    init: str | None = None
    inputs: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Step:
    """A job of the workflow: a rule, what it makes from what, and its log."""

    rule: str
    output: Path
    inputs: tuple[Path, ...] = ()
    log: Path | None = None


class Results:
    """The folder results/ and, to tell why a result is missing, the folder logs/.

    Args:
        unchanged: files that are up to date whatever their age.
    """

    def __init__(
        self,
        runs: Iterable[Run],
        results: Path,
        logs: Path | None = None,
        unchanged: Iterable[str] = (),
    ) -> None:
        self.runs = list(runs)
        self._runs = {(run.genus, run.round): run for run in self.runs}
        self._results, self._logs = results, logs
        self._unchanged = {Path(path) for path in unchanged}

    def check(self, run: Run, stage: str) -> tuple[str, str]:
        """Status of a result and the reason, without reading it; `ok` and nothing if it may be read."""
        *before, last = self._truth(run) if stage == "truth" else self._steps(run, stage)
        for step in (*before, last):
            if step.output in self._unchanged and step.output.exists():
                continue
            failed, reason = problem(step)
            if reason:
                there = last.output.is_file()
                return "failed" if failed else "stale" if there else "missing", reason
        return "ok", ""

    def _truth(self, run: Run) -> Iterator[Step]:
        genus = self._results / run.genus
        yield Step(
            "list_specimens", genus / "lists/.listed", (), self._log(run.genus, "list_specimens")
        )
        for rule, name, *before in (
            ("convert_truth", "truth.json"),
            ("measure_truth", "truth_morphometrics.parquet", "truth.json"),
        ):
            inputs = [genus / other for other in (*before, "manifest.tsv")]
            given = map(Path, run.inputs.get(name, ()))
            yield Step(rule, genus / name, (*given, *inputs), self._log(run.genus, rule))

    def _steps(self, run: Run, stage: str) -> Iterator[Step]:
        folder = self._folder(run)
        listed, truth, _ = self._truth(run)
        if "specimens.json" in run.inputs:
            found = self._results / run.genus / "specimens.json"
            given = map(Path, run.inputs["specimens.json"])
            log = self._log(run.genus, "find_specimens")
            yield Step("find_specimens", found, tuple(given), log)
        yield listed
        before = [folder / "templates.json"]
        yield self._step(run, "convert_templates", before[0])
        if (folder / "adapter").exists() if run.trained is None else run.trained:
            yield from self._training(run)
            before.append(folder / "adapter")
        shards = []
        for specimens in sorted(listed.output.parent.glob("[0-9]*.tsv")):
            shards.append(folder / "shards" / f"{specimens.stem}.json")
            yield self._step(run, "segment_shard", shards[-1], specimens, *before)
        if stage == "evaluation" and run.inputs.get("truth.json"):
            yield truth
            shards.append(truth.output)
        if run.inputs.get("corrections.json"):
            made = self._results / run.genus / "corrections.json"
            given = [*run.inputs["corrections.json"], listed.output.parent.parent / "manifest.tsv"]
            log = self._log(run.genus, "convert_corrections")
            yield Step("convert_corrections", made, tuple(map(Path, given)), log)
            shards.append(made)
        yield self._step(run, _RULES[stage], folder / STAGES[stage], *shards, before[0])

    def _training(self, run: Run) -> Iterator[Step]:
        folder = self._folder(run)
        before = [folder / "templates.json", folder / "train_pool.tsv"]
        if run.init:
            init = self._runs.get((run.genus, run.init), Run(run.genus, run.init))
            before.append(self._folder(init) / "adapter")
            yield self._step(init, "convert_templates", self._folder(init) / "templates.json")
            yield from self._training(init)
        yield self._step(run, "draw_pool", before[1], before[0])
        yield self._step(run, "train_palindrome", folder / "adapter", *before)

    def _step(self, run: Run, rule: str, output: Path, *inputs: Path) -> Step:
        own = "shards" if rule == "segment_shard" else output.name
        part = f"{rule}/{output.stem}" if rule == "segment_shard" else rule
        given = [Path(path) for path in run.inputs.get(own, ())]
        return Step(rule, output, (*given, *inputs), self._log(f"{run.genus}/{run.round}", part))

    def _folder(self, run: Run) -> Path:
        return self._results / run.genus / run.round

    def _log(self, folder: str, name: str) -> Path | None:
        return self._logs / folder / f"{name}.log" if self._logs else None


def problem(step: Step) -> tuple[bool, str]:
    """Whether a job failed, and why its output is not up to date; empty if it is."""
    missing = [path for path in step.inputs if not path.exists()]
    newest = max((path for path in step.inputs if path.exists()), key=_changed, default=None)
    made = _changed(step.output) if step.output.exists() else None
    since = made if made is not None else _changed(newest) if newest else 0.0
    if step.log and step.log.is_file() and step.log.stat().st_mtime >= since - _SLACK:
        lines = _text(step.log).split("\n")
        error = next((line for line in reversed(lines) if line.strip()), "its log is empty")
        if made is None:
            error = next((line for line in reversed(lines) if _ERROR.match(line)), error)
        if made is None or _ERROR.match(error):
            return True, f"{step.rule} failed: {error.removeprefix('error: ')} ({step.log})"
    if made is None:
        return False, f"{[*missing, step.output][0]} is missing"
    return False, stale(step.output, step.inputs)


def stale(path: Path, inputs: Iterable[Path]) -> str:
    """Why `path`, which is there, is not up to date with regard to `inputs`; empty if it is."""
    for before in inputs:
        if not before.exists():
            return f"{before} is missing"
        if _changed(before) > _changed(path) + _SLACK:
            return f"{path} is older than {before}"
    return ""


def _changed(path: Path) -> float:
    """When a file, or anything in a folder that is an output, was made."""
    if not path.is_dir():
        return path.stat().st_mtime
    mark = path / ".snakemake_timestamp"
    if mark.exists():
        return mark.stat().st_mtime
    return max((p.stat().st_mtime for p in path.rglob("*")), default=path.stat().st_mtime)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def expected_runs(values: Any, where: str) -> list[Run]:
    """The runs of a list of `"genus/round"` or objects with the fields of `Run`.

    Raises:
        InputError: it is none of these, or names a run twice.
    """
    if not isinstance(values, list):
        raise InputError(f"{where}: expected a list of genus and round, such as Formica/trained")
    known = [field.name for field in dataclasses.fields(Run)]
    runs: dict[tuple[str, str], Run] = {}
    for value in values:
        if isinstance(value, str) and value.count("/") == 1:
            value = dict(zip(("genus", "round"), value.split("/"), strict=True))
        if not isinstance(value, dict) or not {"genus", "round"} <= set(value):
            raise InputError(f"{where}: {value!r} is not a genus and a round (Formica/trained)")
        for key in value:
            if key not in known:
                raise InputError(f"{where}: unknown key '{key}'{nearest(key, known)}")
        run = Run(**value)
        if (run.genus, run.round) in runs:
            raise InputError(f"{where}: {run.genus}/{run.round} is named twice")
        runs[run.genus, run.round] = run
    return list(runs.values())


def run_of(path: str | Path) -> tuple[str, str]:
    """Genus and round of a file `.../GENUS/ROUND/name`."""
    parts = Path(path).resolve().parts
    if len(parts) < 3:
        raise InputError(f"{path}: results lie in a folder GENUS/ROUND")
    return parts[-3], parts[-2]


def entry(genus: str, round_: str, stage: str, status: str, reason: str) -> dict[str, Any]:
    """A row of status.csv that counts nothing."""
    return {"genus": genus, "round": round_, "stage": stage, "status": status, "reason": reason}


def incomplete(rows: Sequence[dict[str, Any]]) -> str:
    """A sentence per stage on the runs whose results are not in the tables, or nothing."""
    lines = []
    for stage in STAGES:
        of_stage = [row for row in rows if row["stage"] == stage]
        absent = [row for row in of_stage if row["status"] not in USABLE]
        if absent:
            lines.append(f"{stage}: {len(absent)} of {len(of_stage)} runs are not in the tables:")
            lines += [
                f"  {row['genus']}/{row['round']} {row['status']}: {row['reason']}"
                for row in absent
            ]
    return "\n".join(lines)
