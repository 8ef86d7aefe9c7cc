"""A real browser, and the pages of two genera."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import SPECIMENS, Browser, draw_genus

from sam2pal.review.index import write_index


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's browser, driven over its own protocol."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The folder of the results of two genera, of one test: tests write pages into it."""
    folder = tmp_path / "project"
    draw_genus(folder, "Abax", SPECIMENS)
    draw_genus(folder, "Bembidion", {"other": 1})
    write_index(folder / "results/index.html", ["Abax/one", "Bembidion/one"])
    return folder / "results"


@pytest.fixture
def browser(chromium: Any, results: Path) -> Iterator[Browser]:
    """A user's browser; nothing may go wrong in its tabs."""
    user = Browser(chromium, results)
    yield user
    wrong = [text for tab in user.tabs for text in tab.wrong]
    user.context.close()
    assert wrong == []
