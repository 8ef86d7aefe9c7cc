"""What people's programs write, read as it is meant, or refused with the reason."""

import base64
import io
import json
import os
import zipfile
import zlib

import numpy as np
import pytest
import roifile
import tifffile
from PIL import Image

from sam2pal.dataset.convert import convert, read_truth
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.formats.labelstudio import decode_brush
from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.io.errors import InputError

WIDTH, HEIGHT = 60, 40
NAMES = ["head", "body"]
RING = [10, 5, 30, 5, 30, 25, 10, 25]
POINTS = [[10, 5], [30, 5], [30, 25], [10, 25]]


def square():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:25, 10:30] = True
    return mask


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (WIDTH, HEIGHT), "white").save(folder / name)
    return folder


def coco(segmentation, image=None, **more):
    image = {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT} | (image or {})
    entry = {"id": 1, "image_id": image["id"], "category_id": 1, "segmentation": segmentation}
    categories = [{"id": 1, "name": "head"}, {"id": 2, "name": "body"}]
    return {"images": [image], "annotations": [entry | more], "categories": categories}


def labelstudio(result, image="/data/upload/3/0a1b2c3d-a.png"):
    size = {"original_width": WIDTH, "original_height": HEIGHT, "id": "r"}
    results = [size | region for region in result]
    return [{"id": 4, "data": {"image": image}, "annotations": [{"result": results}]}]


def polygon_in_percent():
    points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in POINTS]
    return {"type": "polygonlabels", "value": {"points": points, "polygonlabels": ["head"]}}


def brush(mask):
    """Label Studio's encoding, every run spelt out or repeated as it comes."""
    values = np.repeat(np.where(mask, 255, 0).astype(np.uint8).ravel(), 4)
    bits = [f"{len(values):032b}", f"{7:05b}", *(f"{width - 1:04b}" for width in (3, 4, 8, 16))]
    edges = np.flatnonzero(np.diff(values)) + 1
    for start, end in zip([0, *edges], [*edges, len(values)], strict=True):
        bits.append(f"111{end - start - 1:016b}{values[start]:08b}")
    bits.append("")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


def cvat(shapes):
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    image = f'<image id="0" name="a.png" {size}>{shapes}</image>'
    return f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{image}</annotations>'


