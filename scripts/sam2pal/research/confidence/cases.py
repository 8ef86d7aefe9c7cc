"""What confidences are fitted to and judged on: templates and specimens whose masks are all known."""

import pickle
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.research.benchmark.collection import read_collection
from sam2pal.research.pretraining.photographs import CROWDS, HELD_OUT
from sam2pal.research.synthetic.collection import draw_collection
from sam2pal.research.synthetic.species import KINDS

LEARNED = (
    "chicken_parts",
    "faces_generated",
)  # of which the bundled model knows four of five pictures
LEFT_OUT = ("drosophila_tissue", "openimages_animals", "planthopper_wings", "tree_parts")
BEETLES = ("pinned", "tray")
MOST = 6  # specimens a case of real pictures
SIDE = 320  # of drawings, pixels
SPECIMENS, SHOWN = 7, 3  # a drawn genus, and how many of them serve as templates
_STREAM = 20  # of random numbers: no step of pretraining has drawn these


@dataclass(frozen=True)
class Case:
    """One segmentation.

    Attributes:
        name: unique; `source` is `drawn`, or the folder of a set.
    """

    name: str
    source: str
    structures: tuple[str, ...]
    templates: tuple[AnnotatedSpecimen, ...]
    specimens: tuple[AnnotatedSpecimen, ...]


def drawn_cases(folder: Path, genera: Sequence[int]) -> Iterator[Case]:
    """Genera of all plans in turn, each with one template and with three.

    Args:
        folder: where the drawings are kept.
    """
    for number in genera:
        known = drawings(folder / f"{number:04d}", number, kind_of(number), SPECIMENS)
        for count in (1, SHOWN):
            structures = _shown(known[:count])
            yield Case(
                f"drawn-{number:04d}-{count}",
                "drawn",
                structures,
                tuple(known[:count]),
                tuple(known[SHOWN:]),
            )


def kind_of(number: int) -> str:
    return sorted(KINDS)[number % len(KINDS)]


def real_cases(data: Path) -> Iterator[Case]:
    """Sets of real pictures, of which the bundled model learned nothing: other pictures, or other sets.

    Args:
        data: folder of the sets, `real_masks`.
    """
    for source in (*LEARNED, *LEFT_OUT):
        known = [s for s in read_collection(data / source, "annotations.json") if s.annotations]
        held = [s for s in known if source in LEFT_OUT or _held_out(s)]
        for group, own in _alike(held, source).items():
            rng = np.random.default_rng([_STREAM, zlib.crc32(group.encode())])
            most = max(len(s.annotations) for s in own)
            full = [s for s in own if len(s.annotations) == most]
            for count in (1, SHOWN):
                order = rng.permutation(len(full))[:count]
                templates = tuple(full[i] for i in order)
                used = {one.specimen for one in templates}
                others = [s for s in own if s.specimen not in used]
                some = tuple(others[i] for i in rng.permutation(len(others))[:MOST])
                structures = _shown(templates)
                if len(templates) == count and some and structures:
                    yield Case(f"{group}-0-{count}", source, structures, templates, some)


def beetle_cases(data: Path, parity: int) -> Iterator[Case]:
    """The real beetles with their templates of one and of five; none of these is a specimen.

    Args:
        data: folder of the collections, `carabidae`.
        parity: 0 or 1, specimens with even or odd numbers.
    """
    for source in BEETLES:
        known = read_collection(data / source, "annotations.json")
        five = read_collection(data / source, "templates_5.json")
        one = read_collection(data / source, "templates_1.json")
        used = {template.specimen for template in (*five, *one)}
        some = [s for s in known if s.specimen not in used and int(s.specimen) % 2 == parity]
        for templates in (one, five):
            yield Case(
                f"{source}-{len(templates)}",
                source,
                ("head", "pronotum", "elytra", "legs", "antennae"),
                tuple(templates),
                tuple(some),
            )


def drawings(folder: Path, number: int, kind: str, specimens: int) -> list[AnnotatedSpecimen]:
    """Drawings of a genus, kept on disk."""
    kept = folder / "specimens.pickle"
    if not kept.is_file():
        rng = np.random.default_rng([_STREAM, number])
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for place, drawing in enumerate(draw_collection(rng, specimens, SIDE, kind, lacking=0.15)):
            path = folder / f"{place}.png"
            Image.fromarray(drawing.pixels).save(path)
            height, width = drawing.pixels.shape[:2]
            name = f"{number:04d}-{place}"
            found.append(
                AnnotatedSpecimen(name, str(path), width, height, drawn_annotations(drawing.masks))
            )
        kept.write_bytes(pickle.dumps(found))
    return pickle.loads(kept.read_bytes())


def _held_out(specimen: AnnotatedSpecimen) -> bool:
    return zlib.crc32(specimen.file_name.encode()) % HELD_OUT == 0


def _alike(known: Sequence[AnnotatedSpecimen], source: str) -> dict[str, list[AnnotatedSpecimen]]:
    """Pictures that show the same things: a set of animals or tissues is one a kind."""
    if source not in ("openimages_animals", "drosophila_tissue"):
        return {source: list(known)}
    groups: dict[str, list[AnnotatedSpecimen]] = {}
    for one in known:
        groups.setdefault(f"{source}-{next(iter(one.annotations))}", []).append(one)
    return {name: of for name, of in groups.items() if len(of) > SHOWN}


def _shown(templates: Sequence[AnnotatedSpecimen]) -> tuple[str, ...]:
    """Structures that a template shows; not those of which a picture has dozens."""
    names = dict.fromkeys(
        name for one in templates for name, of in one.annotations.items() if of.area
    )
    return tuple(name for name in names if name not in CROWDS)
