"""Measuring masks: lengths, areas, shape, colour, indices and units, and tables of them."""

from sam2pal.morphometrics.dictionary import MEASURES, SPECIMEN, Measure
from sam2pal.morphometrics.genus import Genus
from sam2pal.morphometrics.indices import Index, parse_index
from sam2pal.morphometrics.options import MeasurementOptions, check_structures
from sam2pal.morphometrics.scale import Scale, Scales
from sam2pal.morphometrics.shape import Shape
from sam2pal.morphometrics.specimen import Drawn, Measured, Measuring
from sam2pal.morphometrics.table import COLUMNS, Layout, wide, write_dictionary
from sam2pal.morphometrics.writing import TableWriter

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
