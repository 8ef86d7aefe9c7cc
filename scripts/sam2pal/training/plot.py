"""Loss, validation and controls of a training, drawn over its steps."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sam2pal.io.figures import COLOURS, save
from sam2pal.training.trainer import TrainingState

_LOSSES = ("palindrome", "direct", "self_pair", "distillation")
_CONTROLS = {
    "control_true": "what was seen on the specimen",
    "control_blank": "nothing",
    "control_structure": "another structure",
    "control_specimen": "the mask on another specimen",
}


def plot(state: TrainingState, path: Path) -> None:
    """Write the figure, the same bytes for the same numbers."""
    controlled = any("control_true" in line for line in state.history)
    figure = Figure(figsize=(12 if controlled else 8, 3.6), layout="constrained")
    loss, validation, *more = figure.subplots(1, 3 if controlled else 2)
    for name, colour in zip(_LOSSES, COLOURS, strict=False):
        _line(loss, state.history, name, label=name.replace("_", "-"), color=colour, lw=0.8)
    loss.set(title="Loss of each step", xlabel="step", ylabel="loss")
    if loss.lines:
        loss.legend(fontsize="small")

    style = {"label": "validation", "color": COLOURS[0], "marker": "o"}
    _line(validation, state.history, "validation", **style)
    validation.axhline(state.untrained, color=COLOURS[6], linestyle="--", label="before training")
    if state.improved:
        best = f"published: step {state.best_step}"
        validation.plot([state.best_step], [state.best], "D", color=COLOURS[1], label=best)
    validation.set(title="Validation", xlabel="step", ylabel="mean IoU")
    validation.legend(fontsize="small")

    for axes in more:
        before = [{"step": 0, **state.controls}]
        for (name, label), colour in zip(_CONTROLS.items(), COLOURS, strict=False):
            _line(axes, before + state.history, name, label=label, color=colour, marker="o")
        axes.set(title="Way back, from a memory of", xlabel="step", ylabel="loss")
        axes.legend(fontsize="small")
    save(figure, path)


def _line(axes: Axes, history: list[dict], name: str, **style: Any) -> None:
    points = [(line["step"], line[name]) for line in history if name in line]
    if points:
        axes.plot(*zip(*points, strict=True), **{"lw": 1.2, "ms": 4} | style)
