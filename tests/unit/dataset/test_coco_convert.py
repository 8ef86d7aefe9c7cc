"""Annotations of every format, turned into canonical COCO."""

import base64
import copy
import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as reference

from sam2pal.dataset.convert import convert
from sam2pal.dataset.dataset import read_templates
from sam2pal.dataset.files import check, read_json
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.rle import encode_mask, rle_measures
from sam2pal.images.orientation import stored, upright
from sam2pal.io.errors import InputError

STRUCTURES = {"head": None, "body": {"parent": ""}, "eye": {"parent": "head"}}
SIZE = (60, 40)  # width, height
SQUARE = [10, 5, 30, 5, 30, 25, 10, 25]


def square_mask(height=40, width=60):
    mask = np.zeros((height, width), bool)
    mask[5:25, 10:30] = True
    return mask


def ring_mask():
    mask = square_mask()
    mask[10:15, 15:20] = False
    return mask


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("a.png", "b.png", "C10.JPG"):
        Image.new("RGB", SIZE, "white").save(folder / name)
    return folder


def turned_photograph(folder, orientation, size=SIZE, name="t.jpg"):
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", size, "white").save(folder / name, exif=exif)


def as_coco(segmentation, file_name="a.png", size=SIZE, **more):
    return {
        "images": [{"id": 7, "file_name": file_name, "width": size[0], "height": size[1]}],
        "categories": [{"id": 3, "name": "head"}, {"id": 5, "name": "body"}],
        "annotations": [
            {"id": 11, "image_id": 7, "category_id": 3, "segmentation": segmentation, **more}
        ],
    }


def write(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def converted(tmp_path, photographs, data, name="annotations.json", **options):
    path = write(tmp_path / name, data)
    return convert(path, photographs, STRUCTURES, genus="Aus", round_name="first", **options)


def masks(data, tmp_path):
    write_coco(tmp_path / "out.json", data)
    return {t.specimen: t.masks for t in read_templates(tmp_path / "out.json")}


def notes(data):
    return "\n".join(data["info"]["notes"])


# COCO


def test_a_structure_drawn_within_another_is_told_as_masks_that_are_found_share_no_pixel(
    tmp_path, photographs
):
    data = as_coco([SQUARE])
    data["categories"].append({"id": 6, "name": "eye"})
    inside, across = [12, 7, 20, 7, 20, 15, 12, 15], [27, 7, 35, 7, 35, 15, 27, 15]
    eye = {"id": 12, "image_id": 7, "category_id": 6, "segmentation": [inside]}
    path = write(tmp_path / "a.json", data | {"annotations": [*data["annotations"], eye]})
    plain = {"eye": None, "head": None}
    said = notes(convert(path, photographs, plain))
    assert "'eye' is drawn within 'head' on 1 of 1 photographs" in said
    assert "Write `parent: head` below 'eye'" in said
    for options in ({"parent": "head"}, {"exclusive": False}):
        assert notes(convert(path, photographs, plain | {"eye": options})) == ""
    assert notes(convert(path, photographs, plain, truth=True)) == ""
    eye["segmentation"] = [across]  # a seam that is outlined twice
    path = write(tmp_path / "b.json", data | {"annotations": [*data["annotations"], eye]})
    assert notes(convert(path, photographs, plain)) == ""


def test_the_canonical_file(tmp_path, photographs):
    data = converted(tmp_path, photographs, as_coco([SQUARE]))
    assert data["images"] == [
        {"id": 1, "file_name": "a.png", "path": str(photographs / "a.png"), "width": 60,
         "height": 40, "specimen": "a"}
    ]  # fmt: skip
    assert data["categories"] == [
        {"id": 1, "name": "head", "supercategory": ""},
        {"id": 2, "name": "body", "supercategory": ""},
        {"id": 3, "name": "eye", "supercategory": "head"},
    ]
    assert data["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 400,
         "bbox": [10, 5, 20, 20], "segmentation": encode_mask(square_mask()),
         "source": "drawn"}
    ]  # fmt: skip
    assert (data["info"]["genus"], data["info"]["round"]) == ("Aus", "first")
    assert data["info"]["notes"] == [
        "'body' is drawn on no photograph", "'eye' is drawn on no photograph"
    ]  # fmt: skip
    assert isinstance(reference.toBbox(data["annotations"][0]["segmentation"]), np.ndarray)


