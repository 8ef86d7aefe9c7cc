"""Write predictions for an annotation tool, which opens them; what it saves is read here again.

python scripts/export.py --predictions results/G/R/shards/*.json --to labelme --output folder
"""

from pathlib import Path

from sam2pal.cli import program, run
from sam2pal.dataset.export import WHOLE, WRITERS, export
from sam2pal.dataset.judged import Corrections
from sam2pal.io.errors import InputError
from sam2pal.io.user_tables import read_user_table


def main() -> None:
    parser = program(__doc__)
    add = parser.add_argument
    add("--predictions", nargs="+", type=Path, required=True, help="shards, or their folder")
    add("--to", choices=WRITERS, required=True)
    add("--corrections", type=Corrections, help="what convert_corrections wrote")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--specimens", nargs="+", help="only these")
    which.add_argument("--list", help="only those in the column 'specimen' of this table")
    add(
        "--tolerance",
        type=float,
        default=0.0,
        help="pixels by which a polygon may stray from its mask, for fewer points; 0 (the default)"
        " leaves every pixel as it is",
    )
    add(
        "--whole",
        action="store_true",
        help="masks of specimens of trays on the photographs of the trays, with --to coco",
    )
    add("--output", type=Path, required=True, help="new folder")
    arguments = parser.parse_args()
    files = [
        file
        for path in arguments.predictions
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    wanted = arguments.specimens
    if arguments.list:
        table = read_user_table(arguments.list, ("specimen",))
        if "specimen" not in table.columns:
            raise InputError(f"{arguments.list}: no column 'specimen'")
        wanted = [row["specimen"] for _, row in table.rows]
    if arguments.whole and arguments.to != "coco":
        raise InputError("--whole writes COCO; give --to coco")
    tool = WHOLE if arguments.whole else arguments.to
    count = export(
        files, tool, arguments.output, wanted, arguments.tolerance, arguments.corrections
    )
    print(f"{arguments.output}: {count} specimens for {arguments.to}")
    if arguments.corrections is None:
        for genus in dict.fromkeys(file.resolve().parents[2] for file in files):
            if (made := genus / "corrections.json").is_file():
                print(
                    f"These masks are as predicted: --corrections {made} puts in what people corrected."
                )


if __name__ == "__main__":
    run(main)
