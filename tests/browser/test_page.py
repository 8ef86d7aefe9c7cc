"""What people do on the review page: judge, mend outlines, export, come back."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import (
    HEIGHT,
    ODD,
    SPECIMENS,
    STRUCTURES,
    WIDTH,
    Browser,
    Tab,
    draw_genus,
    masks_of,
    predicted,
)

from sam2pal.dataset.convert import convert
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.rle import encode_mask, fingerprint
from sam2pal.images.orientation import stored
from sam2pal.review.index import write_index
from sam2pal.review.records import VIEWER
from sam2pal.review.survey import Sources
from sam2pal.review.writing import write_review

Y, X = np.mgrid[:HEIGHT, :WIDTH] + 0.5  # centres of the pixels


def inside(points: list[tuple[float, float]]) -> np.ndarray:
    """The pixels whose centres lie inside of a polygon, by the even-odd rule."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if x0 != x1:
            mask ^= ((x0 > X) != (x1 > X)) & (y0 + (X - x0) / (x1 - x0) * (y1 - y0) < Y)
    return mask


def near(start: tuple[float, float], end: tuple[float, float], radius: float) -> np.ndarray:
    """The pixels whose centres lie at most `radius` from a straight line."""
    (x0, y0), (x1, y1) = start, end
    squared = (x1 - x0) ** 2 + (y1 - y0) ** 2
    along = ((X - x0) * (x1 - x0) + (Y - y0) * (y1 - y0)) / (squared or 1)
    along = along.clip(0, 1)
    return np.hypot(X - x0 - along * (x1 - x0), Y - y0 - along * (y1 - y0)) <= radius


def verdicts_of(exported: dict) -> dict[tuple[str, str], str]:
    specimens = {image["id"]: image["specimen"] for image in exported["images"]}
    names = {category["id"]: category["name"] for category in exported["categories"]}
    return {
        (specimens[a["image_id"]], names[a["category_id"]]): a["verdict"]
        for a in exported["annotations"]
    }


def test_every_structure_is_judged_by_keys_and_nothing_is_lost(browser: Browser) -> None:
    tab = browser.open()
    assert tab.progress() == "0 of 5 looked at"
    tab.press("Enter")
    order = tab.page.evaluate("[...document.querySelectorAll('.card')].map(c => c.dataset.name)")
    tab.shown(order[0])
    tab.press("a", "r", "n")  # the third was the last: on to the next specimen
    tab.shown(order[1])
    tab.press("w", "c", "ArrowLeft")
    tab.shown(order[0])
    assert tab.verdicts() == ["accepted", "rejected", "absent"]
    tab.press("ArrowRight", "u")
    tab.shown(order[1])
    assert tab.verdicts() == ["wrong specimen", "", ""]
    tab.press("Escape")
    assert tab.progress() == "1 of 5 looked at"
    tab.page.select_option("[name=verdict]", "rejected")
    assert tab.page.locator(".card").count() == 1
    assert tab.page.locator(".card .verdict").all_inner_texts() == [
        "✓ accepted",
        "✕ rejected",
        "∅ absent",
    ]
    tab.page.fill("input[autocomplete=name]", "A. Person")
    tab.page.reload()
    tab.page.wait_for_selector(".card")
    assert tab.progress() == "1 of 5 looked at"
    found = tab.export()
    assert verdicts_of(found) == {
        (order[0], "head"): "accepted",
        (order[0], "legs"): "rejected",
        (order[0], "wing"): "absent",
        (order[1], "head"): "wrong_specimen",
    }
    assert {image["genus"] for image in found["images"]} == {"Abax"}
    # what was accepted is in the file, as the round had it
    accepted = next(a for a in found["annotations"] if a["verdict"] == "accepted")
    rle = encode_mask(stored(predicted(0), SPECIMENS[order[0]]))
    assert accepted["segmentation"] == rle and accepted["judged"] == fingerprint(rle)
    assert accepted["area"] == 480 and accepted["source"] == "predicted"


