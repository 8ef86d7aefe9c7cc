"""Make a page on which the templates of a genus are outlined, from photographs alone.

    python scripts/annotate.py --genus Carabus --photographs photographs/Carabus
    make annotate GENUS=Carabus PHOTOGRAPHS=photographs/Carabus

Open the page in a browser, outline the structures of a few specimens, and export corrections.json: a file of
annotations like any other (docs/own-data.md).
"""

import argparse
from pathlib import Path

from sam2pal.cli import program, run
from sam2pal.config.structures import read_structures
from sam2pal.config.text_files import read_yaml
from sam2pal.io.errors import InputError, many
from sam2pal.review.annotating import write_annotation_page


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--genus", required=True, help="name of the genus, as in the table of genera")
    add("--photographs", required=True, help="their folder, such as copies of the best five")
    add("--config", default="config/config.yaml", help="its structures can be outlined")
    add("--output", help="the page (default: annotate/GENUS.html)")
    return parser.parse_args()


def structures_of(path: str) -> dict[str, dict[str, str | None]]:
    """The structures of a configuration, whatever else it says or lacks."""
    found = read_yaml(path)
    if not isinstance(found, dict) or not found.get("structures"):
        raise InputError(f"{path}: it has no 'structures'; name what is to be outlined there")
    return {s.name: {"parent": s.parent} for s in read_structures(found["structures"])}


def main() -> None:
    arguments = parse()
    output = Path(arguments.output or f"annotate/{arguments.genus}.html")
    result = write_annotation_page(
        output, arguments.genus, arguments.photographs, structures_of(arguments.config)
    )
    print(f"{output}: {many(result.specimens, 'photograph')}; open it in a browser")
    for problem in result.problems:
        print(f"  {problem}")


if __name__ == "__main__":
    run(main)