def uncompressed(mask):
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": counts if not flat[0] else [0, *counts]}


@pytest.mark.parametrize("encode", [uncompressed, encode_mask])
def test_rle_keeps_holes(tmp_path, photographs, encode):
    data = converted(tmp_path, photographs, as_coco(encode(ring_mask())))
    assert np.array_equal(masks(data, tmp_path)["a"]["head"], ring_mask())


def test_pieces_are_united_and_a_flat_polygon_is_understood(tmp_path, photographs):
    data = as_coco(SQUARE)
    data["annotations"].append(
        {"image_id": 7, "category_id": 3, "segmentation": [[40, 30, 50, 30, 50, 40, 40, 40]]}
    )
    expected = square_mask()
    expected[30:40, 40:50] = True
    found = masks(converted(tmp_path, photographs, data), tmp_path)["a"]["head"]
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    "segmentation",
    [[], encode_mask(np.zeros((40, 60), bool)), {"size": [40, 60], "counts": [2400]}],
)
def test_an_empty_annotation_means_absent(tmp_path, photographs, segmentation):
    data = converted(tmp_path, photographs, as_coco(segmentation, area=0))
    assert data["annotations"][0]["area"] == 0 and data["annotations"][0]["bbox"] == [0, 0, 0, 0]
    found = masks(data, tmp_path)["a"]
    assert list(found) == ["head"] and not found["head"].any()


def test_keypoints_and_boxes_are_counted_not_masks(tmp_path, photographs):
    data = as_coco([SQUARE])
    data["annotations"] += [
        {"id": 1, "image_id": 7, "category_id": 5, "keypoints": [1, 2, 2], "area": 0},
        {"id": 2, "image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "area": 12},
    ]
    result = converted(tmp_path, photographs, data)
    assert len(result["annotations"]) == 1
    assert "1 keypoints passed over" in notes(result)
    assert "1 bounding boxes without an outline passed over" in notes(result)


def test_unknown_structures_and_bare_images_are_listed(tmp_path, photographs):
    data = as_coco([SQUARE])
    data["categories"] += [{"id": 8, "name": "eyes"}, {"id": 9, "name": "tibia"}]
    data["images"].append({"id": 8, "file_name": "nowhere.png"})
    for category in (8, 8, 9):
        data["annotations"].append({**data["annotations"][0], "category_id": category})
    found = notes(converted(tmp_path, photographs, data))
    assert "left out 2 of 'eyes', which is not among the structures (did you mean 'eye'?)" in found
    assert "left out 1 of 'tibia', which is not among the structures\n" in found
    assert "1 photograph without an outline, left out: 'nowhere.png'" in found


def test_case_of_labels_is_forgiven_and_said(tmp_path, photographs):
    data = as_coco([SQUARE])
    data["categories"][0]["name"] = " Head"
    result = converted(tmp_path, photographs, data)
    assert result["annotations"][0]["category_id"] == 1
    assert "' Head' in the annotations is taken as 'head'" in notes(result)


def edited(**changes):
    data = as_coco([SQUARE])
    for where, value in changes.items():
        table, key = where.split("__")
        if value is None:
            del data[table][0][key]
        else:
            data[table][0][key] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (edited(images__file_name="d.png"), "no photograph 'd.png' in .*photographs"),
        (edited(images__width=61), r"61 x 40 pixels, but the photograph .*a.png has 60 x 40"),
        (
            edited(images__width="wide"),
            "width 'wide' and height 40 are not a size in pixels; export it again",
        ),
        (edited(images__id=7.5), "'a.png'.*id 7.5, not a whole number or a name; export"),
        (edited(annotations__image_id=8), "annotation 11 has image_id 8"),
        (edited(categories__name="hind wing"), "no outline of any structure.*'hind wing'"),
        (edited(annotations__segmentation=[[1, 2, 3, 4]]), "at least 3 points, found 2"),
        (edited(annotations__segmentation=[[1, 2, 3, 4, 5]]), "an x without its y"),
        (edited(annotations__segmentation=[[1, 2, 3, 4, "5", 6]]), "not a number"),
        (edited(annotations__segmentation="abc"), "neither a list of polygons nor an RLE"),
        (
            edited(annotations__segmentation=[[70, 5, 80, 5, 80, 25]]),
            "no pixel.*copy of another size",
        ),
        (edited(annotations__segmentation=[[9, 5, 20, 5, 30, 5]]), "no pixel.*60 x 40; redraw"),
        (edited(annotations__segmentation=[[1, 5, 1e9, 5, 80, 25]]), "does not fit"),
        (edited(annotations__segmentation={"size": [40, 60], "counts": [5]}), "cover 5 pixels"),
        (
            edited(annotations__segmentation={"size": [41, 60], "counts": [2460]}),
            "annotation 11 .*60 x 41 pixels, but .*'a.png' says 60 x 40",
        ),
        ({**edited(), "info": {"orientation": "up"}}, "'stored' or 'displayed'"),
        ([{"image_id": 7, "category_id": 3, "segmentation": [SQUARE]}], "COCO results"),
        ("", "annotation file is empty"),
        ("{", "not valid JSON"),
        ("<xml/>", "the format is not known"),
        ({"something": 1}, "the format is not known .keys something"),
        ({**edited(), "annotations": []}, "no outline of any structure.*right file"),
    ],
)
def test_each_mistake_has_its_own_message(tmp_path, photographs, data, message):
    with pytest.raises(InputError, match=message) as error:
        converted(tmp_path, photographs, data)
    assert "annotations.json" in str(error.value)


