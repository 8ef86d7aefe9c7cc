"""Photographs of every kind, and the letterbox by numbers."""

import io
import re
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, PngImagePlugin

from sam2pal.images.header import MAX_PIXELS as LIMIT
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import inspect, read_photograph
from sam2pal.io.errors import InputError


def ramp(height=24, width=36):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 10, (x + y) * 4], axis=-1).astype(np.uint8)


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


# Kinds of files


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_eight_bit_rgb_is_read_exactly(tmp_path, suffix):
    photograph = read_photograph(save(tmp_path / f"a{suffix}", ramp()))
    assert np.array_equal(photograph.pixels, ramp())
    assert photograph.pixels.dtype == np.uint8 and photograph.pixels.flags.writeable
    assert (photograph.width, photograph.height, photograph.orientation) == (36, 24, 1)
    assert photograph.notes == ()


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"planarconfig": "separate"}])
def test_sixteen_bit_rgb_tiff_uses_the_full_range(tmp_path, options):
    path = tmp_path / "deep.tif"
    pixels = ramp().astype(np.uint16) * 257
    stored = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    tifffile.imwrite(path, stored, photometric="rgb", **options)
    assert np.array_equal(read_photograph(path).pixels, ramp())


def test_twelve_bits_in_a_sixteen_bit_file_are_scaled_by_their_own_range(tmp_path):
    path = tmp_path / "camera.tif"
    pixels = np.full((8, 8, 3), 4095, np.uint16)
    pixels[0, 0] = (0, 2048, 1024)
    tifffile.imwrite(path, pixels, photometric="rgb")
    photograph = read_photograph(path)
    assert photograph.pixels[0, 0].tolist() == [0, 128, 64]
    assert photograph.pixels[1, 1].tolist() == [255, 255, 255]
    assert "4095" in photograph.notes[0]


@pytest.mark.parametrize("factor", [257, 16])
def test_sixteen_bit_png_keeps_its_low_bytes(tmp_path, factor):
    import imagecodecs

    path = tmp_path / "deep.png"
    path.write_bytes(imagecodecs.png_encode(ramp().astype(np.uint16) * factor))
    expected = ramp() if factor == 257 else np.rint(ramp() * (16 * 255 / 4095)).astype(np.uint8)
    assert np.array_equal(read_photograph(path).pixels, expected)


def test_sixteen_bit_grey_png(tmp_path):
    path = tmp_path / "grey.png"
    grey = ramp()[..., 0].astype(np.uint16) * 257
    Image.fromarray(grey).save(path)
    assert np.array_equal(read_photograph(path).pixels, np.repeat(ramp()[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 51.0, 255.0], [0, 51, 255]),
     ([-3.0, np.nan, 65535.0], [0, 0, 255]), ([0.0, 0.5, 1.02], [0, 128, 255]),
     ([0.0, 51.0, 260.0], [0, 51, 255])],
)  # fmt: skip
def test_float_tiff(tmp_path, values, expected):
    path = tmp_path / "float.tif"
    tifffile.imwrite(path, np.array([values], np.float32), photometric="minisblack")
    assert read_photograph(path).pixels[0, :, 0].tolist() == expected


def test_a_float_tiff_out_of_range_says_so(tmp_path):
    path = tmp_path / "float.tif"
    tifffile.imwrite(path, np.full((4, 4), 1e9, np.float32))
    with pytest.raises(InputError, match="float.tif.*largest value is 1000000000"):
        read_photograph(path)


def test_grey_palette_and_bilevel(tmp_path):
    grey = ramp()[..., 0]
    assert np.array_equal(
        read_photograph(save(tmp_path / "grey.png", grey)).pixels, np.stack([grey] * 3, -1)
    )
    paletted = Image.fromarray(ramp()).quantize(16)
    paletted.save(tmp_path / "palette.png")
    paletted.save(tmp_path / "palette.tif")
    expected = np.asarray(paletted.convert("RGB"))
    assert np.array_equal(read_photograph(tmp_path / "palette.png").pixels, expected)
    assert np.array_equal(read_photograph(tmp_path / "palette.tif").pixels, expected)
    bilevel = Image.fromarray(grey > 100)
    for name in ("bilevel.png", "bilevel.tif"):
        bilevel.save(tmp_path / name)
        assert np.array_equal(read_photograph(tmp_path / name).pixels[..., 2], (grey > 100) * 255)


