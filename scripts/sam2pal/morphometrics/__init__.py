"""Measuring masks: lengths, areas, shape, colour, indices and units, and tables of them.

Names are imported when they are first used: checking the options of a configuration needs none of
the numerical packages.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2pal.morphometrics.dictionary import MEASURES, SPECIMEN, Measure
    from sam2pal.morphometrics.genus import Genus
    from sam2pal.morphometrics.indices import Index, parse_index
    from sam2pal.morphometrics.options import MeasurementOptions, check_structures
    from sam2pal.morphometrics.scale import Scale, Scales
    from sam2pal.morphometrics.shape import Shape
    from sam2pal.morphometrics.specimen import Drawn, Measured, Measuring
    from sam2pal.morphometrics.table import COLUMNS, Layout, wide, write_dictionary
    from sam2pal.morphometrics.writing import TableWriter

_MODULES = {
    "dictionary": ("MEASURES", "SPECIMEN", "Measure"),
    "genus": ("Genus",),
    "indices": ("Index", "parse_index"),
    "options": ("MeasurementOptions", "check_structures"),
    "scale": ("Scale", "Scales"),
    "shape": ("Shape",),
    "specimen": ("Drawn", "Measured", "Measuring"),
    "table": ("COLUMNS", "Layout", "wide", "write_dictionary"),
    "writing": ("TableWriter",),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


__all__ = [
    "COLUMNS",
    "MEASURES",
    "SPECIMEN",
    "Drawn",
    "Genus",
    "Index",
    "Layout",
    "Measure",
    "Measured",
    "MeasurementOptions",
    "Measuring",
    "Scale",
    "Scales",
    "Shape",
    "TableWriter",
    "check_structures",
    "parse_index",
    "wide",
    "write_dictionary",
]
