"""Boxes of specimens in trays, mended in a real browser, and read by the workflow."""

import json
from pathlib import Path

import numpy as np
from browsing import Browser, Tab
from PIL import Image

from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.trays import Boxed, Tray, as_coco, named, read_boxes
from sam2pal.images.reading import read_photograph
from sam2pal.review.index import write_index
from sam2pal.review.records import script
from sam2pal.review.trays import tray_picture, write_picture, write_trays_page

SIZE = 400, 300
FOUND = [
    (20, 20, 40, 80),
    (120, 20, 40, 80),
    (220, 20, 90, 80),
    (20, 160, 40, 30),
    (20, 192, 40, 40),
]


def trays_page(results: Path, folder: Path) -> Photographs:
    """The page of the trays of Abax, three of the same boxes, and their photographs."""
    folder.mkdir(parents=True)
    trays = []
    for name in ("T1", "T#2", "T3"):
        Image.fromarray(np.full((SIZE[1], SIZE[0], 3), 200, np.uint8)).save(folder / f"{name}.png")
    photographs = Photographs.of_folder(folder)
    place = results / "Abax/trays"
    for file in photographs.photographs:
        boxes = [Boxed("", box, "found", box[0] == 220) for box in FOUND]
        trays.append(Tray(file, *SIZE, named(boxes, file.name)))
        write_picture(read_photograph(file.path), tray_picture(place, file.specimen))
    names = [tray.photograph.specimen for tray in trays]
    write_trays_page(place, as_coco(trays), names, "Abax")
    write_index(results / "index.html", ["Abax/one", "Bembidion/one"])
    return photographs


def at(tab: Tab, x: float, y: float) -> tuple[float, float]:
    box = tab.page.locator(".stage").bounding_box()
    scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
    left = box["x"] + (box["width"] - SIZE[0] * scale) / 2
    return left + x * scale, box["y"] + (box["height"] - SIZE[1] * scale) / 2 + y * scale


def drag(tab: Tab, start: tuple[float, float], end: tuple[float, float]) -> None:
    tab.page.mouse.move(*at(tab, *start))
    tab.page.mouse.down()
    tab.page.mouse.move(*at(tab, *((a + b) / 2 for a, b in zip(start, end, strict=True))))
    tab.page.mouse.move(*at(tab, *end))
    tab.page.mouse.up()
    tab.settle()


def test_specimens_are_added_removed_merged_and_split(browser: Browser, tmp_path: Path) -> None:
    photographs = trays_page(browser.results, tmp_path / "photographs")
    tab = browser.open("index.html")
    tab.page.get_by_role("link", name="Specimens in the trays of Abax").click()
    tab.page.wait_for_selector(".stage canvas")
    tab.page.locator(".side select").select_option("T1.png")
    tab.settle()
    said = tab.page.get_by_role("status")
    tab.page.mouse.click(*at(tab, 140, 60))
    tab.settle()
    assert said.inner_text() == "5 specimens; chosen: 0102"
    tab.press("Delete")
    tab.page.mouse.click(*at(tab, 265, 60))
    tab.press("s")
    assert tab.page.locator(".side [aria-pressed=true]").all_inner_texts() == ["0103", "new"]
    tab.page.mouse.click(*at(tab, 40, 175))
    tab.page.keyboard.down("Shift")
    tab.page.mouse.click(*at(tab, 40, 212))
    tab.page.keyboard.up("Shift")
    tab.press("m", "n")
    drag(tab, (250, 180), (330, 260))
    tab.press("Escape")
    tab.page.mouse.click(*at(tab, 40, 60))
    drag(tab, (60, 60), (80, 60))  # the right edge
    tab.press("Shift+ArrowDown", "u")
    tab.page.locator(".side select").select_option("T3.png")
    tab.page.get_by_label("one specimen").check()
    # what was done is kept by the browser
    tab.page.reload()
    tab.page.wait_for_selector(".side select")
    tab.page.locator(".side select").select_option("T1.png")
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name="Export boxes.json").click()
    assert "11 specimens of 3 trays" in said.inner_text()
    path = tmp_path / "boxes.json"
    waiting.value.save_as(path)

    read = {Path(key).name: of for key, (_, of) in read_boxes([path], photographs).items()}
    boxes = {one.number: one for one in named(read["T1.png"], "T1")}
    expected = {
        "0101": (20, 20, 60, 80),
        "0103": (220, 20, 45, 80),
        "0104": (265, 20, 45, 80),
        "0202": (20, 160, 40, 72),
        "0203": (250, 180, 80, 80),
    }
    assert set(boxes) == set(expected)
    for number, box in expected.items():
        assert np.allclose(boxes[number].box, box, atol=2), number
        assert boxes[number].source == "drawn"
    assert read["T3.png"] is None
    untouched = [Boxed("", box, "found", box[0] == 220) for box in FOUND]
    assert list(named(read["T#2.png"], "T#2")) == list(named(untouched, "T#2"))
    assert all(
        "name" not in a or "#" in a["name"] for a in json.loads(path.read_text())["annotations"]
    )