@pytest.mark.parametrize("name", ["alpha.png", "alpha.tif", "alpha16.tif", "alpha16.png"])
def test_alpha_is_composited_on_white(tmp_path, name):
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[..., :3] = (200, 100, 0)
    rgba[:, :2, 3] = 255
    rgba[:, 2:4, 3] = 51
    path = tmp_path / name
    if name == "alpha16.tif":
        tifffile.imwrite(
            path, rgba.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"]
        )
    elif name == "alpha16.png":
        import imagecodecs

        path.write_bytes(imagecodecs.png_encode(rgba.astype(np.uint16) * 257))
    else:
        Image.fromarray(rgba).save(path)
    pixels = read_photograph(path).pixels
    assert pixels[0, 0].tolist() == [200, 100, 0]
    assert pixels[0, 2].tolist() == [244, 224, 204]
    assert pixels[0, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "grey.png", "16.png"])
def test_a_photograph_that_alpha_hides_everywhere_is_seen(tmp_path, name):
    rgba = np.concatenate([ramp(), np.zeros((24, 36, 1), np.uint8)], axis=2)
    expected = ramp()
    if name == "16.png":
        import imagecodecs

        (tmp_path / name).write_bytes(imagecodecs.png_encode(rgba.astype(np.uint16) * 257))
    elif name == "grey.png":
        Image.fromarray(rgba[..., [0, 3]], "LA").save(tmp_path / name)
        expected = expected[..., [0, 0, 0]]
    else:
        more = {"lossless": True, "exact": True} if name == "a.webp" else {}
        Image.fromarray(rgba).save(tmp_path / name, **more)
    assert np.array_equal(read_photograph(tmp_path / name).pixels, expected)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_of_signed_samples_one_bit_is_the_sign(tmp_path, kind):
    path, most = tmp_path / "signed.tif", np.iinfo(kind).max
    samples = (ramp() / 255 * most).astype(kind)
    samples[0, 0], samples[0, 1] = most, -5
    tifffile.imwrite(path, samples, photometric="rgb")
    pixels = read_photograph(path).pixels.astype(int)
    assert pixels[0, :2].tolist() == [[255] * 3, [0] * 3]
    assert np.abs(pixels - ramp())[1:].max() <= 2


def test_selections_saved_in_a_tiff_are_not_transparency(tmp_path):
    path = tmp_path / "selection.tif"
    four = np.concatenate([ramp(), np.zeros((24, 36, 1), np.uint8)], axis=2)
    tifffile.imwrite(path, four, photometric="rgb", extrasamples=["unspecified"])
    assert np.array_equal(read_photograph(path).pixels, ramp())


def test_palette_with_a_transparent_colour(tmp_path):
    paletted = Image.new("P", (4, 4), 0)
    paletted.putpalette([10, 20, 30, 40, 50, 60])
    paletted.putpixel((0, 0), 1)
    paletted.save(tmp_path / "a.png", transparency=0)
    pixels = read_photograph(tmp_path / "a.png").pixels
    assert pixels[0, 0].tolist() == [40, 50, 60] and pixels[3, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["cmyk.jpg", "cmyk.tif"])
def test_cmyk(tmp_path, name):
    cmyk = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    cmyk.save(tmp_path / name, **({"quality": 100} if name.endswith("jpg") else {}))
    pixels = read_photograph(tmp_path / name).pixels.astype(int)
    assert np.abs(pixels - [255, 0, 0]).max() <= 2


def test_the_first_page_is_read_and_this_is_said(tmp_path):
    pages = np.stack([ramp(), 255 - ramp()])
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="rgb")
    photograph = read_photograph(tmp_path / "pages.tif")
    assert np.array_equal(photograph.pixels, ramp())
    assert photograph.notes == ("first of 2 pages",)
    assert inspect(tmp_path / "pages.tif").notes == ("first of 2 pages",)