def test_two_tabs_and_two_rounds_lose_nothing(browser: Browser) -> None:
    one, two = browser.open(), browser.open()
    one.look("first")
    one.press("a")
    two.page.wait_for_function("() => document.querySelectorAll('.verdict').length === 1")
    two.look("second")
    two.press("Shift+A", "u")
    assert two.page.locator("dialog .said").inner_text() == "3 verdicts of second: undone"
    assert two.verdicts() == ["", "", ""]
    two.press("Shift+A")
    assert two.page.locator("dialog .said").inner_text() == "second: 3 masks accepted"
    one.press("r")
    one.press("Escape")
    one.page.wait_for_function("() => document.querySelectorAll('.grid .verdict').length === 5")
    assert len(one.export()["annotations"]) == len(two_export(two)) == 5
    # the same masks judged again in a later round: verdicts of this one stay
    folder = browser.results / "Abax/one/review"
    data = folder / "data.js"
    before = data.read_text("utf-8")
    try:
        data.write_text(before.replace('"round":"one"', '"round":"two"'), "utf-8")
        later = browser.open()
        assert later.progress() == "0 of 5 looked at"
        assert len(later.export()["annotations"]) == 5
        # and a mask that the round made anew is no longer judged
        data.write_text(before.replace('"print":"', '"print":"0'), "utf-8")
        anew = browser.open()
        assert anew.progress() == "0 of 5 looked at"
        text = anew.page.locator(".card", has_text="first").locator(".verdict").first.inner_text()
        assert text == "✓ accepted; the mask has changed since"
    finally:
        data.write_text(before, "utf-8")


def test_what_the_workflow_was_given_is_shown_until_this_browser_says_otherwise(
    browser: Browser, tmp_path: Path
) -> None:
    judged = fingerprint(encode_mask(predicted(1)))
    said = {"specimen": "other", "structure": "legs", "verdict": "rejected", "round": "one"}
    said |= {"judged": judged, "source": "predicted", "by": "", "at": ""}
    drew = said | {"structure": "head", "verdict": "corrected", "source": "corrected"}
    rle = encode_mask(predicted(1)[::-1])
    head = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": rle, "iscrowd": 0}
    image = {"id": 1, "file_name": "other.jpg", "specimen": "other"}
    image |= {"width": WIDTH, "height": HEIGHT}
    photograph = browser.results.parent / "photographs/Bembidion/other.jpg"
    sha256 = hashlib.sha256(photograph.read_bytes()).hexdigest()
    given = {"images": [image], "verdicts": [said, drew | {"annotation": 1}]}
    given |= {"photographs": [image | {"sha256": sha256}], "info": {"genus": "Bembidion"}}
    given["annotations"] = [head | {"verdict": "corrected", "source": "corrected"}]
    given["categories"] = [{"id": n, "name": name} for n, name in enumerate(STRUCTURES, 1)]
    path = tmp_path / "corrections.json"
    path.write_text(json.dumps(given), "utf-8")
    page = browser.results / "given/one/review.html"
    shard = browser.results.parent / "shards/Bembidion.json"
    write_review(page, Sources([shard], corrections=Corrections(path)))
    tab = browser.open("given/one/review.html")
    tab.look("other")
    as_given = ", as given to the workflow"
    assert tab.verdicts() == [f"corrected{as_given}", f"rejected{as_given}", ""]
    tab.choose("legs")
    tab.press("a")
    assert tab.verdicts()[1] == "accepted"
    tab.choose("head")
    tab.press("e")
    tab.page.wait_for_selector(".editing h3")
    tab.press("Enter", "Escape")  # saved as it is: the editor starts from the mask that was given
    exported = tab.export()
    assert (masks_of(exported)["other", "head"] == predicted(1)[::-1]).all()


def two_export(tab: Tab) -> list:
    tab.press("Escape")
    return tab.export()["annotations"]


def drawn_on_card(tab: Tab, specimen: str, line: str) -> list[float]:
    """The edges [left, top, right, bottom] of an outline on a card, in pixels of the upright photograph."""
    path = tab.page.locator(f".card[data-name={specimen}] {line} path.line")
    path.wait_for(state="attached")
    return path.evaluate(
        """(path, [width, height]) => {
          const {x, y, width: w, height: h} = path.getBBox();
          const {width: all, height: high} = path.ownerSVGElement.viewBox.baseVal;
          return [x * width / all, y * height / high, (x + w) * width / all, (y + h) * height / high];
        }""",
        [WIDTH, HEIGHT],
    )


def edit(tab: Tab, specimen: str, structure: str) -> None:
    tab.look(specimen)
    tab.choose(structure)
    tab.press("e")
    tab.page.wait_for_selector(".editing h3")


