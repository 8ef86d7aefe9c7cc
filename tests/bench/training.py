"""What training costs: a step over the FLOP bound without any encoding, and the naive form beside it.

    python tests/bench/training.py --models bundled sam2.1_hiera_tiny --pairs 2 1 --structures 5 2

Weights are random and images are noise: cost depends on neither. All numbers are for one structure of one
(template, specimen) pair: forward and backward pass of a palindrome whose adapters learn. The bound is that
of one structure alone from features that are there already. The naive form is one structure per step, both
images encoded at every step, with the same functions. Memory is that of all tensors at the worst moment of
a step, without weights and without the features that are kept between steps. `--targets` says which parts are
trained; where these reach into the image encoder, what lies behind the first of them is part of a step.

    python tests/bench/training.py --memory --models sam2.1_hiera_large --sides 256 512

How many structures of a pair fit a device at once, counted as a training counts it: a palindrome of one
structure, and one image in the trained layers of the encoder. Beside the weights these grow with the
number of pixels, so two smaller squares say what 1024 takes. Models whose trunk has windows of 14 cells
(tiny, small, base_plus) are padded at small squares; they take `--sides 512 1024`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from cost import cost
from torch import Tensor

from sam2pal.config.model import ModelOptions
from sam2pal.config.training import AdapterOptions, Target, TrainingOptions
from sam2pal.model import adapters
from sam2pal.model.adapters import BEHIND_ENCODER
from sam2pal.model.build import build_model
from sam2pal.model.encoder import Frozen
from sam2pal.model.tracker import Tracker
from sam2pal.training.data import KEPT, Data
from sam2pal.training.palindrome import AnnotatedViews, mask_loss, palindrome
from sam2pal.training.step_loss import StepLoss
from sam2pal.training.step_memory import IMAGES, peak_bytes, taken
from sam2pal.training.unlabelled import COPIES

CARDS = (8, 16, 24, 40, 80)  # GB
IMAGES_KEPT = 10 + 32 * COPIES  # images of a template and its views, and of the pool, by default
PAIRS = 2  # of a step, by default
FORMS = ("step", "at_once", "again", "naive")
FORMS_OF_MEMORY = tuple(product((False, True), (False, True)))  # float32, recomputed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["bundled", "sam2.1_hiera_tiny"])
    parser.add_argument("--pairs", nargs="+", type=int, default=[2, 1], help="one a model")
    parser.add_argument("--structures", nargs="+", type=int, default=[5, 2], help="one a model")
    parser.add_argument("--image-size", type=int, help="instead of the models' own")
    parser.add_argument("--repeats", type=int, default=2, help="the shortest time counts")
    parser.add_argument("--forms", nargs="+", default=FORMS, choices=FORMS, help="beside the bound")
    parser.add_argument(
        "--targets",
        nargs="+",
        choices=get_args(Target),
        help="default: behind the encoder, of --memory as in training",
    )
    parser.add_argument("--memory", action="store_true", help="only the table of what fits")
    parser.add_argument("--sides", nargs=2, type=int, default=[256, 512], help="of --memory")
    parser.add_argument("--output", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    usual = TrainingOptions().targets if arguments.memory else BEHIND_ENCODER
    arguments.targets = arguments.targets or list(usual)
    fitting = len(arguments.models) == len(arguments.pairs) == len(arguments.structures)
    if not arguments.memory and not fitting:
        parser.error("--models, --pairs and --structures need as many values each")
    if arguments.memory:
        text = fits(arguments.models, arguments.sides, arguments.targets)
    else:
        rows = []
        counts = zip(arguments.models, arguments.pairs, arguments.structures, strict=True)
        for name, pairs, structures in counts:
            tracker = build(name, arguments.image_size, arguments.targets)
            rows += bench(name, tracker, (pairs, structures), arguments)
        text = table(rows)
    print(f"\n{text}")
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")


def build(name: str, side: int | None, targets: Sequence[str]) -> Tracker:
    """A model with fresh adapters, as training has it."""
    torch.manual_seed(0)
    model = build_model(ModelOptions(name, image_size=side), random_weights=True)
    adapters.inject(model, AdapterOptions(targets=tuple(targets)))
    return Tracker(model, gated=False)


def noise(tracker: Tracker, pairs: int) -> Tensor:
    """Images of templates, of specimens and of the templates' views."""
    side = tracker.model.image_size
    return torch.randn(3, pairs, 3, side, side)


def noisy_data(tracker: Tracker, size: tuple[int, int], images: Tensor, frozen: Frozen) -> Data:
    """What a training on noise has.

    Args:
        size: pairs and structures of a step.
    """
    side = tracker.model.image_size
    masks = (torch.rand(*size, side, side) > 0.5).half()
    known = torch.ones(*size, dtype=torch.bool)
    with torch.no_grad():
        template, specimens, back = (tracker.begin(some, frozen) for some in images)
    start, goal = AnnotatedViews(template, masks, known), AnnotatedViews(back, masks, known)
    return Data(start, goal, goal, specimens)


