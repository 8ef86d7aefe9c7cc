"""The learning rate over the steps of a training."""

import math


def schedule(
    step: int, steps: int, warmup: int, cooldown: int | None = None, floor: float = 0.0
) -> float:
    """Share of the peak rate: a linear warm-up, constant, then a cosine to `floor` over the last steps.

    Args:
        cooldown: how many steps the cosine takes; all that follow the warm-up if not given.
    """
    if step < warmup:
        return (step + 1) / warmup
    begin = warmup if cooldown is None else max(warmup, steps - cooldown)
    done = (step - begin) / max(1, steps - begin)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))