def test_outlines_are_mended_by_mouse_pixel_for_pixel(browser: Browser, tmp_path: Path) -> None:
    tab = browser.open()
    edit(tab, "first", "head")
    # a vertex: the corner (14, 8) of the head's rectangle is pulled outwards
    tab.drag((14, 8), (10, 6), (5.3, 3.2))
    expected = inside([(5.3, 3.2), (38, 8), (38, 28), (14, 28)])
    # a vertex more on the right edge, and pulled
    tab.drag((38, 18.4), (44, 18.4), (47.7, 18.4))
    expected |= inside([(38, 8), (47.7, 18.4), (38, 28)])
    tab.press("h")
    tab.click((20.2, 12.1), (30.4, 12.3), (25.1, 22.6))
    tab.press("Enter")
    expected &= ~inside([(20.2, 12.1), (30.4, 12.3), (25.1, 22.6)])
    tab.press("p")
    piece = [(60.2, 10.1), (80.4, 12.3), (75.1, 32.6), (58.3, 25.7)]
    tab.click(*piece, piece[0])  # a click on the first point closes it
    expected |= inside(piece)
    tab.press("b", "]", "]")
    radius = 3
    tab.drag((90.2, 40.3), (95.6, 52.1), (110.8, 55.4))
    expected |= near((90.2, 40.3), (95.6, 52.1), radius) | near((95.6, 52.1), (110.8, 55.4), radius)
    tab.press("x")
    tab.drag((95.3, 50.2), (101.7, 58.8))
    expected &= ~near((95.3, 50.2), (101.7, 58.8), radius)
    tab.drag((20.1, 20.2), (22.2, 20.3))
    tab.press("u")
    tab.press("Enter")
    assert tab.verdicts()[0] == "corrected"
    # drawn anew, by dragging around
    tab.choose("legs")
    tab.press("e", "d")
    ring = [(20.3, 60.2), (50.7, 58.1), (60.4, 80.9), (25.8, 82.2)]
    tab.click(*ring)
    tab.press("Enter", "Enter", "Escape")
    found = tab.export()
    masks = masks_of(found)
    assert (masks["first", "head"] != expected).sum() == 0
    assert (masks["first", "legs"] != inside(ring)).sum() == 0
    assert set(verdicts_of(found).values()) == {"corrected"}
    # the library reads the file as any other
    path = tmp_path / "corrections.json"
    path.write_text(json.dumps(found), "utf-8")
    (specimen,) = Dataset(path).specimens
    assert (specimen.specimen, specimen.name) == ("first", "first.jpg")
    assert specimen.annotations["head"].source == "corrected"
    assert (specimen.masks["head"] == expected).all()


