"""Verdicts and corrected masks: the files that the review page exports.

docs/corrections.md says what such a file holds.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sam2pal.config.checking import refuse
from sam2pal.dataset.dataset import MISSING, specimen_of
from sam2pal.dataset.files import Coco, check, guarded, read_json
from sam2pal.dataset.photographs import PhotographFile, Photographs
from sam2pal.images.address import content_hash, file_of, split
from sam2pal.images.folder import natural_key
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_if_changed
from sam2pal.io.spelling import meant, nearest

FACTS = ("corrected", *MISSING)
"""Verdicts that hold of a specimen whatever is predicted."""
WHATEVER = "wrong_specimen"
"""The verdict that holds whatever mask is predicted."""
REFUSED = (WHATEVER, "rejected")
"""Verdicts on masks that are used for nothing."""
VERDICTS = ("accepted", *FACTS, *REFUSED, "needs_correction")


@dataclass(frozen=True)
class Judgement:
    """What a person says of one structure of one specimen.

    Attributes:
        where: what messages call it, beginning with the file.
        round: whose mask was judged; empty if there was none.
        judged: fingerprint of that mask; empty if there was none.
        at: time as the review page writes it, so that times compare as texts; empty if it is not known.
        source: `corrected` if the mask is a person's.
    """

    where: str
    photograph: PhotographFile
    structure: str
    verdict: str
    round: str
    judged: str
    segmentation: Any
    at: str
    by: str = ""
    source: str = "predicted"

    @property
    def specimen(self) -> str:
        return self.photograph.specimen

    @property
    def fact(self) -> bool:
        """Whether it is about what a person said of the specimen, and not about a predicted mask."""
        return self.verdict in FACTS or self.source == "corrected"

    @property
    def content(self) -> tuple[str, str]:
        """What must be the same where it is said twice."""
        shown = self.segmentation if self.fact and self.verdict not in MISSING else None
        return self.verdict, json.dumps(shown, sort_keys=True)


class Hashes:
    """SHA-256 of photographs, kept while size and time of the file do not change."""

    def __init__(self, path: str | Path | None = None) -> None:
        self._path = Path(path) if path else None
        self._known: dict[str, list[Any]] = {}
        if self._path:
            with suppress(OSError, ValueError, TypeError):  # what is damaged is made again
                self._known = dict(json.loads(self._path.read_text(encoding="utf-8")))

    def of(self, photograph: str) -> str:
        """64 hexadecimal digits; InputError if the file cannot be read."""
        try:
            status = Path(file_of(photograph)).stat()
            state = [status.st_size, status.st_mtime_ns]
            known = self._known.get(photograph)
            if known is None or known[:2] != state:
                known = [*state, content_hash(photograph)]
                self._known[photograph] = known
        except OSError as error:
            raise InputError(f"{photograph}: cannot be read ({error.strerror})") from error
        return known[2]

    def save(self) -> None:
        if self._path:
            write_if_changed(self._path, json.dumps(self._known, indent=0))


def read_corrections(
    files: Iterable[str | Path],
    genus: str,
    photographs: Photographs,
    structures: Sequence[str],
    hashes: Hashes | None = None,
) -> tuple[list[Judgement], list[str]]:
    """What files of corrections say of one genus, and notes on what is left out (see `check_genera`).

    Raises:
        InputError: naming each entry that is wrong: a photograph that changed or is not there, a
            structure that is judged twice and not alike.
    """
    problems: list[str] = []
    notes: list[str] = []
    found: list[Judgement] = []
    for file in map(Path, files):
        with guarded(file):
            reading = _File(file, genus, photographs, list(structures), hashes or Hashes())
            found += reading.judgements()
            problems += reading.problems
            notes += reading.notes
    refuse([*problems, *_twice(found)], "")
    return found, notes


def check_genera(files: Iterable[str | Path], folder: str | Path, genera: Collection[str]) -> None:
    """Make sure that files below the folder of a genus judge no other one, and that those of several genera,
    which lie in `folder` itself, name the genus of each specimen, and only known ones.

    Raises:
        InputError: they do not.
    """
    problems = []
    for file in sorted(map(Path, files)):
        own, *inner = file.relative_to(folder).parts
        with guarded(file):
            for image in check(read_json(file), file)["images"]:
                genus = image.get("genus") or (own if inner else None)
                if inner and genus != own:
                    problems.append(
                        f"{file}: specimen '{specimen_of(image)}' is of the genus '{genus}', but the file"
                        f" lies in the folder of '{own}'; move it to {Path(folder, str(genus))}"
                    )
                elif genus not in genera:
                    problems.append(f"{file}: {_unplaced(image, genera)}")
    refuse(problems, "")


def _unplaced(image: Mapping[str, Any], genera: Collection[str]) -> str:
    name, genus = specimen_of(image), image.get("genus")
    if not genus:
        return f"specimen '{name}' names no genus; put the file into the folder of its genus"
    return (
        f"specimen '{name}' is of the genus '{genus}', which has no row in genera.tsv"
        f"{nearest(str(genus), genera)}"
    )


def standing_judgements(judgements: Iterable[Judgement]) -> dict[tuple[str, str], Judgement]:
    """By specimen and structure, the judgement whose mask stands: a fact, else what was accepted last.

    A mask does not stand that was accepted in one round and judged otherwise later in another.
    """
    found: dict[tuple[str, str], list[Judgement]] = {}
    for one in sorted(judgements, key=lambda one: (one.fact, one.at)):
        of = found.setdefault((one.specimen, one.structure), [])
        if one.fact or one.verdict == "accepted":
            of.append(one)
        else:
            of[:] = [accepted for accepted in of if not _about(one, accepted)]
    stand = {key: of[-1] for key, of in found.items() if of}
    return dict(sorted(stand.items(), key=lambda item: natural_key("/".join(item[0]))))


def _about(one: Judgement, accepted: Judgement) -> bool:
    """Whether a verdict is also on a mask that was accepted in another round."""
    same = bool(one.judged) and one.judged == accepted.judged
    return same or one.verdict == WHATEVER


def templates_of(judgements: Iterable[Judgement], accepted: int = 0) -> list[Judgement]:
    """The judgements whose masks serve as templates.

    Args:
        accepted: how many specimens of which nothing was corrected also serve, by their accepted
            masks: those with most of them. With 0 no accepted mask serves.
    """
    usable = (*FACTS, "accepted")
    stand = {
        key: one for key, one in standing_judgements(judgements).items() if one.verdict in usable
    }
    of_specimen: dict[str, list[Judgement]] = {}
    for one in stand.values():
        of_specimen.setdefault(one.specimen, []).append(one)
    by_hand = {name for name, of in of_specimen.items() if any(o.verdict in FACTS for o in of)}
    if not accepted:
        return [one for one in stand.values() if one.verdict in FACTS]
    others = sorted(
        of_specimen.keys() - by_hand, key=lambda n: (-len(of_specimen[n]), natural_key(n))
    )
    chosen = by_hand | set(others[:accepted])
    return [one for one in stand.values() if one.specimen in chosen]


def as_coco(judgements: Iterable[Judgement]) -> dict[str, Any]:
    """COCO of masks that stand, for the reader of annotations."""
    judgements = list(judgements)
    coco = Coco(dict.fromkeys(one.structure for one in judgements), orientation="stored")
    images: dict[str, int] = {}
    for one in judgements:
        if one.specimen not in images:
            names = {"file_name": one.photograph.name, "specimen": one.specimen}
            images[one.specimen] = coco.image(**names)
        missing = {"segmentation": [], "area": 0, "state": one.verdict}
        entry = missing if one.verdict in MISSING else {"segmentation": one.segmentation}
        coco.annotation(images[one.specimen], one.structure, round=one.round, **entry)
    return coco.data


def write_templates(path: Path, judgements: Sequence[Judgement]) -> None:
    """Write masks as annotations, if they changed; without any the file is removed."""
    if judgements:
        write_if_changed(path, json.dumps(as_coco(judgements), ensure_ascii=False) + "\n")
    else:
        path.unlink(missing_ok=True)


class _File:
    """One file of corrections."""

    def __init__(
        self,
        path: Path,
        genus: str,
        photographs: Photographs,
        structures: list[str],
        hashes: Hashes,
    ) -> None:
        self.path, self.genus, self.photographs = path, genus, photographs
        self.structures, self.hashes = structures, hashes
        self.problems: list[str] = []
        self.notes: list[str] = []

    def judgements(self) -> list[Judgement]:
        data = check(read_json(self.path), self.path)
        info = data.get("info")
        if isinstance(info, dict) and info.get("orientation") not in (None, "stored"):
            raise InputError(
                f"{self.path}: info.orientation is {info['orientation']!r}; corrections are drawn on"
                " photographs as stored on disk: export them on the review page, or name the file in"
                " templates.tsv"
            )
        names = {category["id"]: category["name"] for category in data["categories"]}
        photographs = self._found(data["images"])
        found = []
        for annotation in data["annotations"]:
            photograph = photographs.get(annotation["image_id"])
            structure = self._structure(names[annotation["category_id"]])
            if photograph is None or structure is None:
                continue
            where = f"{self.path}: specimen '{photograph.specimen}', structure '{structure}'"
            wrong = _wrong(annotation)
            if wrong:
                self.problems.append(f"{where}: {wrong}")
                continue
            keys = ("verdict", "round", "judged", "at", "by")
            said = {key: str(annotation.get(key) or "") for key in keys}
            said["at"] = _in_utc(said["at"])
            mask = annotation.get("segmentation")
            by_hand = said["verdict"] in FACTS or (mask and annotation.get("source") == "corrected")
            said["source"] = "corrected" if by_hand else "predicted"
            found.append(Judgement(where, photograph, structure, segmentation=mask, **said))
        return found

    def _found(self, images: Iterable[Mapping[str, Any]]) -> dict[Any, PhotographFile]:
        """The photographs of the genus by the image's id, each as it was when it was judged."""
        found = {}
        for image in images:
            if (image.get("genus") or self.genus) != self.genus:  # a file of several genera
                continue
            try:
                photograph = self.photographs.find(_name(image), str(self.path))
                self._same(image, photograph)
            except InputError as error:
                self.problems.append(str(error))
                continue
            found[image["id"]] = photograph
        return found

    def _same(self, image: Mapping[str, Any], photograph: PhotographFile) -> None:
        sha256, size = image.get("sha256"), (image.get("width"), image.get("height"))
        if isinstance(sha256, str) and sha256:
            if self.hashes.of(photograph.path) == sha256.lower():
                return
            what = "is not the file that was judged"
            if split(photograph.path)[1]:
                what += ", or its box is another (docs/large-photographs.md says how to keep boxes)"
        else:
            header = photograph.header()
            if size in ((header.width, header.height), (None, None)):
                return
            what = (
                f"has {header.width} x {header.height} pixels, the correction {size[0]} x {size[1]}"
            )
        raise InputError(
            f"{self.path}: specimen '{photograph.specimen}': the photograph {photograph.path} {what}; "
            "it was replaced since: put the old one back, or judge the new one and delete the old"
            " entry"
        )

    def _structure(self, label: str) -> str | None:
        if name := meant(label, self.structures):
            return name
        note = (
            f"{self.path}: left out what is said of '{label}', which is not among the structures"
            f"{nearest(label, self.structures)}"
        )
        if note not in self.notes:
            self.notes.append(note)
        return None


