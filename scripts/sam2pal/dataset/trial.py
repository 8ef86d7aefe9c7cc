"""How fast the configured model is on this machine, by a trial of some seconds that is kept."""

import json
import platform
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sam2pal.config.configuration import Configuration
from sam2pal.config.stages import resolved_ensemble, resolved_refine
from sam2pal.io.files import write_if_changed
from sam2pal.io.machine import cores

LIMIT = 15  # seconds, most of which the libraries take to load
# Of the bundled model with five structures, one thread: 0.141 s of an image (time_model.py), 0.36 s of a real
# beetle that is seen once, and 2.2 s of a training step in all (benchmarks of the trial in docs/own-data.md).
SEGMENTATION, TRAINING = 2.6, 15.6
# pixels of each of the ways in which `segmentation: ensemble` sees a specimen, as a share of the model's own
PIXELS = (1.0, 2.25, 1.5625, 1.5625, 2.25, 1.5625, 2.25, 1.0)
# for `segmentation: refine`, on the largest of these squares (0.12 s if seen three times)
FITTING = 0.4
SOURCE = "by a trial of this model on this machine"


@dataclass(frozen=True)
class Rates:
    """Seconds a specimen and a training step, None where not known, where they are from, or why not."""

    segmentation: float | None = None
    training: float | None = None
    source: str = ""
    why: str = ""


def trial(
    configuration: Configuration, kept: Path, program: Sequence[str], say: Callable[[str], None]
) -> Rates:
    """What an earlier trial of this model on this machine said, or else a new one."""
    model, structures = asdict(configuration.model), len(configuration.structures)
    what = {key: model[key] for key in ("name", "image_size", "config")}
    asked = [platform.node(), cores(), configuration.device, structures, what]
    key = json.dumps(asked, sort_keys=True)
    try:
        known = dict(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    seconds = known.get(key)
    if not isinstance(seconds, int | float):
        say(f"Trying how fast the model '{what['name']}' is on this machine, up to {LIMIT} s ...")
        seconds, why = _time(what, configuration.device, structures, program)
        if seconds is None:
            return Rates(why=why)
        with suppress(OSError):  # else it is timed again
            write_if_changed(kept, json.dumps(known | {key: seconds}, indent=1) + "\n")
    pixels = PIXELS[: resolved_ensemble(configuration)]
    further = sum(pixels[1:]) + resolved_refine(configuration) * FITTING * max(pixels)
    return Rates((SEGMENTATION + further) * seconds, TRAINING * seconds, SOURCE)


def _time(
    model: dict, device: str, structures: int, program: Sequence[str]
) -> tuple[float | None, str]:
    with tempfile.TemporaryDirectory() as folder:
        options = Path(folder, "options.json")
        options.write_text(json.dumps({"model": model}), encoding="utf-8")
        words = ["--options", str(options), "--device", device, "--structures", str(structures)]
        try:
            done = subprocess.run(
                [*program, *words], capture_output=True, text=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            return None, f"a trial of the model took longer than {LIMIT} s"
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason is said"])[-1]
        return None, f"a trial of the model failed ({said.removeprefix('error: ')})"
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"]), ""
