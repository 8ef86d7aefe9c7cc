"""Outlines and landmarks: where they lie on drawn animals, and what other programs read in the files."""

import csv
import json
import math
import sys

import numpy as np
import pyefd
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

import export_shapes
import plot_shapes
from sam2pal.config.outlines import OutlineOptions, outline_problems
from sam2pal.dataset.files import categories, write
from sam2pal.dataset.rle import encode_mask, rle_measures
from sam2pal.io import tables
from sam2pal.morphometrics.geometry.moments import pixel_moments
from sam2pal.morphometrics.geometry.shape import Shape
from sam2pal.morphometrics.shapes import files
from sam2pal.morphometrics.shapes.frame import BodyFrame, asymmetry
from sam2pal.morphometrics.shapes.genus import read_statuses
from sam2pal.morphometrics.shapes.landmarks import landmarks
from sam2pal.morphometrics.shapes.outlines import OrientedOutline
from sam2pal.morphometrics.shapes.procrustes import shape_space
from sam2pal.morphometrics.tables.columns import COLUMNS

STRUCTURES = ["head", "trunk", "antennae"]
SIDE, CENTRE = 300, np.array([150.0, 150.0])


def draw(turn, wide=1.0, mirrored=False):
    """An animal that looks upwards at turn 0, turned clockwise: masks [SIDE, SIDE].

    The head is a part of a disc of radius 30; the trunk behind it is 80 wide, from 50 to -110, with a bump on
    its right; of the two antennae on the head's sides the right one is the longer.
    """
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = x - CENTRE[0], y - CENTRE[1]
    c, s = math.cos(turn), math.sin(turn)
    u, v = c * x + s * y, s * x - c * y  # to the right, forwards
    if mirrored:
        u = -u
    head = (np.hypot(u, v - 60) < 30) & (v > 50) & (v < 80)
    trunk = ((u / (40 * wide)) ** 2 + ((v + 20) / 90) ** 2 < 1) | (np.hypot(u - 38, v + 20) < 12)
    trunk &= v <= 50
    right = (abs(v - 70) < 2) & (u > 34) & (u < 94)
    left = (abs(v - 70) < 2) & (u < -34) & (u > -74)
    return {"head": head, "trunk": trunk, "antennae": left | right}


def frame_of(masks, mirrored=False):
    shapes = {name: Shape.of(mask) for name, mask in masks.items()}
    body = Shape.of(masks["head"] | masks["trunk"]).moments
    front, rear = shapes["head"].moments, shapes["trunk"].moments
    return shapes, BodyFrame.of(body, body.angle, front, rear, mirrored)


def photograph(point, turn):
    """(to the right, forwards) of the animal on its photograph."""
    u, v = point
    c, s = math.cos(turn), math.sin(turn)
    return CENTRE + (c * u + s * v, s * u - c * v)


@pytest.mark.parametrize("turn", [0.0, 0.7, 2.0, 3.3, 5.1])
def test_points_are_even_from_the_front_and_landmarks_lie_where_they_were_drawn(turn):
    masks = draw(turn)
    shapes, frame = frame_of(masks)
    outlines = {name: OrientedOutline(shapes[name].parts[0], frame) for name in ("head", "trunk")}
    assert frame.forward @ (math.sin(turn), -math.cos(turn)) > 0.99

    points = outlines["trunk"].semilandmarks(64)
    steps = np.hypot(*np.diff(np.concatenate([points, points[:1]]), axis=0).T)
    assert steps.max() / steps.mean() < 1.02 and steps.min() / steps.mean() > 0.8  # chords
    local = frame.local(points)
    assert local[0, 1] > local[:, 1].max() - 2  # in front ...
    assert local[16, 0] > 20 and local[48, 0] < -20  # ... then clockwise, first to the right

    found = landmarks(outlines, {"antennae": shapes["antennae"]}, ["head", "trunk"], frame)
    tilt = 4  # the bump turns the axis a little, and what is extreme along it
    where = {
        "head.front": ((0, 80), tilt),
        "head-trunk.middle": ((0, 50), 1.5),
        "head-trunk.left": ((-26, 50), 3),
        "antennae.tip_right": ((94, 70), 1.5),
        "antennae.tip_left": ((-74, 70), 1.5),
        "antennae.base_left": ((-34, 70), 1.5),
        "trunk.rear": ((0, -110), 6),
    }
    for name, (place, far) in where.items():
        assert np.hypot(*(found[name] - photograph(place, turn))) < far, name
    left, right = frame.sides(shapes["antennae"].parts)
    assert asymmetry(left, right) == pytest.approx((60 - 40) / 50, abs=0.04)


