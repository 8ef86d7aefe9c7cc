"""Teaching the bundled model: drawn specimens, real pictures with masks, and regions of real pictures.

Every image of a step is encoded once and serves both as a template, whose masks are remembered, and
as a specimen, on which the structures of other images of its group are found.
"""

from sam2pal.research.pretraining.batches import Batch, Batches, make_batch
from sam2pal.research.pretraining.judge import (
    drawn_groups,
    judge,
    photographed_groups,
    report_held_out,
)
from sam2pal.research.pretraining.loop import pretrain
from sam2pal.research.pretraining.optimizer import imagenet_trunk
from sam2pal.research.pretraining.options import PretrainingOptions
from sam2pal.research.pretraining.photographs import Photographs, cached

__all__ = [
    "Batch",
    "Batches",
    "Photographs",
    "PretrainingOptions",
    "cached",
    "drawn_groups",
    "imagenet_trunk",
    "judge",
    "make_batch",
    "photographed_groups",
    "pretrain",
    "report_held_out",
]
