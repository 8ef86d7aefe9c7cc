"""The review page: what comes first, what is drawn where, and that nothing goes missing."""

import csv
import dataclasses
import hashlib
import itertools
import json
import os
import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.draw import disk, polygon2mask

from sam2pal.config.checking import validated
from sam2pal.config.review import ReviewOptions
from sam2pal.dataset.convert import convert
from sam2pal.dataset.files import categories as coco_categories
from sam2pal.dataset.files import check, read_json
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.manifest import build_manifest
from sam2pal.dataset.previews import keep, preview
from sam2pal.dataset.rle import decode_mask, encode_mask, fingerprint, rle_measures
from sam2pal.images.orientation import stored
from sam2pal.images.reading import Photograph, read_photograph
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.tables.columns import COLUMNS as MORPHOMETRICS
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen
from sam2pal.review.annotating import write_annotation_page
from sam2pal.review.colours import PALETTE, line_styles
from sam2pal.review.index import write_index
from sam2pal.review.outlines import outlines, simplify, svg_path
from sam2pal.review.overlay import Cell, contact_sheet, render_overlay, shrink
from sam2pal.review.page import PageLocation
from sam2pal.review.shards import Group
from sam2pal.review.specimens import ShownSpecimen, write_copy
from sam2pal.review.survey import Sources
from sam2pal.review.tables import Tables
from sam2pal.review.writing import write_review

STRUCTURES = ("head", "legs", "wing")
HEIGHT, WIDTH = 60, 40


# ---- outlines


