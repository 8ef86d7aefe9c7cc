"""What the page says beside the masks: what to correct next, what is doubtful, what a round changed."""

from pathlib import Path

from browsing import Browser, draw_genus

from sam2pal.io import tables
from sam2pal.review.changes import COLUMNS as CHANGES
from sam2pal.review.index import write_index
from sam2pal.review.next import COLUMNS as NEXT
from sam2pal.review.tables import Tables

SPECIMENS = {name: 1 for name in ("a", "b", "c", "d")}


def write(path: Path, rows: list[dict], columns: tables.Columns) -> Path:
    tables.write(tables.table(rows, columns), path)
    return path


def two_rounds(results: Path) -> None:
    """A genus whose second round moved the head of `b` a little and that of `c` far."""
    folder = results.parent
    draw_genus(folder, "Zabrus", SPECIMENS)
    run = results / "Zabrus/two"
    run.mkdir(parents=True)
    known = {"round_before": "one", "round_after": "two", "structure": "head"}
    sizes = {"measure": "length", "value_before": 20.0, "unit": "px"}
    rows = [
        known
        | {"specimen": "c", "overlap": 0.2, "iou_before": 0.9}
        | sizes
        | {"value_after": 30.0},
        known | {"specimen": "b", "overlap": 0.9} | sizes | {"value_after": 10.0},
        known | {"specimen": "a", "overlap": 1.0},
    ]
    following = {"rank": 1, "specimen": "d", "structure": "legs", "reason": "legs: <b>rejected</b>"}
    measured = (
        "genus,round,specimen,structure,status,flags\n"
        "Zabrus,two,b,head,doubtful,fragments;unusual_size\n"
    )
    (run / "morphometrics.csv").write_text(measured, "utf-8")
    files = Tables(
        measurements=run / "morphometrics.csv",
        next=write(run / "next.csv", [following], NEXT),
        changes=write(run / "changes.csv", rows, CHANGES),
    )
    draw_genus(folder, "Zabrus", SPECIMENS, "two", {"b": 2, "c": 16}, files)
    write_index(results / "rounds.html", ["Zabrus/one", "Zabrus/two"])


def test_rounds_are_compared_and_the_reasons_are_shown(browser: Browser) -> None:
    two_rounds(browser.results)
    page = browser.results / "Zabrus/two/review.html"
    page.write_text(page.read_text("utf-8").replace("/index/index.js", "/rounds/index.js"), "utf-8")
    tab = browser.open("Zabrus/two/review.html")
    select = tab.page.select_option
    cards = tab.page.locator(".grid .card")
    select("[name=sort]", "next")
    assert cards.first.get_attribute("data-name") == "d"
    remark = "To correct next, place 1: legs: <b>rejected</b>"
    assert cards.first.locator(".remark").inner_text() == remark
    select("[name=sort]", "change")
    assert [card.get_attribute("data-name") for card in cards.all()] == ["c", "b", "a", "d"]
    select("[name=show]", "doubtful")
    assert cards.count() == 1 and "doubtful: unusual size" in cards.first.inner_text()
    assert "masks of head 1" in tab.page.locator("header .warning").inner_text()
    links = tab.page.locator("header .links a").all_inner_texts()
    assert "What to correct next (next.csv)" in links
    # pictures of both rounds, those that changed most first
    select("[name=show]", "")
    tab.page.locator(".comparison summary").click()
    tab.page.wait_for_function("() => document.querySelectorAll('.pair path.line').length === 4")
    titles = tab.page.locator(".pair button").all_inner_texts()
    assert titles == ["c, head", "b, head"]
    paths = tab.page.locator(".pair").first.locator("path.line").all()
    before, after = (path.get_attribute("d") for path in paths)
    assert before != after
    assert tab.page.locator(".comparison p").first.inner_text() == "2 masks changed."
    factors = tab.page.locator(".comparison tbody tr td:last-child").all_inner_texts()
    assert factors == ["0.50", "1.50"]  # half is more than half as much again
    # what is below is drawn where it has moved to
    tab.page.locator(".comparison summary").click()
    tab.page.wait_for_selector(".grid .card[data-name=d]")
    tab.page.locator(".comparison summary").click()
    # and large, by key
    tab.page.locator(".pair button").first.click()
    tab.shown("c")
    stage = tab.page.locator(".over")
    own = stage.screenshot()
    tab.press("l")
    assert stage.screenshot() != own
    tab.press("l")
    assert stage.screenshot() == own
    tab.press("Escape")
    # other rounds and genera
    address = select("[name=elsewhere]", label="Zabrus, one")[0]
    assert address.endswith("/Zabrus/one/review.html")
    with tab.page.expect_navigation():
        tab.page.get_by_role("button", name="Open", exact=True).click()
    assert tab.page.locator("h1").inner_text() == "Review: Zabrus, round one"
    tab.page.wait_for_selector("[name=elsewhere]")
    assert tab.page.locator(".comparison").count() == 0
    index = browser.open("rounds.html")
    assert "doubtful: head 1" in index.page.locator("tbody").inner_text()


def test_a_page_that_was_made_again_since_it_was_opened_takes_no_masks(browser: Browser) -> None:
    folder = browser.results.parent
    page = draw_genus(folder, "Nebria", {"a": 1, "c": 1})
    tab = browser.open(f"{page}")
    tab.page.goto(f"{page.as_uri()}#find=a")
    tab.page.reload()
    tab.page.wait_for_selector(".card svg.key")
    # a specimen came between them, and the files of the page are numbered anew
    draw_genus(folder, "Nebria", {"a": 1, "b": 1, "c": 1}, shifts={"b": 9})
    tab.page.fill("[name=find]", "c")
    made_again = "The workflow made this page again since you opened it: reload it"
    tab.page.wait_for_selector(f".card .problem >> text={made_again}")
    tab.look("c")
    tab.press("a", "Shift+A")
    assert tab.page.locator("dialog .problem").inner_text() == made_again
    assert tab.verdicts() == ["", "", ""]
    tab.page.reload()
    tab.shown("c")
    tab.press("a")
    assert tab.verdicts() == ["accepted", "", ""]


def test_whoever_accepts_that_a_structure_is_hidden_leaves_it_hidden(browser: Browser) -> None:
    tab = browser.open("Bembidion/one/review.html")
    for key in "ha":
        tab.look("other")
        tab.choose("legs")
        tab.press(key, "Escape")
    (said,) = tab.export()["annotations"]
    assert said["verdict"] == "hidden" and said["source"] == "corrected"