def test_fourier_coefficients_are_of_the_shape_alone_and_draw_it_again():
    turned = [draw(turn) for turn in (0.0, 1.1, 4.0)] + [draw(2.2, mirrored=True)]
    found = []
    for masks, mirrored in zip(turned, (False, False, False, True), strict=True):
        shapes, frame = frame_of(masks, mirrored)
        outline = OrientedOutline(shapes["trunk"].parts[0], frame)
        found.append(outline.fourier(12))
    for other in found[1:]:
        assert np.abs(other - found[0]).max() < 0.01  # sizes are 1

    drawn = pyefd.reconstruct_contour(found[-1], num_points=400) * math.sqrt(outline.area)
    middle = outline.local.mean(axis=0) - drawn.mean(axis=0)
    gaps = [np.hypot(*(outline.local - point - middle).T).min() for point in drawn]
    assert max(gaps) < 2.0  # of 140 pixels


def test_components_find_the_one_way_in_which_shapes_differ():
    circle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    wide = np.array([0.7, 0.9, 1.1, 1.3, 1.5])
    shapes = np.stack([wide[:, None] * np.sin(circle), np.ones((5, 1)) * np.cos(circle)], axis=2)
    turns = np.array([0.1, 2.0, 4.4, 3.0, 1.0])
    c, s = np.cos(turns), np.sin(turns)
    moved = np.einsum("mnk,mkl->mnl", shapes, np.stack([[c, s], [-s, c]]).transpose(2, 0, 1))
    space = shape_space(moved * np.array([3, 9, 1, 40, 5])[:, None, None] + 100)
    assert space.shares[0] > 0.99
    order = np.argsort(space.scores[:, 0])
    assert list(order) in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])
    assert np.allclose(space.aligned[:, 0, 0], 0, atol=1e-6) and (space.aligned[:, 0, 1] > 0).all()
    assert space.sizes[3] == pytest.approx(40 * np.linalg.norm(shapes[3]))


def read_tps(path):
    """What a TPS file says, read by the format's own rules (Rohlf): keys, then points of LM and CURVES."""
    specimens, points = [], None
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and key == "LM":
            points = []
            specimens.append({"LM": points, "count": int(value), "curves": []})
        elif equals and key == "POINTS":
            points = []
            specimens[-1]["curves"].append((int(value), points))
        elif equals:
            specimens[-1][key] = value
        elif line.strip():
            points.append([float(number) for number in line.split()])
    for one in specimens:
        assert len(one["LM"]) == one["count"]
        assert len(one["curves"]) == int(one.get("CURVES", 0))
        assert all(len(of) == count for count, of in one["curves"])
    return specimens


def entries(specimens):
    images, annotations = [], []
    for number, (name, masks, keys) in enumerate(specimens, 1):
        images.append(
            {"id": number, "file_name": f"{name}.png", "specimen": name, "width": SIDE}
            | {
                "height": SIDE,
                "path": f"photographs/{name}.png",
                "status": "ok",
                "reason": "",
                **keys,
            }
        )
        for category, structure in enumerate(STRUCTURES, 1):
            rle = encode_mask(masks[structure])
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category}
                | {"segmentation": rle, "iscrowd": 0, "score": 0.9, "source": "predicted"}
                | {"flags": [], **rle_measures(rle)}
            )
    return images, annotations


