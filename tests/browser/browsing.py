"""A user in a real browser, without network, with pages that are opened from disk."""

import json
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam2pal.dataset.files import categories
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.judged import Corrections, convert_corrections
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.rle import decode_mask, encode_mask, rle_measures
from sam2pal.images.orientation import stored
from sam2pal.review.page import PageLocation
from sam2pal.review.survey import Sources
from sam2pal.review.tables import Tables
from sam2pal.review.writing import write_review

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
STRUCTURES = ("head", "legs", "wing")
WIDTH, HEIGHT = 120, 90  # upright
ODD = """drawer 7/<img src=x onerror="bad=1">'&"#%41\u2028.x"""
SPECIMENS = {"first": 1, "second": 1, ODD: 1, "turned": 6, "fourth": 1}
"""EXIF orientation of each."""


def mask_at(top: int, left: int, height: int = 20, width: int = 24) -> np.ndarray:
    """A rectangle, upright."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def predicted(structure: int, shift: int = 0) -> np.ndarray:
    """The mask of a structure of every specimen, upright."""
    return mask_at(8 + 26 * structure, 14 + 22 * structure + shift)


def draw_genus(
    folder: Path,
    genus: str,
    specimens: dict[str, int],
    round_: str = "one",
    shifts: Mapping[str, int] = {},
    tables: Tables | None = None,
) -> Path:
    """Photographs and predictions of a genus, and its page; the wing of each is absent by prediction.

    Args:
        shifts: how many pixels the head of a specimen is further to the right.
    """
    images, annotations = [], []
    rng = np.random.default_rng(0)
    for number, (name, orientation) in enumerate(specimens.items(), 1):
        path = folder / "photographs" / genus / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(60, 200, (HEIGHT, WIDTH, 3), np.uint8)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(stored(pixels, orientation)).save(path, exif=exif)
        turned = stored(pixels, orientation)
        images.append({"id": number, "file_name": path.name, "specimen": name, "path": str(path)})
        images[-1] |= {"height": turned.shape[0], "width": turned.shape[1], "status": "ok"}
        for s in range(3):
            mask = (
                predicted(s, shifts.get(name, 0) * (s == 0))
                if s < 2
                else np.zeros((HEIGHT, WIDTH), bool)
            )
            rle = encode_mask(stored(mask, orientation))
            annotations.append({"id": len(annotations) + 1, "image_id": number})
            annotations[-1] |= {"category_id": s + 1, "segmentation": rle, **rle_measures(rle)}
            annotations[-1] |= {"iscrowd": 0, "source": "predicted"}
            annotations[-1] |= {"score": 0.9 - 0.02 * number, "flags": ["absent"] * (s == 2)}
    shard = folder / "shards" / f"{genus}{'' if round_ == 'one' else round_}.json"
    data = {"images": images, "annotations": annotations, "categories": categories(STRUCTURES)}
    write_coco(shard, data | {"info": {"genus": genus, "round": round_}})
    output = folder / "results" / genus / round_ / "review.html"
    write_review(
        PageLocation(output, folder / "results/index.html"), Sources([shard], tables=tables)
    )
    return output


def told(results: Path, files: list[Path], folder: str) -> tuple[Path, Path]:
    """The genus Abax after corrections were given to the workflow: its corrections.json, and the new page."""
    photographs = Photographs.of_folder(results.parent / "photographs/Abax")
    structures = {name: {"parent": None, "exclusive": True} for name in STRUCTURES}
    path = results / folder / "corrections.json"
    write_coco(path, convert_corrections(files, "Abax", photographs, structures))
    page = results / folder / "one/review.html"
    shard = results.parent / "shards/Abax.json"
    write_review(
        PageLocation(page, results / "index.html"), Sources([shard], corrections=Corrections(path))
    )
    return path, page


def call(script: str, *arguments: object) -> None:
    """Run a script of the workflow, without the cost of a new process."""
    before, sys.argv = sys.argv, [script, *map(str, arguments)]
    try:
        runpy.run_path(str(SCRIPTS / f"{script}.py"), run_name="__main__")
    finally:
        sys.argv = before


@dataclass
class Tab:
    """A page in the browser, and what went wrong in it.

    Attributes:
        page: Playwright's.
        wrong: errors and refusals of the security policy; empty at the end of a test.
    """

    page: Any
    wrong: list[str]

    def press(self, *keys: str) -> None:
        """Press keys one after the other; each may start something that the next waits for."""
        for key in keys:
            self.page.keyboard.press(key)
            self.settle()

    def settle(self) -> None:
        """Wait until what was begun is done and drawn."""
        self.page.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(done), 60))")

    def look(self, specimen: str) -> None:
        """Open a specimen large."""
        self.page.locator(".card", has_text=specimen).locator(".picture").first.click()
        self.shown(specimen)

    def shown(self, specimen: str) -> None:
        """Wait until a specimen is open large."""
        self.page.wait_for_function(
            "name => document.querySelector('dialog h2')?.textContent === name", arg=specimen
        )
        self.settle()

    def choose(self, structure: str) -> None:
        """Choose a structure of the open specimen."""
        self.page.locator(".structures button", has_text=structure).click()

    def verdicts(self) -> list[str]:
        """Verdicts on the structures of the open specimen."""
        rows = self.page.locator(".structures button").all()
        found = [row.locator(".verdict") for row in rows]
        return [one.inner_text().split(" ", 1)[1] if one.count() else "" for one in found]

    def progress(self) -> str:
        """How far one is."""
        return self.page.locator(".progress span").inner_text()

    def screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the whole, upright photograph lies on the screen."""
        box = self.page.locator(".stage").bounding_box()
        scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
        left = box["x"] + (box["width"] - WIDTH * scale) / 2
        top = box["y"] + (box["height"] - HEIGHT * scale) / 2
        return left + x * scale, top + y * scale

    def drag(self, start: tuple[float, float], *others: tuple[float, float]) -> None:
        """Drag the mouse over points of the photograph."""
        mouse = self.page.mouse
        mouse.move(*self.screen(*start))
        mouse.down()
        for point in others:
            mouse.move(*self.screen(*point))
        mouse.up()
        self.settle()

    def click(self, *points: tuple[float, float]) -> None:
        """Click on points of the photograph."""
        for point in points:
            self.page.mouse.click(*self.screen(*point))
            self.settle()

    def export(self, button: str = "Export corrections.json") -> dict[str, Any]:
        """The file that the page exports."""
        with self.page.expect_download() as waiting:
            self.page.get_by_role("button", name=button).click()
        assert waiting.value.suggested_filename == "corrections.json"
        return json.loads(Path(waiting.value.path()).read_text("utf-8"))


