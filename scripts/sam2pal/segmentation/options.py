"""How specimens are segmented."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SegmentationOptions:
    """How specimens are segmented.

    Attributes:
        batch_size: specimens that go through the model together; halved by itself when memory runs out.
        threshold: probability above which a pixel belongs to a structure.
        min_area: specks smaller than this share of their structure's mask are removed.
        turns: degrees by which specimens may lie turned (counterclockwise) against the first template; each
            is matched as it resembles the templates most.
        mirrored: specimens may also lie mirrored.
        turned: what is turned so that both lie alike, the `specimen` (before it is encoded) or the `template`
            (before it is remembered).
        nearest: how many templates a specimen is asked of, those it resembles most; 0 for all.
        round_trip: templates to which every mask is tracked back for `roundtrip_iou`; 0 for none.
        agreement: templates that are also asked alone for `agreement`; 0 for none.
        area_range: how many times larger or smaller than on any template a structure may be before it is
            flagged.
        place_margin: how far from its place on the templates, as a share of the photograph's longer side, a
            structure may be before it is flagged.
        clamp: cut masks to these limits.
        low_confidence: scores below it are flagged `low_confidence`.
        decode_threads: threads that decode photographs ahead of the model.
    """

    batch_size: int = 4
    threshold: float = 0.5
    min_area: float = 0.02
    turns: tuple[int, ...] = (0, 90, 180, 270)
    mirrored: bool = False
    turned: str = "specimen"
    nearest: int = 0
    round_trip: int = 1
    agreement: int = 0
    area_range: float = 3.0
    place_margin: float = 0.15
    clamp: bool = False
    low_confidence: float = 0.5
    decode_threads: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        for name in ("batch_size", "decode_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; found {getattr(self, name)}")
        for name in ("nearest", "round_trip", "agreement"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more; found {getattr(self, name)}")
        for name in ("threshold", "min_area", "low_confidence"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1; found {getattr(self, name)}")
        if self.turned not in ("specimen", "template"):
            raise ValueError(f"turned is specimen or template; found '{self.turned}'")
        if not self.area_range > 1:
            raise ValueError(f"area_range must be above 1; found {self.area_range}")
        if self.place_margin < 0:
            raise ValueError(f"place_margin must be 0 or more; found {self.place_margin}")
        if not self.turns or not set(self.turns) <= {0, 90, 180, 270}:
            raise ValueError(f"turns are some of 0, 90, 180 and 270; found {list(self.turns)}")
        if len(set(self.turns)) < len(self.turns):
            raise ValueError(f"turns has a value twice: {list(self.turns)}")
