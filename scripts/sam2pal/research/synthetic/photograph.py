"""How a photograph was taken: framing, light, backdrop, and what the camera spoils."""

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2pal.research.synthetic.crops import Crop
from sam2pal.research.synthetic.noise import grain
from sam2pal.research.synthetic.shading import Array, Light, sample_lights

BACKDROPS = ("labels", "lattice", "paper", "colour", "dark", "texture")


@dataclass(frozen=True)
class Style:
    """A photographic set-up that the specimens of a collection share.

    `tightness` is how much of the frame's room beyond the body is cut (0: limbs have room, 1:
    only the body is framed), `pin` the chance of a pin, `crowd` of
    other specimens in view, `scrap` of a slip of paper over it, `bar` of a scale bar, `glue` of a
    drop of it before the legs. `depth` is how far what lies behind the body is out of focus, pixels;
    `scene` is a piece of a photograph that takes the backdrop's place.
    """

    lights: tuple[Light, ...]
    ambient: float
    sky: float
    backdrop: str
    shadow: float
    shadow_angle: float
    tightness: float
    pin: float
    crowd: float
    scrap: float
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
    bar: float = 0.0
    glue: float = 0.0
    depth: float = 0.0
    scene: Crop | None = None


def sample_mounted_style(rng: np.random.Generator) -> Style:
    """A set-up for specimens in profile: a microscope, diffuse light, a card or pin behind them."""
    style = sample_style(rng)
    return replace(
        style,
        backdrop="mount",
        ambient=float(rng.uniform(0.35, 0.75)),
        sky=max(style.sky, 0.08),
        shadow=0.0,
        tightness=0.4 + 0.6 * style.tightness,
        pin=0.0,
        crowd=0.0,
        scrap=0.02,
        exposure=float(np.clip(style.exposure, 0.85, 1.35)),
        gamma=min(style.gamma, 1.05),
        contrast=style.contrast / 2,
        shrink=min(style.shrink, 1.7),
        noise=style.noise / 2,
        quality=max(style.quality, 60),
        upright=bool(rng.random() < 0.85),
        bar=0.7,
        glue=float(rng.choice([0.0, 0.4])),
        depth=float(rng.choice([0.0, rng.uniform(0.3, 1.6)], p=[0.4, 0.6])),
    )


def sample_museum_style(rng: np.random.Generator) -> Style:
    """A set-up that documents specimens: on labels, paper or slats, well lit, little spoiled."""
    style = sample_style(rng)
    backdrop = str(rng.choice(["labels", "lattice", "paper"], p=[0.45, 0.4, 0.15]))
    return replace(
        style,
        backdrop=backdrop,
        sky=max(style.sky, 0.05),
        pin=0.9 if backdrop == "labels" else 0.0,
        crowd=0.0,
        scrap=0.01,
        exposure=float(np.clip(style.exposure, 0.9, 1.5)),
        gamma=min(style.gamma, 1.1),
        contrast=style.contrast / 2,
        blur=style.blur / 2,
        shrink=min(style.shrink, 1.6),
        noise=style.noise / 2,
        quality=max(style.quality, 60),
        upright=backdrop != "lattice",
    )


def sample_style(rng: np.random.Generator) -> Style:
    """Draw a photographic set-up."""
    backdrop = str(rng.choice(BACKDROPS, p=[0.34, 0.26, 0.16, 0.08, 0.06, 0.1]))
    warm = float(np.clip(rng.normal(0.03, 0.1), -0.15, 0.25))
    return Style(
        lights=sample_lights(rng),
        ambient=float(rng.uniform(0.25, 0.7)),
        sky=float(rng.choice([0.0, rng.uniform(0.03, 0.3)], p=[0.25, 0.75])),
        backdrop=backdrop,
        shadow=float(rng.uniform(0, 0.75)),
        shadow_angle=float(rng.uniform(0, 2 * np.pi)),
        tightness=float(rng.beta(1.2, 1.1)),
        pin=float(rng.choice([0.0, 0.85], p=[0.55, 0.45]))
        * (backdrop != "lattice" or rng.random() < 0.3),
        crowd=float(rng.choice([0.0, 0.4], p=[0.75, 0.25])),
        scrap=0.06,
        exposure=float(np.exp(rng.normal(0.12, 0.22))),
        balance=(1 + warm, 1 + float(rng.normal(0, 0.025)), 1 - warm),
        haze=float(rng.gamma(1.6, 0.018)),
        gamma=float(np.exp(rng.normal(0, 0.15))),
        contrast=float(rng.normal(0, 0.3)),
        blur=float(rng.gamma(1.3, 0.33)),
        shrink=float(rng.choice([1.0, rng.uniform(1.0, 2.2)], p=[0.65, 0.35])),
        noise=float(rng.gamma(1.2, 0.006)),
        quality=int(rng.integers(35, 97)),
        upright=bool(rng.random() < 0.5),
    )


