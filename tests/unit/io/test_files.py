"""Files that appear whole or not at all, also where they cannot be written."""

import errno
import os
from pathlib import Path

import pytest
import torch

from sam2pal.io import files
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic, set_aside


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("[enforce fail] PytorchStreamWriter failed writing file data/0"),
    ],
)
def test_a_full_disk_is_an_error_with_the_file(tmp_path, error):
    path = tmp_path / "results" / "table.csv"
    with atomic(path) as temporary:
        temporary.write_text("before")
    full = "table.csv: cannot be written .*is the disk full"
    with pytest.raises(InputError, match=full), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "before" and os.listdir(path.parent) == ["table.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_what_writers_raise_on_a_full_disk(tmp_path):
    for write in (
        lambda path: torch.save({"a": torch.zeros(1000)}, path),
        lambda path: path.write_bytes(bytes(10_000)),
    ):
        with (
            pytest.raises(InputError, match="a.pt: cannot be written"),
            atomic(tmp_path / "a.pt") as to,
        ):
            to.symlink_to("/dev/full")
            write(to)


def test_a_folder_that_is_a_file_is_an_error_with_the_file(tmp_path):
    (tmp_path / "results").write_text("")
    with (
        pytest.raises(InputError, match="a.csv: cannot be written"),
        atomic(tmp_path / "results/a.csv"),
    ):
        pass


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a"):
        (tmp_path / "input").read_text()


def test_what_is_set_aside_replaces_what_was_before(tmp_path):
    for content in ("first", "second"):
        (tmp_path / "a").write_text(content)
        assert set_aside(tmp_path / "a").read_text() == content
    assert os.listdir(tmp_path) == ["a.damaged"]


def test_copies_are_told_without_reading_files_that_differ(tmp_path, monkeypatch):
    contents = {
        "a": b"x" * 9000,
        "b": b"x" * 8999 + b"y",
        "c": b"x" * 9000,
        "d": b"y" * 9000,
        "e": b"x" * 10,
    }
    contents |= {"f": b"", "g": b"", "h": b"z" * 10}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    sizes = {str(tmp_path / name): len(content) for name, content in contents.items()}
    hashed = []
    real = files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: hashed.append(Path(path).name) or real(path))
    found = [[Path(path).name for path in group] for group in files.copies(sizes)]
    assert found == [["a", "c"], ["f", "g"]]
    assert sorted(hashed) == ["a", "b", "c", "f", "g"]  # the end of b is in no sample
    (tmp_path / "c").unlink()
    assert len(files.copies(sizes)) == 1
