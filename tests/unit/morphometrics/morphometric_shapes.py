"""Drawn shapes of known geometry: a pixel belongs to the shape if its centre does."""

import math

import numpy as np
from scipy.spatial import ConvexHull

from sam2pal.dataset.dataset import Annotation
from sam2pal.dataset.rle import encode_mask


def _grid(extent, turn, shift):
    n = math.ceil(extent) + 6
    y, x = np.mgrid[:n, :n] + 0.5 - n / 2
    x, y = x - shift[0], y - shift[1]
    cosine, sine = math.cos(turn), math.sin(turn)
    return cosine * x + sine * y, cosine * y - sine * x


def of_hull(points):
    hull = ConvexHull(np.asarray(points, float))
    corners = hull.points[hull.vertices]
    edge = np.roll(corners, -1, axis=0) - corners
    normal = np.stack([-edge[:, 1], edge[:, 0]]) / np.hypot(*edge.T)
    apart = corners[:, None] - corners[None]
    return {
        "convex_area": hull.volume,
        "feret_max": np.hypot(apart[..., 0], apart[..., 1]).max(),
        "feret_min": np.ptp(corners @ normal, axis=0).min(),
    }


def disc(size, turn=0.0, shift=(0, 0)):
    x, y = _grid(size, turn, shift)
    radius, area = size / 2, math.pi * size**2 / 4
    truth = {"area": area, "convex_area": area, "perimeter": math.pi * size}
    truth |= dict.fromkeys(("feret_max", "feret_min", "medial_length", "medial_width_max"), size)
    return np.hypot(x, y) < radius, truth | {"major_axis": size, "minor_axis": size}


def ellipse(size, turn=0.0, shift=(0, 0)):
    """Twice as long as wide."""
    x, y = _grid(size, turn, shift)
    a, b = size / 2, size / 4
    h = ((a - b) / (a + b)) ** 2  # Ramanujan's second approximation, good to 1e-6 here
    perimeter = math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    truth = {"area": math.pi * a * b, "convex_area": math.pi * a * b, "perimeter": perimeter}
    truth |= {"feret_max": size, "feret_min": 2 * b, "medial_length": size}
    truth |= {"medial_width_max": 2 * b, "major_axis": size, "minor_axis": 2 * b}
    return (x / a) ** 2 + (y / b) ** 2 < 1, truth


def tube(size, turn=0.0, shift=(0, 0), bend=2.0, slender=4.0):
    """A flat-ended tube `size` long, bent by `bend` radians."""
    width, radius = size / slender, size / bend
    x, y = _grid(1.2 * size + 2 * width, turn, shift)
    y = y + radius * (1 + math.cos(bend / 2)) / 2
    mask = (abs(np.hypot(x, y) - radius) < width / 2) & (abs(np.arctan2(x, y)) < bend / 2)
    angle = np.linspace(-bend / 2, bend / 2, 801)
    arc = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    truth = {"area": size * width, "perimeter": 2 * (size + width), "medial_length": size}
    truth |= {"medial_width_max": width, "medial_width_mean": width}
    return mask, truth | of_hull(np.concatenate([arc * (radius + s * width / 2) for s in (-1, 1)]))


def finger(size, turn=0.0, shift=(0, 0), bend=1.5, slender=5.0):
    """A bent tube with round ends; `size` is measured between the centres of these."""
    width, radius = size / slender, size / bend
    x, y = _grid(1.2 * size + 2 * width, turn, shift)
    y = y + radius * (1 + math.cos(bend / 2)) / 2
    mask = (abs(np.hypot(x, y) - radius) < width / 2) & (abs(np.arctan2(x, y)) < bend / 2)
    angle, round_ = np.linspace(-bend / 2, bend / 2, 801), np.linspace(0, 2 * math.pi, 801)
    arc = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    points = [arc * (radius + width / 2)]
    for sign in (-1, 1):
        end = np.array([sign * math.sin(bend / 2), math.cos(bend / 2)]) * radius
        mask |= np.hypot(x - end[0], y - end[1]) < width / 2
        points.append(end + width / 2 * np.stack([np.cos(round_), np.sin(round_)], axis=1))
    truth = {"area": size * width + math.pi * width**2 / 4, "medial_length": size + width}
    truth |= {"perimeter": 2 * size + math.pi * width, "medial_width_max": width}
    return mask, truth | of_hull(np.concatenate(points))


def corner(size, turn=0.0, shift=(0, 0)):
    """An L, its arms a third as wide as long.

    Its medial axis runs along the arms, with two pieces of parabolas round the inner corner
    between them.
    """
    width = size / 3
    x, y = _grid(1.5 * size, turn, shift)
    x, y = x + size / 2, y + size / 2
    mask = (x >= 0) & (y >= 0) & ((x < size) & (y < width) | (x < width) & (y < size))
    # equally far from the inner corner (w, w) and a wall: y = ((x - w)^2 + w^2) / 2w, to y = x
    t = math.sqrt(2) - 1
    parabola = width * (t * math.sqrt(1 + t**2) + math.asinh(t)) / 2
    truth = {"area": 2 * size * width - width**2, "perimeter": 4 * size}
    truth |= {"medial_length": 2 * (size - width) + 2 * parabola}
    truth |= {"medial_width_max": 2 * width * math.sqrt(2) / (1 + math.sqrt(2))}
    points = [(0, 0), (size, 0), (size, width), (width, size), (0, size)]
    return mask, truth | of_hull(points)


def ring(size, turn=0.0, shift=(0, 0)):
    """Half as wide inside as outside."""
    x, y = _grid(size, turn, shift)
    outer, inner = size / 2, size / 4
    away = np.hypot(x, y)
    truth = {"area": math.pi * (outer**2 - inner**2), "perimeter": 2 * math.pi * (outer + inner)}
    truth |= {"convex_area": math.pi * outer**2, "feret_max": size, "feret_min": size}
    truth |= {"medial_length": math.pi * (outer + inner), "medial_width_max": outer - inner}
    return (away < outer) & (away >= inner), truth | {"medial_width_mean": outer - inner}


SHAPES = {f.__name__: f for f in (disc, ellipse, tube, finger, corner, ring)}


def annotated(mask, source="predicted", **keys):
    """The annotation of a mask `[height, width]`."""
    return Annotation((encode_mask(mask),), *mask.shape, source=source, **keys)
