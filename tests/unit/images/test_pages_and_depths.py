"""Previews, ImageJ composites, samples of 10 to 14 bits, and pictures of masks."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw, ImageFilter

from sam2pal.dataset.manifest import build_manifest
from sam2pal.images import header, mask_pictures
from sam2pal.images.mask_pictures import is_mask_picture, named_masks
from sam2pal.images.reading import inspect, read_part, read_photograph, read_window
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError

HEIGHT, WIDTH = 320, 400


def scene():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([y * 255 // HEIGHT, x * 255 // WIDTH, (x + y) % 256], axis=-1).astype(np.uint8)


def views(path):
    """The whole photograph, a window of it and the reduced one must agree."""
    whole, small = read_photograph(path), read_photograph(path, at_least=20)
    assert np.array_equal(read_window(path, Window(3, 5, 40, 30)), whole.pixels[3:43, 5:35])
    boxes = whole.pixels.reshape(HEIGHT // 8, 8, WIDTH // 8, 8, 3).mean((1, 3))
    assert small.pixels.shape == boxes.shape and np.abs(small.pixels - boxes).max() <= 1.5
    assert small.notes == whole.notes
    header = inspect(path)
    assert (header.width, header.height) == (whole.width, whole.height) == (WIDTH, HEIGHT)
    return whole


@pytest.mark.parametrize("orientation", [1, 6])
def test_of_a_tiff_a_part_is_read(tmp_path, orientation):
    path, tag = tmp_path / "a.tif", (274, "H", 1, orientation, True)
    samples = scene().astype(np.uint16) * 257
    tifffile.imwrite(path, samples, photometric="rgb", tile=(64, 64), extratags=[tag])
    whole, part = read_photograph(path), read_part(path, (100, 50, 70, 30))
    assert part.window == whole.upright_box(100, 50, 70, 30)
    assert np.array_equal(part.pixels, whole.pixels[part.window.slices])
    assert part.displayed_shape == whole.displayed_shape and part.orientation == orientation
    assert np.array_equal(read_part(path, (0, 0, 2000, 30)).pixels, whole.pixels)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_png_is_decoded_down_to_the_last_row_of_a_part(tmp_path, orientation):
    path, exif = tmp_path / "a.png", Image.Exif()
    exif[274] = orientation
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    whole, part = read_photograph(path), read_part(path, (100, 50, 70, 30))
    assert part.window == whole.upright_box(0, 0, WIDTH, 80)
    assert np.array_equal(part.pixels, whole.pixels[part.window.slices])
    assert part.displayed_shape == whole.displayed_shape and part.orientation == orientation
    assert np.array_equal(read_part(path, (0, 0, 30, 2000)).pixels, whole.pixels)
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 255
    path.write_bytes(content)
    assert np.array_equal(read_part(path, (100, 50, 70, 30)).pixels, part.pixels)
    with pytest.raises(InputError):
        read_part(path, (100, 50, 70, 260))
    for mode in ("L", "RGBA"):  # the others are decoded in full
        image = Image.fromarray(scene()).convert(mode)
        image.save(path)
        assert len(read_part(path, (100, 50, 70, 30)).pixels) == HEIGHT


PREVIEW = np.full((40, 50, 3), 7, np.uint8)


@pytest.mark.parametrize("kind", ["flagged", "unmarked", "subifd", "narrow"])
def test_the_photograph_is_read_and_not_its_preview(tmp_path, kind):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "metadata": None}
        preview = np.full((HEIGHT // 2 + 1, WIDTH, 3), 7, np.uint8) if kind == "narrow" else PREVIEW
        writer.write(
            preview,
            subfiletype=int(kind in ("flagged", "narrow")),
            subifds=int(kind == "subifd"),
            extratags=[(274, "H", 1, 3, True)],
            **options,
        )
        writer.write(scene(), **options)
    photograph = views(path)
    assert photograph.orientation == 3
    assert np.array_equal(photograph.pixels, scene()[::-1, ::-1])
    assert "preview" in photograph.notes[0]


def test_a_second_page_of_another_size_is_no_reason_to_leave_the_first(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(scene(), photometric="rgb")
        writer.write(np.zeros((HEIGHT + 90, WIDTH + 90, 3), np.uint8), photometric="rgb")
    assert np.array_equal(views(path).pixels, scene())


def imagej(path, pixels, **metadata):
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "CYX", **metadata})


@pytest.mark.parametrize("mode", ["composite", "color", "grayscale"])
def test_channels_of_an_imagej_composite_are_colours(tmp_path, mode):
    path = tmp_path / "a.tif"
    imagej(path, np.moveaxis(scene(), -1, 0), mode=mode)
    photograph = views(path)
    assert np.array_equal(photograph.pixels, scene())
    assert "3 channels" in photograph.notes[0]


def test_the_tables_of_a_composite_say_which_channel_is_which_colour(tmp_path):
    path, ramp = tmp_path / "a.tif", np.arange(256, dtype=np.uint8)
    tables = [np.zeros((3, 256), np.uint8) for _ in range(3)]
    for table, colour in zip(tables, (2, 0, 1), strict=True):
        table[colour] = ramp
    imagej(path, np.moveaxis(scene()[..., [2, 0, 1]], -1, 0), mode="composite", LUTs=tables)
    assert np.array_equal(views(path).pixels, scene())


def test_sixteen_bit_channels_are_scaled_alike(tmp_path):
    path = tmp_path / "a.tif"
    deep = np.moveaxis(scene().astype(np.uint16) * 64, -1, 0)
    deep[0] //= 8
    imagej(path, deep, mode="composite")
    expected = np.rint(np.moveaxis(deep, 0, -1) * (255 / 16383))
    assert np.abs(views(path).pixels - expected).max() <= 1


def test_a_composite_of_too_many_channels_says_what_to_do(tmp_path):
    path = tmp_path / "a.tif"
    imagej(path, np.zeros((8, 9, 10), np.uint8), mode="composite")
    with pytest.raises(InputError, match=r"8 channels .* RGB Color"):
        inspect(path)


def deep_tiff(path, pixels, **options):
    tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=16, **options)


def deep_png(path, pixels):
    path.write_bytes(imagecodecs.png_encode(pixels))


@pytest.mark.parametrize("write", [deep_tiff, deep_png])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_largest_value_tells_how_many_bits_there_are(tmp_path, write, bits):
    path = tmp_path / "a.tif"
    write(path, scene().astype(np.uint16) << (bits - 8))
    photograph = views(path)
    assert np.abs(photograph.pixels.astype(int) - scene()).max() <= 1
    assert bool(photograph.notes) == (bits < 16)


@pytest.mark.parametrize(
    ("stated", "limit"), [(16383, 16383), (10000, 10000), (65535, 65535), (2000, 4095)]
)
def test_a_stated_maximum_is_taken_unless_a_value_is_larger(tmp_path, stated, limit):
    path = tmp_path / "a.tif"
    pixels = scene().astype(np.uint16) * 10
    deep_tiff(path, pixels, extratags=[(341, "H", 3, (stated,) * 3, False)])
    assert np.abs(views(path).pixels - pixels * (255 / limit)).max() < 1


@pytest.mark.parametrize(("end", "limit"), [(16383.0, 16383), (2550.0, 4095), (1999.0, 4095)])
def test_the_range_of_imagej_is_rounded_up_to_bits(tmp_path, end, limit):
    path = tmp_path / "a.tif"
    pixels = scene()[..., 0].astype(np.uint16) * 10
    imagej(path, pixels, axes="YX", min=0.0, max=end)
    assert np.abs(views(path).pixels[..., 0] - pixels * (255 / limit)).max() < 1


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("1", ".png"), ("1", ".tif"), ("L", ".png"), ("L", ".tif"), ("L", ".bmp"), ("RGB", ".png"),
     ("P", ".png"), ("ones", ".png")],
)  # fmt: skip
def test_black_and_one_other_value_are_a_mask(tmp_path, kind, suffix):
    path, mask = tmp_path / f"a{suffix}", np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[100:200, 50:300] = 1 if kind == "ones" else 255
    Image.fromarray(mask).convert("L" if kind == "ones" else kind).save(path)
    assert is_mask_picture(path)


@pytest.mark.parametrize("kind", ["three", "flat", "colour", "photograph", "no black"])
def test_other_pictures_are_no_masks(tmp_path, kind):
    path = tmp_path / "a.png"
    pixels = scene() if kind == "photograph" else np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    if kind in ("three", "colour", "no black"):
        pixels[:9] = {"three": 255, "colour": (255, 0, 0), "no black": 200}[kind]
        pixels[300:] = {"three": 128, "colour": (0, 0, 255), "no black": 200}[kind]
        pixels[9:300] = 90 if kind == "no black" else 0
    Image.fromarray(pixels).save(path)
    assert not is_mask_picture(path)


@pytest.mark.parametrize("kind", ["soft", "red", "soft red", "white on nothing", "soft on nothing"])
def test_masks_with_soft_edges_colours_and_transparency(tmp_path, kind):
    mask = Image.new("L", (4 * WIDTH, 4 * HEIGHT))
    ImageDraw.Draw(mask).ellipse((400, 500, 1100, 1000), fill=255)
    if "soft" in kind:
        mask = mask.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        mask = mask.filter(ImageFilter.GaussianBlur(1))
    if "red" in kind:
        pixels = np.asarray(mask)[..., None] * np.array([200, 30, 0]) / 255
        mask = Image.fromarray(np.rint(pixels).astype(np.uint8))
    if "nothing" in kind:
        opacity, mask = mask, Image.new("RGB", mask.size, "white")
        mask.putalpha(opacity)
    mask.save(tmp_path / "a.png")
    assert is_mask_picture(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["pale", "clipped", "coloured", "cut out"])
def test_a_pale_beetle_on_black_is_a_photograph(tmp_path, monkeypatch, kind):
    """A black ground and a bright specimen, whose light varies within it, in however few bytes."""
    monkeypatch.setattr(mask_pictures, "_SPARSE", 9)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    far = np.hypot((rows - 150) / 100, (columns - 200) / 150)
    light = np.clip((1 - far) * (3 if kind == "clipped" else 1), 0, 1)
    grey = np.rint(light * 255).astype(np.uint8)
    picture = Image.fromarray(grey).convert("RGB")
    if kind == "coloured":
        picture = Image.fromarray(np.stack([grey, grey // 2, (far < 0.4) * grey], axis=2))
    if kind == "cut out":
        picture.putalpha(Image.fromarray((far < 1).astype(np.uint8) * 255))
    picture.save(tmp_path / "a.png")
    assert not is_mask_picture(tmp_path / "a.png")


def test_masks_called_after_a_photograph():
    names = ["d/a.jpg", "d/a_mask.png", "d/A-seg.tif", "d/b_mask.png", "a_mask.png", "d/a_head.png"]
    assert named_masks(names) == {"d/a_mask.png": "d/a.jpg", "d/A-seg.tif": "d/a.jpg"}


def test_a_listing_says_what_is_a_mask(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    listed = build_manifest(tmp_path, None, 5).specimens
    Image.fromarray(noise).save(tmp_path / "a_mask.jpg")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[9:99, 9:99] = 255
    Image.fromarray(mask).save(tmp_path / "b.png")
    for _ in range(2):
        listed = build_manifest(tmp_path, listed, 5).specimens
        assert [(row.specimen, row.status) for row in listed] == [
            ("a", "ok"), ("a_mask", "unreadable"), ("b", "unreadable"),
        ]  # fmt: skip
        assert "mask of a.jpg" in listed[1].reason and "picture of a mask" in listed[2].reason
    (tmp_path / "a.jpg").unlink()
    assert build_manifest(tmp_path, listed, 5).specimens[0].status == "ok"


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_opaque_pixels_leave_colours_of_12_bits_as_bright_as_they_are(tmp_path, name):
    rgba = np.full((8, 9, 4), 65535, np.uint16)
    rgba[..., :3] = scene()[:8, :9].astype(np.uint16) * 16
    rgba[0, 0, :3] = 4095
    path = tmp_path / name
    if name == "a.tif":
        tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    else:
        path.write_bytes(imagecodecs.png_encode(rgba))
    expected = np.rint(rgba[..., :3] * (255 / 4095))
    assert np.array_equal(read_photograph(path).pixels, expected)


def test_a_photograph_too_large_for_the_memory_is_refused_and_the_others_go_on(
    tmp_path, monkeypatch
):
    for name in ("a.jpg", "b.png", "c.tif", "d.bmp", "e.jfif"):
        kind = {"e.jfif": "JPEG"}.get(name)
        Image.fromarray(scene()).save(tmp_path / name, format=kind, quality=80 if kind else 75)
    monkeypatch.setattr(header, "LARGE_PIXELS", 1000)
    monkeypatch.setattr(header, "free_bytes", lambda: WIDTH * HEIGHT)
    for name in ("a.jpg", "b.png", "c.tif", "d.bmp"):
        with pytest.raises(InputError, match=rf"{name}: decoding 400 x 320 pixels takes .*mem_mb"):
            read_photograph(tmp_path / name)
    assert read_photograph(tmp_path / "a.jpg", at_least=50).pixels.shape == (80, 100, 3)
    rows = build_manifest(tmp_path, None, 10).specimens
    assert [row.status for row in rows] == ["ok", "ok", "ok", "unreadable", "ok"]  # BMP: no check
    assert "mem_mb" in rows[3].reason