def disc(radius: float = 20.0, shape: tuple[int, int] = (64, 50)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[disk((31.5, 24.5), radius, shape=shape)] = True
    return mask


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The mask inside polygons, holes left out; pixel centres lie at + 0.5."""
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        mask ^= polygon2mask(shape, polygon[:, ::-1] - 0.5)
    return mask


def test_an_outline_encloses_exactly_its_mask() -> None:
    mask = disc()
    mask[25:30, 20:28] = False
    mask[2, 3] = mask[0, :8] = mask[-1, -1] = True  # a speck, and pixels at the border
    polygons = outlines(mask)
    assert len(polygons) == 5
    assert all((polygon[0] == polygon[-1]).all() for polygon in polygons)
    assert (filled(polygons, mask.shape) == mask).all()
    assert outlines(np.zeros((5, 5), bool)) == []


def test_an_outline_has_the_corner_of_the_picture_as_its_origin() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:5, 10:16] = True
    for coarse in (1, 2):
        (polygon,) = outlines(mask, coarse)
        assert (polygon.min(0), polygon.max(0)) == (
            pytest.approx([10, 2], abs=coarse / 2),
            pytest.approx([16, 5], abs=coarse / 2),
        )


@pytest.mark.parametrize("coarse", [2, 3, 7])
def test_a_coarse_outline_stays_within_a_block_of_the_fine_one(coarse: int) -> None:
    mask = disc(20.3)
    again = filled(outlines(mask, coarse), mask.shape)
    assert (again != mask).sum() < 0.5 * coarse * 2 * np.pi * 20
    assert again.sum() == pytest.approx(mask.sum(), rel=0.01 * coarse)


def test_what_is_too_thin_for_a_coarse_outline_still_shows() -> None:
    mask = np.zeros((400, 400), bool)
    mask[200, 50:350] = True
    (polygon,) = outlines(mask, coarse=8)
    assert polygon[:, 0].min() < 60 and polygon[:, 0].max() > 340
    assert abs(polygon[:, 1] - 200.5).max() <= 8


def test_simplifying_keeps_within_the_tolerance_and_is_worth_it() -> None:
    (fine,) = outlines(disc())
    simple = simplify(fine, 0.6)
    assert len(simple) < len(fine) / 3
    start, end = simple[:-1], simple[1:]
    along = end - start
    share = ((fine[:, None] - start) * along).sum(2) / (along**2).sum(1)
    nearest = start + along * share.clip(0, 1)[..., None]
    distance = np.hypot(*np.moveaxis(fine[:, None] - nearest, 2, 0)).min(1)
    assert 0.2 < distance.max() <= 0.6
    square = np.array([[0, 0], [0, 5], [0, 9], [9, 9], [9, 0], [4, 0], [0, 0]], float)
    assert simplify(square, 0.1).tolist() == [[0, 0], [0, 9], [9, 9], [9, 0], [0, 0]]


def parse_path(d: str, units: float) -> list[np.ndarray]:
    polygons = []
    for part in re.findall(r"M([^z]*)z", d):
        start, rest = part.split("l")
        moves = [int(n) for n in re.findall(r"-?\d+", rest)]
        points = np.cumsum(
            [[int(n) for n in start.split()], *zip(moves[::2], moves[1::2], strict=True)], axis=0
        )
        polygons.append(np.concatenate([points, points[:1]]) / units)
    return polygons


def test_an_svg_path_says_what_the_polygons_say() -> None:
    mask = disc()
    mask[25:30, 20:28] = False
    polygons = outlines(mask, tolerance=0.4)
    parsed = parse_path(svg_path(polygons, (10, 10)), 10)
    assert (filled(parsed, mask.shape) == mask).mean() > 0.995
    speck = np.zeros((500, 500), bool)
    speck[7, 9] = True
    assert svg_path(outlines(speck), (0.1, 0.1)) == "M1 1l1 0z"


# ---- colours

# what people without one kind of cone see (Machado et al. 2009, severity 1), on linear RGB
VISION = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanope": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranope": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanope": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart_for_colour_blind_readers(vision: str) -> None:
    rgb = np.array([style.rgb for style in line_styles(PALETTE).values()]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VISION[vision]).T, 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055))
    apart = [deltaE_ciede2000(a, b) for a, b in itertools.combinations(lab, 2)]
    assert min(apart) > 17  # Okabe and Ito's colours without black: 10.9


def test_twenty_one_structures_have_distinct_lines() -> None:
    styles = line_styles([f"s{i}" for i in range(21)])
    assert len(set(styles.values())) == 21
    assert [style.dashes for style in styles.values()][:7] == [()] * 7


# ---- overlays


def test_an_overlay_draws_lines_on_the_boundary_and_nothing_elsewhere() -> None:
    pixels = np.full((64, 50, 3), 128, np.uint8)
    over = render_overlay(pixels, {"legs": disc()}, STRUCTURES)
    assert over.shape == pixels.shape and over.dtype == np.uint8
    yy, xx = np.mgrid[:64, :50]
    away = abs(np.hypot(yy - 31.5, xx - 24.5) - 20)
    assert (over[away > 4] == 128).all()
    colour = np.array(line_styles(STRUCTURES)["legs"].rgb)
    on_line = over[away < 0.4].astype(int)
    assert abs(on_line - colour).max(1).mean() < 60
    assert (pixels == 128).all()


def test_an_overlay_gives_a_structure_its_colour_whatever_else_is_there() -> None:
    pixels = np.zeros((64, 50, 3), np.uint8)
    one = render_overlay(pixels, {"wing": disc()}, STRUCTURES)
    empty = np.zeros((64, 50), bool)
    other = render_overlay(pixels, {"head": empty, "wing": disc()}, STRUCTURES)
    assert (one == other).all()
    alone = render_overlay(pixels, {"wing": disc()})
    assert (one != alone).any()


def test_an_overlay_may_be_smaller_filled_and_have_a_legend() -> None:
    pixels = np.full((64, 50, 3), 100, np.uint8)
    small = render_overlay(pixels, {"head": disc()}, side=32, fill=0.5)
    assert small.shape == (32, 25, 3)
    assert abs(small[16, 12].astype(int) - (np.array([255, 0, 153]) + 100) / 2).max() <= 2
    with_legend = render_overlay(pixels, {"head": disc()}, legend=True)
    assert with_legend.shape[0] > 64 and with_legend.shape[1] == 50


def test_an_overlay_refuses_masks_that_do_not_fit() -> None:
    pixels = np.zeros((64, 50, 3), np.uint8)
    with pytest.raises(ValueError, match="50 x 60 pixels, the photograph 50 x 64"):
        render_overlay(pixels, {"head": np.zeros((60, 50), bool)})
    with pytest.raises(ValueError, match="'tail' is none of head, legs, wing"):
        render_overlay(pixels, {"tail": disc()}, STRUCTURES)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_picture_of_a_photograph_read_small_is_that_of_the_whole_one(
    tmp_path: Path, orientation: int
) -> None:
    y, x = np.mgrid[:403, :605]
    pixels = np.stack([x * 255 // 605, y * 255 // 403, 200 * (x > 350)], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    whole, small = (read_photograph(tmp_path / "a.png", side) for side in (None, 60))
    assert small.pixels.size < whole.pixels.size / 9
    expected, found = (np.asarray(shrink(one, 60)).astype(int) for one in (whole, small))
    assert expected.shape == found.shape and max(found.shape) == 60
    assert np.abs(expected - found).max() <= 16 and np.abs(expected - found).mean() < 1


@pytest.mark.parametrize(("kind", "orientation"), [("JPEG", 6), ("PNG", 1), ("TIFF", 1)])
def test_small_pictures_are_shown_while_they_are_those_of_the_photographs(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    files = Files(tmp_path)
    files.add("a", [0.9], masks={"head": np.ones((403, 605), bool)})
    path = tmp_path / "photographs/a.png"
    pixels = np.zeros((403, 605, 3), np.uint8)
    pixels[:, 350:] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, kind, exif=exif)
    whole, small = (read_photograph(path, side) for side in (None, 130))
    assert preview(whole) is None
    (specimen,) = build_manifest(path.parent, None, 100).specimens
    negative = dataclasses.replace(small, pixels=255 - small.pixels)  # to tell which was shown
    with ZipFile(tmp_path / "a.zip", "w") as file:
        keep(file, specimen, preview(negative))

    def shown(side: int = 64, pictures: tuple[str, ...] = ("a.zip",)) -> np.ndarray:
        sources = Sources(files.write(), pictures=[tmp_path / name for name in pictures])
        write_review(tmp_path / "review.html", sources, ReviewOptions(side=side))
        (row,) = data(tmp_path)["rows"]
        assert (row["orientation"], "sha256" in row) == (orientation, True)
        with Image.open(tmp_path / "review/pictures/000/000001.jpg") as image:
            return np.asarray(image).astype(int)

    plain, kept = shown(pictures=()), shown()
    assert plain.shape == kept.shape and max(plain.shape) == 64
    assert np.abs(plain + kept - 255).mean() < 3
    assert np.abs(shown(200) - shown(200, ())).max() == 0  # too few pixels
    os.utime(path, (1, 1))
    assert np.abs(shown() - plain).max() == 0
    (tmp_path / "a.zip").write_bytes(b"damaged")
    assert np.abs(shown() - plain).max() == 0


def test_a_copy_is_no_longer_than_a_jpeg_can_be(tmp_path: Path) -> None:
    photograph = Photograph(np.full((8, 66_000, 3), 90, np.uint8), 1, 66_000, 8)
    write_copy(ShownSpecimen(None, photograph, {}, 66_000, 8, copy=True), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.size == (65_500, 8) and abs(np.asarray(image).astype(int) - 90).max() < 3


def test_a_contact_sheet_has_a_place_for_every_picture() -> None:
    grey = [np.full((30, 20 + 10 * i, 3), 40 * i, np.uint8) for i in range(5)]
    cells = [Cell(pixels, ("a name that is much too long for a cell", "0.5")) for pixels in grey]
    sheet = contact_sheet(cells, STRUCTURES, columns=3, size=100, title="Title")
    for i, pixels in enumerate(grey):
        assert (sheet == 40 * i).all(2).sum() >= pixels.shape[0] * pixels.shape[1]
    assert sheet.shape[1] == 3 * 104 + 4


# ---- the page


def mask_at(top: int, left: int, height: int = 12, width: int = 10) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + height, left : left + width] = True
    return mask


class Files:
    """A genus on disk: photographs and prediction files, built specimen by specimen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards: list[tuple[list, list]] = []
        (folder / "photographs").mkdir(parents=True)

    def photograph(self, specimen: str, orientation: int = 1) -> Path:
        path = self.folder / "photographs" / f"{specimen}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(stored(pixels, orientation)).save(path, exif=exif)
        return path

    def add(self, specimen: str, scores: list, status: str = "ok", **more) -> None:
        """Scores by structure: a number; 'absent', 'drawn', None (no annotation), (number, flag)."""
        shard = more.pop("shard", 0)
        while len(self.shards) <= shard:
            self.shards.append(([], []))
        images, annotations = self.shards[shard]
        gone, masks = more.pop("gone", False), more.pop("masks", {})
        path = self.folder / "photographs" / f"{specimen}.png"
        if status == "ok" and not gone:
            path = self.photograph(specimen, more.pop("orientation", 1))
        image = {"id": len(images) + 1, "file_name": path.name, "specimen": specimen}
        size = next(iter(masks.values())).shape if masks else (HEIGHT, WIDTH)
        image |= {"path": str(path), "height": size[0], "width": size[1]}
        images.append(image | {"status": status, "reason": "", **more})
        for number, entry in enumerate(scores, 1):
            if entry is None:
                continue
            score, flags = entry if isinstance(entry, tuple) else (entry, [])
            flags = [flags] if isinstance(flags, str) else list(flags)
            mask = masks.get(STRUCTURES[number - 1], mask_at(4 + 14 * number, 5))
            source = "predicted"
            if score == "absent":
                mask, score, flags = np.zeros(size, bool), 0.05, ["absent"]
            elif score == "drawn":
                source, score = "drawn", 1.0
            rle = encode_mask(mask)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image["id"], "category_id": number}
                | {"iscrowd": 0, "segmentation": rle, **rle_measures(rle)}
                | {"score": score, "flags": flags, "source": source, "confidence": {}}
            )

    def write(self) -> list[Path]:
        paths = []
        for number, (images, annotations) in enumerate(self.shards):
            path = self.folder / "shards" / f"{number:04d}.json"
            data = {"images": images, "annotations": annotations}
            write_coco(path, data | {"categories": coco_categories(STRUCTURES)})
            paths.append(path)
        return paths

    def templates(self, *specimens: str, elsewhere: str = "") -> Path:
        images, annotations = [], []
        for specimen in (*specimens, *([elsewhere] if elsewhere else [])):
            path = self.folder / "photographs" / f"{specimen}.png"
            if specimen == elsewhere:
                path = self.photograph(f"../elsewhere/{specimen}")
            images.append({"id": len(images) + 1, "file_name": path.name, "specimen": specimen})
            images[-1] |= {"path": str(path), "height": HEIGHT, "width": WIDTH}
            rle = encode_mask(mask_at(20, 5))
            annotations.append({"id": len(images), "image_id": len(images), "category_id": 1})
            annotations[-1] |= {"segmentation": rle, "iscrowd": 0, **rle_measures(rle)}
        path = self.folder / "templates.json"
        data = {"images": images, "annotations": annotations, "info": {"genus": "Carabus"}}
        data["info"]["notes"] = [f"a note, number {number}" for number in range(1, 8)]
        write_coco(path, data | {"categories": coco_categories(STRUCTURES)})
        return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.add("fine10", [0.9, 0.8, 0.95])
    made.add("fine9", [0.9, 0.7, 0.95])
    made.add("worst", [0.3, 0.9, 0.1])
    made.add("damaged", [], "unreadable", reason="damaged.png: 0 bytes")
    made.add("drawn", ["drawn", None, "drawn"])
    made.add("bad", [0.9, 0.2, "absent"], shard=1)
    made.add("flagged", [(0.9, "touches_border"), 0.9, 0.9], shard=1)
    made.add("empty", ["absent", "absent", (0.0, "absent")], shard=1)
    made.shards[1][1][-1].update(area=0, segmentation=encode_mask(np.zeros((60, 40), bool)))
    made.add("wingless", [0.6, 0.9, "absent"], shard=1)
    made.add("fine10", [], "duplicate", reason="as fine10.png, which is kept", shard=1)
    made.add("lost", [0.9, 0.65, 0.9], gone=True, shard=1)
    return made


