"""The learning rate over the steps of a training."""

import math


def schedule(
    step: int, steps: int, warmup: int, cooldown: int | None = None, floor: float = 0.0
) -> float:
    """Share of the peak rate: warm-up, constant, then `cooldown` steps (or all) of a cosine to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    begin = warmup if cooldown is None else max(warmup, steps - cooldown)
    done = (step - begin) / max(1, steps - begin)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))
