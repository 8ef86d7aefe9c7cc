"""Photographs: reading them, and mapping them to the model's square and back."""

from sam2pal.images.folder import Found, Listing, natural_key, scan, walk
from sam2pal.images.header import MAX_PIXELS, Header
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.orientation import stored, upright
from sam2pal.images.reading import (
    IMAGE_SUFFIXES,
    UNSUPPORTED_SUFFIXES,
    Photograph,
    inspect,
    probe,
    read_photograph,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "UNSUPPORTED_SUFFIXES",
    "Found",
    "Header",
    "Letterbox",
    "Listing",
    "Photograph",
    "inspect",
    "natural_key",
    "probe",
    "read_photograph",
    "scan",
    "stored",
    "upright",
    "walk",
]