ORDER = [
    ("empty", "nothing"),
    ("worst", "low"),
    ("bad", "low"),
    ("flagged", "flagged"),
    ("wingless", "absent"),
    ("lost", "fine"),
    ("fine9", "fine"),
    ("fine10", "fine"),
    ("drawn", "template"),
    ("damaged", "unreadable"),
    ("fine10", "duplicate"),
]


def listed(folder: Path) -> list[dict[str, str]]:
    with (folder / "review" / "specimens.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def data(folder: Path) -> dict:
    """What the page's script is told."""
    return left((folder / "review" / "data.js").read_text("utf-8"))


def left(text: str) -> dict:
    """What a script of the page leaves behind."""
    return json.loads(text[text.index("=", text.index("]")) + 1 : text.rindex(";")])


def card_of(folder: Path, specimen: str, which: int = 0) -> dict:
    """What the page's script is told of a specimen, with its outlines."""
    row = [row for row in data(folder)["rows"] if row["name"] == specimen][which]
    path = folder / f"review/specimens/{row['id'] // 1000:03d}/{row['id']:06d}.js"
    return row | (left(path.read_text("utf-8")) if path.is_file() else {})


def count_paths(card: dict) -> int:
    return sum(path is not None for path in card["paths"])


def tree(folder: Path) -> dict[str, bytes]:
    paths = [folder / "review.html", *(folder / "review").rglob("*")]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths if p.is_file()}


def test_specimens_to_look_at_first_come_first_and_none_is_missing(files: Files) -> None:
    output = files.folder / "review.html"
    result = write_review(output, Sources(files.write(), files.templates("drawn")))
    rows = listed(files.folder)
    assert [(row["specimen"], row["group"]) for row in rows] == ORDER
    assert [row["rank"] for row in rows] == [str(n) for n in range(1, 12)]
    worst = rows[1]
    assert (worst["worst_structure"], worst["worst_confidence"]) == ("head", "0.3000")
    assert rows[0]["absent"] == "head;legs;wing" and rows[3]["flags"] == "touches_border"
    assert rows[0]["outside"] == rows[0]["hidden"] == ""
    assert rows[9]["reason"] == "damaged.png: 0 bytes"
    told = data(files.folder)
    assert [(r["name"], told["groups"][r["group"]]["name"]) for r in told["rows"]] == ORDER
    names = left((files.folder / "review/names.js").read_text("utf-8"))
    assert names == [specimen for specimen, _ in ORDER]
    assert (result.specimens, len(result.problems)) == (11, 1)
    assert result.groups[Group.FINE] == 3
    html = output.read_text("utf-8")
    assert "10 specimens, 1 template among them." in html
    assert "<li>Low confidence in a mask: 2</li>" in html


