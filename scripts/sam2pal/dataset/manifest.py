"""The manifest of a genus: which photographs there are, and which shard each belongs to."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sam2pal.dataset.states import DUPLICATE, NO_SPECIMEN, OK, REMOVED, UNREADABLE
from sam2pal.images.address import address_of, file_of, suffix_of
from sam2pal.images.folder import FoundFile, natural_key, scan
from sam2pal.images.mask_pictures import is_mask_picture, named_masks
from sam2pal.images.reading import IMAGE_SUFFIXES, inspect
from sam2pal.images.window import Window
from sam2pal.io.cells import inert, original
from sam2pal.io.errors import DamagedError, InputError, first_few, many
from sam2pal.io.files import copies, write_if_changed
from sam2pal.io.spelling import composed

if TYPE_CHECKING:
    from sam2pal.dataset.dataset import AnnotatedSpecimen


@dataclass(frozen=True)
class Specimen:
    """A row of a manifest: one photograph, or a window of one that shows many specimens.

    Attributes:
        specimen: id: the path relative to the genus' folder, without extension; of a window also `#` and
            its number.
        path: as it is opened; the address of a window (see `images.address`).
        width, height: in pixels as stored on disk, a window's upright; 0 if the photograph is unreadable.
        status: `ok`, `unreadable` (also a mask), or `duplicate`
            (another photograph has the same id, or is the same file, and is kept); `removed` only in the
            state that outlives a listing.
        reason: why it is not `ok`, or what to know about it, for example that only the first
            page is read.
    """

    specimen: str
    path: str
    size: int
    mtime_ns: int
    width: int
    height: int
    shard: str
    status: str = OK
    reason: str = ""

    @classmethod
    def annotated(cls, one: AnnotatedSpecimen) -> Specimen:
        """An annotated specimen as a list has one.

        Raises:
            InputError: its photograph is not there.
        """
        try:
            stat = os.stat(file_of(one.path))
        except OSError as error:
            reason = f"the photograph cannot be read ({error.strerror})"
            raise InputError(f"{one.path}: {reason}") from error
        size = stat.st_size, stat.st_mtime_ns, one.width, one.height
        return cls(one.specimen, one.path, *size, "0000")

    @property
    def name(self) -> str:
        """File name relative to the genus' folder."""
        return self.specimen + suffix_of(self.path)


class Windowed(NamedTuple):
    """A specimen of many in a photograph: what its id adds to the name, and its upright window."""

    number: str
    window: Window
    reason: str = ""


@dataclass(frozen=True)
class Manifest:
    """The specimens of a genus.

    Attributes:
        removed: earlier specimens that are gone, kept because shard numbers are not reused and
            because a photograph that comes back returns to its shard.
    """

    specimens: list[Specimen]
    removed: list[Specimen] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


THREADS = 8  # that open photographs
_COLUMNS = [column.name for column in fields(Specimen)]
_NUMBERS = ("size", "mtime_ns", "width", "height")


def read_list(path: str | Path) -> list[Specimen]:
    """Read a manifest, a shard's list or a training pool; InputError if the file is not such a table."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: the list of specimens cannot be read ({error})") from error
    except UnicodeDecodeError as error:
        raise DamagedError(path, f"{path}: damaged list of specimens ({error})") from error
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    if next(rows, None) != _COLUMNS:
        raise DamagedError(
            path, f"{path}: damaged list of specimens: expected the columns {', '.join(_COLUMNS)}"
        )
    try:
        return [
            Specimen(
                **{
                    column: int(cell) if column in _NUMBERS else original(cell)
                    for column, cell in zip(_COLUMNS, row, strict=True)
                }
            )
            for row in rows
        ]
    except (ValueError, csv.Error) as error:
        raise DamagedError(path, f"{path}: row {rows.line_num} is damaged ({error})") from error


def write_list(path: str | Path, specimens: Iterable[Specimen]) -> bool:
    """Write a list, unless the file already holds exactly it; say whether it was written."""
    text = io.StringIO()
    rows = csv.writer(text, delimiter="\t", lineterminator="\n")
    rows.writerow(_COLUMNS)
    for specimen in specimens:
        cells = attrgetter(*_COLUMNS)(specimen)
        rows.writerow(inert(cell) if isinstance(cell, str) else cell for cell in cells)
    return write_if_changed(path, text.getvalue())


def write_shard_lists(folder: str | Path, specimens: Iterable[Specimen]) -> tuple[int, int]:
    """Write `{shard}.tsv` of every shard that changed; how many there are, and how many were written."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shards: dict[str, list[Specimen]] = {}
    for specimen in specimens:
        shards.setdefault(specimen.shard, []).append(specimen)
    written = sum(write_list(folder / f"{shard}.tsv", shards[shard]) for shard in sorted(shards))
    for path in folder.glob("*.tsv"):
        if re.fullmatch("[0-9]{4,}", path.stem) and path.stem not in shards:
            path.unlink()
    return len(shards), written


