"""Scales, colours, and agreement of two sets of measurements."""

import math
import struct

import numpy as np
import pytest
import tifffile
from morphometric_shapes import annotated
from PIL import Image, ImageCms
from skimage.color import xyz2lab

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.config.scale import check_scale
from sam2pal.images.reading import colour_profile
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.colour import colour, erode, inner_pixels, to_lab, to_srgb
from sam2pal.morphometrics.measures.scale import Scale, Scales, exif_scale, table_scales
from sam2pal.morphometrics.measures.specimen import Measuring, SpecimenMasks
from sam2pal.morphometrics.tables.allometry import allometry
from sam2pal.morphometrics.tables.concordance import concordance


def photograph(path, x=None, y=None, unit=2):
    image = Image.new("RGB", (8, 6))
    exif = Image.Exif()
    if x is not None:
        exif[0x011A], exif[0x011B], exif[0x0128] = x, y if y is not None else x, unit
    image.save(path, exif=exif)
    return path


@pytest.mark.parametrize("value", [0, -3, float("nan"), float("inf"), 0.1, 50_000])
def test_implausible_scales_are_refused(value):
    with pytest.raises(InputError, match="pixels per mm"):
        check_scale(value, "genera.tsv, line 3")
    with pytest.raises(InputError, match="--pixels-per-mm"):
        Scales(["genus"], value)


def test_exif_resolution(tmp_path):
    path = photograph(tmp_path / "a.jpg", 2540.0)
    assert exif_scale(path) == pytest.approx(100)
    assert exif_scale(photograph(tmp_path / "b.jpg", 500.0, unit=3)) == pytest.approx(50)
    Image.new("RGB", (8, 6)).save(tmp_path / "c.tif", dpi=(1270, 1270))
    assert exif_scale(tmp_path / "c.tif") == pytest.approx(50)


@pytest.mark.parametrize(
    ("x", "y", "unit", "said"),
    [
        (None, None, 2, "no resolution"),
        (600.0, 300.0, 2, "differs between x (600) and y (300)"),
        (600.0, 600.0, 1, "has no unit"),
        (72.0, 72.0, 2, "by default"),
        (96.0, 96.0, 2, "by default"),
        (300.0, 300.0, 2, "write 11.811 as pixels_per_mm of the genus"),
        (118.11, 118.11, 3, "of 300 per inch is what cameras"),
        (10.0, 10.0, 2, "implausible"),
        (0.0, 0.0, 2, "not a positive number"),
    ],
)
def test_exif_resolutions_that_are_refused(tmp_path, x, y, unit, said):
    with pytest.raises(InputError) as error:
        exif_scale(photograph(tmp_path / "a.jpg", x, y, unit))
    assert said in str(error.value)


def test_the_resolution_of_a_sensor_is_not_that_of_a_specimen(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA20E] = 4000.0
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg", exif=exif)
    with pytest.raises(InputError, match="camera's sensor"):
        exif_scale(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("width", "height", "refused"),
    [(8, 6, False), (6, 8, False), (16, 12, True), (4, 3, True), (0, 0, False), (8, None, False)],
)
def test_the_resolution_of_a_resized_photograph_is_refused(tmp_path, width, height, refused):
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 2540.0, 2540.0, 2
    exif.get_ifd(0x8769)[0xA002] = width
    if height is not None:
        exif.get_ifd(0x8769)[0xA003] = height
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg", exif=exif)
    if not refused:
        assert exif_scale(tmp_path / "a.jpg") == pytest.approx(100)
        return
    found = Scales(["exif"]).of("a", tmp_path / "a.jpg")
    assert found.pixels_per_mm is None
    assert f"has 8 x 6 pixels, but its EXIF says {width} x {height}" in found.reason


def test_a_window_has_the_resolution_of_its_photograph(tmp_path):
    path = photograph(tmp_path / "tray.jpg", 2540.0)
    assert exif_scale(f"{path}#xywh=1,2,3,2") == pytest.approx(100)


def test_the_resolution_of_a_preview_is_refused(tmp_path):
    pages = [Image.new("RGB", (side, side)) for side in (16, 64)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], dpi=(1270, 1270))
    with pytest.raises(InputError, match="a.tif: the resolution is that of a preview"):
        exif_scale(tmp_path / "a.tif")


def test_no_photograph_no_resolution(tmp_path):
    (tmp_path / "a.jpg").write_text("no photograph")
    with pytest.raises(InputError, match="cannot be read"):
        exif_scale(tmp_path / "a.jpg")


