"""Outlines drawn into photographs, and contact sheets of such pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sam2pal.images.reading import Photograph
from sam2pal.images.reduction import box_means, factor_for
from sam2pal.review.colours import CASING, LineStyle, line_styles
from sam2pal.review.outlines import Polygon, outlines

_SMOOTH = 2400  # pictures up to this longer side are drawn twice or three times as large


def fit(width: int, height: int, side: int | None) -> tuple[int, int]:
    """The size of a picture whose longer side is at most `side`; never larger than it is."""
    scale = 1.0 if side is None else min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink(photograph: np.ndarray | Photograph, side: int | None) -> Image.Image:
    """A picture of a photograph, or of pixels uint8 `[H, W, 3]`, at most `side` pixels wide and high."""
    if isinstance(photograph, np.ndarray):
        pixels, frame = photograph, None
        height, width = photograph.shape[:2]
    else:
        pixels, frame = photograph.pixels, photograph.frame
        height, width = photograph.displayed_shape
    size = fit(width, height, side)
    if frame is None and size == (width, height):
        return Image.fromarray(pixels)
    if frame is None and (factor := factor_for(width, height, max(size))) > 1:
        pixels, frame = box_means(pixels, factor), (0, 0, width / factor, height / factor)
    return Image.fromarray(pixels).resize(
        size, Image.Resampling.LANCZOS, box=frame, reducing_gap=3.0
    )


def trace(mask: np.ndarray, side: int, longer: int | None = None) -> list[Polygon]:
    """Outlines of a mask, as fine as a picture of longer side `side` can show (and some more)."""
    longer = max(mask.shape) if longer is None else longer
    return outlines(mask, max(1, longer // (2 * side)), 0.4 * max(1.0, longer / side))


def render_overlay(
    pixels: np.ndarray,
    masks: Mapping[str, np.ndarray],
    structures: Sequence[str] | None = None,
    side: int | None = None,
    fill: float = 0.0,
    legend: bool = False,
) -> np.ndarray:
    """Draw the outlines of masks over a photograph: uint8 `[h, w, 3]`.

    Args:
        pixels: uint8 `[H, W, 3]`, upright.
        masks: bool `[H, W]` by structure, upright; an empty one draws nothing.
        structures: all structures in the configuration's order, which decides their colours; the
            order of `masks` if not given.
        side: longer side of the result, in pixels; as large as the photograph if not given.

    Raises:
        ValueError: a mask has another size than the photograph, or is none of `structures`.
    """
    structures = list(masks) if structures is None else list(structures)
    styles = line_styles(structures)
    height, width = pixels.shape[:2]
    for name, mask in masks.items():
        if name not in styles:
            raise ValueError(f"the mask '{name}' is none of {', '.join(structures)}")
        if mask.shape != (height, width):
            raise ValueError(
                f"the mask '{name}' has {mask.shape[1]} x {mask.shape[0]} pixels, the photograph"
                f" {width} x {height}"
            )
    image = shrink(pixels, side)
    longer = max(image.size)
    polygons = {name: trace(masks[name], longer) for name in structures if name in masks}
    scale = np.array([image.width / width, image.height / height])
    for name in polygons:
        if fill > 0:
            image = _filled(image, masks[name], styles[name], fill)
    image = _stroked(image, polygons, styles, scale, max(1.4, longer / 320))
    if legend:
        shown = {name: styles[name] for name in structures}
        image = _stacked([image, legend_strip(shown, image.width)])
    return np.asarray(image)


@dataclass(frozen=True)
class Cell:
    """A picture of a contact sheet: pixels uint8 `[h, w, 3]` and up to two lines of caption."""

    pixels: np.ndarray
    caption: tuple[str, ...] = ()


def contact_sheet(
    cells: Sequence[Cell], structures: Sequence[str], columns: int, size: int, title: str
) -> np.ndarray:
    """Pictures in rows, with a title above, captions and a legend below.

    Args:
        size: of a cell, in pixels; larger pictures are reduced, smaller ones are not enlarged.

    Returns:
        uint8 `[h, w, 3]`.
    """
    columns = max(1, min(columns, len(cells)))
    gap, font = size // 25, _font(max(11, size // 20))
    step = round(font.size * 1.35)
    row_height = size + step * 2 + gap
    rows = -(-len(cells) // columns)
    width = columns * (size + gap) + gap
    grid = Image.new("RGB", (width, max(1, rows * row_height)), "white")
    draw = ImageDraw.Draw(grid)
    for i, cell in enumerate(cells):
        left = gap + (i % columns) * (size + gap)
        top = (i // columns) * row_height
        picture = shrink(cell.pixels, size)
        corner = (left + (size - picture.width) // 2, top + (size - picture.height) // 2)
        grid.paste(picture, corner)
        for number, text in enumerate(cell.caption[:2]):
            place = (left + size / 2, top + size + 2 + number * step)
            draw.text(place, _shortened(text, font, size), "black", font, anchor="ma")
    strips = [grid, legend_strip(line_styles(structures), width)]
    if title:
        strips.insert(0, _title(title, width, _font(max(13, size // 16)), gap))
    return np.asarray(_stacked(strips))


def legend_strip(styles: Mapping[str, LineStyle], width: int) -> Image.Image:
    """A strip of the given width that names the structures beside samples of their lines."""
    font = _font(max(11, min(20, width // 45)))
    unit = font.size
    row, x, y = round(unit * 1.7), unit, round(unit * 0.6)
    places = []
    for name in styles:
        needed = round(unit * 3.4 + font.getlength(name))
        if x > unit and x + needed > width:
            x, y = unit, y + row
        places.append((name, x, y))
        x += needed
    strip = Image.new("RGB", (width, y + row), "white")
    draw = ImageDraw.Draw(strip)
    for name, x, y in places:
        box = (x, y, x + round(unit * 2.2), y + round(unit * 1.1))
        draw.rectangle(box, fill="#6b6b6b")  # white and yellow would not show on the strip
        middle = (box[1] + box[3]) / 2
        ends = np.array([[box[0] + 3, middle], [box[2] - 3, middle]])
        _line(draw, ends, styles[name], max(2.0, unit / 4))
        draw.text((box[2] + unit * 0.4, middle), name, "black", font, anchor="lm")
    return strip


def _filled(image: Image.Image, mask: np.ndarray, style: LineStyle, opacity: float) -> Image.Image:
    alpha = Image.fromarray(mask.astype(np.uint8) * round(255 * opacity))
    alpha = alpha.resize(image.size, Image.Resampling.BOX)
    return Image.composite(Image.new("RGB", image.size, style.colour), image, alpha)


def _stroked(
    image: Image.Image,
    polygons: Mapping[str, Sequence[Polygon]],
    styles: Mapping[str, LineStyle],
    scale: np.ndarray,
    line: float,
) -> Image.Image:
    """Draw the polygons of structures, larger than they are where there is room for it."""
    longer = max(image.size)
    factor = 3 if longer * 3 <= _SMOOTH else 2 if longer * 2 <= 2 * _SMOOTH else 1
    canvas = image.resize((image.width * factor, image.height * factor)) if factor > 1 else image
    canvas = canvas.copy()
    draw = ImageDraw.Draw(canvas)
    for name, lines in polygons.items():
        for polygon in lines:
            _line(draw, polygon * scale * factor, styles[name], line * factor)
    if factor == 1:
        return canvas
    drawn = canvas.resize(image.size, Image.Resampling.BOX)
    # away from the lines the photograph stays as it is, not resampled twice
    touched = Image.new("L", canvas.size)
    pen = ImageDraw.Draw(touched)
    for lines in polygons.values():
        for polygon in lines:
            points = [tuple(point) for point in (polygon * scale * factor).tolist()]
            pen.line(points, fill=255, width=round(line * factor * 1.8) + 2 * factor)
    touched = touched.resize(image.size, Image.Resampling.BOX).point(lambda v: 255 * (v > 0))
    return Image.composite(drawn, image, touched)


def _line(draw: ImageDraw.ImageDraw, points: np.ndarray, style: LineStyle, width: float) -> None:
    """A line with a dark casing, dashed as its style says."""
    runs = _dashed(points, [dash * width / 1.5 for dash in style.dashes])
    for colour, thick in ((CASING, width * 1.8), (style.colour, width)):
        for run in runs if colour != CASING else [points]:
            flat = [tuple(point) for point in run.tolist()]
            draw.line(flat, fill=colour, width=max(1, round(thick)), joint="curve")


def _dashed(points: np.ndarray, dashes: Sequence[float]) -> list[np.ndarray]:
    """Cut a line into the pieces that a pattern of lengths (on, off) leaves."""
    if not dashes or len(points) < 2:
        return [points]
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    runs, start = [], 0.0
    while start < along[-1]:
        end = min(start + dashes[0], along[-1])
        inner = (along > start) & (along < end)
        at = np.concatenate([[start], along[inner], [end]])
        runs.append(np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=1))
        start = end + dashes[1]
    return runs


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)  # type: ignore[return-value]


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Cut the middle out of a text that is too long; catalogue numbers differ at their ends."""
    keep = len(text)
    short = text
    while font.getlength(short) > width and keep > 4:
        keep -= 1
        short = text[: keep // 2] + "..." + text[len(text) - (keep - keep // 2) :]
    return short


def _title(text: str, width: int, font: ImageFont.FreeTypeFont, gap: int) -> Image.Image:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width - 2 * gap:
            lines.append(line)
            longer = word
        line = longer
    lines.append(line)
    step = round(font.size * 1.4)
    strip = Image.new("RGB", (width, step * len(lines) + 2 * gap), "white")
    draw = ImageDraw.Draw(strip)
    for i, text_line in enumerate(lines):
        draw.text((gap, gap + i * step), text_line, "black", font)
    return strip


def _stacked(strips: Sequence[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (strips[0].width, sum(strip.height for strip in strips)), "white")
    top = 0
    for strip in strips:
        whole.paste(strip, (0, top))
        top += strip.height
    return whole
