"""The library's rooms import one way (docs/architecture.md)."""

import ast
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "scripts/sam2pal"
ROOMS = (
    *("io", "images", "config", "dataset", "model", "training", "segmentation"),
    *("evaluation", "morphometrics", "review", "research"),
)


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a module imports from, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "sam2pal":
            names += [f"sam2pal.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return {name.split(".")[1] for name in names if name.startswith("sam2pal.")}


def test_a_room_imports_only_from_lower_ones():
    assert {p.name for p in LIBRARY.iterdir() if p.is_dir() and p.name != "__pycache__"} == {*ROOMS}
    upwards = [
        f"{path.relative_to(LIBRARY)} imports {other}"
        for number, room in enumerate(ROOMS)
        for path in sorted((LIBRARY / room).rglob("*.py"))
        for other in sorted(imported_rooms(path) - {"__version__"})
        if other not in ROOMS[: number + 1]
    ]
    assert not upwards


def test_morphometrics_rooms_import_one_way():
    folders = ("geometry", "scales", "measures", "tables", "shapes")
    upwards = [
        f"{path.relative_to(LIBRARY)} imports {later}"
        for number, folder in enumerate(folders)
        for path in sorted((LIBRARY / "morphometrics" / folder).glob("*.py"))
        for later in folders[number + 1 :]
        if f"sam2pal.morphometrics.{later}" in path.read_text(encoding="utf-8")
    ]
    assert not upwards


def test_no_two_files_of_tests_have_the_same_name():
    """They could not be collected in one run, as CI collects them."""
    names = [path.name for path in LIBRARY.parents[1].glob("tests/**/test_*.py")]
    assert len(names) == len(set(names)), sorted({n for n in names if names.count(n) > 1})


def test_no_two_classes_of_the_library_have_the_same_name():
    names = [
        node.name
        for path in LIBRARY.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted({n for n in names if names.count(n) > 1 and not n.startswith("_")}) == []
