"""Fixtures that several test folders share."""

import gc
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import finished
from running import Project

CARABIDAE = Path(__file__).resolve().parents[2] / "shared" / "data" / "carabidae"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest comes first: each file is tested by one of two processes."""
    items.sort(key=lambda item: item.path.name != "test_workflow.py")


@pytest.fixture(scope="session")
def carabidae() -> Path:
    """The folder of real beetles with truth; tests that need it skip where it is absent."""
    if not CARABIDAE.is_dir():
        pytest.skip(f"the real specimens are not here: {CARABIDAE}")
    return CARABIDAE


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a call without faults; the tests of faults change only copies of it."""
    return finished(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def processor_seconds() -> Callable[[Callable[[], object]], float]:
    """Measures a call: the least of three in its own thread, without garbage of other tests."""

    def once(call: Callable[[], object]) -> float:
        began = time.thread_time()
        call()
        return time.thread_time() - began

    def least(call: Callable[[], object]) -> float:
        gc.collect()
        gc.disable()
        try:
            return min(once(call) for _ in range(3))
        finally:
            gc.enable()

    return least
