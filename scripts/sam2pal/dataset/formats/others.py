"""Files of programs that are known but not read: what to export from them instead."""

import json
import re
from pathlib import Path

_BY_CONTENT = (
    (rb"^PK\x03\x04", "this is a zip archive; unpack it and give the file or folder inside"),
    (rb"^\x89PNG|^\xff\xd8\xff|^II\*\0|^MM\0\*", "this is a picture; give the folder of masks"),
    (rb"^\x1f\x8b|^7z\xbc\xaf|^Rar!", "this is an archive; unpack it and give what is inside"),
    (rb"(?s)^\s*(<\?xml[^>]*>\s*)?<annotation>.*<bndbox>", "this is Pascal VOC, whose boxes are no"
     " outlines; draw polygons or masks"),
    (rb"(?s)^\s*<(!doctype html|html)", "this is a web page; download the file itself"),
    (rb"(?i)^\s*LM3?=\d+", "this is TPS; landmarks are no outlines, draw polygons"),
)  # fmt: skip


def advice(path: Path) -> str:
    """What to do with a file that the first bytes show to be of another kind, or nothing."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        start = file.read(4096)
    for pattern, hint in _BY_CONTENT:
        if re.search(pattern, start):
            return hint
    return ""


def advice_on_text(text: str) -> str:
    """What to do with a text that is of a known program but not read, or nothing."""
    start = text.lstrip()[:1]
    first, _, rest = text.strip().partition("\n")
    if start == "{" and '"data_row"' in first[:4096]:
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