def test_outlines_that_leave_the_photograph_are_cut_and_said(tmp_path, photographs):
    data = converted(tmp_path, photographs, as_coco([[50, 30, 90, 30, 90, 50, 50, 50]]))
    assert data["annotations"][0]["bbox"] == [50, 30, 10, 10]
    assert "reaches beyond the photograph of 60 x 40 pixels and was cut" in notes(data)


def test_ids_given_twice(tmp_path, photographs):
    data = as_coco([SQUARE])
    data["images"].append({**data["images"][0], "file_name": "b.png"})
    with pytest.raises(InputError, match="'a.png' and 'b.png' of 'images' have the same id 7"):
        converted(tmp_path, photographs, data)
    data["images"][1].update(id=8, file_name="A.PNG")
    data["annotations"].append({**data["annotations"][0], "image_id": 8})
    with pytest.raises(InputError, match="'a.png' is annotated twice, also as .*image 'a.png'"):
        converted(tmp_path, photographs, data)


# Photographs by name


@pytest.mark.parametrize(
    ("name", "specimen"),
    [("a.png", "a"), ("a.tif", "a"), ("A.PNG", "a"), ("c10.jpg", "C10"), ("c10", "C10"),
     ("images/a.png", "a"), (r"D:\photos\a.png", "a"), ("sub/d.png", "sub/d"), ("d.png", "sub/d"),
     ("twin/e.png", "twin/e"), ("x/sub/e.png", "sub/e")],
)  # fmt: skip
def test_photographs_are_found(tmp_path, photographs, name, specimen):
    for extra in ("sub/d.png", "sub/e.png", "twin/e.png"):
        (photographs / extra).parent.mkdir(exist_ok=True)
        Image.new("RGB", SIZE).save(photographs / extra)
    data = converted(tmp_path, photographs, as_coco([SQUARE], file_name=name))
    assert data["images"][0]["specimen"] == specimen


