"""Colours and surfaces of insects."""

import colorsys
from dataclasses import replace

import numpy as np

from sam2pal.synthetic.anatomy import Colour, Surface

PATTERNS = ("margin", "apex", "base", "bands", "stripe", "vitta", "fade", "centre", "spots")


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, float(np.clip(saturation, 0, 1)), value)
    return (float(red), float(green), float(blue))


def cuticle(rng: np.random.Generator, bright: float = 0.15) -> Colour:
    """A colour of insect cuticle; black and brown are the most frequent.

    `bright` is the share of strong colours of any hue.
    """
    draw = rng.random()
    if draw < bright:
        return _hsv(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.15, 0.9))
    if draw < bright + 0.45 * (1 - bright):
        return _hsv(rng.uniform(0, 1), rng.uniform(0, 0.35), rng.uniform(0.02, 0.12))
    if draw < bright + 0.85 * (1 - bright):
        return _hsv(rng.uniform(0.0, 0.09), rng.uniform(0.4, 0.85), rng.uniform(0.06, 0.35))
    return _hsv(rng.uniform(0.04, 0.13), rng.uniform(0.3, 0.8), rng.uniform(0.35, 0.75))


def near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """A colour close to `colour`: lighter or darker, its hue a little moved."""
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    return _hsv(
        hue + rng.normal(0, 0.06) * spread,
        saturation * np.exp(rng.normal(0, 0.3) * spread),
        float(np.clip(value * np.exp(rng.normal(0, 0.5) * spread), 0.01, 0.95)),
    )


def sample_surface(rng: np.random.Generator, colour: Colour, patterned: float = 0.2) -> Surface:
    """A surface of this colour; `patterned` is how often it carries a second one."""
    metallic = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.22 else 0.0
    if metallic and rng.random() < 0.7:
        colour = _hsv(rng.uniform(0.2, 0.95), rng.uniform(0.4, 0.9), rng.uniform(0.03, 0.3))
    shiny = rng.random() < 0.75
    return Surface(
        colour=colour,
        second=cuticle(rng, 0.35),
        pattern=str(rng.choice(PATTERNS)) if rng.random() < patterned else "plain",
        pattern_seed=int(rng.integers(1 << 30)),
        gloss=float(rng.uniform(0.25, 1.0) if shiny else rng.uniform(0.0, 0.2)),
        shininess=float(np.exp(rng.uniform(1.6, 5.0))),
        metallic=metallic,
        iridescence=float(rng.normal(0, 0.15)),
        roughness=float(
            rng.choice([0, rng.uniform(0, 0.1), rng.uniform(0.1, 0.45)], p=[0.4, 0.4, 0.2])
        ),
        rough_scale=float(np.exp(rng.uniform(-0.7, 0.9))),
        mottle=float(rng.choice([0, rng.uniform(0, 0.2)], p=[0.6, 0.4])),
        pits=int(rng.choice([0, 12, 24], p=[0.75, 0.12, 0.13])),
        pit_depth=float(rng.uniform(0.1, 0.9)),
    )


def related(rng: np.random.Generator, surface: Surface, spread: float) -> Surface:
    """Another surface of the same animal: its colour near, its texture smoother or not."""
    return replace(
        surface,
        colour=near(rng, surface.colour, spread),
        second=near(rng, surface.second, spread),
        pattern="plain" if rng.random() < 0.7 else surface.pattern,
        pattern_seed=int(rng.integers(1 << 30)),
        gloss=float(np.clip(surface.gloss * np.exp(rng.normal(0, 0.3)), 0, 1.2)),
        roughness=surface.roughness * float(rng.choice([0.2, 1.0])),
        pits=surface.pits if rng.random() < 0.4 else 0,
    )
