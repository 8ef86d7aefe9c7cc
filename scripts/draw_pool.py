"""Draw the unlabelled specimens that a round's training learns from."""

import argparse
import sys

from sam2pal.cli import add_options, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.dataset import read_templates
from sam2pal.dataset.manifest import read_list, write_list
from sam2pal.dataset.pool import draw_pool
from sam2pal.io.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", required=True, help="table of the genus' photographs")
    parser.add_argument("--templates", required=True, help="COCO file of the round's templates")
    add_options(parser, "pool_size", "seed")
    parser.add_argument("--output", required=True, help="table to write")
    arguments = parser.parse_args()
    stage = read_options(arguments.options)
    size = stage.pool_size

    listed = read_list(arguments.manifest)
    templates = read_templates(arguments.templates)
    try:
        pool = draw_pool(listed, templates, size, stage.seed)
    except InputError as error:
        raise InputError(f"{arguments.manifest}: {error}") from error
    write_list(arguments.output, pool)
    fewer = "" if len(pool) == size else f" (all there are; {size} were wanted)"
    print(
        f"{arguments.output}: {len(pool)} specimens drawn{fewer} of {len(listed)} photographs,"
        f" {len(templates)} templates left out",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
