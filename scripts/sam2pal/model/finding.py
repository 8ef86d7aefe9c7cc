"""Where the specimen lies in a photograph that shows more than it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from sam2pal.dataset.runs import Runs
from sam2pal.images.foreground import SIDE, regions_like
from sam2pal.images.reading import Photograph
from sam2pal.images.window import Window, enclosing
from sam2pal.model.device import autocast, enough_memory
from sam2pal.model.loading import letterbox_of, square_image
from sam2pal.model.similarity import match
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Memory, Tracker, drawn_logits
from sam2pal.model.views import views_of

REGIONS = 3  # that stand out, of which the model is asked
SURE = 0.5  # quality above which no other window is asked
FOUND = 0.3  # quality below which there is no specimen
SPECK = 0.02  # pieces smaller than this share of the masks do not count
NEAR = 0.01  # of a window's side: masks that come so near to its edge may go on beyond it
WIDER = 0.75  # of what the specimen would fill, where limbs may have been cut off
WIDENED = 2  # times at most
MORE = 1.2  # times as long as before: a smaller gain is not worth a smaller specimen on the square

PHOTOGRAPH, FOREGROUND, MODEL, NOTHING = "photograph", "foreground", "model", "nothing"

_Box = tuple[float, float, float, float]


class FoundWindow(NamedTuple):
    """Where a specimen was found.

    Attributes:
        by: `photograph` (it fills the photograph), `foreground` (it stands out from the background),
            `model` (by its masks on the whole photograph) or `nothing` (it was not found).
        quality: mean predicted IoU, times object score, of the structures there; None where nobody asked.
        box: (top, left, height, width) of the masks, where some were found.
    """

    window: Window
    by: str
    quality: float | None
    box: _Box | None = None


class Finder:
    """Finds the specimen of a photograph, and cuts its window as the templates' are cut.

    What stands out from the background is compared with the templates' outlines. Of the most alike regions
    the model is asked, one after another, how well it finds the structures there, from the template that
    shows most; the window is laid round the masks that it found. The whole photograph is asked first where
    the templates fill theirs.

    Args:
        templates: with windows.
        turns: degrees by which specimens may lie turned.
        descriptors: of the templates in all turns, [T, V, D]; not needed of one turn.
    """

    def __init__(
        self,
        tracker: Tracker,
        templates: TemplateSet,
        turns: Sequence[int],
        descriptors: Tensor | None,
    ) -> None:
        self._tracker, self._views = tracker, views_of(turns, mirrored=False)
        self._outlines, self._filled = templates.outlines, templates.filled
        self._fill, self._large = templates.fill, templates.large
        self._templates = templates
        self._descriptors = descriptors if len(self._views) > 1 else None

    @cached_property
    def _memory(self) -> Memory:
        """Of the template that shows most; where specimens fill their photographs nobody asks for it."""
        templates, device = self._templates, self._tracker.device
        most = int(templates.shown.sum(1).argmax())
        masks = templates.masks[most][templates.shown[most]][:, None].to(device)
        with autocast(device):
            features = self._tracker.encode(templates.images[[most]].to(device))
            return self._tracker.memorize(features, drawn_logits(masks))

    def regions(self, photograph: Photograph) -> list[Window]:
        """Windows round what stands out and looks like a specimen; no model is asked.

        Args:
            photograph: all of it.
        """
        pixels = photograph.small(SIDE)
        scale = max(photograph.displayed_shape) / max(pixels.shape[:2])
        found = regions_like(pixels, self._outlines, REGIONS) if self._outlines else []
        return [
            self._around(tuple(edge * scale for edge in region.box), photograph) for region in found
        ]

    def find(self, path: str, photograph: Photograph, regions: Sequence[Window]) -> FoundWindow:
        """The window of the specimen.

        Args:
            path: of the photograph, for messages.
            photograph: all of it, with `SEARCH_PIXELS` times the pixels of the square if it has as many.
            regions: as `regions` says.

        Raises:
            InputError: the device has not enough memory for one image.
        """
        with enough_memory(path, self._tracker.device):
            return self._find(photograph, regions)

    def _find(self, photograph: Photograph, regions: Sequence[Window]) -> FoundWindow:
        whole = photograph.shown
        if self._fill and regions[:1] == [whole]:
            return FoundWindow(whole, PHOTOGRAPH, None)
        asked: list[FoundWindow] = []
        places = [(whole, PHOTOGRAPH)] if self._fill else []
        for window, by in [*places, *((window, FOREGROUND) for window in regions)]:
            if window not in [one.window for one in asked]:
                asked.append(self._judge(photograph, window, by))
                if asked[-1].quality >= SURE:
                    break
        best = max(asked, key=lambda one: one.quality, default=None)
        if best is None or best.quality < FOUND:
            coarse = self._judge(photograph, whole, PHOTOGRAPH)
            asked.append(coarse)
            if coarse.box is not None:
                window = self._around(coarse.box, photograph)
                asked.append(self._judge(photograph, window, MODEL))
            best = max(asked, key=lambda one: one.quality)
        if best.quality < FOUND:
            return FoundWindow(whole, PHOTOGRAPH if self._large else NOTHING, best.quality)
        if best.box is None or (self._fill and best.window == whole):
            return FoundWindow(whole, PHOTOGRAPH, best.quality)
        window = self._around(self._whole_of(best, photograph), photograph)
        return FoundWindow(window, PHOTOGRAPH if window == whole else best.by, best.quality)

    def _whole_of(self, found: FoundWindow, photograph: Photograph) -> _Box:
        """The box of masks, with limbs that reach far beyond the window in which they were found."""
        box, window = found.box, found.window
        for _ in range(WIDENED):
            if not _cut_off(box, window, photograph.displayed_shape):
                break
            window = Window.around(box, WIDER * self._filled, photograph.displayed_shape)
            more = self._judge(photograph, window, found.by).box
            if more is None:
                break
            box = enclosing((box, more))
        return box if max(box[2:]) >= MORE * max(found.box[2:]) else found.box

    def _around(self, box: tuple[float, ...], photograph: Photograph) -> Window:
        return Window.around(box, self._filled, photograph.displayed_shape)

    @torch.no_grad()
    def _judge(self, photograph: Photograph, window: Window, by: str) -> FoundWindow:
        """How well the model finds the structures in a window, and where."""
        shown = photograph if window == photograph.shown else photograph.cut(window)
        image = square_image(shown, self._tracker.image_size)[None].to(self._tracker.device)
        with autocast(image.device):
            view = self._views[0]
            if self._descriptors is not None:
                view = self._views[int(match(self._tracker, self._descriptors, image).view)]
            found = self._tracker.track(self._tracker.encode(view.undo(image)), [self._memory])
        quality = found.predicted_iou.float().clamp(0, 1) * found.object_score.float().sigmoid()
        union = view.apply(found.logits[:, 0].float().amax(0)) > 0
        return FoundWindow(window, by, float(quality.mean()), _box(union, shown, image.shape[-1]))


def _cut_off(box: _Box, window: Window, size: tuple[int, int]) -> bool:
    """Whether a box comes near to an edge of a window beyond which a photograph of that size goes on."""
    top, left, height, width = box
    near = NEAR * window.side
    bottom, right = window.top + window.height, window.left + window.width
    return (
        (window.top > 0 and top < window.top + near)
        or (window.left > 0 and left < window.left + near)
        or (bottom < size[0] and top + height > bottom - near)
        or (right < size[1] and left + width > right - near)
    )


def _box(union: Tensor, photograph: Photograph, square: int) -> _Box | None:
    """(top, left, height, width) in the photograph of masks over its square, [s, s]; None without a pixel."""
    side = len(union)
    left, top, wide, high = Runs.of(union.cpu().numpy(), side, side).without_specks(SPECK).bbox()
    if not wide:
        return None
    box, window, step = letterbox_of(photograph, square), photograph.shown, square / side
    down, across = window.height / box.box[2], window.width / box.box[3]
    return (
        (top * step - box.box[0]) * down + window.top,
        (left * step - box.box[1]) * across + window.left,
        high * step * down,
        wide * step * across,
    )
