"""What correcting costs a person: clicks and keys on the page, for the specimens that next.csv names first.

    python tests/bench/clicks.py results/G/R/shards/*.json --truth annotations.json

A real Chromium does what a person would: a mask of at least `--good` IoU with the truth is accepted by a key,
any other is drawn anew, point by point, along the truth with as few points as give `--drawn` IoU. Then the
exported masks are compared with the truth.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.drawing import fill
from sam2pal.dataset.rle import decode_mask
from sam2pal.dataset.tracing import pieces
from sam2pal.evaluation.overlap import iou
from sam2pal.review.next import rank
from sam2pal.review.survey import Sources
from sam2pal.review.writing import write_review

SLACKS = (12, 8, 6, 5, 4, 3, 2.5, 2, 1.5, 1, 0.7, 0.5)  # pixels
SMALL = 0.04  # of the area: pieces below it are not drawn
REACH = 12  # pixels of the screen: a click nearer to the first point closes an outline


def outline(mask: np.ndarray, wanted: float) -> list[np.ndarray]:
    """Rings [n, 2] with few points whose inside has this IoU with a mask, or the nearest to it."""
    for slack in SLACKS:
        edges = [np.reshape(piece[0], (-1, 2)) for piece in pieces(mask, slack)]
        rings = [ring for ring in edges if len(ring) > 2 and area(ring) > SMALL * mask.sum()]
        drawn = np.zeros_like(mask)
        for ring in rings:
            drawn |= fill([ring.ravel()], *mask.shape)
        if iou(drawn, mask) >= wanted:
            break
    return rings


def area(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


class Person:
    """Somebody at the page, whose clicks and keys are counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.done = page, Counter[str]()

    def key(self, *keys: str) -> None:
        for one in keys:
            self.page.keyboard.press(one)
            self.done["keys"] += 1
            self.page.wait_for_timeout(30)

    def draw(self, ring: np.ndarray, size: tuple[int, int]) -> None:
        """Click the points of a ring and close it."""
        height, width = size
        box = self.page.locator(".stage").bounding_box()
        scale = min(box["width"] / width, box["height"] / height)
        corner = np.array(
            [box["x"] + (box["width"] - width * scale) / 2,
             box["y"] + (box["height"] - height * scale) / 2]
        )  # fmt: skip
        points = corner + ring * scale
        apart = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(len(points)) * 1e9
        points = np.roll(points, -int(apart.min(1).argmax()), axis=0)
        kept = [p for p in points[1:] if np.linalg.norm(p - points[0]) > REACH]
        for x, y in [points[0], *kept]:
            self.page.mouse.click(x, y)
            self.done["clicks"] += 1
        self.key("Enter")

    def specimen(
        self, name: str, shown: Any, truth: Any, structures: list[str], limits: Any
    ) -> None:
        """Judge and correct all structures of the specimen that is open."""
        for structure in structures:
            true = truth.annotations.get(structure)
            if true is None or structure not in shown.annotations:
                continue
            self.page.locator(".structures button", has_text=structure).click()
            self.done["clicks"] += 1
            mask, wanted = shown.annotations[structure].mask(), true.mask()
            if not wanted.any():
                self.key("n")
            elif iou(mask, wanted) >= limits.good:
                self.key("a")
            else:
                self.key("e", "d")
                for number, ring in enumerate(outline(wanted, limits.drawn)):
                    if number:
                        self.key("p")
                    self.draw(ring, wanted.shape)
                self.key("Enter")
                self.done["masks drawn"] += 1
            if self.page.locator("dialog h2").inner_text() != name:
                self.page.keyboard.press("ArrowLeft")  # it was the last one to judge
                self.page.wait_for_timeout(200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", nargs="+", type=Path)
    parser.add_argument("--truth", type=Path, required=True, help="COCO of the same specimens")
    parser.add_argument("--specimens", type=int, default=20)
    parser.add_argument("--good", type=float, default=0.8)
    parser.add_argument("--drawn", type=float, default=0.9)
    arguments = parser.parse_args()
    truth = Dataset(arguments.truth, source="drawn").by_specimen()
    shown = {k: v for path in arguments.predictions for k, v in Dataset(path).by_specimen().items()}
    structures = Dataset(arguments.predictions[0]).structures
    ranked = rank(arguments.predictions, len(shown))[0]
    wanted = [row["specimen"] for row in ranked if row["specimen"] in truth][: arguments.specimens]
    costs = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_review(Path(folder) / "review.html", Sources(arguments.predictions))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        for name in wanted:
            page.goto((Path(folder) / "review.html").as_uri() + f"#specimen={name}")
            page.reload()
            page.wait_for_function(
                "n => document.querySelector('dialog h2')?.textContent === n", arg=name
            )
            page.wait_for_timeout(300)
            person = Person(page)
            person.specimen(name, shown[name], truth[name], structures, arguments)
            costs.append(person.done)
        page.keyboard.press("Escape")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Export corrections.json").click()
        exported = json.loads(Path(waiting.value.path()).read_text("utf-8"))
        browser.close()
    names = {category["id"]: category["name"] for category in exported["categories"]}
    specimens = {image["id"]: image["specimen"] for image in exported["images"]}
    drawn = []
    for one in exported["annotations"]:
        if one["verdict"] == "corrected":
            true = truth[specimens[one["image_id"]]].annotations[names[one["category_id"]]]
            drawn.append(iou(decode_mask(one["segmentation"]), true.mask()))
    for kind in ("clicks", "keys", "masks drawn"):
        of = [cost[kind] for cost in costs]
        print(f"{kind} per specimen: mean {fmean(of):.1f}, median {median(of):g}, most {max(of)}")
    print(
        f"{len(costs)} specimens, {len(drawn)} masks drawn, mean IoU with the truth {fmean(drawn):.3f}"
    )


if __name__ == "__main__":
    main()
