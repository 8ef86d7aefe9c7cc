"""Look for scale bars, rulers and cards in photographs: a row for each, and a picture of what was found.

    python scripts/search_scale.py --specimens results/Formica/lists/0001.tsv --genus Formica \\
        --options options.yaml --output scale.csv --pictures pictures
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.config.stages import read_options
from sam2pal.dataset.manifest import Specimen, read_list
from sam2pal.dataset.states import OK
from sam2pal.io.errors import InputError
from sam2pal.io.progress import Progress
from sam2pal.morphometrics.scales import text
from sam2pal.morphometrics.scales.collection import FOUND, NONE, ScaleRow, write_rows
from sam2pal.morphometrics.scales.finding import Search, taken_with


def main() -> None:
    parser = program(__doc__)
    add = parser.add_argument
    add("--specimens", type=Path, required=True, help="list of photographs (TSV)")
    add("--genus", required=True, help="value of the column genus")
    add_options(parser, "measurement")
    add_progress(parser)
    add("--threads", type=int, default=1, help="photographs that are searched at once")
    add("--output", type=Path, required=True, help="table to write")
    add("--pictures", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    options = read_options(arguments.options).measurement
    if not options.seen:
        raise InputError("measurement.scale lists none of bar, ruler and card")
    if "bar" in options.seen and options.scale_search.bar_length is None and not text.installed():
        print(f"WARNING: {text.MISSING}")
    specimens = [one for one in read_list(arguments.specimens) if one.status == OK]
    arguments.pictures.mkdir(parents=True, exist_ok=True)

    def search(one: Specimen) -> ScaleRow:
        return row_of(one, arguments.genus, options, arguments.pictures)

    with (
        Progress(arguments.progress, "photograph", len(specimens)) as bar,
        ThreadPoolExecutor(arguments.threads) as pool,
    ):
        rows = list(bar.over(pool.map(search, specimens)))
    write_rows(arguments.output, rows)
    for status in dict.fromkeys(row.status for row in rows):
        names = [row for row in rows if row.status == status]
        print(f"{arguments.genus}: {len(names)} {status}")
        for row in names if status != "found" else ():
            print(f"  {row.specimen}: {row.reason}")


def row_of(one: Specimen, genus: str, options: MeasurementOptions, folder: Path) -> ScaleRow:
    """What one photograph says of its scale."""
    taken = taken_with(one.path, one.width, one.height)
    try:
        found = Search(one.path).find(options.seen, options.scale_search)
    except InputError as error:
        return ScaleRow(genus, one.specimen, NONE, reason=str(error), taken=taken)
    name = ""
    if found.picture is not None:
        name = f"{one.specimen}.png"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(found.picture).save(path)
    scale = found.pixels_per_mm if found.status == FOUND else None
    rest = found.uncertainty, found.pixels, found.mm, found.reason
    shown = os.path.join(folder.name, name) if name else ""
    return ScaleRow(genus, one.specimen, found.status, found.source, scale, *rest, shown, taken)


if __name__ == "__main__":
    run(main)