def test_truth_keeps_photographs_that_are_missing_or_bare(tmp_path, photographs):
    data = as_coco([SQUARE])
    data["images"].append({"id": 8, "file_name": "gone.png"})
    data["annotations"].append({**data["annotations"][0], "image_id": 8})
    assert "left out:" in notes(converted(tmp_path, photographs, data))
    data["images"].append({"id": 9, "file_name": "b.png"})
    result = converted(tmp_path, photographs, data, truth=True)
    assert [image["specimen"] for image in result["images"]] == ["a", "b", "gone"]
    assert [image.get("status") for image in result["images"]] == [None, None, "missing"]
    assert {annotation["image_id"] for annotation in result["annotations"]} == {1}
    assert "1 photograph annotated but not found: 'gone.png'" in notes(result)
    assert "1 photograph without an outline: 'b.png'" in notes(result)


def test_a_nearly_right_name_is_suggested(tmp_path, photographs):
    with pytest.raises(InputError, match=r"did you mean 'C10.JPG'"):
        converted(tmp_path, photographs, as_coco([SQUARE], file_name="C100.JPG"))


# Orientation


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_sizes_tell_stored_from_displayed(tmp_path, photographs, orientation):
    turned_photograph(photographs, orientation)
    on_stored = as_coco(encode_mask(ring_mask()), file_name="t.jpg")
    seen = upright(ring_mask(), orientation)
    on_displayed = as_coco(encode_mask(seen), file_name="t.jpg", size=(40, 60))
    for data, side in ((on_stored, "stored"), (on_displayed, "displayed")):
        result = converted(tmp_path, photographs, data)
        assert np.array_equal(masks(result, tmp_path)["t"]["head"], ring_mask())
        assert (result["images"][0]["width"], result["images"][0]["height"]) == SIZE
        assert f"by its size the annotation was made on the {side} one" in notes(result)


@pytest.mark.parametrize("said", [None, "stored", "displayed"])
@pytest.mark.parametrize(("orientation", "size"), [(3, SIZE), (6, (40, 40))])
def test_where_sizes_do_not_tell_the_file_does(tmp_path, photographs, said, orientation, size):
    turned_photograph(photographs, orientation, size)
    mask = square_mask(size[1], size[0])
    data = as_coco(encode_mask(mask), file_name="t.jpg", size=size)
    if said:
        data["info"] = {"orientation": said}
    result = converted(tmp_path, photographs, data)
    expected = stored(mask, orientation) if said == "displayed" else mask
    assert np.array_equal(masks(result, tmp_path)["t"]["head"], expected)
    assert ("taken as stored" in notes(result)) == (said is None)


def test_labelme_and_via_draw_on_the_displayed_photograph(tmp_path, photographs):
    turned_photograph(photographs, 3)
    seen = stored(square_mask(), 3)
    for data in (labelme("t.jpg"), via("t.jpg")):
        result = converted(tmp_path, photographs, data)
        assert np.array_equal(masks(result, tmp_path)["t"]["head"], seen)
        assert "counts as made on the displayed one" in notes(result)
    turned_photograph(photographs, 6, name="u.jpg")
    result = converted(tmp_path, photographs, via("u.jpg"))
    seen = stored(square_mask(60, 40), 6)
    assert np.array_equal(masks(result, tmp_path)["u"]["head"], seen)


# LabelMe


def labelme(name="a.png", shapes=None):
    points = [[10, 5], [30, 5], [30, 25], [10, 25]]
    shapes = shapes or [{"label": "head", "points": points, "shape_type": "polygon"}]
    return {
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None,
        "imageHeight": SIZE[1], "imageWidth": SIZE[0],
    }  # fmt: skip


