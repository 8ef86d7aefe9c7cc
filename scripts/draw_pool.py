"""Draw the unlabelled specimens that a round's training learns from."""

import argparse
import sys

from sam2pal.cli import run
from sam2pal.dataset.dataset import read_templates
from sam2pal.dataset.manifest import read_list, write_list
from sam2pal.dataset.pool import draw_pool
from sam2pal.io.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", required=True, help="table of the genus' photographs")
    parser.add_argument("--templates", required=True, help="COCO file of the round's templates")
    parser.add_argument("--size", type=int, required=True, help="number of specimens to draw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", required=True, help="table to write")
    arguments = parser.parse_args()

    listed = read_list(arguments.manifest)
    templates = read_templates(arguments.templates)
    try:
        pool = draw_pool(listed, templates, arguments.size, arguments.seed)
    except InputError as error:
        raise InputError(f"{arguments.manifest}: {error}") from error
    write_list(arguments.output, pool)
    fewer = "" if len(pool) == arguments.size else f" (all there are; {arguments.size} were wanted)"
    print(
        f"{arguments.output}: {len(pool)} specimens drawn{fewer} of {len(listed)} photographs,"
        f" {len(templates)} templates left out",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
