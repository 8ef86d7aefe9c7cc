"""Body plans of beetles."""

from dataclasses import replace

import numpy as np

from sam2pal.synthetic.anatomy import Block, Limb, Plate, Species, Surface
from sam2pal.synthetic.colours import cuticle, near, related, sample_surface

STRUCTURES = ("head", "pronotum", "elytra", "legs", "antennae")


def _u(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def legs(
    rng: np.random.Generator,
    surface: Surface,
    places: list[tuple[int, float, float]],
    size: float,
    structure: str = "legs",
) -> list[Limb]:
    """Pairs of walking legs at (block, x, y), from the front to the rear."""
    femur = _u(rng, 0.8, 1.25) * size
    tibia = femur * _u(rng, 0.75, 1.15)
    tarsus = femur * _u(rng, 0.35, 0.9)
    thick = femur * _u(rng, 0.07, 0.15)
    thin = thick * _u(rng, 0.35, 0.65)
    growth = _u(rng, 1.0, 1.35)
    tuck = float(rng.choice([0.0, _u(rng, 0.1, 0.5)], p=[0.55, 0.45]))
    limbs = []
    number = len(places)
    bands = _u(rng, 0.3, 1.0) if rng.random() < 0.2 else 0.0
    for k, (block, x, y) in enumerate(places):
        share = k / max(number - 1, 1)
        factor = 1 + (growth - 1) * share
        first = np.interp(
            share, [0, 0.5, 1], [_u(rng, 0.5, 1.6), _u(rng, 1.3, 2.3), _u(rng, 1.9, 2.8)]
        )
        knee = np.interp(
            share, [0, 0.5, 1], [_u(rng, -1.6, 0.9), _u(rng, -0.4, 1.2), _u(rng, -0.3, 1.0)]
        )
        swell = _u(rng, 1.0, 1.3)
        limbs.append(
            Limb(
                structure,
                block,
                x,
                y,
                (
                    (femur * factor, thick * 0.75, thick * factor * swell, thick * 0.7),
                    (tibia * factor, thin * 0.75, thin, thin * 1.25),
                ),
                (float(first), float(knee)),
                (0.3, 0.4),
                surface,
                beads=int(rng.choice([4, 5])),
                bead_length=tarsus * factor / 5,
                bead_width=(thin * 0.8, thin * 0.55),
                bead_neck=_u(rng, 0.4, 0.85),
                bead_angle=_u(rng, -0.3, 0.6),
                curl=_u(rng, -0.3, 0.3),
                curl_wobble=0.6,
                bands=bands,
                spines=_u(rng, 0.3, 1.0) if rng.random() < 0.5 else 0.0,
                tip="claws",
                layer=1,
                tuck=tuck,
                lose=0.05,
            )
        )
    return limbs


def antennae(
    rng: np.random.Generator, surface: Surface, block: int, x: float, y: float, length: float
) -> Limb:
    """Thread-, bead-, comb- or club-shaped antennae of `length`."""
    number = int(rng.choice([11, 11, 11, 10, 9]))
    width = float(np.clip(length * _u(rng, 0.012, 0.028), 0.004, 0.012))
    clubbed = rng.random() < 0.25
    scape = length * _u(rng, 0.08, 0.3)
    return Limb(
        "antennae",
        block,
        x,
        y,
        ((scape, width, width * 1.2, width * 1.2),),
        (_u(rng, 0.2, 1.3),),
        (0.35,),
        surface,
        beads=number - 1,
        bead_length=(length - scape) / (number - 1),
        bead_width=(width, width * _u(rng, 0.55, 1.1)),
        bead_neck=_u(rng, 0.5, 1.0),
        bead_angle=_u(rng, -0.2, 0.9) if rng.random() < 0.7 else _u(rng, 0.8, 2.0),
        club=int(rng.integers(2, 5)) if clubbed else 0,
        club_width=width * _u(rng, 1.6, 3.5),
        curl=_u(rng, -0.5, 2.2),
        curl_wobble=0.7,
        bands=_u(rng, 0.3, 1) if rng.random() < 0.15 else 0.0,
        layer=int(rng.choice([2, 8], p=[0.4, 0.6])),
        lose=0.08,
    )


def sample_beetle(rng: np.random.Generator) -> Species:
    """A beetle of drawn proportions; snouts, long horns and broad bodies occur too."""
    form = str(rng.choice(["ground", "round", "long", "weevil"], p=[0.62, 0.14, 0.14, 0.1]))
    elytra_length = _u(rng, 0.5, 0.66)
    pronotum_length = (1 - elytra_length) * _u(rng, 0.5, 0.68)
    head_length = 1 - elytra_length - pronotum_length
    wide = (
        elytra_length
        * {
            "ground": _u(rng, 0.27, 0.42),
            "round": _u(rng, 0.42, 0.6),
            "long": _u(rng, 0.17, 0.28),
            "weevil": _u(rng, 0.3, 0.5),
        }[form]
    )
    pronotum_wide = wide * _u(rng, 0.62, 1.06)
    head_wide = min(pronotum_wide * _u(rng, 0.45, 0.95), head_length * _u(rng, 0.6, 1.0))
    head_wide = max(head_wide, 0.045)

    colour = cuticle(rng)
    base = sample_surface(rng, colour, patterned=0.0)
    same = rng.random() < 0.7
    spread = 0.25 if same else 1.0
    striated = rng.random() < 0.75
    patterned = sample_surface(rng, base.colour, patterned=0.22)
    elytra_surface = replace(
        base,
        second=patterned.second,
        pattern=patterned.pattern,
        pattern_seed=patterned.pattern_seed,
        striae=int(rng.integers(5, 12)) if striated else 0,
        stria_depth=_u(rng, 0.25, 1.0),
        stria_dots=_u(rng, 0, 1) if rng.random() < 0.35 else 0.0,
        pits=int(rng.choice([0, 12, 24], p=[0.7, 0.15, 0.15])),
    )
    if not same:
        elytra_surface = replace(elytra_surface, colour=near(rng, elytra_surface.colour, 1.0))
    pronotum_surface = related(rng, base, spread)
    head_surface = related(rng, pronotum_surface, 0.25 if rng.random() < 0.8 else 1.0)
    limb_colour = near(rng, base.colour, 0.4) if rng.random() < 0.5 else cuticle(rng, 0.1)
    leg_surface = replace(
        base, colour=limb_colour, second=near(rng, limb_colour, 1.0), pattern="plain", metallic=0.0
    )
    antenna_surface = related(rng, leg_surface, 0.7)

    shoulder = _u(rng, 0.7, 0.98)
    fullest = _u(rng, 0.35, 0.7)
    elytra = Plate(
        "elytra",
        0,
        0.0,
        elytra_length,
        (
            (0, wide * shoulder),
            (0.12, wide * (0.6 * shoulder + 0.39)),
            (fullest, wide),
            (1, wide * _u(rng, 0.6, 0.9)),
        ),
        elytra_surface,
        caps=(_u(rng, 0.02, 0.12), _u(rng, 0.3, 0.6)),
        cap_power=_u(rng, 1.8, 2.6),
        bows=(_u(rng, -0.05, 0.25), 0.0),
        flatness=_u(rng, 1.6, 4.5),
        dome=_u(rng, 2.5, 7.0),
        suture=_u(rng, 0.4, 1.0),
        rim=_u(rng, 0, 1.0),
        split=_u(rng, 0.02, 0.3) if rng.random() < 0.2 else 0.0,
        layer=5,
    )
    front, middle, rear = _u(rng, 0.6, 0.95), _u(rng, 0.3, 0.7), _u(rng, 0.6, 1.0)
    pronotum = Plate(
        "pronotum",
        1,
        -pronotum_length,
        0.0,
        ((0, pronotum_wide * front), (middle, pronotum_wide), (1, pronotum_wide * rear)),
        pronotum_surface,
        caps=(_u(rng, 0.03, 0.3), _u(rng, 0.02, 0.2)),
        cap_power=_u(rng, 1.8, 3.0),
        bows=(_u(rng, -0.45, 0.15), _u(rng, -0.3, 0.15)),
        flatness=_u(rng, 1.6, 4.0),
        dome=_u(rng, 2.5, 6.0),
        furrow=_u(rng, 0.2, 1.0) if rng.random() < 0.65 else 0.0,
        rim=_u(rng, 0, 1.0),
        layer=6,
    )
    tuck = head_length * _u(rng, 0.05, 0.3)
    snout = _u(rng, 0.2, 0.4) if form == "weevil" else _u(rng, 0.45, 0.85)
    head = Plate(
        "head",
        2,
        -pronotum_length - head_length,
        -pronotum_length + tuck,
        (
            (0, head_wide * snout),
            (0.3, head_wide * (0.5 + 0.4 * snout)),
            (0.55, head_wide),
            (1, head_wide * _u(rng, 0.65, 0.98)),
        ),
        head_surface,
        caps=(_u(rng, 0.1, 0.4), 0.1),
        cap_power=_u(rng, 1.8, 3.0),
        flatness=_u(rng, 1.5, 3.0),
        dome=_u(rng, 2.0, 5.0),
        layer=4,
    )
    eye = head_wide * _u(rng, 0.18, 0.38)
    eye_surface = replace(
        head_surface,
        colour=near(rng, (0.05, 0.045, 0.04), 0.8),
        gloss=_u(rng, 0.3, 1.2),
        pits=0,
        striae=0,
        pattern="plain",
    )
    eye_y = -pronotum_length - head_length * _u(rng, 0.3, 0.5)
    eyes = Plate(
        "eyes",
        2,
        eye_y - eye,
        eye_y + eye,
        ((0, eye * 0.8), (1, eye * 0.8)),
        eye_surface,
        caps=(0.5, 0.5),
        offset=head_wide * _u(rng, 0.8, 0.98),
        paired=True,
        layer=4,
    )
    dark = replace(
        base,
        colour=near(rng, tuple(0.6 * v for v in base.colour), 0.3),
        pattern="plain",
        striae=0,
        gloss=base.gloss * 0.6,
    )
    abdomen = Plate(
        "",
        0,
        elytra_length * 0.3,
        elytra_length * (1 + (_u(rng, 0, 0.13) if rng.random() < 0.4 else -0.03)),
        ((0, wide * 0.7), (0.7, wide * 0.75), (1, wide * 0.5)),
        dark,
        caps=(0.2, 0.4),
        layer=3,
    )
    neck = Plate(
        "",
        0,
        -0.04,
        elytra_length * 0.2,
        ((0, wide * 0.5), (1, wide * 0.7)),
        dark,
        caps=(0.1, 0.1),
        layer=3,
    )
    plates = [abdomen, neck, head, eyes, elytra, pronotum]
    if rng.random() < 0.5:
        size = wide * _u(rng, 0.1, 0.22)
        plates.append(
            Plate(
                "",
                0,
                -0.01,
                size * 1.5,
                ((0, size), (1, size * 0.1)),
                dark,
                caps=(0.0, 0.5),
                layer=5,
            )
        )
    mandible = head_length * _u(rng, 0.1, 0.45)
    leg_size = _u(rng, 0.15, 0.26) * (1.15 if form == "long" else 1.0)
    limbs = [
        *legs(
            rng,
            leg_surface,
            [
                (1, pronotum_wide * 0.5, -pronotum_length * _u(rng, 0.2, 0.5)),
                (0, wide * 0.55, elytra_length * _u(rng, 0.02, 0.12)),
                (0, wide * 0.5, elytra_length * _u(rng, 0.22, 0.38)),
            ],
            leg_size,
        ),
        antennae(
            rng,
            antenna_surface,
            2,
            head_wide * _u(rng, 0.5, 0.8),
            -pronotum_length - head_length * _u(rng, 0.5, 0.8),
            _u(rng, 0.25, 0.55) * (_u(rng, 1.0, 2.0) if form == "long" else 1.0),
        ),
    ]
    if rng.random() < 0.7:
        limbs.append(
            Limb(
                "mandibles",
                2,
                head_wide * snout * 0.5,
                -pronotum_length - head_length * 0.93,
                (
                    (mandible * 0.6, mandible * 0.25, mandible * 0.2, mandible * 0.15),
                    (mandible * 0.6, mandible * 0.15, mandible * 0.1, mandible * 0.02),
                ),
                (_u(rng, 0.1, 0.6), _u(rng, -1.3, -0.4)),
                (0.1, 0.1),
                related(rng, head_surface, 0.5),
                layer=3,
                lose=0.0,
            )
        )
    if rng.random() < 0.6:
        limbs.append(
            Limb(
                "palps",
                2,
                head_wide * snout * 0.6,
                -pronotum_length - head_length * 0.9,
                (
                    (head_length * 0.2, 0.005, 0.005, 0.005),
                    (head_length * 0.2, 0.005, 0.006, 0.007),
                ),
                (_u(rng, 0.2, 1.0), _u(rng, -0.6, 0.6)),
                (0.3, 0.4),
                antenna_surface,
                layer=2,
                lose=0.1,
            )
        )
    return Species(
        kind="beetle",
        blocks=(
            Block(-1, 0.0, 0.0, 0.0),
            Block(0, 0.0, _u(rng, 0.02, 0.1), _u(rng, -0.01, 0.02)),
            Block(1, -pronotum_length, _u(rng, 0.03, 0.15), _u(rng, -0.01, 0.02)),
        ),
        plates=tuple(plates),
        limbs=tuple(limbs),
        structures=(*STRUCTURES, "eyes", "mandibles"),
        parents=(("eyes", "head"), ("mandibles", "head"), ("palps", "head")),
        variation=_u(rng, 0.6, 1.5),
        style_seed=int(rng.integers(1 << 30)),
        pinned_on="elytra",
    )
