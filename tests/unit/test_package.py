"""The installable package: what it carries, and what the command says."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sam2pal import __version__
from sam2pal.cli import repository

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("config", "envs", "profiles", "scripts", "workflow")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files of the wheel, built from a copy."""
    folder = tmp_path_factory.mktemp("package")
    for name in PARTS:
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=unwanted)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "."]
    done = subprocess.run([*command, "--quiet"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    assert path.name == f"sam2_pal-{__version__}-py3-none-any.whl"
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_carries_the_library_with_its_data(wheel: set[str]) -> None:
    library = [path for path in (REPOSITORY / "scripts/sam2pal").rglob("*") if path.is_file()]
    names = {path.relative_to(REPOSITORY / "scripts").as_posix() for path in library}
    names = {name for name in names if "__pycache__" not in name}
    assert names - wheel == {"sam2pal/model/bundled/training.jsonl"}  # a log, which nothing reads


def test_the_wheel_carries_the_workflow_as_the_repository_has_it(wheel: set[str]) -> None:
    wanted = [*(REPOSITORY / "workflow").rglob("*"), *(REPOSITORY / "scripts").glob("*.py")]
    wanted += [*(REPOSITORY / "profiles").rglob("*.yaml"), *(REPOSITORY / "config").glob("*")]
    share = f"sam2_pal-{__version__}.data/data/share/sam2-pal"
    names = {f"{share}/{p.relative_to(REPOSITORY).as_posix()}" for p in wanted if p.is_file()}
    assert f"{share}/workflow/Snakefile" in names and names <= wheel


def test_the_command_says_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sam2pal", "--version"],
        cwd=REPOSITORY / "scripts",
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"sam2pal {__version__}\n"
    assert repository() == REPOSITORY


def test_rules_leave_it_to_snakemake_where_results_are() -> None:
    """A path such as "results/..." would stay where it is under a module's prefix and with `pathvars`."""
    wrong = [
        f"{path.name}: {line.strip()}"
        for path in sorted((REPOSITORY / "workflow").rglob("*.smk"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"""["'](results|logs|benchmarks|resources/(?!demo))""", line)
    ]
    assert not wrong


def test_the_version_stands_in_one_place_and_the_others_agree() -> None:
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == __version__
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in changelog
