"""What a training looks at, encoded once whatever the number of steps."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.images.reading import Photograph, look_closer, read_photograph
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.model.adapters import frozen_by
from sam2pal.model.device import autocast
from sam2pal.model.encoder import Encoded
from sam2pal.model.ensemble import alterations, largest
from sam2pal.model.finding import NOTHING, Finder
from sam2pal.model.loading import ahead, resized, square_image
from sam2pal.model.similarity import match
from sam2pal.model.templates import COARSE, TemplateSet
from sam2pal.model.tracker import Features, Tracker
from sam2pal.model.views import sided, views_of
from sam2pal.training.augmentation import augment
from sam2pal.training.feature_cache import FeatureCache, FeaturesOnDisk
from sam2pal.training.palindrome import AnnotatedViews
from sam2pal.training.teacher import Taught, Teacher

log = logging.getLogger(__name__)

LARGEST = 512  # side of the masks to be learned, however large the square: there are many
COPIES = 3  # of an unlabelled specimen that `distillation` learns from

_Located = tuple[str, Photograph, Window]
Annotated = tuple[Tensor, Tensor, Tensor]  # an image, its masks, which of them were annotated


@dataclass(frozen=True)
class Data:
    """Everything a training looks at, encoded once.

    Attributes:
        drawn: the `T` templates as photographed.
        views: their augmented views, view by view of template 0, then of template 1, ...: [T * V].
        unseen: one view of each that is kept for validation, [T].
        pool: features of the unlabelled specimens, of each as often as there are `copies`, one after another.
        copies: of which the first are the specimens as they are, and the others altered.
        taught: what the model before training finds on them; None without `distillation`.
        left_out: why photographs of the pool could not be used, one message each.
        held_out: the template that is kept for validation with all of its views, if any.
    """

    drawn: AnnotatedViews
    views: AnnotatedViews
    unseen: AnnotatedViews
    pool: Features | Encoded | FeaturesOnDisk
    left_out: tuple[str, ...] = ()
    held_out: int | None = None
    copies: int = 1
    taught: Taught | None = None

    @property
    def specimens(self) -> int:
        """B, how many unlabelled specimens there are."""
        return len(self.pool) // self.copies

    @property
    def trained(self) -> np.ndarray:
        """The templates that training looks at."""
        return np.array([t for t in range(len(self.drawn.masks)) if t != self.held_out])


def held_out(shown: Tensor, holdout: bool | str) -> int | None:
    """The template that is held back for validation: of those that share most structures with the others, the
    last.

    Args:
        shown: [T, K] bool, structures that a template shows.
        holdout: True, False, or `auto`: if there are at least three templates.

    Raises:
        InputError: it is True and there is no other template that shows one of its structures.
    """
    if holdout is False or (holdout == "auto" and len(shown) < 3):
        return None
    shared = (shown & (shown.sum(0) > 1)).sum(1).tolist()
    if max(shared) == 0:
        if holdout == "auto":
            return None
        raise InputError(
            "training: `holdout` needs two templates that show the same structure; outline another specimen, "
            "or leave it out"
        )
    return max(range(len(shared)), key=lambda template: (shared[template], template))


def square_of_training(options: TrainingOptions, names: Sequence[str], square: int) -> int:
    """Pixels of the side of the squares on which photographs are read, of a model whose own is `square`."""
    return largest(alterations(options.ways if options.distillation > 0 else 1, names), square)


@torch.no_grad()
def prepare(
    tracker: Tracker,
    templates: TemplateSet,
    pool: Sequence[str],
    options: TrainingOptions,
    seed: int,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Data:
    """Encode the templates, their augmented views and the pool: once an image, whatever the number of steps.

    Args:
        templates: with as many pixels as `square_of_training` says, or fewer.
        pool: paths of unlabelled specimens; those that cannot be read are left out, with a warning.
        folder: for encoded images that are more than `keep_megabytes`.
        say: told what is being done.

    Raises:
        InputError: no photograph of the pool can be read.
    """
    mirror = options.mirror
    if mirror and (names := sided(templates.names)):
        mirror = False
        log.info("views are not mirrored: %s would become the other side's", ", ".join(names))
    ways = alterations(options.ways, templates.names) if options.distillation > 0 else ()
    side = square_of_training(options, templates.names, tracker.image_size)
    as_read, templates = templates, templates.at(tracker.image_size)
    _warn_of_small(templates, tracker.image_size)
    images = _Images(tracker, options, FeatureCache(options.keep_megabytes, folder))
    annotated = list(zip(templates.images, templates.masks, templates.annotated, strict=True))
    augmented = [
        [
            (
                *augment(image, masks, np.random.default_rng([seed, 3, t, view]), mirror=mirror),
                known,
            )
            for view in range(options.views + 1)
        ]
        for t, (image, masks, known) in enumerate(annotated)
    ]
    drawn = images.encode(annotated, torch.float32)
    unlabelled = _Pool(tracker, options, templates, side)
    lessons = None
    if ways:
        asked = as_read.but(held_out(drawn.shown, options.holdout))
        lessons = _Lessons(Teacher(tracker, asked, ways), tracker.image_size, mirror, seed)
    specimens = unlabelled.read(pool)
    if lessons is not None:
        specimens = lessons.read(
            specimens, lambda done: say(f"looking at unlabelled specimens: {done} of {len(pool)}")
        )
    features = images.keep(specimens)
    return Data(
        drawn,
        images.encode(chain.from_iterable(views[:-1] for views in augmented)),
        images.encode(views[-1] for views in augmented),
        features,
        tuple(unlabelled.left_out),
        copies=1 if lessons is None else COPIES,
        taught=None if lessons is None else lessons.taught,
    )


def _warn_of_small(templates: TemplateSet, side: int) -> None:
    """Name the structures that are drawn but fill no pixel of the model's square."""
    drawn = templates.masks.flatten(2).amax(2) > 0
    for template, structure in (drawn & templates.annotated & ~templates.shown).nonzero().tolist():
        log.warning(
            "template %s: '%s' is too small to be trained on at %d pixels; a larger `image_size` would show "
            "it",
            templates.specimens[template],
            templates.names[structure],
            side,
        )


