"""One animal: its own proportions and colours, and its pose."""

from dataclasses import replace
from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from sam2pal.research.synthetic.anatomy import Limb, Plate, Species, Surface
from sam2pal.research.synthetic.canvas import Pose
from sam2pal.research.synthetic.colours import shifted


def individual(species: Species, rng: np.random.Generator) -> Species:
    """The species with one animal's own proportions and colours."""
    amount = species.variation
    stout = float(np.exp(rng.normal(0, 0.04) * amount))
    spread = abs(float(rng.normal(0, 0.3))) * amount
    hue, saturation, value = rng.uniform((-0.05, -0.3, -0.5), (0.05, 0.3, 0.5)) * spread
    change = (float(hue), float(np.exp(saturation)), float(np.exp(value)))
    known: dict[Surface, Surface] = {}

    def tinted(surface: Surface) -> Surface:
        if surface not in known:
            known[surface] = replace(
                surface,
                colour=shifted(surface.colour, *change),
                second=shifted(surface.second, *change),
            )
        return known[surface]

    plates = []
    for plate in species.plates:
        wide = stout * float(np.exp(rng.normal(0, 0.025) * amount))
        plates.append(
            replace(
                plate,
                widths=tuple((p, w * wide) for p, w in plate.widths),
                offset=plate.offset * wide,
                split=plate.split * float(rng.uniform(0, 1.5)),
                surface=tinted(plate.surface),
            )
        )
    long = float(np.exp(rng.normal(0, 0.05) * amount))
    limbs = [
        replace(
            limb,
            x=limb.x * stout,
            segments=tuple((n * long, a, m, b) for n, a, m, b in limb.segments),
            bead_length=limb.bead_length * long,
            surface=tinted(limb.surface),
        )
        for limb in species.limbs
    ]
    return replace(species, plates=tuple(plates), limbs=tuple(limbs))


class Skeleton:
    """One animal in its pose: every limb piece and plate in body coordinates of its block."""

    def __init__(
        self, species: Species, rng: np.random.Generator, lost: tuple[str, ...], supple: float = 1.0
    ) -> None:
        self.species = species
        self.lost = set(lost)
        for child, parent in species.parents:
            if parent in self.lost:
                self.lost.add(child)
        self.roll = float(rng.normal(0, 0.12))
        self.yaws = [
            block.turn + supple * float(rng.normal(0, block.yaw)) for block in species.blocks
        ]
        self.gaps = [block.gap * float(rng.uniform(0, 1.6)) for block in species.blocks]
        gone_blocks = {plate.block for plate in species.plates if plate.structure in self.lost}
        self.limbs: list[tuple[Limb, NDArray[np.float64]]] = []
        for limb in species.limbs:
            fall = limb.structure in self.lost or (
                limb.block in gone_blocks and "head" in self.lost and limb.structure != "legs"
            )
            relaxed = supple * float(rng.uniform(0.6, 1.2))
            for side in (1, -1) if limb.paired else (1,):
                joints = bend(limb, side, rng, relaxed)
                if not fall and rng.random() >= limb.lose:
                    self.limbs.append((limb, joints))
        self.plates = [
            plate
            for plate in sorted(species.plates, key=lambda plate: plate.layer)
            if plate.structure not in self.lost
        ]

    def poses(self, root: Pose) -> list[Pose]:
        """The pose of every block, given that of the whole animal."""
        poses: list[Pose] = []
        for number, block in enumerate(self.species.blocks):
            if block.parent < 0:
                poses.append(root)
            else:
                parent = poses[block.parent]
                hinge = (block.side, block.joint)
                poses.append(parent.hinged(*hinge, self.yaws[number], self.gaps[number]))
        return poses

    def points(self, root: Pose, limbs: bool) -> NDArray[np.float64]:
        """Outer points [N, 2] in pixels, of the plates and, if asked, the limbs."""
        poses = self.poses(root)
        found = []
        for plate in self.plates:
            pose = poses[plate.block]
            for x, y in corners(plate):
                found.append(pose.point(x, y))
                if plate.paired and plate.angle:
                    found.append(pose.point(-x, y))
        if limbs:
            for limb, joints in self.limbs:
                found.extend(poses[limb.block].points(joints[:, 2:4]).tolist())
        return np.array(found)


def corners(plate: Plate) -> list[tuple[float, float]]:
    """Points at both margins of a plate, in body coordinates of its block."""
    found = []
    c, s = cos(plate.angle), sin(plate.angle)
    for place_along, width in plate.widths:
        y = place_along * (plate.end - plate.start)
        shift = float(np.interp(place_along, *zip(*plate.axis, strict=True))) if plate.axis else 0.0
        for x in (shift - width, shift + width):
            found.append((plate.offset + c * x - s * y, plate.start + s * x + c * y))
    return found


def bend(limb: Limb, side: int, rng: np.random.Generator, relaxed: float) -> NDArray[np.float64]:
    """Pose one limb of a pair.

    Returns its pieces [N, 8] in body coordinates: x0, y0, x1, y1, three half widths, tone 0..1.
    """
    pieces: list[tuple[float, ...]] = []
    x, y = limb.x * side, limb.y

    def extend(direction: float, length: float, widths: tuple[float, ...], tone: float) -> None:
        nonlocal x, y
        x1 = x + sin(direction) * length * side
        y1 = y - cos(direction) * length
        pieces.append((x, y, x1, y1, *widths, tone))
        x, y = x1, y1

    direction = 0.0
    turns = (rng.standard_normal(len(limb.angles) + 3) * relaxed).tolist()
    shorter = rng.random(len(limb.segments)).tolist()
    for k, (length, *widths) in enumerate(limb.segments):
        direction += limb.angles[k] + turns[k] * limb.wobble[k]
        length *= 1 - limb.tuck * shorter[k] if k == 0 else 0.8 + 0.2 * shorter[k]
        start = (x, y)
        extend(direction, length, tuple(widths), limb.bands * (k % 2))
        if limb.spines and k == len(limb.segments) - 1:
            end = (x, y)
            for share in rng.uniform(0.3, 1.0, int(2 + 5 * limb.spines)).tolist():
                x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
                thin = widths[1] * 0.25
                turn = 0.7 if rng.random() < 0.5 else -0.7
                extend(direction + turn, widths[1] * 3.0, (thin, thin, thin * 0.5), 0.0)
            x, y = end
    if limb.beads:
        direction += limb.bead_angle + turns[-3] * 0.25
        curl = (limb.curl + turns[-2] * limb.curl_wobble) / limb.beads
        waver = turns[-1] * 0.5 / limb.beads
        beads = limb.beads
        if limb.tip != "claws" and rng.random() < 0.12:
            beads = int(rng.integers(1, limb.beads + 1))
        first, last = limb.bead_width
        for k in range(beads):
            share = k / max(limb.beads - 1, 1)
            direction += curl + waver * (share - 0.5) * 4
            width = first + (last - first) * share
            if limb.club and k >= limb.beads - limb.club:
                width = limb.club_width
            shape = (width * limb.bead_neck, width, width * (0.5 + 0.5 * limb.bead_neck))
            extend(direction, limb.bead_length, shape, limb.bands * ((k + 1) % 2))
        if limb.tip == "claws":
            end = (x, y)
            for turn in (-0.5, 0.5):
                x, y = end
                thin = last * 0.4
                extend(direction + turn, limb.bead_length * 0.5, (thin, thin, thin * 0.4), 0.0)
    return np.array(pieces)
