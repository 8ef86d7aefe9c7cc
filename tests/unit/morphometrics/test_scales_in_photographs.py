"""Scale bars, rulers and cards that are drawn, and what is none."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from scale_overlays import STYLES, Overlay, draw_bar, draw_ruler, rectangle

import find_scale
from sam2pal.config.checking import validated
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.config.scale import ScaleSearch
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.scale import Scales
from sam2pal.morphometrics.scales import text
from sam2pal.morphometrics.scales.choice import find_bar, sharpened
from sam2pal.morphometrics.scales.collection import (
    ScaleRow,
    read_rows,
    with_one_scale,
    with_outliers_doubtful,
    with_shared_scale,
    without_scale,
    write_rows,
)
from sam2pal.morphometrics.scales.finding import Search, taken_with
from sam2pal.morphometrics.scales.strip import grey

MM = ScaleSearch(bar_length=1.0, card=(85.6, 54.0))


def ground(high=300, wide=400, seed=0):
    """A grey picture with noise and a dark beetle in the middle."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:high, :wide]
    picture = random.normal(185, 4, (high, wide, 1)) + np.zeros(3)
    beetle = ((x - wide / 2) / (0.2 * wide)) ** 2 + ((y - high / 2) / (0.3 * high)) ** 2 < 1
    picture[beetle] *= 0.3
    return picture.clip(0, 255).astype(np.uint8)


def search(tmp_path, picture, *sources, options=MM):
    Image.fromarray(picture).save(tmp_path / "a.png", compress_level=1)
    return Search(tmp_path / "a.png").find(sources or ["bar"], options)


def test_what_is_as_short_as_a_limb_is_doubtful(tmp_path):
    for length, status in ((24.0, "doubtful"), (40.0, "found")):
        found = search(tmp_path, draw_bar(ground(), Overlay((80, 76), 0.0), length, 3.0, "plain"))
        assert found.status == status, found.reason
    found = search(tmp_path, draw_bar(ground(), Overlay((80, 76), 0.0), 24.0, 3.0, "plain"))
    assert "it is only 24 pixels long" in found.reason


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("angle", [0.0, 0.3, 2.5])
def test_a_bar_of_any_kind_and_angle_is_measured(tmp_path, style, angle):
    thickness = 10.0 if style in ("box", "alternating") else 3.0
    picture = draw_bar(ground(), Overlay((80.3, 75.8), angle), 90.4, thickness, style, text="1 mm")
    found = search(tmp_path, picture)
    assert (found.status, found.source) == ("found", "bar"), found.reason
    assert found.pixels == pytest.approx(90.4, rel=0.006)
    assert 0 < found.uncertainty < 0.03
    assert found.picture.shape[2] == 3
    assert found.pixels_per_mm == found.pixels


@pytest.mark.parametrize("style", ["plain", "box"])
def test_a_bar_across_a_beetle_ends_where_its_own_grey_value_does(tmp_path, style):
    thickness = 4.0 if style == "plain" else 16.0
    bar = Overlay((170.3, 150.2), 0.2), 220.5, thickness, style, (15, 15, 15)
    found = search(tmp_path, draw_bar(ground(), *bar))  # one end on it, one beside it
    assert (found.status, found.source) == ("found", "bar"), found.reason
    assert found.pixels == pytest.approx(220.5, rel=0.006)


@pytest.mark.parametrize(("style", "thickness"), [("plain", 4.0), ("box", 12.0), ("ticks", 3.0)])
def test_a_bar_on_one_end_of_which_light_falls_is_measured_to_its_ends(tmp_path, style, thickness):
    picture = draw_bar(ground(), Overlay((120.2, 30.4), 0.1), 150.3, thickness, style)
    y, x = np.mgrid[:300, :400]
    glare = 0.5 * np.exp(-((x - 190) ** 2 + (y - 35) ** 2) / 2 / 60**2)[..., None]
    found = search(tmp_path, (picture + (255 - picture) * glare).astype(np.uint8))
    assert found.status == "found", found.reason
    assert found.pixels == pytest.approx(150.3, rel=0.01)


