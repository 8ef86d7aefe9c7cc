"""How the bundled model is taught."""

from pydantic import Field

from sam2pal.config.fields import options


@options
class PretrainingOptions:
    """How the bundled model is taught.

    Attributes:
        photographs: share of the groups that are real pictures with drawn masks.
        real: weight of the losses of what is not drawn; their gradients are larger, and drawings lead.
        learning_rate: peak, after `warmup` steps; it stays there until the last `cooldown` steps, in which
            it falls along a cosine to one hundredth.
        trunk_rate: learning rate of the trunk's last stage as a share of `learning_rate`; 0 freezes it.
        trunk_decay: by what factor the rate falls from each of the trunk's stages to the one before it.
        trunk_frozen: how many of the trunk's first stages are frozen.
        average: decay per step of the average of weights that is exported.
        ground_beetles: share of the drawn genera that are ground beetles whatever chance says.
        lacking: share of the drawn specimens that lack one of their structures.
        supple: share of the drawn genera whose limbs lie more differently than the species' own joints say.
        bend: how many times as far, at most, the joints of these bend.
        textures: a folder of photographs that cuticle and backgrounds of some drawings are cut from.
        turned: share of the drawn genera whose specimens are turned by multiples of 90 degrees and
            mirrored, each in its own way.
        altered: share of the drawn genera whose specimens are warped and seen in other light.
        single: share of the steps with one template; the others have two to `views - 1`.
        soft_memory: share of the steps in which memories come from predictions, as in the palindrome's
            second half.
    """

    steps: int = 1600
    groups: int = 4
    views: int = 4
    structures: int = 2
    photographs: float = Field(0.0, ge=0, le=1)
    real: float = 0.3
    image_size: int = 256
    learning_rate: float = 2e-4
    trunk_rate: float = 0.4
    trunk_decay: float = 0.85
    trunk_frozen: int = 2
    warmup: int = 100
    cooldown: int = 400
    average: float = 0.99
    weight_decay: float = 0.05
    clip: float = 1.0
    focal: float = 20.0
    dice: float = 1.0
    object: float = 1.0
    iou: float = 0.5
    ground_beetles: float = 0.25
    lacking: float = 0.15
    supple: float = 0.35
    bend: float = 2.5
    textures: str | None = None
    turned: float = 0.4
    altered: float = 0.4
    single: float = 0.5
    soft_memory: float = 0.12
    half: bool = False
    workers: int = 1
    checkpoint_minutes: float = 5.0
