"""Turn the outlines of a round's templates, or truth, in any known format, into one COCO file.

Known are COCO (polygons and RLE), LabelMe and X-AnyLabeling, VIA (JSON and CSV), CVAT for images,
Label Studio, QuPath (GeoJSON), ImageJ (ROIs), Supervisely, and folders of such files, of YOLO
outlines or of mask pictures.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from sam2pal.cli import add_options, run
from sam2pal.config.stages import read_options, structures_of
from sam2pal.dataset.convert import convert
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.photographs import Photographs
from sam2pal.images.address import content_hash, file_of
from sam2pal.io.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genus", required=True)
    parser.add_argument("--round", default="", help="of the templates; truth has none")
    parser.add_argument(
        "--annotations",
        nargs="+",
        required=True,
        help="annotation files or folders; a later one replaces what an earlier one says of the"
        " same photograph and structure",
    )
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument(
        "--photographs",
        nargs="+",
        help="the folder of each, or one for all; also a list of specimens (manifest.tsv)",
    )
    of.add_argument(
        "--specimens",
        help="list of the genus' specimens (manifest.tsv): the annotations are their truth, which"
        " keeps photographs without an outline and names those that are not there",
    )
    add_options(parser, "structures")
    parser.add_argument("--output", required=True, help="COCO file to write")
    arguments = parser.parse_args()

    structures = structures_of(read_options(arguments.options))
    what, photographs = "templates", arguments.photographs
    if arguments.specimens:
        what = "truth"
        photographs = Photographs.of_specimens(
            read_list(arguments.specimens), "the list of specimens"
        )
    try:
        data = convert(
            arguments.annotations,
            photographs,
            {of.name: {"parent": of.parent, "exclusive": of.exclusive} for of in structures},
            genus=arguments.genus,
            round_name=arguments.round,
            truth=what == "truth",
        )
    except InputError as error:
        raise InputError(f"{what} of genus {arguments.genus}: {error}") from error
    if what == "templates":  # another photograph of the same name and size makes other templates
        for image in data["images"]:
            if Path(file_of(image["path"])).is_file():
                image["sha256"] = content_hash(image["path"])
    write_coco(arguments.output, data)

    names = {category["id"]: category["name"] for category in data["categories"]}
    counts = Counter(names[annotation["category_id"]] for annotation in data["annotations"])
    summary = ", ".join(f"{counts[name]} {name}" for name in names.values())
    of_round = f", round {arguments.round}" if arguments.round else ""
    count = len(data["images"])
    many = f"truth of {count} specimens" if what == "truth" else f"{count} templates"
    print(f"{arguments.genus}{of_round}: {many} ({summary})", file=sys.stderr)
    for note in data["info"]["notes"]:
        print(f"  {note}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