def develop(rng: np.random.Generator, light: Array, style: Style) -> NDArray[np.uint8]:
    """What the camera makes of the light [3, H, W]: uint8 pixels [H, W, 3]."""
    _, height, width = light.shape
    values = light * np.float32(2047 / 1.6)
    if style.shrink <= 1.05 and style.blur > 0.2:
        soften(values, min(style.blur, 1.6))
    if style.noise > 0.001:
        noise = grain(rng, height, width, 0.6) + grain(rng, height, width, 0) * np.float32(0.4)
        noise *= np.float32(style.noise * 1280)
        values += noise
    index = np.clip(values, 0, 2047, out=values).astype(np.intp)
    pixels = np.empty((height, width, 3), np.uint8)
    for channel, curve in enumerate(_curves(style)):
        pixels[..., channel] = curve.take(index[channel])
    image = Image.fromarray(pixels)
    if style.shrink > 1.05:
        small = (max(16, int(width / style.shrink)), max(16, int(height / style.shrink)))
        image = image.resize(small, Image.Resampling.BOX)
    if style.quality < 88:
        with io.BytesIO() as buffer:
            image.save(buffer, "JPEG", quality=style.quality)
            image = Image.open(buffer, formats=("JPEG",)).convert("RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image)


def soften(planes: Array, sigma: float) -> None:
    """Blur [3, H, W] in place by about `sigma` pixels, with kernels of three."""
    rounds = 1 if sigma < 0.75 else 2 if sigma < 1.1 else 4
    side = np.float32(min(sigma * sigma / rounds / 2, 0.3))
    for _ in range(rounds):
        for axis in (1, 2):
            step = np.diff(planes, axis=axis)
            step *= side
            low = (slice(None),) * axis + (slice(None, -1),)
            high = (slice(None),) * axis + (slice(1, None),)
            planes[low] += step
            planes[high] -= step


def _curves(style: Style) -> NDArray[np.uint8]:
    """Light 0..1.6 in 2048 steps to what the camera writes, [3, 2048]."""
    light = np.linspace(0, 1.6, 2048)
    gain = np.array(style.balance)[:, None] * style.exposure
    veil = style.haze * np.array(style.balance)[:, None] ** 3
    values = np.clip(light * gain + veil, 0, 1.6)
    values = np.where(values > 0.8, 0.8 + (values - 0.8) * 0.45, values)
    values = np.clip(values, 0, 1) ** style.gamma
    values = values + style.contrast * values * (1 - values) * (values - 0.5) * 2
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def vary_style(style: Style, rng: np.random.Generator, amount: float) -> Style:
    """The set-up on another day: lamps moved a little, exposure, colours and focus too."""
    lights = []
    for light in style.lights:
        direction = np.array(light.direction) + rng.normal(0, 0.12, 3) * amount
        direction[2] = max(direction[2], 0.2)
        direction /= np.linalg.norm(direction)
        strength = light.strength * float(np.exp(rng.normal(0, 0.2) * amount))
        lights.append(replace(light, direction=tuple(direction.tolist()), strength=strength))
    warm = float(rng.normal(0, 0.03)) * amount
    red, green, blue = style.balance
    return replace(
        style,
        lights=tuple(lights),
        exposure=style.exposure * float(np.exp(rng.normal(0, 0.12) * amount)),
        balance=(red + warm, green, blue - warm),
        blur=style.blur * float(np.exp(rng.normal(0, 0.4) * amount)),
        shrink=max(1.0, style.shrink * float(np.exp(rng.normal(0, 0.2) * amount))),
        shadow_angle=style.shadow_angle + float(rng.normal(0, 0.2)) * amount,
        tightness=float(rng.uniform(0.5, 1.0)) * style.tightness,
    )
