"""Measuring all specimens of a genus, one shard in memory at a time."""

import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.dataset.corrections import REFUSED
from sam2pal.dataset.dataset import AnnotatedSpecimen, Dataset, read_templates
from sam2pal.dataset.drawing import crossing
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.matching import differ, match
from sam2pal.dataset.runs import rle_size
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.dataset.states import DUPLICATE, NO_SPECIMEN
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.calibrated import TRAINED, UNTRAINED
from sam2pal.morphometrics.measures.checking import check_structures
from sam2pal.morphometrics.measures.plausibility import shapes_of
from sam2pal.morphometrics.measures.results import Measured
from sam2pal.morphometrics.measures.scale import Scales
from sam2pal.morphometrics.measures.specimen import Measuring, SpecimenMasks
from sam2pal.morphometrics.tables.table import Layout

SHOWN = 20
PIXELS, SPECIMENS = 8_000_000, 50  # that are measured together: what a computer has room for


@dataclass
class GenusShards:
    """The shards of one genus and round, and everything that is known beside them.

    Attributes:
        predictions: COCO files, read one after another.
        templates: canonical COCO file; its masks are the drawn ones of these specimens, and show
            what to expect of others.
        structures: names in their order; default: the categories of the first file.
        photographs: folder in which `file_name` is looked up; default: each image's `path`.
        genus, round: default: what the predictions say.
        pixels_per_mm: of the genus.
        specimen_table: may have scales.
        found_scales: table of those found in the photographs.
        listed: the specimens of the genus. A photograph of the predictions that is none of them is
            left out, the others are called as there, and looked for where the list says. So are
            structures left out that are not in `structures`. For annotations, which were not
            made from the list.
        corrections: what people said of the specimens: corrected and accepted masks stand.

    Raises:
        InputError: anything in the options or the tables is wrong; before any mask is measured.
    """

    predictions: Sequence[str | Path]
    options: MeasurementOptions
    templates: str | Path | None = None
    structures: Sequence[str] | None = None
    photographs: str | Path | None = None
    genus: str | None = None
    round: str | None = None
    pixels_per_mm: float | None = None
    specimen_table: str | Path | None = None
    listed: Sequence[Specimen] | None = None
    corrections: Corrections | None = None
    found_scales: str | Path | None = None

    def __post_init__(self) -> None:
        if not self.predictions:
            raise InputError("--predictions: no file is given")
        first = Dataset(self.predictions[0], source="drawn")
        if self.corrections:
            self.corrections.learn(self.predictions)
        self.structures = list(self.structures or first.structures)
        self.genus = self.genus or _said(first, "genus")
        self.round = self.round or _said(first, "round")
        options = self.options
        self.indices = check_structures(options, self.structures)
        self.scales = Scales(
            options.scale, self.pixels_per_mm, self.specimen_table, self.genus, self.found_scales
        )
        self._listed: dict[str, Specimen] | None = None
        if self.listed is not None:
            self._listed = {one.specimen: one for one in self.listed if one.status != DUPLICATE}
        templates = read_templates(self.templates) if self.templates else []
        self.templates = {template.specimen: template for template in templates}
        drawn = [shapes_of(template, options.min_part) for template in templates]
        self.measuring = Measuring(self.structures, options, self.indices, drawn)
        self.layout = Layout(self.structures, options, self.indices)
        self.specimens: dict[str, str] = {}  # to the file it is in
        self.left_out: dict[str, dict[str, str]] = {}  # by what is missing: specimen to reason
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in self.structures}

    @property
    def count(self) -> int:
        """How many specimens the files have; they are read for it."""
        return sum(len(Dataset(path, source="drawn").specimens) for path in self.predictions)

    def measured(self, progress: Callable[[], None] = lambda: None) -> Iterator[Measured]:
        """All specimens in the order of the files, each counted on the way.

        What all masks look like is known once all are measured; until then they lie in a file. A
        duplicate (another file of a specimen that is there) has no result, but is listed.
        """
        with tempfile.TemporaryFile() as file:
            count = 0
            for result in self._measured():
                pickle.dump(result, file)
                count += 1
                progress()
                self.measuring.learn(result)
            file.seek(0)
            for _ in range(count):
                result = pickle.load(file)  # what was written above
                known = result.scale
                self.measuring.doubt(result)
                if result.scale is not known:
                    self._leave_out("without a scale", result.specimen, reason=result.scale.reason)
                elif result.scale_doubtful:
                    what = "with a typed scale that does not fit, doubtful in millimetres"
                    self._leave_out(what, result.specimen, reason=result.reason)
                for name, counter in self.counts.items():
                    counter[result.structures[name].status] += 1
                yield result

    def _measured(self) -> Iterator[Measured]:
        for together in _together(self.cases()):
            readable = [case for case in together if isinstance(case, SpecimenMasks)]
            found = iter(self.measuring.measure(readable))
            for case in together:
                result = case if isinstance(case, Measured) else next(found)
                if (
                    isinstance(case, SpecimenMasks)
                    and result.reason
                    and result.reason != case.scale.reason
                ):
                    self._leave_out("without colours", result.specimen, reason=result.reason)
                yield result

    def cases(self) -> Iterator[SpecimenMasks | Measured]:
        """What is to be measured; of an unreadable photograph that it has no measures."""
        for path in self.predictions:
            dataset = Dataset(path, source="drawn")
            if self.corrections:
                self.corrections.apply(dataset)
            for name in dataset.structures:
                if name not in self.structures and self._listed is None:
                    raise InputError(
                        f"{path}: it has the structure '{name}', which is not among "
                        f"{', '.join(self.structures)}; segment again, or name it among"
                        " the structures of --options"
                    )
            entries = self._named(dataset)
            what = f"{path} and the templates"
            found = match(self.templates, [entry.specimen for entry in entries], what)
            drawn = {specimen: self.templates[name] for name, specimen in found.items()}
            for entry in entries:
                if entry.status in (DUPLICATE, "missing"):
                    what = "duplicates" if entry.status == DUPLICATE else "missing photographs"
                    self._leave_out(f"{what}, not measured", entry.path or entry.specimen, entry)
                    continue
                if entry.specimen in self.specimens:
                    raise InputError(
                        f"{path}: the specimen '{entry.specimen}' is also in "
                        f"{self.specimens[entry.specimen]}; give each specimen once"
                    )
                self.specimens[entry.specimen] = str(path)
                photograph = self._photograph(entry)
                template = drawn.get(entry.specimen)
                if template is not None and differ(photograph or "", template.path):
                    template = None  # of another folder, or another genus
                case = self._case(path, entry, template, photograph)
                if isinstance(case, SpecimenMasks) and dataset.info.get("bundled"):
                    trained = dataset.info.get("trained")
                    case = replace(case, calibrated=TRAINED if trained else UNTRAINED)
                yield case

    def _named(self, dataset: Dataset) -> list[AnnotatedSpecimen]:
        """The specimens of a file, as the list of specimens calls them."""
        if self._listed is None:
            return dataset.specimens
        for name in dataset.structures:
            if name not in self.structures:
                self._leave_out("structures of the annotations, not measured", name)
        what = f"{dataset.path} and the list of specimens"
        found = match([entry.specimen for entry in dataset.specimens], self._listed, what)
        entries = []
        for entry in dataset.specimens:
            name = found.get(entry.specimen)
            if name is None:
                self._leave_out("annotated photographs that are not specimens", entry.specimen)
            else:
                path = self._listed[name].path
                entries.append(replace(entry, specimen=name, path=path))
        return entries

    def _leave_out(
        self, what: str, name: str, entry: AnnotatedSpecimen | None = None, reason: str = ""
    ) -> None:
        reason = reason or (entry.reason if entry else "")
        self.left_out.setdefault(what, {})[name] = reason

    def _case(
        self,
        path: str | Path,
        entry: AnnotatedSpecimen,
        template: AnnotatedSpecimen | None,
        photograph: Path | None,
    ) -> SpecimenMasks | Measured:
        readable = entry.status == "ok"
        scale = self.scales.of(entry.specimen, photograph if readable else None)
        if not readable:
            why = (
                "photographs without a specimen"
                if entry.status == NO_SPECIMEN
                else "unreadable photographs"
            )
            self._leave_out(why, entry.specimen, entry)
            return self.measuring.nothing(entry.specimen, entry.status, entry.reason, scale)
        entries = {n: entry.annotations[n] for n in self.structures if n in entry.annotations}
        for name, known in (template.annotations if template else {}).items():
            if name in self.structures and (
                name not in entries
                or (entries[name].source == "predicted" and not entries[name].verdict)
            ):
                entries[name] = known
        sizes = {rle_size(of.rle) for of in entries.values() if of.verdict not in REFUSED}
        if len(sizes) > 1:
            raise InputError(
                f"{path}: the masks of specimen '{entry.specimen}' have different sizes; its "
                "template was outlined on another copy of the photograph"
            )
        for name, of in entries.items():
            if any(crossing(ring) for ring in of.polygons):
                what = "outlines that cross themselves, without what they go round twice"
                self._leave_out(
                    what, f"{entry.specimen}, {name}", reason="redraw it if it is wrong"
                )
        if scale.reason:
            self._leave_out("without a scale", entry.specimen, entry, scale.reason)
        before = {}
        if any(one.before for one in entry.annotations.values()):
            annotations = entry.annotations
            before = {
                name: annotations[name].before or annotations[name]
                for name in entries
                if name in annotations
            }
        mirrored = entry.view.startswith("mirrored")
        return SpecimenMasks(entry.specimen, entries, scale, photograph, before, mirrored)

    def _photograph(self, entry: AnnotatedSpecimen) -> Path | None:
        if self.photographs is not None:
            return Path(self.photographs) / entry.file_name
        return Path(entry.path) if entry.path else None

    def report(self, table: SpecimenTable | None) -> str:
        """What was measured, and what was not and why, for the log."""
        lines = [f"{self.genus}, {self.round}: {len(self.specimens)} specimens"]
        for name, counter in self.counts.items():
            said = ", ".join(f"{counter[status]} {status}" for status in sorted(counter))
            lines.append(f"  {name}: {said or 'none'}")
        for what, specimens in self.left_out.items():
            said = [f"{name}: {reason}" if reason else name for name, reason in specimens.items()]
            lines += _listed(what, said)
        if table is not None:
            lines += table.notes
            without, unused = table.unmatched(self.genus, list(self.specimens))
            lines += _listed(f"specimens without a row in {table.path}", without)
            lines += _listed(f"rows of {table.path} without a specimen", unused)
        return "\n".join(lines)


def _together(
    cases: Iterable[SpecimenMasks | Measured],
) -> Iterator[list[SpecimenMasks | Measured]]:
    """Specimens in groups of at most `SPECIMENS`, and of masks of about `PIXELS`."""
    group: list[SpecimenMasks | Measured] = []
    pixels = 0
    for case in cases:
        group.append(case)
        if isinstance(case, SpecimenMasks):
            pixels += sum(part.size for part, _ in case.crops.values())
        if pixels >= PIXELS or len(group) == SPECIMENS:
            yield group
            group, pixels = [], 0
    if group:
        yield group


def _listed(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = [f"  ... and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return [f"{len(names)} {what}:", *(f"  {name}" for name in names[:SHOWN]), *more]


def _said(dataset: Dataset, key: str) -> str:
    value = dataset.info.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"{dataset.path}: it does not say which {key} it is of; give --{key}")
    return value