def _name(image: Mapping[str, Any]) -> str:
    """The photograph's name with the folders of its specimen."""
    specimen, file = specimen_of(image), image["file_name"].replace("\\", "/")
    folders = specimen.rpartition("/")[0]
    return f"{folders}/{file}" if folders and "/" not in file else file


def _wrong(annotation: Mapping[str, Any]) -> str | None:
    """What is wrong with a judgement, beside its photograph."""
    verdict = annotation.get("verdict")
    if verdict not in VERDICTS:
        if verdict is None:
            return (
                "it has no `verdict`, so this is not a file of corrections; name it in templates.tsv, or"
                " export it on the review page"
            )
        return f"its verdict is {verdict!r}; known are {', '.join(VERDICTS)}"
    if verdict in ("accepted", "corrected") and not annotation.get("segmentation"):
        return f"it is {verdict} but has no outline; export it again"
    try:
        _in_utc(str(annotation.get("at") or ""))
    except (ValueError, OverflowError):
        return (
            f"its time `at` is {annotation['at']!r}; write it as 2026-11-28T07:59:12Z, or leave it"
            " out"
        )
    return None


def _in_utc(at: str) -> str:
    """A time of ISO 8601, without a zone in UTC, as the review page writes it; ValueError if it is none."""
    if not at:
        return ""
    time = datetime.fromisoformat(at)
    time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _twice(judgements: Iterable[Judgement]) -> list[str]:
    """A line for each structure of a specimen of which two things are said."""
    first: dict[tuple[str, ...], Judgement] = {}
    problems = []
    for one in judgements:
        of_round = "" if one.fact else one.round
        kind = "fact" if one.fact else "verdict"
        known = first.setdefault((kind, one.specimen, one.structure, of_round), one)
        if known.content != one.content:
            what = known.where if known.where != one.where else "the same file"
            other = " with another outline" if known.verdict == one.verdict else ""
            problems.append(
                f"{one.where}: it is {one.verdict}, but {known.verdict}{other} in {what};"
                " keep one of them: delete the older file or entry"
            )
    return problems
