"""How specimens are segmented."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt

from sam2pal.config.fields import Machine, Share, Turns, options, unique


@options
class SegmentationOptions:
    """How specimens are segmented."""

    batch_size: Machine[StrictInt] = Field(4, ge=1, le=1024)
    """specimens that go through the model together; halved automatically when memory runs out"""
    window: Literal["photograph", "specimen"] = "specimen"
    """what fills the model's square: the `specimen`, which is found first and cut out like the
    templates, or the whole `photograph`. Training cuts its photographs in the same way"""
    refine: StrictBool | None = None
    """fit the edges of masks to the picture: each pixel near an edge is compared with the colours
    of the mask and of what lies around it. With the bundled model legs and antennae gain two
    to six points of IoU. `none` does so with the bundled model, and not with others, for which it
    was not measured"""
    threshold: StrictFloat = Field(0.5, ge=0, lt=1)
    """probability above which a pixel belongs to a structure"""
    min_area: StrictFloat = Field(0.02, ge=0, lt=1)
    """pieces smaller than this share of a structure's mask are removed"""
    turns: Turns = (0, 90, 180, 270)
    """degrees by which specimens may be turned (counterclockwise) against most templates; each is
    segmented in the orientation in which it is most similar to the templates. Use `[0]` if all
    lie the same way"""
    mirrored: StrictBool = False
    """specimens may also be mirrored; structures named for a side (`left_antenna`, `right eye`)
    then exchange places"""
    ensemble: StrictInt | None = Field(None, ge=1, le=8)
    """how many times each specimen is segmented: first as it is, then with 1.5 or 1.25 times the
    pixels, mirrored, scaled or turned a little (test-time augmentation). The mask is the mean of
    all. With the bundled model 3 gains two to three points of IoU, without `refine` four,
    and takes the model five times as long. `none` is 3 with the bundled model, and
    1 with others, for which it was not measured"""
    half: StrictBool | None = None
    """compute in bfloat16 on a CPU, as GPUs do automatically. `none` does so with official models
    if the processor has instructions for it (AVX512-BF16, AMX): it takes two thirds of the time,
    and masks differ as they do on a GPU"""
    absent_below: Share = 0.0
    """a structure is called absent, and its mask dropped, if the model's logit that it is present
    is below this share of the logit on the templates themselves; at 0 it is dropped if the model
    considers it more likely absent"""
    faint_below: Share = 0.3
    """if the model is less certain of a structure than on the templates, the structure is also
    called absent if its colour differs from the surroundings by less than this share of the
    difference on the templates; 0 for never"""
    area_range: StrictFloat = Field(3.0, gt=1)
    """factor by which a structure may be larger or smaller than on any template before it is
    flagged `outside_template_area`"""
    place_margin: StrictFloat = Field(0.15, ge=0)
    """how far the centre of a mask may lie outside its place on the templates, as a share of the
    window's longer side, before it is flagged `outside_template_place`"""
    decode_threads: Machine[StrictInt] = Field(2, ge=1, le=256)
    """threads that decode photographs in advance"""


@options
class SegmentationSection(SegmentationOptions):
    """How specimens are segmented, and what is drawn of them."""

    pictures: Annotated[list[Literal["overlays", "indexed"]], AfterValidator(unique)] = Field(
        default_factory=list
    )
    """also draw every specimen: `overlays` (its outlines over the photograph), `indexed` (a PNG of
    the photograph's size whose values `legend.csv` names); in `results/{genus}/{round}/`"""
