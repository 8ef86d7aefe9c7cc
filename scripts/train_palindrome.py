"""Train the adapter of a genus and round by palindromes between its templates and unlabelled specimens."""

import argparse
import hashlib
import json
import logging
import math
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from sam2pal.cli import add_machine, add_options, add_progress, run, with_machine
from sam2pal.config.configuration import StageOptions
from sam2pal.config.fields import without_machine
from sam2pal.config.stages import read_options, structures_of
from sam2pal.config.training import ConfiguredTraining, TrainingOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, read_templates
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.pool import check_pool
from sam2pal.images.address import content_hash
from sam2pal.io.files import sha256, write_text
from sam2pal.io.progress import Progress
from sam2pal.training import METHODS


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=Path, required=True, help="canonical COCO")
    parser.add_argument("--pool", type=Path, required=True, help="unlabelled specimens (TSV)")
    parser.add_argument("--checkpoint", type=Path, help="weights of an official model")
    add_options(parser, "structures", "model", "training", "segmentation", "seed")
    add_machine(parser, ConfiguredTraining)
    add_progress(parser)
    parser.add_argument("--init", type=Path, help="adapter of an earlier round to start from")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--state", type=Path, required=True, help="checkpoints; outlives failures")
    parser.add_argument(
        "--time-limit", type=float, default=math.inf, help="minutes; then stop, resumable"
    )
    parser.add_argument("--output", type=Path, required=True, help="adapter folder")
    return parser.parse_args()


def input_hash(
    arguments: argparse.Namespace,
    stage: StageOptions,
    options: TrainingOptions,
    model: tuple[str, int],
    templates: list[AnnotatedSpecimen],
    init: list[Path],
) -> str:
    """What the training depends on: another configuration, method, template or pool is another training.

    Args:
        options: with the numbers that it trains with.
        model: hash of its weights, and the side of its square.
        init: files of the adapter to start from.

    Raises:
        InputError: a file cannot be read.
    """
    # their order is that of the masks
    structures = [(name, asdict(entry)) for name, entry in stage.structures.items()]

    values = [*model, structures, without_machine(options), stage.seed]
    values += [stage.segmentation.window, METHODS["train_palindrome"]]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    found = [sha256(path) for path in (arguments.templates, arguments.pool)]
    found += [content_hash(template.path) for template in templates]
    for one in [*found, *map(sha256, init)]:
        digest.update(bytes.fromhex(one))
    return digest.hexdigest()


def main() -> None:
    began = time.monotonic()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parse()
    stage = read_options(arguments.options, arguments.checkpoint)
    templates = read_templates(arguments.templates)
    options = with_machine(stage.training, arguments).settled(len(templates))
    structures = structures_of(stage)
    with Progress(arguments.progress, "step", options.steps) as bar:
        bar.loads("the model")
        # here, as all of this takes seconds to import, a minute on a busy machine
        import torch

        from sam2pal.model import adapters
        from sam2pal.model.build import build_model, model_hash
        from sam2pal.model.device import choose_device, seed_everything
        from sam2pal.model.templates import TemplateSet
        from sam2pal.model.tracker import Tracker
        from sam2pal.training.checkpoints import remove_old_checkpoints
        from sam2pal.training.data import prepare, square_of_training
        from sam2pal.training.trainer import Trainer

        seed_everything(stage.seed)
        device = choose_device(arguments.device)
        pool = read_list(arguments.pool)
        check_pool(pool, arguments.pool)
        model = build_model(stage.model, device=device)
        weights_hash = model_hash(model)
        bar.say("reading the photographs")

        names = [structure.name for structure in structures]
        tracker, aligned = Tracker(model), len(options.turns) > 1
        window = stage.segmentation.window
        side = square_of_training(options, names, tracker.image_size)
        known = TemplateSet.read(templates, names, side, aligned=aligned, window=window)
        paths = [specimen.path for specimen in pool]
        init = adapters.files(arguments.init) if arguments.init else []
        key = input_hash(
            arguments, stage, options, (weights_hash, model.image_size), templates, init
        )
        seed_everything(stage.seed)  # whatever building the model drew
        config = (
            adapters.load(model, arguments.init, trainable=True, options=options.adapter)
            if arguments.init
            else adapters.inject(model, options.adapter)
        )
        bar.say("reading the templates")
        # with the adapter that training goes on from, which teaches what it finds on the pool
        data = prepare(tracker, known, paths, options, stage.seed, arguments.state)
        bar.say("first step")

        def on_step(step: int, numbers: dict) -> None:
            shown = [f"{k} {numbers[k]:.3f}" for k in ("loss", "validation") if k in numbers]
            bar.update(step - bar.done, ", ".join(shown))

        weights = torch.tensor([structure.weight for structure in structures], device=device)
        folder = arguments.state / key[:16]
        trainer = Trainer(model, data, options, weights, stage.seed, folder)
        state = trainer.train(began + 60 * arguments.time_limit, on_step)
    better = trainer.publish()
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(line) for line in state.history)
    write_text(arguments.output / "training.jsonl", "\n".join(lines) + "\n")
    from sam2pal.training.plot import plot  # importing matplotlib takes a second

    plot(state, arguments.output / "training.svg")
    record = {
        "published": "trained" if better else "init" if arguments.init else "untrained",
        "validation_untrained": state.untrained,
        "validation_best": state.best,
        "best_step": state.best_step,
        "interpolation": options.interpolation,
        "steps": state.step,
        "templates": [template.specimen for template in templates],
        "controls": {"before": state.controls, "published": state.controls_of_best},
        "structure_weights": dict(zip(names, weights.tolist(), strict=True)),
        "pool": len(pool),
        "pool_left_out": state.left_out,
        "structures": names,
        "options": asdict(options),
        "model": asdict(stage.model),
        "model_sha256": weights_hash,
        "inputs_sha256": key,
        "init": str(arguments.init) if arguments.init else None,
        "seed": stage.seed,
        "device": device.type,
        "versions": {name: version(name) for name in ("torch", "sam2", "numpy")},
    }
    write_text(
        arguments.output / "training.json", json.dumps(record, indent=2, sort_keys=True) + "\n"
    )
    adapters.save(model, config, arguments.output)
    remove_old_checkpoints(arguments.state, key[:16])
    print(
        f"{arguments.output}: validation IoU {state.untrained:.3f} untrained, {state.best:.3f} at step "
        f"{state.best_step} of {state.step}; published: {record['published']}"
    )


if __name__ == "__main__":
    run(main)