def test_jpeg_compressed_tiff_comes_out_as_rgb(tmp_path):
    flat = np.full((32, 32, 3), (200, 60, 20), np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.tif", compression="jpeg", quality=100)
    assert np.abs(read_photograph(tmp_path / "a.tif").pixels.astype(int) - flat).max() <= 3


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_every_orientation_as_pillow_turns_it(tmp_path, orientation, suffix):
    path = tmp_path / f"turned{suffix}"
    if suffix == ".tif":
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(path, ramp(), photometric="rgb", extratags=[tag])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(ramp()).save(path, exif=exif)
    with Image.open(path) as image:
        image.load()
        expected = np.asarray(ImageOps.exif_transpose(image))
    photograph = read_photograph(path)
    assert photograph.orientation == orientation
    assert np.array_equal(photograph.pixels, expected)
    header = inspect(path)
    assert (photograph.width, photograph.height) == (36, 24) == (header.width, header.height)
    assert inspect(path).displayed_size == (expected.shape[1], expected.shape[0])
    mask = np.zeros((24, 36), bool)
    mask[2:5, 20:31] = True
    assert np.array_equal(photograph.to_stored(photograph.to_upright(mask)), mask)
    turned = Image.fromarray(mask)
    turned.getexif()[274] = orientation
    assert np.array_equal(photograph.to_upright(mask), np.asarray(ImageOps.exif_transpose(turned)))


def chunks(png):
    """The chunks of a PNG: type and all bytes."""
    at = 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        yield kind, png[at : at + length + 12]
        at += length + 12


def test_the_orientation_of_a_png_may_stand_behind_its_pixels(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "late.png"
    Image.fromarray(ramp()).save(path, exif=exif)
    parts = dict(chunks(path.read_bytes()))
    turned, end = parts.pop(b"eXIf"), parts.pop(b"IEND")
    start = b"\x89PNG\r\n\x1a\n" + b"".join(parts.values())
    for ending, expected in ((turned + end, 6), (end, 1)):
        path.write_bytes(start + ending)
        assert inspect(path).orientation == read_photograph(path).orientation == expected


def test_the_header_of_a_whole_png_is_read_without_its_pixels(tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError

    exif = Image.Exif()
    exif[274] = 6
    paths = [tmp_path / "plain.png", tmp_path / "turned.png"]
    Image.fromarray(ramp()).save(paths[0])
    Image.fromarray(ramp()).save(paths[1], exif=exif)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", never)
    assert [inspect(path).orientation for path in paths] == [1, 6]


@pytest.mark.parametrize("options", [{}, {"icc_profile": b"x" * 200}, {"compress_level": 0}])
def test_an_rgb_png_is_as_pillow_decodes_it(tmp_path, options):
    noise = np.random.default_rng(3).integers(0, 256, (61, 47, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png", **options)
    photograph = read_photograph(tmp_path / "a.png")
    assert np.array_equal(photograph.pixels, noise)
    assert photograph.pixels.flags.writeable


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_an_orientation_that_browsers_do_not_obey_counts_as_upright(tmp_path, suffix):
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    path = tmp_path / f"xmp.{suffix}"
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    more = {"pnginfo": info} if suffix == "png" else {"xmp": xmp}
    Image.new("RGB", (6, 4)).save(path, **more)
    with Image.open(path) as image:
        assert image.getexif()[0x0112] == 6
    assert inspect(path).orientation == read_photograph(path).orientation == 1


def test_a_nonsense_orientation_counts_as_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 77
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", exif=exif)
    assert read_photograph(tmp_path / "a.jpg").orientation == 1


# What cannot be read


def damaged(tmp_path, kind):
    if kind == "missing":
        return tmp_path / "missing.jpg", "does not exist"
    path = tmp_path / f"bad.{kind}"
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    if kind == "txt.jpg":
        path.write_text("<html>404 not found</html>")
        return path, "not a photograph"
    if kind == "empty.jpg":
        path.write_bytes(b"")
        return path, "0 bytes"
    if kind == "heic.jpg":
        path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
        return path, "HEIC"
    if kind == "cr2":
        path.write_bytes(b"II*\0" + bytes(100))
        return path, "CR2 files cannot be read"
    Image.fromarray(noise).save(whole, {"jpg": "JPEG", "png": "PNG", "tif": "TIFF",
                                        "webp": "WebP", "bmp": "BMP"}[kind])  # fmt: skip
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) * 2 // 3])
    return path, "truncated"


@pytest.mark.parametrize(
    "kind",
    ["missing", "txt.jpg", "empty.jpg", "heic.jpg", "cr2", "jpg", "png", "tif", "webp", "bmp"],
)
def test_unreadable_files_are_named_with_the_reason(tmp_path, kind):
    path, reason = damaged(tmp_path, kind)
    for read in (read_photograph, inspect):
        with pytest.raises(InputError, match=reason) as error:
            read(path)
        assert str(path) in str(error.value)


def photographs_of_noise(progressive=False):
    pixels = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    for mode in ("RGB", "L", "CMYK"):
        content = io.BytesIO()
        image = Image.fromarray(pixels).convert(mode)
        image.save(content, "JPEG", quality=90, progressive=progressive)
        yield content.getvalue(), image


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_decoded_to_the_bytes_that_pillow_gives(tmp_path, progressive):
    for content, _ in photographs_of_noise(progressive):
        (tmp_path / "a.jpg").write_bytes(content)
        with Image.open(tmp_path / "a.jpg") as image:
            image.draft(None, (75, 50))
            reduced = np.array(image.convert("RGB"))
        with Image.open(tmp_path / "a.jpg") as image:
            assert (read_photograph(tmp_path / "a.jpg").pixels == image.convert("RGB")).all()
        assert (read_photograph(tmp_path / "a.jpg", at_least=37).pixels == reduced).all()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_damaged_in_the_middle_is_refused(tmp_path, progressive):
    path = tmp_path / "a.jpg"
    for content, _ in photographs_of_noise(progressive):
        half = len(content) // 2
        for bad in (
            content[:half] + b"\xff\xd9",
            content[:half] + bytes(len(content) - half - 2) + b"\xff\xd9",
            content[:half] + bytes(half // 2) + content[half + half // 2 :],
            content[:half] + content[half + 3000 :],
        ):
            path.write_bytes(bad)
            with pytest.raises(InputError, match="damaged"):
                read_photograph(path)
            with pytest.raises(InputError, match="damaged"):
                inspect(path, full=True)
    claim = content.replace(struct.pack(">HH", 200, 300), struct.pack(">HH", 65000, 7000))
    path.write_bytes(claim)
    with pytest.raises(InputError, match="bytes are too few for 7000 x 65000 pixels"):
        inspect(path)


def test_a_progressive_jpeg_cut_between_its_scans_is_refused(tmp_path):
    content, _ = next(photographs_of_noise(progressive=True))
    scans = [found.start() for found in re.finditer(b"\xff\xda", content)]
    assert len(scans) > 3
    for start in scans[1:]:
        (tmp_path / "a.jpg").write_bytes(content[:start] + b"\xff\xd9")
        with pytest.raises(InputError, match="ends before its last scan|damaged"):
            read_photograph(tmp_path / "a.jpg")


def test_what_cameras_add_to_a_jpeg_does_no_harm(tmp_path):
    content, _ = next(photographs_of_noise())
    comment = b"\xff\xfe\x00\x04ab"
    for harmless in (
        content[:-2] + b"\0\xff\xd9",
        content[:2] + comment + b"\0\0\0\0" + content[2:],
    ):
        (tmp_path / "a.jpg").write_bytes(harmless)
        (tmp_path / "b.jpg").write_bytes(content)
        a, b = (read_photograph(tmp_path / f"{name}.jpg").pixels for name in "ab")
        assert (a == b).all()


def test_a_jpeg_inside_a_tiff_is_checked_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", compression="jpeg")
    read_photograph(path)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        start, count = tiff.pages.first.dataoffsets[0], tiff.pages.first.databytecounts[0]
    content[start + count // 2 : start + count - 2] = bytes(count - count // 2 - 2)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged: "):
        read_photograph(path)


def test_a_png_of_few_colours_with_a_wrong_checksum_is_refused(tmp_path):
    path = save(tmp_path / "a.png", ramp())
    Image.open(path).convert("P").save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged: the checksum|cannot be decoded"):
        read_photograph(path)


def test_a_tiff_that_claims_what_it_cannot_hold_is_refused_before_decoding(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 8, 65), np.uint8), photometric="rgb", planarconfig="contig")
    with pytest.raises(InputError, match="65 samples per pixel are more than 64"):
        inspect(path)
    tifffile.imwrite(path, np.zeros((8, 8, 3), np.uint8), photometric="rgb", compression="zlib")
    content = path.read_bytes()
    sides = struct.pack("<HHIHH", 256, 4, 1, 8, 0)
    if sides not in content:
        sides = struct.pack("<HHIHH", 256, 3, 1, 8, 0)
    path.write_bytes(content.replace(sides, sides[:8] + struct.pack("<H", 60000) + sides[10:]))
    with pytest.raises(InputError, match="cannot hold 60000 x 8 pixels"):
        inspect(path)


def test_a_folder_is_not_a_photograph(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(InputError, match="folder"):
        read_photograph(tmp_path / "a.jpg")


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    path = save(tmp_path / "huge.png", ramp())
    tif = save(tmp_path / "huge.tif", ramp())
    monkeypatch.setattr("sam2pal.images.header.MAX_PIXELS", 24 * 36 - 1)
    for huge in (path, tif):
        with pytest.raises(InputError, match="36 x 24 pixels are more than 863"):
            read_photograph(huge)


def test_a_photograph_beyond_pillows_own_limit_is_not_refused():
    assert Image.MAX_IMAGE_PIXELS == LIMIT == 500_000_000


def test_trailing_bytes_after_a_jpeg_do_no_harm(tmp_path):
    path = save(tmp_path / "a.jpg", ramp())
    path.write_bytes(path.read_bytes() + b"camera maker's trailer")
    header = inspect(path)
    assert (header.width, header.height) == (36, 24)


# Letterbox


def torch_resized(pixels, height, width):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(pixels).float().permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        tensor, (height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0].numpy()


@pytest.mark.parametrize("shape", [(300, 200), (40, 64), (128, 77), (128, 128)])
def test_image_to_square_agrees_with_torch(shape):
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    box = Letterbox(*shape, 128)
    top, left, height, width = box.box
    assert max(height, width) == 128 and min(top, left) == 0
    assert abs(2 * top + height - 128) <= 1 and abs(2 * left + width - 128) <= 1
    square = box.image_to_square(pixels)
    assert square.dtype == np.float32 and square.shape == (3, 128, 128)
    inside = square[:, top : top + height, left : left + width]
    mean = np.array([0.485, 0.456, 0.406])[:, None, None]
    std = np.array([0.229, 0.224, 0.225])[:, None, None]
    difference = (inside * std + mean) * 255 - torch_resized(pixels, height, width)
    assert np.abs(difference).max() <= 1.01
    padding = square.copy()
    padding[:, top : top + height, left : left + width] = 0
    assert not padding.any()


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("native", [31, 64, 150, 400])
def test_square_to_native_agrees_with_torch(size, native):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(2).normal(size=(2, 3, size, size))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values), (native, native), mode="bilinear", antialias=native < size
    )
    found = Letterbox(native, native, 256).square_to_native(values)
    assert found.shape == (2, 3, native, native) and found.dtype == np.float32
    assert np.abs(found - expected.numpy()).max() < 1e-5


def test_square_to_native_cuts_the_padding_at_a_quarter_of_the_square():
    box = Letterbox(100, 50, 256)
    assert box.box == (0, 64, 256, 128)
    y, x = np.mgrid[:64, :64] + 0.5  # a plane in the square's own units
    native = box.square_to_native(x * 4)
    expected = 64 + (np.arange(50) + 0.5) * 128 / 50
    assert np.abs(native[50] - expected).max() < 1e-3


def disc(height, width, cy, cx, radius):
    y, x = np.mgrid[:height, :width] + 0.5
    return (y - cy) ** 2 + (x - cx) ** 2 <= radius**2


def centroid(mask):
    return np.argwhere(mask).mean(axis=0)


@pytest.mark.parametrize(
    ("height", "width", "square"),
    [(701, 400, 256), (217, 172, 256), (106, 744, 1024), (97, 97, 64)],
)
@pytest.mark.parametrize("quarter", [False, True])
def test_a_disc_keeps_its_centroid_through_the_square(height, width, square, quarter):
    random = np.random.default_rng(3)
    box = Letterbox(height, width, square)
    cell = 4 / box.scale if quarter else 1.0  # native pixels a grid cell
    shifts = []
    for _ in range(12):
        radius = min(height, width) * 0.25
        mask = disc(height, width, *random.uniform(0.4, 0.6, 2) * (height, width), radius)
        inside = box.mask_to_square(mask)
        assert inside.min() >= 0.0 and inside.max() <= 1.0 and inside.dtype == np.float32
        if quarter:
            inside = inside.reshape(square // 4, 4, square // 4, 4).mean((1, 3))
        back = box.square_to_native(inside) > 0.5
        shifts.append(centroid(back) - centroid(mask))
        assert abs(back.sum() / mask.sum() - 1) < 0.03
    assert np.abs(shifts).max() < 0.05 * max(1.0, cell)
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.02 * max(1.0, cell)


def test_mask_to_square_averages_areas_exactly():
    mask = np.zeros((3, 6), bool)
    mask[0, 0] = mask[1, 3] = True
    inside = Letterbox(3, 6, 4).mask_to_square(mask)  # one square pixel is 1.5 native ones
    expected = np.array([[4, 0, 2, 0], [0, 0, 2, 0]]) / 9
    assert np.abs(inside[1:3] - expected).max() < 1e-6
    assert not inside[[0, 3]].any()
    assert inside.sum() * 1.5**2 == pytest.approx(mask.sum())


def test_shapes_that_do_not_fit_are_refused():
    box = Letterbox(10, 20, 32)
    with pytest.raises(ValueError, match=r"\(10, 20, 3\)"):
        box.image_to_square(np.zeros((20, 10, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\(10, 20\)"):
        box.mask_to_square(np.zeros((20, 10), bool))


def test_real_beetles_are_read(carabidae):
    photograph = read_photograph(carabidae / "pinned" / "images" / "0040.png")
    assert photograph.pixels.shape == (701, 400, 3)
    with Image.open(carabidae / "pinned" / "images" / "0040.png") as image:
        assert np.array_equal(photograph.pixels, np.asarray(image.convert("RGB")))