@pytest.fixture
def run(tmp_path):
    """A round of five specimens: one mirrored, one whose antennae were not measured, one without a head."""
    lost = draw(0.5) | {"head": np.zeros((SIDE, SIDE), bool)}
    specimens = [("a", draw(0.0), {}), ("b", draw(2.0, 1.1), {"view": "180"})]
    specimens += [("=c", draw(1.0, 0.9, True), {"view": "mirrored"}), ("d", draw(4.0, 1.2), {})]
    specimens.append(("e", lost, {}))
    folder = tmp_path / "G/drawn"
    (folder / "shards").mkdir(parents=True)
    images, annotations = entries(specimens)
    coco = {"info": {"genus": "G", "round": "drawn"}, "categories": categories(STRUCTURES)}
    write(folder / "shards/0001.json", coco | {"images": images, "annotations": annotations})
    template = [dict(images[0])]
    own = [{**of, "source": "drawn"} for of in annotations if of["image_id"] == 1]
    write(folder / "templates.json", coco | {"images": template, "annotations": own})
    rows = [
        {"genus": "G", "round": "drawn", "specimen": name, "structure": structure}
        | {"status": "low_confidence" if (name, structure) == ("d", "antennae") else "measured"}
        | {"state": "outside" if name == "e" else "found"}
        for name, *_ in specimens
        for structure in STRUCTURES
        if (name, structure) != ("e", "head")
    ]
    tables.write(tables.table(rows, COLUMNS), folder / "morphometrics.parquet")
    scores = dict.fromkeys(("genus", "round", "specimen", "structure"), str) | {"iou": float}
    tables.write(tables.table([], scores), folder / "evaluation.csv")
    return folder


def export(run, monkeypatch, *words, scale=("genus",), **outlines):
    options = run.parent / "options.yaml"
    outlines = {"points": 16, "harmonics": 4, "axis": ["head", "trunk"]} | outlines
    measurement = {"body": ["head", "trunk"], "curved": ["antennae"], "colour": False}
    measurement["scale"] = list(scale)
    options.write_text(yaml.safe_dump({"outlines": outlines, "measurement": measurement}))
    folder = run.parent / "shapes"
    words = ["--genus", "G", "--runs", run, "--options", options, "--output", folder, *words]
    monkeypatch.setattr(sys, "argv", ["export_shapes.py", *map(str, words)])
    export_shapes.main()
    return folder


