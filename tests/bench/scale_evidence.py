"""What tells a scale bar from what is none: the weights of `EVIDENCE` in `morphometrics/scales/choice.py`.

    python tests/bench/scale_evidence.py --first 20000 --count 160

A logistic regression of stripes that are the bar of a drawn picture, if a person could measure it, against
those of real photographs without one. Seeds and photographs are even.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np
from drawn_scales import backgrounds, drawn_bar
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sam2pal.morphometrics.scales.bar import Bar
from sam2pal.morphometrics.scales.choice import EVIDENCE, FAINT, MOST, measured
from sam2pal.morphometrics.scales.finding import SIDE
from sam2pal.morphometrics.scales.strip import grey

SHORTEST, SAME = 25.0, 0.012  # pixels; of the length of what was drawn


def candidates(picture: np.ndarray) -> Iterator[tuple[Bar, float]]:
    """What is measured in a picture, and by how much that was made smaller."""
    factor = max(1.0, max(picture.shape) / SIDE)
    size = [round(n / factor) for n in picture.shape[1::-1]]
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    for bar in measured(grey(small), MOST):
        if bar.contrast >= FAINT and bar.line.length >= SHORTEST and not bar.cut:
            yield bar, factor


def features(bar: Bar) -> list[float]:
    against = [min(bar.quality[name], most) for name, (_, most) in EVIDENCE.items()]
    return [*against, math.log(bar.contrast), math.log(bar.line.length)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, required=True, help="an even seed")
    parser.add_argument("--count", type=int, required=True, help="of seeds, every second one")
    arguments = parser.parse_args()
    rows, bars = [], []
    for seed in range(arguments.first, arguments.first + 2 * arguments.count, 2):
        drawn = drawn_bar(seed)
        for bar, factor in candidates(drawn.picture) if not drawn.unread else ():
            if abs(bar.line.length * factor / drawn.length - 1) < SAME:
                rows.append(features(bar))
                bars.append(True)
    for path in backgrounds(False):
        for bar, _ in candidates(np.asarray(Image.open(path).convert("RGB"))):
            rows.append(features(bar))
            bars.append(False)
    x, y = np.array(rows), np.array(bars)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000)
    )
    odds = cross_val_predict(model, x, y, cv=10, method="decision_function")
    model.fit(x, y)
    scaler, regression = model[0], model[1]
    weights = regression.coef_[0] / scaler.scale_
    prior = float(regression.intercept_[0] - weights @ scaler.mean_)
    names = (*EVIDENCE, "log contrast", "log length")
    print(", ".join(f"{name} {of:.2f}" for name, of in zip(names, weights, strict=True)))
    print(f"prior {prior:.2f}; {y.sum()} bars, {(~y).sum()} others")
    for what, of, shares in (
        ("bars", odds[y], (0, 2, 5, 10)),
        ("others", odds[~y], (90, 95, 98, 100)),
    ):
        print(what, dict(zip(shares, np.round(np.percentile(of, shares), 2), strict=True)))


if __name__ == "__main__":
    main()