def shape(kind, points, label="head", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


def test_labelme_shapes(tmp_path, photographs):
    crop = io.BytesIO()
    Image.fromarray(ring_mask()[5:25, 10:30]).save(crop, "PNG")
    pasted = base64.b64encode(crop.getvalue()).decode()
    data = labelme(
        r"..\photos\a.png",
        [
            shape("rectangle", [[30, 25], [10, 5]]),
            shape("mask", [[10, 5], [29, 24]], "body", mask=pasted),
            shape("circle", [[40, 20], [40, 30]], "eye"),
            shape("line", [[1, 1], [2, 2]], "eye"),
        ],
    )
    result = converted(tmp_path, photographs, data)
    found = masks(result, tmp_path)["a"]
    assert np.array_equal(found["head"], square_mask())
    assert np.array_equal(found["body"], ring_mask())
    y, x = np.mgrid[:40, :60] + 0.5
    assert abs(found["eye"].sum() - 100 * np.pi) < 6
    assert np.abs(np.argwhere(found["eye"]).mean(axis=0) + 0.5 - [20, 40]).max() < 0.1
    assert "1 shapes of type line passed over" in notes(result)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([{"points": [[1, 1]]}], "shape 1 has no label"),
        ([shape("polygon", [[1, 1], [2]])], "not pairs of numbers"),
        ([shape("circle", [[1, 1]])], "a circle has two points, found 1"),
        ([shape("mask", [[1, 1], [2, 2]], mask="???")], "not a PNG in base64"),
        ([shape("polygon", [[1, 1], [2, 2]])], "1 polygons of fewer than 3 points"),
    ],
)
def test_damaged_labelme_shapes(tmp_path, photographs, shapes, message):
    with pytest.raises(InputError, match=message):
        converted(tmp_path, photographs, labelme(shapes=shapes))


def test_a_folder_of_labelme_files(tmp_path, photographs):
    for name in ("a", "b"):
        write(photographs / f"{name}.json", labelme(f"{name}.png"))
    data = convert(photographs, photographs, STRUCTURES)
    assert [image["specimen"] for image in data["images"]] == ["a", "b"]


# VIA


def via(name="a.png", attributes=None):
    polygon = {"name": "polygon", "all_points_x": SQUARE[::2], "all_points_y": SQUARE[1::2]}
    region = {
        "shape_attributes": polygon, "region_attributes": attributes or {"structure": "head"}
    }  # fmt: skip
    entry = {"filename": name, "size": 1234, "regions": [region], "file_attributes": {}}
    return {f"{name}1234": entry}


def test_via_json_project_and_old_regions(tmp_path, photographs):
    old = copy.deepcopy(via())
    old["a.png1234"]["regions"] = {"0": old["a.png1234"]["regions"][0]}
    project = {"_via_settings": {}, "_via_img_metadata": via(), "_via_attributes": {}}
    for data in (via(), old, project):
        result = converted(tmp_path, photographs, data)
        assert np.array_equal(masks(result, tmp_path)["a"]["head"], square_mask())


def test_via_shapes_and_the_attribute_that_names_structures(tmp_path, photographs):
    data = via(attributes={"note": "sharp", "part": {"head": True, "body": True, "eye": False}})
    entry = data["a.png1234"]
    for drawn in (
        {"name": "rect", "x": 40, "y": 30, "width": 10, "height": 10},
        {"name": "ellipse", "cx": 45, "cy": 15, "rx": 10, "ry": 5, "theta": np.pi / 2},
        {"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]},
    ):
        entry["regions"].append({"shape_attributes": drawn, "region_attributes": {"part": "eye"}})
    result = converted(tmp_path, photographs, data)
    found = masks(result, tmp_path)["a"]
    assert np.array_equal(found["head"], square_mask())
    assert np.array_equal(found["body"], square_mask())
    assert found["eye"][30:40, 40:50].all()
    upper = np.argwhere(found["eye"][:28])
    assert abs(len(upper) - 50 * np.pi) < 5
    assert (np.ptp(upper[:, 0]) + 1, np.ptp(upper[:, 1]) + 1) == (20, 10)
    assert "1 regions of shape polyline passed over" in notes(result)


def via_csv(rows):
    text = io.StringIO()
    table = csv.writer(text)
    columns = ["filename", "file_size", "file_attributes", "region_count", "region_id"]
    table.writerow([*columns, "region_shape_attributes", "region_attributes"])
    table.writerows(rows)
    return text.getvalue()


def test_via_csv(tmp_path, photographs):
    region = via()["a.png1234"]["regions"][0]
    drawn = [json.dumps(region[key]) for key in ("shape_attributes", "region_attributes")]
    text = via_csv([["a.png", 1, "{}", 1, 0, *drawn], ["b.png", 1, "{}", 0, 0, "{}", "{}"]])
    result = converted(tmp_path, photographs, text, name="via.csv")
    assert np.array_equal(masks(result, tmp_path)["a"]["head"], square_mask())
    assert "'b.png'" in notes(result)
    with pytest.raises(InputError, match="row 2 .'a.png'. is damaged"):
        converted(tmp_path, photographs, via_csv([["a.png", 1, "{}", 1, 0, "{", "{}"]]), "via.csv")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"project": {}, "metadata": {}, "view": {}}, "VIA 3"),
        (via(attributes={"x": "1", "y": "2"}), "none of the region attributes x, y"),
        (via(attributes={"part": ""}), "region 1 of 'a.png' has no 'part'"),
        ({"a.png1": {"filename": "a.png", "regions": 3}}, "the entry 'a.png1' is damaged"),
        ({"a.png1": {"filename": "a.png", "regions": [3]}}, "the regions of 'a.png' are damaged"),
        ({"a.png1": {"filename": "a.png", "regions": [{}]}}, "region 1 of 'a.png' has no shape"),
    ],
)
def test_damaged_via(tmp_path, photographs, data, message):
    with pytest.raises(InputError, match=message):
        converted(tmp_path, photographs, data)


