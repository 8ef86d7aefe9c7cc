"""What particular programs write, as their own code does, and what is said of those that are not read."""

import base64
import io
import json

import numpy as np
import pytest
import roifile
from PIL import Image
from test_formats import (
    HEIGHT,
    LABELME,
    NAMES,
    POINTS,
    RING,
    WIDTH,
    coco,
    converted,
    cvat,
    labelstudio,
    masks_of,
    photographs,  # noqa: F401
    polygon_in_percent,
    square,
)

from sam2pal.dataset.convert import convert
from sam2pal.dataset.drawing import polygons
from sam2pal.dataset.rle import encode_mask
from sam2pal.io.errors import InputError

HOLLOW = square()
HOLLOW[10:15, 15:20] = False


def notes_of(found):
    return "; ".join(found["info"]["notes"])


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def via(size=-1, name="a.png"):
    xs, ys = zip(*POINTS, strict=True)
    shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    region = {"shape_attributes": shape, "region_attributes": {"part": "head"}}
    return {f"{name}{size}": {"filename": name, "size": size, "regions": [region]}}


def test_descriptrons_lines_scales_and_exact_masks(tmp_path, photographs):  # noqa: F811
    data = coco([[12, 5, 28, 5, 30, 25, 10, 23]], rle_segmentation=encode_mask(HOLLOW))
    line = {"is_line": True, "segmentation": [[2, 2, 50, 30, 2, 30]], "bbox": [2, 2, 48, 28]}
    data["annotations"].append({"id": 2, "image_id": 1, "category_id": 2, **line})
    data["scale"] = {"px_per_unit": 27.5, "unit": "mm"}
    found = converted(tmp_path, photographs, data)
    assert list(masks_of(found)) == [("a", "head")]
    assert np.array_equal(masks_of(found)["a", "head"], HOLLOW)
    assert "27.5 pixels per mm" in notes_of(found) and "1 lines passed over" in notes_of(found)


def test_of_descriptrons_two_files_the_exact_one_is_read(tmp_path, photographs):  # noqa: F811
    put(tmp_path, "ann/a_final_1.json", coco([RING]))
    put(tmp_path, "ann/a_final_1.rlejson", coco(encode_mask(HOLLOW)))
    found = convert(tmp_path / "ann", photographs, NAMES)
    assert np.array_equal(masks_of(found)["a", "head"], HOLLOW)


def test_coco_by_names_by_address_and_as_bytes(tmp_path, photographs):  # noqa: F811
    rle = encode_mask(square())
    by_name = coco([RING])
    by_name["annotations"][0]["category_id"] = "head"
    by_address = coco([RING])
    by_address["images"][0]["coco_url"] = f"http://x.org/{by_address['images'][0].pop('file_name')}"
    as_bytes = coco(rle | {"counts": str(rle["counts"].encode())})
    for data in (by_name, by_address, as_bytes):
        found = converted(tmp_path, photographs, data)
        assert np.array_equal(masks_of(found)["a", "head"], square())


def test_an_area_that_contradicts_a_mask_is_told(tmp_path, photographs):  # noqa: F811
    right = coco(encode_mask(square()), area=400, bbox=[10, 5, 20, 20])
    assert "its area" not in notes_of(converted(tmp_path, photographs, right))
    right["annotations"][0]["area"] = 1600
    said = "its area says 1600 pixels, its mask has 400"
    assert said in notes_of(converted(tmp_path, photographs, right))


def test_labelstudio_tells_photograph_label_and_size(tmp_path, photographs):  # noqa: F811
    task = labelstudio([polygon_in_percent()])[0]
    task["data"] = {"barcode": "b", **task["data"]}
    assert list(masks_of(converted(tmp_path, photographs, task))) == [("a", "head")]
    nameless = {"type": "polygonlabels", "value": {"points": [[1, 1], [9, 1], [9, 9]]}}
    found = converted(tmp_path, photographs, labelstudio([nameless, polygon_in_percent()]))
    assert "region r has no label" in notes_of(found)
    for change, said in (
        ({"original_width": 3 * WIDTH}, "not a copy of the photograph"),
        ({"image_rotation": 90}, "turned in Label Studio"),
    ):
        with pytest.raises(InputError, match=said):
            converted(tmp_path, photographs, labelstudio([polygon_in_percent() | change]))
    for data, said in (
        ([task | {"data": {"images": ["a.png"]}}], "names no photograph"),
        ([task | {"annotations": [], "predictions": [{}]}], "predictions that nobody"),
    ):
        with pytest.raises(InputError, match=said):
            converted(tmp_path, photographs, data)


