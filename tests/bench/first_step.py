"""Run a program that trains, and say when its steps begin and end, and the most memory until then.

python tests/bench/first_step.py STEPS scripts/train_palindrome.py ...

A step begins where gradients are set to zero. The program is ended after so many steps.
"""

import os
import resource
import runpy
import sys
import time
from pathlib import Path

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook


def say(what: str) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"step {what} after {time.process_time():.2f} CPU s, {memory:.3f} GB", flush=True)


if __name__ == "__main__":
    left = int(sys.argv[1])
    zero_grad = Optimizer.zero_grad

    def begin(self: Optimizer, *arguments: object, **more: object) -> None:
        say("begins")
        zero_grad(self, *arguments, **more)

    def end(*_: object) -> None:
        global left
        say("ends")
        left -= 1
        if left == 0:
            os._exit(0)

    Optimizer.zero_grad = begin
    register_optimizer_step_post_hook(end)
    del sys.argv[:2]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