def test_a_mask_on_a_card_has_fewer_pixels_and_what_is_thin_is_not_lost(chromium: Any) -> None:
    source = (Path(__file__).parents[2] / "web/src/mask.js").read_text("utf-8")
    source = source.replace("export ", "")
    page = chromium.new_page()
    rng = np.random.default_rng(0)
    for height, width, step in ((11, 17, 3), (12, 16, 4), (7, 5, 1)):
        for share in (0.02, 0.5, 1.0):
            mask = rng.random((height, width)) < share
            counts = encode_mask(mask)["counts"]
            data = page.evaluate(
                f"a => {{ {source}; return Array.from(Mask.reduced(...a).data) }}",
                [width, height, counts, step],
            )
            padded = np.pad(mask, ((0, -height % step), (0, -width % step)))
            blocks = padded.reshape(padded.shape[0] // step, step, -1, step)
            assert (blocks.any((1, 3)) == np.reshape(data, (-1, blocks.shape[0])).T).all()
    page.close()


def test_a_name_is_found_however_its_umlaut_is_spelt(browser: Browser) -> None:
    page = draw_genus(
        browser.results.parent, "Nebria", {"Ka\u0308fer 1": 1, "K\u00e4fer 2": 1, "c": 1}
    )
    write_index(browser.results / "umlauts.html", ["Nebria/one"])
    tab = browser.open(f"{page}")
    for wanted in ("k\u00e4f", "KA\u0308F"):
        tab.page.locator("[name=find]").fill(wanted)
        assert tab.page.locator(".card").count() == 2
    tab = browser.open("umlauts.html")
    tab.page.locator("#app input").fill("K\u00e4fer")
    tab.page.wait_for_selector(".found li")
    assert tab.page.locator(".found li").count() == 2


def test_who_goes_on_at_once_edits_no_other_specimen(browser: Browser) -> None:
    tab = browser.open()
    order = tab.page.evaluate("[...document.querySelectorAll('.card')].map(c => c.dataset.name)")
    tab.look(order[0])
    tab.page.evaluate(
        """for (const key of ["e", "ArrowRight"]) {
          document.querySelector("dialog").dispatchEvent(new KeyboardEvent("keydown", {key}));
        }"""
    )
    tab.shown(order[1])
    assert tab.page.locator(".editing").is_hidden()
    tab.press("Enter", "Escape")
    assert tab.page.locator(".card .verdict").count() == 0


def test_keys_that_come_before_a_verdict_is_written_are_on_the_next_structure(
    browser: Browser,
) -> None:
    tab = browser.open()
    tab.look("first")
    at_once = """keys => {
      const dialog = document.querySelector("dialog");
      for (const key of keys) dialog.dispatchEvent(new KeyboardEvent("keydown", {key}));
    }"""
    tab.page.evaluate(at_once, ["a", "e"])
    tab.page.wait_for_selector(".editing h3")
    assert tab.page.locator(".editing h3").inner_text() == "Editing: legs"
    tab.press("d")
    ring = [(20.3, 60.2), (50.7, 58.1), (60.4, 80.9)]
    tab.click(*ring)
    tab.press("Enter", "Enter", "Escape")
    tab.look("second")
    tab.page.evaluate(at_once, ["a", "r"])
    tab.settle()
    assert tab.verdicts() == ["accepted", "rejected", ""]
    tab.page.keyboard.down("n")
    for _ in range(3):  # it is held
        tab.page.keyboard.down("n")
    tab.page.keyboard.up("n")
    tab.settle()
    tab.press("u")
    assert tab.verdicts() == ["accepted", "rejected", ""]
    tab.press("Escape")
    found = tab.export()
    assert verdicts_of(found) == {
        ("first", "head"): "accepted",
        ("first", "legs"): "corrected",
        ("second", "head"): "accepted",
        ("second", "legs"): "rejected",
    }
    assert (masks_of(found)["first", "legs"] == inside(ring)).all()


def test_a_page_that_is_loaded_again_shows_the_specimen_that_was_open(browser: Browser) -> None:
    tab = browser.open()
    tab.page.on("dialog", lambda dialog: dialog.accept())
    order = tab.page.evaluate("[...document.querySelectorAll('.card')].map(c => c.dataset.name)")
    tab.page.select_option("[name=verdict]", "unlooked")
    edit(tab, ODD, "legs")
    tab.press("b")
    tab.click((90, 20))
    tab.page.reload()
    tab.shown(ODD)
    assert tab.verdicts() == ["", "", ""]
    tab.press("Shift+A", "Escape")
    # whoever goes on by Enter begins with the first that was not looked at, as the button does
    tab.page.select_option("[name=verdict]", "")
    tab.look(order[0])
    tab.press("Shift+A", "Escape")
    tab.press("Enter")
    tab.shown(next(name for name in order if name not in (ODD, order[0])))
    tab.press("Escape")
    tab.page.reload()
    tab.page.wait_for_selector(".card")
    assert not tab.page.locator("dialog").is_visible()


def test_keys_work_after_a_box_is_ticked_and_a_finger_takes_the_outlines_off(
    browser: Browser,
) -> None:
    tab = browser.open()
    tab.look("first")
    with_lines = tab.page.locator(".over").screenshot()
    tab.page.get_by_label("Outlines (o)").last.tap()
    tab.settle()
    assert tab.page.locator(".over").screenshot() != with_lines
    tab.press("o")
    assert tab.page.locator(".over").screenshot() == with_lines
    tab.press("a")
    assert tab.verdicts() == ["accepted", "", ""]
    # what is said is seen where the window is low, as at a zoom of 200 %
    tab.page.set_viewport_size({"width": 683, "height": 384})
    tab.press("r")
    said = tab.page.locator("dialog .said").bounding_box()
    assert said["y"] + said["height"] <= 384
    stage = tab.page.locator(".stage").bounding_box()
    assert stage["width"] > 300 and stage["height"] > 350


def test_what_is_drawn_and_not_saved_is_lost_only_if_the_person_says_so(browser: Browser) -> None:
    tab = browser.open()
    asked: list[str] = []
    tab.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    edit(tab, "first", "legs")
    tab.press("d")
    tab.click((20, 20), (60, 20), (60, 60))
    tab.press("Escape")
    assert asked == ["confirm"]  # though the outline is not closed
    tab.press("Enter", "Escape", "Escape", "Escape", "n")
    assert asked == ["confirm"] * 5
    tab.page.locator("dialog summary").press("Enter")  # opens the list of keys
    assert tab.page.locator(".editing").is_visible()
    other = browser.open()
    tab.page.close(run_before_unload=True)
    other.settle()
    assert asked[5:] == ["beforeunload"]


def test_keys_go_on_after_a_click_and_judge_what_is_shown(browser: Browser) -> None:
    tab = browser.open()
    order = tab.page.evaluate("[...document.querySelectorAll('.card')].map(c => c.dataset.name)")
    tab.look(order[0])
    tab.page.get_by_role("button", name="Reject (r)").click()
    tab.settle()
    tab.press("a")
    assert tab.verdicts() == ["rejected", "accepted", ""]
    tab.page.evaluate("document.activeElement.blur()")  # as where a click gives no focus
    # who goes on at once judges no structure that is not shown as chosen
    tab.page.evaluate(
        """for (const key of ["n", "ArrowRight"]) {
          document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        }"""
    )
    tab.shown(order[1])
    chosen = tab.page.locator(".structures [aria-checked=true]")
    assert chosen.inner_text().startswith("head")
    tab.press("a")
    assert tab.verdicts() == ["accepted", "", ""]
    # another tab shows the outline that is drawn in this one
    other = browser.open()
    other.look(order[1])
    before = other.page.locator(".over").screenshot()
    tab.choose("head")
    tab.press("e", ".", "Shift+ArrowRight", "Enter", "Escape")
    other.page.wait_for_selector("dialog .verdict.corrected")
    other.settle()
    assert other.page.locator(".over").screenshot() != before
    # what is undone may be out of the list
    tab.page.locator("[name=find]").fill(order[2])
    tab.look(order[2])
    tab.press("u")
    assert tab.page.locator("dialog .place").inner_text().startswith("Not in the list; ")


def test_a_file_from_a_computer_whose_clock_is_ahead_can_be_judged_anew(
    browser: Browser, tmp_path: Path
) -> None:
    tab = browser.open()
    tab.look("first")
    tab.press("a", "n", "Escape")
    found = tab.export()
    for one in found["annotations"]:
        one["at"] = "2099-01-01T00:00:00"  # without a zone
    found["images"].append(found["images"][0] | {"id": 2, "specimen": "of another project"})
    found["annotations"].append(found["annotations"][0] | {"id": 3, "image_id": 2})
    path = tmp_path / "corrections.json"
    path.write_text(json.dumps(found), "utf-8")
    tab.page.set_input_files("input[type=file]", path)
    tab.page.wait_for_function("() => document.querySelector('.stays .said').textContent")
    said = tab.page.locator(".stays .said").inner_text()
    assert said == "3 of 3 verdicts imported; of specimens that are not here: 1."
    times = {one["at"] for one in tab.export()["annotations"]}
    assert times == {"2099-01-01T00:00:00.000Z"}
    tab.look("first")
    tab.choose("head")
    tab.press("r")
    tab.choose("legs")
    tab.press("b")
    assert tab.verdicts() == ["rejected", "outside", ""]
    tab.press("u")
    assert tab.verdicts() == ["rejected", "absent", ""]


def test_masks_of_turned_photographs_are_as_stored_on_disk(browser: Browser) -> None:
    tab = browser.open()
    edit(tab, "turned", "wing")
    ring = [(70.2, 50.1), (100.4, 52.3), (95.1, 82.6)]
    tab.click(*ring)
    tab.press("Enter", "Enter")
    tab.choose("head")
    tab.press("e", "v", "Enter", "Escape")  # saved as it is
    assert np.allclose(drawn_on_card(tab, "turned", ".o3"), [70.2, 50.1, 100.4, 82.6], atol=1.2)
    # a file that says otherwise changes the card at once
    other = browser.open()
    other.look("turned")
    other.choose("wing")
    other.press("n")
    tab.page.locator(".card[data-name=turned] .o3").wait_for(state="detached")
    other.choose("wing")
    other.press("u", "Escape")
    masks = masks_of(tab.export())
    assert masks["turned", "wing"].shape == (WIDTH, HEIGHT)
    assert (masks["turned", "wing"] == stored(inside(ring), 6)).all()
    assert (masks["turned", "head"] == stored(predicted(0), 6)).all()


def test_outlines_are_mended_by_keys_alone(browser: Browser) -> None:
    tab = browser.open()
    tab.page.locator("[name=find]").fill("second")
    tab.page.locator(".grid .picture").focus()
    tab.press("Enter")
    tab.shown("second")
    tab.press("e", ".", *["ArrowLeft"] * 3, "Shift+ArrowUp", "Enter")
    tab.press("e", "b", *["["] * 3, "Space", "Enter", "n")  # each is followed by the next structure
    tab.press("Escape")
    found = tab.export()
    assert set(verdicts_of(found).items()) >= {
        (("second", "head"), "corrected"),
        (("second", "legs"), "corrected"),
        (("second", "wing"), "absent"),
    }
    masks = masks_of(found)
    grown = masks["second", "head"] != predicted(0)
    assert 20 < grown.sum() < 300
    # the brush painted a few pixels in the middle of the photograph, and changed nothing else
    painted = masks["second", "legs"] & ~predicted(1)
    assert not (predicted(1) & ~masks["second", "legs"]).any()
    middle = near((WIDTH / 2, HEIGHT / 2), (WIDTH / 2, HEIGHT / 2), 3)
    assert not (painted & ~middle).any()
    assert masks["second", "wing"].sum() == 0


def test_templates_are_drawn_from_nothing(browser: Browser, tmp_path: Path) -> None:
    from sam2pal.review.annotating import write_annotation_page

    photographs = browser.results.parent / "photographs" / "Bembidion"
    page = browser.results / "annotate" / "Bembidion.html"
    parents = {"head": {"parent": None}, "eye": {"parent": "head"}, "wing": {"parent": None}}
    write_annotation_page(page, "Bembidion", photographs, parents)
    tab = browser.open("annotate/Bembidion.html")
    assert tab.progress() == "0 of 1 looked at"
    card, place = tab.page.locator(".card"), tab.page.locator("dialog .place")
    assert card.locator(".tag").inner_text() == "Nothing outlined yet"
    assert "not annotated" in card.locator("tbody tr").first.inner_text()
    tab.look("other")
    assert place.inner_text() == "1 of 1 specimen in the list; Nothing outlined yet"
    rings = [[(20.3, 20.2), (60.7, 22.1), (40.4, 60.9)], [(30.3, 25.2), (45.7, 26.1), (38.4, 40.9)]]
    for ring in rings:
        tab.press("e")
        tab.click(*ring)
        tab.press("Enter", "Enter")
    assert place.inner_text() == "1 of 1 specimen in the list; 2 of 3 structures done"
    tab.press("t")
    said = tab.page.locator("dialog .said")
    assert said.inner_text() == "wing: there is no verdict to take back"
    tab.press("a")
    assert said.inner_text().startswith("wing: there is no mask to judge; draw it (e)")
    tab.press("n", "Escape")
    assert tab.progress() == "1 of 1 looked at"
    assert card.locator(".tag").inner_text() == "3 of 3 structures done"
    rows = card.locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[-1] for row in rows] == ["● corrected", "● corrected", "∅ absent"]
    assert np.allclose(drawn_on_card(tab, "other", ".o1"), [20.3, 20.2, 60.7, 60.9], atol=1.2)
    assert card.locator(".o3").count() == 0
    path = tmp_path / "corrections.json"
    path.write_text(json.dumps(tab.export()), "utf-8")
    (template,) = convert(path, photographs, list(parents))["images"]
    assert template["specimen"] == "other"
    (specimen,) = Dataset(convert(path, photographs, list(parents)), source="drawn").specimens
    assert (specimen.masks["head"] == inside(rings[0])).all()
    assert (specimen.masks["eye"] == inside(rings[1])).all()
    assert specimen.state("wing") == "absent"
    assert Dataset(path).parents == {"head": "", "eye": "head", "wing": ""}