def test_other_programs_read_the_same_points(run, monkeypatch, capsys):
    folder = export(run, monkeypatch, "--pixels-per-mm", "40")
    said = capsys.readouterr().out
    assert "outlines of trunk: 4 measured, 1 no_axis" in said
    tps = read_tps(folder / "outline_trunk.tps")
    assert [one["ID"] for one in tps] == ["a", "b", "=c", "d"]
    assert {one["IMAGE"] for one in tps} == {"a.png", "b.png", "=c.png", "d.png"}
    assert all(float(one["SCALE"]) == pytest.approx(1 / 40) for one in tps)
    points = {one["ID"]: np.array(one["LM"] + one["curves"][0][1]) for one in tps}
    assert all(of.shape == (16, 2) for of in points.values())
    first = points["a"][0]
    assert first == pytest.approx(CENTRE * (1, -1) + (0, SIDE) + (0, 50), abs=2)  # y upwards

    def area(ring):
        x, y = ring.T
        return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2

    assert all(area(of) < -6000 for of in points.values())  # clockwise, the mirrored one too

    with (folder / "outline_trunk_morphoj.txt").open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0][:3] == ["ID", "X1", "Y1"] and [row[0] for row in rows[1:]] == list(points)
    for row in rows[1:]:
        assert np.array(row[1:], float).reshape(-1, 2) * 40 == pytest.approx(points[row[0]], 1e-4)
    with (folder / "outline_trunk.csv").open(encoding="utf-8", newline="") as file:
        table = {row["specimen"]: row for row in csv.DictReader(file)}
    assert float(table["a"]["y1"]) == pytest.approx(first[1]) and "'=c" in table

    marks = read_tps(folder / "landmarks.tps")
    names = [row["landmark"] for row in rows_of(folder / "landmarks.csv") if row["specimen"] == "a"]
    missing = {
        one["ID"]: [n for n, p in zip(names, one["LM"], strict=True) if p[0] == -1] for one in marks
    }
    tips = {f"antennae.{end}_{side}" for end in ("base", "tip") for side in ("left", "right")}
    assert missing["a"] == [] and set(missing["d"]) == tips
    at = {one["ID"]: dict(zip(names, one["LM"], strict=True)) for one in marks}
    span = {name: at[name]["antennae.tip_right"][0] - at[name]["head.front"][0] for name in ("a",)}
    assert span["a"] == pytest.approx(94, abs=4)

    status = {(row["specimen"], row["structure"]): row for row in rows_of(folder / "outlines.csv")}
    assert [status[name, "trunk"]["state"] for name in "ae"] == ["found", "outside"]
    assert status["e", "trunk"]["status"] == "no_axis" and status["e", "trunk"]["a1"] == ""
    assert float(status["a", "trunk"]["area_mm2"]) == pytest.approx(
        float(status["a", "trunk"]["area_px2"]) / 1600
    )
    symmetry = {row["specimen"]: row for row in rows_of(folder / "symmetry.csv")}
    for name in ("a", "=c"):  # the mirrored one is turned back
        assert float(symmetry[name]["asymmetry"]) == pytest.approx(0.4, abs=0.05)
    described = (folder / "columns.tsv").read_text()
    for name in ("asymmetry", "solidity", "area_mm2", "pixels_per_mm", "landmark"):
        assert name in described


def test_what_is_stored_mirrored_is_the_mirror_image_of_its_templates(run, monkeypatch):
    shard = run / "shards/0001.json"
    data = json.loads(shard.read_text())
    image = next(one for one in data["images"] if one["specimen"] == "=c")
    assert image.pop("view") == "mirrored"
    image["path"] = str(run / "c.jpg")
    for orientation, expected in ((2, 0.4), (3, -0.4), (5, 0.4)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (SIDE, SIDE)).save(run / "c.jpg", exif=exif)
        shard.write_text(json.dumps(data))
        folder = export(run, monkeypatch)
        found = {row["specimen"]: row for row in rows_of(folder / "symmetry.csv")}
        assert float(found["=c"]["asymmetry"]) == pytest.approx(expected, abs=0.05)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [
            row | {"specimen": row["specimen"].removeprefix("'")} for row in csv.DictReader(file)
        ]


