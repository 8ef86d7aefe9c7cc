"""Photographs: reading them, and mapping them to the model's square and back."""

from sam2pal.images.letterbox import Letterbox
from sam2pal.images.orientation import stored, upright
from sam2pal.images.reading import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    UNSUPPORTED_SUFFIXES,
    Header,
    Photograph,
    inspect,
    probe,
    read_photograph,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "UNSUPPORTED_SUFFIXES",
    "Header",
    "Letterbox",
    "Photograph",
    "inspect",
    "probe",
    "read_photograph",
    "stored",
    "upright",
]
