"""The images of a training, each encoded once, when a step first needs it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.images.reading import look_closer, read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model.adapters import adapter_state, frozen_by, set_state
from sam2pal.model.device import autocast, device_bytes
from sam2pal.model.encoder import Encoded
from sam2pal.model.ensemble import Alteration, alterations, largest
from sam2pal.model.finding import NOTHING, Finder
from sam2pal.model.loading import resized, square_image
from sam2pal.model.similarity import match
from sam2pal.model.templates import SEARCH_PIXELS, TemplateSet
from sam2pal.model.tracker import Features, Tracker
from sam2pal.model.views import named_for_side, views_of
from sam2pal.training.augmentation import augment
from sam2pal.training.feature_cache import FeatureCache, FeaturesOnDisk, OnDemand
from sam2pal.training.palindrome import AnnotatedViews
from sam2pal.training.teacher import PseudoLabels, Teacher

log = logging.getLogger(__name__)

LARGEST = 512  # side of the masks to be learned, however large the square: there are many
COPIES = 3  # of an unlabelled specimen that `distillation` learns from

KEPT = 0.5  # of what a training may use of the device's memory, that encoded images take at most
HELD = 64 * 2**20  # bytes of photographs that are kept as read

Annotated = tuple[Tensor, Tensor, Tensor]  # an image, its masks, which of them were annotated


@dataclass(frozen=True)
class Data:
    """The templates, their views and the specimens of a training, encoded once.

    Attributes:
        drawn: the `T` templates as photographed.
        views: their augmented views, view by view of template 0, then of template 1, ...: [T * V].
        unseen: one view of each that is kept for validation, [T].
        pool: features of the unlabelled specimens, of each as often as there are `copies`, one after another.
        copies: of which the first are the specimens as they are, and the others altered.
        pseudo_labels: what the model before training finds on them; None without `distillation`.
        left_out: why photographs of the pool could not be used, one message each; grows.
    """

    drawn: AnnotatedViews
    views: AnnotatedViews
    unseen: AnnotatedViews
    pool: Features | Encoded | FeaturesOnDisk | OnDemand
    left_out: Sequence[str] = ()
    copies: int = 1
    pseudo_labels: "PseudoLabels | PseudoLabelsOnDemand | None" = None

    @property
    def specimens(self) -> int:
        """B, how many unlabelled specimens there are."""
        return len(self.pool) // self.copies


def square_of_training(options: TrainingOptions, names: Sequence[str], square: int) -> int:
    """Pixels of the side of the squares on which photographs are read, of a model whose own is `square`."""
    return largest(_ways(options, names), square)


def _ways(options: TrainingOptions, names: Sequence[str]) -> list[Alteration]:
    return alterations(options.ways if options.distillation > 0 else 1, names)


@torch.no_grad()
def prepare(
    tracker: Tracker,
    templates: TemplateSet,
    pool: Sequence[str],
    options: TrainingOptions,
    seed: int,
    folder: Path | None = None,
) -> Data:
    """Encode the templates, and say how their augmented views and the pool are encoded: once an image, when a
    step asks for it.

    Args:
        tracker: of the model as it is before training, which teaches also when it has been trained.
        templates: with as many pixels as `square_of_training` says, or fewer.
        pool: paths of unlabelled specimens. One that cannot be used is left out, with a warning, and the next
            one stands in for it.
        folder: for encoded images that are more than `keep_megabytes`.

    Raises:
        InputError: the pool is empty.
    """
    if not pool:
        raise InputError("no photograph of the training pool can be read: it is empty")
    mirror = options.mirror
    if mirror and (names := named_for_side(templates.names)):
        mirror = False
        log.info("views are not mirrored: %s would become the other side's", ", ".join(names))
    alter = partial(augment, mirror=mirror, bend=options.bend)
    ways = _ways(options, templates.names)
    side = largest(ways, tracker.image_size)
    as_read, templates = templates, templates.at(tracker.image_size)
    _warn_of_small(templates, tracker.image_size)
    room = device_bytes(tracker.device) / 2**20
    cache = FeatureCache(min(options.keep_megabytes, KEPT * room), folder)
    images = _Images(tracker, options, cache)
    annotated = list(zip(templates.images, templates.masks, templates.annotated, strict=True))

    def augmented(template: int, view: int) -> Annotated:
        rng = np.random.default_rng([seed, 3, template, view])
        image, masks, known = annotated[template]
        return *alter(image, masks, rng), known

    drawn = images.encode(annotated, torch.float32)
    before = BeforeTraining(tracker.model)
    unlabelled = Unlabelled(tracker, options, templates, pool, side)
    labels, copies = None, 1
    if options.distillation > 0:
        teacher = Teacher(tracker, as_read, ways)
        labels, copies = PseudoLabelsOnDemand(unlabelled, teacher, before, alter, seed), COPIES

    def specimen(number: int) -> Tensor:
        with before():
            return unlabelled.on_square(number) if labels is None else labels.image(number)

    views = [(t, view) for t in range(len(templates)) for view in range(options.views)]
    unseen = [(t, options.views) for t in range(len(templates))]
    return Data(
        drawn,
        pool=images.later(specimen, copies * len(pool)),
        views=images.later_views([partial(augmented, *one) for one in views]),
        unseen=images.later_views([partial(augmented, *one) for one in unseen]),
        left_out=unlabelled.left_out,
        copies=copies,
        pseudo_labels=labels,
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

    def encode(self, annotated: Sequence[Annotated], precision: torch.dtype) -> AnnotatedViews:
        """At once."""
        images, masks, known = zip(*annotated, strict=True)
        encoded = [self._encode(image) for image in images]
        self._one = encoded[0]
        return self._views(self._cache.keep(encoded), masks, known, precision)

    def later(self, image: Callable[[int], Tensor], count: int) -> OnDemand:
        """Images [3, S, S], each when it is asked for; after some were encoded at once."""
        kept = self._cache.place(self._one, count)
        return OnDemand(lambda number: self._encode(image(number)), kept)

    def later_views(self, views: Sequence[Callable[[], Annotated]]) -> AnnotatedViews:
        """Masks at once, in half precision as there are many (steps of 0.0005); images when asked for."""
        masks, known = zip(*(view()[1:] for view in views), strict=True)
        features = self.later(lambda number: views[number]()[0], len(views))
        return self._views(features, masks, known, torch.float16)

    def _views(
        self,
        features: Features | OnDemand,
        masks: Sequence[Tensor],
        known: Sequence[Tensor],
        precision: torch.dtype,
    ) -> AnnotatedViews:
        device = self._tracker.device
        stack = torch.stack([mask.to(device, precision) for mask in masks])
        return AnnotatedViews(features, stack, torch.stack(list(known)).to(device))

    @torch.no_grad()
    def _encode(self, image: Tensor) -> Features | Encoded:
        with autocast(self._tracker.device):
            return self._tracker.begin(image[None].to(self._tracker.device), self._frozen)


class BeforeTraining:
    """A context in which a model has the weights that it had when this was made.

    Fresh adapters may be put into it afterwards: they then change nothing in the context.
    """

    def __init__(self, model: SAM2Base) -> None:
        self._model, self._state = model, adapter_state(model)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        now = adapter_state(self._model)
        before = {name: self._state.get(name, torch.zeros_like(v)) for name, v in now.items()}
        set_state(self._model, before)
        try:
            # as outside of a step
            with torch.no_grad(), torch.autocast(self._device, enabled=False):
                yield
        finally:
            set_state(self._model, now)

    @property
    def _device(self) -> str:
        return next(self._model.parameters()).device.type


class PseudoLabelsOnDemand:
    """Unlabelled specimens, as they are and altered, with what the teacher finds on them.

    An index gives the `PseudoLabels` of some, which are made when they are first asked for. Specimen 0 and
    its altered copies come first, then specimen 1 and its copies, ...
    """

    def __init__(
        self,
        unlabelled: "Unlabelled",
        teacher: Teacher,
        before: BeforeTraining,
        alter: Callable[[Tensor, Tensor, np.random.Generator], tuple[Tensor, Tensor]],
        seed: int,
    ) -> None:
        self._unlabelled, self._teacher, self._before = unlabelled, teacher, before
        self._alter, self._seed = alter, seed
        self._side = min(unlabelled.square, LARGEST)
        self._found: dict[int, PseudoLabels] = {}

    def __len__(self) -> int:
        return COPIES * len(self._unlabelled)

    def __getitem__(self, index: Tensor | slice) -> PseudoLabels:
        if isinstance(index, slice):
            index = torch.arange(*index.indices(len(self)))
        some = []
        for number in index.tolist():
            if number not in self._found:
                with self._before():
                    self._teach(number // COPIES)
            some.append(self._found[number])
        return PseudoLabels(
            torch.cat([one.masks for one in some]), torch.cat([one.trusted for one in some])
        )

    @property
    def nbytes(self) -> int:
        """What all of them take in the device's memory."""
        return 2 * len(self) * self._teacher.structures * self._side**2

    def image(self, number: int) -> Tensor:
        """One of them, [3, S, S]."""
        specimen, copy = divmod(number, COPIES)
        image = self._unlabelled.on_square(specimen)
        return image if copy == 0 else self._altered(image, torch.zeros_like(image), number)[0]

    def _altered(self, image: Tensor, masks: Tensor, number: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self._seed, 6, *divmod(number, COPIES)])
        return self._alter(image, masks, rng)

    def _teach(self, specimen: int) -> None:
        found = self._teacher(self._unlabelled[specimen])
        image, first = self._unlabelled.on_square(specimen), specimen * COPIES
        self._keep(first, found)
        masks = F.interpolate(found.masks, image.shape[-1], mode="area")[0].cpu()
        for number in range(first + 1, first + COPIES):
            altered = self._altered(image, masks, number)[1]
            self._keep(number, PseudoLabels(altered[None].to(found.masks.device), found.trusted))

    def _keep(self, number: int, found: PseudoLabels) -> None:
        masks = F.interpolate(found.masks, self._side, mode="area")
        self._found[number] = PseudoLabels(masks.half(), found.trusted)