# PNG masks


@pytest.fixture
def mask_folder(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    return folder


def test_binary_masks_by_name_and_by_folder(tmp_path, photographs, mask_folder):
    (mask_folder / "b").mkdir()
    Image.fromarray(ring_mask()).save(mask_folder / "a_head.png")
    Image.fromarray(ring_mask().astype(np.uint8)).save(mask_folder / "b" / "head.png")
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(mask_folder / "b" / "eye.png")
    soft = np.where(square_mask(), 255, 0).astype(np.uint8)
    soft[4, 10:30] = 100
    Image.fromarray(np.stack([soft] * 3, -1)).save(mask_folder / "c10_body.png")
    result = convert(mask_folder, photographs, STRUCTURES)
    found = masks(result, tmp_path)
    assert np.array_equal(found["a"]["head"], ring_mask())
    assert np.array_equal(found["b"]["head"], ring_mask()) and not found["b"]["eye"].any()
    assert np.array_equal(found["C10"]["body"], square_mask())


def test_a_mask_drawn_on_a_transparent_ground(tmp_path, photographs, mask_folder):
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[square_mask()] = (0, 0, 0, 255)
    Image.fromarray(rgba).save(mask_folder / "a_head.png")
    result = convert(mask_folder, photographs, STRUCTURES)
    assert np.array_equal(masks(result, tmp_path)["a"]["head"], square_mask())


@pytest.mark.parametrize(
    ("name", "legend"),
    [
        ("legend.csv", "value,structure\n1,head\n2,body\n"),
        ("legend.tsv", "1\thead\n2\tbody\n"),
        ("legend.json", '{"1": "head", "2": "body", "0": "background"}'),
        ("legend.json", '{"head": 1, "body": 2}'),
        ("legend.csv", "#c80000,head\n#00c800,body\n"),
    ],
)
def test_indexed_masks_with_a_legend(tmp_path, photographs, mask_folder, name, legend):
    indexed = ring_mask().astype(np.uint8)
    indexed[30:, :] = 2
    indexed[0, 0] = 3
    image = Image.fromarray(indexed)
    image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 9, 9, 9])
    image.save(mask_folder / "a.png")
    write(mask_folder / name, legend)
    result = convert(mask_folder, photographs, STRUCTURES)
    found = masks(result, tmp_path)["a"]
    assert np.array_equal(found["head"], ring_mask())
    assert found["body"].sum() == 600 and list(found) == ["head", "body"]
    assert "without an entry in the legend passed over" in notes(result)


