"""How much a call has to do, and how long it may take, from the records of earlier calls."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from sam2pal.config.project import Project
from sam2pal.config.rounds import CORRECTIONS
from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset.corrections import Judgement
from sam2pal.dataset.manifest import shards_of_run
from sam2pal.dataset.trial import Rates
from sam2pal.images.folder import Folder
from sam2pal.io.errors import InputError, many
from sam2pal.io.machine import cores, slowdown

# Seconds on two cores without a GPU, of the bundled model with five structures: 72 real beetles with one
# template in 28 s, and 60 steps in 104 s (make real). Other models and a GPU are tried.
BUNDLED = {"segmentation": 0.4, "training": 1.7}
CORES = 2  # of the machine on which that was measured
JOB = 1.5  # processor seconds of a job beside that: Python, libraries, tables
JOBS, MORE_JOBS = 7, 8  # jobs of a run, and those of all of them together
BUSY = 1.5  # times slower than idle: then a range is said
EARLIER = "from earlier calls here"
THERE = (
    "Every shard has masks; only what depends on a change is computed: for a new or replaced photograph",
    "the masks of its shard, for a changed template, training or segmentation all masks.",
)
KILOBYTES = 150  # of a specimen and round with five structures: masks, tables, the page (make real)


@dataclass
class Work:
    """What one genus has, and what is still to be computed.

    Attributes:
        trays: photographs that may show many specimens and were not searched yet; each is counted as one.
    """

    specimens: int = 0
    shards: int = 0
    to_segment: int = 0
    steps: int = 0
    trainings: int = 0
    trays: int = 0


def rates(
    project: Project, benchmarks: Path, results: Path, try_model: Callable[[], Rates] = Rates
) -> Rates:
    """From the benchmarks of earlier calls in this folder, or else as measured on an idle machine."""
    seconds, specimens = 0.0, 0
    for path in benchmarks.glob("*/*/segment_shard/*.tsv"):
        genus = path.parents[2].name
        listed = results / genus / "lists" / path.name
        if listed.is_file() and (took := _seconds(path)) is not None:
            seconds += took
            specimens += sum(1 for _ in listed.open(encoding="utf-8")) - 1
    trained, steps = 0.0, 0
    for path in benchmarks.glob("*/*/train_palindrome.tsv"):
        record = results / path.parts[-3] / path.parts[-2] / "adapter/training.json"
        if record.is_file() and (took := _seconds(path)) is not None:
            trained += took
            steps += json.loads(record.read_text(encoding="utf-8"))["steps"]
    own = (seconds / specimens if specimens else None, trained / steps if steps else None)
    if all(own):
        return Rates(*own, EARLIER)
    model, device = project.configuration.model, project.configuration.device
    if model.bundled and device in ("auto", "cpu"):
        usual = (seconds * max(1, CORES / cores()) for seconds in BUNDLED.values())
        known = tuple(one or other for one, other in zip(own, usual, strict=True))
        return Rates(*known, "as on two cores without a GPU; a GPU is many times faster")
    tried = try_model()
    known = (own[0] or tried.segmentation, own[1] or tried.training)
    return Rates(*known, tried.source or EARLIER, tried.why)


def _seconds(path: Path) -> float | None:
    with path.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"), None)
    try:
        return float(row["s"]) if row else None
    except (KeyError, ValueError):
        return None


def work_of_genera(
    project: Project,
    folders: Mapping[str, Folder],
    results: Path,
    drawn: Mapping[AnnotationSet, int] | None = None,
) -> dict[str, Work]:
    """What every genus has, and which masks and adapters are not there.

    Args:
        drawn: how many templates a set of annotations has. Those of a round that has been converted are
            counted.
    """
    found: dict[str, Work] = {}
    size = project.configuration.shard_size
    for genus, name in project.runs:
        of = found.setdefault(genus, Work())
        try:
            of.specimens = _found(project, genus, results)
            if not of.specimens:
                of.specimens = folders[genus].count
                of.trays = of.specimens if project.genera[genus].layout != "single" else 0
        except InputError:
            continue  # not there yet, or said by the job that lists it
        of.shards = -(-of.specimens // size)
        folder = results / genus / name
        there = len(shards_of_run(folder))
        of.to_segment += max(of.specimens - there * size, 0) if there else of.specimens
        train = project.rounds[name].train
        if train is not None and not (folder / "adapter").is_dir():
            of.trainings += 1
            converted = folder / "templates.json"
            if converted.is_file():
                templates = len(json.loads(converted.read_text(encoding="utf-8"))["images"])
            else:
                templates = sum((drawn or {}).get(one, 0) for one in project.runs[genus, name])
            of.steps += train.settled(templates).steps
    return found


def to_compute(of: Mapping[str, Work]) -> bool:
    """Whether a model has anything to do."""
    return any(one.to_segment or one.steps for one in of.values())


def _found(project: Project, genus: str, results: Path) -> int:
    """How many specimens were found in the trays of a genus; 0 if it has none, or nobody looked."""
    listed = results / genus / "manifest.tsv"
    if project.genera[genus].layout == "single" or not listed.is_file():
        return 0
    with listed.open(encoding="utf-8") as file:
        return max(sum(1 for _ in file) - 1, 0)


def plan_lines(project: Project, of: Mapping[str, Work], known: Rates) -> list[str]:
    """Lines that say what a call has to do."""
    total = Work(*map(sum, zip(*map(astuple, of.values()), strict=True)))
    rounds = len(project.rounds)
    lines = [
        f"{many(len(of), 'genus', 'genera')}, {many(total.specimens, 'specimen')} in "
        f"{many(total.shards, 'shard')}, {many(rounds, 'round')}: "
        f"{', '.join(f'{genus} {one.specimens}' for genus, one in list(of.items())[:8])}"
        f"{' ...' if len(of) > 8 else ''}"
    ]
    if total.trays:
        lines.append(
            f"Photographs that may show many specimens and are searched first: {total.trays}. Each counts as"
            " one specimen here, so there may be far more to do"
        )
    if not total.specimens:
        return [*lines, "What there is to do is known once the photographs are there."]
    if not total.to_segment and not total.trainings:
        return [*lines, *THERE]
    parts = []
    if total.to_segment:
        parts.append(f"{many(total.to_segment, 'specimen')} to segment (all rounds together)")
    if total.trainings:
        parts.append(f"{many(total.trainings, 'training')} of {total.steps} steps in all")
    lines.append("To do: " + ", ".join(parts))
    runs = sum(bool(one.to_segment) for one in of.values()) * rounds
    times = _times(total.to_segment, total.steps, JOB * (JOBS * runs + MORE_JOBS) / cores(), known)
    disk = total.to_segment * KILOBYTES / 1000
    lines.append(f"{times}, about {max(disk, 1):.0f} MB of results")
    return lines


def of_corrections(project: Project, said: Mapping[str, Iterable[Judgement]]) -> list[str]:
    """Lines that say what was found in the files of corrections, by genus, or that a round waits for some."""
    lines = []
    for genus, found in said.items():
        counts = Counter(one.verdict.replace("_", " ") for one in found)
        parts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        lines.append(f"Corrections of {genus}: {parts or 'none'}")
    asking = [name for name, of in project.rounds.items() if CORRECTIONS in of.templates]
    if asking and not project.corrections:
        folder = project.configuration.corrections
        lines.append(
            f"Corrections: none yet for the round '{asking[0]}'; put what the review page exports "
            f"into {folder}/{next(iter(project.genera))}/"
        )
    return lines


def _times(specimens: int, steps: int, others: float, known: Rates) -> str:
    if (specimens and known.segmentation is None) or (steps and known.training is None):
        why = known.why or "there is no earlier run here with this model and machine"
        return f"Time unknown: {why} (see `sam2pal status` during the run)"
    parts = {
        "segmenting": specimens * (known.segmentation or 0),
        "training": steps * (known.training or 0),
        "tables and pages": others,
    }
    time, times = sum(parts.values()), slowdown()
    range_, busy = duration(time), ""
    if times > BUSY:
        busy = f"; other programs use {times - 1:.1f} times the processors of this machine"
        # earlier calls may have been as slow
        range_ += f" to {duration(times * time)}" if known.source != EARLIER else ""
    each = ", ".join(f"{duration(seconds)} {what}" for what, seconds in parts.items() if seconds)
    return f"About {range_} if jobs run one after another ({each}; {known.source}{busy})"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def plan_text(lines: Iterable[str]) -> str:
    """The lines as one message."""
    return "\n".join(["What there is to do:", *(f"  {line}" for line in lines)])
