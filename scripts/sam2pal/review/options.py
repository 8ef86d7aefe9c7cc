"""How the review page is made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReviewOptions:
    """Options of the review page.

    Attributes:
        per_page: specimens a page.
        side: longer side of the pictures, in pixels; smaller photographs are not enlarged.
        quality: of the JPEG pictures, 1 to 95.
        low_confidence: masks with a lower score (0..1) are marked and come first.
        show: how many specimens get a picture, those to look at first; null for all of them. The
            others are in `review/specimens.tsv`, and those without masks are always shown.
        sheet: specimens on the contact sheet.
        sheet_columns: columns of the contact sheet.
    """

    per_page: int = 200
    side: int = 480
    quality: int = 80
    low_confidence: float = 0.5
    show: int | None = None
    sheet: int = 20
    sheet_columns: int = 5

    def __post_init__(self) -> None:
        limits = {
            "per_page": (1, 5000),
            "side": (64, 4000),
            "quality": (1, 95),
            "sheet": (1, 200),
            "sheet_columns": (1, 20),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ValueError(
                    f"{name} must be a whole number from {least} to {most}; found {value!r}"
                )
        low = self.low_confidence
        if isinstance(low, bool) or not isinstance(low, int | float) or not 0 <= low <= 1:
            raise ValueError(f"low_confidence must lie between 0 and 1; found {low!r}")
        if self.show is not None and (type(self.show) is not int or self.show < 0):
            raise ValueError(f"show must be a whole number or null; found {self.show!r}")