def cvat_mask(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    flat = np.concatenate([[False], crop.ravel()])
    edges = np.flatnonzero(np.diff(flat))
    runs = np.diff([0, *edges, crop.size])
    box = f'left="{columns[0]}" top="{rows[0]}" width="{crop.shape[1]}" height="{crop.shape[0]}"'
    return f'<mask label="head" rle="{", ".join(map(str, runs))}" {box}/>'


def geojson():
    ring = [*POINTS, POINTS[0]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    feature["properties"] = {"classification": {"name": "head"}}
    return feature


def supervisely(entry):
    return {"size": {"width": WIDTH, "height": HEIGHT}, "tags": [], "objects": [entry]}


def bitmap(mask):
    picture = io.BytesIO()
    crop = np.zeros((20, 20, 4), np.uint8)
    crop[..., 3] = mask[5:25, 10:30] * 255
    Image.fromarray(crop).save(picture, "PNG")
    data = base64.b64encode(zlib.compress(picture.getvalue())).decode()
    return {"classTitle": "head", "geometryType": "bitmap",
            "bitmap": {"data": data, "origin": [10, 5]}}  # fmt: skip


def roi_zip():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        roi = roifile.ImagejRoi.frompoints(np.array(POINTS, float), name="head")
        archive.writestr("head.roi", roi.tobytes())
    return packed.getvalue()


LABELME = {
    "version": "5.5.0", "shapes": [{"label": "head", "points": POINTS, "shape_type": "polygon"}],
    "imagePath": "a.png", "imageWidth": WIDTH, "imageHeight": HEIGHT,
}  # fmt: skip
VIA = {
    "a.png1": {
        "filename": "a.png",
        "regions": [
            {
                "shape_attributes": {"name": "rect", "x": 10, "y": 5, "width": 20, "height": 20},
                "region_attributes": {"part": "head"},
            }
        ],
    }
}
FILES = {
    "coco.json": coco([RING]),
    "rle.json": coco(encode_mask(square())),
    "labelme.json": LABELME,
    "via.json": VIA,
    "cvat.xml": cvat('<polygon label="head" points="10,5;30,5;30,25;10,25"/>'),
    "cvat_mask.xml": cvat(cvat_mask(square())),
    "labelstudio.json": labelstudio([polygon_in_percent()]),
    "brush.json": labelstudio(
        [{"type": "brushlabels", "value": {"rle": brush(square()), "brushlabels": ["head"]}}]
    ),
    "a.geojson": {"type": "FeatureCollection", "features": [geojson()]},
    "list/a.json": [geojson()],
    "a.png.json": supervisely(
        {"classTitle": "head", "geometryType": "polygon",
         "points": {"exterior": POINTS, "interior": []}}
    ),
    "bitmap/a.png.json": supervisely(bitmap(square())),
    "a.zip": roi_zip(),
}  # fmt: skip


def content(name):
    data = FILES[name]
    if isinstance(data, bytes):
        return data
    return (data if isinstance(data, str) else json.dumps(data)).encode()


def save(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def masks_of(data):
    names = {category["id"]: category["name"] for category in data["categories"]}
    specimens = {image["id"]: image["specimen"] for image in data["images"]}
    return {
        (specimens[entry["image_id"]], names[entry["category_id"]]): decode_mask(
            entry["segmentation"]
        )
        for entry in data["annotations"]
    }


def converted(tmp_path, photographs, data, name="annotations.json", **options):
    path = save(tmp_path / name, json.dumps(data).encode() if not isinstance(data, bytes) else data)
    return convert(path, photographs, NAMES, **options)


def notes(data):
    return "\n".join(data["info"]["notes"])


@pytest.mark.parametrize("name", FILES)
def test_each_format_gives_the_mask_that_was_drawn(tmp_path, photographs, name):
    found = masks_of(converted(tmp_path, photographs, content(name), name))
    assert list(found) == [("a", "head")]
    assert np.array_equal(found["a", "head"], square())


def test_yolo_outlines_with_their_list_of_names(tmp_path, photographs):
    parts = [f"{x / WIDTH} {y / HEIGHT}" for x, y in POINTS]
    save(tmp_path / "yolo/labels/a.txt", f"1 {' '.join(parts)}\n0 0.5 0.5 0.1 0.1\n".encode())
    save(tmp_path / "yolo/data.yaml", b"names: {0: body, 1: head}\n")
    data = convert(tmp_path / "yolo", photographs, NAMES)
    assert np.array_equal(masks_of(data)["a", "head"], square())
    assert "1 bounding boxes without an outline passed over" in notes(data)


def test_a_brush_mask_that_is_cut_off_is_refused():
    whole = bytes(brush(square()))
    assert (decode_brush(whole, 4 * WIDTH * HEIGHT).reshape(HEIGHT, WIDTH, 4)[..., 3] > 0).sum()
    with pytest.raises(ValueError, match="ends too early"):
        decode_brush(whole[:-3], 4 * WIDTH * HEIGHT)


def test_what_descriptron_says_of_structures(tmp_path, photographs):
    for data in (
        coco([RING], {"structure_status": {"body": "absent", "head": "present"}}),
        coco([RING]) | {"structure_status": {"a.png": {"body": "Absent"}}},
    ):
        found = masks_of(converted(tmp_path, photographs, data, "a.rlejson"))
        assert not found["a", "body"].any() and found["a", "head"].any()
    data = converted(
        tmp_path, photographs, coco([RING], {"structure_status": {"body": "not_visible"}})
    )
    assert Dataset(data).by_specimen()["a"].state("body") == "hidden"
    data = converted(tmp_path, photographs, coco([RING], {"structure_status": {"head": "absent"}}))
    assert masks_of(data)["a", "head"].any()
    assert "'head' is both outlined and said to be absent; the outline is taken" in notes(data)


def test_an_image_is_meant_by_its_stem(tmp_path, photographs):
    data = coco([RING])
    data["annotations"][0]["image_id"] = "a"
    assert masks_of(converted(tmp_path, photographs, data))["a", "head"].any()


def test_yolo_points_are_no_outlines(tmp_path, photographs):
    """A box and two points: eight numbers are as many as those of an outline of four points."""
    line = "0 0.5 0.5 0.2 0.2 0.4 0.4 0.6 0.6\n"
    save(tmp_path / "yolo/labels/a.txt", line.encode())
    save(tmp_path / "yolo/data.yaml", b"kpt_shape: [2, 2]\nnames: {0: head}\n")
    with pytest.raises(
        InputError, match="data.yaml: it names kpt_shape, so its files hold boxes and points"
    ):
        convert(tmp_path / "yolo", photographs, NAMES)


def test_yolo_as_roboflow_lays_it_out(tmp_path, photographs):
    labels = tmp_path / "export/train/labels"
    save(tmp_path / "export/data.yaml", b"names: {3: head, 7: body}")
    save(labels / "README.txt", b"made by a tool")
    points = " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in POINTS)
    save(labels / "a.txt", f"3 {points}\n8 {points}\n".encode())
    data = convert(labels, photographs, NAMES)
    assert np.array_equal(masks_of(data)["a", "head"], square())
    assert "a.txt: line 2 is not the number of a class" in notes(data) and "README" not in notes(
        data
    )


def test_a_ring_in_a_hole_is_no_hole(photographs, tmp_path):
    rings = [[2, 2, 38, 2, 38, 38, 2, 38], [8, 8, 30, 8, 30, 30, 8, 30],
             [12, 12, 20, 12, 20, 20, 12, 20], [50, 2, 55, 2, 55, 7, 50, 7]]  # fmt: skip
    data = converted(tmp_path, photographs, coco(rings))
    assert masks_of(data)["a", "head"].sum() == 36 * 36 - 22 * 22 + 8 * 8 + 5 * 5


# COCO as programs write it


@pytest.mark.parametrize(
    "data",
    [
        coco([RING], {"id": "a specimen"}),
        {**coco([RING], {"id": "a.png"}), "images": ["a.png"]},
        coco([POINTS]),
        coco(POINTS),
        coco(RING),
        coco({key: [float(v) for v in value] if key == "size" else value
              for key, value in encode_mask(square()).items()}),
        coco([RING, [3, 3], [4, 4, 5, 5]]),
        coco([RING], area=400, bbox=[10, 5, 20, 20]),
    ],
)  # fmt: skip
def test_dialects_of_coco(tmp_path, photographs, data):
    assert np.array_equal(masks_of(converted(tmp_path, photographs, data))["a", "head"], square())


def test_a_ring_within_another_is_a_hole_unless_the_area_says_otherwise(tmp_path, photographs):
    rings = [RING, [15, 10, 15, 15, 20, 15, 20, 10]]
    data = converted(tmp_path, photographs, coco(rings))
    assert masks_of(data)["a", "head"].sum() == 375 and "taken as a hole" in notes(data)
    data = converted(tmp_path, photographs, coco(rings, area=400))
    assert masks_of(data)["a", "head"].sum() == 400 and "was filled" in notes(data)


def test_a_mask_along_rows_is_turned_by_its_box(tmp_path, photographs):
    mask = square()
    rows = encode_mask(mask.ravel().reshape(WIDTH, HEIGHT).T)
    data = converted(tmp_path, photographs, coco(rows, bbox=[10, 5, 20, 20]))
    assert np.array_equal(masks_of(data)["a", "head"], mask) and "runs along rows" in notes(data)
    with pytest.raises(InputError, match="bbox .40, 30, 10, 8.*contradict each other"):
        converted(tmp_path, photographs, coco(encode_mask(mask), bbox=[40, 30, 10, 8]))


def test_an_outline_through_the_centres_of_pixels(tmp_path, photographs):
    centres = [10, 5, 29, 5, 29, 24, 10, 24]
    data = converted(tmp_path, photographs, coco([centres], area=400))
    assert np.array_equal(masks_of(data)["a", "head"], square())
    data = converted(tmp_path, photographs, coco([centres], area=900))
    assert "its area says 900 pixels, its outline encloses 361" in notes(data)


def test_one_bad_outline_does_not_refuse_the_others(tmp_path, photographs):
    data = coco([RING])
    first = data["annotations"][0]
    data["annotations"] += [
        {**first, "id": 2, "category_id": 2, "segmentation": [[1, 2, "x", 4, 5, 6]]},
        {**first, "id": 3, "category_id": 2},  # half of a structure would be a wrong one
        {**first, "id": 4, "category_id": -1},
    ]
    result = converted(tmp_path, photographs, data)
    assert list(masks_of(result)) == [("a", "head")]
    assert "annotation 2" in notes(result) and "annotation 4 has category_id -1" in notes(result)


def test_structures_in_files_of_their_own_are_united(tmp_path, photographs):
    save(tmp_path / "files/head.json", json.dumps(coco([RING])).encode())
    save(tmp_path / "files/body.json", json.dumps(coco([RING], category_id=2)).encode())
    save(tmp_path / "files/meta.json", b"{}")
    assert len(masks_of(convert(tmp_path / "files", photographs, NAMES))) == 2
    save(tmp_path / "files/again.json", json.dumps(coco([RING])).encode())
    with pytest.raises(InputError, match="'a.png' is annotated twice"):
        convert(tmp_path / "files", photographs, NAMES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (coco([[10, 5, 20, 20]], bbox=[10, 5, 20, 20]), "its box .*, which is not an outline"),
        (coco([], bbox=[10, 5, 20, 20]), "1 bounding boxes without an outline"),
        (coco([[0.1, 0.1, 0.5, 0.1, 0.5, 0.5]]), "all its coordinates lie from 0 to 1"),
        (coco({"size": [10**9, 10**9], "counts": [10**18]}), "more than 500,000,000 pixels"),
        ({**coco([RING]), "annotations": [{"image_id": 1, "segments_info": []}]}, "panoptic"),
        (b'{"a": 1}\n{"a": 2}\n', "JSONL, one object a line"),
        (b'{"data_row": {}}\n', "NDJSON of Labelbox"),
        (b"PK\x03\x04 something", "zip archive; unpack it"),
        (b"<annotation><object><bndbox></bndbox></object></annotation>", "boxes are not outlines"),
        (b"LM=2\n20 30\n", "landmarks are not outlines"),
        (b"<!doctype html><p>log in", "a web page"),
        (json.dumps(coco([RING])).replace('"head"', '"\\ud83d"').encode(), "not valid JSON"),
        (json.dumps(coco([RING])).replace("60", "6" * 5000).encode(), "not valid JSON"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, photographs, data, message):
    with pytest.raises(InputError, match=message):
        converted(tmp_path, photographs, data)


def test_utf16_and_one_long_line_are_read(tmp_path, photographs):
    text = json.dumps({**LABELME, "imageData": "aB3/" * 100_000})
    for encoded in (text.encode(), text.encode("utf-16"), text.encode("utf-8-sig")):
        data = converted(tmp_path, photographs, encoded)
        assert np.array_equal(masks_of(data)["a", "head"], square())


# LabelMe and VIA


@pytest.mark.parametrize("kind", ["rectangle", "quadrilateral", "rotation"])
def test_four_corners_of_xanylabeling(tmp_path, photographs, kind):
    shapes = [{"label": "head", "points": POINTS, "shape_type": kind}]
    data = converted(tmp_path, photographs, {**LABELME, "shapes": shapes})
    assert np.array_equal(masks_of(data)["a", "head"], square())


def test_a_copied_labelme_file_is_a_question(tmp_path, photographs):
    with pytest.raises(InputError, match="its imagePath is 'a.png', but the photograph 'b.png'"):
        converted(tmp_path, photographs, LABELME, "b.json")


def test_a_label_that_is_a_number_is_told(tmp_path, photographs):
    shapes = [*LABELME["shapes"], {**LABELME["shapes"][0], "label": 1}]
    data = converted(tmp_path, photographs, {**LABELME, "shapes": shapes})
    assert "shape 2 has the label 1, which is not text" in notes(data)


def test_menus_of_via_may_store_numbers(tmp_path, photographs):
    regions = [{**VIA["a.png1"]["regions"][0], "region_attributes": {"part": "1"}}]
    project = {
        "_via_img_metadata": {"a.png1": {"filename": "a.png", "regions": regions}},
        "_via_attributes": {"region": {"part": {"options": {"1": "head", "2": "body"}}}},
    }
    data = converted(tmp_path, photographs, project)
    assert np.array_equal(masks_of(data)["a", "head"], square())


def test_a_cut_row_of_via_is_told(tmp_path, photographs):
    shape, part = (
        '{""name"":""rect"",""x"":10,""y"":5,""width"":20,""height"":20}',
        '{""p"":""head""}',
    )
    header = "filename,region_shape_attributes,region_attributes\n"
    text = f'{header}a.png,"{shape}","{part}"\nb.png,"{shape}"\n'
    data = converted(tmp_path, photographs, text.encode(), "via.csv")
    assert list(masks_of(data)) == [("a", "head")]
    assert "row 3 ('b.png') is cut off" in notes(data)
    text = text.replace("region_attributes", "label")
    with pytest.raises(InputError, match="column 'region_attributes' of VIA is missing"):
        converted(tmp_path, photographs, text.encode(), "via.csv")


# Names


@pytest.mark.parametrize(
    ("name", "files", "specimen"),
    [
        ("NHM.1", ("NHM.png", "NHM.1.png"), "NHM.1"),
        ("NHM", ("NHM.png", "NHM.1.png"), "NHM"),
        ("x.png", ("x.png", "X.png"), "x"),
        ("0a1b2c3d-x.png", ("x.png",), "x"),
        ("x_png.rf.0a1b2c.jpg", ("x.png",), "x"),
        ("a%20b.png", ("a b.png",), "a b"),
        ("C:\\old\\d1\\x.png", ("d1/x.png", "d2/x.png"), "d1/x"),
    ],
)
def test_names_that_are_found(tmp_path, photographs, name, files, specimen):
    for file in files:
        (photographs / file).parent.mkdir(exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(photographs / file)
    data = converted(tmp_path, photographs, coco([RING], {"file_name": name}))
    assert data["images"][0]["specimen"] == specimen
    renamed = name not in (*files, specimen) and "\\" not in name
    assert ("is taken as" in notes(data)) == renamed


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("NHM.1", ("NHM.png",), "no photograph 'NHM.1'"),
        ("d1/x.png", ("d2/x.png",), "no photograph 'd1/x.png' in .*only 'd2/x.png'"),
        ("XY.png", ("Xy.png", "xY.png"), "may be any of"),
        ("x.png", ("d1/x.png", "d2/x.png"), "may be any of 'd1/x.png', 'd2/x.png'"),
    ],
)
def test_names_that_are_refused(tmp_path, photographs, name, files, message):
    for file in files:
        (photographs / file).parent.mkdir(exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(photographs / file)
    with pytest.raises(InputError, match=message):
        converted(tmp_path, photographs, coco([RING], {"file_name": name}))


# Pictures of masks


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "masks"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    "name", ["a_head.png", "a_head.tif", "a_HEAD.bmp", "head/a.png", "a/head.png", "a_head_1.png"]
)
def test_names_of_masks(photographs, folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    Image.fromarray(square()).save(folder / name)
    assert np.array_equal(masks_of(convert(folder, photographs, NAMES))["a", "head"], square())


def test_a_mask_that_may_be_of_two_photographs_is_a_question(photographs, folder):
    Image.new("RGB", (WIDTH, HEIGHT)).save(photographs / "a_fore.png")
    Image.fromarray(square()).save(folder / "a_fore_wing.png")
    with pytest.raises(InputError, match="may be 'wing' of 'a_fore.png', 'fore_wing' of 'a.png'"):
        convert(folder, photographs, ["wing", "fore_wing"])


def pictures():
    mask = square()
    white = np.where(mask, 255, 0).astype(np.uint8)
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    noise[0, 0] = 0
    red = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    red[mask] = (255, 0, 0)
    three = white.copy()
    three[:, 40:] = 100
    return {
        "inverted": (255 - white, "seems to be inverted"),
        "red on white": (red, "no black ground"),
        "two values": (np.where(mask, 200, 60).astype(np.uint8), "no black ground"),
        "photograph": (noise, "this is not a binary mask: it holds .* values"),
        "three values": (three, "this is not a binary mask: it holds 3 values .0, 100, 255"),
        "another size": (white[:9, :9], "9 x 9 pixels, but the photograph .* 60 x 40"),
    }


@pytest.mark.parametrize("kind", pictures())
def test_a_picture_that_is_no_mask_is_refused_with_what_was_seen(photographs, folder, kind):
    pixels, message = pictures()[kind]
    Image.fromarray(pixels).save(folder / "a_head.png")
    with pytest.raises(InputError, match=f"a_head.png: .*{message}"):
        convert(folder, photographs, NAMES)
    Image.fromarray(square()).save(folder / "b_head.png")
    data = convert(folder, photographs, NAMES)  # the other one is used, and it is said
    assert list(masks_of(data)) == [("b", "head")] and "left out: " in notes(data)


def test_colours_of_16_bits_are_refused_and_grey_ones_read(photographs, folder):
    grey = np.where(square(), 255, 0).astype(np.uint16)
    tifffile.imwrite(folder / "a_head.tif", grey)
    assert (masks_of(convert(folder, photographs, NAMES))["a", "head"] == square()).all()
    tifffile.imwrite(folder / "a_head.tif", np.stack([grey] * 3, axis=2), photometric="rgb")
    with pytest.raises(InputError, match=r"a_head\.tif: its colours have 16 bits"):
        convert(folder, photographs, NAMES)


def test_masks_as_jpeg_and_with_an_alpha_channel(photographs, folder):
    grey = np.where(square(), 255, 0).astype(np.uint8)
    Image.fromarray(grey).save(folder / "a_head.jpg", quality=75)
    found = masks_of(convert(folder, photographs, NAMES))["a", "head"]
    assert (found ^ square()).sum() < 10


def test_masks_of_cvat_are_read_by_their_list_of_labels(photographs, folder):
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[square()] = (128, 0, 0)
    for name in ("SegmentationClass", "SegmentationObject"):
        (folder / name).mkdir()
        Image.fromarray(pixels).save(folder / name / "a.png")
    (folder / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nhead:128,0,0::\n")
    assert np.array_equal(masks_of(convert(folder, photographs, NAMES))["a", "head"], square())


@pytest.mark.parametrize(
    "legend",
    [b"id,name,color\n1,head,#ff0000\n", b"1;head\n", "1,head\n2,Fl\u00fcgel\n".encode("cp1252")],
)
def test_legends_as_people_have_them(photographs, folder, legend):
    Image.fromarray(np.stack([square().astype(np.uint8)] * 3, -1)).save(folder / "a.png")
    (folder / "legend.csv").write_bytes(legend)
    assert np.array_equal(masks_of(convert(folder, photographs, NAMES))["a", "head"], square())


def test_masks_among_the_photographs_are_told(photographs):
    Image.fromarray(square()).save(photographs / "a_head.png")
    with pytest.raises(InputError, match="a folder of their own"):
        convert(photographs, photographs, NAMES)


# Truth


def test_truth_of_any_format_is_matched_to_predictions(tmp_path):
    predicted = coco(encode_mask(square()))
    predicted["images"].append(predicted["images"][0] | {"id": 2, "file_name": "b.png"})
    write_coco(tmp_path / "predicted.json", predicted)
    truth = coco([RING], {"file_name": "A.PNG"})
    truth["categories"][0]["name"] = "Head"
    del truth["images"][0]["width"], truth["images"][0]["height"]
    truth["images"].append({"id": 2, "file_name": "b.png", "width": 2 * WIDTH, "height": 80})
    truth["annotations"].append({**truth["annotations"][0], "id": 2, "image_id": 2})
    save(tmp_path / "truth.json", json.dumps(truth).encode())
    dataset = read_truth(tmp_path / "truth.json", [tmp_path / "predicted.json"])
    found = dataset.by_specimen()
    assert np.array_equal(found["a"].masks["head"], square())
    assert not found["b"].masks  # drawn on a copy of another size: not scored, and named
    assert any("120 x 80 pixels, but the photograph" in note for note in dataset.notes)


@pytest.mark.parametrize("mark", ["head_absent", "Head Absent", "head-absent", " head  ABSENT "])
def test_a_mark_is_read_however_it_is_spelt(tmp_path, photographs, mark):
    body = {"label": "body", "points": POINTS, "shape_type": "polygon"}
    flags = {mark: True, "reviewed": True, "body absent": False}
    flagged = dict(LABELME, shapes=[body], flags=flags)
    polygon = f'<polygon label="body" points="{";".join(f"{x},{y}" for x, y in POINTS)}"/>'
    tags = f'<tag label="{mark}"/><tag label="reviewed"/>'
    region = polygon_in_percent()
    region["value"]["polygonlabels"] = ["body"]
    choice = {"type": "choices", "value": {"choices": [mark, "reviewed"]}}
    files = [
        ("flags", "a.json", json.dumps(flagged)),
        ("tags", "cvat.xml", cvat(polygon + tags)),
        ("choices", "tasks.json", json.dumps(labelstudio([region, choice]))),
    ]
    for kind, name, text in files:
        path = tmp_path / name
        path.write_text(text)
        data = convert(path, photographs, NAMES)
        areas = {a["category_id"]: a["area"] for a in data["annotations"]}
        assert areas == {1: 0, 2: 400}, kind
        assert f"1 {kind} 'reviewed'" in " ".join(data["info"]["notes"])


LASSO = [[10, 5], [40, 5], [40, 35], [10, 35], [10, 5], [25, 5], [25, 20], [10, 20]]


def labelme_of(points, name="head"):
    return dict(LABELME, shapes=[{"label": name, "points": points, "shape_type": "polygon"}])


def in_tool(tool, points):
    """A file of one polygon `head`, and its name."""
    if tool == "labelme":
        return "a.json", json.dumps(labelme_of(points))
    if tool == "coco":
        return "coco.json", json.dumps(coco([sum(points, [])]))
    if tool == "cvat":
        line = ";".join(f"{x},{y}" for x, y in points)
        return "cvat.xml", cvat(f'<polygon label="head" points="{line}"/>')
    if tool == "via":
        xs, ys = zip(*points, strict=True)
        shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
        region = {"shape_attributes": shape, "region_attributes": {"part": "head"}}
        return "via.json", json.dumps({"a.png1": {"filename": "a.png", "regions": [region]}})
    region = polygon_in_percent()
    region["value"]["points"] = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in points]
    return "tasks.json", json.dumps(labelstudio([region]))


@pytest.mark.parametrize("tool", ["labelme", "coco", "cvat", "via", "labelstudio"])
def test_an_outline_that_crosses_itself_is_filled_as_its_tool_shows_it(tmp_path, photographs, tool):
    def drawn(points):
        name, text = in_tool(tool, points)
        (tmp_path / name).write_text(text)
        data = convert(tmp_path / name, photographs, NAMES)
        return data["annotations"][0]["area"], " ".join(data["info"]["notes"])

    browser = tool in ("cvat", "via", "labelstudio")
    area, notes = drawn(LASSO)
    assert area == (900 if browser else 675)
    assert f"goes round twice is {'filled' if browser else 'left out'}" in notes
    area, notes = drawn([[10, 5], [40, 35], [40, 5], [10, 35]])
    assert area == 450 and "'head'" in notes and "crosses itself; redraw" in notes
    hole = [[20, 15], [20, 25], [30, 25], [30, 15], [20, 15]]  # and back
    area, notes = drawn([[10, 5], *hole, [10, 5], [40, 5], [40, 35], [10, 35]])
    assert area == 800 and "crosses itself" not in notes
    if browser:
        area, notes = drawn([*LASSO[:4], *LASSO[:4]])
        assert area == 900 and "filled" in notes
    else:
        with pytest.raises(InputError, match="'head'.*same area twice"):
            drawn([*LASSO[:4], *LASSO[:4]])


def test_a_slip_of_the_hand_and_a_tangle_are_drawn(tmp_path, photographs):
    outline = {"slip": [[10, 5], [40, 5], [40, 35], [10, 35], [10, 4.9], [10.5, 5.5]]}
    outline["tangle"] = np.random.default_rng(0).uniform(0, 40, (2000, 2)).tolist()
    for name, points in outline.items():
        (tmp_path / "a.json").write_text(json.dumps(labelme_of(points)))
        notes = " ".join(convert(tmp_path / "a.json", photographs, NAMES)["info"]["notes"])
        assert ("crosses itself" in notes) == (name == "tangle")


def saved(folder, pictures):
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(folder / name)
    return folder


def palette_picture(mask, ground, structure):
    """`mask` as indices of a palette that begins with the colour of index 0."""
    picture = Image.fromarray(mask.astype(np.uint8)).convert("P")
    picture.putpalette([*ground, *structure])
    return picture


@pytest.mark.parametrize("name", ["a_head.png", "a_head.gif"])
def test_a_mask_with_a_palette_is_read_by_its_colours(tmp_path, photographs, name):
    def area(indices, *palette):
        folder = saved(tmp_path / "m", {name: palette_picture(indices, *palette)})
        return convert(folder, photographs, NAMES)["annotations"][0]["area"]

    white, black, green, red = (255,) * 3, (0,) * 3, (0, 255, 0), (255, 0, 0)
    assert area(square(), black, white) == area(~square(), white, black) == 400
    assert area(square(), green, red) == 400
    for palette in ((white, black), (green, red)):
        inverted = square() if palette[0] == white else ~square()
        with pytest.raises(InputError, match="seems to be inverted"):
            area(inverted, *palette)


def test_a_mask_of_several_colours_is_refused(tmp_path, photographs):
    soft = np.zeros((HEIGHT, WIDTH))
    soft[5:25, 10:30], soft[4, 10:30], soft[25, 10:30] = 1, 0.4, 0.6
    red = Image.fromarray((soft[..., None] * (200, 40, 40)).astype(np.uint8))
    two = red.copy()
    two.paste((0, 200, 0), (40, 5, 41, 30))
    opaque = Image.fromarray((soft * 255).astype(np.uint8))
    clear = red.copy()
    clear.putalpha(opaque)
    flat = Image.new("RGB", red.size, (255, 0, 0))
    flat.paste((0, 0, 255), (20, 0, 30, 40))
    flat.putalpha(opaque)
    for name, right, wrong in [("png", red, two), ("png", clear, flat), ("jpg", opaque, two)]:
        if name == "jpg":
            wrong.paste((0, 200, 0), (38, 5, 50, 30))  # fewer are lost among stained edges
        folder = saved(tmp_path / "m", {f"a_head.{name}": right})
        assert convert(folder, photographs, NAMES)["annotations"][0]["area"] in range(395, 430)
        saved(folder, {f"a_head.{name}": wrong})
        with pytest.raises(InputError, match=r"several colours \(#.*#|values .* in areas"):
            convert(folder, photographs, NAMES)
        (folder / f"a_head.{name}").unlink()


def test_a_number_that_belongs_to_the_name_of_a_structure_stays(tmp_path, photographs):
    names = ["tergite", "tergite1", "Tergite_2"]
    roi = roifile.ImagejRoi.frompoints(np.array(POINTS, float))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("tergite-1", "tergite1", "tergite1-1", "tergite 2", "leg1", "leg1-1"):
            archive.writestr(f"{name}.roi", roi.tobytes())
    data = convert(tmp_path / "a.zip", photographs, names)
    assert [a["category_id"] for a in data["annotations"]] == [1, 2, 3]
    assert "left out 2 of 'leg1'" in " ".join(data["info"]["notes"])


def test_a_structure_may_be_spelt_with_a_blank(tmp_path, photographs):
    names = ["fore_wing", "head"]
    folder = saved(tmp_path / "m", {"a_fore wing_1.png": Image.fromarray(square())})
    assert convert(folder, photographs, names)["annotations"][0]["area"] == 400
    via = json.loads(json.dumps(VIA))
    via["a.png1"]["regions"][0]["region_attributes"] = {"part": "fore wing", "sex": "male"}
    (tmp_path / "via.json").write_text(json.dumps(via))
    assert convert(tmp_path / "via.json", photographs, names)["annotations"][0]["area"] == 400


def test_an_empty_second_annotation_leaves_the_drawn_one(tmp_path, photographs):
    data = labelstudio([polygon_in_percent()])
    data[0]["annotations"] += [{"result": []}, {"result": [], "was_cancelled": True}]
    (tmp_path / "tasks.json").write_text(json.dumps(data))
    found = convert(tmp_path / "tasks.json", photographs, NAMES)
    assert found["annotations"][0]["area"] == 400
    assert "2 annotations; those without a result are" in " ".join(found["info"]["notes"])


def test_an_outline_of_a_few_pixels_is_noted(tmp_path, photographs):
    points = [[10.2, 5.2], [10.9, 5.2], [10.9, 5.9], [10.2, 5.9]]
    for side, told in ((1, True), (4, False)):
        larger = [[10 + side * (x - 10), 5 + side * (y - 5)] for x, y in points]
        (tmp_path / "a.json").write_text(json.dumps(labelme_of(larger)))
        notes = " ".join(convert(tmp_path / "a.json", photographs, NAMES)["info"]["notes"])
        assert ("a.json: 'head' has 1 pixels; look" in notes) == told


def test_holes_that_reach_beyond_their_edge_are_holes(tmp_path, photographs):
    edge = [[10, 5], [30, 5], [30, 25], [10, 25]]
    hole = [[25, 20], [31, 20], [31, 26], [25, 26]]
    feature = geojson()
    feature["geometry"] = {"type": "Polygon", "coordinates": [edge, hole]}
    entry = {"classTitle": "head", "geometryType": "polygon"}
    entry["points"] = {"exterior": edge, "interior": [hole]}
    for name, data in (("a.geojson", feature), ("a.png.json", supervisely(entry))):
        (tmp_path / name).write_text(json.dumps(data))
        (one,) = convert(tmp_path / name, photographs, NAMES)["annotations"]
        assert (one["area"], one["bbox"]) == (400 - 25, [10, 5, 20, 20]), name


def test_an_outline_in_parts_of_the_sides_without_a_pixel_does_not_say_absent(
    tmp_path, photographs
):
    thin = polygon_in_percent()
    thin["value"] = thin["value"] | {"points": [[20, 20], [30, 30], [40, 40]]}
    save(tmp_path / "tasks.json", json.dumps(labelstudio([thin])).encode())
    save(tmp_path / "yolo/classes.txt", b"body\nhead\n")
    save(tmp_path / "yolo/a.txt", b"1 0.2 0.2 0.3 0.3 0.4 0.4\n")
    for name in ("tasks.json", "yolo"):
        with pytest.raises(InputError, match="the outline covers no pixel of the photograph of"):
            convert(tmp_path / name, photographs, NAMES)


def test_a_piece_in_the_corner_is_in_pixels_where_others_are(tmp_path, photographs):
    corner = {"label": "head", "shape_type": "polygon", "points": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    data = {**LABELME, "shapes": [*LABELME["shapes"], corner]}
    (tmp_path / "a.json").write_text(json.dumps(data))
    (one,) = convert(tmp_path / "a.json", photographs, NAMES)["annotations"]
    assert one["bbox"][:2] == [0, 0] and one["area"] == 401


def test_a_folder_of_annotations_that_may_not_be_read_is_named(tmp_path, photographs, monkeypatch):
    listed = os.scandir

    def denied(path):
        if os.fspath(path).endswith("/closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listed(path)

    (tmp_path / "drawn/closed").mkdir(parents=True)
    (tmp_path / "drawn/a.json").write_text(json.dumps(LABELME))
    assert convert(tmp_path / "drawn", photographs, NAMES)["images"]
    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(InputError, match="drawn/closed: the folder cannot be listed"):
        convert(tmp_path / "drawn", photographs, NAMES)


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "__MACOSX", "old/@eaDir"])
def test_hidden_folders_of_annotations_are_not_read(tmp_path, photographs, hidden):
    drawn = {"labelme": "a.json", "masks": "a_head.png", "yolo": "a.txt"}
    for kind, name in drawn.items():
        folder = tmp_path / kind
        (folder / hidden).mkdir(parents=True)
        if kind == "yolo":
            (folder / "classes.txt").write_text("head\nbody\n")
        for place, left in ((folder, 10), (folder / hidden, 0)):
            if kind == "masks":
                mask = np.roll(square(), left - 10, axis=1)
                Image.fromarray(mask).save(place / name)
            elif kind == "labelme":
                points = [[x + left - 10, y] for x, y in POINTS]
                (place / name).write_text(json.dumps(labelme_of(points)))
            else:
                line = " ".join(f"{(x + left - 10) / WIDTH} {y / HEIGHT}" for x, y in POINTS)
                (place / name).write_text(f"0 {line}\n")
        (one,) = convert(folder, photographs, NAMES)["annotations"]
        assert one["bbox"][0] == 10 and one["area"] == 400, kind


def test_structures_from_two_files_are_told(tmp_path, photographs):
    for name, structure in (("a.json", "head"), ("old/a (1).json", "body")):
        (tmp_path / "drawn" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "drawn" / name).write_text(json.dumps(labelme_of(POINTS, structure)))
    data = convert(tmp_path / "drawn", photographs, NAMES)
    assert len(data["annotations"]) == 2
    told = "1 photograph with structures in several files"
    assert told in " ".join(data["info"]["notes"])
