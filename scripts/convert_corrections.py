"""Convert the corrections and verdicts of a genus (corrections.json of the review page) into one file."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from sam2pal.cli import add_options, run
from sam2pal.config.stages import read_options, structures_of
from sam2pal.dataset.corrections import Hashes
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.judged import convert_corrections
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.photographs import Photographs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genus", required=True)
    parser.add_argument("--corrections", nargs="+", type=Path, required=True, help="files")
    parser.add_argument("--specimens", required=True, help="list of the genus (manifest.tsv)")
    parser.add_argument("--hashes", type=Path, help="SHA-256 of photographs, known from before")
    add_options(parser, "structures")
    parser.add_argument("--output", required=True, help="COCO file to write")
    arguments = parser.parse_args()

    structures = structures_of(read_options(arguments.options))
    photographs = Photographs.of_specimens(read_list(arguments.specimens), "the list of specimens")
    data = convert_corrections(
        arguments.corrections,
        arguments.genus,
        photographs,
        {
            entry.name: {"parent": entry.parent, "exclusive": entry.exclusive}
            for entry in structures
        },
        Hashes(arguments.hashes),
    )
    write_coco(arguments.output, data)
    counts = Counter(one["verdict"] for one in data["verdicts"])
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{arguments.genus}: {said or 'nothing is said'}", file=sys.stderr)
    for note in data["info"]["notes"]:
        print(f"  {note}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