def test_a_turned_ellipse_of_label_studio(tmp_path, photographs):  # noqa: F811
    value = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 90}
    region = {"type": "ellipselabels", "value": value | {"ellipselabels": ["head"]}}
    mask = masks_of(converted(tmp_path, photographs, labelstudio([region])))["a", "head"]
    assert mask.any(1).sum() == 24 and mask.any(0).sum() == 8  # 2 x 20 % of 60, 2 x 10 % of 40


def test_vias_bytes_tell_photographs_of_one_name_apart(tmp_path, photographs):  # noqa: F811
    found = converted(tmp_path, photographs, via(99))
    assert "a file of 99 bytes" in notes_of(found)
    for drawer, noise in (("one", 10), ("two", 90)):
        (photographs / drawer).mkdir()
        Image.effect_noise((WIDTH, HEIGHT), noise).save(photographs / drawer / "c.png")
    size = (photographs / "two/c.png").stat().st_size
    found = converted(tmp_path, photographs, via(size, "c.png"))
    assert list(masks_of(found)) == [("two/c", "head")] and "bytes" not in notes_of(found)


def test_yolo_of_cvat_and_roboflow(tmp_path, photographs):  # noqa: F811
    line = "0 " + " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in POINTS)
    put(tmp_path, "y/data.yaml", "names: {'0': head, '1': body}\n")
    put(tmp_path, "y/train.txt", "data/images/train/a.png\n")
    put(tmp_path, "y/train/labels/a_png.rf.0a1b2c.txt", line)
    found = convert(tmp_path / "y", photographs, NAMES)
    assert np.array_equal(masks_of(found)["a", "head"], square())
    assert "train.txt" not in notes_of(found)
    (tmp_path / "y/train/labels/b.txt").write_bytes(b"0 0.1 \xff")
    assert "b.txt, line 1: this is not text in UTF-8" in notes_of(
        convert(tmp_path / "y", photographs, NAMES)
    )
    put(tmp_path, "without/a.txt", line)
    with pytest.raises(InputError, match=r"data\.yaml"):
        convert(tmp_path / "without", photographs, NAMES)


def test_a_class_of_yolo_may_have_an_ampersand_but_no_alias(tmp_path, photographs):  # noqa: F811
    put(tmp_path, "y/a.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5")
    put(tmp_path, "y/data.yaml", "names: [head, 'legs & antennae']\n")
    assert list(masks_of(convert(tmp_path / "y", photographs, NAMES))) == [("a", "head")]
    put(tmp_path, "y/data.yaml", "names: &n [head]\nval: *n\n")
    with pytest.raises(InputError, match="expected a list 'names'"):
        convert(tmp_path / "y", photographs, NAMES)


def test_a_key_that_occurs_twice_is_told(tmp_path, photographs):  # noqa: F811
    text = json.dumps(coco([RING]))[:-1] + ', "annotations": []}'
    with pytest.raises(InputError, match="key 'annotations' occurs twice"):
        convert(put(tmp_path, "a.json", text), photographs, NAMES)


def test_a_pasted_mask_is_not_decoded_where_it_cannot_fit(tmp_path, photographs):  # noqa: F811
    large = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(large, "PNG")
    shape = {"label": "head", "points": [[0, 0], [1, 1]], "shape_type": "mask"}
    shape["mask"] = base64.b64encode(large.getvalue()).decode()
    with pytest.raises(InputError, match="20000 x 20000 pixels at .0, 0. does not fit"):
        converted(tmp_path, photographs, LABELME | {"shapes": [shape]}, "a.json")


