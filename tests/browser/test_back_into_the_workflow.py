"""What is exported goes through the workflow, and comes back to another browser whole."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import (
    HEIGHT,
    SPECIMENS,
    WIDTH,
    Browser,
    Tab,
    call,
    draw_genus,
    masks_of,
    predicted,
    told,
)
from PIL import Image

from sam2pal.dataset.corrections import read_corrections, templates_of
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.rle import encode_mask, fingerprint
from sam2pal.images.orientation import stored
from sam2pal.io import tables
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.review.index import write_index
from sam2pal.review.survey import Sources
from sam2pal.review.writing import write_review

RING = [(70.2, 50.1), (100.4, 52.3), (95.1, 82.6)]


def given(tab: Tab, path: Path) -> dict[str, Any]:
    """What a tab exports, also as a file that is given to the workflow."""
    exported = tab.export()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(exported), "utf-8")
    return exported


def said(exported: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The annotations of a file by specimen and structure."""
    specimens = {image["id"]: image["specimen"] for image in exported["images"]}
    names = {category["id"]: category["name"] for category in exported["categories"]}
    return {(specimens[a["image_id"]], names[a["category_id"]]): a for a in exported["annotations"]}


def measured(shard: Path, corrections: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The areas in morphometrics.csv."""
    table = corrections.with_name("morphometrics.csv")
    files = ("--predictions", shard, "--corrections", corrections)
    call("measure", *files, "--genus", "Abax", "--round", "one", "--output", table)
    rows = tables.read(table, COLUMNS).to_pylist()
    return {
        (row["specimen"], row["structure"]): row
        for row in rows
        if row["measure"] == "area" and row["unit"] == "px2"
    }


@pytest.fixture
def drawn(browser: Browser, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A wing drawn and verdicts given by one person, and the file that they exported."""
    tab = browser.open()
    tab.page.fill("input[autocomplete=name]", "A. Person")
    tab.look("first")
    tab.press("a", "r", "e")
    tab.page.wait_for_selector(".editing h3")
    tab.click(*RING)
    tab.press("Enter", "Enter", "Escape")
    tab.look("turned")
    tab.press("n")
    tab.choose("wing")
    tab.press("e")
    tab.page.wait_for_selector(".editing h3")
    tab.click(*RING)
    tab.press("Enter", "Enter", "Escape")
    path = tmp_path / "Abax/one.json"
    return path, given(tab, path)


def test_an_export_comes_out_of_the_tables_pixel_for_pixel(
    browser: Browser, drawn: tuple[Path, dict[str, Any]]
) -> None:
    path, exported = drawn
    masks = masks_of(exported)
    assert masks["turned", "wing"].shape == (WIDTH, HEIGHT)
    corrections, _ = told(browser.results, [path], "tables")
    shard = browser.results.parent / "shards/Abax.json"
    rows = measured(shard, corrections)
    folder = corrections.with_name("indexed")
    call("draw_masks", "--predictions", shard, "--corrections", corrections,
         "--kind", "indexed", "--output", folder)  # fmt: skip
    for specimen in ("first", "turned"):
        row = rows[specimen, "wing"]
        assert (row["source"], row["verdict"], row["status"]) == ("corrected",) * 2 + ("measured",)
        assert row["value"] == masks[specimen, "wing"].sum() > 400
        with Image.open(folder / f"{specimen}.png") as picture:
            assert np.array_equal(np.asarray(picture) == 3, masks[specimen, "wing"])
    assert rows["first", "head"]["verdict"] == "accepted"
    assert rows["first", "head"]["value"] == predicted(0).sum()
    assert [rows["first", "legs"][key] for key in ("status", "value")] == ["rejected", None]
    assert [rows["turned", "head"][key] for key in ("status", "source")] == ["absent", "corrected"]


def test_another_browser_exports_all_that_was_given_and_what_is_newer(
    browser: Browser, chromium: Any, drawn: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path, exported = drawn
    corrections, page = told(browser.results, [path], "Abax")
    write_index(browser.results / "home.html", ["Abax/one"])
    colleague = Browser(chromium, browser.results)
    tab = colleague.open("Abax/one/review.html")
    # without import: all of it, with who and when, the masks too
    assert said(tab.export()) == said(exported)
    home = colleague.open("home.html")
    assert said(home.export("Export the verdicts of all genera")) == said(exported)
    tab.look("first")
    as_given = ", as given to the workflow"
    assert tab.verdicts() == [f"{text}{as_given}" for text in ("accepted", "rejected", "corrected")]
    tab.choose("legs")
    tab.press("a", "Escape")  # the last of the specimen: the next one was shown
    tab.look("first")
    tab.choose("wing")
    tab.press("r")
    assert (
        "The outline drawn by hand is not measured in any round"
        in tab.page.locator("dialog .said").inner_text()
    )
    tab.press("Escape")
    tab.look("first")
    assert tab.verdicts() == [f"accepted{as_given}", "accepted", "rejected, drawn by hand"]
    tab.press("Escape")
    newer = given(tab, tmp_path / "Abax/two.json")
    before, after = said(exported), said(newer)
    changed = {("first", "legs"): "accepted", ("first", "wing"): "rejected"}
    assert {key: one["verdict"] for key, one in after.items()} == {
        key: one["verdict"] for key, one in before.items()
    } | changed
    for key, one in before.items():
        assert after[key]["at"] > one["at"] if key in changed else after[key]["at"] == one["at"]
    assert after["first", "head"]["by"] == "A. Person" and "by" not in after["first", "legs"]
    # the newer file takes the place of the old one: the rejected outline is kept, and used for nothing
    assert after["first", "wing"]["segmentation"] == before["first", "wing"]["segmentation"]
    photographs = Photographs.of_folder(browser.results.parent / "photographs/Abax")
    judgements, _ = read_corrections(
        [tmp_path / "Abax/two.json"], "Abax", photographs, ["head", "legs", "wing"]
    )
    usable = {(one.specimen, one.structure) for one in templates_of(judgements, 9)}
    assert usable == {key for key in before if key != ("first", "wing")}
    corrections, page = told(browser.results, [tmp_path / "Abax/two.json"], "Abax")
    rows = measured(browser.results.parent / "shards/Abax.json", corrections)
    row = rows["first", "wing"]
    assert [row[key] for key in ("status", "source", "value")] == ["rejected", "corrected", None]
    # and whoever accepts it has the correction again
    tab = colleague.open("Abax/one/review.html")
    tab.look("first")
    tab.choose("wing")
    tab.press("a", "Escape")
    last = said(tab.export())["first", "wing"]
    assert last["verdict"] == "corrected" and last["at"] > after["first", "wing"]["at"]
    assert last["segmentation"] == before["first", "wing"]["segmentation"]
    colleague.context.close()
    assert [text for tab in colleague.tabs for text in tab.wrong] == []


def take_back(tab: Tab, specimen: str, *structures: str) -> None:
    tab.look(specimen)
    for structure in structures:
        tab.choose(structure)
        tab.press("t")


def test_what_was_said_in_an_earlier_session_is_taken_back_as_if_it_had_never_been(
    browser: Browser, chromium: Any, drawn: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path, exported = drawn
    told(browser.results, [path], "Abax")
    colleague = Browser(chromium, browser.results)
    tab = colleague.open("Abax/one/review.html")
    take_back(tab, "first", "head", "wing")
    assert [text.partition(",")[0] for text in tab.verdicts()] == ["", "rejected", ""]
    tab.press("Escape")
    take_back(tab, "turned", "head")
    assert tab.verdicts()[0] == ""
    said_there = tab.page.locator("dialog .said").inner_text()
    assert said_there.startswith("head: taken back. Export, and replace the file")
    # what was predicted is there again, on the card too, and undo gives the verdict back
    line = tab.page.locator(".structures button").first
    assert line.locator(".n").inner_text() == "0.82"
    tab.press("Escape")
    card = tab.page.locator(".card[data-name=turned]")
    card.locator(".o1 path.line").wait_for(state="attached")
    assert "0.82" in card.locator("tbody tr").first.inner_text()
    tab.look("turned")
    tab.choose("head")
    tab.press("u")
    assert tab.verdicts()[0] == "absent"
    tab.press("t", "Escape")
    # in another session, the file is as if they had never been
    tab.page.reload()
    tab.page.wait_for_selector(".card")
    undone = {("first", "head"), ("first", "wing"), ("turned", "head")}
    never = {key: one for key, one in said(exported).items() if key not in undone}
    ids = ("id", "image_id", "category_id")

    def bare(found: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], Any]:
        return {k: {n: v for n, v in of.items() if n not in ids} for k, of in found.items()}

    after = given(tab, tmp_path / "Abax/two.json")
    assert bare(said(after)) == bare(never)
    corrections, _ = told(browser.results, [tmp_path / "Abax/two.json"], "after")
    kept = [one for one in exported["annotations"] if one in never.values()]
    path.write_text(json.dumps(exported | {"annotations": kept}), "utf-8")
    without, _ = told(browser.results, [path], "never")
    assert corrections.read_bytes() == without.read_bytes()  # all that tables are made of
    rows = measured(browser.results.parent / "shards/Abax.json", corrections)
    assert [rows["turned", "head"][key] for key in ("status", "source", "value")] == [
        "measured", "predicted", predicted(0).sum()]  # fmt: skip
    assert [rows["first", "wing"][key] for key in ("status", "verdict")] == ["absent", ""]
    # and who accepts now judges what was predicted
    tab.look("turned")
    tab.choose("head")
    tab.press("a", "Escape")
    accepted = said(tab.export())["turned", "head"]
    rle = encode_mask(stored(predicted(0), 6))
    assert (accepted["segmentation"], accepted["judged"]) == (rle, fingerprint(rle))
    assert accepted["source"] == "predicted"
    colleague.context.close()
    assert tab.wrong == []


def test_what_was_said_in_another_round_is_taken_back_too(
    browser: Browser, chromium: Any, drawn: tuple[Path, dict[str, Any]]
) -> None:
    path, exported = drawn
    corrections, _ = told(browser.results, [path], "Abax")
    folder = browser.results.parent
    draw_genus(folder, "Abax", SPECIMENS, "two")
    page = browser.results / "Abax/two/review.html"
    sources = Sources([folder / "shards/Abaxtwo.json"], corrections=Corrections(corrections))
    write_review(page, sources)
    colleague = Browser(chromium, browser.results)
    tab = colleague.open("Abax/two/review.html")
    take_back(tab, "first", "head", "wing")
    assert tab.verdicts() == ["", "rejected, as given to the workflow", ""]
    tab.press("Escape")
    take_back(tab, "turned", "head", "wing")
    assert tab.verdicts() == ["", "", ""]
    tab.press("Escape")
    one = colleague.open("Abax/one/review.html")
    assert {key: of["verdict"] for key, of in said(one.export()).items()} == {
        ("first", "legs"): "rejected"
    }
    take_back(one, "first", "legs")
    assert one.verdicts() == ["", "", ""]
    one.press("Escape")
    one.page.get_by_role("button", name="Export corrections.json").click()
    text = one.page.locator(".stays .said").inner_text()
    assert text.startswith("There is no verdict to export; delete the file of this genus")
    colleague.context.close()
    assert [text for tab in colleague.tabs for text in tab.wrong] == []
