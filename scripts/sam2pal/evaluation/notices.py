"""Warnings about runs in which no job failed: rows of status.csv.

Of a damaged file an InputError is raised; the rules that read the file have said so.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from sam2pal.dataset.files import notes_of
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.dataset.states import DUPLICATE
from sam2pal.evaluation.left_out import MEASURE
from sam2pal.evaluation.scores import ALL
from sam2pal.evaluation.up_to_date import entry
from sam2pal.io import tables
from sam2pal.io.errors import InputError, first_few, many

SAID = {"iou": "", MEASURE: " by leave-one-out"}
TOLD = ("is drawn on no photograph", "left out", "share no pixel")
"""Which notes on templates are said at the end of a run."""
MOST_DOUBTFUL = 1 / 3  # of the specimens of a run
DOUBTED = "doubtful"
"""Status of a row of status.csv that says so."""
Row = dict[str, Any]


def of_run(genus: str, round_: str, folder: Path) -> Iterator[Row]:
    """Warnings about the templates and the training of a genus and round."""
    notes = []
    with suppress(InputError):  # that it is damaged is said where it is used
        notes = notes_of(folder / "templates.json")
    notes = [one for one in notes if any(said in one for said in TOLD)]
    if notes:
        yield entry(genus, round_, "templates", "note", "; ".join(notes))
    if said := _unchanged(folder / "adapter/training.json"):
        yield entry(genus, round_, "training", "unchanged", said)


def doubtful(row: Row) -> Iterator[Row]:
    """A warning if little of a genus can be measured."""
    counts = (
        row.get(name) or 0 for name in ("specimens_doubtful", "specimens", "specimens_unlike")
    )
    if reason := doubt(*counts):
        yield entry(row["genus"], row["round"], "specimens", DOUBTED, reason)


def doubt(count: int, specimens: int, unlike: int) -> str:
    """What to say of a run with so many doubtful specimens, and what to try; empty if they are few.

    Args:
        unlike: specimens whose photographs are unlike the templates.
    """
    if count <= MOST_DOUBTFUL * specimens:
        return ""
    said = (
        f"{count} of {specimens} specimens are doubtful: none of their masks is certain enough to be"
        " measured. Look at the review page. "
    )
    if unlike > MOST_DOUBTFUL * specimens:
        said += (
            f"The photographs of {unlike} do not seem to show what the templates show: check that they show"
            " the same kind of animal from the same side. "
        )
    return said + (
        "Then outline more templates, use another `model`, or set `segmentation: turns, mirrored` to how"
        " specimens lie"
    )


def _unchanged(path: Path) -> str:
    """Why a training changed nothing; empty if it did, or if there is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["published"] == "trained":
            return ""
        before, best = record["validation_untrained"], record["validation_best"]
        started = (
            f"the round '{Path(record['init']).parent.name}'" if record["init"] else "the model"
        )
        return (
            f"training changed nothing: none of {record['steps']} steps was better than {started} before "
            f"them (validation IoU {before:.3f}; best {best:.3f}), so the masks are the same; outline "
            "more specimens, or leave `train` out"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def of_specimen_table(path: str | Path, genus: str, manifest: Path) -> Iterator[Row]:
    """Rows of the table of specimens that joined nothing."""
    table = SpecimenTable(path)
    listed = [one.specimen for one in read_list(manifest) if one.status != DUPLICATE]
    without, unused = table.unmatched(genus, listed)
    if unused:
        reason = (
            f"{len(unused)} rows of {path} match no specimen of {genus}: {first_few(unused)}; "
            f"{len(without)} specimens have no row"
        )
        yield entry(genus, "", "specimen_table", "unmatched", reason)


def of_duplicates(genus: str, manifest: Path) -> Iterator[Row]:
    """Photographs that are not used because another one has their name, or their content."""
    names = [one.specimen for one in read_list(manifest) if one.status == DUPLICATE]
    if names:
        reason = (
            f"{many(len(names), 'photograph')} left out, because others have the same name with another "
            f"extension, or are the same file: {first_few(names)}; rename or remove them ({manifest} says "
            "which are kept)"
        )
        yield entry(genus, "", "photographs", "note", reason)


def of_scales(genus: str, path: Path) -> Iterator[Row]:
    """Specimens beside which no scale was found, or one that is not trusted."""
    if not path.is_file():
        return
    columns = dict.fromkeys(("specimen", "status"), str)
    found = tables.read(path, columns, others=False).to_pylist()
    names = [row["specimen"] for row in found if row["status"] != "found"]
    doubtful = sum(row["status"] == "doubtful" for row in found)
    if names:
        reason = (
            f"{len(names)} of {len(found)} specimens have no scale of their own, {doubtful} of them a "
            f"doubtful one: {first_few(names)}; see {path}"
        )
        yield entry(genus, "", "scale", "note", reason)


def of_misscaled(genus: str, names: Sequence[str]) -> Iterator[Row]:
    """Specimens whose scale does not fit the body lengths of their genus."""
    if names:
        reason = (
            f"{len(names)} specimens are far longer or shorter than the others of the genus, and their scale "
            f"is another one: {first_few(names)}. Their millimetres are in no mean; correct their scale "
            "(pixels_per_mm)"
        )
        yield entry(genus, "", "scale", "note", reason)


def worse_rounds(comparison: pa.Table, order: Iterable[str]) -> Iterator[Row]:
    """Rounds that are worse than the one before, by more than noise: against truth, or by leave-one-out."""
    rounds = list(order)
    following = dict(zip(rounds, rounds[1:], strict=False))
    for row in comparison.to_pylist():
        whole = row["structure"] == ALL and row["genus"] != ALL and row["measure"] in SAID
        worse = row["change"] < 0 and row["more_than_noise"] == "yes"
        if whole and worse and following.get(row["round_before"]) == row["round_after"]:
            reason = (
                f"worse than the round '{row['round_before']}'{SAID[row['measure']]}: mean IoU "
                f"{row['change']:+.3f} on {row['n']} specimens"
            )
            yield entry(row["genus"], row["round_after"], "round", "worse", reason)
