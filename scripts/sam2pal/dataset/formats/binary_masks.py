"""Pictures of one structure: a black or transparent ground and one other value or colour."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy
from PIL import Image

from sam2pal.images.mask_pictures import odd_colours
from sam2pal.io.errors import InputError

_FLAT = 8  # colours, more of which are a picture
_SOFT = 5  # pixels: how wide a soft edge is not, and steps from black or white that JPEG makes


class MaskError(InputError):
    """A picture is no mask."""


def binary_mask(image: Image.Image, path: Path) -> np.ndarray:
    """The mask [H, W] of a structure; `path` is what messages call it.

    Raises:
        MaskError: it is no mask of one structure.
    """
    if image.mode in ("RGBA", "LA", "PA"):
        opacity = np.asarray(image.getchannel("A"))
        if opacity.min() < 255:  # drawn on a transparent ground
            colours = np.unique(np.asarray(image.convert("RGB"))[opacity == 255], axis=0)
            if 1 < len(colours) <= _FLAT:  # a structure cut out of its photograph has more
                raise _several_colours(path, colours)
            return _cut(opacity, path)
    if image.mode == "P":
        indices = np.asarray(image)
        image = image.convert("RGB")
        black = any(colour == (0, 0, 0) for _, colour in image.getcolors(indices.size))
        if not black and len(np.unique(indices)) <= 2 and not indices.min():
            return _cut(indices, path)
    if image.mode not in ("L", "1") and not image.mode.startswith("I"):
        image = image.convert("RGB")
        return _cut(np.asarray(image).max(axis=2), path, image)
    return _cut(np.asarray(image), path)


def _check_colours(image: Image.Image, path: Path) -> None:
    """Refuse a picture on black with areas of more than one colour; soft edges are darker ones."""
    counted = odd_colours(image)
    if counted is None:  # a picture, which has other values in areas, too
        return
    main, odd = counted
    if path.suffix.lower() in (".jpg", ".jpeg", ".webp") and len(odd):  # stain edges
        code = (65536, 256, 1)
        among = np.isin(np.asarray(image).astype(np.int32) @ code, odd @ code)
        if not scipy.ndimage.minimum_filter(among.astype(np.uint8), _SOFT, mode="constant").any():
            return
    if len(odd):
        raise _several_colours(path, [main, odd[0]])


def _several_colours(path: Path, colours: Iterable[Iterable[int]]) -> MaskError:
    listed = ", ".join(f"#{bytes(map(int, colour)).hex()}" for colour in colours)
    return MaskError(
        f"{path}: this is not a binary mask: it has several colours ({listed}); save each structure"
        " alone, white on black, or name it {specimen}.png and say in a legend.csv which colour is"
        " which structure"
    )


def _cut(values: np.ndarray, path: Path, colours: Image.Image | None = None) -> np.ndarray:
    """The mask of a picture of a black ground and one other value, soft edges cut in the middle."""
    low, high = values.min().item(), values.max().item()
    if low == high and not low:
        return np.zeros(values.shape, bool)
    levels = np.unique(values)
    if low > (_SOFT if path.suffix.lower() in (".jpg", ".jpeg") else 0):
        seen = f"its darkest value is {low}, its lightest {high}"
        if colours is not None:
            most = sorted(colours.getcolors(values.size), reverse=True)[:3]
            seen = (
                f"its commonest colours are {', '.join('#' + bytes(one).hex() for _, one in most)}"
            )
        raise MaskError(
            f"{path}: the mask has no black ground: {seen}; save the structure as white on black"
        )
    if len(levels) > 2:
        between = (values > low + _SOFT) & (values < high - _SOFT)
        if len(levels) < 9:
            between = (values > low) & (values < high)
        if scipy.ndimage.minimum_filter(between.astype(np.uint8), _SOFT, mode="constant").any():
            shown = ", ".join(str(level) for level in levels[:8])
            raise MaskError(
                f"{path}: this is not a binary mask: it holds {len(levels)} values ({shown}"
                f"{', ...' if len(levels) > 8 else ''}) in areas, not only at edges; save the"
                " structure alone, white on black, or an indexed mask with a legend"
            )
    if colours is not None:
        _check_colours(colours, path)
    mask = values > (0 if len(levels) <= 2 else high / 2)
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if edge.mean() > 0.9:
        raise MaskError(
            f"{path}: the mask covers the edge of the photograph all round; it seems to be inverted:"
            " save the structure white on black"
        )
    return mask
