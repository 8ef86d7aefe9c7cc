"""The environments of `--sdm conda`: the versions of the lock, and all that the programs import."""

import ast
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "scripts"
CALLED = {"matplotlib-base": "matplotlib", "opencv": "opencv-python-headless", "pytorch": "torch"}
MODULES = {
    "hydra-core": "hydra",
    "matplotlib-base": "matplotlib",
    "opencv": "cv2",
    "pillow": "PIL",
    "pytorch": "torch",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
}
ELSEWHERE = {
    "sam2",  # torch.post-deploy.sh
    "zxingcpp",  # not in the default: the error names it
    "pydantic_core",
}


def packages(environment: str) -> dict[str, str]:
    text = (REPOSITORY / "envs" / f"{environment}.yaml").read_text(encoding="utf-8")
    return dict(re.findall(r"^  - ([a-z0-9-]+)=(\S+)$", text, re.MULTILINE))


def imported(path: Path, seen: set[Path]) -> set[str]:
    """The modules that a file imports at any place, and those that these import."""
    if path in seen:
        return set()
    seen.add(path)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            own = SCRIPTS / name.replace(".", "/")
            files = [
                file for file in (own.with_suffix(".py"), own / "__init__.py") if file.is_file()
            ]
            for file in files:
                found |= imported(file, seen)
            if not name.startswith("sam2pal") and not files:
                found.add(name.partition(".")[0])
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("environment", ["light", "torch"])
def test_an_environment_has_what_its_programs_import(environment: str) -> None:
    rules = [
        rule
        for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk"))
        for rule in re.split(r"^(?:rule|checkpoint) ", path.read_text(encoding="utf-8"), flags=re.M)
        if f"envs/{environment}.yaml" in rule
    ]
    programs = {name for rule in rules for name in re.findall(r'program\("([a-z_/]+)"', rule)}
    assert len(programs) >= 2
    seen: set[Path] = set()
    wanted = set().union(*(imported(SCRIPTS / f"{name}.py", seen) for name in programs))
    there = {MODULES.get(name, name) for name in packages(environment)}
    assert wanted - there - ELSEWHERE == set()


@pytest.mark.parametrize("environment", ["light", "torch"])
def test_its_versions_are_those_of_the_lock(environment: str) -> None:
    lock = (REPOSITORY / "envs/lock.txt").read_text(encoding="utf-8")
    for name, version in packages(environment).items():
        if name != "python":
            assert f"\n{CALLED.get(name, name)}=={version}" in lock, name
