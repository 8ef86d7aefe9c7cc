"""Draw the masks of a shard: outlines over the photographs, or indexed PNG.

python scripts/draw_masks.py --predictions results/G/R/shards/0001.json --kind overlays --output folder
"""

from pathlib import Path

from sam2pal.cli import add_progress, program, run
from sam2pal.dataset.judged import Corrections
from sam2pal.review.pictures import KINDS, write_pictures


def main() -> None:
    parser = program(__doc__)
    parser.add_argument("--predictions", type=Path, required=True, help="COCO file of a shard")
    parser.add_argument("--corrections", type=Corrections, help="what convert_corrections wrote")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder; it is replaced")
    add_progress(parser)
    arguments = parser.parse_args()
    drawn = write_pictures(
        arguments.predictions,
        arguments.kind,
        arguments.output,
        arguments.corrections,
        arguments.progress,
    )
    print(f"{arguments.output}: pictures of {drawn} specimens")


if __name__ == "__main__":
    run(main)
