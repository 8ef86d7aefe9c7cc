"""How specimens are segmented."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt

from sam2pal.config.fields import Machine, Share, Turns, options, unique


@options
class SegmentationOptions:
    """How specimens are segmented."""

    batch_size: Machine[StrictInt] = Field(4, ge=1, le=1024)
    """specimens that go through the model together; halved by itself when memory runs out"""
    window: Literal["photograph", "specimen"] = "specimen"
    """what fills the model's square: the `specimen`, which is found first and cut out as the
    templates are (where it fills its photograph, that is all of it), or the whole `photograph`.
    Training cuts its photographs alike"""
    refine: StrictBool = False
    """fit the edges of masks to the picture: the colours of what belongs to a mask and of what lies
    around it decide about each pixel of the square. Worth most on legs and antennae; confidences do
    not know of it"""
    threshold: StrictFloat = Field(0.5, ge=0, lt=1)
    """probability above which a pixel belongs to a structure"""
    min_area: StrictFloat = Field(0.02, ge=0, lt=1)
    """pieces smaller than this share of a structure's mask are removed"""
    turns: Turns = (0, 90, 180, 270)
    """degrees by which specimens may lie turned (counterclockwise) against most templates; each is
    segmented as it resembles the templates most. Use `[0]` where all lie alike"""
    mirrored: StrictBool = False
    """specimens may also lie mirrored; structures named for a side (`left_antenna`, `right eye`)
    then exchange their places"""
    ensemble: StrictInt | None = Field(None, ge=1, le=8)
    """how many times each specimen is seen: the first time as it is, then with one and a half times
    or one and a quarter times the pixels, mirrored, scaled or turned a little. The mean of the
    masks is taken. 3 is worth three to five points of IoU, and takes the model five times as
    long. None is 3 with the bundled model, and 1 with others, of which it was not measured"""
    half: StrictBool | None = None
    """compute in bfloat16 on a CPU, as GPUs do by themselves. None does so with official models where
    the processor has instructions for it (AVX512-BF16, AMX): two thirds of the time, and
    masks that differ as those of a GPU do"""
    absent_below: Share = 0.0
    """a structure is called absent, and its mask dropped, where the logit that it is there is below
    this share of the logit on the templates themselves; 0 is where the model is more sure that it is
    not there"""
    faint_below: Share = 0.4
    """a structure of which the model is less sure than on the templates is also called absent where
    its colour differs from what surrounds it by less than this share of the difference on the
    templates; 0 for never"""
    area_range: StrictFloat = Field(3.0, gt=1)
    """how many times larger or smaller than on any template a structure may be before it is flagged
    `outside_template_area`"""
    place_margin: StrictFloat = Field(0.15, ge=0)
    """how far outside of its place on the templates the middle of a mask may lie, as a share of the
    window's longer side, before it is flagged `outside_template_place`"""
    decode_threads: Machine[StrictInt] = Field(2, ge=1, le=256)
    """threads that decode photographs ahead of the model"""


@options
class SegmentationSection(SegmentationOptions):
    """How specimens are segmented, and what is drawn of them."""

    pictures: Annotated[list[Literal["overlays", "indexed"]], AfterValidator(unique)] = Field(
        default_factory=list
    )
    """also draw every specimen: `overlays` (its outlines over the photograph), `indexed` (a PNG of
    the photograph's size whose values `legend.csv` names); in `results/{genus}/{round}/`"""