def test_single_rois_lie_in_the_folder_of_their_photograph(tmp_path, photographs):  # noqa: F811
    roi = roifile.ImagejRoi.frompoints(np.array(POINTS, float), name="head").tobytes()
    for place, given in (("r/a/head.roi", "r"), ("a.roi", "a.roi")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(roi)
        found = convert(tmp_path / given, photographs, NAMES)
        assert np.array_equal(masks_of(found)["a", "head"], square())


def test_pictures_that_are_no_masks_leave_the_others(tmp_path, photographs):  # noqa: F811
    (tmp_path / "m").mkdir()
    mask = Image.fromarray(square().astype(np.uint8) * 255)
    mask.save(tmp_path / "m/a_head_0_mask.png")  # Descriptron's names
    mask.save(tmp_path / "m/sheet.png")
    two = {"save_all": True, "append_images": [mask]}
    mask.save(tmp_path / "m/a_body.tif", **two)
    found = convert(tmp_path / "m", photographs, NAMES)
    assert list(masks_of(found)) == [("a", "head")]
    assert "sheet.png: this mask fits no photograph" in notes_of(found)
    assert "a_body.tif: it has 2 pages" in notes_of(found)


def test_masks_beside_annotation_files_and_hollow_ones_are_told(tmp_path, photographs):  # noqa: F811
    put(tmp_path, "m/a.json", LABELME)
    edge = square()
    edge[7:23, 12:28] = False
    Image.fromarray(edge.astype(np.uint8) * 255).save(tmp_path / "m/b_body.png")
    assert "1 pictures such as 'b_body.png'" in notes_of(
        convert(tmp_path / "m", photographs, NAMES)
    )
    (tmp_path / "m/a.json").unlink()
    assert "the mask is hollow" in notes_of(convert(tmp_path / "m", photographs, NAMES))


def test_a_missing_or_broken_photograph_leaves_the_others(tmp_path, photographs):  # noqa: F811
    (photographs / "b.png").write_bytes(b"broken")
    data = coco([RING])
    for number, name in enumerate(("b.png", "gone.png"), 2):
        data["images"].append({"id": number, "file_name": name})
        data["annotations"].append(data["annotations"][0] | {"id": number, "image_id": number})
    found = converted(tmp_path, photographs, data)
    assert list(masks_of(found)) == [("a", "head")]
    assert "b.png: " in notes_of(found) and "no photograph 'gone.png'" in notes_of(found)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"item": {}, "annotations": []}, "Darwin JSON of V7.*COCO"),
        ({"a.png": {"instances": [], "metadata": {}}}, "SuperAnnotate.*COCO"),
        ({"dm_format_version": "1.0", "items": []}, "Datumaro.*coco_instances"),
        ([{"annotator": 1, "annotation_id": 1, "label": []}], "JSON-MIN of Label Studio.*JSON"),
        ([{"externalId": "a", "labels": []}], "Kili.*COCO"),
        ("# Exported using VGG Image Annotator (x)\n1,2", "VIA 3"),
        ("<annotation><object><polygon><pt/></polygon></object></annotation>", "LabelMe's web"),
        ('<annotation verified="yes"><bndbox/></annotation>', "Pascal VOC"),
        ("index,shape-type,vertex-index,axis-0,axis-1\n", "napari"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2\n", "YOLO"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, photographs, content, said):  # noqa: F811
    path = put(tmp_path, "given", content)
    with pytest.raises(InputError, match=said):
        convert(path, photographs, NAMES)


def test_a_skipped_shape_of_cvat_is_counted(tmp_path, photographs):  # noqa: F811
    shapes = '<skeleton label="body"/><polygon label="head" points="10,5;30,5;30,25;10,25"/>'
    found = converted(tmp_path, photographs, cvat(shapes).encode(), "a.xml")
    assert "1 shapes of type skeleton passed over" in notes_of(found)


def test_many_vertices_and_many_rings_are_drawn_or_refused():
    angles = np.linspace(0, 2 * np.pi, 300_000, endpoint=False)
    circle = np.stack([500 + 400 * np.cos(angles), 500 + 400 * np.sin(angles)], 1).ravel().tolist()
    assert abs(polygons("head", "x", [circle]).draw(1000, 1000).sum() - np.pi * 400**2) < 2000
    scribble = (np.random.default_rng(0).random(60_000) * 1000).tolist()
    with pytest.raises(InputError, match="pixels long"):
        polygons("head", "x", [scribble]).draw(1000, 1000)
    corners = [(x, y) for x in range(0, 1000, 8) for y in range(0, 1000, 8)]
    squares = [[x, y, x + 4, y, x + 4, y + 4, x, y + 4] for x, y in corners]
    assert polygons("head", "x", squares).draw(1000, 1000).sum() == 16 * len(corners)
