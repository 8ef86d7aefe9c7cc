"""A picture in the making: light, and which structure every pixel shows."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from sam2pal.research.synthetic.shading import Array

OTHER = 250  # label of what hides structures without being one


@dataclass(frozen=True)
class Pose:
    """Body coordinates to pixels: turned by `angle`, times `scale`, moved to (x, y)."""

    angle: float
    x: float
    y: float
    scale: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        """The pixel place of a body place."""
        c, s = np.cos(self.angle) * self.scale, np.sin(self.angle) * self.scale
        return float(self.x + c * x - s * y), float(self.y + s * x + c * y)

    def points(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """The pixel places [..., 2] of body places [..., 2]."""
        c, s = np.cos(self.angle) * self.scale, np.sin(self.angle) * self.scale
        turned = places @ np.array([[c, s], [-s, c]])
        return turned + np.array([self.x, self.y])

    def hinged(self, x: float, y: float, turn: float, gap: float = 0.0) -> "Pose":
        """This pose turned by `turn` about the body place (x, y), which moves `gap` forwards."""
        px, py = self.point(x, y - gap)
        angle = self.angle + turn
        c, s = np.cos(angle) * self.scale, np.sin(angle) * self.scale
        return Pose(angle, float(px - c * x + s * y), float(py - s * x - c * y), self.scale)


@dataclass
class Canvas:
    """Light (0..~1, [3, H, W]) and the label of what is visible (0: no structure).

    `names` has the label of each structure. `solid` is how far the annotated animal covers each pixel: it
    receives no cast shadow.
    """

    pixels: Array
    labels: NDArray[np.uint8]
    names: dict[str, int] = field(default_factory=dict)
    solid: Array = field(init=False)

    def __post_init__(self) -> None:
        self.pixels = np.ascontiguousarray(self.pixels, np.float32)
        self.solid = np.zeros(self.labels.shape, np.float32)

    @property
    def height(self) -> int:
        return self.labels.shape[0]

    @property
    def width(self) -> int:
        return self.labels.shape[1]

    def paint(
        self,
        where: NDArray[np.intp],
        alpha: Array,
        colour: list[Array],
        label: int | NDArray[np.uint8],
        least: float = 0.5,
    ) -> None:
        """Lay `colour` [3, N] over the flat pixel indices `where` [N] with `alpha` [N].

        Pixels covered by at least `least` show `label` (one, or one a pixel) from now on.
        """
        for plane, value in zip(self.pixels.reshape(3, -1), colour, strict=True):
            here = plane.take(where)
            value = value - here
            value *= alpha
            value += here
            plane[where] = value
        shown = alpha >= least
        self.labels.reshape(-1)[where[shown]] = label if np.isscalar(label) else label[shown]
        solid = self.solid.reshape(-1)
        solid[where] = np.maximum(solid.take(where), alpha)

    def shade(
        self, shape: Array, dx: float, dy: float, blur: float, depth: float, spare: bool
    ) -> None:
        """Darken by a blurred, moved `shape` [H, W] (0..1): a shadow; `spare` what is solid."""
        step = 4 if blur > 3 else 2
        small = Image.fromarray((shape * 255).astype(np.uint8)).reduce(step)
        small = small.transform(
            small.size, Image.Transform.AFFINE, (1, 0, -dx / step, 0, 1, -dy / step)
        ).filter(ImageFilter.BoxBlur(max(blur / step, 0.4)))
        full = small.resize((self.width, self.height), Image.Resampling.BILINEAR)
        dark = np.asarray(full, np.float32) * np.float32(-depth / 255)
        if spare:
            dark *= 1 - self.solid
        dark += 1
        self.pixels *= dark
