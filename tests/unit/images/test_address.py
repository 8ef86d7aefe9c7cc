"""Windows of photographs, read as photographs of their own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2pal.images.address import address_of, content_hash, file_of, split, suffix_of
from sam2pal.images.reading import inspect, read_photograph
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError

WINDOW = Window(top=7, left=20, height=30, width=11)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (60, 50, 3), np.uint8)


def test_an_address_is_taken_apart_again() -> None:
    address = address_of("a/b #1.JPG", WINDOW)
    assert address == "a/b #1.JPG#xywh=20,7,11,30"
    assert split(address) == ("a/b #1.JPG", WINDOW) and split(Path(address))[1] == WINDOW
    assert (file_of(address), suffix_of(address)) == ("a/b #1.JPG", ".JPG")
    assert split("a#xywh=1,2,3.jpg") == ("a#xywh=1,2,3.jpg", None)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_window_is_a_photograph_of_its_own(
    tmp_path: Path, pixels: np.ndarray, suffix: str
) -> None:
    path = tmp_path / f"tray{suffix}"
    Image.fromarray(pixels).save(path)
    address = address_of(str(path), WINDOW)
    found = read_photograph(address, at_least=4)
    assert (found.pixels == pixels[7:37, 20:31]).all()
    assert (found.width, found.height, found.displayed_shape) == (11, 30, (30, 11))
    assert (inspect(address).width, inspect(address).height) == (11, 30)


def test_a_window_of_a_turned_photograph_is_upright(tmp_path: Path, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    stored = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_270)
    stored.save(tmp_path / "tray.png", exif=exif)
    found = read_photograph(address_of(str(tmp_path / "tray.png"), WINDOW))
    assert found.orientation == 1 and (found.pixels == pixels[7:37, 20:31]).all()


def test_a_replaced_photograph_is_read_anew(tmp_path: Path, pixels: np.ndarray) -> None:
    path = tmp_path / "tray.png"
    Image.fromarray(pixels).save(path)
    address = address_of(str(path), WINDOW)
    before, known = read_photograph(address).pixels, content_hash(address)
    Image.fromarray(255 - pixels[:50]).save(path)
    assert (read_photograph(address).pixels == 255 - before).all()
    assert len({known, content_hash(address), content_hash(path)}) == 3
    Image.fromarray(pixels[:20]).save(path)
    with pytest.raises(
        InputError, match="the window is not inside the photograph, which has 50 x 20"
    ):
        read_photograph(address)
