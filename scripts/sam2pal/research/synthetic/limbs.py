"""Legs, antennae, mandibles: tapered tubes, drawn finer than the canvas and laid over it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sam2pal.research.synthetic.canvas import Canvas
from sam2pal.research.synthetic.shading import Look, look_up

FINE = 2
# where along a piece its half width is taken, and how it mixes start, middle and end
STATIONS = np.array(
    [
        (0.0, 0.5, 0.0, 0.0),
        (0.1, 1.0, 0.0, 0.0),
        (0.3, 0.4, 0.6, 0.0),
        (0.5, 0.0, 1.0, 0.0),
        (0.75, 0.0, 0.45, 0.55),
        (0.94, 0.0, 0.0, 1.0),
        (1.0, 0.0, 0.0, 0.55),
    ]
)
COARSE = STATIONS[[0, 1, 3, 5, 6]]


class LimbLayer:
    """Limbs of one depth. Every piece has a code; a code has a label and a look."""

    def __init__(self) -> None:
        self._pieces: list[tuple[float, ...]] = []
        self._codes: list[tuple[int, Look]] = []

    def code(self, label: int, look: Look) -> int:
        """A number for pieces that show `label` and look like `look`."""
        self._codes.append((label, look))
        return len(self._codes)

    def add(
        self,
        ends: NDArray[np.float64],
        widths: NDArray[np.float64],
        tones: NDArray[np.float64],
        code: int,
    ) -> None:
        """Add pieces: ends [N, 4] (x0, y0, x1, y1) and half widths [N, 3] in pixels, tones [N]."""
        for end, width, tone in zip(ends.tolist(), widths.tolist(), tones.tolist(), strict=True):
            self._pieces.append((*end, *width, tone, code))

    def paint(self, canvas: Canvas) -> None:
        """Lay the finished limbs over the canvas."""
        if not self._pieces:
            return
        pieces = np.array(self._pieces)
        ends = pieces[:, :4].reshape(-1, 2, 2)
        reach = pieces[:, 4:7].max() + 2
        left, top = np.maximum(np.floor(ends.min((0, 1)) - reach), 0).astype(int)
        right, bottom = np.ceil(ends.max((0, 1)) + reach).astype(int)
        right, bottom = min(int(right), canvas.width), min(int(bottom), canvas.height)
        if left >= right or top >= bottom:
            return
        size = ((right - left) * FINE, (bottom - top) * FINE)
        normals = Image.new("RGB", size, (128, 128, 0))
        codes = Image.new("L", size, 0)
        self._draw(pieces, (left, top), ImageDraw.Draw(normals), ImageDraw.Draw(codes))

        fine = np.asarray(codes)
        quarters = [fine[i::FINE, j::FINE] for i in range(FINE) for j in range(FINE)]
        highest = np.maximum.reduce(quarters)
        chosen = np.flatnonzero(highest)
        if not len(chosen):
            return
        rows, columns = np.divmod(chosen, right - left)
        cover = sum((quarter[rows, columns] > 0).astype(np.float32) for quarter in quarters)
        alpha = cover * np.float32(1 / FINE**2)
        drawn = np.asarray(normals.reduce(FINE)).reshape(-1, 3)[chosen].T.astype(np.float32)
        share = np.maximum(alpha, 0.25)
        nx, ny = ((drawn[k] - 128) / (128 * share) for k in (0, 1))
        tone = np.clip(drawn[2] / (share * 255), 0, 1)
        index = look_up(nx, ny)
        code = highest.take(chosen)
        labels = np.array([0] + [label for label, _ in self._codes], np.uint8)[code]
        light = self._codes[0][1].diffuse.take(index)
        colour = []
        for k in range(3):
            first = np.array([0] + [look.surface.colour[k] for _, look in self._codes])
            second = np.array([0] + [look.surface.second[k] for _, look in self._codes])
            first = first.astype(np.float32).take(code)
            second = second.astype(np.float32).take(code)
            colour.append((first + tone * (second - first)) * light)
        shines: dict[int, tuple[Look, list[int]]] = {}
        for number, (_, look) in enumerate(self._codes):
            shines.setdefault(id(look.shine), (look, []))[1].append(number + 1)
        for look, numbers in shines.values():
            own = np.flatnonzero(np.isin(code, numbers))
            at = index[own]
            for value, shine in zip(colour, look.shine, strict=True):
                value[own] += shine.take(at)
        where = (rows + top) * canvas.width + columns + left
        # whoever outlines a thin antenna draws it a little too wide, and without gaps
        canvas.paint(where, alpha, colour, labels, 0.25)

    def _draw(
        self,
        pieces: NDArray[np.float64],
        corner: tuple[int, int],
        paint: ImageDraw.ImageDraw,
        name: ImageDraw.ImageDraw,
    ) -> None:
        start = (pieces[:, 0:2] - corner) * FINE
        along = (pieces[:, 2:4] - corner) * FINE - start
        length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-3)
        along = along / length[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], 1)
        widths = np.maximum(pieces[:, 4:7] * FINE, 0.5)
        thick = widths.max(1)
        overlap = np.minimum(0.3 * thick, 0.2 * length)
        kind = np.digitize(thick, (1.3, 2.6))
        tones = (pieces[:, 7] * 255).astype(int)
        thin = kind < 2
        outlines: list[list[float]] = [[]] * len(pieces)
        strips: list[list[tuple[list[float], tuple[int, int, int]]]] = [[]] * len(pieces)
        for level, bounds, stations in (
            (0, (-1.0, 1.0), COARSE),
            (1, (-1.0, 0.0, 1.0), COARSE),
            (2, (-1.0, -0.5, 0.0, 0.5, 1.0), STATIONS),
        ):
            own = np.flatnonzero(kind == level)
            if not len(own):
                continue
            place = stations[:, 0] * length[own, None]
            place[:, 0] -= overlap[own]
            place[:, -1] += overlap[own]
            spine = start[own, None] + along[own, None] * place[..., None]
            half = across[own, None] * (widths[own] @ stations[:, 1:].T)[..., None]
            edges = np.stack([spine + half * bound for bound in bounds], 1)
            closed = np.concatenate([edges[:, :-1], edges[:, 1:, ::-1]], 2)
            loops = closed.reshape(len(own), len(bounds) - 1, -1).tolist()
            whole = np.concatenate([edges[:, 0], edges[:, -1, ::-1]], 1)
            wholes = whole.reshape(len(own), -1).tolist()
            middles = (np.array(bounds[:-1]) + np.array(bounds[1:])) / 2
            facing = (128 + 127 * across[own, None] * middles[:, None]).astype(int).tolist()
            for k, piece in enumerate(own.tolist()):
                tone = int(tones[piece])
                outlines[piece] = wholes[k]
                strips[piece] = [
                    (loop, (nx, ny, tone))
                    for loop, (nx, ny) in zip(loops[k], facing[k], strict=True)
                ]
        for piece, code in enumerate(pieces[:, 8].astype(int).tolist()):
            for loop, fill in strips[piece]:
                paint.polygon(loop, fill=fill)
            # an outline too closes the gaps of what is thinner than a pixel
            name.polygon(outlines[piece], fill=code, outline=code if thin[piece] else None)
