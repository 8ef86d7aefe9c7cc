"""The unlabelled specimens of a training, and what the model before training finds on them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.images.reading import look_closer, read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model.adapters import adapter_state, set_state
from sam2pal.model.device import autocast
from sam2pal.model.finding import NOTHING, Finder
from sam2pal.model.loading import resized, square_image
from sam2pal.model.similarity import match
from sam2pal.model.templates import SEARCH_PIXELS, TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.model.views import views_of
from sam2pal.training.teacher import PseudoLabels, Teacher

log = logging.getLogger(__name__)

COPIES = 3  # of an unlabelled specimen that `distillation` learns from
LARGEST = 512  # side of the masks to be learned, however large the square: there are many
HELD = 64 * 2**20  # bytes of photographs that are kept as read


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


class PseudoLabelsOnDemand:
    """Unlabelled specimens, as they are and altered, with what the teacher finds on them.

    An index gives the `PseudoLabels` of some, which are made when they are first asked for. Specimen 0 and
    its altered copies come first, then specimen 1 and its copies, ...
    """

    def __init__(
        self,
        unlabelled: Unlabelled,
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