def test_the_page_says_how_far_confidences_are_those_of_the_genus(files: Files) -> None:
    output, (shard, *_) = files.folder / "review.html", files.write()
    write_review(output, Sources([shard], files.templates("drawn")))
    assert "which has only one template: outline a second one" in output.read_text("utf-8")
    known = {"structure": "head", "probability": 0.9, "good": True}
    info = {"confidence": {"labelled": [known, known]}}
    shard.write_text(json.dumps(json.loads(shard.read_text()) | {"info": info}))
    write_review(output, Sources([shard], files.templates("drawn")))
    assert "adapted to 2 masks of this genus" in output.read_text("utf-8")
    assert "as the bundled model outlines them" not in output.read_text("utf-8")
    info |= {"model": "sam2.1_hiera_tiny", "bundled": False}
    shard.write_text(json.dumps(json.loads(shard.read_text()) | {"info": info}))
    write_review(output, Sources([shard], files.templates("drawn")))
    said = "drawn insects as the bundled model outlines them, not as sam2.1_hiera_tiny does, and adapted"
    assert said in output.read_text("utf-8")


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ({"a": 0}, ""),
        ({"a": 0, "b": 0}, "Templates lie as a does, with which most agree; turned: none."),
        ({"a": 0, "b": 90, "c": 180}, "most agree; turned: b by 90 degrees, c by 180 degrees."),
    ],
)
def test_the_page_says_as_which_template_the_others_lie(
    files: Files, turns: dict[str, int], said: str
) -> None:
    output, (shard, *_) = files.folder / "review.html", files.write()
    info = {"reference_template": "a", "template_turns": turns}
    shard.write_text(json.dumps(json.loads(shard.read_text()) | {"info": info}))
    write_review(output, Sources([shard], files.templates("drawn")))
    html = output.read_text("utf-8")
    assert said in html if said else "Templates lie as" not in html


def test_a_card_shows_what_is_known_of_a_specimen(files: Files) -> None:
    output = files.folder / "review.html"
    write_review(output, Sources(files.write(), files.templates("drawn")))
    worst = card_of(files.folder, "worst")
    assert count_paths(worst) == 3
    assert [mark["score"] for mark in worst["marks"]] == [0.3, 0.9, 0.1]
    assert [mark.get("low", False) for mark in worst["marks"]] == [True, False, True]
    assert worst["photograph"] == "photographs/worst.png" and worst["shown"]
    bad = card_of(files.folder, "bad")
    assert count_paths(bad) == 2
    assert [mark.get("state") for mark in bad["marks"]] == [None, None, "absent"]
    assert card_of(files.folder, "flagged")["marks"][0]["flags"] == ["touches_border"]
    drawn = card_of(files.folder, "drawn")
    assert [mark and mark["hand"] for mark in drawn["marks"]].count("drawn") == 2
    assert None in drawn["marks"] and drawn["group"] == Group.TEMPLATE
    damaged = card_of(files.folder, "damaged")
    assert damaged["reason"] == "damaged.png: 0 bytes" and "shown" not in damaged
    assert "which is kept" in card_of(files.folder, "fine10", 1)["reason"]
    picture = f"pictures/000/{worst['id']:06d}.jpg"
    with Image.open(files.folder / "review" / picture) as image:
        assert (image.format, image.size) == ("JPEG", (WIDTH, HEIGHT))


def test_what_people_said_is_shown(files: Files) -> None:
    images, annotations = [], []
    for name, structures in {"worst": (1,), "empty": (1, 2, 3)}.items():
        images.append({"id": len(images) + 1, "file_name": f"{name}.png", "specimen": name})
        images[-1] |= {"height": HEIGHT, "width": WIDTH}
        for category in structures:
            rle = encode_mask(mask_at(2, 2) & (category < 3))
            mask = {"segmentation": rle, **rle_measures(rle), "iscrowd": 0}
            ids = {"id": len(annotations) + 1, "image_id": len(images), "category_id": category}
            said = {"verdict": "corrected" if category < 3 else "absent", "source": "corrected"}
            annotations.append(ids | mask | said)
    predicted = fingerprint(encode_mask(mask_at(4 + 14 * 2, 5)))
    about = {"specimen": "worst", "round": "", "judged": predicted, "by": "", "at": ""}
    about |= {"source": "predicted"}
    verdicts = [about | {"structure": "legs", "verdict": "rejected"}]
    verdicts += [about | {"structure": "wing", "verdict": "accepted"}]  # of a mask that is gone
    path = files.folder / "corrections.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "verdicts": verdicts,
                    "photographs": [images[0] | {"sha256": "0" * 64}]}
                   | {"categories": coco_categories(STRUCTURES)})
    )  # fmt: skip
    own = np.full((HEIGHT, WIDTH, 3), 91, np.uint8)  # else the photographs are all the same
    Image.fromarray(own).save(files.folder / "photographs/empty.png")
    templates = files.templates("drawn", "empty")  # as of a round that learned from corrections
    page = files.folder / "review.html"
    write_review(page, Sources(files.write(), templates, corrections=Corrections(path)))
    assert "from elsewhere" not in page.read_text("utf-8")
    rows = {row["name"]: row for row in data(files.folder)["rows"] if "w" in row}
    head, legs, wing = rows["worst"]["marks"]
    drawn = encode_mask(mask_at(2, 2))
    assert (head["hand"], head["given"], head["print"]) == (
        *("corrected", "corrected"),
        fingerprint(drawn),
    )
    assert (legs["given"], legs["print"]) == ("rejected", predicted)
    assert "given" not in wing and wing["low"]
    name = f"specimens/000/{rows['worst']['id']:06d}.js"
    detail = left((files.folder / "review" / name).read_text("utf-8"))
    assert detail["masks"][0] == drawn["counts"]
    assert [mark.get("given") for mark in rows["worst"]["marks"]].count(None) == 1
    groups = {row["specimen"]: row["group"] for row in listed(files.folder)}
    assert groups["empty"] == "fine"  # corrected by hand, so neither without masks nor a template
    assert groups["drawn"] == "template"


