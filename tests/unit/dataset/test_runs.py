"""Masks as runs: whatever is done to them gives the pixels that whole frames give."""

from hashlib import sha256

import numpy as np
import pytest
from scipy.ndimage import label

from sam2pal.dataset.rle import decode_mask, encode_mask, fingerprint, rle_measures
from sam2pal.dataset.runs import Runs, common

SIZES = [(1, 1), (1, 9), (9, 1), (23, 17), (40, 64)]


def masks(size, count=1, seed=0):
    """Random masks from nearly empty to nearly full, blobs and specks; then none and all pixels."""
    rng = np.random.default_rng(seed)
    for share in (0.02, 0.3, 0.5, 0.9):
        for _ in range(4):
            yield [rng.random(size) < share for _ in range(count)]
    yield [np.zeros(size, bool)] * count
    yield [np.ones(size, bool)] * count


def runs(mask):
    return Runs.of(mask, *mask.shape)


@pytest.mark.parametrize("size", SIZES)
def test_the_same_as_of_whole_frames(size):
    for (mask,) in masks(size):
        found = runs(mask)
        assert found.rle() == encode_mask(mask)
        assert np.array_equal(decode_mask(found.rle()), mask)
        assert found.area == mask.sum() and bool(found) == mask.any()
        assert list(found.bbox()) == rle_measures(encode_mask(mask))["bbox"]
        again = Runs.from_rle(found.rle())
        assert np.array_equal(again.start, found.start) and np.array_equal(again.end, found.end)
        window, top, left = found.window()
        whole = np.zeros(size, bool)
        whole[top : top + window.shape[0], left : left + window.shape[1]] = window
        assert np.array_equal(whole, mask)
        assert Runs.of(window, *size, top, left).rle() == found.rle()
        if mask.any():
            y, x = np.nonzero(mask)
            assert found.middle() == pytest.approx((y.mean() + 0.5, x.mean() + 0.5))


@pytest.mark.parametrize("size", SIZES)
def test_common_pixels_and_differences(size):
    for one, two, three in masks(size, 3, 1):
        assert (runs(one) & runs(two)).rle() == encode_mask(one & two)
        assert (runs(one) - runs(two)).rle() == encode_mask(one & ~two)
        assert common([runs(m) for m in (one, two, three)]).rle() == encode_mask(one & two & three)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.6])
def test_specks(size, share):
    for (mask,) in masks(size, seed=2):
        pieces, _ = label(mask, np.ones((3, 3)))
        kept = np.bincount(pieces.ravel()) >= max(1, share * mask.sum())
        kept[0] = False
        assert runs(mask).without_specks(share).rle() == encode_mask(kept[pieces])


def test_a_mask_has_one_fingerprint_however_it_is_encoded():
    mask = np.zeros((7, 5), bool)
    mask[2:4, 1:3] = True
    rle = encode_mask(mask)
    counts = {"size": [7, 5], "counts": [9, 2, 5, 2, 17]}
    assert fingerprint(rle) == fingerprint(counts)
    assert fingerprint(rle) == sha256(rle["counts"].encode()).hexdigest()[:16]
    assert fingerprint(rle) != fingerprint(encode_mask(~mask))
