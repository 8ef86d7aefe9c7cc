"""Files of programs that are known but not read: what to export from them instead."""

import json
import re
from pathlib import Path
from typing import Any

_MASKS = "; export masks as PNG, one for each structure, and give their folder"
_BY_CONTENT = (
    (rb"^PK\x03\x04.{26}(\[Content_Types|_rels|mimetypeapplication/vnd)", "this is a spreadsheet;"
     " choose Save as, CSV UTF-8, and give that file"),
    (rb"^PK\x03\x04", "this is a zip archive; unpack it and give the file or folder inside"),
    (rb"^\x89PNG|^\xff\xd8\xff|^II\*\0|^MM\0\*", "this is a picture; give the folder of masks"),
    (rb"^\x1f\x8b|^7z\xbc\xaf|^Rar!", "this is an archive; unpack it and give what is inside"),
    (rb"^\x93NUMPY|^\x80[\x02-\x05]", f"this is a file of Python's (NumPy or pickle){_MASKS}"),
    (rb"^\x89HDF|^MATLAB 5", f"this is HDF5 (ilastik) or MATLAB{_MASKS}"),
    (rb"^8BPS|^gimp xcf", f"this is a picture with layers, of Photoshop or GIMP{_MASKS}"),
    (rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<annotation\b.*<polygon", "this is XML of LabelMe's web"
     " page; in CVAT import it (LabelMe 3.0) and choose Export task dataset, COCO 1.0"),
    (rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<annotation\b.*<bndbox", "this is Pascal VOC, whose"
     " boxes are not outlines; draw polygons or masks"),
    (rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg", "this is SVG;"
     " fill each structure white on black, export PNG, and give the folder of these masks"),
    (rb"^\s*<(!doctype html|html)", "this is a web page; download the file itself"),
    (rb"^\s*LM3?=\d+", "this is TPS; landmarks are not outlines, draw polygons"),
    (rb"^# Exported using VGG Image Annotator", "this is VIA 3, which cannot be read; annotate with"
     " VIA 2, or export as COCO"),
    (rb"^index,shape-type,vertex-index", "these are shapes of napari; choose Layer, Convert to Labels,"
     " save as PNG and give the folder with a legend.csv"),
    (rb"^annotation_label_id,", "this is BIIGLE's report; choose the report type COCO"),
    (rb"^\d+( +\d*\.\d+(e-?\d+)?){4,}\s", "this is YOLO's; give the folder that holds it and"
     " data.yaml or classes.txt"),
)  # fmt: skip
_BY_KEYS = (
    ({"schema_ref", "item"}, "Darwin JSON of V7", "Export data, format COCO"),
    ({"item", "annotations"}, "Darwin JSON of V7", "Export data, format COCO"),
    ({"instances", "metadata"}, "a file of SuperAnnotate", "Export, COCO"),
    ({"dm_format_version"}, "a file of Datumaro", "datum convert -f coco_instances --save-media"),
    ({"label_classes", "images"}, "a file of Hasty", "Export data, COCO (segmentation)"),
    ({"itemMetadata", "annotations"}, "a file of Dataloop", "Export, COCO"),
    ({"jsonResponse"}, "a file of Kili", "Export, COCO"),
    ({"externalId", "labels"}, "a file of Kili", "Export, COCO"),
    ({"data_units", "label_hash"}, "a file of Encord", "Export, COCO"),
    ({"Labeled Data"}, "a file of Labelbox", "export NDJSON, and convert it to COCO with Roboflow"),
    ({"imgHeight", "imgWidth", "objects"}, "Cityscapes", "in CVAT: Export task dataset, COCO 1.0"),
    ({"info", "objects"}, "a file of ISAT", "Tools, Convert, ISAT to COCO"),
    ({"dataset", "name"}, "a file of Segments.ai", "export_dataset(release, 'coco-instance')"),
    ({"frames"}, "a file of Scalabel or BDD100K", "python -m scalabel.label.to_coco"),
    ({"openlabel"}, "OpenLABEL", "COCO of the tool that wrote it"),
    ({"Map Name"}, "a file of TagLab", "File, Export, Export annotations as COCO"),
    ({"fileName", "result"}, "a file of LabelU", "Export, COCO"),
    ({"annotator", "annotation_id"}, "JSON-MIN of Label Studio", "Export, JSON"),
    ({"image", "annotations"}, "of Segment Anything (masks without names) or CreateML (boxes)",
     "name the masks, for example in CVAT, and export COCO 1.0"),
    ({"createTimestamp", "images"}, "a project of QuPath", "File, Export objects as GeoJSON"),
    ({"target", "body"}, "W3C Web Annotation", "COCO of the tool that wrote it"),
)  # fmt: skip
_START = 4096


def advice(path: Path) -> str:
    """What to do with a file that the first bytes show to be of another kind, or nothing."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        start = file.read(_START).removeprefix(b"\xef\xbb\xbf")
    return next((hint for kind, hint in _BY_CONTENT if re.search(kind, start, re.S | re.I)), "")


def advice_on_text(text: str) -> str:
    """What to do with a text that is of a known program but not read, or nothing."""
    start = text.lstrip()[:1]
    first, _, rest = text.strip().partition("\n")
    if start == "{" and '"data_row"' in first[:_START]:
        return "this is NDJSON of Labelbox; convert it to COCO (labelbox's or Roboflow's converter)"
    if start == "{" and rest.lstrip()[:1] == "{":
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            return ""
        return (
            "this is JSONL, one object a line; give the file of COCO that lies beside it, or export"
            " COCO"
        )
    return ""


def advice_on_json(data: Any) -> str:
    """What to export instead of JSON that is of a known program but not read, or nothing."""
    first = data[0] if isinstance(data, list) and data else data
    if not isinstance(first, dict):
        return ""
    inner = next(iter(first.values()), None) if len(first) == 1 else None  # a photograph's entry
    for entry in (first, inner):
        for keys, tool, menu in _BY_KEYS if isinstance(entry, dict) else ():
            if keys <= set(entry):
                return f"this is {tool}, which cannot be read; instead: {menu}"
    return ""