def test_a_photograph_that_disappeared_is_shown_as_such(files: Files) -> None:
    output = files.folder / "review.html"
    files.write()
    result = write_review(output, Sources(sorted(files.folder.glob("shards/*.json"))))
    lost = card_of(files.folder, "lost")
    assert "cannot be shown" in lost["problem"] and "shown" not in lost
    assert count_paths(lost) == 3
    assert "1 photograph cannot be shown" in output.read_text("utf-8")
    (row,) = (row for row in data(files.folder)["rows"] if row["name"] == "lost")
    assert "sha256" not in row and "photograph" not in row  # nobody can judge it
    assert "lost.png" in result.problems[0] and "lost" in result.problems[0]


def test_a_photograph_that_was_replaced_gets_no_outlines(files: Files) -> None:
    paths = files.write()
    Image.new("RGB", (30, 30)).save(files.folder / "photographs" / "worst.png")
    result = write_review(files.folder / "review.html", Sources(paths))
    worst = card_of(files.folder, "worst")
    assert "30 x 30 pixels now, but had 40 x 60" in worst["problem"]
    assert worst["shown"] and count_paths(worst) == 0
    assert len(result.problems) == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_are_turned_upright_with_their_photograph(tmp_path: Path, orientation: int) -> None:
    made = Files(tmp_path)
    head = stored(mask_at(6, 20, 8, 15), orientation)
    window = rle_measures(encode_mask(head))["bbox"]
    made.add("turned", [0.9], masks={"head": head}, orientation=orientation, window=window)
    write_review(tmp_path / "review.html", Sources(made.write()))
    card = card_of(tmp_path, "turned")
    (frame,) = parse_path(card["windows"], 10)
    assert frame.min(0).tolist() == [20, 6] and frame.max(0).tolist() == [35, 14]
    assert (card["w"], card["h"], data(tmp_path)["units"]) == (40, 60, 10)
    (polygon,) = parse_path(card["paths"][0], 10)
    assert polygon.min(0).tolist() == [20, 6] and polygon.max(0).tolist() == [35, 14]


def test_a_photograph_without_a_specimen_and_windows_of_parts_are_shown(tmp_path: Path) -> None:
    made = Files(tmp_path)
    made.add("label", [], "no_specimen", reason="no specimen found: cut the photograph")
    parts = {"head": [4, 6, 10, 10]}
    made.add("there", [0.9], window=[0, 0, WIDTH, HEIGHT], part_windows=parts)
    write_review(tmp_path / "review.html", Sources(made.write()))
    groups = {row["specimen"]: row["group"] for row in listed(tmp_path)}
    assert groups == {"there": "fine", "label": "no_specimen"}
    card = card_of(tmp_path, "label")
    assert card["reason"] == "no specimen found: cut the photograph"
    assert data(tmp_path)["groups"][card["group"]]["title"] == "Not segmented: no specimen found"
    detail = left((tmp_path / "review/specimens/000/000002.js").read_text("utf-8"))
    (frame,) = parse_path(detail["windows"], 10)  # the whole photograph needs no frame
    assert frame.min(0).tolist() == [4, 6] and frame.max(0).tolist() == [14, 16]


def test_outlines_are_drawn_on_one_of_two_photographs_of_a_name(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    for name in ("a.jpg", "a.tif", "b.png"):
        (tmp_path / "photographs").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photographs" / name)
        pixels = pixels // 2
    page = tmp_path / "page.html"
    write_annotation_page(page, "Aus", tmp_path / "photographs", {"head": {"parent": None}})
    with (tmp_path / "page/specimens.tsv").open(newline="") as file:
        groups = [(row["path"], row["group"]) for row in csv.DictReader(file, delimiter="\t")]
    place = f"{tmp_path}/photographs"
    assert groups == [
        (f"{place}/a.jpg", "nothing"), (f"{place}/b.png", "nothing"), (f"{place}/a.tif", "duplicate")
    ]  # fmt: skip


def test_a_template_that_is_no_specimen_has_a_card_of_its_own(files: Files) -> None:
    output = files.folder / "review.html"
    write_review(
        output, Sources(files.write(), files.templates("drawn", elsewhere="type specimen"))
    )
    assert [row["specimen"] for row in listed(files.folder) if row["group"] == "template"] == [
        "drawn",
        "type specimen",
    ]
    html = output.read_text("utf-8")
    assert "number 5; and 2 more (info.notes of templates.json)." in html
    card = card_of(files.folder, "type specimen")
    assert card["outside"] and count_paths(card) == 1
    assert "sha256" not in card  # it is not judged: the workflow would not find it
    assert card["photograph"] == "elsewhere/type%20specimen.png"
    assert "10 specimens, 1 template among them; 1 template from elsewhere." in html


def test_a_template_of_another_folder_is_not_the_specimen_of_its_name(files: Files) -> None:
    paths, templates = files.write(), files.templates("drawn")
    other = files.folder / "elsewhere/drawn.png"
    other.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 91, np.uint8)).save(other)
    coco = check(read_json(templates), "the file")
    coco["images"][0]["path"] = str(other)
    write_coco(templates, coco)
    write_review(files.folder / "review.html", Sources(paths, templates))
    rows = [row for row in data(files.folder)["rows"] if row["name"] == "drawn"]
    photographs = {row.get("outside", False): row["photograph"] for row in rows}
    assert photographs == {False: "photographs/drawn.png", True: "elsewhere/drawn.png"}


def test_a_copy_of_a_template_among_the_specimens_is_the_template(files: Files) -> None:
    paths = files.write()
    templates = files.templates("drawn")
    copy = files.folder / "photographs" / "copy.png"
    shutil.copy(files.folder / "photographs" / "drawn.png", copy)
    coco = check(read_json(templates), "the file")
    coco["images"][0] |= {"path": str(copy), "specimen": "copy"}
    write_coco(templates, coco)
    write_review(files.folder / "review.html", Sources(paths, templates))
    assert [row["specimen"] for row in listed(files.folder) if row["group"] == "template"] == [
        "drawn"
    ]


