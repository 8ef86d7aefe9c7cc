"""Run a program that trains, and say after how many seconds of CPU each optimiser step ends.

python tests/bench/first_step.py scripts/train_palindrome.py ...
"""

import runpy
import sys
import time
from pathlib import Path

from torch.optim.optimizer import register_optimizer_step_post_hook


def say(*_: object) -> None:
    print(f"optimiser step after {time.process_time():.2f} CPU s", flush=True)


if __name__ == "__main__":
    register_optimizer_step_post_hook(say)
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
