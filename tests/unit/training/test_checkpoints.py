"""Which checkpoints are removed when a training has ended."""

from filelock import FileLock

from sam2pal.training.checkpoints import remove_old_checkpoints


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_checkpoints_of_other_trainings_are_removed(tmp_path):
    for name in ("before", "own", "running", "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.pt").write_text(name)
    for name in ("before", "own", "running"):
        (tmp_path / name / "lock").touch()
        (tmp_path / name / ".checkpoint.77-0123abcd.pt").write_text("half")
    (tmp_path / "readme.txt").write_text("not a training")

    with FileLock(tmp_path / "running" / "lock"):
        assert remove_old_checkpoints(tmp_path, "own") == 3
        assert files(tmp_path) == [
            "before/lock",
            "notes/checkpoint.pt",  # without a lock it is none of ours
            "own/checkpoint.pt",
            "own/lock",
            "readme.txt",
            "running/.checkpoint.77-0123abcd.pt",
            "running/checkpoint.pt",
            "running/lock",
        ]
    assert remove_old_checkpoints(tmp_path, "own") == 2  # it has ended
    assert remove_old_checkpoints(tmp_path, "own") == 0
    assert (tmp_path / "own" / "checkpoint.pt").read_text() == "own"
