"""Teach the bundled model on drawings and real pictures; resumable and seeded.

Weights can be exported at any time, and judged by tests/bench/weights.py.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library lies beside this folder

from sam2pal.cli import run
from sam2pal.config.checking import validated
from sam2pal.config.model import ModelOptions
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.model.build import BUNDLED, build_model
from sam2pal.model.checkpoints import load_weights
from sam2pal.model.device import seed_everything
from sam2pal.research.pretraining.loop import pretrain
from sam2pal.research.pretraining.optimizer import imagenet_trunk
from sam2pal.research.pretraining.options import PretrainingOptions
from sam2pal.research.pretraining.photographs import PictureSet


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--folder", type=Path, default=Path("pretraining"), help="checkpoints and logs")
    add("--options", type=json.loads, default={}, help="PretrainingOptions, JSON")
    add("--config", type=Path, default=BUNDLED / "config.yaml", help="architecture")
    add("--init", type=Path, help="weights to start from, instead of ImageNet's trunk")
    add(
        "--photographs",
        type=Path,
        nargs="*",
        default=[],
        help="folders of sets of pictures with `images/` and `annotations.json`",
    )
    add("--device", default="cpu", help="where to train")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=torch.get_num_threads())
    add("--export", type=Path, help="write the weights here, half precision, and stop")
    add("--mean", type=Path, nargs="*", help="with --export: the mean of these weights")
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    arguments = parse()
    options = validated(PretrainingOptions, arguments.options, "--options")
    torch.set_num_threads(arguments.threads)
    seed_everything(arguments.seed)
    architecture = ModelOptions(
        "bundled", options.image_size, checkpoint="none", config=str(arguments.config)
    )
    if arguments.mean and not arguments.export:
        raise InputError("--mean: --export is missing; it says where to write the mean")
    model = build_model(architecture, random_weights=True)
    if arguments.export:
        if arguments.mean:
            load_mean(model, arguments.mean)
        else:
            state = torch.load(arguments.folder / "state.pt", map_location="cpu", weights_only=True)
            model.load_state_dict(state["average"])
        export(model, arguments.export)
        return
    if arguments.init:
        load_weights(model, arguments.init, "bundled")
    else:
        imagenet_trunk(model)
    model.to(arguments.device)
    sets = [PictureSet.read(folder, options.image_size) for folder in arguments.photographs]
    if options.photographs and not sets:
        raise InputError("--options: photographs is above 0, but --photographs names no folder")

    bar = tqdm(total=options.steps, disable=None)

    def on_step(step: int, numbers: dict) -> None:
        bar.update(step + 1 - bar.n)
        bar.set_postfix(loss=f"{numbers['loss']:.3f}", iou=f"{numbers['iou']:.3f}")

    pretrain(model, options, arguments.folder, arguments.seed, on_step, sets)


def load_mean(model: torch.nn.Module, files: Sequence[Path]) -> None:
    """Load the mean of the weights of several files."""
    states = []
    for file in files:
        load_weights(model, file, "bundled")
        states.append(deepcopy(model.state_dict()))
    means = {name: torch.stack([s[name].float() for s in states]).mean(0) for name in states[0]}
    model.load_state_dict(means)


def export(model: torch.nn.Module, path: Path) -> None:
    """Write the weights in half precision."""
    weights = {
        k: v.half().contiguous()
        for k, v in sorted(model.state_dict().items())
        if v.is_floating_point()
    }
    weights |= {k: v for k, v in model.state_dict().items() if not v.is_floating_point()}
    with atomic(path) as temporary:
        save_file(weights, temporary)
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    run(main)
