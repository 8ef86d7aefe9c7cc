"""Find the specimens in photographs of trays and drawers.

    python scripts/find_specimens.py --photographs trays --annotations outlines.json \\
        --output carabids/specimens.json --page carabids/page --cut carabids/photographs

writes specimens.json, COCO with a box per specimen, and a page, index.html in its folder, on which the boxes
are seen, added, removed, merged and split. Give the file that it exports, or that of any tool that writes
COCO, by --boxes. With --cut each specimen becomes a photograph of its own. docs/large-photographs.md says
what is found and what is not.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sam2pal.cli import add_progress, program, run
from sam2pal.dataset.codes import name_by_codes, read_codes
from sam2pal.dataset.convert import convert
from sam2pal.dataset.dataset import AnnotatedSpecimen, Dataset, read_templates
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.reading import read_annotations
from sam2pal.dataset.trays import (
    Tray,
    as_coco,
    cut,
    find,
    named,
    one_or_many,
    outline_of,
    read_boxes,
)
from sam2pal.images.foreground import Silhouette
from sam2pal.images.reading import read_photograph
from sam2pal.images.trays import SIDE
from sam2pal.io.errors import InputError, first_few
from sam2pal.io.progress import Progress
from sam2pal.review.trays import tray_picture, write_picture, write_trays_page


def main() -> None:
    parser = program(__doc__)
    parser.add_argument("--photographs", required=True, help="folder of the trays")
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--annotations", type=Path, help="outlines of one specimen or more, any format")
    of.add_argument("--templates", type=Path, help="the same as convert_templates wrote it")
    parser.add_argument(
        "--annotated-photographs",
        help="folder of the outlined photographs (default: that of the trays); on each one specimen is"
        " outlined",
    )
    parser.add_argument(
        "--boxes",
        nargs="+",
        default=[],
        help="COCO boxes that people drew; what they say of a tray replaces what is found there",
    )
    parser.add_argument("--output", type=Path, required=True, help="COCO file to write")
    parser.add_argument("--page", type=Path, required=True, help="folder for the page of the trays")
    parser.add_argument(
        "--codes",
        action="store_true",
        help="name each specimen by the barcode or QR code beside it (needs the package zxing-cpp)",
    )
    parser.add_argument(
        "--auto",
        action="store_true",
        help="leave photographs whole in which one specimen is found, or none",
    )
    parser.add_argument("--genus", default="", help="for the title of the page of the trays")
    parser.add_argument("--cut", type=Path, help="folder for a photograph of each specimen")
    add_progress(parser)
    arguments = parser.parse_args()
    photographs = Photographs.of_folder(arguments.photographs)
    names = Counter(file.specimen for file in photographs.photographs)
    for file in photographs.photographs:
        if names[file.specimen] > 1:
            raise InputError(
                f"{file.path}: another photograph in {arguments.photographs} has the same name but for its"
                " extension; rename or remove one"
            )
    drawn = read_boxes(arguments.boxes, photographs)
    folder = arguments.annotated_photographs or arguments.photographs
    if arguments.templates:
        known = outlines(read_templates(arguments.templates), arguments.templates)
    else:
        known = outlines(drawn_on(arguments.annotations, folder), arguments.annotations)
    search = one_or_many if arguments.auto else find
    trays = []
    with Progress(arguments.progress, "tray", len(photographs.photographs)) as bar:
        for file in bar.over(photographs.photographs):
            asked = None if arguments.cut or arguments.codes else SIDE
            try:
                photograph = read_photograph(file.path, asked)
            except InputError as error:  # the listing says so, and the others have their specimens
                print(f"{error}; no specimen was looked for in it", file=sys.stderr)
                continue
            where, boxes = drawn.get(file.path) or (file.name, search(photograph, known))
            whole, boxes = boxes is None, boxes or []
            notes = []
            if arguments.codes and not whole:
                boxes, notes = name_by_codes(boxes, read_codes(photograph.pixels))
            height, width = photograph.displayed_shape
            tray = Tray(file, width, height, named(boxes, where), whole)
            write_picture(photograph, tray_picture(arguments.page, file.specimen))
            if arguments.cut:
                cut(photograph, tray, arguments.cut)
            trays.append(tray)
            print("; ".join([line_of(tray), *notes]), file=sys.stderr)
    found = as_coco(trays)
    names = [tray.photograph.specimen for tray in trays]
    write_trays_page(arguments.page, found, names, arguments.genus)
    write_coco(arguments.output, found)


def drawn_on(annotations: Path, photographs: str) -> list[AnnotatedSpecimen]:
    """The specimens that are outlined, by whatever structures; InputError if a file cannot be read."""
    source = read_annotations(annotations, Photographs.of_folder(photographs), [])
    labels = sorted({outline.label for drawing in source.drawings for outline in drawing.outlines})
    if not labels:
        return []
    return Dataset(convert(annotations, photographs, labels), where=annotations).specimens


def outlines(templates: Iterable[AnnotatedSpecimen], where: Path) -> list[Silhouette]:
    """The outlines of templates; InputError if nothing is drawn, or a photograph cannot be read."""
    found = [outline_of(template, read_photograph(template.path)) for template in templates]
    known = [outline for outline in found if outline]
    if not known:
        raise InputError(
            f"{where}: no specimen is outlined in it; outline the structures of one at least"
        )
    return known


def line_of(tray: Tray) -> str:
    """What was found in a tray."""
    if tray.whole:
        return f"{tray.photograph.name}: one specimen"
    touching = [one.number for one in tray.specimens if one.touching]
    text = f"{tray.photograph.name}: {len(tray.specimens)} specimens"
    if touching:
        text += f"; touching or more than one: {first_few(touching, 10, '')}"
    return text


if __name__ == "__main__":
    run(main)