def shards_of_run(run: Path) -> list[Path]:
    """The masks of a round of a genus, without those of shards that are listed no more: all of their
    photographs are gone, but may come back."""
    lists = run.parent / "lists"
    every = sorted(run.glob("shards/*.json"))
    return [path for path in every if (lists / f"{path.stem}.tsv").is_file() or not lists.is_dir()]


def build_manifest(
    folder: str | Path,
    previous: Sequence[Specimen] | None,
    shard_size: int,
    genus: str = "",
    progress: Callable[[Iterable], Iterable] = iter,
    windows: Mapping[str, Sequence[Windowed] | None] | None = None,
) -> Manifest:
    """List a genus' folder, keeping every specimen in the shard it was in.

    New specimens fill the last shard if it has room, and then new shards. A photograph whose
    size and modification time are those of the previous manifest is not opened again, unless it
    was unreadable then.

    Args:
        progress: wraps the photographs that are opened, for a progress bar.
        windows: of the specimens, by the name of their photograph, where photographs show many; None for
            one that shows a single specimen.

    Raises:
        InputError: the folder does not exist, or holds no photograph.
    """
    if shard_size < 1:
        raise InputError(f"genus {genus}: shard_size is {shard_size}; give 1 or more")
    try:
        listing = scan(folder)
    except InputError as error:
        raise InputError(f"genus {genus}: {error}") from error
    files = [*listing.photographs, *listing.unsupported]
    others = ", ".join(f"{n} {s or 'without suffix'}" for s, n in sorted(listing.others.items()))
    if not files:
        raise InputError(
            f"genus {genus}: no photograph in {folder} (readable suffixes:"
            f" {', '.join(sorted(IMAGE_SUFFIXES))}{'; other files: ' + others if others else ''});"
            " correct the folder in the table of genera, or mount its disk"
        )
    if listing.unsupported:
        files.sort(key=lambda file: natural_key(file.name))
    earlier = {specimen.name: specimen for specimen in previous or ()}
    rows, opened = _examined(files, earlier, progress)
    rows = _without_duplicates(_without_masks(rows))
    rows = _without_copies(rows, opened, earlier)
    if windows is not None:
        rows = [one for row in rows for one in _parted(row, windows)]
    rows = _sharded(rows, earlier, shard_size)

    names = {row.name for row in rows}
    gone = [row for row in earlier.values() if row.name not in names]
    newly = [row.name for row in gone if row.status != REMOVED]
    notes = [f"{sum(listing.others.values())} other files left out: {others}"] if others else []
    if newly:
        notes.append(
            f"{many(len(newly), 'photograph')} gone since the last listing: {first_few(newly)}"
        )
    replaced = [row.name for row in rows if row.name in opened and _known(earlier.get(row.name))]
    if replaced:
        notes.append(f"{many(len(replaced), 'photograph')} opened again: {first_few(replaced)}")
    gone = [
        replace(row, status=REMOVED, reason=row.reason if row.status in (OK, REMOVED) else "")
        for row in gone
    ]
    return Manifest(rows, sorted(gone, key=lambda row: natural_key(row.name)), notes)


def _parted(row: Specimen, found: Mapping[str, Sequence[Windowed] | None]) -> list[Specimen]:
    """A row per specimen of a photograph."""
    if row.status != OK:
        return [row]
    if row.name not in found:
        reason = "new, or not to be read: no specimen was looked for in it; run the workflow again"
        return [replace(row, status=UNREADABLE, reason=reason)]
    windows = found[row.name]
    if windows is None:
        return [row]
    if not windows:
        reason = (
            "no specimen found: nothing in the tray looks like those of the templates; draw boxes"
        )
        return [replace(row, status=NO_SPECIMEN, reason=reason)]
    return [
        replace(
            row,
            specimen=f"{row.specimen}#{one.number}",
            path=address_of(row.path, one.window),
            width=one.window.width,
            height=one.window.height,
            reason="; ".join([part for part in (row.reason, one.reason) if part]),
        )
        for one in windows
    ]


def _known(row: Specimen | None) -> bool:
    return row is not None and row.status != REMOVED


