"""Label Studio's JSON: outlines in percent, and masks of the brush."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    absent_outline,
    ellipse,
    finite,
    flat,
    outline_of_mask,
    polygons,
)
from sam2pal.dataset.exported import NO_MARK, Exported, marks, missing_structure
from sam2pal.dataset.files import write_json
from sam2pal.images.header import MAX_PIXELS
from sam2pal.images.reading import IMAGE_SUFFIXES
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_text

_KINDS = {"polygonlabels": "polygon", "ellipselabels": "ellipse", "brushlabels": "brush"}
_ALPHA = 3  # of the four channels of a brush mask


def recognise(data: Any) -> bool:
    """A list of tasks, or one, each with data and annotations (older: completions)."""
    first = data[0] if isinstance(data, list) and data else data
    return (
        isinstance(first, dict)
        and isinstance(first.get("data"), dict)
        and any(isinstance(first.get(key), list) for key in ("annotations", "completions"))
    )


def read(data: list[Any] | dict[str, Any], path: Path) -> Source:
    """Read tasks.

    Outlines are in percent of the photograph as the browser shows it, turned upright. Of several
    annotations of a task the last one that is neither cancelled nor empty is taken. A choice such as `head
    absent` or `head hidden` says why the specimen does not show the structure.
    """
    source = Source()
    for number, task in enumerate(data if isinstance(data, list) else [data], 1):
        where = f"{path}: task {task.get('id', number) if isinstance(task, dict) else number}"
        try:
            source.drawings.append(_drawing(task, where, source))
        except InputError as error:
            source.faults.append(error)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            source.faults.append(InputError(f"{where} is damaged ({error}); export it again"))
    return source


def _drawing(task: Mapping[str, Any], where: str, source: Source) -> Drawing:
    names = [_photograph(value) for value in task["data"].values() if isinstance(value, str)]
    if not names:
        raise InputError(f"{where} names no photograph; give one photograph to each task")
    # other columns of the task may hold names, too
    pictures = [name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    drawing = Drawing((pictures or names)[0], where, [], displayed=True)
    made = task.get("annotations") or task.get("completions") or []
    done = [annotation for annotation in made if not annotation.get("was_cancelled")]
    if made and not done:
        source.ignore("annotations that were skipped")
    elif task.get("predictions") and not done:
        source.ignore("predictions that nobody has accepted")
    drawn = [annotation for annotation in done if annotation.get("result")]
    if len(drawn) < len(done) > 1:
        source.notes.append(
            f"{where}: it has {len(done)} annotations; those without a result are passed over"
        )
    if len(drawn) > 1:
        source.notes.append(f"{where}: it has {len(drawn)} annotations, of which the last is taken")
    for region in drawn[-1]["result"] if drawn else []:
        if region.get("type") == "choices":
            for mark in region["value"].get("choices") or []:
                label, why = missing_structure(mark)
                if label:
                    drawing.outlines.append(absent_outline(label, f"{where}, choice '{mark}'", why))
                else:
                    source.ignore(f"choices '{mark}' {NO_MARK}")
            continue
        kind = _KINDS.get(region.get("type"))
        if kind is None:
            source.ignore(f"regions of type {str(region.get('type'))[:40]}")
            continue
        place = f"{where}, region {str(region.get('id'))[:20]}"
        labels = region["value"].get(region["type"]) or []
        if not labels:
            source.faults.append(InputError(f"{place} has no label; choose its structure"))
        for label in map(str, labels):
            said = f"{place} ('{label}')"
            drawing.add(label, said, _outline, kind, region, label, said)
    return drawing


def _photograph(address: str) -> str:
    """The file name in an address such as `/data/local-files/?d=folder/a.png`."""
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path).lstrip("/")


def _outline(kind: str, region: Mapping[str, Any], label: str, where: str) -> Outline:
    value, sides = region["value"], [region.get("original_width"), region.get("original_height")]
    if region.get("image_rotation"):
        raise InputError(
            f"{where}: its photograph was turned in Label Studio; turn it back and redraw"
        )
    if kind == "brush":
        return _brush(region, label, where)
    notes: tuple[str, ...] = ()
    if kind == "polygon":
        outline = polygons(label, where, [flat(value["points"], where)], browser=True)
        percent, notes = outline.rings, outline.notes
    else:
        percent = [[finite(value[key]) for key in ("x", "y", "radiusX", "radiusY")]]
    turn = np.deg2rad(finite(value.get("rotation") or 0))
    if not all(-50 <= v <= 150 for ring in percent for v in ring):
        raise InputError(
            f"{where}: its points are not percentages of the photograph's sides; export it again"
        )

    def draw(height: int, width: int) -> np.ndarray:
        if all(sides) and not _alike(finite(sides[0]) / finite(sides[1]), width / height):
            raise InputError(
                f"{where}: it was drawn on {sides[0]} x {sides[1]} pixels, which is not a copy of the"
                f" photograph of {width} x {height}; was the photograph cut?"
            )
        scaled = [np.reshape(ring, (-1, 2)) / 100 * (width, height) for ring in percent]
        rings = [ring.round(6).ravel().tolist() for ring in scaled]
        rings = rings if kind == "polygon" else [ellipse(*rings[0], float(turn))]
        return polygons(label, where, rings).draw(height, width)

    return Outline(label, where, draw, notes=notes)


def _alike(one: float, other: float) -> bool:
    """Whether two ratios of sides are the same, or those of a photograph turned by 90 degrees."""
    return min(abs(np.log(one / other)), abs(np.log(one * other))) < 0.02


def _brush(region: Mapping[str, Any], label: str, where: str) -> Outline:
    width, height = (int(finite(region[key])) for key in ("original_width", "original_height"))
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(
            f"{where}: {width} x {height} is not the size of a photograph; export it again"
        )
    try:
        channels = decode_brush(bytes(region["value"]["rle"]), 4 * width * height)
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{where}: its brush mask is damaged ({error}); export brush labels as PNG or COCO"
        ) from error
    mask = channels.reshape(height, width, 4)[..., _ALPHA] > 0
    return outline_of_mask(label, where, mask)


def decode_brush(content: bytes, length: int) -> np.ndarray:
    """The `length` bytes that Label Studio's run-length encoding (that of the thi.ng project) holds.

    A head gives the number of values, the bits of one, and four widths of run lengths; then each
    run is a bit (1: one value repeated), two bits that choose a width, its length less one,
    and its value or values.

    Raises:
        ValueError: it holds another number of values, or ends too early.
    """
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        if place > len(bits):
            raise ValueError("it ends too early")
        return int("".join(map(str, bits[place - count : place])), 2)

    found = take(32)
    if found != length:
        raise ValueError(f"it has {found} values, the photograph {length}")
    word = take(5) + 1
    if word != 8:
        raise ValueError(f"its values have {word} bits, not 8")
    widths = [take(4) + 1 for _ in range(4)]
    values = np.zeros(length, np.uint8)
    at = 0
    while at < length:
        repeated = take(1)
        end = at + take(widths[take(2)]) + 1
        if end > length:
            raise ValueError("a run is too long")
        if repeated:
            values[at:end] = take(8)
        else:
            size = 8 * (end - at)
            if place + size > len(bits):
                raise ValueError("it ends too early")
            values[at:end] = np.packbits(bits[place : place + size])
            place += size
        at = end
    return values


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `tasks.json`, polygons in percent as annotations, and the project's interface."""
    tasks = []
    for one in specimens:
        width, height = one.displayed_size
        of_image = {
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
        }
        regions: list[dict[str, Any]] = [
            {
                **of_image,
                "id": f"region{number}",
                "from_name": "structure",
                "type": "polygonlabels",
                "value": {
                    "points": [[100 * x / width, 100 * y / height] for x, y in points],
                    "closed": True,
                    "polygonlabels": [structure],
                },
            }
            for number, (structure, points) in enumerate(
                (structure, points) for structure in one.present for points in one.rings(structure)
            )
        ]
        if one.missing:
            value = {"choices": one.marks}
            choice = {"id": "absent", "from_name": "absent", "type": "choices", "value": value}
            regions.append({"to_name": "image", **choice})
        address = f"/data/local-files/?d={quote(one.specimen.name)}"
        tasks.append({"data": {"image": address}, "annotations": [{"result": regions}]})
    write_json(folder / "tasks.json", tasks)
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in structures)
    choices = "".join(f"    <Choice value={quoteattr(mark)}/>\n" for mark in marks(structures))
    text = (
        "Paste this into *Settings*, *Labeling interface*, *Code* of the project:\n\n<View>\n"
        '  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <PolygonLabels name="structure" toName="image">\n{labels}  </PolygonLabels>\n'
        '  <Choices name="absent" toName="image" choice="multiple">\n'
        f"{choices}  </Choices>\n</View>\n"
    )
    write_text(folder / "interface.md", text)