def test_iou_stands_beside_the_confidence_where_there_is_truth(files: Files) -> None:
    evaluation = files.folder / "evaluation.csv"
    evaluation.write_text(
        "genus,round,specimen,structure,status,iou\n"
        "Carabus,one,worst,head,scored,0.81\nCarabus,one,worst,wing,scored,0.07\n"
        "Carabus,one,bad,wing,missed,0.0\nCarabus,one,wingless,wing,absent_both,\n"
        "Carabus,one,fine9,legs,unannotated,\nCarabus,one,drawn,head,template,\n"
    )
    output = files.folder / "review.html"
    write_review(output, Sources(files.write(), tables=Tables(evaluation)))
    head = card_of(files.folder, "worst")["marks"][0]
    assert (head["score"], head["iou"]) == (0.3, 0.81) and data(files.folder)["evaluated"]
    marks = data(files.folder)["rows"][1]["marks"]
    assert [mark.get("iou") for mark in marks] == [0.81, None, 0.07]
    assert card_of(files.folder, "bad")["marks"][2]["truth"] == "missed"
    assert card_of(files.folder, "wingless")["marks"][2]["truth"] == "absent in truth too"
    html = output.read_text("utf-8")
    assert re.search(r">wing</th><td>.*<td>0.04</td><td>2</td>", html)  # mean of 0.07 and 0
    assert [row["mean_iou"] for row in listed(files.folder)][:3] == ["", "0.4400", "0.0000"]
    write_review(output, Sources(sorted(files.folder.glob("shards/*.json"))))
    assert "Mean IoU" not in output.read_text("utf-8") and not data(files.folder)["evaluated"]
    assert not any(
        "iou" in (mark or ()) for row in data(files.folder)["rows"] for mark in row["marks"]
    )


def test_the_same_inputs_give_the_same_bytes(files: Files) -> None:
    paths, templates = files.write(), files.templates("drawn")
    trees = []
    for _ in range(2):
        sheet = files.folder / "sheet.png"
        write_review(files.folder / "review.html", Sources(paths, templates), sheet=sheet)
        trees.append(tree(files.folder) | {"sheet": sheet.read_bytes()})
    assert trees[0] == trees[1]
    assert not [p.name for p in files.folder.iterdir() if p.name.startswith(".")]


def test_only_the_first_may_be_shown_but_all_are_listed_and_counted(files: Files) -> None:
    options = ReviewOptions(show=2)
    result = write_review(files.folder / "review.html", Sources(files.write()), options=options)
    html = (files.folder / "review.html").read_text("utf-8")
    names = [row["name"] for row in data(files.folder)["rows"]]
    assert names == ["empty", "worst", "drawn", "damaged", "fine10"]
    assert "6 specimens without a picture" in html
    assert (result.specimens, result.shown, len(listed(files.folder))) == (11, 5, 11)
    assert len(list((files.folder / "review").rglob("*.jpg"))) == 3


def test_the_sheet_runs_from_the_first_to_the_last(files: Files) -> None:
    sheet = files.folder / "plots" / "sheet.png"
    options = ReviewOptions(sheet=4, sheet_columns=2)
    write_review(files.folder / "review.html", Sources(files.write()), options=options, sheet=sheet)
    with Image.open(sheet) as image:
        pixels = np.asarray(image)
        assert image.format == "PNG" and image.width == 2 * 312 + 12
    for structure in STRUCTURES:
        colour = line_styles(STRUCTURES)[structure].rgb
        assert (pixels == colour).all(2).sum() > 20, structure


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    made = Files(tmp_path)
    name = """drawer 7/<b>"100%" & 'co' #2</b>"""
    made.add(name, [0.4, 0.5, 0.6])
    write_review(tmp_path / "review.html", Sources(made.write(), genus="<i>Carabus</i>"))
    (row,) = data(tmp_path)["rows"]
    assert row["name"] == name
    assert "<i>Carabus" not in (tmp_path / "review.html").read_text("utf-8")
    assert row["photograph"] == (
        "photographs/drawer%207/%3Cb%3E%22100%25%22%20%26%20%27co%27%20%232%3C/b%3E.png"
    )


def test_a_structure_without_template_warns_of_nothing(tmp_path: Path) -> None:
    made = Files(tmp_path)
    made.add("one", [0.9, 0.8, (0.0, "no_template")], masks={"wing": np.zeros((60, 40), bool)})
    write_review(tmp_path / "review.html", Sources(made.write()))
    html = (tmp_path / "review.html").read_text("utf-8")
    wing = card_of(tmp_path, "one")["marks"][2]
    assert listed(tmp_path)[0]["group"] == "fine" and listed(tmp_path)[0]["absent"] == ""
    assert wing["unknown"] and "no_template" in wing["flags"] and "state" not in wing
    assert re.search(
        r">wing</th><td>0</td><td>0</td><td>0</td><td>0</td><td>0</td>.*<td>1</td></tr>", html
    )


def test_no_specimen_makes_a_page_that_says_so(tmp_path: Path) -> None:
    made = Files(tmp_path)
    made.shards.append(([], []))
    result = write_review(
        tmp_path / "review.html", Sources(made.write()), sheet=tmp_path / "sheet.png"
    )
    assert data(tmp_path)["rows"] == [] and result.specimens == 0
    assert (tmp_path / "sheet.png").is_file()


def test_a_structure_that_is_weak_everywhere_is_said_once(tmp_path: Path) -> None:
    made = Files(tmp_path)
    for number in range(5):
        made.add(f"s{number}", [0.9, 0.3 + number / 100, 0.9])
    write_review(tmp_path / "review.html", Sources(made.write()))
    page = (tmp_path / "review.html").read_text("utf-8")
    assert page.count("Low confidence on most specimens: legs. ") == 1
    assert {row["group"] for row in listed(tmp_path)} == {"fine"}


