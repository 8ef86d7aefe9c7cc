"""Time the configured model on this machine: one image encoded, and its structures tracked.

    python scripts/time_model.py --options options.json --structures 5

Prints JSON: `seconds` of one image, `device`, and the `square` it was timed at. Its weights are random, which
costs no other time: they need not be there.
"""

import json
import time
from dataclasses import replace
from statistics import median

from sam2pal.cli import add_options, program, run
from sam2pal.config.model import OFFICIAL, ModelOptions
from sam2pal.config.stages import read_options
from sam2pal.config.text_files import read_yaml
from sam2pal.io.machine import cores

SMALL = 256  # side of the square on a CPU; of a larger one the time grows as its area
ENOUGH = 2.0  # seconds of timing


def main() -> None:
    parser = program(__doc__)
    parser.add_argument("--structures", type=int, default=1)
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    add_options(parser, "model")
    arguments = parser.parse_args()
    options = read_options(arguments.options).model

    import torch

    from sam2pal.model.build import build_model
    from sam2pal.model.device import autocast, choose_device, half_on_cpu
    from sam2pal.model.tracker import Tracker, drawn_logits

    device = choose_device(arguments.device)
    whole = side_of(options)
    side = min(whole, SMALL) if device.type == "cpu" else whole
    model = build_model(replace(options, image_size=side), device=device, random_weights=True)
    tracker = Tracker(model)
    image = torch.zeros(1, 3, side, side, device=device)
    masks = torch.zeros(arguments.structures, 1, side, side, device=device)
    masks[..., side // 4 : side // 2, side // 4 : side // 2] = 1

    # processor time of a CPU, which is as on an idle machine whatever else it does
    clock = time.process_time if device.type == "cpu" else time.monotonic
    threads = min(torch.get_num_threads(), cores()) if device.type == "cpu" else 1

    @torch.inference_mode()
    def once() -> float:
        began = clock()
        with half_on_cpu(None, options), autocast(device):
            features = tracker.encode(image)
            memory = tracker.memorize(features, drawn_logits(masks))
            tracked = tracker.track(features, [memory])
        float(tracked.logits.float().sum())  # waits for the device
        return (clock() - began) / threads

    taken = [once()]
    end = time.monotonic() + ENOUGH
    while time.monotonic() < end:
        taken.append(once())
    seconds = median(taken[1:] or taken) * (whole / side) ** 2
    print(json.dumps({"seconds": round(seconds, 4), "device": device.type, "square": side}))


def side_of(options: ModelOptions) -> int:
    """Of the model's square."""
    if options.image_size is not None:
        return options.image_size
    if options.config is None and options.name in OFFICIAL:
        return 1024
    from sam2pal.model.build import BUNDLED

    return int(read_yaml(options.config or BUNDLED / "config.yaml")["model"]["image_size"])


if __name__ == "__main__":
    run(main)