def test_a_file_is_taken_back(
    browser: Browser, chromium: Any, results: Path, tmp_path: Path
) -> None:
    tab = browser.open()
    tab.look("fourth")
    tab.press("a", "n")
    tab.choose("wing")
    tab.press("e")
    ring = [(20.3, 20.2), (50.7, 22.1), (40.4, 40.9)]
    tab.click(*ring)
    tab.press("Enter", "Enter", "Escape")
    first = tab.export()
    path = tmp_path / "corrections.json"
    path.write_text(json.dumps(first), "utf-8")
    colleague = Browser(chromium, results)
    other = colleague.open()
    other.look("fourth")
    other.press("r", "Escape")
    other.page.set_input_files("input[type=file]", path)
    other.page.wait_for_function("() => document.querySelector('.stays .said').textContent")
    said = other.page.locator(".stays .said").inner_text()
    assert said.startswith("2 of 3 verdicts imported; for the others this browser has")
    again = other.export()
    assert verdicts_of(again)["fourth", "head"] == "rejected"  # which is later
    assert (masks_of(again)["fourth", "wing"] == inside(ring)).all()
    for text, message in (
        ("{", "this is not JSON"),
        ('{"images": []}', "this is not a corrections.json that a review page exported"),
        (json.dumps(first).replace('"version": 1', '"version": 2'), "its version is 2"),
    ):
        path.write_text(text, "utf-8")
        other.page.set_input_files("input[type=file]", path)
        other.settle()
        assert message in other.page.locator(".stays .said").inner_text()
    assert other.export()["annotations"] == again["annotations"]
    colleague.context.close()
    assert other.wrong == []


