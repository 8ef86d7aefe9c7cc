"""Damaged files of every format: an error that names the file, never another mask without a word.

`SAM2PAL_MUTATIONS=3000` tries more of them than the default of some seconds.
"""

import copy
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_formats import FILES, HEIGHT, NAMES, WIDTH, content, masks_of, square

from sam2pal.dataset.convert import convert
from sam2pal.io.errors import InputError

MUTATIONS = settings(
    max_examples=int(os.environ.get("SAM2PAL_MUTATIONS", 25)),
    derandomize="SAM2PAL_MUTATIONS" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TABLE = (
    "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
    "region_attributes\n"
    'a.png,1,"{}",1,0,"{""name"":""rect"",""x"":10,""y"":5,""width"":20,""height"":20}",'
    '"{""part"":""head""}"\n'
)
CONTENTS = {name: content(name) for name in FILES} | {"via.csv": TABLE.encode()}
JSONS = [name for name in FILES if name.endswith("json")]
OTHERS = st.one_of(
    st.none(), st.booleans(), st.text(max_size=5), st.just("\ud83d"), st.just([]), st.just({}),
    st.just([[]]), st.just(json.loads("[" * 400 + "]" * 400)), st.just("9" * 5000),
    st.just(float("nan")), st.just(float("inf")), st.just([None]), st.just({"a": {}}),
)  # fmt: skip


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("a.png", "b.png"):
        Image.new("RGB", (WIDTH, HEIGHT), "white").save(folder / name)
    return folder


def outcome(photographs, name, data):
    """What the file gives: masks and notes, or the error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        try:
            found = convert(path, photographs, NAMES)
        except InputError as error:
            assert str(path) in str(error)
            return {}, str(error)
    json.dumps(found, allow_nan=False).encode()  # it can be written
    return masks_of(found), "; ".join(found["info"]["notes"][:-1])  # the last is on 'body'


def assert_told(masks, said):
    same = list(masks) == [("a", "head")] and np.array_equal(masks["a", "head"], square())
    assert same or said


def nodes(value, path=()):
    yield path
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from nodes(inner, (*path, key))


@pytest.mark.parametrize("name", CONTENTS)
@MUTATIONS
@given(data=st.data())
def test_bytes_that_are_lost_or_changed(photographs, name, data):
    whole = CONTENTS[name]
    start = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.sampled_from([1, 3, 20, len(whole)]))
    there = data.draw(st.binary(max_size=4) | st.sampled_from([b"9" * 30, b"-", b"[", b"null"]))
    outcome(photographs, name, whole[:start] + there + whole[start + length :])


@pytest.mark.parametrize("name", CONTENTS)
@MUTATIONS
@given(data=st.data())
def test_a_file_that_ends_too_early(photographs, name, data):
    end = data.draw(st.integers(0, len(CONTENTS[name]) - 1))
    assert_told(*outcome(photographs, name, CONTENTS[name][:end]))


@pytest.mark.parametrize("name", JSONS)
@MUTATIONS
@given(data=st.data())
def test_a_value_of_another_kind(photographs, name, data):
    tree = json.loads(CONTENTS[name])
    path = data.draw(st.sampled_from(list(nodes(tree))))
    changed = copy.deepcopy(tree)
    other = data.draw(OTHERS)
    if path:
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = other
    else:
        changed = other
    assert_told(*outcome(photographs, name, json.dumps(changed).encode()))


@MUTATIONS
@given(line=st.text(alphabet="0123456789. -e\n\tx\ufeff\x00", max_size=60), names=OTHERS)
def test_outlines_of_yolo(photographs, line, names):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data.yaml").write_text(
            yaml.dump({"names": names}) if names else "names: [head, body]", errors="replace"
        )
        Path(folder, "a.txt").write_text(line, encoding="utf-8")
        try:
            masks = masks_of(convert(folder, photographs, NAMES))
        except InputError as error:
            assert folder in str(error)
        else:
            assert all(mask.shape == (HEIGHT, WIDTH) for mask in masks.values())


@MUTATIONS
@given(data=st.data())
def test_pictures_of_masks(photographs, data):
    with tempfile.TemporaryDirectory() as folder:
        suffix = data.draw(st.sampled_from([".png", ".tif", ".bmp", ".gif"]))
        path = Path(folder, f"a_head{suffix}")
        Image.fromarray(square().astype(np.uint8) * 255).save(path)
        whole = path.read_bytes()
        end = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(whole[:end])
        try:
            found = convert(folder, photographs, NAMES)
        except InputError as error:
            assert folder in str(error)
        else:
            assert_told(masks_of(found), "")
