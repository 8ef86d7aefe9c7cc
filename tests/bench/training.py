"""What training costs: a step over the FLOP bound without any encoding, and the naive form beside it.

    python tests/bench/training.py --models bundled sam2.1_hiera_tiny --pairs 2 1 --structures 5 2

Weights are random and images are noise: cost depends on neither. All numbers are for one structure of one
(template, specimen) pair: forward and backward pass of a palindrome whose adapters learn. The bound is that
of one structure alone from features that are there already. The naive form is one structure per step, both
images encoded at every step, with the same functions. Memory is that of all tensors at the worst moment of
a step, without weights and without the features that are kept between steps. `--targets` says which parts are
trained; where these reach into the image encoder, what lies behind the first of them is part of a step.

    python tests/bench/training.py --memory

How many structures of a pair fit a device at once, by measuring one at smaller squares: what is kept grows as
the number of pixels does.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from cost import cost
from torch import Tensor

from sam2pal.config.model import ModelOptions
from sam2pal.config.training import AdapterOptions, TrainingOptions
from sam2pal.model import adapters
from sam2pal.model.adapters import BEHIND_ENCODER, TARGETS
from sam2pal.model.build import build_model
from sam2pal.model.tracker import Tracker
from sam2pal.training.data import Data
from sam2pal.training.palindrome import AnnotatedViews, mask_loss, palindrome
from sam2pal.training.step_loss import StepLoss
from sam2pal.training.step_memory import palindrome_bytes, peak_bytes

CARDS = (8, 16, 24, 40, 80)  # GB
KEPT = 42  # images of a template, its views and the pool, by default
FORMS = ("step", "at_once", "again", "naive")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["bundled", "sam2.1_hiera_tiny"])
    parser.add_argument("--pairs", nargs="+", type=int, default=[2, 1], help="one a model")
    parser.add_argument("--structures", nargs="+", type=int, default=[5, 2], help="one a model")
    parser.add_argument("--image-size", type=int, help="instead of the models' own")
    parser.add_argument("--repeats", type=int, default=2, help="the shortest time counts")
    parser.add_argument("--forms", nargs="+", default=FORMS, choices=FORMS, help="beside the bound")
    parser.add_argument("--targets", nargs="+", default=list(BEHIND_ENCODER), choices=TARGETS)
    parser.add_argument("--memory", action="store_true", help="only the table of what fits")
    parser.add_argument("--sides", nargs="+", type=int, default=[256, 512], help="of --memory")
    parser.add_argument("--output", type=Path, help="also write the table here")
    arguments = parser.parse_args()
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


def noise(tracker: Tracker, pairs: int, structures: int) -> tuple[Tensor, Tensor]:
    """Images of templates, of specimens and of the templates' views; masks of the structures."""
    side = tracker.model.image_size
    images = torch.randn(3, pairs, 3, side, side)
    masks = (torch.rand(pairs, structures, side, side) > 0.5).half()
    return images, masks


def bench(
    name: str, tracker: Tracker, size: tuple[int, int], arguments: argparse.Namespace
) -> list[tuple[str, int, str, float, float, float, float, float]]:
    """Rows: model, square, what, GFLOP, seconds, both over the bound, MB at the worst moment.

    Args:
        size: pairs and structures of a step.
    """
    (pairs, structures), repeats = size, arguments.repeats
    frozen = adapters.frozen_by(arguments.targets)
    parameters = [p for p in tracker.model.parameters() if p.requires_grad]
    images, masks = noise(tracker, pairs, structures)
    known = torch.ones(pairs, structures, dtype=torch.bool)
    with torch.no_grad():
        template, specimens, back = (tracker.begin(some, frozen) for some in images)
    start, goal = AnnotatedViews(template, masks, known), AnnotatedViews(back, masks, known)
    data = Data(start, goal, goal, specimens)
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

    single = AnnotatedViews(template[[0]], masks[:1, :1], known[:1, :1])

    def bound() -> None:
        one(single, specimens[[0]], AnnotatedViews(back[[0]], masks[:1, :1], known[:1, :1]))

    def naive() -> None:
        with torch.no_grad():
            first, on = (tracker.encode(some[:1]) for some in images[:2])
        view = AnnotatedViews(first, masks[:1, :1], known[:1, :1])
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
        f"| model | memory attention | precision | bytes per pixel at {', '.join(map(str, sides))} | GB a "
        f"structure at 1024 | {cards} |",
        "| --- " * (5 + len(CARDS)) + "|",
    ]
    for name in models:
        tracker, side = build(name, sides[0], targets), sides[0]
        weights = sum(p.numel() * 4 for p in tracker.model.parameters())
        with torch.no_grad():
            image = tracker.begin(torch.zeros(1, 3, side, side), adapters.frozen_by(targets))
        kept = KEPT * sum(level.nbytes for level in image.maps) * (1024 / side) ** 2
        for precise in (True, False):
            for again in (False, True):
                found = [
                    taken(build(name, side, targets), targets, again, precise) / side**2
                    for side in sides
                ]
                one = found[-1] * 1024**2
                # as training.step_memory shares a card, and takes for what kernels need
                free = [0.85 * card * 2**30 - weights - kept for card in CARDS]
                count = " | ".join(str(max(0, int(left / (1.3 * one)))) for left in free)
                lines.append(
                    f"| {name} | {'again' if again else 'kept'} | {'float32' if precise else 'bfloat16'} | "
                    f"{', '.join(f'{value:.0f}' for value in found)} | {one / 2**30:.2f} | {count} |"
                )
                print(lines[-1], flush=True)
    return "\n".join(lines)


def taken(tracker: Tracker, targets: Sequence[str], again: bool, precise: bool) -> int:
    """Bytes at the worst moment of a palindrome of one structure and its backward pass."""
    tracker.checkpoint_attention = again
    images, masks = noise(tracker, 1, 1)
    known = torch.ones(1, 1, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
        with torch.no_grad():
            frozen = adapters.frozen_by(targets)
            template, specimens, back = (tracker.begin(some, frozen) for some in images)
        start, goal = AnnotatedViews(template, masks, known), AnnotatedViews(back, masks, known)
        return palindrome_bytes(tracker, start, specimens, goal)


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
