"""From photographs to logits: specimens are matched with the templates, encoded once, and tracked."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.dataset.manifest import Specimen
from sam2pal.images.reading import Photograph
from sam2pal.model.combining import Decision, decide_by_one, decide_together
from sam2pal.model.device import autocast, enough_memory, out_of_memory
from sam2pal.model.ensemble import ensemble, largest
from sam2pal.model.loading import resized, square_image
from sam2pal.model.similarity import Match, describe_bodies, match
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.bank import Bank
from sam2pal.segmentation.refining import fit_edges
from sam2pal.segmentation.signals import in_cells

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrackedBatch:
    """What was tracked on `B` specimens: `F` followed structures each, N = B * F.

    Attributes:
        logits: [B, F, s, s], on the photographs as they are; see `Decision`.
        decision: on the N objects; turned as the specimens were.
        match: the views that were taken.
        known: [N] bool; False where no template shows the structure in that view.
        body_likeness: [B], of all that was found to what is drawn on the template that is most alike.
    """

    logits: Tensor
    decision: Decision
    match: Match
    known: Tensor
    body_likeness: Tensor


@torch.no_grad()
def track_batch(
    tracker: Tracker, bank: Bank, images: Tensor, known: Match | None = None
) -> TrackedBatch:
    """Track the followed structures on `B` specimens.

    Args:
        images: [B, 3, s, s], s as large as any of the bank's ways needs.
        known: how they lie, if that was found before.
    """
    side = tracker.image_size
    with autocast(images.device):
        found = known or choose_view(tracker, bank, resized(images, side))
        view = found.view
        turned = [bank.views[v].undo(image) for v, image in zip(view.tolist(), images, strict=True)]
        structures = bank.structures(view)
        valid = bank.shown.T[structures.flatten()]  # [N, T]
        shown = valid.any(1)
        # nothing to follow: any memory stands in, and `known` says that the outcome means nothing
        valid[:, 0] |= ~shown

        coarse: list[Tensor] = []

        def ask(seen: Tensor) -> Decision:
            features = tracker.encode(seen)
            coarse.append(features.low)
            memories = [
                replace(memory, valid=asks)
                for memory, asks in zip(
                    bank.recall(structures.flatten(), seen.shape[-1]), valid.unbind(1), strict=True
                )
            ]
            if len(memories) == 1:
                return decide_by_one(tracker, features, memories[0])
            skills = bank.skills.T[structures.flatten()]
            return decide_together(tracker, features, memories, valid, skills)

        decision = ensemble(ask, torch.stack(turned), bank.ways, side)
    logits = decision.logits.unflatten(0, structures.shape)[:, :, 0]
    lying = [bank.views[v].apply(one) for v, one in zip(view.tolist(), logits, strict=True)]
    # the first of the ways is to see the specimen as it is
    bodies = describe_bodies(coarse[0], logits.amax(1) > 0)
    with torch.autocast(images.device.type, enabled=False):  # half precision knows three digits
        alike = (bodies @ bank.bodies.T).amax(1)
    return TrackedBatch(torch.stack(lying), decision, found, shown, alike)


def choose_view(tracker: Tracker, bank: Bank, images: Tensor) -> Match:
    """How the specimens lie; scores are NaN where nothing had to be compared."""
    if bank.descriptors is not None:
        return match(tracker, bank.descriptors, images)
    first = torch.zeros(len(images), dtype=torch.long, device=images.device)
    return Match(first, torch.full((len(images), 1), torch.nan, device=images.device))


@dataclass(frozen=True)
class Outcome:
    """One specimen's share of a batch: [F, ...] arrays.

    Attributes:
        square: side of the square on which the specimen was seen, and over which the logits lie.
        fitted: [F, S, S], logits fitted to the picture, of which masks are then made.
        colours: [3, S/4, S/4], of the photograph, normalised as the model sees it.
        view: index of the view that was taken.
        view_scores: [V], NaN where there was nothing to choose.
        shares: [T], of each template in the decision, mean over the structures that were followed.
        body_likeness: of all that was found to what is drawn on the template that is most alike, at most 1.
    """

    square: int
    logits: np.ndarray
    predicted_iou: np.ndarray
    object_score: np.ndarray
    steadiness: np.ndarray | None = None
    known: np.ndarray | None = None
    colours: np.ndarray | None = None
    view: int = 0
    view_scores: np.ndarray | None = None
    shares: np.ndarray | None = None
    fitted: np.ndarray | None = None
    body_likeness: float | None = None

    @property
    def cells(self) -> np.ndarray:
        """The logits on the grid of the colours, [F, S/4, S/4]."""
        return (
            self.logits if self.colours is None else in_cells(self.logits, self.colours.shape[-1])
        )


def track_halving(
    tracker: Tracker,
    bank: Bank,
    specimens: list[tuple[Specimen, Photograph]],
    options: SegmentationOptions,
    lie: Sequence[Outcome] | None = None,
) -> tuple[list[Outcome], int]:
    """Track photographs in one batch, or in halves where memory lacks; also how many fit from now on."""
    if not specimens:
        return [], options.batch_size
    side = largest(bank.ways, tracker.image_size)
    images = torch.stack([square_image(photograph, side) for _, photograph in specimens])
    try:
        alone = enough_memory(specimens[0][0].path, tracker.device)
        with alone if len(specimens) == 1 else nullcontext():
            return track_images(tracker, bank, images, options.refine, lie), options.batch_size
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
    # outside of the handler, which would keep the tensors of the failed try alive
    if tracker.device.type == "cuda":
        torch.cuda.empty_cache()
    fits = len(specimens) // 2
    log.warning("out of memory with %d specimens per batch: going on with %d", len(specimens), fits)
    outcomes = []
    while len(outcomes) < len(specimens):
        part = slice(len(outcomes), len(outcomes) + fits)
        more, fits_now = track_halving(
            tracker, bank, specimens[part], options, lie[part] if lie else None
        )
        outcomes += more
        fits = min(fits, fits_now)
    return outcomes, fits


def track_images(
    tracker: Tracker,
    bank: Bank,
    images: Tensor,
    refine: bool | None,
    lie: Sequence[Outcome] | None = None,
) -> list[Outcome]:
    """Track the followed structures on images [B, 3, s, s], as large as `track_batch` needs them.

    Args:
        refine: also fit their edges to the pictures.
        lie: outcomes of the same specimens, that say how they lie.
    """
    known = _lying(lie, tracker.device) if lie else None
    images = images.to(tracker.device)
    batch = track_batch(tracker, bank, images, known)
    count = len(images)
    fitted: list[np.ndarray | None] = [None] * count
    if refine:
        cells = tracker.image_size // 4
        pairs = zip(batch.logits, images, strict=True)
        fitted = [fit_edges(*pair, cells).cpu().numpy() for pair in pairs]

    def split(values: Tensor | None) -> list:
        if values is None:
            return [None] * count
        return list(values.unflatten(0, (count, -1)).float().cpu().numpy())

    decision = batch.decision
    shares = decision.shares * batch.known[:, None]
    followed = batch.known.unflatten(0, (count, -1)).sum(1).clamp(min=1)
    shares = shares.unflatten(0, (count, -1)).sum(1) / followed[:, None]
    return [
        Outcome(
            images.shape[-1],
            *values,
            view=int(batch.match.view[i]),
            view_scores=batch.match.scores[i].cpu().numpy(),
            shares=shares[i].cpu().numpy(),
            fitted=fitted[i],
            body_likeness=float(batch.body_likeness[i]),
        )
        for i, values in enumerate(
            zip(
                batch.logits.float().cpu().numpy(),
                split(decision.predicted_iou),
                split(decision.object_score),
                split(decision.steadiness),
                split(batch.known),
                F.avg_pool2d(resized(images, tracker.image_size), 4).float().cpu().numpy(),
                strict=True,
            )
        )
    ]


def _lying(outcomes: Sequence[Outcome], device: torch.device) -> Match:
    """The views of outcomes, for another batch of the same specimens."""
    return Match(
        torch.tensor([outcome.view for outcome in outcomes], device=device),
        torch.from_numpy(np.stack([outcome.view_scores for outcome in outcomes])).to(device),
    )
