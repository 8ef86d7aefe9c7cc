"""What all figures share: colours, and files that are the same bytes for the same figure."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.spelling import nearest

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""
MARKERS = "osD^vPX*<"


def check_names(paths: Iterable[Path], known: Iterable[str], tables: Iterable[str] = ()) -> None:
    """Refuse files whose names are none of figures or have no suffix of one, or are not of `tables`."""
    for path in paths:
        if path.stem not in known:
            hint = nearest(path.stem, known)
            raise InputError(f"--output {path}: no figure '{path.stem}'{hint}: {', '.join(known)}")
        table = path.suffix in (".csv", ".parquet") and path.stem in tables
        if path.suffix not in (".svg", ".png", ".pdf") and not table:
            raise InputError(f"--output {path}: a figure ends in .svg, .png or .pdf")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure (.svg, .png, .pdf) without times, random names or versions in it."""
    path = Path(path)
    # a creation time or program version would make the same figure another file
    metadata = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    pdf = {"CreationDate": None, "Creator": None, "Producer": None}
    with atomic(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "sam2pal"}):
        figure.savefig(temporary, dpi=150, metadata=metadata.get(path.suffix, pdf))


def entitle(figure: Figure, text: str) -> None:
    """Set the title of a figure, on as many lines as its width needs."""
    size = 11
    characters = int(figure.get_figwidth() * 72 / size * 1.85)  # of a letter's mean width
    figure.suptitle(textwrap.fill(text, characters), fontsize=size)


def empty_figure(text: str) -> Figure:
    """A figure that says why there is none."""
    figure = Figure(figsize=(7, 2), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0.5, 0.5, textwrap.fill(text, 80), ha="center", va="center")
    return figure