def test_landmarks_of_a_template_come_back_on_every_specimen(run, monkeypatch):
    drawn = {"1": (0, 78), "2": (-30, -20), "3": (20, 0)}
    lines = [f"{x:g} {SIDE - y:g}" for x, y in (photograph(of, 0.0) for of in drawn.values())]
    path = run.parent / "landmarks.tps"
    path.write_text("\n".join(["LM=3", *lines, "IMAGE=a.png", ""]))
    folder = export(run, monkeypatch, "--landmarks", path, "--pixels-per-mm", "40")
    rows = {(row["specimen"], row["landmark"]): row for row in rows_of(folder / "landmarks.csv")}
    assert {rows["a", name]["by"] for name in drawn} == {"drawn"}
    turned = {"b": (2.0, 1.1), "d": (4.0, 1.2), "=c": (1.0, 0.9)}
    for specimen, (turn, wide) in turned.items():
        for name, (u, v) in drawn.items():
            row = rows[specimen, name]
            along = u * (wide if v < 50 else 1)
            x, y = photograph((along, v), turn)
            if specimen == "=c":  # drawn mirrored, and written mirrored once more
                x, y = photograph((-along, v), turn)
                x = SIDE - x
            assert row["by"] == "transferred" and row["spread_px"] == ""
            assert 0.9 < float(row["confidence"]) < 1
            far = np.hypot(float(row["x_px"]) - x, SIDE - float(row["y_px"]) - y)
            assert far < 5, (specimen, name)
    assert ("e", "3") not in rows  # no axis, no landmark
    landmarks = list(dict.fromkeys(name for _, name in rows))
    tps = {one["ID"]: one["LM"] for one in read_tps(folder / "landmarks.tps")}
    unsure = export(run, monkeypatch, "--landmarks", path, landmark_confidence=0.9999)
    for one in read_tps(unsure / "landmarks.tps"):
        for name, point, before in zip(landmarks, one["LM"], tps[one["ID"]], strict=True):
            carried = rows[one["ID"], name]["by"] == "transferred"
            assert list(point) == ([-1, -1] if carried else list(before))
    read = COCO(folder / "templates.json")  # masks and landmarks of the templates in one file
    (marked,) = read.loadAnns(read.getAnnIds(catIds=read.getCatIds(catNms=["landmarks"])))
    places = [photograph(of, 0.0) for of in drawn.values()]
    assert marked["keypoints"] == pytest.approx([n for x, y in places for n in (x, y, 2)])
    export(run, monkeypatch)
    assert not (folder / "templates.json").exists()
    for name, grey in (("shards/0001.json", 0), ("templates.json", 9)):  # of two photographs
        other = run.parent / str(grey) / "a.png"
        other.parent.mkdir()
        Image.new("L", (SIDE, SIDE), grey).save(other)
        text = (run / name).read_text().replace("photographs/a.png", str(other))
        (run / name).write_text(text)
    folder = export(run, monkeypatch, "--landmarks", path)
    by = {row["by"] for row in rows_of(folder / "landmarks.csv") if row["landmark"] in drawn}
    assert by == {"transferred"}


def test_a_landmark_that_few_have_does_not_cost_the_others_their_row(tmp_path):
    points = np.arange(6.0).reshape(3, 2)
    rare, lost = points.copy(), points.copy()
    rare[1], lost[:2] = np.nan, np.nan
    of = [
        files.LandmarkConfiguration(name, "", own, 9, None)
        for name, own in (("a", points), ("b", rare), ("c", rare), ("d", lost))
    ]
    files.write_morphoj(tmp_path / "m.txt", of)
    header, *rows = (tmp_path / "m.txt").read_text().splitlines()
    assert header.split("\t") == ["ID", "X1", "Y1", "X3", "Y3"]
    assert [row.split("\t") for row in rows] == [[name, "0", "8", "4", "4"] for name in "abc"]


def test_a_scale_that_was_found_in_the_photograph_is_that_of_its_points(run, monkeypatch):
    path = run.parent / "scale.csv"
    path.write_text(
        "genus,specimen,status,source,pixels_per_mm,uncertainty,pixels,mm,reason,picture,taken\n"
        "G,a,found,bar,25,0.01,25,1,,,\nG,b,doubtful,bar,,0.01,9,1,short,,\n"
    )
    folder = export(run, monkeypatch, "--scales", path, scale=["bar"])
    tps = {one["ID"]: one for one in read_tps(folder / "outline_trunk.tps")}
    assert float(tps["a"]["SCALE"]) == pytest.approx(1 / 25) and "SCALE" not in tps["b"]
    rows = (folder / "outline_trunk_morphoj.txt").read_text().splitlines()
    points = [[float(n) for n in row.split("\t")[1:3]] for row in rows[1:]]
    assert points[0] == pytest.approx(tps["a"]["LM"][0], abs=1e-3)  # all in pixels, or all in mm


