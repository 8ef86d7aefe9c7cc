"""Photographs decoded no larger than needed, and windows of them."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import Photograph, read_photograph, read_window
from sam2pal.images.reduction import factor_for, reduced_bands
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError

HEIGHT, WIDTH = 403, 605  # no multiple of 2, 4 or 8
SQUARE = 32


def scene(height=HEIGHT, width=WIDTH):
    """Smooth colours, an edge that moves if a mapping is shifted, and some grain."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack(
        [90 + 60 * np.sin(x / 41), 120 + 70 * np.cos(y / 29), x * 200 / width], axis=-1
    )
    pixels[(y > 0.3 * height) & (y < 0.8 * height) & (x > 0.6 * width)] = (20, 10, 30)
    pixels += np.random.default_rng(5).normal(0, 6, pixels.shape)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def deep(factor=257):
    return scene().astype(np.uint16) * factor


def jpeg(path, **options):
    Image.fromarray(scene()).save(path, quality=92, **options)


def tiff(path, pixels, **options):
    tifffile.imwrite(path, pixels, **({"photometric": "rgb"} | options))


def pyramid(path, pixels=None, in_subifds=True):
    pixels = scene() if pixels is None else pixels
    unit = 257 if pixels.dtype == np.uint16 else 1
    image = Image.fromarray((pixels // unit).astype(np.uint8))
    options = {"photometric": "rgb", "tile": (64, 64)}
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, subifds=2 if in_subifds else 0, **options)
        for factor in (2, 4):
            size = -(-WIDTH // factor), -(-HEIGHT // factor)
            level = np.asarray(image.resize(size, Image.Resampling.BOX)).astype(pixels.dtype)
            writer.write(level * unit, subfiletype=1, **options)


def turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


# name, how it is written, how far its square may be from that of the whole photograph, in levels of 255
KINDS = {
    "plain.jpg": (jpeg, 8),
    "progressive.jpg": (lambda path: jpeg(path, progressive=True), 8),
    "grey.jpg": (lambda path: Image.fromarray(scene()[..., 0]).save(path), 8),
    "plain.png": (lambda path: Image.fromarray(scene()).save(path), 8),
    "deep.png": (lambda path: path.write_bytes(imagecodecs.png_encode(deep())), 8),
    "camera.png": (lambda path: path.write_bytes(imagecodecs.png_encode(deep(16))), 8),
    "plain.webp": (lambda path: Image.fromarray(scene()).save(path, lossless=True), 8),
    "strips.tif": (lambda path: tiff(path, scene(), rowsperstrip=7, compression="lzw"), 8),
    "tiles.tif": (lambda path: tiff(path, scene(), tile=(64, 48), compression="deflate"), 8),
    "deep.tif": (lambda path: tiff(path, deep(), rowsperstrip=10), 8),
    "camera.tif": (lambda path: tiff(path, deep(16), tile=(48, 64)), 8),
    "grey.tif": (lambda path: tiff(path, deep()[..., 1], photometric="minisblack", rowsperstrip=9), 8),
    "negative.tif": (lambda path: tiff(path, scene()[..., 0], photometric="miniswhite"), 8),
    "planes.tif": (lambda path: tiff(path, np.moveaxis(scene(), -1, 0), planarconfig="separate"), 8),
    "jpeg.tif": (lambda path: tiff(path, scene(), tile=(64, 64), compression="jpeg"), 8),
    "pyramid.tif": (pyramid, 12),
    "pages.tif": (lambda path: pyramid(path, in_subifds=False), 12),
    "deep_pyramid.tif": (lambda path: pyramid(path, deep()), 8),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", KINDS)


def square(photograph, side=SQUARE):
    box = Letterbox(*photograph.displayed_shape, side)
    return box.image_to_square(photograph.pixels, photograph.frame) * 255 * 0.225


@EVERY
def test_the_square_of_a_reduced_photograph_is_that_of_the_whole_one(tmp_path, name):
    write, bound = KINDS[name]
    write(tmp_path / name)
    whole, small = (
        read_photograph(tmp_path / name),
        read_photograph(tmp_path / name, at_least=SQUARE),
    )
    assert whole.pixels.shape == (HEIGHT, WIDTH, 3) and whole.frame is None
    assert max(small.pixels.shape) < WIDTH // 3 and max(small.pixels.shape) >= 2 * SQUARE
    assert small.frame is not None
    for attribute in ("width", "height", "orientation", "displayed_shape", "notes"):
        assert getattr(small, attribute) == getattr(whole, attribute)
    difference = np.abs(square(small) - square(whole))
    assert difference.max() < bound and difference.mean() < 0.8


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_reduced_photograph_is_upright_and_its_edges_are_known(tmp_path, orientation, suffix):
    path = tmp_path / f"turned{suffix}"
    Image.fromarray(scene()).save(path, exif=turned(orientation))
    whole, small = read_photograph(path), read_photograph(path, at_least=SQUARE)
    assert small.displayed_shape == whole.pixels.shape[:2]
    left, top, right, bottom = small.frame
    assert (bottom - top, right - left) == tuple(side / 8 for side in small.displayed_shape)
    assert np.abs(square(small) - square(whole)).max() < 8


@EVERY
def test_a_photograph_that_is_not_much_larger_is_read_as_it_is(tmp_path, name):
    KINDS[name][0](tmp_path / name)
    whole, small = read_photograph(tmp_path / name), read_photograph(tmp_path / name, at_least=160)
    assert small.frame is None and np.array_equal(small.pixels, whole.pixels)
    assert np.array_equal(square(small, 160), square(whole, 160))


@pytest.mark.parametrize(
    ("longer", "at_least", "factor"),
    [(6000, 1024, 2), (6000, 256, 8), (4096, 1024, 2), (4095, 1024, 1), (701, 256, 1), (9999, None, 1)],
)  # fmt: skip
def test_pixels_stay_twice_as_many_as_needed(longer, at_least, factor):
    assert (
        factor_for(longer, longer // 2, at_least)
        == factor_for(longer // 2, longer, at_least)
        == factor
    )


@pytest.mark.parametrize("in_subifds", [True, False])
def test_of_a_pyramid_only_the_level_that_is_needed_is_decoded(tmp_path, monkeypatch, in_subifds):
    path = tmp_path / "a.tif"
    pyramid(path, in_subifds=in_subifds)
    sizes = []
    monkeypatch.setattr(
        "sam2pal.images.tiff._part",
        lambda page, rows, columns: (
            sizes.append((page.imagelength, page.imagewidth)),
            np.zeros((rows.stop, columns.stop, 3), np.uint8),
        )[1],
    )
    read_photograph(path, at_least=70)
    assert sizes == [(101, 152)]


def test_a_preview_of_another_shape_is_not_taken_for_a_level(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(scene(), subifds=1, photometric="rgb")
        writer.write(np.zeros((200, 200, 3), np.uint8), subfiletype=1, photometric="rgb")
    small = read_photograph(path, at_least=SQUARE)
    assert np.abs(square(small) - square(read_photograph(path))).max() < 8


def test_one_bright_pixel_decides_how_a_reduced_photograph_is_scaled(tmp_path):
    path = tmp_path / "a.tif"
    pixels = np.full((320, 320), 2000, np.uint16)
    pixels[300, 7] = 20000
    tiff(path, pixels, photometric="minisblack", rowsperstrip=8)
    whole, small = read_photograph(path), read_photograph(path, at_least=20)
    assert whole.pixels[0, 0, 0] == small.pixels[0, 0, 0] == 8
    assert read_window(path, Window(0, 0, 4, 4))[0, 0, 0] == 8
    pixels[300, 7] = 0
    tiff(path, pixels, photometric="minisblack", rowsperstrip=8)
    small = read_photograph(path, at_least=20)
    assert small.pixels[0, 0, 0] == 125 == read_window(path, Window(0, 0, 4, 4))[0, 0, 0]
    assert small.notes == read_photograph(path).notes != ()


def test_means_of_boxes_do_not_depend_on_how_the_bands_are_cut():
    samples = np.random.default_rng(1).integers(0, 65536, (45, 30, 2), np.uint16)
    for cut in ([], [1, 2, 3], [8, 16, 44], [7, 29]):
        means, largest = reduced_bands(np.split(samples, cut), 4)
        assert largest == samples.max() and means.shape == (12, 8, 2)
        assert means[3, 2, 1] == round(samples[12:16, 8:12, 1].mean())
        assert means[11, 7, 0] == round(samples[44, 28:30, 0].mean() + 1e-9)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_truncated_jpeg_is_found_when_it_is_decoded_small(tmp_path, options, share):
    whole = io.BytesIO()
    Image.fromarray(scene()).save(whole, "JPEG", **options)
    path = tmp_path / "cut.jpg"
    path.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * share)])
    for read in (read_photograph, lambda path: read_photograph(path, at_least=SQUARE)):
        with pytest.raises(InputError, match=r"cut\.jpg.*truncated"):
            read(path)


@pytest.mark.parametrize("name", ["plain.png", "deep.png", "strips.tif", "tiles.tif"])
def test_damage_is_found_when_a_smaller_photograph_is_asked_for(tmp_path, name):
    path = tmp_path / name
    KINDS[name][0](path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    outcomes = []
    for at_least in (None, SQUARE):
        try:
            read_photograph(path, at_least)
            outcomes.append("read")
        except InputError:
            outcomes.append("damaged")
    assert outcomes == ["damaged", "damaged"]


# Windows


@EVERY
@pytest.mark.parametrize("place", [(0, 0, 5, 9), (200, 333, 130, 150), (402, 604, 1, 1)])
def test_a_window_is_that_part_of_the_photograph(tmp_path, name, place):
    KINDS[name][0](tmp_path / name)
    top, left, height, width = place
    window = read_window(tmp_path / name, Window(*place))
    whole = read_photograph(tmp_path / name).pixels
    assert np.array_equal(window, whole[top : top + height, left : left + width])
    assert window.dtype == np.uint8 and window.flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_a_window_of_a_turned_photograph_is_counted_upright(tmp_path, orientation, suffix):
    path = tmp_path / f"turned{suffix}"
    if suffix == ".tif":
        tiff(path, scene(), tile=(64, 64), extratags=[(274, "H", 1, orientation, True)])
    else:
        Image.fromarray(scene()).save(path, exif=turned(orientation))
    whole = read_photograph(path).pixels
    assert np.array_equal(read_window(path, Window(31, 77, 200, 150)), whole[31:231, 77:227])


def test_a_window_of_a_tiled_tiff_decodes_only_its_tiles(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    tiff(path, scene(), tile=(64, 64))
    read = tifffile.FileHandle.read_segments
    counts = []

    def counted(self, offsets, sizes, indices=None, **options):
        counts.append(indices)
        assert len(offsets) == len(sizes) == len(indices)
        return read(self, offsets, sizes, indices, **options)

    monkeypatch.setattr(tifffile.FileHandle, "read_segments", counted)
    read_window(path, Window(60, 130, 10, 50))
    assert counts == [
        [2, 12]
    ]  # ten tiles a row: the window crosses from the first row into the second


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("place", [(-1, 0, 5, 5), (0, 0, 0, 5), (400, 0, 5, 5), (0, 600, 5, 6)])
def test_a_window_beyond_the_photograph_is_refused(tmp_path, suffix, place):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(scene()).save(path)
    with pytest.raises(InputError, match="not inside the photograph, which has 605 x 403"):
        read_window(path, Window(*place))


def test_a_photograph_knows_its_size_though_its_pixels_are_fewer():
    pixels = np.zeros((50, 75, 3), np.uint8)
    assert Photograph(pixels, 1, 600, 400, frame=(0, 0, 75, 50)).displayed_shape == (400, 600)
    assert Photograph(pixels, 6, 400, 600, frame=(0, 0, 75, 50)).displayed_shape == (400, 600)
