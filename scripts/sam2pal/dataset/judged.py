"""Predictions with corrections and verdicts: corrected masks replace predicted ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sam2pal.dataset.convert import convert_judged
from sam2pal.dataset.corrections import (
    FACTS,
    WHATEVER,
    Hashes,
    Judgement,
    as_coco,
    read_corrections,
    standing_judgements,
)
from sam2pal.dataset.dataset import AnnotatedSpecimen, Annotation, Dataset, State
from sam2pal.dataset.files import read_json
from sam2pal.dataset.photographs import PhotographFile, Photographs
from sam2pal.dataset.recalibration import Labelled, Recalibration, labelled_in
from sam2pal.dataset.rle import encode_mask, fingerprint
from sam2pal.dataset.signals import GOOD_IOU, UNADAPTED

_SAID = ("specimen", "structure", "round", "verdict", "source", "judged", "by", "at")


def convert_corrections(
    files: list[str] | list[Path],
    genus: str,
    photographs: Photographs,
    structures: dict[str, dict[str, Any]],
    hashes: Hashes | None = None,
) -> dict[str, Any]:
    """All that is said of the specimens of a genus, as canonical COCO.

    Args:
        structures: the configuration's, with their `parent` and `exclusive`.

    Returns:
        COCO of the masks that stand, with their verdict and its source. The list `verdicts` has all
        that was said, with the mask, or the `annotation` whose mask it is; the list `photographs`
        what these were said of.

    Raises:
        InputError: see `read_corrections`; or a mask does not fit its photograph.
    """
    hashes = hashes or Hashes()
    judgements, notes = read_corrections(files, genus, photographs, list(structures), hashes)
    stand = standing_judgements(judgements)
    where = files[0] if len(files) == 1 else f"the {len(files)} files of corrections of {genus}"

    def drawn(these: Iterable[Judgement]) -> dict[str, Any]:
        return convert_judged(as_coco(these), where, photographs, structures)

    data = drawn(stand.values())
    names = {category["id"]: category["name"] for category in data["categories"]}
    specimens = {image["id"]: image["specimen"] for image in data["images"]}
    masks = {}
    for annotation in data["annotations"]:
        key = specimens[annotation["image_id"]], names[annotation["category_id"]]
        annotation["verdict"], annotation["source"] = stand[key].verdict, stand[key].source
        masks[key] = annotation
    for category in data["categories"]:
        category["exclusive"] = structures[category["name"]].get("exclusive", True)
    data["info"] |= {"description": "corrections", "genus": genus}
    data["info"]["notes"] += notes
    ordered = sorted(judgements, key=lambda one: (one.specimen, one.structure, one.at))
    data["verdicts"] = [
        {key: getattr(one, key) for key in _SAID} | _mask(one, stand, masks, drawn)
        for one in ordered
    ]
    judged = {one.specimen: one.photograph for one in ordered}
    data["photographs"] = [_photograph(one, hashes) for one in judged.values()]
    return data


def _mask(
    one: Judgement,
    stand: Mapping[tuple[str, str], Judgement],
    masks: Mapping[tuple[str, str], Mapping[str, Any]],
    drawn: Callable[[Iterable[Judgement]], dict[str, Any]],
) -> dict[str, Any]:
    """The mask of a judgement, or whose it is; nothing for one without."""
    key = one.specimen, one.structure
    if not one.fact and one.verdict != "accepted":
        return {}
    if one.fact or (
        key in stand and stand[key].segmentation == one.segmentation
    ):  # facts are alike
        return {"annotation": masks[key]["id"]}
    return {"segmentation": drawn([one])["annotations"][0]["segmentation"]}


def _photograph(photograph: PhotographFile, hashes: Hashes) -> dict[str, Any]:
    header = photograph.header()
    return {
        "specimen": photograph.specimen,
        "file_name": photograph.specimen + PurePosixPath(photograph.name).suffix,
        "width": header.width,
        "height": header.height,
        "sha256": hashes.of(photograph.path),
    }


class Corrections:
    """Corrections and verdicts of a genus, from the file of `convert_corrections`.

    Raises:
        InputError: the file is not sound.
    """

    def __init__(self, path: str | Path) -> None:
        data = read_json(path)
        dataset = Dataset(data, where=path)
        self._masks = dataset.by_specimen()
        self._parents = dataset.parents
        self._exclusive = {c["name"] for c in data["categories"] if c.get("exclusive", True)}
        self._verdicts: dict[str, list[dict[str, str]]] = {}
        self._said = data.get("verdicts") or []
        self._photographs = {one["specimen"]: one for one in data.get("photographs") or ()}
        self._pieces = {one["id"]: one["segmentation"] for one in data["annotations"]}
        self._genus = str(dataset.info.get("genus") or "")
        for one in self._said:
            if one["source"] != "corrected":
                self._verdicts.setdefault(one["specimen"], []).append(one)
        self._recalibration: Recalibration | None = None

    def records(self) -> Iterator[dict[str, Any]]:
        """All that was said, as the review page keeps it: with the photograph, the mask, who and when."""
        for one in self._said:
            mask = one.get("segmentation") or self._pieces.get(one.get("annotation"))
            said = {key: one[key] for key in _SAID} | self._photographs[one["specimen"]]
            yield said | {"genus": self._genus, "counts": mask["counts"] if mask else ""}

    @property
    def known(self) -> int:
        """How many masks of a run `learn` found to be known, those of templates among them."""
        return self._recalibration.masks if self._recalibration else 0

    def learn(self, files: Iterable[str | Path]) -> None:
        """See from the masks of a run that were judged how right its confidences are.

        `apply` then moves the confidences of its other masks: Snakemake need not segment again.
        """
        known: list[Labelled] = []
        from_templates: list[Labelled] = []  # the same in every file
        for file in files:
            dataset = Dataset(file)
            from_templates = labelled_in(dataset.info)
            self.apply(dataset)
            for specimen in dataset.specimens:
                for structure, of in specimen.annotations.items():
                    known += _labelled(structure, of)
        self._recalibration = Recalibration.learn([*from_templates, *known])

    def apply(self, dataset: Dataset, settle: bool = True) -> Dataset:
        """Put what was said into a file of predictions in memory, and return it.

        Corrected masks stand in the place of predicted ones. A verdict is on the mask that was
        judged; of another mask of that structure it says nothing.

        Args:
            settle: accepted masks stand as well, in every round, and other predicted masks make
                room for those that a person drew or accepted. Without it, predicted masks stay as
                they are, to be scored.
        """
        round_ = str(dataset.info.get("round") or "")
        dataset.specimens = [
            self._of(specimen, dataset.structures, round_, settle) for specimen in dataset.specimens
        ]
        if self._recalibration is not None:
            dataset.specimens = [self._recalibrated(one) for one in dataset.specimens]
        return dataset

    def _recalibrated(self, specimen: AnnotatedSpecimen) -> AnnotatedSpecimen:
        assert self._recalibration is not None
        annotations = {}
        for structure, of in specimen.annotations.items():
            given = of.confidence.get(UNADAPTED)
            if given is not None and not of.by_hand:
                of = replace(of, score=self._recalibration(structure, given))
            annotations[structure] = of
        return replace(specimen, annotations=annotations)

    def _of(
        self, specimen: AnnotatedSpecimen, structures: list[str], round_: str, settle: bool
    ) -> AnnotatedSpecimen:
        name = specimen.specimen
        if specimen.status != "ok" or (name not in self._masks and name not in self._verdicts):
            return specimen
        known = self._masks.get(name)
        annotations: dict[str, Annotation] = {}
        for structure in structures:
            own = specimen.annotations.get(structure)
            stands = known.annotations.get(structure) if known else None
            if stands is not None and (settle or stands.by_hand):
                if not stands.by_hand and own is not None and _same(own, stands):
                    stands = replace(own, verdict=stands.verdict)
                before = own if own is not None and not own.by_hand else None
                annotations[structure] = replace(stands, before=before)
            elif own is not None:
                said = self._verdict(name, structure, round_, own)
                annotations[structure] = replace(own, verdict=said)
        if settle:
            self._make_room(annotations)
        return replace(specimen, annotations=annotations)

    def _verdict(self, specimen: str, structure: str, round_: str, mask: Annotation) -> str:
        """The verdict on a predicted mask; the last one if there are several."""
        found = ""
        for one in self._verdicts.get(specimen, ()):
            if one["structure"] != structure:
                continue
            if one["judged"] and one["verdict"] != WHATEVER:
                about = fingerprint(mask.rle) == one["judged"]
            else:
                about = one["verdict"] == WHATEVER or one["round"] in ("", round_)
            found = one["verdict"] if about else found
        return found

    def _make_room(self, annotations: dict[str, Annotation]) -> None:
        """Take from predicted masks the pixels of those that a person drew or accepted."""
        settled = [name for name, of in annotations.items() if of.verdict in ("accepted", *FACTS)]
        for name, of in annotations.items():
            rivals = [other for other in settled if other != name and self._rivals(name, other)]
            as_predicted = not of.by_hand and of.verdict in ("", "needs_correction")
            if not (as_predicted and of.area and rivals):
                continue
            mask = of.mask()
            free = mask.copy()
            for other in rivals:
                if annotations[other].area:
                    free &= ~annotations[other].mask()
            if (lost := int(mask.sum() - free.sum())) > 0:
                areas = {level: max(0, area - lost) for level, area in of.areas.items()}
                annotations[name] = replace(of, pieces=(encode_mask(free),), areas=areas)

    def _rivals(self, one: str, other: str) -> bool:
        same = self._parents.get(one, "") == self._parents.get(other, "")
        return same and {one, other} <= self._exclusive


def _labelled(structure: str, of: Annotation) -> Iterator[Labelled]:
    """Whether the mask that was predicted is good, if a person's mask or verdict tells.

    `needs_correction` does not: a mask may be good and need it. A correction that was rejected says nothing
    of what was predicted.
    """
    mask = of.before or of
    given = mask.confidence.get(UNADAPTED)
    if not mask.area or given is None or (of.by_hand and of.verdict not in FACTS):
        return
    if of.before is not None and of.state != State.HIDDEN:
        predicted, true = mask.mask(), of.mask()
        good = (predicted & true).sum() >= GOOD_IOU * (predicted | true).sum()
        yield Labelled(structure, given, bool(good))
    elif of.verdict == "rejected":
        yield Labelled(structure, given, False)


def _same(one: Annotation, other: Annotation) -> bool:
    return fingerprint(one.rle) == fingerprint(other.rle)
