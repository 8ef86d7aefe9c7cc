"""Views of the templates: turned by quarter turns, mirrored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam2pal.io.errors import InputError

_OTHER = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
_SIDE = re.compile(r"(?<![A-Za-z])([Ll]eft|[Rr]ight)(?![a-z])")


@dataclass(frozen=True)
class View:
    """A template mirrored (left and right exchanged), then turned counterclockwise.

    A specimen that is matched in a view lies on its photograph as the template does in that view.
    """

    turn: int = 0
    mirrored: bool = False

    @property
    def name(self) -> str:
        """As in the predictions: `0`, `90` ..., `mirrored`, `mirrored 90` ..."""
        if not self.mirrored:
            return str(self.turn)
        return f"mirrored {self.turn}" if self.turn else "mirrored"

    def apply(self, square: Tensor) -> Tensor:
        """Turn [..., s, s] as the view says; exact, no value changes."""
        return torch.rot90(square.flip(-1) if self.mirrored else square, self.turn // 90, (-2, -1))

    def undo(self, square: Tensor) -> Tensor:
        """The inverse of `apply`."""
        square = torch.rot90(square, -self.turn // 90, (-2, -1))
        return square.flip(-1) if self.mirrored else square


def views_of(turns: Sequence[int], mirrored: bool) -> list[View]:
    """The views that the options name, in their order, the mirrored ones last."""
    return [
        View(turn, flip) for flip in ((False, True) if mirrored else (False,)) for turn in turns
    ]


def named_for_side(names: Sequence[str]) -> list[str]:
    """The structures that are named for a side (`left` or `right` as a word or between underscores)."""
    return [name for name in names if _SIDE.search(name)]


def other_side(names: Sequence[str]) -> list[int]:
    """For each structure the one whose place it takes in a mirrored view.

    The left antenna of a mirrored template lies where a right one would: structures that are named for a side
    (`left` or `right` as a word or between underscores) exchange their masks.

    Raises:
        InputError: a structure is named for a side and its counterpart is not a structure.
    """
    partners = []
    for name in names:
        other = _SIDE.sub(lambda found: _OTHER[found[1]], name)
        if other not in names:
            raise InputError(
                f"segmentation: `mirrored` exchanges left and right, but '{name}' has no counterpart "
                f"'{other}' among the structures; outline it too, rename it, or leave `mirrored` out"
            )
        partners.append(list(names).index(other))
    return partners
