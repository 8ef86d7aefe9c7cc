"""What annotation files say, united by photograph and structure, and drawn."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.dataset.dataset import FARTHEST_POINT, State, specimen_of
from sam2pal.dataset.drawing import Drawing, Outline, Source
from sam2pal.dataset.evidence import resolve_mask
from sam2pal.dataset.files import Coco
from sam2pal.dataset.photographs import AmbiguousNameError, PhotographFile, Photographs, is_renamed
from sam2pal.dataset.runs import Runs
from sam2pal.images.address import content_hash
from sam2pal.images.folder import natural_key
from sam2pal.images.header import Header
from sam2pal.images.orientation import stored, swaps_sides
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError, first_few, many
from sam2pal.io.spelling import composed, folded, meant, nearest

_FEW = 10  # pixels of an outline, below which it may be a slip
_COMPARED = 20  # photographs on which it is looked for structures within others
_SHOWN = 20  # outlines left out that are named
_LABEL = 60  # characters of an unknown label that are shown
_GLANCE = np.zeros((0, 0), bool)
LEFT_OUT = "left out: "


class _Image:
    """A photograph and its masks as stored on disk; without a header it is not there."""

    def __init__(self, path: str, name: str, specimen: str, header: Header | None) -> None:
        self.path, self.name, self.specimen, self.header = path, name, specimen, header
        self.masks: dict[str, dict[str, Any]] = {}  # structure to RLE
        self.whys: dict[str, str] = {}  # structure to why it has no mask, if not absent


class Collected:
    """What the annotation files say, united by photograph and structure; a glance draws nothing."""

    def __init__(
        self, structures: Mapping[str, Any] | Sequence[str], truth: bool, glance: bool = False
    ) -> None:
        self.structures = list(structures)
        self.truth, self.glance = truth, glance
        self.images: dict[str, _Image] = {}
        self.labels: set[str] | None = None
        self.notes: list[str] = []

    def add(self, file: Path, source: Source, photographs: Photographs) -> None:
        """Match the drawings of one file to photographs and add their masks.

        What cannot be used is left out with a note, unless nothing is left.
        """
        labels = {outline.label for drawing in source.drawings for outline in drawing.outlines}
        self.labels = (self.labels or set()) | labels
        self.notes += source.notes
        passed = [f"{count} {kind}" for kind, count in sorted(source.ignored.items())]
        self.notes += [f"{file}: {what} passed over" for what in passed]
        unknown: Counter = Counter()
        bare, missing, united, masks = [], [], [], 0
        faults = list(source.faults)
        found: dict[str, tuple[PhotographFile, Drawing]] = {}
        for drawing in source.drawings:
            if not drawing.outlines:
                bare.append(drawing.photograph)
                if not self.truth:
                    continue
            try:
                photograph = photographs.find(drawing.photograph, drawing.where, drawing.bytes)
            except AmbiguousNameError:
                raise
            except InputError as error:
                if self.truth:
                    missing.append(drawing.photograph)
                    self._keep_missing(drawing)
                else:
                    faults.append(error)
                continue
            if _replaced(drawing, photograph):
                faults.append(
                    InputError(
                        f"{drawing.where}: the photograph {photograph.path} is not the file it was drawn on; "
                        "put the old one back, outline the new one, or delete `sha256` if only the file's "
                        "metadata changed"
                    )
                )
                continue
            self._note_spelling(drawing, photograph)
            key = os.path.realpath(photograph.path) if photograph.path else photograph.name
            if key in found:
                earlier = found[key][1]
                united.append(f"{photograph.name} ({earlier.where}; {drawing.where})")
                drawing = _united(earlier, drawing, photograph)
            found[key] = photograph, drawing
        for key, (photograph, drawing) in found.items():
            wanted: dict[str, list[Outline]] = defaultdict(list)
            for outline in drawing.outlines:
                structure = self._structure(outline.label)
                if structure is None:
                    unknown[outline.label] += 1
                else:
                    wanted[structure].append(outline)
            if wanted or self.truth:
                masks += self._draw(key, photograph, drawing, wanted, faults)
        for label, count in sorted(unknown.items()):
            hint = nearest(label[:_LABEL], self.structures)
            self.notes.append(
                f"{file}: left out {count} of '{label[:_LABEL]}', which is not among the structures{hint}"
            )
        self._note_names(file, bare, f"without an outline{'' if self.truth else ', left out'}")
        self._note_names(file, united, "with structures in several files or entries")
        self._note_names(file, missing, "annotated but not found")
        if not masks:
            raise faults[0] if faults else self._nothing(file, unknown, passed, bare)
        for fault in faults[:_SHOWN]:
            self.notes.append(f"{LEFT_OUT}{fault}")
        if len(faults) > _SHOWN:
            self.notes.append(
                f"{file}: {len(faults) - _SHOWN} more were left out, of {len(faults)}"
            )

    def _nothing(
        self, file: Path, unknown: Counter, passed: list[str], bare: list[str]
    ) -> InputError:
        """Why a file has no mask, as far as can be told."""
        if unknown:
            why = f"it has {first_few(sorted(unknown))}: rename them there or in the configuration"
        elif passed:
            why = f"it has {', '.join(passed)}, which are not outlines: draw polygons or masks"
        elif bare:
            why = f"none is drawn on {first_few(bare)}; is it the right file?"
        else:
            why = "is it the right file?"
        return InputError(
            f"{file}: no outline of any structure ({', '.join(self.structures)}) was found; {why}"
        )

    def _note_spelling(self, drawing: Drawing, photograph: PhotographFile) -> None:
        said = composed(drawing.photograph).replace("\\", "/").rsplit("/", 1)[-1]
        own = [composed(name).rsplit("/", 1)[-1] for name in (photograph.name, photograph.specimen)]
        alike = [{name.casefold(), name.rsplit(".", 1)[0].casefold()} for name in (said, *own)]
        if not alike[0] & (alike[1] | alike[2]):
            self.notes.append(f"{drawing.where}: '{said}' is taken as '{photograph.name}'")
        size = photograph.bytes() if drawing.bytes else None
        if size is not None and size != drawing.bytes:
            self.notes.append(
                f"{drawing.where}: it was drawn on a file of {drawing.bytes:,} bytes, but"
                f" {photograph.path} has {size:,}; look whether that is the same photograph"
            )
        if is_renamed(photograph.name):
            self.notes.append(
                f"{drawing.where}: '{photograph.name}' is a name that a tool made; the specimen is"
                f" called '{photograph.specimen}'"
            )

    def _note_names(self, file: Path, names: list[str], what: str) -> None:
        if names:
            self.notes.append(
                f"{file}: {many(len(names), 'photograph')} {what}: {first_few(names)}"
            )

    def _structure(self, label: str) -> str | None:
        """The configuration's name for a label: the same, or else the same but for case."""
        name = meant(label, self.structures)
        if name is not None and composed(label) != composed(name):
            note = f"'{label}' in the annotations is taken as '{name}'"
            self.notes += [note] if note not in self.notes else []
        return name

    def _keep_missing(self, drawing: Drawing) -> None:
        name = drawing.photograph.replace("\\", "/")
        specimen = specimen_of({"file_name": name})
        self.images.setdefault(f"missing {name}", _Image("", name, specimen, None))

    def _draw(
        self,
        key: str,
        found: PhotographFile,
        drawing: Drawing,
        wanted: Mapping[str, Sequence[Outline]],
        faults: list[InputError],
    ) -> int:
        """Draw the structures of a photograph; say how many could be, and add why others not."""
        image = self.images.get(key)
        if image is None:
            try:
                image = _Image(found.path, found.name, found.specimen, found.header())
            except InputError as error:
                faults.append(error)
                return 0
            for other in self.images.values():
                if other.header and other.specimen == image.specimen:
                    raise InputError(
                        f"{drawing.where}: '{other.path}' and '{image.path}' would both be specimen"
                        f" '{image.specimen}'; rename one"
                    )
            self.images[key] = image
        try:
            turn = self._turn(image, drawing, [o for of in wanted.values() for o in of])
        except InputError as error:
            faults.append(error)
            return 0
        width, height = (
            image.header.displayed_size if turn else (image.header.width, image.header.height)
        )
        replaced, drawn = [], 0
        bounds = [o.bounds for of in wanted.values() for o in of if o.bounds]
        parts = all(max(edges) <= 1 and min(edges) >= 0 for edges in bounds)
        for structure, outlines in wanted.items():
            mask = _GLANCE if self.glance else np.zeros((height, width), bool)
            if len({outline.empty for outline in outlines}) > 1:
                self.notes.append(
                    f"{drawing.where}: '{structure}' is both outlined and said to be absent; the"
                    " outline is taken"
                )
            try:
                for outline in outlines:
                    mask = mask | self._piece(outline, height, width, parts)
            except InputError as error:  # half of a structure would be a wrong one
                faults.append(error)
                continue
            drawn += 1
            if self.glance:
                continue
            if 0 < (count := int(mask.sum())) < _FEW:
                self.notes.append(
                    f"{drawing.where}: '{structure}' has {count} pixels; look whether it was drawn by"
                    " mistake"
                )
            rle = _encoded(stored(mask, image.header.orientation) if turn else mask)
            if image.masks.get(structure, rle) != rle:
                replaced.append(structure)
            image.masks[structure] = rle
            whys = {outline.why for outline in outlines if outline.empty} - {State.ABSENT}
            image.whys[structure] = "" if mask.any() else min(whys, default="")
        if replaced:
            self.notes.append(
                f"{drawing.where}: its {first_few(replaced)} replaces that of an earlier file"
            )
        return drawn

    def _piece(self, outline: Outline, height: int, width: int, parts: bool) -> np.ndarray:
        """`parts`: no outline of the photograph has a coordinate beyond 0 to 1."""
        self.notes += outline.notes
        if outline.fault is not None:
            raise outline.fault
        if outline.empty or (self.glance and outline.bounds is None):
            return _GLANCE if self.glance else np.zeros((height, width), bool)
        if outline.bounds is None:
            mask = outline.draw(height, width)
            if not mask.any():
                raise InputError(
                    f"{outline.where}: the outline covers no pixel of the photograph of {width} x {height};"
                    " redraw or delete it"
                )
            return self._settled(outline, mask)
        left, top, right, bottom = outline.bounds
        if parts and min(width, height) > 4:  # else it is the pixel in the corner
            raise InputError(
                f"{outline.where}: all its coordinates lie from 0 to 1; these seem to be parts of the"
                " photograph's sides: export coordinates in pixels"
            )
        outside = max(-left, -top, right - width, bottom - height)
        # Far away is not drawn at all: memory would grow with the length of the outline.
        mask = None
        if outside < FARTHEST_POINT * max(width, height):
            mask = _GLANCE if self.glance else outline.draw(height, width)
        away = left >= width or top >= height or right <= 0 or bottom <= 0
        if mask is None or (away if self.glance else not mask.any()):
            copy = (
                "" if mask is not None and not away else "was it drawn on a copy of another size? "
            )
            raise InputError(
                f"{outline.where}: the outline (x {left:g} to {right:g}, y {top:g} to {bottom:g})"
                f" {'covers no pixel of' if mask is not None else 'does not fit'} the photograph of"
                f" {width} x {height}; {copy}redraw or delete it"
            )
        if outside > 2:
            self.notes.append(
                f"{outline.where}: the outline reaches beyond the photograph of {width} x"
                f" {height} pixels and was cut"
            )
        return mask if self.glance else self._settled(outline, mask)

    def _settled(self, outline: Outline, mask: np.ndarray) -> np.ndarray:
        mask, notes = resolve_mask(outline, mask)
        self.notes += notes
        return mask

    def _turn(self, image: _Image, drawing: Drawing, outlines: Sequence[Outline]) -> bool:
        """Whether the drawing was made on the displayed, not on the stored photograph."""
        header = image.header
        as_stored = (header.width, header.height)
        size, where = drawing.size, drawing.where
        for outline in outlines:
            if outline.size is None:
                continue
            if size is not None and outline.size != size:
                raise InputError(
                    f"{outline.where}: its mask has {_pixels(outline.size)}, but {where} says"
                    f" {_pixels(size)}; export it again"
                )
            size, where = outline.size, outline.where
        if size is None:
            self._note_side(image, drawing, where)
            return bool(drawing.displayed) and header.orientation != 1
        if size not in (as_stored, header.displayed_size):
            turned = (
                f" ({_pixels(header.displayed_size)} as displayed)"
                if swaps_sides(header.orientation)
                else ""
            )
            if size == as_stored[::-1] and not os.path.exists(image.path):
                turned = " and is not there to tell how it is turned (put it back)"
            raise InputError(
                f"{where}: the annotation has {_pixels(size)}, but the photograph {image.path} has"
                f" {_pixels(as_stored)}{turned}; annotate or export at the photograph's own size"
            )
        if header.orientation == 1 or header.displayed_size != as_stored:
            if header.orientation != 1 and drawing.displayed is None:
                side = "stored" if size == as_stored else "displayed"
                self.notes.append(
                    f"{where}: the photograph {image.path} is turned by its EXIF orientation"
                    f" {header.orientation}; by its size the annotation was made on the {side} one"
                )
            return size != as_stored
        self._note_side(image, drawing, where)
        return bool(drawing.displayed)

    def _note_side(self, image: _Image, drawing: Drawing, where: str) -> None:
        """Say what is assumed of a turned photograph where sizes do not tell."""
        if image.header.orientation == 1:
            return
        of = f"{where}: the photograph {image.path} has EXIF orientation {image.header.orientation}"
        if drawing.displayed is None:
            self.notes.append(
                f"{of}, and its size does not tell whether the annotation was made on the stored or"
                " on the displayed one; taken as stored (info.orientation in a COCO file can say)"
            )
        else:
            side = "displayed" if drawing.displayed else "stored"
            self.notes.append(
                f"{of}; the annotation counts as made on the {side} one, as its program or file says"
            )

    def coco(
        self, info: dict[str, Any], structures: Mapping[str, Any] | Sequence[str]
    ) -> dict[str, Any]:
        """The canonical file."""
        file = Coco(structures, **info, canonical=True, notes=self.notes)
        there = {image.specimen for image in self.images.values() if image.header}
        kept = [i for i in self.images.values() if i.header or i.specimen not in there]
        if not self.truth:
            kept = [image for image in kept if image.masks]
        ordered = sorted(kept, key=lambda image: natural_key(image.specimen))
        for image in ordered:
            if image.header is None:
                more = {"status": "missing", "reason": "not among the photographs"}
            else:
                more = {"width": image.header.width, "height": image.header.height}
            names = {"file_name": image.name, "path": image.path, "specimen": image.specimen}
            number = file.image(**names, **more)
            for structure in sorted(image.masks, key=self.structures.index):
                why = image.whys[structure] or None
                file.mask(number, structure, image.masks[structure], source="drawn", state=why)
        drawn = {structure for image in self.images.values() for structure in image.masks}
        for structure in self.structures:
            if structure not in drawn:
                self.notes.append(f"'{structure}' is drawn on no photograph")
        if isinstance(structures, Mapping) and not self.truth:
            some = [image.masks for image in ordered[:_COMPARED]]
            for (small, large), (within, count) in drawn_within(some, structures).items():
                self.notes.append(
                    f"'{small}' is drawn within '{large}' on {within} of {count} photographs, but masks of "
                    f"both that are found share no pixel: '{large}' is measured without '{small}', or "
                    f"'{small}' is lost. Write `parent: {large}` below '{small}' in config.yaml, or"
                    " `exclusive: false`"
                )
        return file.data