def _examined(
    files: Sequence[FoundFile],
    earlier: dict[str, Specimen],
    progress: Callable[[Iterable], Iterable],
) -> tuple[list[Specimen], set[str]]:
    """A row per file, without shard, and the names of the files that had to be opened."""
    rows: list[Specimen | None] = []
    to_open = []
    for place, file in enumerate(files):
        row = earlier.get(composed(file.name))
        unchanged = row is not None and (row.size, row.mtime_ns) == (file.size, file.mtime_ns)
        if unchanged and row.width > 0 and row.status != DUPLICATE:
            same = (row.path, row.status) == (file.path, OK)
            rows.append(row if same else replace(row, path=file.path, status=OK))
        else:
            rows.append(None)
            to_open.append(place)
    with ThreadPoolExecutor(THREADS) as pool:
        probed = pool.map(_opened, [files[place] for place in to_open])
        for place, row in zip(progress(to_open), probed, strict=True):
            rows[place] = row
    return rows, {composed(files[place].name) for place in to_open}  # type: ignore[return-value]


def _opened(file: FoundFile) -> Specimen:
    """The row of a file, without shard."""
    row = Specimen(file.stem, file.path, file.size, file.mtime_ns, 0, 0, "")
    if file.problem:
        return replace(row, status=UNREADABLE, reason=file.problem)
    try:
        header = inspect(file.path)
    except InputError as error:
        return replace(row, status=UNREADABLE, reason=str(error).removeprefix(f"{file.path}: "))
    reason = "; ".join(header.notes)
    with suppress(Exception):  # Pillow does not open all that can be read
        if is_mask_picture(file.path):
            what = (
                "not a photograph but a picture of a mask (one colour on black or on nothing); move it to a"
                " folder of its own"
            )
            return replace(row, status=UNREADABLE, reason=what)
    return replace(row, width=header.width, height=header.height, reason=reason)


def _without_masks(rows: Sequence[Specimen]) -> list[Specimen]:
    """Say of pictures that are called after a photograph, as masks are, that they are none."""
    masks = named_masks(row.name for row in rows)
    return [
        replace(
            row,
            status=UNREADABLE,
            width=0,
            height=0,
            reason=f"not a photograph but, by its name, a mask of {os.path.basename(masks[row.name])}; move"
            " it to a folder of its own, or rename it",
        )
        if row.name in masks and row.status == OK
        else row
        for row in rows
    ]


def _without_duplicates(rows: Sequence[Specimen]) -> list[Specimen]:
    """Keep one photograph an id, the first by name that is readable; the others say so."""
    kept: dict[str, Specimen] = {}
    for row in rows:
        if row.specimen not in kept or (kept[row.specimen].status != OK and row.status == OK):
            kept[row.specimen] = row
    return [
        row
        if kept[row.specimen] is row
        else replace(
            row,
            status=DUPLICATE,
            reason=f"{os.path.basename(kept[row.specimen].path)} has the same name and is kept",
        )
        for row in rows
    ]


def _without_copies(
    rows: Sequence[Specimen], opened: Collection[str], earlier: Mapping[str, Specimen]
) -> list[Specimen]:
    """Keep one of several files of one photograph: one that was used, or else that of the shortest name."""
    there = {row.path: row for row in rows if row.status == OK}
    fresh = {row.name for row in rows if row.name in opened or not _used(earlier.get(row.name))}
    # among photographs that were used there are no copies
    sizes = {row.size for row in there.values() if row.name in fresh}
    kept: dict[str, Specimen] = {}
    for group in copies({path: row.size for path, row in there.items() if row.size in sizes}):
        alike = [there[path] for path in group]
        best = min(
            alike,
            key=lambda row: (
                not _used(earlier.get(row.name)),
                len(row.specimen),
                natural_key(row.name),
            ),
        )
        kept |= {row.path: best for row in alike if row is not best}
    return [
        replace(row, status=DUPLICATE, reason=f"a copy of {kept[row.path].name}, which is kept")
        if row.path in kept
        else row
        for row in rows
    ]


def _used(row: Specimen | None) -> bool:
    return row is not None and row.status == OK


def _sharded(
    rows: Sequence[Specimen], earlier: dict[str, Specimen], shard_size: int
) -> list[Specimen]:
    """Give every id the shard it had, or else one with room."""
    shard_of = {row.specimen: row.shard for row in earlier.values()}
    last = max((int(shard) for shard in shard_of.values()), default=0)
    present = {row.specimen for row in rows}
    filled = sum(int(shard) == last for name, shard in shard_of.items() if name in present)
    if not filled:  # the number of a shard that lost all of its specimens is not used again
        filled = shard_size
    for row in rows:
        if row.specimen not in shard_of:
            if filled >= shard_size:
                last, filled = last + 1, 0
            shard_of[row.specimen] = f"{last:04d}"
            filled += 1
    return [
        row if row.shard == shard_of[row.specimen] else replace(row, shard=shard_of[row.specimen])
        for row in rows
    ]
