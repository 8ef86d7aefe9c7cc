"""Windows of photographs, and what stands out in them."""

import numpy as np
import pytest
from PIL import Image

from sam2pal.dataset.rle import decode_mask
from sam2pal.dataset.runs import Runs
from sam2pal.images.foreground import Silhouette, overlap, region_around, regions_like, to_lab
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import look_closer, read_photograph
from sam2pal.images.window import Window
from sam2pal.segmentation.level_sets import LogitSurface
from sam2pal.segmentation.limits import Limit, check_mask


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((100, 200, 40, 76), Window(80, 198, 80, 80)),
        ((0, 380, 40, 20), Window(0, 358, 42, 42)),  # moved to lie inside
        ((20, 20, 100, 285), Window(0, 12, 200, 300)),  # as much of a square as there is
        ((10, 10, 150, 340), Window(0, 0, 200, 400)),  # nearly all is all
    ],
)
def test_a_window_is_a_square_round_a_box_inside_of_the_photograph(box, expected):
    assert Window.around(box, 0.95, (200, 400)) == expected


def test_a_window_goes_to_the_square_and_back_as_a_photograph_of_its_own_does():
    rng = np.random.default_rng(0)
    window, size = Window(31, 57, 120, 90), (200, 260)
    part = slice(31, 151), slice(57, 147)
    inside, own = Letterbox(*size, 64, window), Letterbox(120, 90, 64)
    pixels = rng.integers(0, 255, (*size, 3), np.uint8)
    mask = rng.random(size) > 0.5
    assert (inside.image_to_square(pixels[part]) == own.image_to_square(pixels[part])).all()
    assert (inside.mask_to_square(mask) == own.mask_to_square(mask[part])).all()
    for side in (16, 256):  # coarser and finer than the window
        logits = rng.normal(0, 2, (side // 8, side // 8)).astype(np.float32)
        logits = np.asarray(Image.fromarray(logits).resize((side, side), Image.Resampling.BILINEAR))
        for level in (-1.0, 0.0, 1.0, -9.0):  # the last of all of the window and of nothing else
            found = decode_mask(LogitSurface.over(logits, inside).above(level).rle())
            expected = np.zeros(size, bool)
            expected[part] = decode_mask(LogitSurface.over(logits, own).above(level).rle())
            assert expected.any() and (found == expected).all()
    there = np.zeros(size, bool)
    there[41:61, 67:87] = True
    limit = Limit(0.02, 0.03, (0.1, 0.2, 0.2, 0.3))  # of the window's square
    assert check_mask(Runs.of(there, *size), limit, inside) == []


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_a_window_has_the_pixels_that_it_needs(tmp_path, orientation, suffix):
    y, x = np.mgrid[:800, :1200]
    pixels = np.stack([100 + 80 * np.sin(x / 40), 100 + 80 * np.cos(y / 30), 0 * x + 60], -1)
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    options = {"quality": 95, "subsampling": 0} if suffix == ".jpg" else {}
    Image.fromarray(pixels.astype(np.uint8)).save(path, exif=exif, **options)
    whole = read_photograph(path)
    window = Window(200, 310, 150, 140)
    part = whole.pixels[200:350, 310:450]
    small = read_photograph(path, at_least=64)
    assert small.frame is not None
    closer = look_closer(path, small, window, 100)
    assert (
        closer.frame is None
        and closer.shown == window
        and closer.displayed_shape == whole.displayed_shape
    )
    assert np.abs(closer.pixels.astype(int) - part).max() <= 2
    # where few pixels suffice, those that were read are cut
    coarse = look_closer(path, small, window, 8)
    box = Letterbox(*whole.displayed_shape, 32, window)
    seen, expected = box.image_to_square(coarse.pixels, coarse.frame), box.image_to_square(part)
    assert np.abs(seen - expected).max() < 0.15
    # all of it is read again where it has fewer pixels than are needed
    all_of_it = Window.whole(*whole.displayed_shape)
    assert look_closer(path, small, all_of_it, max(small.pixels.shape)) is small
    finer = look_closer(path, small, all_of_it, max(small.pixels.shape) + 1)
    assert finer.shown == all_of_it and max(finer.pixels.shape) > 2 * max(small.pixels.shape)
    left, top, width, height = closer.stored_box()
    mask = np.zeros(whole.displayed_shape, bool)
    mask[200:350, 310:450] = True
    assert Runs.of(whole.to_stored(mask), 800, 1200).bbox() == (left, top, width, height)


def beetle(turn=0):
    """A dark shape with a narrower front and limbs, bool [120, 120]."""
    y, x = np.mgrid[:120, :120] - 59.5
    shape = (np.hypot(x / 20, (y - 15) / 32) < 1) | (np.hypot(x / 11, (y + 25) / 13) < 1)
    for across in (-1, 1):
        for start in (-12, 8, 28):
            shape |= (
                (np.abs(y - start - across * x * 0.4) < 1.5) & (across * x > 0) & (np.abs(x) < 42)
            )
    return np.rot90(shape, turn // 90)


def scene():
    """Paper with a label of print, a card of colours and a beetle on its side; its box."""
    pixels = np.full((360, 500, 3), (225, 220, 205), np.uint8)
    pixels += np.random.default_rng(0).integers(0, 6, pixels.shape, np.uint8)
    pixels[30:120, 30:200] = 250
    for row in range(40, 110, 14):
        pixels[row : row + 6, 40:190:9] = pixels[row : row + 6, 43:193:9] = 20
    for number in range(6):
        pixels[250:300, 40 + 30 * number : 66 + 30 * number] = (40 * number, 200 - 30 * number, 90)
    shape = beetle(90)
    pixels[180:300, 330:450][shape] = (45, 30, 25)
    rows, columns = (np.flatnonzero(shape.any(axis)) for axis in (1, 0))
    return pixels, (180 + rows[0], 330 + columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1)


def test_the_region_that_looks_like_a_known_specimen_comes_first():
    pixels, box = scene()
    mask = beetle()
    template = np.full((*mask.shape, 3), 220, np.uint8)
    template[mask] = (50, 35, 30)
    found = regions_like(pixels, [Silhouette.of(mask, to_lab(template))], 3)
    assert overlap(found[0].box, box) > 0.9
    assert found[0].likeness > 0.5 and all(r.likeness < 0.45 for r in found[1:])
    assert (
        regions_like(
            np.full((40, 60, 3), 200, np.uint8), [Silhouette.of(mask, to_lab(template))], 3
        )
        == []
    )


def test_what_stands_out_round_a_part_is_the_specimen():
    pixels, box = scene()
    part = np.zeros(pixels.shape[:2], bool)
    part[180:300, 330:450] = beetle(90)
    part[:, : 330 + 75] = False
    around = region_around(pixels, part)
    rows, columns = (np.flatnonzero(around.any(axis)) for axis in (1, 0))
    assert overlap((rows[0], columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1), box) > 0.9


def test_an_empty_mask_is_like_nothing():
    lab = np.full((20, 30, 3), 50.0, np.float32)
    drawn = np.zeros((20, 30), bool)
    drawn[4:16, 10:18] = True
    known, empty = Silhouette.of(drawn, lab), Silhouette.of(np.zeros_like(drawn), lab)
    assert known.overlap(known) == 1
    assert empty.overlap(known) == 0