def test_a_bar_is_taken_and_not_the_panel_that_is_as_wide_as_the_photograph(tmp_path):
    picture = ground(300, 920)
    picture[180:] = 0
    picture = draw_bar(picture, Overlay((460, 210)), 900.0, 30.0, "plain", (250, 250, 250))
    found = search(tmp_path, picture)
    assert (found.status, found.pixels) == ("found", pytest.approx(900, rel=0.002)), found.reason


@pytest.mark.parametrize("colour", [(255, 255, 255), (250, 240, 60)])
def test_a_light_bar_in_a_large_jpeg_is_measured_in_all_of_its_pixels(tmp_path, colour):
    picture = np.full((1500, 3700, 3), 60, np.uint8)
    picture = draw_bar(picture, Overlay((3000.4, 1400.2)), 402.7, 9, "plain", colour, text="1 mm")
    Image.fromarray(picture).save(tmp_path / "a.jpg", quality=80)
    found = Search(tmp_path / "a.jpg").find(["bar"], MM)
    assert found.status == "found"
    assert found.pixels == pytest.approx(402.7, rel=0.002)


def test_16_bits_and_grey(tmp_path):
    picture = draw_bar(ground(), Overlay((80, 30)), 70.0, 3)[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", picture.astype(np.uint16) * 257)
    Image.fromarray(picture).save(tmp_path / "b.png")
    for name in ("a.tif", "b.png"):
        found = Search(tmp_path / name).find(["bar"], MM)
        assert found.pixels == pytest.approx(70, rel=0.006), name


def test_what_has_no_bar_gives_none(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    even = np.full((200, 300, 3), 200, np.uint8)
    for picture in (noise, even, ground()):
        found = search(tmp_path, picture, "bar", "ruler", "card")
        assert (found.status, found.pixels_per_mm) == ("none", None)
        assert found.reason == "no bar or ruler or card was found"


def test_the_letters_of_a_label_are_no_bar(tmp_path):
    label = np.full((200, 300, 3), 200, np.uint8)
    for i in range(4):
        label = Overlay((150, 30.0 + 40 * i)).write(label, "NEON HARV 2019", (0, 0), 18, (0, 0, 0))
    found = search(tmp_path, label)
    assert found.status == "none" or "as long as the letters around it" in found.reason


def test_two_bars_of_different_length_are_doubtful(tmp_path):
    picture = draw_bar(ground(), Overlay((70, 20)), 90, 3)
    picture = draw_bar(picture, Overlay((320, 280)), 60, 3)
    found = search(tmp_path, picture)
    assert found.status == "doubtful"
    assert "2 things look like a bar (60, 90 pixels long)" in found.reason
    picture = draw_bar(draw_bar(ground(), Overlay((70, 20)), 90, 3), Overlay((320, 280)), 90, 3)
    assert search(tmp_path, picture).status == "found"  # they say the same


def test_a_bar_that_is_none_at_full_size_is_doubtful_and_shown_where_it_is():
    picture = np.full((200, 300), 200, np.float32)
    small = draw_bar(np.full((100, 150, 3), 200, np.uint8), Overlay((75, 50)), 60, 3)
    choice = find_bar(grey(small))
    line = choice.bar.line.scaled(2.0)
    again = sharpened(choice, picture, line)
    assert (again.doubt, again.bar.line) == ("at full size it does not look like a bar", line)


def test_legs_near_the_ends_are_no_ticks(tmp_path):
    picture = draw_bar(ground(), Overlay((80, 30)), 90, 4)
    for x in (29, 131):
        picture = Overlay((x, 30)).paint(picture, [rectangle(-2, -14, 2, 12)], (90, 60, 50))
    found = search(tmp_path, picture)
    assert found.status != "found" or found.pixels == pytest.approx(90, rel=0.01)


def test_a_bar_that_is_cut_off_is_not_used(tmp_path):
    picture = draw_bar(ground(), Overlay((20, 30)), 90, 3)
    found = search(tmp_path, picture)
    assert found.status in ("doubtful", "none")
    if found.status == "doubtful":
        assert "edge of the photograph" in found.reason


def test_a_bar_of_few_pixels_is_none(tmp_path):
    picture = draw_bar(np.full((100, 150, 3), 220, np.uint8), Overlay((70, 20)), 9.5, 2)
    assert search(tmp_path, picture).status == "none"


def test_a_length_no_photograph_has_is_doubtful(tmp_path):
    picture = draw_bar(ground(), Overlay((70, 20)), 90, 3)
    found = search(tmp_path, picture, options=ScaleSearch(bar_length=50.0, bar_unit="cm"))
    assert found.status == "doubtful"
    assert "implausible" in found.reason


@pytest.mark.parametrize(
    ("unit", "every", "period", "angle"),
    [("mm", (5, 10), 9.37, 0.0), ("mm", (5, 10), 6.4, 0.9), ("1/16 in", (2, 4, 8, 16), 12.2, 1.7)],
)
def test_a_ruler_gives_the_distance_of_its_ticks(tmp_path, unit, every, period, angle):
    picture = draw_ruler(ground(400, 400), Overlay((200, 200), angle), period, 28, every)
    found = search(tmp_path, picture, "ruler", options=ScaleSearch(ruler=unit))
    assert (found.status, found.source) == ("found", "ruler"), found.reason
    assert found.pixels == pytest.approx(period, rel=0.003)
    assert found.mm == (1.0 if unit == "mm" else 25.4 / 16)


def test_ticks_alone_are_told_from_the_lines_of_elytra(tmp_path):
    picture = np.full((400, 500, 3), 150, np.uint8)
    picture[:, 250:] = 40
    lines = [rectangle(-170, y, 170, y + 3) for y in range(-150, 150, 7)]
    picture = Overlay((250, 200), 0.06).paint(picture, lines, (75, 75, 75))
    picture = draw_ruler(picture, Overlay((250, 230), 1.6), 9.0, 30, colour=(250,) * 3, ground=None)
    found = search(tmp_path, picture, "ruler")
    assert found.status == "found", found.reason
    assert found.pixels == pytest.approx(9.0, rel=0.003)


def test_a_ruler_seen_at_an_angle_is_refused(tmp_path):
    picture = draw_ruler(ground(400, 500), Overlay((250, 200), 0.2, 3e-4), 10, 35)
    found = search(tmp_path, picture, "ruler")
    assert found.status == "doubtful"
    assert "seen at an angle" in found.reason


def test_a_ruler_in_the_other_unit_is_doubtful(tmp_path):
    picture = draw_ruler(ground(400, 500), Overlay((250, 200)), 10, 40, (2, 4, 8, 16))
    found = search(tmp_path, picture, "ruler")
    assert found.status == "doubtful"
    assert "sixteenths of an inch" in found.reason


def test_stripes_that_do_not_begin_in_one_line_are_no_ticks(tmp_path):
    random = np.random.default_rng(0)
    stripes = [
        rectangle(x, -40 * random.uniform(0.2, 1), x + 2, 40 * random.uniform(0.2, 1))
        for x in range(-150, 150, 8)
    ]
    picture = np.full((300, 400, 3), 200, np.uint8)
    picture = Overlay((200, 150), 0.3).paint(picture, stripes, (20, 20, 20))
    found = search(tmp_path, picture, "ruler")
    assert found.status == "doubtful"
    assert "begin in one line" in found.reason


@pytest.mark.parametrize("vanish", [0.0, 5e-4])
def test_a_card_of_known_sides(tmp_path, vanish):
    card = Overlay((200, 150), 0.3, vanish)
    picture = np.full((300, 400, 3), 170, np.uint8)
    picture = card.paint(picture, [rectangle(-85.6, -54, 85.6, 54)], (30, 30, 30))
    patches = [rectangle(x, y, x + 30, y + 30) for x in (-70, -15, 40) for y in (-40, 10)]
    picture = card.paint(picture, patches, (200, 180, 90))
    found = search(tmp_path, picture, "card")
    if vanish:
        assert found.status == "doubtful"
        assert "seen at an angle" in found.reason
    else:
        assert (found.status, found.source) == ("found", "card")
        assert found.pixels_per_mm == pytest.approx(2.0, rel=0.01)


def test_patches_of_a_card_whose_edge_is_not_seen_are_no_card(tmp_path):
    picture = np.full((300, 400, 3), 240, np.uint8)
    random = np.random.default_rng(1)
    for i in range(6):
        for j in range(4):
            left, top = 50 + 40 * i, 60 + 40 * j
            picture[top : top + 32, left : left + 32] = random.integers(0, 200, 3)
    block = ScaleSearch(card=(112, 72))  # the shape of three by two of them
    assert search(tmp_path, picture, "card", options=block).status != "found"


def test_what_goes_on_beyond_its_corners_is_no_card(tmp_path):
    picture = np.full((300, 400, 3), 200, np.uint8)
    for first in (100, 192):  # lines that cross, as the gaps between the patches of a card
        picture[first : first + 8, 60:340] = 28
        picture[60:240, first + 100 * (first > 100) : first + 8 + 100 * (first > 100)] = 28
    found = search(tmp_path, picture, "card", options=ScaleSearch(card=(200, 100)))
    assert found.status == "doubtful" and "part of a card" in found.reason


def test_the_first_source_that_is_not_doubtful_counts(tmp_path):
    picture = draw_bar(ground(400, 500), Overlay((100, 20)), 90, 3)
    picture = draw_bar(picture, Overlay((400, 20)), 60, 3)
    picture = draw_ruler(picture, Overlay((250, 330)), 8.0, 40)
    assert search(tmp_path, picture, "bar", "ruler").source == "ruler"


def test_lengths_in_text():
    assert text._lengths("0.5 mm\n") == [0.5]
    assert text._lengths("500 µm") == text._lengths("500um") == [0.5]
    assert text._lengths("| mm") == [1.0]
    assert text._lengths("1,5 cm x") == [15.0]
    assert text._lengths("5,000 µm") == [0.005, 5.0]  # two lengths are not trusted
    assert text._lengths("0,500 µm") == [0.0005] and text._lengths("1,000 mm") == [1.0]
    assert text._lengths("NEON 2019, 0 mm, mm") == []
    assert text._lengths("05mm") == []  # of small letters the point is not read


def test_the_text_beside_a_bar_is_read_where_tesseract_is(tmp_path, monkeypatch):
    picture = draw_bar(ground(600, 800), Overlay((200, 60), 0.05), 200.0, 6, text="0.5 mm")
    if text.installed():
        found = search(tmp_path, picture, options=ScaleSearch())
        assert (found.status, found.mm) == ("found", 0.5), found.reason
    monkeypatch.setattr(text, "installed", lambda: False)
    found = search(tmp_path, picture, options=ScaleSearch())
    assert (found.status, found.pixels_per_mm) == ("doubtful", None)
    assert "Tesseract is not installed" in found.reason


def rows(*scales, **more):
    return [
        ScaleRow("G", str(i), "found" if of else "none", "bar" if of else "", of, 0.004, **more)
        for i, of in enumerate(scales)
    ]


def test_a_scale_far_from_all_others_is_doubtful_unless_others_have_it():
    found = with_outliers_doubtful(rows(100, 100.4, 99.8, 100.2, 99.9, 63.0))
    assert [row.status for row in found] == ["found"] * 5 + ["doubtful"]
    assert found[-1].pixels_per_mm is None
    assert found[-1].reason == (
        "63 pixels per mm, but the median of 6 photographs is 99.95 and their spread 1.0%"
    )
    assert "1 doubtful and left empty (5)" in without_scale(found)
    two = with_outliers_doubtful(rows(100, 100.4, 99.8, 100.2, 99.9, 200.1, 200.2, 199.9))
    assert {row.status for row in two} == {"found"}  # another magnification
    assert {row.status for row in with_outliers_doubtful(rows(100, 100, 50))} == {
        "found"
    }  # too few to tell
    assert without_scale(two) == ""


def test_once_a_collection_takes_the_median_and_says_the_spread():
    found = with_one_scale(rows(100, 101, None, 99))
    assert [row.pixels_per_mm for row in found] == [100.0] * 4
    assert found[2].status == "found" and found[2].source == "bar_median"
    assert found[2].reason == "median of 3 of 4 photographs, spread 1.48%"
    assert found[2].uncertainty == pytest.approx(0.0148, abs=1e-3)
    different = with_one_scale(rows(100, 130, 80, 99))
    assert {(row.status, row.pixels_per_mm) for row in different} == {("doubtful", None)}
    assert "not taken alike" in different[0].reason
    assert with_one_scale(rows(None)) == rows(None)
    stray = with_one_scale(rows(100, 100.2, 99.9, 104, None))
    assert [row.pixels_per_mm for row in stray] == [100.1, 100.1, 100.1, None, 100.1]
    assert stray[3].status == "doubtful"
    assert "104 pixels per mm, but 100.1 is the median of 4 of 5" in stray[3].reason


ALIKE = (100, 100.4, 99.8, 100.2, 99.9)


def test_photographs_taken_alike_lend_their_scale_to_those_without_one():
    one, other = (rows(*of, taken=of[0]) for of in ((*ALIKE, None, 104), (50, 50.1, 50, None)))
    one = [replace(row, taken="6000 x 4000, Canon") for row in one]
    other = [replace(row, specimen=f"z{row.specimen}", taken="800 x 600") for row in other]
    found = with_shared_scale([*one, *other])
    assert found[:5] == one[:5]  # what was found in a photograph is its own
    assert (found[5].status, found[5].source, found[5].pixels_per_mm) == (
        "found",
        "bar_median",
        100.1,
    )
    assert found[5].reason == "median of 6 of 7 photographs, spread 0.37%"
    assert (found[6].status, found[6].pixels_per_mm) == ("doubtful", None)
    assert found[7:] == other  # too few to tell
    assert with_outliers_doubtful(found) == found  # what was lent is not judged once more


def test_photographs_are_not_alike_where_their_scales_differ():
    two = rows(*ALIKE, 63, 63.1, 62.9, None, taken="800 x 600")  # two magnifications
    assert with_shared_scale(two) == two
    wide = rows(90, 95, 100, 105, 110, None, taken="800 x 600")
    assert with_shared_scale(wide) == wide
    groups = {str(i): "1x" if i < 5 or i == 8 else "0.63x" for i in range(9)}
    assert with_shared_scale(two, groups)[8].pixels_per_mm == 100.0
    assert with_shared_scale(two, groups | {"8": ""})[8].pixels_per_mm is None


def test_a_column_says_which_photographs_were_taken_alike(tmp_path, monkeypatch):
    write_rows(tmp_path / "0001.csv", rows(*ALIKE, 63, 63.1, 62.9, None, taken="800 x 600"))
    table = tmp_path / "specimens.csv"
    cells = [f"G,{i},{'1x' if i < 5 or i == 8 else '0.63x'}" for i in range(9)]
    table.write_text("\n".join(["genus,specimen,zoom", *cells, ""]))
    options = tmp_path / "options.yaml"
    options.write_text(
        "measurement: {scale: [bar], scale_search: {bar_length: 1.0, once: alike, alike: zoom}}"
    )
    words = ["--tables", tmp_path / "0001.csv", "--options", options]
    words += ["--output", tmp_path / "scale.csv"]
    monkeypatch.setattr(sys, "argv", ["find_scale.py", *map(str, words)])
    with pytest.raises(
        InputError, match="'zoom' is a column of the table of specimens; name its file"
    ):
        find_scale.main()
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--specimen-table", str(table)])
    find_scale.main()
    scale = Scales(["bar"], None, None, "G", tmp_path / "scale.csv").of("8", None)
    assert (scale.pixels_per_mm, scale.source) == (100.0, "bar_median")
    table.write_text("genus,specimen,magnification\nG,0,1x\n")
    with pytest.raises(InputError, match="no column 'zoom', .* found magnification"):
        find_scale.main()
    with pytest.raises(InputError, match="is read only with `once: alike`; add that"):
        validated(MeasurementOptions, {"scale_search": {"alike": "zoom"}})


def test_size_and_camera_say_how_a_photograph_was_taken(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS 5D"
    Image.new("RGB", (60, 80)).save(tmp_path / "a.jpg", exif=exif)
    assert taken_with(tmp_path / "a.jpg", 60, 80) == "80 x 60, Canon, EOS 5D"
    assert taken_with(f"{tmp_path}/a.jpg", 60, 80) == "80 x 60, Canon, EOS 5D"
    (tmp_path / "b.tif").write_bytes(b"no picture")
    assert taken_with(tmp_path / "b.tif", 60, 80) == "80 x 60"


def test_a_part_of_a_bar_that_alternates_is_doubtful():
    picture = np.full((400, 800, 3), 38, np.uint8)  # the dark parts of the bar are hardly seen,
    picture[:, :370] = 218  # and not all light ones look like bars
    noise = np.random.default_rng(0).normal(0, 3, (400, 800, 1))
    picture = (picture + noise).clip(0, 255).astype(np.uint8)
    colours = (20, 20, 20), (250, 250, 250)
    choice = find_bar(
        grey(draw_bar(picture, Overlay((400, 200)), 400, 20, "alternating", *colours))
    )
    assert choice.bar is not None and choice.bar.line.length == pytest.approx(80, abs=1)
    assert choice.doubt == "it may be a part of a longer bar"


def test_measuring_takes_the_next_source_where_the_table_says_nothing(tmp_path):
    path = tmp_path / "scale.csv"
    doubtful = ScaleRow(
        "G", "c", "doubtful", "bar", None, 0.01, 50.0, 1.0, "2 things look like a bar"
    )
    write_rows(path, [ScaleRow("G", "a", "found", "bar", 90.0, 0.004, 90.0, 1.0), doubtful])
    assert read_rows([path])[1] == doubtful
    table = tmp_path / "specimens.csv"
    table.write_text("genus,specimen,pixels_per_mm\nG,b,84\n")
    scales = Scales(["specimen_table", "bar"], None, table, "G", path)
    found = scales.of("a", None)
    assert (found.pixels_per_mm, found.source, found.uncertainty) == (90.0, "bar", 0.004)
    assert (scales.of("b", None).source, scales.of("b", None).uncertainty) == (
        "specimen_table",
        None,
    )
    assert scales.of("c", None).reason == "2 things look like a bar"
    assert scales.of("c", None).pixels_per_mm is None
    assert Scales(["bar", "genus"], 20.0, None, "G", path).of("c", None).source == "genus"
    assert Scales(["ruler"], None, None, "G", path).of("a", None).pixels_per_mm is None
    with pytest.raises(InputError, match="has two rows; run the workflow again"):
        read_rows([path, path])


def test_a_card_needs_its_sides():
    with pytest.raises(InputError, match="write both sides in mm"):
        validated(MeasurementOptions, {"scale": ["card"]})
    options = validated(MeasurementOptions, {"scale": ["genus", "ruler", "exif"]})
    assert options.seen == ["ruler"]