def test_the_index_lists_what_there_is_and_what_failed(files: Files) -> None:
    results = files.folder / "results"
    evaluation = files.folder / "evaluation.csv"
    evaluation.write_text("specimen,structure,status,iou\nworst,head,scored,0.8\n")
    page = PageLocation(results / "Abax/one/review.html", results / "index.html")
    write_review(page, Sources(files.write(), files.templates("drawn"), Tables(evaluation)))
    assert 'href="../../index.html"' in page.output.read_text("utf-8")
    (results / "tables").mkdir()
    (results / "tables/status.csv").write_text(
        "genus,round,stage,status,specimens,rows,reason\n"
        "Abax,one,evaluation,ok,1,3,\nAbax,two,evaluation,failed,,,<b>no</b> memory\n"
        "Abax,one,final_round,ok,,,the last one\nAbax,one,specimen_table,unmatched,,,5 rows join nothing\n"
        "Abax,one,specimens,doubtful,,,9 of 9 specimens are doubtful\n"
    )
    (results / "tables/measurements.csv").write_text("genus\n")
    (results / "summary.txt").write_text("one screen")
    assert write_index(results / "index.html", ["Abax/one", "Abax/two", "Bus/two"]) == 1
    html = (results / "index.html").read_text("utf-8")
    row = re.search(r'href="Abax/one/review.html".*?</tr>', html, re.S)[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert cells == ["10", "4", "1", "3", "1", "2", "0.90", "0.80", "", ""]
    assert "round two, evaluation: failed: &lt;b&gt;no&lt;/b&gt; memory" in html
    assert html.count("final_round") == 0 and "<li>Abax: round one, the last one</li>" in html
    assert "one (result)</td>" in html and "<li>Abax, round one: 5 rows join nothing</li>" in html
    assert 'href="summary.txt"' in html
    assert ">no page<" in html and 'href="tables/status.csv"' in html
    # what to begin with, and what not to use, come first
    assert html.count("9 of 9 specimens are doubtful") == 1
    assert html.index("Do not use without looking") < html.index("What failed")
    assert html.index("tables/measurements.csv") < html.index("tables/status.csv")
    told = left((results / "index" / "index.js").read_text("utf-8"))
    (run,) = told["runs"]
    assert (results / run["names"]).is_file()
    assert [structure["name"] for structure in told["structures"]] == list(STRUCTURES)
    (results / "Abax/one/review/summary.json").write_text("[]")
    with pytest.raises(InputError, match="summary.json: damaged; delete .*review.html and run"):
        write_index(results / "index.html", ["Abax/one"])


@pytest.mark.parametrize("wide", [False, True])
def test_the_page_links_measurements_that_a_spreadsheet_opens(files: Files, wide: bool) -> None:
    columns = dict.fromkeys(("specimen", "structure", "status", "flags"), str)
    tables.write(tables.table([], columns), files.folder / "morphometrics.parquet")
    if wide:
        (files.folder / "morphometrics_wide.csv").write_text("specimen\n")
    output = files.folder / "review.html"
    told = Tables(measurements=files.folder / "morphometrics.parquet")
    write_review(output, Sources(files.write(), tables=told))
    shown = "morphometrics_wide.csv" if wide else "morphometrics.parquet"
    assert re.findall(r'href="(morph.*?)">(.*?)<', output.read_text("utf-8")) == [
        (shown, f"Measurements ({shown})")
    ]


@pytest.mark.parametrize("flag, unlike", [("touches_border", False), ("unlike_templates", True)])
def test_a_genus_that_is_mostly_doubtful_is_told_first(
    tmp_path: Path, flag: str, unlike: bool
) -> None:
    made = Files(tmp_path)
    low, absent, good = ("low_confidence", flag), ("absent", ""), ("measured", "")
    specimens = {
        "one": [low, low, absent],
        "two": [absent, ("outside" if unlike else "doubtful", flag), absent],
        "three": [good, low, low],
        "four": [("outside", ""), low, ("not_annotated", "")],
    }
    rows = []
    for name, of in specimens.items():
        made.add(name, [0.9, 0.9, 0.9])
        for structure, (status, flags) in zip(STRUCTURES, of, strict=True):
            value = None if status in ("absent", "not_annotated") else 4.0
            row = {"specimen": name, "structure": structure, "measure": "area", "unit": "px2"}
            rows.append(row | {"status": status, "flags": flags, "value": value})
            rows.append(rows[-1] | {"measure": "length"})
        rows.append(rows[-2] | {"structure": "specimen", "status": "measured"})
    columns = {name: MORPHOMETRICS[name] for name in rows[0]}
    tables.write(tables.table(rows, columns), tmp_path / "morphometrics.parquet")
    page, told = tmp_path / "review.html", Tables(measurements=tmp_path / "morphometrics.parquet")
    write_review(page, Sources(made.write(), tables=told))
    warning = re.search(r'class="warning"><strong>(.*?)</strong>', page.read_text("utf-8"))[1]
    assert warning.startswith("Do not use measurements without looking: 2 of 4 specimens are")
    assert ("The photographs of 2 do not seem to show" in warning) == unlike


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_that_no_browser_shows_gets_a_copy(tmp_path: Path, orientation: int) -> None:
    made = Files(tmp_path)
    made.add("deep", [0.9], orientation=orientation)
    paths = made.write()
    pixels = np.zeros((HEIGHT, WIDTH), np.uint16)
    pixels[:20] = 40_000
    photograph = tmp_path / "photographs/deep.png"
    turned = stored(pixels, orientation)
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(photograph, turned, extratags=tag, photometric="minisblack")
    coco = check(read_json(paths[0]), "the file")
    coco["images"][0] |= {"height": turned.shape[0], "width": turned.shape[1]}
    rle = encode_mask(stored(mask_at(6, 20), orientation))
    coco["annotations"][0] |= {"segmentation": rle}
    write_coco(paths[0], coco)
    write_review(tmp_path / "review.html", Sources(paths))
    (row,) = data(tmp_path)["rows"]
    with Image.open(tmp_path / row["photograph"]) as copy:
        assert (copy.format, copy.size) == ("JPEG", (WIDTH, HEIGHT))
        shown = np.asarray(copy.convert("L")).astype(int)
    assert shown[:18].min() > shown[22:].max() + 100
    assert row["sha256"] == hashlib.sha256(photograph.read_bytes()).hexdigest()
    assert row["orientation"] == orientation
    detail = left((tmp_path / "review/specimens/000/000001.js").read_text("utf-8"))
    assert detail["masks"][0] == rle["counts"] and row["marks"][0]["print"] == fingerprint(rle)
    (polygon,) = parse_path(detail["paths"][0], 10)
    assert polygon.min(0).tolist() == [20, 6] and polygon.max(0).tolist() == [30, 18]


# ---- mistakes


def test_wrong_inputs_are_named(files: Files) -> None:
    output = files.folder / "review.html"
    paths = files.write()
    with pytest.raises(InputError, match="'fine10' is in both .*0000.json and .*0000.json"):
        write_review(output, Sources([paths[0], paths[0]]))
    with pytest.raises(InputError, match="templates.json is of the genus 'Carabus', not of 'Abax'"):
        write_review(output, Sources(paths, files.templates("drawn"), genus="Abax"))
    other = json.loads(paths[1].read_text())
    other["categories"][2]["name"] = "tail"
    write_coco(files.folder / "other.json", other)
    with pytest.raises(InputError, match="other.json has the structures head, legs, tail, but"):
        write_review(output, Sources([paths[0], files.folder / "other.json"]))
    table = files.folder / "evaluation.csv"
    table.write_text("specimen,structure,iou\n")
    with pytest.raises(InputError, match="evaluation.csv: no column 'status'"):
        write_review(output, Sources(paths, tables=Tables(table)))
    table.write_text("specimen,structure,status,iou\nworst,head,scored,high\n")
    with pytest.raises(
        InputError, match="evaluation.csv, line 2: 'high' in the column 'iou' is not"
    ):
        write_review(output, Sources(paths, tables=Tables(table)))
    assert not output.exists() and not (files.folder / "review").exists()


def test_a_page_that_fails_leaves_the_earlier_one_untouched(files: Files) -> None:
    paths = files.write()
    write_review(files.folder / "review.html", Sources(paths))
    before = tree(files.folder)
    damaged = json.loads(paths[1].read_text())
    damaged["annotations"][3]["segmentation"]["counts"] = "00"
    write_coco(paths[1], damaged)
    with pytest.raises(InputError, match="0001.json: specimen 'flagged', structure 'head': damag"):
        write_review(files.folder / "review.html", Sources(paths))
    assert tree(files.folder) == before
    assert not [p.name for p in files.folder.iterdir() if p.name.startswith(".")]


def test_a_folder_of_the_users_is_never_replaced(files: Files) -> None:
    paths = files.write()
    with pytest.raises(
        InputError, match="photographs exists and is not the folder of a review page"
    ):
        write_review(files.folder / "photographs.html", Sources(paths))
    assert (files.folder / "photographs" / "worst.png").is_file()
    with pytest.raises(InputError, match="expected a name ending in .html"):
        write_review(files.folder / "review", Sources(paths))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sheet": 0}, "sheet: must be at least 1, found 0"),
        ({"side": 480.5}, "side: expected a whole number, found 480.5"),
        ({"low_confidence": 50}, "low_confidence: must be at most 1, found 50"),
        ({"show": -1}, "show: must be at least 0, found -1"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        validated(ReviewOptions, options, "review")


def test_the_program_says_what_it_made_and_what_was_left_out(files: Files, by_hand) -> None:
    output = files.folder / "results" / "review.html"
    options = files.folder / "options.yaml"
    options.write_text("review: {sheet: 5}")
    given = ("review_page", "--predictions", *files.write(), "--output", output)
    given += ("--options", options, "--genus", "Carabus", "--round", "one")
    done = by_hand(*given)
    assert done.code == 0, done.err
    assert "11 specimens\n" in done.out and "unreadable: 1" in done.out
    assert "lost.png" in done.out and done.err == ""
    assert "Review: Carabus, round one" in output.read_text("utf-8")
    options.write_text("review: {sheets: 5}")
    done = by_hand(*given)
    assert done.code == 1
    assert done.err.startswith(
        f"error: {options}: review: unknown key 'sheets' (did you mean 'sheet'?)"
    )


# ---- drawn and real specimens


def test_outlines_of_drawn_specimens_follow_their_structures(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    drawing = draw_specimen(sample_species(rng), rng, 240)
    masks = {name: mask for name, mask in drawing.masks.items() if mask.sum() > 100}
    assert len(masks) >= 3
    check_outlines(tmp_path, drawing.pixels, masks)


def check_outlines(folder: Path, pixels: np.ndarray, masks: dict[str, np.ndarray]) -> None:
    """The paths on the page enclose the masks, but for half a pixel along their edge."""
    height, width = pixels.shape[:2]
    Image.fromarray(pixels).save(folder / "one.png")
    image = {"id": 1, "file_name": "one.png", "path": str(folder / "one.png"), "specimen": "one"}
    annotations = [
        {"id": n, "image_id": 1, "category_id": n, "segmentation": encode_mask(mask)}
        for n, mask in enumerate(masks.values(), 1)
    ]
    data = {"images": [image | {"height": height, "width": width}], "annotations": annotations}
    write_coco(folder / "0001.json", data | {"categories": coco_categories(list(masks))})
    write_review(folder / "review.html", Sources([folder / "0001.json"]))
    card = card_of(folder, "one")
    box = 10 * card["w"], 10 * card["h"]
    for d, mask in zip(card["paths"], masks.values(), strict=True):
        scale = np.array([width / box[0], height / box[1]])
        again = filled([polygon * scale for polygon in parse_path(d, 1)], mask.shape)
        edge = mask ^ np.roll(mask, 1, 0) | mask ^ np.roll(mask, 1, 1)
        longer = max(1.0, max(height, width) / 480)
        assert (again != mask).sum() <= 0.5 * longer * edge.sum() + 5


def test_outlines_of_real_beetles_follow_their_structures(carabidae: Path, tmp_path: Path) -> None:
    names = ["head", "pronotum", "elytra", "legs", "antennae"]
    for collection, specimen in (("pinned", "0040"), ("tray", "0163")):
        folder = carabidae / collection
        truth = convert(folder / "templates_1.json", folder / "images", names)
        image = next(image for image in truth["images"] if image["specimen"] == specimen)
        masks = {
            names[a["category_id"] - 1]: decode_mask(a["segmentation"])
            for a in truth["annotations"]
            if a["image_id"] == image["id"]
        }
        assert len(masks) == 5
        pixels = np.asarray(Image.open(image["path"]).convert("RGB"))
        (tmp_path / collection).mkdir()
        check_outlines(tmp_path / collection, pixels, masks)