def table(tmp_path, text):
    path = tmp_path / "specimens.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_scales_from_the_specimen_table(tmp_path):
    path = table(
        tmp_path,
        "genus,specimen,pixels_per_mm,ac:scaleConversionFactor,sex\n"
        "Formica,a,84,,f\nFormica,b,,900,\nFormica,c,,,m\nFormica,d,50,500,\nLasius,a,10,,\n",
    )
    assert table_scales(path, "Formica") == {"a": 84.0, "b": 90.0, "d": 50.0}
    scales = Scales(["specimen_table", "genus"], 20.0, path, "Formica")
    assert (scales.of("a", None).pixels_per_mm, scales.of("a", None).source) == (
        84.0,
        "specimen_table",
    )
    assert (scales.of("c", None).pixels_per_mm, scales.of("c", None).source) == (20.0, "genus")
    turned = Scales(["genus", "specimen_table"], 20.0, path, "Formica")
    assert turned.of("a", None).pixels_per_mm == 20.0
    nothing = Scales(["specimen_table"], 20.0, path, "Formica").of("c", None)
    assert (nothing.pixels_per_mm, nothing.source, nothing.reason) == (None, "", "")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Formica,a,0.01,", "line 2 ('a'): column 'pixels_per_mm': 0.01 pixels per mm is impl"),
        ("Formica,a,,-4", "'ac:scaleConversionFactor': -0.4 pixels per mm"),
        ("Formica,a,84,900", "contradict each other: 84 and 90"),
        ("Formica,a,,many", "'many' is not a number"),
        ("Formica,a,many,", "column 'pixels_per_mm': 'many' is not a number"),
    ],
)
def test_scales_in_the_table_that_are_refused(tmp_path, row, said):
    path = table(tmp_path, f"genus,specimen,pixels_per_mm,ac:scaleConversionFactor\n{row}\n")
    with pytest.raises(InputError) as error:
        Scales(["specimen_table"], None, path, "Formica")
    assert said in str(error.value)


def test_exif_only_when_asked_and_a_refusal_is_said(tmp_path):
    good = photograph(tmp_path / "a.jpg", 2540.0)
    assert Scales(["genus"]).of("a", good).pixels_per_mm is None
    assert Scales(["exif"]).of("a", good).source == "exif"
    refused = Scales(["exif"]).of("b", photograph(tmp_path / "b.jpg", 72.0))
    assert refused.pixels_per_mm is None
    assert "b.jpg" in refused.reason
    later = Scales(["exif", "genus"], 30.0).of("b", tmp_path / "b.jpg")
    assert (later.pixels_per_mm, later.source, later.reason) == (30.0, "genus", "")


def test_lab_is_that_of_scikit_image():
    from skimage.color import rgb2lab

    pixels = np.random.default_rng(1).integers(0, 256, (500, 3), dtype=np.uint8)
    pixels[:4] = [[0, 0, 0], [255, 255, 255], [1, 2, 3], [255, 0, 0]]
    expected = rgb2lab(pixels[None])[0]
    assert np.abs(to_lab(pixels.T).T - expected).max() < 0.01
    found = colour(pixels.T)
    assert [found[f"lab_{axis}"] for axis in "lab"] == pytest.approx(expected.mean(0), abs=0.01)
    assert [found[f"lab_{axis}_sd"] for axis in "lab"] == pytest.approx(expected.std(0), abs=0.01)
    assert colour(pixels[:8].T) == {}