def bench(
    name: str, tracker: Tracker, size: tuple[int, int], arguments: argparse.Namespace
) -> list[tuple[str, int, str, float, float, float, float, float]]:
    """Rows: model, square, what, GFLOP, seconds, both over the bound, MB at the worst moment.

    Args:
        size: pairs and structures of a step.
    """
    (pairs, structures), repeats = size, arguments.repeats
    parameters = [p for p in tracker.model.parameters() if p.requires_grad]
    images = noise(tracker, pairs)
    data = noisy_data(tracker, size, images, adapters.frozen_by(arguments.targets))
    weights = torch.ones(structures)
    optimizer = torch.optim.AdamW(parameters, lr=0.0)

    def step(**more: bool | int | None) -> None:
        """As `Trainer` does it, with palindromes alone."""
        others = {"direct": 0.0, "self_pair": 0.0, "scores": 0.0}
        options = TrainingOptions(pairs=pairs, views=1, turns=(0,), **others)
        tracker.checkpoint_attention = bool(more.get("again"))
        optimizer.zero_grad(set_to_none=True)
        rng = np.random.default_rng(0)
        for part in StepLoss(tracker, data, options).parts(rng, weights, more.get("at_once")):
            part.loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        tracker.checkpoint_attention = False

    def one(first: AnnotatedViews, on: object, second: AnnotatedViews) -> None:
        optimizer.zero_grad(set_to_none=True)
        mask_loss(palindrome(tracker, first, on, second), weights[:1]).backward()
        optimizer.step()

    def bound() -> None:
        start, goal = (views[[0]].of_structures([0]) for views in (data.drawn, data.views))
        one(start, data.pool[[0]], goal)

    def naive() -> None:
        with torch.no_grad():
            first, on = (tracker.encode(some[:1]) for some in images[:2])
        view = replace(data.drawn[[0]].of_structures([0]), features=first)
        one(view, on, view)

    calls = {
        "step": (f"a step of {pairs} x {structures}", step),
        "at_once": ("... an image at once", lambda: step(at_once=2 * structures)),
        "again": ("... the memory attention computed again", lambda: step(again=True)),
        "naive": ("naive: one structure, both images encoded", naive),
    }
    memory, least = peak_bytes(bound) / 2**20, cost(bound, repeats)
    rows = [(name, tracker.model.image_size, "bound: one structure, nothing encoded")]
    rows[0] += (*least, 1.0, 1.0, memory)
    for form in arguments.forms:
        what, call = calls[form]
        memory, found = peak_bytes(call) / 2**20, cost(call, repeats)
        count = 1 if form == "naive" else pairs * structures
        each = np.array(found) / count
        rows.append((name, tracker.model.image_size, what, *each, *(each / least), memory))
        print(*rows[-1][:3], f"{each[1]:.2f} s", flush=True)
    return rows


def fits(models: list[str], sides: list[int], targets: Sequence[str]) -> str:
    """How many structures fit at a square of 1024, as Markdown."""
    cards = " | ".join(f"{card} GB" for card in CARDS)
    lines = [
        f"| model | precision | recomputed | GB a structure | GB an image | {cards} |",
        "| --- " * (5 + len(CARDS)) + "|",
    ]
    for name in models:
        weights = kept = 0
        bytes_at = {}
        for side in sides:
            tracker = build(name, side, targets)
            data = noisy_data(tracker, (1, 1), noise(tracker, 1), adapters.frozen_by(targets))
            weights = sum(p.numel() * 4 for p in tracker.model.parameters())
            kept = IMAGES_KEPT * sum(level.nbytes for level in data.pool.maps) * (1024 / side) ** 2
            for form in FORMS_OF_MEMORY:
                precise, again = form
                with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
                    found = taken(tracker, data, TrainingOptions(targets=tuple(targets)), again)
                bytes_at[form, side] = np.array(found)
        for precise, again in FORMS_OF_MEMORY:
            each = at_1024(*(bytes_at[(precise, again), side] for side in sides), sides)
            # as training.step_memory shares a card, and takes for what kernels need
            structure, image = 1.3 * each
            count = []
            for card in CARDS:
                room = 0.85 * card * 2**30
                free = room - weights - min(kept, KEPT * room)
                alone = max(structure, image) <= free  # an image goes through the encoder alone
                together = int((free - IMAGES * PAIRS * image) / structure)
                count.append(str(max(int(alone), together)))
            lines.append(
                f"| {name} | {'float32' if precise else 'bfloat16'} | {str(again).lower()} | "
                f"{' | '.join(f'{part / 2**30:.2f}' for part in each)} | {' | '.join(count)} |"
            )
            print(lines[-1], flush=True)
    return "\n".join(lines)


def at_1024(smaller: np.ndarray, larger: np.ndarray, sides: Sequence[int]) -> np.ndarray:
    """What grows with the number of pixels, and begins with what the weights take in half precision."""
    first, second = (side**2 for side in sides)
    return larger + (larger - smaller) / (second - first) * (1024**2 - second)


def table(rows: list[tuple]) -> str:
    """As Markdown."""
    lines = [
        "| model | square | what | GFLOP | / bound | CPU s | / bound | MB of a step |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, square, what, flops, seconds, flops_ratio, seconds_ratio, memory in rows:
        lines.append(
            f"| {name} | {square} | {what} | {flops:.1f} | {flops_ratio:.2f} | {seconds:.2f} | "
            f"{seconds_ratio:.2f} | {memory:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