def test_the_index_finds_specimens_and_exports_verdicts_of_all_genera(browser: Browser) -> None:
    tab = browser.open("Bembidion/one/review.html")
    tab.look("other")
    tab.press("a")
    project = browser.results.parent / "of the same browser"
    # another photograph of that name, and another name
    draw_genus(project, "Bembidion", {"other": 6, "renamed": 1})
    draw_genus(project, "Fictocarabus", {"drawn": 1})
    write_index(project / "results/index.html", ["Bembidion/one", "Fictocarabus/one"])
    for page, name in (("Bembidion", "other"), ("Bembidion", "renamed"), ("Fictocarabus", "drawn")):
        tab = browser.open(str(project / "results" / page / "one/review.html"))
        tab.look(name)
        tab.press("a")
    tab = browser.open("Bembidion/one/review.html")
    own = {("other", "head"): "accepted"}
    exported = tab.export()
    assert verdicts_of(exported) == own and len(exported["annotations"]) == 1
    photograph = browser.results.parent / "photographs/Bembidion/other.jpg"
    sha256 = hashlib.sha256(photograph.read_bytes()).hexdigest()
    assert exported["images"][0]["sha256"] == sha256
    said = tab.page.locator(".stays .said").inner_text()
    assert said.endswith("2 verdicts on photographs that are not here left out.")
    tab.look("other")
    tab.choose("head")
    tab.press("a")
    tab = browser.open("index.html")
    assert tab.page.locator("[data-run]").all_inner_texts() == ["0", "3"]
    tab.page.locator("#app input").fill("OTHER")
    tab.page.wait_for_selector(".found li")
    assert tab.page.locator(".found li").all_inner_texts() == ["other Bembidion, round one"]
    found = tab.export("Export the verdicts of all genera")
    assert {image["genus"] for image in found["images"]} == {"Bembidion"}
    tab.page.locator("#app input").fill("onerror")
    tab.page.locator(".found a").click()
    tab.shown(ODD)
    assert tab.page.evaluate("globalThis.bad") is None
    assert [c["name"] for c in found["categories"]] == list(STRUCTURES)


