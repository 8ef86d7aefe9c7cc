"""Predictions against truth: a row per specimen and structure.

Status of a row, and what it means for the scores:

| status           | truth         | prediction    | scores                                       |
| ---------------- | ------------- | ------------- | -------------------------------------------- |
| `scored`         | there         | there         | all measures                                 |
| `missed`         | there         | empty         | IoU, Dice, recall and boundary F are 0       |
| `false_positive` | drawn empty   | there         | none: counted in the table of presence       |
| `absent_both`    | drawn empty   | empty         | none: counted in the table of presence       |
| `unannotated`    | says nothing  | any           | none: unknown, not empty                     |
| `no_truth`       | no such photo | any           | none                                         |
| `template`       | any           | drawn         | none: a template never scores itself         |
| `corrected`      | any           | corrected     | none: a person drew it after the prediction  |
| `unreadable`     | any           | none          | none: the photograph could not be read       |
| `no_specimen`    | any           | none          | none: no specimen was found in it            |
| `no_prediction`  | there         | no such photo | none                                         |

So the mean of a column over all rows that have a value is the mean that the summaries report.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.dataset.dataset import BY_HAND, AnnotatedSpecimen, Annotation, Dataset, State
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.matching import find_templates, match
from sam2pal.dataset.signals import SIGNALS
from sam2pal.dataset.states import NO_SPECIMEN, UNREADABLE
from sam2pal.evaluation.overlap import Mask
from sam2pal.evaluation.pair import evaluate_pair
from sam2pal.io.errors import InputError, first_few

_STATUS_OF = {  # by whether truth and prediction have a pixel
    (True, True): "scored",
    (True, False): "missed",
    (False, True): "false_positive",
    (False, False): "absent_both",
}


@dataclasses.dataclass(frozen=True)
class Scope:
    """What of the predictions is scored, and of which run it is.

    Attributes:
        structures: names, all that the predictions have if empty.
        category_ids: ids of categories that are the same structure in both files, whatever their
            names.
        genus, round: where they are not as the predictions say.
    """

    structures: Sequence[str] = ()
    category_ids: Sequence[int] = ()
    genus: str | None = None
    round: str | None = None


class Evaluation:
    """Scores prediction files against a truth file, one file in memory at a time.

    Args:
        truth, templates: without truth no row is scored, and specimens of templates never are.
        corrections: what people said of the specimens: corrected masks are not scored.

    Raises:
        InputError: see `Dataset`, `match` and `check_same_size`; or a structure is in neither file.
    """

    def __init__(
        self,
        predictions: Sequence[str | Path],
        truth: Dataset | None = None,
        templates: Dataset | None = None,
        scope: Scope | None = None,
        options: EvaluationOptions | None = None,
        corrections: Corrections | None = None,
    ) -> None:
        self.options = options or EvaluationOptions()
        self.files = [Path(path) for path in predictions]
        self.truth = truth
        self.notes: list[str] = []
        self._scope, self._corrections = scope or Scope(), corrections
        if corrections:
            corrections.learn(self.files)
        self._true = self.truth.by_specimen() if self.truth else {}
        predicted = self._survey()
        self.count = len(predicted)
        self._truth_of = {}
        if truth:
            what = f"{truth.path} and the predictions"
            self._truth_of = match(predicted, self._true, what)
        self._templates = self._find_templates(templates, predicted) if templates else set()
        self._left_over = sorted(set(self._true) - set(self._truth_of.values()))
        self._note_left_out(predicted)

    def rows(self, progress: Callable[[], None] = lambda: None) -> Iterator[dict[str, Any]]:
        """The rows, keys as in `COLUMNS`; specimens in the order of the files."""
        structures: dict[str, str] = {}
        for path in self.files:
            dataset = Dataset(path, images_of=self.truth)
            if self._corrections:
                self._corrections.apply(dataset, settle=False)
            structures = self._structures(dataset)
            names = {
                "genus": self._scope.genus or str(dataset.info.get("genus") or ""),
                "round": self._scope.round or str(dataset.info.get("round") or ""),
            }
            for specimen in dataset.specimens:
                if specimen.status == "duplicate":
                    continue
                for structure, predicted in structures.items():
                    annotation = specimen.annotations.get(predicted)
                    yield names | self._row(dataset, specimen, structure, annotation)
                progress()
        for specimen in self._left_over:
            for structure in structures:
                row = {"specimen": specimen, "structure": structure}
                yield names | row | {"status": "no_prediction", "source": ""}

    def _row(
        self,
        dataset: Dataset,
        specimen: AnnotatedSpecimen,
        structure: str,
        annotation: Annotation | None,
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "specimen": specimen.specimen,
            "structure": structure,
            "state": annotation.state if annotation else State.UNKNOWN,
            "source": annotation.source if annotation else "predicted",
            "verdict": annotation.verdict if annotation else "",
        }
        if specimen.status != "ok":
            status = NO_SPECIMEN if specimen.status == NO_SPECIMEN else UNREADABLE
            return row | {"status": status, "state": "", "source": "", "reason": specimen.reason}
        row |= _signals(annotation)
        is_template = specimen.specimen in self._templates or row["source"] in BY_HAND
        true_specimen = self._true.get(self._truth_of.get(specimen.specimen, ""))
        if is_template or true_specimen is None or self.truth is None:
            row["predicted_area_px"] = annotation.area if annotation else 0
            status = "corrected" if row["source"] == "corrected" else "template"
            return row | {"status": status if is_template else "no_truth"}
        check_same_size(specimen, dataset.path, true_specimen, self.truth.path)
        predicted = annotation.mask() if annotation else None
        true = true_specimen.annotations.get(structure)
        if true is None and self.options.unannotated == "unknown":
            row["predicted_area_px"] = 0 if predicted is None else int(predicted.sum())
            return row | {"status": "unannotated"}
        truth = true.mask() if true else None
        where = f"specimen '{specimen.specimen}': the mask in {dataset.path}"
        return row | self._measures(predicted, truth, where)

    def _measures(self, predicted: Mask | None, truth: Mask | None, where: str) -> dict[str, Any]:
        if predicted is None and truth is None:
            return {"truth_area_px": 0, "predicted_area_px": 0, "status": "absent_both"}
        # a file that lists the specimen but has no mask of the structure found nothing
        predicted = truth & False if predicted is None else predicted
        truth = predicted & False if truth is None else truth
        if predicted.shape != truth.shape:
            raise InputError(
                f"{where} has {predicted.shape[1]} x {predicted.shape[0]} pixels, the one in"
                f" {self.truth.path} {truth.shape[1]} x {truth.shape[0]}; outline it on the"
                " photograph that was segmented"
            )
        result = evaluate_pair(predicted, truth, self.options.boundary_tolerance)
        key = result["truth_area_px"] > 0, result["predicted_area_px"] > 0
        return result | {"status": _STATUS_OF[key]}

    def _survey(self) -> dict[str, Path]:
        """The file of every predicted specimen; also checks the structures."""
        where: dict[str, Path] = {}
        self._duplicates: list[str] = []
        for path in self.files:
            dataset = Dataset(path, images_of=self.truth)
            self._structures(dataset, note=path == self.files[0])
            for specimen in dataset.by_specimen():
                if specimen in where:
                    raise InputError(
                        f"the specimen '{specimen}' is in both {where[specimen]} and {path}; "
                        "remove it from one of them"
                    )
                where[specimen] = path
            self._duplicates += [
                one.specimen for one in dataset.specimens if one.status == "duplicate"
            ]
        return where

    def _structures(self, dataset: Dataset, note: bool = False) -> dict[str, str]:
        """The structures that are scored, each with what the predictions call it."""
        predicted = dataset.structures
        true = self.truth.structures if self.truth else []
        if self._scope.category_ids:
            return self._structures_by_id(dataset, note)
        if self._scope.structures:
            for name in self._scope.structures:
                self._require(name, predicted, dataset.path)
                if self.truth:
                    self._require(name, true, self.truth.path)
            return {name: name for name in self._scope.structures}
        if self.truth and not set(predicted) & set(true):
            raise InputError(
                f"{dataset.path} and {self.truth.path} have no structure in common: "
                f"{', '.join(predicted) or 'none'} against {', '.join(true) or 'none'}; rename "
                "them, or name a category by its number with --category-id"
            )
        if note and self.truth:
            self._note_names(
                "only in the truth, not scored", [n for n in true if n not in predicted]
            )
            self._note_names(
                "predicted but not in the truth, not scored",
                [n for n in predicted if n not in true],
            )
        return {name: name for name in predicted}

    def _structures_by_id(self, dataset: Dataset, note: bool) -> dict[str, str]:
        names = {number: name for name, number in dataset.numbers.items()}
        true = {n: name for name, n in self.truth.numbers.items()} if self.truth else {}
        structures = {}
        for number in self._scope.category_ids:
            for known, path in ((names, dataset.path), (true, self.truth and self.truth.path)):
                if path and number not in known:
                    found = ", ".join(f"{n} ({name})" for n, name in known.items())
                    raise InputError(f"{path}: no category {number}; it has {found or 'none'}")
            name = true.get(number, names[number])
            if note and names[number] != name:
                self.notes.append(
                    f"category {number} is '{name}' in the truth and '{names[number]}' in the "
                    "predictions; compared all the same"
                )
            structures[name] = names[number]
        return structures

    @staticmethod
    def _require(name: str, known: Sequence[str], path: Path) -> None:
        if name not in known:
            raise InputError(f"{path}: no structure '{name}'; it has {', '.join(known) or 'none'}")

    def _find_templates(self, templates: Dataset, predicted: dict[str, Path]) -> set[str]:
        """Predicted specimens that are templates; when in doubt about a name, all it may mean."""
        # the predictions say themselves which photographs were found to be a template's
        named = [AnnotatedSpecimen(name, "", 0, 0, {}) for name in predicted]
        known = templates.by_specimen()
        found = find_templates(named, known.values(), by_name=True)
        there = {template.specimen for template in found.values()}
        missing = [name for name in known if name not in there]
        self._note_names("templates that are not among the specimens", missing)
        return set(found)

    def _note_left_out(self, predicted: dict[str, Path]) -> None:
        if self.truth:
            without = [name for name in predicted if name not in self._truth_of]
            self._note_names("specimens without truth", without)
        self._note_names("specimens in the truth without a prediction", self._left_over)
        self._note_names("templates, not scored", sorted(self._templates))
        self._note_names("photographs listed as duplicates, without rows", self._duplicates)

    def _note_names(self, what: str, names: Sequence[str]) -> None:
        if names:
            self.notes.append(f"{what}: {len(names)} ({first_few(names, 10, '')})")


def check_same_size(
    specimen: AnnotatedSpecimen, path: Path, other: AnnotatedSpecimen, other_path: Path
) -> None:
    """Raise `InputError` if two files disagree about the size of a specimen's photograph."""
    sizes = (specimen.width, specimen.height), (other.width, other.height)
    if 0 in sizes[0] or 0 in sizes[1] or sizes[0] == sizes[1]:
        return
    hint = "outline it on the photograph that was segmented"
    if sizes[0] == sizes[1][::-1]:
        hint = (
            "one was outlined on the photograph as turned by its EXIF orientation, the other as "
            "stored; masks belong to the photograph as stored"
        )
    raise InputError(
        f"specimen '{specimen.specimen}': {path} has a photograph of {sizes[0][0]} x {sizes[0][1]} "
        f"pixels, {other_path} one of {sizes[1][0]} x {sizes[1][1]}; {hint}"
    )


def _signals(annotation: Annotation | None) -> dict[str, Any]:
    """The confidence signals of a prediction."""
    if annotation is None:
        return {}
    row = {"confidence": annotation.score}
    row |= {name: annotation.confidence.get(name) for name in SIGNALS}
    return row | {"flags": ";".join(annotation.flags)}