def test_the_figure_and_its_table_hold_every_specimen(run, monkeypatch, tmp_path):
    folder = export(run, monkeypatch)
    assert not any("SCALE" in one for one in read_tps(folder / "outline_trunk.tps"))
    figure, scores = tmp_path / "space.svg", tmp_path / "space.csv"
    words = ["--shapes", str(folder), "--output", str(figure), "--scores", str(scores)]
    monkeypatch.setattr(sys, "argv", ["plot_shapes.py", *words])
    plot_shapes.main()
    rows = [row for row in rows_of(scores) if row["structure"] == "trunk"]
    assert [row["specimen"] for row in rows] == ["a", "b", "=c", "d"]
    order = sorted(rows, key=lambda row: float(row["pc1"]))
    assert [row["specimen"] for row in order] in (["=c", "a", "b", "d"], ["d", "b", "a", "=c"])
    assert "trunk" in figure.read_text() and rows[0]["centroid_size_mm"] == ""


def test_what_the_options_name_must_be_there():
    options = OutlineOptions(axis=["head", "trnk"], pairs=[["wing_l", "wing_r"]])
    problems = outline_problems(options, [], STRUCTURES)
    assert len(problems) == 3 and "trnk" in problems[0] and "trunk" in problems[0]
    assert (
        "write `axis: [FRONT, REAR]` with their names"
        in outline_problems(OutlineOptions(), [], STRUCTURES)[0]
    )
    assert outline_problems(OutlineOptions(), ["head", "trunk"], STRUCTURES) == []
    with pytest.raises(
        ValueError, match="harmonics is 12, which needs 24 points or more, but points is"
    ):
        OutlineOptions(points=20)


def test_the_sides_of_real_beetles_stay_when_turned_and_change_places_when_mirrored(carabidae):
    coco = COCO(carabidae / "pinned" / "annotations_9class.json")
    names = {one["id"]: one["name"] for one in coco.cats.values()}
    for image in coco.getImgIds()[1:4]:
        masks = {names[of["category_id"]]: coco.annToMask(of) for of in coco.imgToAnns[image]}

        def sides(masks, mirrored=False):
            shapes = {
                name: Shape.of(mask.astype(bool), min_part=0.01) for name, mask in masks.items()
            }
            body = pixel_moments(masks["head"] | masks["pronotum"] | masks["elytra"])
            ends = shapes["head"].moments, shapes["elytra"].moments
            frame = BodyFrame.of(body, body.angle, *ends, mirrored)
            return {name: frame.sides(shapes[name].parts) for name in ("eyes", "legs", "antennae")}

        upright = sides(masks)
        assert all(left and right for left, right in upright.values())
        for quarters in (1, 2):
            turned = {name: np.rot90(mask, quarters) for name, mask in masks.items()}
            assert sides(turned) == upright
            other = {name: mask[:, ::-1] for name, mask in turned.items()}
            assert sides(other) == {name: (b, a) for name, (a, b) in upright.items()}
            assert sides(other, mirrored=True) == upright
            for name, (left, right) in sides(other).items():
                assert asymmetry(left, right) == -asymmetry(*upright[name])


def test_a_scale_that_does_not_fit_is_not_that_of_a_shape(tmp_path):
    columns = ("specimen", "structure", "unit", "status", "state", "flags")
    rows = [
        dict(zip(columns, (name, "head", unit, status, "found", flags), strict=True))
        for name, flags, doubtful in (("a", "", "measured"), ("b", "implausible_scale", "doubtful"))
        for unit, status in (("px", "measured"), ("mm", doubtful))
    ]
    table = tables.table(rows, dict.fromkeys(columns, str))
    tables.write(table, tmp_path / "morphometrics.parquet")
    statuses, _, refused = read_statuses(tmp_path / "morphometrics.parquet")
    assert statuses == {("a", "head"): "measured", ("b", "head"): "measured"} and refused == {"b"}