def test_an_address_opens_the_specimen_and_no_template_of_its_name(browser: Browser) -> None:
    data = browser.results / "Abax/one/review/data.js"
    text = data.read_text("utf-8")
    start = text.index("\n", text.index('"rows":')) + 1
    rows = text[start : text.rindex("]")].split(",\n")
    row = next(row for row in rows if '"name":"first"' in row)
    outside = row.replace('"name":"first"', '"name":"first","outside":true').replace("sha256", "_")
    data.write_text(f"{text[:start]}{outside},\n{text[start:]}", "utf-8")
    tab = browser.open("Abax/one/review.html#specimen=first")
    tab.shown("first")
    assert tab.page.locator("dialog .place").inner_text().startswith("6 of 6 specimens")
    tab.press("a", "Escape")
    assert tab.export()["images"][0]["specimen"] == "first"
    tab.page.evaluate("location.hash = '#specimen=second'")  # as who types it into the open page
    tab.shown("second")
    tab = browser.open("Abax/one/review.html#specimen=g%C3%B6ne%20%231")
    said = tab.page.locator(".stays .said").inner_text()
    assert said == "There is no specimen göne #1 on this page."


@pytest.mark.parametrize(
    "page", ["index.html", "Abax/one/review.html", "Abax/one/review/index.html"]
)
def test_people_with_a_screen_reader_or_a_finger_can_use_it(browser: Browser, page: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = browser.open(page)
    states = [None]
    if page.endswith("review.html"):
        states += [lambda: tab.page.locator("button.main").hover()]
    if page.endswith("review.html"):
        states += [lambda: tab.look("first"), lambda: tab.press("a", "e", "b")]
    for state in states:
        if state:
            state()
        # axe is put into the page past its security policy
        found = Axe().run(tab.page, options={"preload": False}).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
        small = tab.page.evaluate(
            """() => [...document.querySelectorAll("button, select, a, input:not([type=file]), summary")]
            .filter((e) => e.checkVisibility() && !e.matches(".skip, p a") && !e.closest("[inert]"))
            .map((e) => [e, (e.closest("label") ?? e).getBoundingClientRect()])
            .filter(([, box]) => box.height < 44 || box.width < 24).map(([e]) => e.outerHTML)"""
        )
        assert small == []


def test_fingers_zoom_and_a_pen_draws(browser: Browser) -> None:
    tab = browser.open()
    edit(tab, "first", "legs")
    tab.press("b")
    devtools = browser.context.new_cdp_session(tab.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [
            dict(zip("xy", tab.screen(*p), strict=True)) | {"id": i} for i, p in enumerate(points)
        ]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def pen(kind: str, point: tuple[float, float]) -> None:
        x, y = tab.screen(*point)
        event = {"type": kind, "x": x, "y": y, "pointerType": "pen", "button": "left"}
        devtools.send("Input.dispatchMouseEvent", event | {"buttons": 1, "clickCount": 1})

    pen("mousePressed", (90.3, 20.2))
    for kind in ("touchStart", "touchMove"):  # a hand that comes to rest draws nothing
        touch(kind, (30 + (kind == "touchMove"), 70))
    touch("touchEnd")
    pen("mouseMoved", (100.4, 25.6))
    pen("mouseReleased", (100.4, 25.6))
    tab.settle()
    touch("touchStart", (30, 70))  # a hand beside the pen moves the photograph and draws nothing
    touch("touchMove", (35, 75))
    touch("touchEnd")
    tab.settle()
    tab.press("0")
    touch("touchStart", (50, 40), (70, 50))
    for step in range(1, 6):
        touch("touchMove", (50 - 5 * step, 40 - 3 * step), (70 + 5 * step, 50 + 3 * step))
    touch("touchEnd")
    tab.settle()
    before = tab.page.locator(".over").screenshot()
    tab.press("0")
    assert tab.page.locator(".over").screenshot() != before  # it was zoomed
    tab.press("Enter", "Escape")
    mask = masks_of(tab.export())["first", "legs"]
    assert (mask == (predicted(1) | near((90.3, 20.2), (100.4, 25.6), 1))).all()


def test_fingers_choose_vertices_and_zoom_between_the_points_of_an_outline(
    browser: Browser,
) -> None:
    tab = browser.open()
    edit(tab, "first", "legs")
    devtools = browser.context.new_cdp_session(tab.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [
            dict(zip("xy", tab.screen(*p), strict=True)) | {"id": i} for i, p in enumerate(points)
        ]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def tap(*points: tuple[float, float]) -> None:
        for point in points:
            touch("touchStart", point)
            touch("touchEnd")
            tab.settle()

    tap((36, 34))  # the upper left corner of the legs' rectangle
    tab.page.get_by_role("button", name="Remove vertex (Del)").click()
    tab.press("p")
    tap((80.2, 10.3), (100.4, 10.1), (98.3, 30.2), (50, 50))
    touch("touchStart", (60, 30), (70, 35))
    for step in range(1, 6):
        touch("touchMove", (60 - 4 * step, 30 - 2 * step), (70 + 4 * step, 35 + 2 * step))
    touch("touchEnd")
    tab.settle()
    tab.press("0")
    tab.page.locator(".editing").get_by_role("button", name="Undo (u)").click()  # the last point
    for button in ("Close outline (Enter)", "Save (Enter)"):
        tab.page.get_by_role("button", name=button).click()
    tab.press("Escape")
    expected = predicted(1) & inside([(60, 34), (60, 54), (36, 54)])
    expected |= inside([(80.2, 10.3), (100.4, 10.1), (98.3, 30.2)])
    differing = masks_of(tab.export())["first", "legs"] != expected
    assert differing.sum() < 8  # touches lie on whole pixels of the screen


def test_ten_thousand_specimens_do_not_stall(browser: Browser) -> None:
    source = browser.results / "Abax/one"
    folder = browser.results / "Many/one"
    folder.mkdir(parents=True)
    (folder / "review").mkdir()
    (folder / "review.html").write_text((source / "review.html").read_text("utf-8"), "utf-8")
    for name in ("app.js", *VIEWER, "given.js", "pictures", "specimens"):
        (folder / "review" / name).symlink_to(source / "review" / name)
    text = (source / "review/data.js").read_text("utf-8")
    start = text.index("\n", text.index('"rows":')) + 1
    rows = text[start : text.rindex("]")].split(",\n")
    row = next(row for row in rows if '"name":"first"' in row)
    many = [
        row.replace('"name":"first"', f'"name":"s{n * 7919 % 10_000:05d}"') for n in range(10_000)
    ]
    (folder / "review/data.js").write_text(text[:start] + ",\n".join(many) + "]};\n", "utf-8")
    tab = browser.open("Many/one/review.html")
    first = tab.page.evaluate("performance.now()")
    assert tab.progress() == "0 of 10,000 looked at"
    assert tab.page.locator(".card").count() < 60
    took = tab.page.evaluate(
        """() => {
          const start = performance.now();
          const select = document.querySelector("[name=sort]");
          select.value = "name";
          select.dispatchEvent(new Event("input", {bubbles: true}));
          return performance.now() - start;
        }"""
    )
    assert tab.page.locator(".card .name").first.inner_text() == "s00000"
    tab.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    tab.page.wait_for_selector(".card[data-name=s09999] img")
    tab.page.locator("[name=find]").fill("0777")
    shown = tab.page.locator(".card .name").all_inner_texts()  # of eleven those near the window
    assert shown == ["s00777", *[f"s0777{n}" for n in range(10)]][: len(shown)] and len(shown) > 5
    assert tab.page.locator("output").inner_text() == "11 of 10,000 specimens"
    print(f"first picture after {first / 1000:.1f} s, sorted in {took / 1000:.2f} s")
    assert first < 20_000 and took < 2_000
