"""How the review page is made."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt

from sam2pal.config.fields import LOW_CONFIDENCE, Share, options, unique

Format = Literal["coco", "labelme", "cvat", "labelstudio", "yolo", "geojson", "masks"]


@options
class ReviewSection:
    """How the review page is made."""

    side: StrictInt = Field(480, ge=64, le=4000)
    """longer side of the pictures, pixels; smaller photographs are not enlarged"""
    quality: StrictInt = Field(80, ge=1, le=95)
    """quality of the JPEG pictures"""
    show: StrictInt | None = Field(None, ge=0)
    """number of specimens with a picture, the least trusted first; `none` for all. The others are
    listed in `review/specimens.tsv`; specimens without masks are always shown"""
    sheet: StrictInt = Field(20, ge=1, le=200)
    """specimens on the contact sheet"""
    sheet_columns: StrictInt = Field(5, ge=1, le=20)
    """columns of the contact sheet"""


@options
class ReviewOptions(ReviewSection):
    """How the review page is made, and which masks come first."""

    low_confidence: Share = LOW_CONFIDENCE


@options
class NextOptions:
    """Which specimens to correct next."""

    count: StrictInt = Field(20, ge=1)
    """largest number of specimens in `next.csv`"""
    formats: Annotated[list[Format], AfterValidator(unique)] = Field(
        default_factory=lambda: ["coco"]
    )
    """annotation tools for which `next/` has the predicted outlines to start from"""