def test_a_box_beyond_the_tray_is_none(browser: Browser, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    trays_page(browser.results, tmp_path / "photographs")
    tab = browser.open("Abax/trays/index.html")
    tab.page.set_viewport_size({"width": 1400, "height": 600})  # with room beside the tray
    tab.page.wait_for_selector(".stage canvas")
    tab.settle()
    tab.press("0", "n")
    drag(tab, (-60, 20), (-10, 80))
    tab.press("Escape")
    tab.page.mouse.click(*at(tab, 40, 60))
    tab.settle()
    drag(tab, (40, 60), (-30, 60))
    said = tab.page.get_by_role("status").inner_text()
    assert said == "Nothing changed: the box would lie beyond the photograph, or be too small."
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name="Export boxes.json").click()
    found = json.loads(Path(waiting.value.path()).read_text())["annotations"]
    assert [tuple(one["bbox"]) for one in found if one["image_id"] == 1] == FOUND
    # the mouse is on the button
    tab.page.set_viewport_size({"width": 341, "height": 192})  # a zoom of 400 %
    beyond = "e => e.scrollHeight > e.clientHeight + 1"
    parts = tab.page.locator(".side > *").all()
    assert [one.inner_text() for one in parts if one.evaluate(beyond)] == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 341
    tab.page.set_viewport_size({"width": 1400, "height": 600})
    axe = Axe().run(tab.page, options={"preload": False}).response["violations"]
    assert [v["id"] for v in axe if v["impact"] in ("serious", "critical")] == []


def test_boxes_are_merged_by_a_finger(browser: Browser, tmp_path: Path) -> None:
    trays_page(browser.results, tmp_path / "photographs")
    tab = browser.open("Abax/trays/index.html")
    tab.page.wait_for_selector(".stage canvas")
    tab.settle()
    devtools = browser.context.new_cdp_session(tab.page)

    def tap(x: float, y: float) -> None:
        points = [at(tab, x, y), (at(tab, x, y)[0] + 4, at(tab, x, y)[1] + 3)]  # none is still
        for kind, (u, v) in zip(("touchStart", "touchMove"), points, strict=True):
            touches = [{"x": u, "y": v, "id": 0}]
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        tab.settle()

    said = tab.page.get_by_role("status")
    tap(40, 175)
    assert said.inner_text() == "5 specimens; chosen: 0201"
    tab.page.get_by_role("button", name="Choose several (c)").tap()
    tap(40, 212)
    tap(200, 250)  # beside all boxes
    assert said.inner_text() == "5 specimens; chosen: 0201, 0202"
    tab.page.get_by_role("button", name="Merge (m)").tap()
    assert said.inner_text() == "2 boxes merged. 4 specimens."
    tap(40, 60)  # and one at a time again
    assert said.inner_text() == "4 specimens; chosen: 0101"
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name="Export boxes.json").tap()
    found = json.loads(Path(waiting.value.path()).read_text())["annotations"]
    boxes = [tuple(one["bbox"]) for one in found if one["image_id"] == 1]
    assert boxes == [*FOUND[:3], (20, 160, 40, 72)]


def test_boxes_of_other_tabs_and_of_trays_that_did_not_change_are_kept(
    browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "photographs"
    trays_page(browser.results, folder)
    one, two = (browser.open("Abax/trays/index.html") for _ in range(2))
    for tab, tray in ((one, "T1.png"), (two, "T3.png")):
        tab.page.wait_for_selector(".stage canvas")
        tab.page.locator(".side select").select_option(tray)
        tab.settle()
        tab.page.mouse.click(*at(tab, 40, 60))
        tab.press("Delete")
    # the page is made again, with other boxes on one tray
    place = browser.results / "Abax/trays"
    data = json.loads((place / "data.js").read_text("utf-8").split("=", 2)[2].strip().rstrip(";"))
    assert len({tray["print"] for tray in data["trays"]}) == 3
    for tray in data["trays"]:
        if tray["file"] == "T3.png":
            tray["print"] = "another"  # where other boxes were found
    (place / "data.js").write_text(script("trays", data), "utf-8")
    tab = browser.open("Abax/trays/index.html")
    tab.page.wait_for_selector(".stage canvas")
    found = {}
    for tray in ("T1.png", "T#2.png", "T3.png"):
        tab.page.locator(".side select").select_option(tray)
        tab.settle()
        found[tray] = tab.page.get_by_role("status").inner_text()
    assert found == {"T1.png": "4 specimens", "T#2.png": "5 specimens", "T3.png": "5 specimens"}
