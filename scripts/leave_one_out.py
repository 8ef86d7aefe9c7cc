"""Score a round on the outlined specimens of its genus, each segmented without its own outline.

Rounds are compared by these scores if there is no truth. A template of the round is segmented from its other
templates, a specimen that is outlined only for other rounds from all of them.

    python scripts/leave_one_out.py --templates results/G/R/templates.json \\
        --others results/G/S/templates.json --output results/G/R/leave_one_out.csv
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sam2pal.cli import add_machine, add_options, add_progress, program, run, with_machine
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.stages import read_options, structures_of
from sam2pal.dataset.dataset import AnnotatedSpecimen, read_templates
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.rle import decode_mask
from sam2pal.evaluation.left_out import COLUMNS, LEAST, begun_from, drawn, trained_on
from sam2pal.evaluation.overlap import iou
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.progress import Progress


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--templates", type=Path, required=True, help="canonical COCO of the round")
    add("--others", type=Path, nargs="*", default=[], help="those of the genus' other rounds")
    add("--checkpoint", type=Path, help="weights of an official model")
    add(
        "--adapters",
        type=Path,
        nargs="*",
        default=[],
        help="folder of the round's adapter, then of that from which its training started, ...",
    )
    add(
        "--corrected",
        type=Path,
        nargs="*",
        default=[],
        help="COCO of templates that were corrections, each with the round on whose masks it was begun",
    )
    add("--genus", default="")
    add("--round", default="")
    add_options(parser, "structures", "model", "segmentation", "seed")
    add_machine(parser, SegmentationOptions)
    add_progress(parser)
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    add("--output", type=Path, required=True, help="leave_one_out.csv")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    own = {one.specimen: one for one in read_templates(arguments.templates)}
    every, rounds = dict(own), Counter(list(own))
    for path in arguments.others:
        found = {one.specimen: one for one in read_templates(path)}
        rounds.update(list(found))
        every = found | every
    chosen = [every[name] for name in drawn(rounds)]
    asked = [one for one in chosen if set(own) - {one.specimen}]
    rows: list[dict[str, Any]] = []
    if len(asked) < LEAST:
        print(f"{len(asked)} outlined specimens to leave out are too few to compare rounds by")
    else:
        rows = list(judge(arguments, own, asked))
    tables.write(tables.table(rows, COLUMNS), arguments.output)
    print(f"{arguments.output}: {len({row['specimen'] for row in rows})} specimens")


def judge(
    arguments: argparse.Namespace,
    own: dict[str, AnnotatedSpecimen],
    asked: Sequence[AnnotatedSpecimen],
) -> Iterator[dict[str, Any]]:
    """Rows of the table."""
    known = trained_on(arguments.adapters)
    begun = begun_from(arguments.corrected, arguments.round)
    with Progress(arguments.progress, "specimen", len(asked)) as bar:
        bar.loads("the model")
        # here, as torch takes seconds to import and most genera have too few outlined specimens
        import torch

        from sam2pal.model.build import build_model
        from sam2pal.model.device import choose_device, half_on_cpu, seed_everything
        from sam2pal.model.tracker import Tracker
        from sam2pal.segmentation.shard import segment

        stage = read_options(arguments.options, arguments.checkpoint)
        options, structures = with_machine(stage.segmentation, arguments), structures_of(stage)
        seed_everything(stage.seed)
        model = build_model(stage.model, device=choose_device(arguments.device))
        if arguments.adapters:
            from sam2pal.model import adapters  # which imports peft

            adapters.load(model, arguments.adapters[0])
        tracker = Tracker(model)
        for one in bar.over(asked):
            others = [template for name, template in own.items() if name != one.specimen]
            try:
                with torch.inference_mode(), half_on_cpu(options.half, stage.model):
                    given = tracker, [Specimen.annotated(one)], others, structures, options
                    found = segment(*given, bundled=stage.model.bundled)
            except InputError as error:
                print(f"{one.specimen}: not judged: {error}")
                continue
            predicted = {structures[a["category_id"] - 1].name: a for a in found["annotations"]}
            shown = {name for of in others for name, its in of.annotations.items() if its.area}
            for name, outline in one.annotations.items():
                if name not in shown or not outline.area:
                    continue
                entry = predicted.get(name, {})  # none if no specimen was found
                mask = decode_mask(entry["segmentation"]) if entry.get("area") else None
                yield {
                    "genus": arguments.genus,
                    "round": arguments.round,
                    "specimen": one.specimen,
                    "structure": name,
                    "state": str(entry.get("state", "")),
                    "iou": 0.0 if mask is None else round(iou(mask, outline.mask()), 4),
                    "trained_on": "yes" if one.specimen in known else "no",
                    "begun_from": "yes" if (one.specimen, name) in begun else "no",
                }


if __name__ == "__main__":
    run(main)