class Unlabelled:
    """The specimens of a pool in their windows, turned as the templates lie; read when they are asked for."""

    def __init__(
        self,
        tracker: Tracker,
        options: TrainingOptions,
        templates: TemplateSet,
        paths: Sequence[str],
        side: int,
    ) -> None:
        self._tracker, self._paths, self._side = tracker, paths, side
        self._turns = views_of(options.turns, mirrored=False)
        self._descriptors = None
        if len(self._turns) > 1:
            self._descriptors = templates.describe(tracker, self._turns, tracker.device)
        self._finder = None
        if templates.outlines:
            self._finder = Finder(tracker, templates, options.turns, self._descriptors)
        self.left_out: list[str] = []
        self._useless: set[int] = set()
        self._read: dict[int, Tensor] = {}  # the last ones

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> Tensor:
        """[3, s, s]; of the next one that can be used if this one cannot."""
        for place in range(number, number + len(self)):
            place %= len(self)
            if place in self._useless:
                continue
            if place not in self._read:
                try:
                    image = self._see(self._paths[place])
                except InputError as error:
                    self._useless.add(place)
                    self.left_out.append(str(error))
                    log.warning("left out of the training pool: %s", error)
                    continue
                while self._read and sum(one.nbytes for one in self._read.values()) > HELD:
                    del self._read[next(iter(self._read))]
                self._read[place] = image
            return self._read[place]
        said = "; ".join(self.left_out)
        raise InputError(f"no photograph of the training pool can be read: {said}")

    @property
    def square(self) -> int:
        """S, the side of the model's own square."""
        return self._tracker.image_size

    def on_square(self, number: int) -> Tensor:
        """The same [3, S, S]."""
        return resized(self[number][None], self.square)[0]

    def _see(self, path: str) -> Tensor:
        side = self._side if self._finder is None else self.square * SEARCH_PIXELS
        photograph = read_photograph(path, side)
        window = photograph.shown
        if self._finder is not None:
            place = self._finder.find(path, photograph, self._finder.regions(photograph))
            if place.by == NOTHING:
                raise InputError(f"{path}: no specimen like those of the templates was found")
            window = place.window
        closer = look_closer(path, photograph, window, self._side)
        return self._turned(square_image(closer, self._side))

    def _turned(self, image: Tensor) -> Tensor:
        if self._descriptors is None:
            return image
        device = self._tracker.device
        with autocast(device):
            shown = resized(image[None].to(device), self.square)
            found = match(self._tracker, self._descriptors, shown)
        return self._turns[int(found.view)].undo(image)
