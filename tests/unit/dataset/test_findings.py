"""What a dry run says of annotations and tables, all at once, and once for each state of the files."""

import json
import time

import numpy as np
import pytest
from PIL import Image

from sam2pal.config.project import check
from sam2pal.dataset import findings as module
from sam2pal.dataset.convert import convert
from sam2pal.dataset.findings import Findings
from sam2pal.dataset.photographs import PhotographFile, Photographs
from sam2pal.images.folder import Folder

COLUMNS = ["status"]


def coco(names, per_photograph=1):
    ring = [2, 2, 9, 2, 9, 9, 2, 9]
    images = [{"id": i, "file_name": n, "width": 20, "height": 12} for i, n in enumerate(names)]
    pairs = [(i, j) for i in range(len(names)) for j in range(per_photograph)]
    annotations = [
        {"id": k, "image_id": i, "category_id": 1, "segmentation": [[v + j % 3 for v in ring]]}
        for k, (i, j) in enumerate(pairs)
    ]
    categories = [{"id": 1, "name": "head"}]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for genus in ("Aus", "Bus"):
        (tmp_path / genus).mkdir()
        for name in ("a.png", "b.png"):
            Image.new("RGB", (20, 12)).save(tmp_path / genus / name)
        (tmp_path / f"{genus}.json").write_text(coco(["a.png"]))
    (tmp_path / "truth.json").write_text(coco(["b.png", "lost.png"]))
    (tmp_path / "genera.tsv").write_text("genus;specimens;truth\nAus;Aus;truth.json\nBus;Bus;\n")
    (tmp_path / "templates.tsv").write_text(
        "genus\tround\tannotations\nAus\tfirst\tAus.json\nBus\tfirst\tBus.json\n"
    )
    (tmp_path / "specimens.csv").write_text("genus,specimen,pixels_per_mm\nAus,a,12\nAus,c,13\n")

    def look():
        values = {"genera": "genera.tsv", "templates": "templates.tsv"}
        values |= {"structures": {"head": None}, "specimen_table": "specimens.csv"}
        values |= {"rounds": {"one": {"templates": ["first"]}, "two": {"templates": ["first"]}}}
        project = check(values, "config.yaml", lambda *_: (), lambda path: False)
        folders = {name: Folder(genus.specimens) for name, genus in project.genera.items()}
        memory = tmp_path / "memory/found.json"
        return Findings(project, folders, lambda path: False, COLUMNS, memory)

    return look


def test_all_is_sound(project):
    found = project()
    assert not found.errors
    assert found.notes == [
        "genera.tsv: its columns are separated by a semicolon",
        "truth of genus Aus: truth.json: 1 photograph annotated but not found: 'lost.png'",
        "specimens.csv: Aus has no photograph of 'c'",
    ]


def test_a_scale_far_from_those_of_its_genus_is_noted(project, tmp_path):
    rows = "Aus,a,1.234\nAus,b,20\nAus,c,21\nBus,a,5\nBus,b,50\n"
    (tmp_path / "specimens.csv").write_text(f"genus,specimen,pixels_per_mm\n{rows}")
    (said,) = [note for note in project().notes if "is it right?" in note]
    assert said.startswith(
        "specimens.csv, line 2: pixels_per_mm of 'a' is 1.234, but the median of Aus is 20;"
    )


def test_everything_is_said_together(project, tmp_path):
    (tmp_path / "Bus.json").write_text(coco(["c.png"]))
    (tmp_path / "truth.json").write_text("[]")
    (tmp_path / "specimens.csv").write_text(
        'genus,specimen,pixels_per_mm\nAus,a,"1,2"\nAus,b,12\nBus,a,x\nBus,b,3 mm\n'
    )
    found = project()
    errors, problems = ("\n".join(of) for of in (found.errors, found.problems))
    assert "templates of genus Bus: Bus.json: image 'c.png': no photograph 'c.png'" in errors
    assert "truth of genus Aus: truth.json: the format is not known" in errors
    for line in (2, 4, 5):
        assert f"specimens.csv, line {line} " in problems
    assert "write 1.2" in problems


def test_files_are_read_again_only_when_they_changed(project, tmp_path, monkeypatch):
    first = project()
    with monkeypatch.context() as patch:
        patch.setattr(Findings, "_inspect", None)
        patch.setattr(module, "_table", None)
        again = project()
        assert (again.errors, again.notes) == (first.errors, first.notes)
        assert again.problems == first.problems == []
    (tmp_path / "Aus.json").write_text(coco(["nothing.png"]))
    assert "no photograph 'nothing.png'" in project().errors[0]
    (tmp_path / "Aus.json").write_text(coco(["a.png"]))
    assert not project().errors
    (tmp_path / "memory/found.json").write_text("[damaged")
    assert not project().errors


def test_mask_pictures_are_looked_at_by_name_and_size(project, tmp_path):
    (tmp_path / "masks").mkdir()
    table = (tmp_path / "templates.tsv").read_text().replace("Bus.json", "masks")
    (tmp_path / "templates.tsv").write_text(table)
    mask = np.zeros((12, 20), np.uint8)
    for name, picture in (("a_head", mask), ("b_head", mask[:, :10])):
        Image.fromarray(picture).save(tmp_path / f"masks/{name}.png")
    found = project()
    assert any("masks/b_head.png: the mask has 10 x 12 pixels" in note for note in found.notes)
    (tmp_path / "masks/a_head.png").unlink()
    assert "masks/b_head.png: the mask has 10 x 12 pixels" in project().errors[0]


def test_ten_thousand_annotations_take_seconds(project, tmp_path):
    names = [f"{number}.png" for number in range(500)]
    for name in names:
        (tmp_path / "Bus" / name).hardlink_to(tmp_path / "Bus/a.png")
    (tmp_path / "Bus.json").write_text(coco(names, per_photograph=20))
    began = time.thread_time()
    assert not project().errors
    assert time.thread_time() - began < 20


def test_time_is_linear_in_annotations_and_in_bytes(tmp_path, processor_seconds):
    def seconds(path, text, names):
        path.write_text(text)
        listed = [PhotographFile(name, f"/nowhere/{name}", name[:-4], 20, 12) for name in names]

        def converted():
            assert len(convert(path, Photographs(listed, "a list"), ["head"])["images"]) == len(
                names
            )

        return processor_seconds(converted)

    def of_coco(count):
        names = [f"{number}.png" for number in range(count)]
        return seconds(tmp_path / "coco.json", coco(names, per_photograph=5), names)

    def of_image_data(megabytes):
        shape = {"label": "head", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
        data = {"shapes": [shape], "imagePath": "a.png", "imageData": "A" * 10**6 * megabytes}
        return seconds(tmp_path / "a.json", json.dumps(data), ["a.png"])

    assert of_coco(400) < 4 * 3 * of_coco(100)
    assert of_image_data(20) < 4 * 3 * max(of_image_data(5), 0.01)
