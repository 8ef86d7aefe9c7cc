"""What results/provenance.json says, and when it changes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sam2pal.config import provenance
from sam2pal.config.model import BUNDLED_WEIGHTS
from sam2pal.io.errors import InputError
from sam2pal.io.files import sha256

SCRIPT = Path(__file__).resolve().parents[3] / "scripts/provenance.py"
CONFIGURATION = {"seed": 7, "model": {"name": "bundled"}, "rounds": {"one": {"templates": ["a"]}}}


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_same_bytes_twice_and_no_times(tmp_path: Path) -> None:
    table = tmp_path / "genera.tsv"
    table.write_text("genus\n")
    (tmp_path / "configuration.json").write_text(json.dumps(CONFIGURATION))
    (tmp_path / "train_palindrome.one.json").write_text('{"method": 8, "seed": 7}')
    for name in ("first", "second"):
        words = ["--configuration", str(tmp_path / "configuration.json"), "--files", str(table)]
        words += ["--options", str(tmp_path / "train_palindrome.one.json")]
        words += ["--output", str(tmp_path / name)]
        subprocess.run([sys.executable, str(SCRIPT), *words], check=True)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    record = json.loads((tmp_path / "first").read_text())
    assert record["seed"] == 7
    assert record["options"] == {"train_palindrome.one": {"method": 8, "seed": 7}}
    assert record["files_sha256"] == {str(table): sha256(table)}


def test_the_model_is_named_by_its_weights(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"abc")
    hashes = [
        provenance.record(CONFIGURATION, {}, weights=given)["model"]["weights_sha256"]
        for given in (None, weights)
    ]
    assert hashes[0] == sha256(BUNDLED_WEIGHTS)
    # of FIPS 180-2
    assert hashes[1] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_another_configuration_has_another_hash() -> None:
    records = [
        provenance.record(configuration, {})
        for configuration in (
            CONFIGURATION,
            dict(reversed(CONFIGURATION.items())),
            CONFIGURATION | {"seed": 8},
        )
    ]
    hashes = [record["configuration_sha256"] for record in records]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_commit_is_that_of_the_workflow_itself(tmp_path: Path) -> None:
    unknown = {"commit": "unknown", "changed": "unknown"}
    assert provenance.commit(tmp_path) == unknown
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/a.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "a")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.commit(tmp_path) == {"commit": head, "changed": False}
    (tmp_path / "results.csv").write_text("")
    assert provenance.commit(tmp_path)["changed"] is False
    (tmp_path / "scripts/a.py").write_text("1")
    assert provenance.commit(tmp_path)["changed"] is True
    # a copy without git that lies in a repository of the user
    (tmp_path / "copy").mkdir()
    assert provenance.commit(tmp_path / "copy") == unknown


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none.pt: cannot be read"):
        provenance.record(CONFIGURATION, {}, weights=tmp_path / "none.pt")
