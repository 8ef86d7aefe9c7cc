"""segmentation: memory does not grow with the number of specimens."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.dataset.manifest import build_manifest
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.shard import segment

SIDE = 400


def resident() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.slow
def test_memory_is_flat_for_2000_specimens(small_model, tmp_path):
    if not Path("/proc/self/statm").exists():
        pytest.skip("the size of a process is read from /proc, which is not here")
    rng = np.random.default_rng(0)
    (tmp_path / "photographs").mkdir()
    for number in range(2):
        coarse = rng.integers(0, 255, (20, 20, 3)).astype(np.uint8)
        path = tmp_path / f"photographs/s{number}.bmp"
        Image.fromarray(coarse).resize((SIDE, SIDE)).save(path)
    first, second = build_manifest(tmp_path / "photographs", None, 100).specimens
    mask = np.zeros((SIDE, SIDE), bool)
    mask[100:300, 150:250] = True
    template = AnnotatedSpecimen("s0", first.path, SIDE, SIDE, drawn_annotations({"head": mask}))
    specimens = [dataclasses.replace(second, specimen=f"s{n}") for n in range(1, 2001)]
    sizes = []
    segment(
        Tracker(small_model),
        specimens,
        [template],
        read_structures({"head": {}}),
        SegmentationOptions(window="photograph"),
        lambda: sizes.append(resident()),
        bundled=True,
    )
    assert len(sizes) == 2000
    # the masks that are written in the end are kept, and nothing else: 1500 photographs would be 720 MB
    growth = np.mean(sizes[-100:]) - np.mean(sizes[400:500])
    print(f"{growth:.1f} MB from specimen 500 to 2,000, {sizes[-1]:.0f} MB in all")
    assert growth < 40, sizes[::100]
