"""How a photograph was taken: framing, light, backdrop, and what the camera spoils."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from sam2pal.synthetic.noise import grain
from sam2pal.synthetic.shading import Array, Light, sample_lights

BACKDROPS = ("labels", "lattice", "paper", "colour", "dark", "texture")


@dataclass(frozen=True)
class Style:
    """A photographic set-up that the specimens of a collection share.

    `tightness` is how much of the frame's room beyond the body is cut (0: limbs have room, 1:
    only the body is framed), `pin` the chance of a pin, `crowd` of other specimens in view.
    """

    lights: tuple[Light, ...]
    ambient: float
    backdrop: str
    shadow: float
    shadow_angle: float
    tightness: float
    pin: float
    crowd: float
    exposure: float
    balance: tuple[float, float, float]
    haze: float
    gamma: float
    contrast: float
    blur: float
    shrink: float
    noise: float
    quality: int
    upright: bool


def sample_style(rng: np.random.Generator) -> Style:
    """Draw a photographic set-up."""
    backdrop = str(rng.choice(BACKDROPS, p=[0.34, 0.26, 0.16, 0.08, 0.06, 0.1]))
    warm = rng.normal(0, 0.07)
    return Style(
        lights=sample_lights(rng),
        ambient=float(rng.uniform(0.25, 0.7)),
        backdrop=backdrop,
        shadow=float(rng.uniform(0, 0.75)),
        shadow_angle=float(rng.uniform(0, 2 * np.pi)),
        tightness=float(rng.beta(2.5, 1.2)),
        pin=float(rng.choice([0.0, 0.85], p=[0.55, 0.45]))
        * (backdrop != "lattice" or rng.random() < 0.3),
        crowd=float(rng.choice([0.0, 0.3], p=[0.6, 0.4])),
        exposure=float(np.exp(rng.normal(0.05, 0.25))),
        balance=(1 + float(warm), 1 + float(rng.normal(0, 0.025)), 1 - float(warm)),
        haze=float(rng.gamma(1.5, 0.012)),
        gamma=float(np.exp(rng.normal(0, 0.15))),
        contrast=float(rng.normal(0, 0.3)),
        blur=float(rng.gamma(1.5, 0.35)),
        shrink=float(rng.choice([1.0, rng.uniform(1.0, 2.2)], p=[0.5, 0.5])),
        noise=float(rng.gamma(1.2, 0.008)),
        quality=int(rng.integers(35, 97)),
        upright=bool(rng.random() < 0.5),
    )


def develop(rng: np.random.Generator, linear: Array, style: Style) -> NDArray[np.uint8]:
    """What the camera makes of the light [H, W, 3]: uint8 pixels of the same size."""
    values = np.clip(linear * np.float32(2047 / 1.6), 0, 2047)
    if style.noise > 0.001:
        height, width = values.shape[:2]
        noise = grain(rng, height, width, 0.6) + grain(rng, height, width, 0) * np.float32(0.4)
        noise *= np.float32(style.noise * 1280)
        values += noise[..., None]
        np.clip(values, 0, 2047, out=values)
    index = values.astype(np.int16)
    curves = _curves(style)
    pixels = np.empty(values.shape, np.uint8)
    for channel in range(3):
        pixels[..., channel] = curves[channel][index[..., channel]]
    image = Image.fromarray(pixels)
    size = image.size
    if style.shrink > 1.05:
        small = tuple(max(16, int(n / style.shrink)) for n in size)
        image = image.resize(small, Image.Resampling.BOX)
    if style.blur > 0.25:
        image = image.filter(ImageFilter.GaussianBlur(style.blur / style.shrink))
    if style.quality < 90:
        with io.BytesIO() as buffer:
            image.save(buffer, "JPEG", quality=style.quality)
            image = Image.open(buffer).convert("RGB")
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.array(image)


def _curves(style: Style) -> NDArray[np.uint8]:
    """Light 0..1.6 in 2048 steps to what the camera writes, [3, 2048]."""
    light = np.linspace(0, 1.6, 2048)
    gain = np.array(style.balance)[:, None] * style.exposure
    values = np.clip(light * gain + style.haze, 0, 1.6)
    values = np.where(values > 0.8, 0.8 + (values - 0.8) * 0.45, values)
    values = np.clip(values, 0, 1) ** style.gamma
    values = values + style.contrast * values * (1 - values) * (values - 0.5) * 2
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
