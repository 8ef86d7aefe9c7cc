"""How specimens are segmented."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SegmentationOptions:
    """How specimens are segmented.

    Attributes:
        batch_size: specimens that go through the model together; halved by itself when memory runs out.
        threshold: probability above which a pixel belongs to a structure.
        min_area: specks smaller than this share of their structure's mask are removed.
        round_trip: templates to which every mask is tracked back for `roundtrip_iou`; 0 for none.
        low_confidence: scores below it are flagged `low_confidence`.
        decode_threads: threads that decode photographs ahead of the model.
    """

    batch_size: int = 4
    threshold: float = 0.5
    min_area: float = 0.02
    round_trip: int = 1
    low_confidence: float = 0.5
    decode_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("batch_size", "decode_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; found {getattr(self, name)}")
        for name in ("threshold", "min_area", "low_confidence"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1; found {getattr(self, name)}")
