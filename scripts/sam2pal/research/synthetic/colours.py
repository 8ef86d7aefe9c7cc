"""Colours and surfaces of insects."""

import colorsys
from dataclasses import replace

import numpy as np

from sam2pal.research.synthetic.anatomy import Colour, Surface
from sam2pal.research.synthetic.genes import Genes

CUTICLE = {
    "black": ((-0.1, 0.12), (0, 0.45), (0.018, 0.1)),
    "brown": ((0.0, 0.085), (0.4, 0.85), (0.06, 0.32)),
    "pale": ((0.03, 0.14), (0.25, 0.8), (0.3, 0.75)),
    "bright": ((0.0, 1.0), (0.3, 0.95), (0.12, 0.9)),
}
"""Ranges of hue, saturation and value of each kind of cuticle."""
PATTERNS = ("margin", "apex", "base", "bands", "stripe", "vitta", "fade", "centre", "spots")


def from_hsv(hue: float, saturation: float, value: float) -> Colour:
    """RGB of a hue (any number), saturation and value (cut to 0..1)."""
    saturation, value = min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0)
    return colorsys.hsv_to_rgb(hue % 1, saturation, value)


def shifted(colour: Colour, hue: float, saturation: float, value: float) -> Colour:
    """The colour with its hue moved, its saturation and value multiplied."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    return from_hsv(h + hue, s * saturation, max(v * value, 0.008))


def cuticle(genes: Genes, bright: float = 0.05, pale: float = 0.08) -> Colour:
    """A colour of insect cuticle: mostly black and dark brown, `bright` and `pale` by weight."""
    kind = genes.pick("kind", {"black": 0.54, "brown": 0.33, "pale": pale, "bright": bright})
    hue, saturation, value = CUTICLE[kind]
    spread = genes.between if kind == "pale" else genes.scaled
    return from_hsv(
        genes.between("hue", *hue),
        genes.between("saturation", *saturation),
        spread("value", *value),
    )


def clear(genes: Genes, tint: Colour) -> Surface:
    """The membrane of a wing, clear or smoky."""
    pale = genes.between("surface pale", 0.3, 0.8)
    colour = tuple(pale + (1 - pale) * value * 0.5 for value in tint)
    return Surface(colour, tint, gloss=genes.between("surface gloss", 0.0, 0.4), shininess=20)


def near(genes: Genes, colour: Colour, spread: float) -> Colour:
    """A colour close to `colour`: lighter or darker, its hue a little moved."""
    return shifted(
        colour,
        genes.between("hue", -0.09, 0.09) * spread,
        np.exp(genes.between("saturation", -0.5, 0.5) * spread),
        np.exp(genes.between("value", -0.8, 0.8) * spread),
    )


def sample_surface(
    genes: Genes, patterned: float = 0.0, sober: bool = False, pale: float = 0.08
) -> Surface:
    """A surface; `patterned` is how often it carries a second colour, `pale` how often it is pale, by weight.

    A `sober` one is dark, smooth and glossy nearly always.
    """
    brightest = (0.0, 0.05) if sober else (0.05, pale)
    colour = cuticle(genes.under("colour"), *brightest)
    metallic = genes.between("metallic", 0.3, 1.0) if genes.chance("is metallic", 0.2) else 0.0
    if metallic and genes.chance("own hue", 0.75):
        colour = from_hsv(
            genes.between("metal hue", 0.05, 0.95),
            genes.between("metal saturation", 0.4, 0.95),
            genes.scaled("metal value", 0.02, 0.1 if sober else 0.2),
        )
    rough = genes.pick("rough", {0.0: 0.55, 0.1: 0.37, 0.35: 0.01 if sober else 0.08})
    return Surface(
        colour=colour,
        second=cuticle(genes.under("second"), 0.3),
        pattern=genes.pick("pattern", dict.fromkeys(PATTERNS, 1.0))
        if genes.chance("patterned", patterned)
        else "plain",
        pattern_seed=genes.whole("pattern seed", 0, 1 << 30),
        gloss=genes.between("gloss", 0.35, 1.1)
        if genes.chance("shiny", 0.95 if sober else 0.86)
        else genes.between("matt", 0.02, 0.3),
        shininess=genes.scaled("shininess", 5, 140),
        metallic=metallic,
        iridescence=genes.between("iridescence", -0.25, 0.25),
        roughness=rough * genes.unit("roughness"),
        rough_scale=genes.scaled("rough scale", 0.5, 2.2),
        mottle=genes.between("mottle", 0, 0.16)
        if genes.chance("mottled", 0.1 if sober else 0.25)
        else 0.0,
        pits=genes.pick("pits", {0: 1.9 if sober else 0.88, 12: 0.06, 24: 0.06}),
        pit_depth=genes.between("pit depth", 0.1, 0.9),
    )


def related(genes: Genes, surface: Surface, spread: float) -> Surface:
    """Another surface of the same animal: its colour near, its texture smoother or not."""
    return replace(
        surface,
        colour=near(genes, surface.colour, spread),
        second=near(genes.under("second"), surface.second, spread),
        pattern="plain" if genes.chance("plain", 0.7) else surface.pattern,
        gloss=min(surface.gloss * genes.scaled("gloss", 0.6, 1.6), 1.2),
        roughness=surface.roughness * genes.pick("roughness", {0.2: 0.5, 1.0: 0.5}),
        pits=surface.pits if genes.chance("pits", 0.4) else 0,
        striae=0,
    )
