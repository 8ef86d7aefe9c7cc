"""Manifests, shards and training pools."""

import hashlib
import os
import shutil
import socket
import time

import numpy as np
import pytest
from PIL import Image

from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.dataset.files import check, read_json
from sam2pal.dataset.manifest import (
    Specimen,
    build_manifest,
    read_list,
    write_list,
    write_shard_lists,
)
from sam2pal.dataset.matching import find_templates
from sam2pal.dataset.pool import check_pool, draw_pool
from sam2pal.dataset.states import DUPLICATE, OK, REMOVED, UNREADABLE
from sam2pal.images.folder import Folder, natural_key, scan
from sam2pal.images.reading import inspect
from sam2pal.images.reading import inspect as inspect_photograph
from sam2pal.io.errors import InputError


def photograph(path, size=(8, 6), colour=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = colour or tuple(hashlib.sha256(os.fsencode(path.name)).digest()[:3])
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "Aus"
    for number in range(1, 12):
        photograph(root / f"s{number}.png", colour=(number, 0, 0))
    return root


def remembered(manifest):
    return [*manifest.specimens, *manifest.removed]


def shards(manifest):
    table = {}
    for row in manifest.specimens:
        table.setdefault(row.shard, []).append(row.specimen)
    return table


# The manifest


def test_a_first_listing_is_in_natural_order(folder):
    manifest = build_manifest(folder, None, 4)
    assert shards(manifest) == {
        "0001": ["s1", "s2", "s3", "s4"],
        "0002": ["s5", "s6", "s7", "s8"],
        "0003": ["s9", "s10", "s11"],
    }
    first = manifest.specimens[0]
    status = (folder / "s1.png").stat()
    assert first == Specimen(
        "s1", str(folder / "s1.png"), status.st_size, status.st_mtime_ns, 8, 6, "0001", OK, ""
    )
    assert manifest.notes == [] and manifest.removed == []


def test_new_photographs_fill_the_last_shard_then_new_ones(folder):
    before = build_manifest(folder, None, 4)
    for name in ("a", "b", "c"):
        photograph(folder / f"{name}.png")
    after = build_manifest(folder, remembered(before), 4)
    assert shards(after)["0001"] == ["s1", "s2", "s3", "s4"]
    assert shards(after)["0003"] == ["a", "s9", "s10", "s11"]
    assert shards(after)["0004"] == ["b", "c"]


def test_removed_photographs_leave_and_return_to_their_shard(folder, tmp_path):
    before = build_manifest(folder, None, 4)
    for name in ("s2", "s9", "s10", "s11"):
        shutil.move(folder / f"{name}.png", tmp_path / f"{name}.png")
    gone = build_manifest(folder, remembered(before), 4)
    assert shards(gone) == {"0001": ["s1", "s3", "s4"], "0002": ["s5", "s6", "s7", "s8"]}
    assert [row.specimen for row in gone.removed] == ["s2", "s9", "s10", "s11"]
    assert {row.status for row in gone.removed} == {REMOVED}
    assert gone.notes == [
        "4 photographs gone since the last listing: 's2.png', 's9.png', 's10.png', 's11.png'"
    ]
    photograph(folder / "new.png")
    shutil.move(tmp_path / "s2.png", folder / "s2.png")
    later = build_manifest(folder, remembered(gone), 4)
    assert shards(later)["0001"] == ["s1", "s2", "s3", "s4"]
    assert shards(later)["0004"] == ["new"]  # the number of the emptied shard is not used again
    assert later.notes == []


def test_another_shard_size_moves_nobody(folder):
    before = build_manifest(folder, None, 4)
    photograph(folder / "t.png")
    photograph(folder / "u.png")
    smaller = build_manifest(folder, remembered(before), 2)
    assert shards(smaller)["0001"] == ["s1", "s2", "s3", "s4"]
    assert shards(smaller)["0004"] == ["t", "u"]
    larger = build_manifest(folder, remembered(before), 100)
    assert shards(larger)["0003"] == ["s9", "s10", "s11", "t", "u"]


def test_unchanged_files_are_not_opened_and_replaced_ones_are(folder, monkeypatch):
    before = build_manifest(folder, None, 4)
    opened = []
    real = inspect_photograph
    monkeypatch.setattr(
        "sam2pal.dataset.manifest.inspect", lambda path: opened.append(path) or real(path)
    )
    again = build_manifest(folder, remembered(before), 4)
    assert again == before and opened == []
    photograph(folder / "s6.png", size=(9, 9))
    os.utime(folder / "s7.png", ns=(1, 1))
    after = build_manifest(folder, remembered(before), 4)
    assert opened == [str(folder / "s6.png"), str(folder / "s7.png")]
    row = next(row for row in after.specimens if row.specimen == "s6")
    assert (row.width, row.height, row.shard) == (9, 9, "0002")
    assert after.notes == ["2 photographs opened again: 's6.png', 's7.png'"]


def test_unreadable_photographs_are_listed_with_the_reason_and_tried_again(folder):
    (folder / "s3.png").write_bytes(b"")
    (folder / "s4.png").write_text("no picture")
    (folder / "raw.NEF").write_bytes(b"II*\0")
    (folder / "lost.png").symlink_to(folder / "nowhere.png")
    manifest = build_manifest(folder, None, 4)
    bad = {row.specimen: row for row in manifest.specimens if row.status == UNREADABLE}
    assert list(bad) == ["lost", "raw", "s3", "s4"]
    assert bad["s3"].reason.startswith("the file is empty (0 bytes)")
    assert bad["s4"].reason.startswith("this is not a photograph that can be read")
    assert bad["raw"].reason.startswith("NEF files cannot be read")
    assert bad["lost"].reason.startswith("the photograph does not exist")
    assert (bad["s3"].shard, bad["s3"].width) == ("0002", 0)
    status = (folder / "s3.png").stat()
    photograph(folder / "s3.png")
    os.utime(folder / "s3.png", ns=(status.st_mtime_ns, status.st_mtime_ns))
    mended = build_manifest(folder, remembered(manifest), 4)
    assert [row.specimen for row in mended.specimens if row.status != OK] == ["lost", "raw", "s4"]


def test_two_files_of_one_name(folder):
    photograph(folder / "s2.jpg")
    (folder / "s3.bmp").write_bytes(b"damaged")
    (folder / "s5.CR2").write_bytes(b"beside a photograph of the same name")
    manifest = build_manifest(folder, None, 4)
    rows = {row.name: row for row in manifest.specimens}
    assert rows["s2.jpg"].status == OK
    assert rows["s2.png"].status == DUPLICATE
    assert rows["s2.png"].reason == "s2.jpg has the same name and is kept"
    assert rows["s3.bmp"].status == DUPLICATE and rows["s3.png"].status == OK
    assert rows["s2.png"].shard == rows["s2.jpg"].shard == "0001"
    assert manifest.notes == ["1 other files left out: 1 .cr2"]
    (folder / "s2.jpg").unlink()
    after = build_manifest(folder, remembered(manifest), 4)
    kept = [row for row in after.specimens if row.specimen == "s2"]
    assert [(row.name, row.status, row.reason) for row in kept] == [("s2.png", OK, "")]


def statuses(manifest):
    return {row.name: row.status for row in manifest.specimens if row.status != OK}


def test_copies_of_a_photograph_are_one_specimen(folder, monkeypatch):
    for name in ("s4 copy.png", "sub/s4.png", "renamed.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "s4.png", folder / name)
    (folder / "alias.png").symlink_to(folder / "s5.png")
    first = build_manifest(folder, None, 4)
    said = dict.fromkeys(("alias.png", "renamed.jpg", "s4 copy.png", "sub/s4.png"), DUPLICATE)
    assert statuses(first) == said
    reasons = {row.name: row.reason for row in first.specimens if row.reason}
    assert reasons["alias.png"] == "a copy of s5.png, which is kept"
    assert {reasons[name] for name in list(said)[1:]} == {"a copy of s4.png, which is kept"}
    assert statuses(build_manifest(folder, remembered(first), 4)) == said
    # a shorter name does not take the place of one that is used; without that, a copy stands for it
    shutil.copy(folder / "s4.png", folder / "a.png")
    again = build_manifest(folder, remembered(first), 4)
    assert statuses(again) == said | {"a.png": DUPLICATE}
    (folder / "s4.png").unlink()
    after = build_manifest(folder, remembered(again), 4)
    assert (
        statuses(after) == said | {"renamed.jpg": DUPLICATE} and after.specimens[0].name == "a.png"
    )


def test_unchanged_photographs_are_not_compared_again(folder, monkeypatch):
    first = build_manifest(folder, None, 4)
    read = []
    monkeypatch.setattr(
        "sam2pal.dataset.manifest.copies", lambda sizes: read.append(len(sizes)) or []
    )
    build_manifest(folder, remembered(first), 4)
    assert read == [0]
    photograph(folder / "other.png", size=(40, 50))
    build_manifest(folder, remembered(first), 4)
    assert read == [0, 1]


def test_folders_links_hidden_and_other_files(folder):
    photograph(folder / "drawer 2" / "x.TIF")
    photograph(folder / ".hidden" / "y.png")
    photograph(folder / "@eaDir" / "z.png")
    photograph(folder / "._s1.png")
    (folder / "s1.xmp").write_text("sidecar")
    (folder / "movie.mp4").write_text("other")
    (folder / "drawer 2" / "up").symlink_to(folder)
    photograph(folder.parent / "elsewhere" / "far.png")
    (folder / "link").symlink_to(folder.parent / "elsewhere")
    manifest = build_manifest(folder, None, 100)
    names = [row.specimen for row in manifest.specimens]
    assert names == ["drawer 2/x", "link/far", *(f"s{n}" for n in range(1, 12))]
    assert manifest.notes == ["1 other files left out: 1 .mp4"]


def test_the_first_page_is_noted_and_remembered(folder):
    two = [Image.new("RGB", (8, 6)), Image.new("RGB", (8, 6))]
    two[0].save(folder / "s1.tif", save_all=True, append_images=two[1:])
    (folder / "s1.png").unlink()
    manifest = build_manifest(folder, None, 4)
    assert (manifest.specimens[0].status, manifest.specimens[0].reason) == (OK, "first of 2 pages")
    assert build_manifest(folder, remembered(manifest), 4) == manifest


def test_nothing_to_list(tmp_path):
    with pytest.raises(InputError, match="genus Aus: .*nowhere: the folder does not exist"):
        build_manifest(tmp_path / "nowhere", None, 4, genus="Aus")
    (tmp_path / "notes.docx").write_text("x")
    with pytest.raises(InputError, match=f"genus Aus: no photograph in {tmp_path} .*1 .docx"):
        build_manifest(tmp_path, None, 4, genus="Aus")
    with pytest.raises(InputError, match="shard_size is 0; give 1 or more"):
        build_manifest(tmp_path, None, 0, genus="Aus")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be listed"):
        build_manifest(tmp_path / "file", None, 4)


def test_names_that_no_table_can_hold(folder):
    photograph(folder / "tab\there.png")
    photograph(folder / os.fsdecode(b"caf\xe9.png"))
    for fine in ("no\u00a0break", "ant \U0001f41c", "@home", "=1+1"):
        photograph(folder / f"{fine}.png")
    rows = {row.specimen: row for row in build_manifest(folder, None, 4).specimens}
    for name in ("tab\\there", "caf\\udce9"):
        assert rows[name].status == UNREADABLE and "rename the photograph" in rows[name].reason
    for fine in ("no\u00a0break", "ant \U0001f41c", "@home", "=1+1"):
        assert rows[fine].status == OK
    write_list(folder / "manifest.tsv", rows.values())
    assert read_list(folder / "manifest.tsv") == list(rows.values())
    assert "\n'=1+1\t" in (folder / "manifest.tsv").read_text()


def test_one_bad_entry_stops_no_genus(folder):
    os.mkfifo(folder / "pipe.png")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket.png"))
    (folder / "null.png").symlink_to("/dev/null")
    (folder / "ring.png").symlink_to("ring.png")
    deep = folder
    for _ in range(110):
        deep = deep / "d"
    photograph(deep / "deep.png")
    real = folder / "drawer"
    photograph(real / "x.png")
    for number in range(4):  # links that would multiply
        (real / f"up{number}").symlink_to(folder)
        (folder / f"again{number}").symlink_to(real)
    rows = {row.specimen: row for row in build_manifest(folder, None, 4).specimens}
    reasons = {name: row.reason for name, row in rows.items() if row.status == UNREADABLE}
    assert [*reasons] == ["/".join("d" * 101), "null", "pipe", "ring", "socket"]
    assert "more than 100 folders" in reasons["/".join("d" * 101)]
    for name in ("null", "pipe", "socket"):
        assert "not a regular file" in reasons[name]
    assert "cannot be examined" in reasons["ring"]
    readable = [name for name, row in rows.items() if row.status == OK]
    assert readable == ["drawer/x", *(f"s{n}" for n in range(1, 12))]
    with pytest.raises(InputError, match="not a regular file"):
        inspect(folder / "pipe.png")
    listener.close()


# Files


def test_lists_survive_writing(folder, tmp_path):
    photograph(folder / 'with "quotes" and, comma é.png')
    manifest = build_manifest(folder, None, 4)
    path = tmp_path / "manifest.tsv"
    assert write_list(path, manifest.specimens)
    assert read_list(path) == manifest.specimens
    assert not write_list(path, manifest.specimens)
    header = path.read_text().splitlines()[0].split("\t")
    assert header == [
        "specimen", "path", "size", "mtime_ns", "width", "height", "shard", "status", "reason"
    ]  # fmt: skip


def test_only_changed_shard_lists_are_written(folder, tmp_path):
    lists = tmp_path / "lists"
    before = build_manifest(folder, None, 4)
    assert write_shard_lists(lists, before.specimens) == (3, 3)
    times = {path.name: path.stat().st_mtime_ns for path in lists.iterdir()}
    assert sorted(times) == ["0001.tsv", "0002.tsv", "0003.tsv"]
    photograph(folder / "s12.png")
    for number in (5, 6, 7, 8):
        (folder / f"s{number}.png").unlink()
    after = build_manifest(folder, remembered(before), 4)
    assert write_shard_lists(lists, after.specimens) == (2, 1)
    assert sorted(path.name for path in lists.iterdir()) == ["0001.tsv", "0003.tsv"]
    assert (lists / "0001.tsv").stat().st_mtime_ns == times["0001.tsv"]
    assert [row.specimen for row in read_list(lists / "0003.tsv")] == ["s9", "s10", "s11", "s12"]


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot be read"), ("a\tb\n", "expected the columns specimen"), ("damage", "row 13")],
)
def test_damaged_lists(folder, tmp_path, text, message):
    path = tmp_path / "manifest.tsv"
    if text == "damage":
        write_list(path, build_manifest(folder, None, 4).specimens)
        path.write_text(path.read_text() + "s99\tcut")
    elif text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_list(path)
    assert str(path) in str(error.value)


def test_listing_unchanged_photographs_is_cheap_and_linear(tmp_path):
    """Side by side: four times as many cost about four times as much, and none is decoded again."""

    def seconds(action) -> float:
        start = time.process_time()
        action()
        return time.process_time() - start

    first = photograph(tmp_path / "s0.png")
    taken, decoded = {}, 0.0
    for count in (1_000, 4_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            os.link(first, folder / f"s{number}.png")
        rows = []
        for file in scan(folder).photographs:
            shard = f"{len(rows) // 250 + 1:04d}"
            rows.append(Specimen(file.stem, file.path, file.size, file.mtime_ns, 8, 6, shard))
        if not decoded:
            decoded = seconds(lambda folder=folder: build_manifest(folder, None, 250))
        assert build_manifest(folder, rows, 250).specimens == rows
        taken[count] = min(
            seconds(lambda folder=folder, rows=rows: build_manifest(folder, rows, 250))
            for _ in range(3)
        )
    assert taken[4_000] < 8 * taken[1_000]
    assert taken[1_000] < decoded / 2


# Templates and pools


def template(path, specimen):
    return AnnotatedSpecimen(
        specimen, str(path), 8, 6, drawn_annotations({"head": np.zeros((6, 8), bool)})
    )


def test_templates_are_found_by_file_and_by_copy(folder, tmp_path):
    rows = build_manifest(folder, None, 4).specimens
    copied = tmp_path / "templates" / "another name.png"
    copied.parent.mkdir()
    shutil.copy(folder / "s4.png", copied)
    namesake = photograph(tmp_path / "templates" / "s7.png", size=(80, 60))
    (tmp_path / "link.png").symlink_to(folder / "s2.png")
    given = [template(tmp_path / "link.png", "link"), template(copied, "x"),
             template(namesake, "s7"), template(tmp_path / "missing.png", "missing")]  # fmt: skip
    found = find_templates(rows, given)
    assert {name: t.specimen for name, t in found.items()} == {"s2": "link", "s4": "x"}
    pool = draw_pool(rows, given, 100, seed=1)
    assert [row.specimen for row in pool] == [f"s{n}" for n in (1, 3, 5, 6, 8, 9, 10, 11)]


def test_a_pool_depends_on_the_seed_and_the_ids(folder):
    rows = build_manifest(folder, None, 4).specimens
    pool = draw_pool(rows, [], 4, seed=1)
    assert len(pool) == 4 and draw_pool(rows[::-1], [], 4, seed=1) == pool
    assert set(draw_pool(rows, [], 6, seed=1)) > set(pool)
    assert len({tuple(draw_pool(rows, [], 4, seed=seed)) for seed in range(10)}) > 5
    counts = np.zeros(11)
    for seed in range(600):
        for row in draw_pool(rows, [], 4, seed=seed):
            counts[rows.index(row)] += 1
    assert np.abs(counts / 600 - 4 / 11).max() < 0.08


def test_nothing_to_draw(folder):
    rows = build_manifest(folder, None, 4).specimens
    templates = [template(row.path, row.specimen) for row in rows]
    with pytest.raises(InputError, match="of 11 photographs 11 are readable, and 11 of these"):
        draw_pool(rows, templates, 4, seed=1)
    with pytest.raises(InputError, match="pool_size is 0; give 1 or more"):
        draw_pool(rows, [], 0, seed=1)


def test_a_pool_whose_photographs_changed(folder):
    pool = draw_pool(build_manifest(folder, None, 4).specimens, [], 11, seed=1)
    check_pool(pool, "train_pool.tsv")
    (folder / "s2.png").unlink()
    os.utime(folder / "s9.png", ns=(1, 1))
    with pytest.raises(
        InputError, match="train_pool.tsv: 1 photograph disappeared.*s2.png'; 1 .*changed.*s9.png"
    ):
        check_pool(pool, "train_pool.tsv")


def test_the_state_of_a_folder_changes_with_the_photographs_alone(folder):
    first = Folder(folder).state
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_text("x")
    assert Folder(folder).state == first
    os.utime(folder / "s1.png", ns=(5, 5))
    second = Folder(folder).state
    (folder / "s2.png").rename(folder / "s20.png")
    assert len({first, second, Folder(folder).state}) == 3
    with pytest.raises(InputError, match="does not exist"):
        assert Folder(folder / "nowhere").count


def test_natural_order_is_the_same_everywhere():
    names = ["b/1.png", "a10.png", "A2.png", "a2.png", "ä1.png", "a/9.png", "10.png", "9.png"]
    expected = ["9.png", "10.png", "A2.png", "a2.png", "a10.png", "a/9.png", "b/1.png", "ä1.png"]
    assert sorted(names, key=natural_key) != names
    found = sorted(names, key=natural_key)
    assert sorted(names[::-1], key=natural_key) == found
    assert [n for n in found if "/" not in n] == [n for n in expected if "/" not in n]


def test_real_collection(carabidae):
    manifest = build_manifest(carabidae / "tray" / "images", None, 30, genus="tray")
    assert len(manifest.specimens) == 72 and {row.status for row in manifest.specimens} == {OK}
    assert [len(rows) for rows in shards(manifest).values()] == [30, 30, 12]
    truth = {
        i["file_name"]: i
        for i in check(read_json(carabidae / "tray/annotations.json"), "the file")["images"]
    }
    for row in manifest.specimens:
        entry = truth[os.path.basename(row.path)]
        assert (row.width, row.height) == (entry["width"], entry["height"])
