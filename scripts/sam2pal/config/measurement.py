"""What is measured, and how."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, model_validator

from sam2pal.config.fields import LOW_CONFIDENCE, Name, Names, Section, Share, options, unique
from sam2pal.config.scale import SEEN, ScaleSearch, Source


@options
class MeasurementSection:
    """What is measured, and how."""

    leave_out: Names = Field(default_factory=list)
    """measures not to compute"""
    indices: dict[str, Name] = Field(default_factory=dict)
    """name: expression over measures, such as `100 * head.width / head.length`"""
    body: Names = Field(default_factory=list)
    """structures whose union is the body, from which the axis and the specimen's length are
    taken; if empty, all; a specimen that lacks one of them has no length"""
    body_axis: Literal["inertia", "ends"] = "inertia"
    """`inertia`: the main axis of inertia of the body; `ends`: from the centre of the first to
    that of the last structure of `body` that is present"""
    curved: Names = Field(default_factory=list)
    """structures whose `length` and `width` follow their own medial axis (antennae, legs), that of the
    longest piece; those of the others follow the body axis"""
    min_part: StrictFloat = Field(0.01, ge=0, lt=0.5)
    """pieces smaller than this share of a structure are flagged and not measured"""
    colour: StrictBool = True
    """measure colour; this needs the photographs"""
    colour_erosion: StrictFloat = Field(2.0, ge=0, le=100)
    """pixels at the edge of a mask that are left out of its colour"""
    scale: Annotated[list[Source], AfterValidator(unique)] = Field(
        default_factory=lambda: ["specimen_table", "genus"]
    )
    """sources of the scale, in order; the first that has one is used. `bar`, `ruler` and `card`
    are looked for in the photograph (see `scale_search`); `exif` is the resolution in the file"""
    scale_search: Section[ScaleSearch] = Field(default_factory=ScaleSearch)

    @model_validator(mode="after")
    def _ends_have_two(self) -> Self:
        if self.body_axis == "ends" and len(self.body) < 2:
            raise ValueError(
                "body_axis is ends, for which body must list two structures or more, from front to rear"
            )
        return self

    @model_validator(mode="after")
    def _card_has_a_size(self) -> Self:
        if "card" in self.scale and self.scale_search.card is None:
            raise ValueError(
                "scale lists card, but its size is not known; write both sides in mm, such as"
                " `scale_search: {card: [85.6, 53.98]}`"
            )
        return self

    @model_validator(mode="after")
    def _a_column_serves(self) -> Self:
        if self.scale_search.alike is not None and self.scale_search.once != "alike":
            raise ValueError(
                "scale_search: the column that alike names is read only with `once: alike`; add that, or"
                " remove alike"
            )
        return self

    @property
    def seen(self) -> list[str]:
        """Sources of the scale that are looked for in the picture, in their order."""
        return [source for source in self.scale if source in SEEN]

    @property
    def alike(self) -> str | None:
        """Column of the table of specimens that says which photographs were taken alike, if it is read."""
        return self.scale_search.alike if self.seen else None


@options
class MeasurementOptions(MeasurementSection):
    """What is measured, how, and which masks are not trusted."""

    low_confidence: Share = LOW_CONFIDENCE
