"""Segment every structure of the specimens of one shard."""

import argparse
import logging
from functools import partial
from pathlib import Path
from zipfile import ZipFile

from sam2pal.cli import add_machine, add_options, add_progress, run, with_machine
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.stages import read_options, structures_of
from sam2pal.dataset.dataset import read_templates
from sam2pal.dataset.files import write
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.previews import keep
from sam2pal.io.files import atomic
from sam2pal.io.progress import Progress


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specimens", type=Path, required=True, help="list of the shard (TSV)")
    parser.add_argument("--templates", type=Path, required=True, help="canonical COCO")
    parser.add_argument("--checkpoint", type=Path, help="weights of an official model")
    parser.add_argument("--adapter", type=Path, help="adapter folder; none is the untrained model")
    parser.add_argument("--genus", default="", help="said in the predictions")
    parser.add_argument("--round", default="", help="said in the predictions")
    add_options(parser, "structures", "model", "segmentation", "seed")
    add_machine(parser, SegmentationOptions)
    add_progress(parser)
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--output", type=Path, required=True, help="predictions (COCO)")
    parser.add_argument("--pictures", type=Path, help="ZIP: small pictures of large photographs")
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parse()
    specimens = read_list(arguments.specimens)
    with Progress(arguments.progress, "specimen", len(specimens)) as bar:
        bar.loads("the model")
        # here, as all of this takes seconds to import, a minute on a busy machine
        import torch

        from sam2pal.model.build import build_model
        from sam2pal.model.device import choose_device, half_on_cpu, seed_everything
        from sam2pal.model.tracker import Tracker
        from sam2pal.segmentation.shard import segment

        stage = read_options(arguments.options, arguments.checkpoint)
        options = with_machine(stage.segmentation, arguments)
        structures = structures_of(stage)
        seed_everything(stage.seed)
        device = choose_device(arguments.device)
        templates = read_templates(arguments.templates)
        model = build_model(stage.model, device=device)
        if arguments.adapter:
            from sam2pal.model import adapters  # which imports peft

            adapters.load(model, arguments.adapter)
        bar.say("reading the templates")
        with torch.inference_mode(), half_on_cpu(options.half, stage.model):
            tracker = Tracker(model)
            bundled = stage.model.bundled
            given = tracker, specimens, templates, structures, options, bar.update
            if arguments.pictures:
                with atomic(arguments.pictures) as temporary, ZipFile(temporary, "w") as file:
                    predictions = segment(*given, bundled=bundled, keep=partial(keep, file))
            else:
                predictions = segment(*given, bundled=bundled)
    predictions["info"] |= {
        "genus": arguments.genus,
        "round": arguments.round,
        "model": stage.model.name,
        "bundled": bundled,
        "trained": bool(arguments.adapter),
        "image_size": model.image_size,
    }
    write(arguments.output, predictions)
    left_out = [image for image in predictions["images"] if image["status"] != "ok"]
    print(f"{arguments.output}: {len(specimens)} specimens, {len(left_out)} without masks")
    for image in left_out:
        print(f"  {image['specimen']}: {image['status']}, {image['reason']}")


if __name__ == "__main__":
    run(main)