def _replaced(drawing: Drawing, photograph: PhotographFile) -> bool:
    """Whether another file lies where the outlined photograph was, as far as the annotation tells."""
    known = drawing.sha256 and photograph.bytes()
    return bool(known) and content_hash(photograph.path) != drawing.sha256


def _united(one: Drawing, other: Drawing, photograph: PhotographFile) -> Drawing:
    """A photograph's structures from two entries, where each has structures of its own."""
    labels = [{folded(outline.label) for outline in drawing.outlines} for drawing in (one, other)]
    alike = (one.photograph, one.size, one.displayed) == (
        *(other.photograph, other.size, other.displayed),
    )
    if labels[0] & labels[1] or not alike:
        raise InputError(
            f"{other.where}: the photograph '{photograph.name}' is annotated twice, also as"
            f" {one.where}; remove one of the two"
        )
    return replace(one, outlines=[*one.outlines, *other.outlines])


def drawn_within(
    masks: Sequence[Mapping[str, Any]], structures: Mapping[str, Any]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Exclusive structures of one parent of which the first is drawn within the second.

    Args:
        masks: of each photograph, RLE by structure.

    Returns:
        By both names, on how many photographs, and how many show both.
    """
    options = {name: of or {} for name, of in structures.items()}
    exclusive = [name for name, of in options.items() if of.get("exclusive", True)]
    found = {}
    for one, other in combinations(exclusive, 2):
        if (options[one].get("parent") or None) != (options[other].get("parent") or None):
            continue
        both = [(of[one], of[other]) for of in masks if one in of and other in of]
        runs = [tuple(map(Runs.from_rle, pair)) for pair in both]
        runs = [pair for pair in runs if all(pair)]
        names = one, other
        if sum(a.area - b.area for a, b in runs) > 0:
            runs, names = [(b, a) for a, b in runs], (other, one)
        within = sum((a - b).area < a.area / 2 for a, b in runs)
        if within:
            found[names] = within, len(runs)
    return found


def _encoded(mask: np.ndarray) -> dict[str, Any]:
    """RLE of a mask, of which only the part that has pixels is turned into columns."""
    window = Window.holding(mask)
    return Runs.of(mask[window.slices], *mask.shape, window.top, window.left).rle()


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"