@pytest.mark.parametrize(
    ("legend", "message"),
    [
        (None, "need a file legend.csv"),
        ("value,structure\nx,head\n", "row 2 .* neither a whole number nor a colour"),
        ("1,head\n1,body\n", "row 2: the value 1 has a row already; remove one"),
        ("1,head\n#ffffff,body\n", "either index values or colours"),
        ("1,head,red\n", "row 1 needs a value and a structure"),
    ],
)
def test_damaged_legends(photographs, mask_folder, legend, message):
    Image.fromarray(square_mask().astype(np.uint8)).save(mask_folder / "a.png")
    if legend:
        write(mask_folder / "legend.csv", legend)
    with pytest.raises(InputError, match=message):
        convert(mask_folder, photographs, STRUCTURES)


def test_masks_that_fit_nothing(photographs, mask_folder):
    with pytest.raises(InputError, match="no annotation in this folder"):
        convert(mask_folder, photographs, STRUCTURES)
    Image.fromarray(np.zeros((9, 9), bool)).save(mask_folder / "zzz_head.png")
    with pytest.raises(InputError, match="zzz_head.png: this mask fits no photograph"):
        convert(mask_folder, photographs, STRUCTURES)
    (mask_folder / "zzz_head.png").rename(mask_folder / "a_head.png")
    with pytest.raises(InputError, match="9 x 9 pixels, but the photograph .*60 x 40"):
        convert(mask_folder, photographs, STRUCTURES)


# Several files


def test_a_later_file_replaces_an_earlier_one(tmp_path, photographs):
    first = as_coco([SQUARE])
    first["annotations"].append({**first["annotations"][0], "category_id": 5})
    one = write(tmp_path / "one.json", first)
    two = write(tmp_path / "two.json", as_coco(encode_mask(ring_mask())))
    three = write(tmp_path / "three.json", labelme("b.png"))
    data = convert([one, two, three], photographs, STRUCTURES)
    found = masks(data, tmp_path)
    assert np.array_equal(found["a"]["head"], ring_mask())
    assert np.array_equal(found["a"]["body"], square_mask())
    assert list(found) == ["a", "b"]
    assert "image 'a.png': its 'head' replaces that of an earlier file" in notes(data)
    assert "replaces" not in notes(convert([one, one], photographs, STRUCTURES))
    assert convert([one, two, three], [photographs] * 3, STRUCTURES) == data
    with pytest.raises(InputError, match="3 annotation files but 2 folders"):
        convert([one, two, three], [photographs] * 2, STRUCTURES)


def test_two_photographs_cannot_be_one_specimen(tmp_path, photographs):
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", SIZE).save(other / "a.png")
    file = write(tmp_path / "one.json", as_coco([SQUARE]))
    with pytest.raises(InputError, match="would both be specimen 'a'"):
        convert([file, file], [photographs, other], STRUCTURES)


def test_real_templates(carabidae, tmp_path):
    names = ["head", "pronotum", "elytra", "legs", "antennae"]
    folder = carabidae / "pinned"
    data = convert(folder / "templates_5.json", folder / "images", names)
    write_coco(tmp_path / "t.json", data)
    templates = read_templates(tmp_path / "t.json")
    assert len(templates) == 5 and data["info"]["notes"] == []
    unknown = [t.specimen for t in templates if "elytra" not in t.masks]
    assert unknown == ["0063"]
    original = check(read_json(folder / "templates_5.json"), "the file")
    areas = {(i["id"]): i["file_name"] for i in original["images"]}
    expected = sorted(
        (areas[a["image_id"]][:-4], names[a["category_id"] - 1], a["area"])
        for a in original["annotations"]
    )
    assert expected == sorted(
        (t.specimen, n, m.sum()) for t in templates for n, m in t.masks.items()
    )


def test_boxes_of_rle_agree_with_pycocotools():
    random = np.random.default_rng(4)
    for _ in range(50):
        mask = random.random((random.integers(1, 9), random.integers(1, 9))) < 0.3
        rle = encode_mask(mask)
        found = rle_measures(rle)
        assert found["area"] == reference.area(rle)
        assert found["bbox"] == [int(v) for v in reference.toBbox(rle)]
