"""Light on a small domed or tubular surface, by looking its normal up in a drawn sphere."""

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sam2pal.synthetic.anatomy import Surface

SIDE = 64
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


@lru_cache(maxsize=1)
def _sphere() -> tuple[Array, Array, Array]:
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(axis, axis)
    length = np.sqrt(x * x + y * y)
    shrink = np.where(length > 0.985, 0.985 / np.maximum(length, 1e-6), 1)
    x, y = x * shrink, y * shrink
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
    return tuple(lights)


def sphere_of(surface: Surface, lights: tuple[Light, ...], ambient: float) -> tuple[Array, Array]:
    """Diffuse light [SIDE, SIDE, 1] and highlights [SIDE, SIDE, 3] of a surface by normal."""
    x, y, z = _sphere()
    diffuse = np.full_like(x, ambient) * (0.6 + 0.4 * z)
    shine = np.zeros_like(x)
    rx, ry = 2 * z * x, 2 * z * y
    for light in lights:
        lx, ly, lz = light.direction
        toward = x * lx + y * ly + z * lz
        diffuse += light.strength * np.clip(toward * 0.85 + 0.15, 0, None) * (1 - ambient) * 0.7
        if light.shape == "spot":
            hx, hy, hz = lx, ly, lz + 1
            norm = np.sqrt(hx * hx + hy * hy + hz * hz)
            half = np.clip((x * hx + y * hy + z * hz) / norm, 0, 1)
            shine += light.strength * (
                half**surface.shininess + 0.25 * half ** (surface.shininess / 5)
            )
            continue
        dx, dy = rx - lx, ry - ly
        soft = 3.0 / surface.shininess + 0.03
        if light.shape == "box":
            c, s = np.cos(light.turn), np.sin(light.turn)
            a = np.abs(c * dx + s * dy) / np.sqrt(light.aspect)
            b = np.abs(-s * dx + c * dy) * np.sqrt(light.aspect)
            distance = np.maximum(a, b) - light.size
        else:
            distance = np.abs(np.sqrt(rx * rx + ry * ry) - 0.25 - light.size) - 0.07
        edge = np.clip(0.5 - distance / (2 * soft), 0, 1)
        shine += light.strength * edge * edge * (3 - 2 * edge) * 0.8
    fresnel = (1 - z) ** 3
    shine += fresnel * 0.25 * (ambient + 0.3)
    tint = np.ones((*x.shape, 3), np.float32)
    if surface.metallic > 0:
        hue, _, _ = colorsys.rgb_to_hsv(*surface.colour)
        hues = hue + surface.iridescence * ((1 - z) * 1.5 - 0.3)
        own = _hues(hues)
        tint = tint * (1 - surface.metallic) + own * surface.metallic
        shine = shine + surface.metallic * (diffuse * 0.5) ** 2
    return diffuse[..., None], (shine * surface.gloss)[..., None] * tint


def _hues(hue: Array) -> Array:
    """Saturated colours of these hues, [..., 3]."""
    offsets = np.array([0, 2 / 3, 1 / 3], np.float32)
    wave = np.abs(((hue[..., None] + offsets) % 1) * 6 - 3) - 1
    return (0.1 + 0.9 * np.clip(wave, 0, 1)).astype(np.float32)


def look_up(nx: Array, ny: Array) -> NDArray[np.int32]:
    """The flat index into a sphere for normals of these x and y parts."""
    half = np.float32(SIDE / 2)
    column = np.clip(nx * half + half, 0, SIDE - 1).astype(np.int32)
    row = np.clip(ny * half + half, 0, SIDE - 1).astype(np.int32)
    return row * SIDE + column