def adobe_rgb():
    """An ICC profile, version 2, of Adobe RGB (1998): colorants adapted to D50, one gamma."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))

    white = fixed(0.9642, 1, 0.8249)
    tags = {b"wtpt": white, b"rXYZ": fixed(0.60974, 0.31111, 0.01947)}
    tags |= {b"gXYZ": fixed(0.20528, 0.62567, 0.06087), b"bXYZ": fixed(0.14919, 0.06322, 0.74457)}
    tags = {key: b"XYZ \0\0\0\0" + value for key, value in tags.items()}
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, 563)  # 563 / 256
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(81)
    place, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += key + struct.pack(">2I", place + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    size = 128 + len(table) + len(data)
    head = struct.pack(">2I2I", size, 0, 0x02100000, 0)[:12] + b"mntrRGB XYZ " + bytes(12)
    return (head + b"acsp" + bytes(28) + white).ljust(128, b"\0") + table + data


def test_colours_are_those_that_the_profile_of_the_photograph_means(tmp_path):
    rgb = np.array([[[150, 100, 60], [120, 130, 90], [200, 180, 150], [30, 20, 25]]], np.uint8)
    linear = (rgb[0] / 255) ** (563 / 256)
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    expected = xyz2lab(linear @ np.transpose(to_xyz))
    assert np.abs(to_lab(rgb[0].T).T - expected).max() > 5  # taken for sRGB
    image = Image.fromarray(np.tile(rgb.repeat(8, 1), (32, 1, 1)))
    for name in ("a.png", "a.jpg", "a.webp", "a.tif"):
        image.save(tmp_path / name, icc_profile=adobe_rgb())
    deep = np.asarray(image).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", iccprofile=adobe_rgb())
    for path in tmp_path.iterdir():
        found = to_lab(to_srgb(rgb[0].T, colour_profile(path))).T
        assert found == pytest.approx(expected, abs=0.6), path
    mask = np.zeros((32, 32), bool)
    mask[4:28, :8] = True
    case = SpecimenMasks("a", {"head": annotated(mask)}, Scale(), tmp_path / "deep.tif")
    values = Measuring(["head"], MeasurementOptions()).measure([case])[0].structures["head"].values
    assert [values[f"lab_{axis}"] for axis in "lab"] == pytest.approx(expected[0], abs=0.6)


@pytest.mark.parametrize("profile", [None, b"", b"damaged", ImageCms.ImageCmsProfile(
    ImageCms.createProfile("sRGB")).tobytes()])  # fmt: skip
def test_without_a_profile_colours_are_srgb(profile):
    pixels = np.arange(30, dtype=np.uint8).reshape(3, 10)
    assert to_srgb(pixels, profile) is pixels


def test_erosion_is_nearly_a_disc():
    y, x = np.mgrid[:81, :81] - 40
    for distance in (0, 1, 2, 5, 10):
        inner = erode(np.hypot(x, y) < 30, distance)
        expected = np.hypot(x, y) < 30 - distance
        assert (inner ^ expected).sum() <= 0.12 * expected.sum()
    assert not erode(np.ones((4, 4), bool), 2).any()  # the border is an edge
    assert erode(np.ones((5, 9), bool), 2).sum() == 5


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 6])
def test_of_a_large_mask_inner_pixels_are_looked_at_here_and_there(distance):
    mask = np.random.default_rng(1).random((300, 200)) < 0.999
    mask[:, 50:60] = False
    every = erode(mask, distance)
    rows, columns = inner_pixels(mask, distance, 10**9)
    assert np.array_equal(np.stack([rows, columns]), np.nonzero(every))
    step = mask.sum() // 10_000
    rows, columns = inner_pixels(mask, distance, 10_000)
    number = rows * 200 + columns
    assert (number % step == step // 2).all()
    assert np.array_equal(number, [n for n in np.flatnonzero(every) if n % step == step // 2])


def test_concordance_against_the_definition():
    generator = np.random.default_rng(4)
    y = generator.normal(100, 10, 60)
    x = 3 + 0.9 * y + generator.normal(0, 4, 60)
    found = concordance(x, y)
    # Lin: 1 - E(x - y)^2 / the same if x and y were independent
    independent = ((x[:, None] - y[None]) ** 2).mean()
    assert found["ccc"] == pytest.approx(1 - ((x - y) ** 2).mean() / independent)
    assert found["pearson"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found["bias"] == pytest.approx((x - y).mean())
    assert found["bias_percent"] == pytest.approx(100 * (x - y).mean() / y.mean())
    sd = (x - y).std(ddof=1)
    assert found["limit_low"] == pytest.approx(found["bias"] - 1.96 * sd)
    assert found["limit_high"] == pytest.approx(found["bias"] + 1.96 * sd)
    assert found["n"] == 60


def test_the_interval_of_the_concordance_covers():
    """Of bivariate normal samples with known concordance about 95 % of intervals hold it."""
    generator = np.random.default_rng(8)
    true = 2 * 0.8 * 1 * 1.2 / (1 + 1.44 + 0.25)
    covered = 0
    for _ in range(400):
        u, v = generator.standard_normal((2, 40))
        found = concordance(u, 0.5 + 1.2 * (0.8 * u + 0.6 * v))
        covered += found["ccc_low"] <= true <= found["ccc_high"]
    assert 0.92 <= covered / 400 <= 0.98


def test_concordance_of_little():
    same = concordance(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 4]))
    assert same["ccc"] == pytest.approx(1)
    assert same["bias"] == 0
    one = concordance(np.array([2.0]), np.array([1.0]))
    assert (one["bias"], one["ccc"], one["limit_low"]) == (1.0, None, None)
    flat = concordance(np.array([1.0, 1, 1]), np.array([1.0, 2, 3]))
    assert flat["ccc"] is None
    rounded = concordance(np.full(6, 0.1), np.full(6, 0.7))  # their sums are not exact
    assert (rounded["ccc"], rounded["pearson"], rounded["ccc_low"]) == (None, None, None)
    with pytest.raises(ValueError, match="equally long"):
        concordance(np.ones(3), np.ones(2))


def test_allometry_of_a_power_law():
    generator = np.random.default_rng(2)
    x = generator.uniform(1, 10, 200)
    y = 3 * x**1.4 * np.exp(generator.normal(0, 0.05, 200))
    fit = allometry(np.append(x, [0, 5, np.nan]), np.append(y, [1, -1, 2]))
    assert fit.n == 200
    assert fit.slope_low < 1.4 < fit.slope_high
    assert fit.slope_high - fit.slope_low < 0.1
    assert fit.intercept == pytest.approx(math.log10(3), abs=0.03)
    # the interval is that of ordinary least squares
    lx, ly = np.log10(x), np.log10(y)
    rest = ly - fit.intercept - fit.slope * lx
    error = math.sqrt(rest @ rest / 198 / ((lx - lx.mean()) ** 2).sum())
    assert fit.slope_high - fit.slope == pytest.approx(1.9720174778 * error)
    assert fit.reduced_slope == pytest.approx(fit.slope / fit.r)
    assert fit.reduced_low < fit.reduced_slope < fit.reduced_high
    down = allometry(x, 1 / y)
    assert down.reduced_slope < 0
    assert down.reduced_low < down.reduced_slope < down.reduced_high
    assert allometry(x[:2], y[:2]) is None
    assert allometry(np.ones(5), y[:5]) is None