class Browser:
    """Tabs of one user, who keeps verdicts for himself."""

    def __init__(self, browser: Any, results: Path) -> None:
        self.results = results
        self.context = browser.new_context(
            viewport={"width": 1100, "height": 800},
            offline=True,
            has_touch=True,
            timezone_id="Pacific/Auckland",
        )
        self.tabs: list[Tab] = []

    def open(self, page: str = "Abax/one/review.html") -> Tab:
        """Open a page of the results."""
        tab = Tab(self.context.new_page(), [])
        tab.page.on("pageerror", lambda error: tab.wrong.append(str(error)))
        tab.page.on("console", lambda said: said.type == "error" and tab.wrong.append(said.text))
        file, _, place = page.partition("#")
        tab.page.goto((self.results / file).as_uri() + (place and f"#{place}"))
        tab.page.wait_for_selector(".card img, #app input")
        self.tabs.append(tab)
        return tab


def masks_of(exported: dict[str, Any]) -> dict[tuple[str, str], np.ndarray]:
    """The masks of an exported file by specimen and structure, as stored on disk."""
    specimens = {image["id"]: image["specimen"] for image in exported["images"]}
    names = {category["id"]: category["name"] for category in exported["categories"]}
    return {
        (specimens[a["image_id"]], names[a["category_id"]]): decode_mask(a["segmentation"])
        for a in exported["annotations"]
        if a["segmentation"]
    }
