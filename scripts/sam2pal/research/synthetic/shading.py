"""Light on a small domed or tubular surface, by looking its normal up in a drawn sphere."""

import colorsys
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sam2pal.research.synthetic.anatomy import Surface

SIDE = 64
LEVELS = (4.0, 8.0, 16.0, 32.0, 64.0, 140.0)
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """A lamp: direction (x right, y down, z to the camera), strength, shape and hardness."""

    direction: tuple[float, float, float]
    strength: float
    shape: str
    size: float
    aspect: float
    turn: float


@dataclass(frozen=True)
class Look:
    """A surface under this photograph's light: by normal, diffuse [S*S] and shine [3, S*S]."""

    surface: Surface
    diffuse: Array
    shine: Array


@lru_cache(maxsize=1)
def _sphere() -> tuple[Array, Array, Array]:
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(axis, axis)
    length = np.sqrt(x * x + y * y)
    shrink = np.where(length > 0.985, 0.985 / np.maximum(length, 1e-6), 1)
    x, y = (x * shrink).ravel(), (y * shrink).ravel()
    return x, y, np.sqrt(1 - x * x - y * y)


def sample_lights(rng: np.random.Generator) -> tuple[Light, ...]:
    """One to four lamps, as of a copy stand, a ring, a window or a flash."""
    lights = []
    for number in range(int(rng.integers(1, 5))):
        azimuth = rng.uniform(0, 2 * np.pi)
        height = rng.uniform(0.35, 0.97)
        flat = np.sqrt(1 - height * height)
        lights.append(
            Light(
                (float(np.cos(azimuth) * flat), float(np.sin(azimuth) * flat), float(height)),
                float(rng.uniform(0.5, 1.0) if number == 0 else rng.uniform(0.1, 0.8)),
                str(rng.choice(["spot", "box", "ring"], p=[0.5, 0.38, 0.12])),
                float(rng.uniform(0.06, 0.4)),
                float(np.exp(rng.uniform(-1.3, 1.3))),
                float(rng.uniform(0, np.pi)),
            )
        )
    # many lamps are each dimmer
    most = float(rng.uniform(0.9, 1.5))
    dimmed = min(1.0, most / sum(light.strength for light in lights))
    return tuple(replace(light, strength=light.strength * dimmed) for light in lights)


class Lighting:
    """The lamps of one photograph and every surface seen under them so far."""

    def __init__(self, lights: tuple[Light, ...], ambient: float, sky: float) -> None:
        self._lights = lights
        self._ambient = ambient
        self._sky = sky
        x, y, z = _sphere()
        self._diffuse = ambient * (0.6 + 0.4 * z)
        for light in lights:
            lx, ly, lz = light.direction
            toward = np.maximum((x * lx + y * ly + z * lz) * 0.85 + 0.15, 0)
            self._diffuse += toward * np.float32(light.strength * (1 - ambient) * 0.7)
        self._shines: dict[float, Array] = {}
        self._looks: dict[Surface, Look] = {}

    def look(self, surface: Surface) -> Look:
        """The spheres of a surface; asked again, they are not drawn again."""
        if surface not in self._looks:
            level = min(LEVELS, key=lambda level: abs(np.log(level / surface.shininess)))
            if level not in self._shines:
                self._shines[level] = self._shine(level)
            shine = self._shines[level] * np.float32(surface.gloss)
            if surface.metallic > 0:
                shine = self._metal(surface, shine)
            else:
                shine = np.broadcast_to(shine, (3, len(shine)))
            self._looks[surface] = Look(surface, self._diffuse, shine)
        return self._looks[surface]

    def _shine(self, shininess: float) -> Array:
        x, y, z = _sphere()
        rx, ry = 2 * z * x, 2 * z * y
        shine = (1 - z) ** 3 * np.float32(0.25 * (self._ambient + 0.3))
        lx, ly, _ = self._lights[0].direction
        shine += np.float32(self._sky) * np.clip(0.5 + (x * lx + y * ly) * 0.8, 0, 1) * z
        for light in self._lights:
            lx, ly, lz = light.direction
            if light.shape == "spot":
                norm = np.sqrt(lx * lx + ly * ly + (lz + 1) ** 2)
                half = np.clip((x * lx + y * ly + z * (lz + 1)) / np.float32(norm), 1e-3, 1)
                lobe = half ** np.float32(shininess / 5)
                shine += np.float32(light.strength) * (
                    np.float32(1.2) * lobe**5 + np.float32(0.3) * lobe
                )
                continue
            dx, dy = rx - lx, ry - ly
            soft = 3.0 / shininess + 0.03
            if light.shape == "box":
                c, s = np.cos(light.turn), np.sin(light.turn)
                stretch = np.float32(np.sqrt(light.aspect))
                a = np.abs(dx * np.float32(c) + dy * np.float32(s)) / stretch
                b = np.abs(dy * np.float32(c) - dx * np.float32(s)) * stretch
                distance = np.maximum(a, b) - light.size
            else:
                distance = np.abs(np.sqrt(rx * rx + ry * ry) - 0.25 - light.size) - 0.07
            edge = np.clip(0.5 - distance / (2 * soft), 0, 1)
            shine += np.float32(light.strength * 0.8) * (edge * edge * (3 - 2 * edge))
        return shine.astype(np.float32)

    def _metal(self, surface: Surface, shine: Array) -> Array:
        _, _, z = _sphere()
        hue, _, _ = colorsys.rgb_to_hsv(*surface.colour)
        own = _hues(hue + surface.iridescence * ((1 - z) * 1.5 - 0.3))
        share = np.float32(surface.metallic)
        shine = shine + share * (self._diffuse * 0.5) ** 2
        return (shine * (1 - share + own.T * share)).astype(np.float32)


def _hues(hue: Array) -> Array:
    """Saturated colours of these hues, [..., 3]."""
    offsets = np.array([0, 2 / 3, 1 / 3], np.float32)
    wave = np.abs(((hue[..., None] + offsets) % 1) * 6 - 3) - 1
    return 0.1 + 0.9 * np.clip(wave, 0, 1)


def look_up(nx: Array, ny: Array) -> NDArray[np.intp]:
    """The flat index into a sphere for normals of these x and y parts."""
    half = np.float32(SIDE / 2)
    column = np.clip(nx * half + half, 0, SIDE - 1).astype(np.intp)
    row = np.clip(ny * half + half, 0, SIDE - 1).astype(np.intp)
    return row * SIDE + column
