"""GeoJSON of QuPath: a file per photograph, of the photograph's name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    absent_outline,
    flat,
    polygon_with_holes,
)
from sam2pal.dataset.exported import Exported
from sam2pal.dataset.files import write_json
from sam2pal.dataset.photographs import Photographs
from sam2pal.io.errors import InputError


def recognise(data: Any) -> bool:
    """A collection of features, or (older QuPath) a list of them."""
    if isinstance(data, list):
        return bool(data) and isinstance(data[0], dict) and data[0].get("type") == "Feature"
    return isinstance(data, dict) and data.get("type") in ("FeatureCollection", "Feature")


def read(data: Any, path: Path, photographs: Photographs) -> Source:
    """Read features of type Polygon and MultiPolygon, in pixels of the full photograph.

    The class names the structure; GeoJSON names no photograph, so the file must have its name.
    Beside the features `absent` lists structures that the specimen lacks.

    Raises:
        InputError: no photograph has the name of the file.
    """
    name = photographs.name_of_file(path)
    if name is None:
        raise InputError(
            f"{path}: GeoJSON names no photograph, and there is none called '{path.stem}' in"
            f" {photographs.place}; give the file the name of its photograph"
        )
    features = data if isinstance(data, list) else data.get("features", [data])
    source = Source()
    drawing = Drawing(name, str(path), [])
    for number, feature in enumerate(features, 1):
        label = _label(feature.get("properties") or {})
        where = f"{path}: feature {number} ('{label}')"
        geometry = feature.get("geometry") or {}
        kind = geometry.get("type")
        if kind not in ("Polygon", "MultiPolygon"):
            source.ignore(f"features of type {str(kind)[:40]}")
            continue
        if not label:
            source.faults.append(InputError(f"{where} has no class; set it in QuPath"))
            continue
        parts = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
        for part in parts:
            drawing.add(label, where, _polygon, part, label, where)
    lacking = data.get("absent") if isinstance(data, dict) else None
    for label in lacking if isinstance(lacking, list) else ():
        drawing.outlines.append(absent_outline(str(label), f"{path}: absent '{label}'"))
    source.drawings.append(drawing)
    return source


def _polygon(part: Sequence[Any], label: str, where: str) -> Outline:
    return polygon_with_holes(label, where, [flat(ring, where, more=True) for ring in part])


def _label(properties: Mapping[str, Any]) -> str:
    classification = properties.get("classification")
    name = classification.get("name") if isinstance(classification, dict) else None
    return str(name or properties.get("name") or "").strip()


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `{specimen}.geojson`: a feature per structure, on the photograph as stored."""
    for one in specimens:
        features = []
        for structure in one.present:
            parts = [
                [[*_points(ring), ring[:2]] for ring in piece]
                for piece in one.pieces(structure, as_displayed=False)
            ]
            features.append(
                {
                    "type": "Feature",
                    "geometry": {"type": "MultiPolygon", "coordinates": parts},
                    "properties": {
                        "objectType": "annotation",
                        "classification": {"name": structure},
                    },
                }
            )
        content = {"type": "FeatureCollection", "features": features, "absent": one.absent}
        write_json(folder / f"{one.specimen.specimen}.geojson", content)


def _points(ring: Sequence[float]) -> list[list[float]]:
    return [[x, y] for x, y in zip(ring[0::2], ring[1::2], strict=True)]