class _Images:
    """Runs the frozen layers of the image encoder and keeps what they say."""

    def __init__(self, tracker: Tracker, options: TrainingOptions, cache: FeatureCache) -> None:
        self._tracker, self._cache = tracker, cache
        self._frozen = frozen_by(options.targets)

    def keep(self, images: Iterable[Tensor]) -> Features | Encoded | FeaturesOnDisk:
        """Of images [3, S, S] that come one after another."""
        return self._cache.keep(self._encode(image) for image in images)

    def encode(
        self, annotated: Iterable[Annotated], precision: torch.dtype = torch.float16
    ) -> AnnotatedViews:
        """There are many views; in half precision a pixel's covered share has steps of 0.0005."""
        images, masks, known = zip(*annotated, strict=True)
        features, device = self.keep(images), self._tracker.device
        masks = torch.stack([mask.to(device, precision) for mask in masks])
        return AnnotatedViews(features, masks, torch.stack(known).to(device))

    def _encode(self, image: Tensor) -> Features | Encoded:
        with autocast(self._tracker.device):
            return self._tracker.begin(image[None].to(self._tracker.device), self._frozen)


class _Lessons:
    """Unlabelled specimens, as they are and altered, with what the teacher finds on them."""

    def __init__(self, teacher: Teacher, square: int, mirror: bool, seed: int) -> None:
        self._teacher, self._square = teacher, square
        self._mirror, self._seed = mirror, seed
        self._found: list[Taught] = []

    @property
    def taught(self) -> Taught:
        """Of all that was read."""
        return Taught(
            torch.cat([one.masks for one in self._found]),
            torch.cat([one.trusted for one in self._found]),
        )

    def read(self, specimens: Iterable[Tensor], tell: Callable[[int], None]) -> Iterator[Tensor]:
        """Of each of the images [3, s, s] its copies [3, S, S]."""
        for number, image in enumerate(specimens):
            tell(number + 1)
            found = self._teacher(image)
            device = found.masks.device
            self._keep(found)
            image = resized(image[None], self._square)[0]
            yield image
            for copy in range(1, COPIES):
                rng = np.random.default_rng([self._seed, 6, number, copy])
                masks = F.interpolate(found.masks, self._square, mode="area")[0].cpu()
                altered, masks = augment(image, masks, rng, mirror=self._mirror)
                self._keep(Taught(masks[None].to(device), found.trusted))
                yield altered

    def _keep(self, found: Taught) -> None:
        side = min(self._square, LARGEST)
        masks = F.interpolate(found.masks, side, mode="area")
        self._found.append(Taught(masks.half(), found.trusted))


class _Pool:
    """Unlabelled specimens, turned as the templates lie.

    Attributes:
        left_out: why photographs could not be read.
    """

    def __init__(
        self, tracker: Tracker, options: TrainingOptions, templates: TemplateSet, side: int
    ) -> None:
        self._tracker, self._side = tracker, side
        self._turns = views_of(options.turns, mirrored=False)
        self._descriptors = None
        if len(self._turns) > 1:
            self._descriptors = templates.describe(tracker, self._turns, tracker.device)
        self._finder = None
        if templates.outlines:
            self._finder = Finder(tracker, templates, options.turns, self._descriptors)
        self.left_out: list[str] = []

    def read(self, paths: Sequence[str]) -> Iterator[Tensor]:
        """Images [3, s, s], of the side that was asked for.

        Raises:
            InputError: none can be read.
        """
        for found in ahead(self._closer, self._found(paths)):
            if isinstance(found, InputError):
                self.left_out.append(str(found))
                log.warning("left out of the training pool: %s", found)
            else:
                yield self._turned(square_image(found, self._side))
        if len(self.left_out) == len(paths):
            raise InputError(
                "no photograph of the training pool can be read: "
                + "; ".join(self.left_out or ["it is empty"])
            )

    def _found(self, paths: Sequence[str]) -> Iterator[_Located | InputError]:
        """The photographs with their windows: all of them where there is no finder."""
        side = self._side if self._finder is None else self._tracker.image_size * COARSE
        read = partial(_read, side=side, finder=self._finder)
        for path, seen in zip(paths, ahead(read, paths), strict=True):
            if isinstance(seen, InputError):
                yield seen
                continue
            photograph, regions = seen
            if self._finder is None:
                yield path, photograph, photograph.shown
                continue
            place = self._finder.find(path, photograph, regions)
            if place.by == NOTHING:
                yield InputError(f"{path}: no specimen like those of the templates was found")
            else:
                yield path, photograph, place.window

    def _closer(self, located: _Located | InputError) -> Photograph | InputError:
        if isinstance(located, InputError):
            return located
        try:
            return look_closer(*located, self._side)
        except InputError as error:
            return error

    def _turned(self, image: Tensor) -> Tensor:
        if self._descriptors is None:
            return image
        device = self._tracker.device
        with autocast(device):
            shown = resized(image[None].to(device), self._tracker.image_size)
            found = match(self._tracker, self._descriptors, shown)
        return self._turns[int(found.view)].undo(image)


def _read(
    path: str, side: int, finder: Finder | None
) -> tuple[Photograph, Sequence[Window]] | InputError:
    try:
        photograph = read_photograph(path, side)
    except InputError as error:
        return error
    return photograph, finder.regions(photograph) if finder else ()
